//! What may enter the log, and where it then stands.

use super::{
    Branch, ConversationId, Entry, EntryId, FeedId, Header, Kind, Log, Malformed, MarkKey, Placed,
    Point, Position, Tip, WireEntry, fold,
};
use crate::identity::Identity;

/// The most branches of one member in one conversation, over all devices: each costs a place in
/// every `Have`. An honest device adds one each time that it is restored from an older copy and
/// writes before it has met anybody.
pub const MAX_BRANCHES_PER_MEMBER: usize = 64;

/// For whom, and from whom, an entry is accepted.
#[derive(Clone, Copy)]
pub struct Accepting<'a> {
    /// The conversation in which it was sent.
    pub conversation: ConversationId,
    /// The members of that conversation.
    pub members: &'a [Identity],
    /// Who sent it: the other end of the session.
    pub from: Identity,
    /// The own feed.
    pub own: FeedId,
    /// The key of the own marks.
    pub key: &'a MarkKey,
}

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly every outcome is the largest one")]
pub enum Outcome {
    /// It is in the log now.
    Added(Added),
    /// It was there already.
    Duplicate(EntryId),
    /// It was there already without its body ([`Log::lacking`]) and has it again: this item is to
    /// be folded again.
    Restored(EntryId),
    /// It names these entries, which are not in the log: it may be kept in
    /// [`Held`](super::Held) until they are.
    Missing(Vec<EntryId>),
    /// It will never enter.
    Refused(Refusal),
}

/// An entry that entered the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// The entry.
    pub entry: Entry,
    /// Where it stands.
    pub placed: Placed,
    /// It is the second one with its author, device and number: its feed forked here.
    pub forked: bool,
    /// What is to be done now.
    pub effect: Effect,
}

/// What an added entry means for what a person sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It is an item of its own.
    Show(EntryId),
    /// It changes this item: [`refold`](super::refold) it, if it is one.
    Change(EntryId),
    /// This member has read everything by others up to this position. Marks may come in any
    /// order: only the furthest counts.
    Read {
        /// Who.
        by: Identity,
        /// Up to where, inclusive.
        up_to: Position,
    },
}

/// Why an entry will never enter the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its bytes are not an entry.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It belongs to another conversation than the one it was sent in.
    #[error("the entry belongs to another conversation")]
    WrongConversation,
    /// Its author, or its sender, is no member.
    #[error("the entry is not by a member of the conversation")]
    NotAMember,
    /// It is neither the sender's own nor one of ours, so nothing proves who wrote it.
    #[error("nothing proves who wrote the entry")]
    Unproven,
    /// Its previous entry is known, but of another feed or with another number.
    #[error("the entry does not follow the one it says it follows")]
    WrongPrevious,
    /// Its author has [`MAX_BRANCHES_PER_MEMBER`] branches already.
    #[error("the author has written too many different histories")]
    TooManyBranches,
}

/// Lets an entry into the log if it belongs there.
///
/// An entry that follows the tip of a branch, and names nothing older than tips, costs one call
/// of [`Log::branches`] and one of [`Log::insert`].
///
/// # Errors
/// The log could not be read or written.
pub fn accept<L: Log>(
    log: &mut L,
    accepting: &Accepting<'_>,
    wire: WireEntry,
) -> Result<Outcome, L::Error> {
    let outcome = accept_or_return(log, accepting, wire)?;
    Ok(outcome.unwrap_or_else(|(missing, _)| Outcome::Missing(missing)))
}

/// What an early entry names that is not in the log, and its bytes.
pub(super) type TooEarly = (Vec<EntryId>, WireEntry);

/// [`accept`], but an early entry's bytes are handed back.
pub(super) fn accept_or_return<L: Log>(
    log: &mut L,
    accepting: &Accepting<'_>,
    wire: WireEntry,
) -> Result<Result<Outcome, TooEarly>, L::Error> {
    let entry = match Entry::decode(wire) {
        Ok(entry) => entry,
        Err(malformed) => return Ok(Ok(Outcome::Refused(malformed.into()))),
    };
    if let Err(refusal) = check_author(accepting, &entry) {
        return Ok(Ok(Outcome::Refused(refusal)));
    }
    let branches = log.branches(&accepting.conversation)?;
    Ok(Ok(match place(log, &branches, &entry.header, entry.id, entry.body.is_none())? {
        Place::Free(free) => Outcome::Added(insert(log, entry, &free)?),
        Place::Taken(placed) => {
            if placed.pruned
                && let Some(body) = &entry.wire.body
                && !fold::is_deleted(log, &accepting.conversation, &entry.id, &entry.header)?
            {
                log.restore(&accepting.conversation, &entry.id, body)?;
                Outcome::Restored(fold::shown_item(&entry.id, &entry.header))
            } else {
                Outcome::Duplicate(entry.id)
            }
        }
        Place::Missing(missing) => return Ok(Err((missing, entry.wire))),
        Place::None(refusal) => Outcome::Refused(refusal),
    }))
}

