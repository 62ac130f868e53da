//! Writing an own entry.

use super::{
    Added, Body, Branch, ConversationId, Entry, EntryId, FeedId, Header, Kind, Log, MAX_DEPS,
    MarkKey, WireEntry,
    accept::{self, Place},
    header::NUMBER_LIMIT,
};
use crate::text::{self, MAX_TEXT_BYTES};

/// Why an own entry was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WriteError<E> {
    /// Longer than [`MAX_TEXT_BYTES`].
    #[error("the text is longer than {} KiB", MAX_TEXT_BYTES / 1024)]
    TextTooLong,
    /// Nothing to see in it.
    #[error("the text is empty")]
    Empty,
    /// Not one emoji, nor empty.
    #[error("a reaction is one emoji")]
    NotAnEmoji,
    /// No such entry in this conversation.
    #[error("there is no such entry in this conversation")]
    UnknownTarget,
    /// Only its author may edit or delete it.
    #[error("only its author may change an entry")]
    NotAuthor,
    /// The target is no text: it cannot be edited, deleted, answered or reacted to.
    #[error("that cannot be done to this kind of entry")]
    WrongTarget,
    /// This kind is not for this version to write.
    #[error("this version cannot write such an entry")]
    UnknownKind,
    /// The feed is at its end, or the log contradicts itself.
    #[error("the conversation takes no further entry")]
    Full,
    /// The log could not be read or written.
    #[error("the conversation could not be read or written")]
    Log(E),
}

/// Writes an own entry into the log, after the last one of the own feed and naming what has come
/// since. `now` is the own clock, unix milliseconds.
///
/// # Errors
/// [`WriteError`] says why not; then nothing was written.
pub fn write<L: Log>(
    log: &mut L,
    conversation: ConversationId,
    feed: FeedId,
    key: &MarkKey,
    body: Body,
    now: u64,
) -> Result<Added, WriteError<L::Error>> {
    let body = clean(body)?;
    check_target(log, &conversation, &feed, &body)?;
    let branches = log.branches(&conversation).map_err(WriteError::Log)?;
    let last = canonical(&branches, &feed);
    let encoded = body.encode();
    let header = Header {
        conversation,
        feed,
        seq: last.map_or(0, |b| b.tip.seq) + 1,
        previous: last.map(|b| b.tip.id),
        deps: deps(&branches, last),
        time: now.min(NUMBER_LIMIT - 1),
        kind: body.kind(),
        target: body.target().copied(),
        body_hash: Body::hash(&encoded),
    };
    if header.seq >= NUMBER_LIMIT {
        return Err(WriteError::Full);
    }
    let wire = WireEntry { header: header.encode(key), body: Some(encoded) };
    let entry = Entry { id: EntryId::of(&wire.header), header, body: Some(body), wire };
    match accept::place(log, &branches, &entry.header, entry.id, false).map_err(WriteError::Log)? {
        Place::Free(free) => accept::insert(log, entry, &free).map_err(WriteError::Log),
        Place::Taken(_) | Place::Missing(_) | Place::None(_) => Err(WriteError::Full),
    }
}

/// The branch that the own feed goes on with: the one with the highest number, of several the one
/// with the smallest name. So a forked feed goes on alike wherever it is restored.
pub fn canonical<'b>(branches: &'b [Branch], feed: &FeedId) -> Option<&'b Branch> {
    let of_feed = branches.iter().filter(|b| b.feed == *feed);
    of_feed.max_by(|a, b| a.tip.seq.cmp(&b.tip.seq).then(b.tip.id.cmp(&a.tip.id)))
}

/// The tips of other branches that came since the own last entry, or that stand after it; the
/// newest of them if there are too many.
fn deps(branches: &[Branch], last: Option<&Branch>) -> Vec<EntryId> {
    let new = |b: &&Branch| {
        last.is_none_or(|last| {
            b.number != last.number
                && (b.tip.arrival > last.tip.arrival || b.tip.time >= last.tip.time)
        })
    };
    let mut tips: Vec<_> = branches.iter().filter(new).map(|b| (b.tip.time, b.tip.id)).collect();
    tips.sort_unstable_by(|a, b| b.cmp(a));
    tips.truncate(MAX_DEPS);
    tips.into_iter().map(|(_, id)| id).collect()
}

/// The same body with its text sanitised, if there is something to see in it.
fn clean<E>(body: Body) -> Result<Body, WriteError<E>> {
    let message = |text: String| {
        if text.len() > MAX_TEXT_BYTES {
            return Err(WriteError::TextTooLong);
        }
        let text = text::message(&text);
        if text.trim().is_empty() { Err(WriteError::Empty) } else { Ok(text) }
    };
    Ok(match body {
        Body::Text { text } => Body::Text { text: message(text)? },
        Body::Reply { target, text } => Body::Reply { target, text: message(text)? },
        Body::Edit { target, text } => Body::Edit { target, text: message(text)? },
        Body::Reaction { target, emoji } if !emoji.is_empty() => match text::emoji(&emoji) {
            Some(clean) if clean == emoji => Body::Reaction { target, emoji },
            _ => return Err(WriteError::NotAnEmoji),
        },
        // The name of a file was cleaned by whoever made the offer.
        Body::Reaction { .. } | Body::Delete { .. } | Body::ReadMark { .. } | Body::File(_) => body,
        Body::Unknown { .. } => return Err(WriteError::UnknownKind),
    })
}

/// Whether this may be done to the target.
fn check_target<L: Log>(
    log: &L,
    conversation: &ConversationId,
    feed: &FeedId,
    body: &Body,
) -> Result<(), WriteError<L::Error>> {
    let Some(target) = body.target() else { return Ok(()) };
    let placed = log
        .find(conversation, target)
        .map_err(WriteError::Log)?
        .ok_or(WriteError::UnknownTarget)?;
    if body.kind() != Kind::ReadMark && !placed.kind.is_shown() {
        return Err(WriteError::WrongTarget);
    }
    match body.kind() {
        Kind::Edit | Kind::Delete if placed.feed.author != feed.author => {
            Err(WriteError::NotAuthor)
        }
        Kind::Edit if matches!(placed.kind, Kind::File | Kind::Unknown(_)) => {
            Err(WriteError::WrongTarget)
        }
        _ => Ok(()),
    }
}