fn check_author(accepting: &Accepting<'_>, entry: &Entry) -> Result<(), Refusal> {
    let Header { conversation, feed, .. } = &entry.header;
    if *conversation != accepting.conversation {
        return Err(Refusal::WrongConversation);
    }
    if !accepting.members.contains(&feed.author) || !accepting.members.contains(&accepting.from) {
        return Err(Refusal::NotAMember);
    }
    // The session proves who sent it, and by that who wrote it; an own one is proven by its mark.
    let own = *feed == accepting.own && entry.is_marked(accepting.key);
    let own_author = feed.author == accepting.own.author;
    if own || (feed.author == accepting.from && !own_author) {
        Ok(())
    } else {
        Err(Refusal::Unproven)
    }
}

/// Where an entry would stand.
pub(super) enum Place {
    /// Here.
    Free(Free),
    /// It stands there already.
    Taken(Placed),
    /// Nowhere before these are in the log.
    Missing(Vec<EntryId>),
    /// Nowhere.
    None(Refusal),
}

/// A place in the log.
#[derive(Clone, Copy)]
pub(super) struct Free {
    placed: Placed,
    branch: Branch,
    forked: bool,
    /// The position of the target, if there is one.
    target: Option<Position>,
}

/// Finds the place of an entry.
pub(super) fn place<L: Log>(
    log: &L,
    branches: &[Branch],
    header: &Header,
    id: EntryId,
    pruned: bool,
) -> Result<Place, L::Error> {
    let conversation = &header.conversation;
    // A tip has no successor, so what follows one is new: the common case needs no look.
    let mut of_feed = branches.iter().filter(|b| b.feed == header.feed);
    let follows = of_feed.clone().find(|b| Some(b.tip.id) == header.previous);
    let first = header.previous.is_none() && of_feed.next().is_none();
    if follows.is_none()
        && !first
        && let Some(placed) = log.find(conversation, &id)?
    {
        return Ok(Place::Taken(placed));
    }

    let mut missing = Vec::new();
    let mut time = header.time;
    let mut parent = None;
    let mut target = None;
    for name in header.names() {
        let known = match branches.iter().find(|b| b.tip.id == *name) {
            Some(b) => Some((b.feed, Point { branch: b.number, seq: b.tip.seq }, b.tip.time)),
            None => log
                .find(conversation, name)?
                .map(|p| (p.feed, Point { branch: p.branch, seq: p.seq }, p.time)),
        };
        let Some((feed, point, known_time)) = known else {
            missing.push(*name);
            continue;
        };
        if Some(*name) == header.previous {
            if feed != header.feed || point.seq + 1 != header.seq {
                return Ok(Place::None(Refusal::WrongPrevious));
            }
            parent = Some(point);
        }
        if Some(*name) == header.target {
            target = Some(Position { time: known_time, id: *name });
        }
        time = time.max(known_time + 1);
    }
    if !missing.is_empty() {
        return Ok(Place::Missing(missing));
    }

    let arrival = branches.iter().map(|b| b.tip.arrival).max().unwrap_or(0) + 1;
    let tip = Tip { seq: header.seq, id, time, arrival };
    let branch = if let Some(follows) = follows {
        Branch { tip, ..*follows }
    } else {
        let by_member = |b: &&Branch| b.feed.author == header.feed.author;
        if branches.iter().filter(by_member).count() >= MAX_BRANCHES_PER_MEMBER {
            return Ok(Place::None(Refusal::TooManyBranches));
        }
        let number = branches.iter().map(|b| b.number + 1).max().unwrap_or(0);
        Branch { number, feed: header.feed, parent, tip }
    };
    Ok(Place::Free(Free {
        placed: Placed {
            feed: header.feed,
            branch: branch.number,
            seq: header.seq,
            time,
            kind: header.kind,
            pruned,
        },
        branch,
        forked: follows.is_none() && !first,
        target,
    }))
}

/// Puts an entry into its place.
pub(super) fn insert<L: Log>(log: &mut L, entry: Entry, free: &Free) -> Result<Added, L::Error> {
    let Free { placed, branch, forked, target } = *free;
    log.insert(&entry, &placed, &branch)?;
    // An edit of what is deleted goes alone: `prune` looks at the other edits of an item once.
    let conversation = &entry.header.conversation;
    if placed.kind == Kind::Edit && fold::is_deleted(log, conversation, &entry.id, &entry.header)? {
        log.prune(conversation, &entry.id)?;
    }
    let effect = match (placed.kind, target) {
        (Kind::Edit | Kind::Delete | Kind::Reaction, Some(target)) => Effect::Change(target.id),
        (Kind::ReadMark, Some(up_to)) => Effect::Read { by: placed.feed.author, up_to },
        _ => Effect::Show(entry.id),
    };
    Ok(Added { entry, placed, forked, effect })
}
