//! The fold from entries to what a person sees: one item from its entry and everything that
//! changes it. The result depends on what the log holds, never on the order in which it came.

use std::collections::BTreeMap;

use super::{Body, ConversationId, EntryId, FeedId, File, Header, Kind, Log, Position, Stored};
use crate::identity::Identity;

/// An item of a conversation as a person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its entry.
    pub id: EntryId,
    /// Who wrote it, and where.
    pub feed: FeedId,
    /// When, by the author's clock, unix milliseconds.
    pub time: u64,
    /// Where it is shown.
    pub position: Position,
    /// Text, reply, file or unknown.
    pub kind: Kind,
    /// The current text, or the name of the file, sanitised; none for a deleted item or an unknown
    /// kind.
    pub text: Option<String>,
    /// The file that is offered.
    pub file: Option<Box<File>>,
    /// The entry that it answers.
    pub reply_to: Option<EntryId>,
    /// The author changed the text.
    pub edited: bool,
    /// The author deleted it.
    pub deleted: bool,
    /// In the order of the emoji.
    pub reactions: Vec<ItemReaction>,
}

/// One emoji and who chose it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemReaction {
    /// The emoji.
    pub emoji: String,
    /// By whom, in the order of their identities.
    pub by: Vec<Identity>,
}

/// An edit, delete or reaction as the fold needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modifier {
    /// Whose.
    pub author: Identity,
    /// Where it stands in the order shown.
    pub position: Position,
    /// Edit, delete or reaction.
    pub kind: Kind,
    /// The text or emoji; none if pruned.
    pub text: Option<String>,
}

impl Modifier {
    /// From an entry of the log.
    pub fn of(stored: &Stored) -> Self {
        let body = stored.wire.body.as_deref();
        let target = Some(stored.id); // the fold does not look at it
        let body = body.and_then(|body| Body::decode(stored.placed.kind, target, body).ok());
        Self {
            author: stored.placed.feed.author,
            position: stored.placed.position(stored.id),
            kind: stored.placed.kind,
            text: body.as_ref().and_then(Body::text).map(str::to_owned),
        }
    }
}

/// Folds one item.
///
/// - *Edit*: only by the author; the last in the order shown is the text.
/// - *Delete*: only by the author; wins over everything.
/// - *Reaction*: one per person, the last in the order shown; empty means taken back.
/// - A pruned body, of the entry or of its last edit, shows as deleted: whoever pruned it had
///   seen a delete.
pub fn fold(base: &Stored, header: &Header, modifiers: &[Modifier]) -> Item {
    let author = base.placed.feed.author;
    let by_author = |kind| modifiers.iter().filter(move |m| m.author == author && m.kind == kind);
    let edit = by_author(Kind::Edit).max_by_key(|m| m.position);
    let readable = !matches!(base.placed.kind, Kind::File | Kind::Unknown(_));
    let edit = edit.filter(|_| readable);
    let deleted = base.wire.body.is_none()
        || by_author(Kind::Delete).next().is_some()
        || edit.is_some_and(|edit| edit.text.is_none());

    let mut item = Item {
        id: base.id,
        feed: base.placed.feed,
        time: header.time,
        position: base.placed.position(base.id),
        kind: base.placed.kind,
        text: None,
        file: None,
        reply_to: header.target.filter(|_| base.placed.kind == Kind::Reply),
        edited: false,
        deleted,
        reactions: Vec::new(),
    };
    if !deleted {
        item.edited = edit.is_some();
        let body = base.wire.body.as_deref();
        let body = body.and_then(|body| Body::decode(header.kind, header.target, body).ok());
        item.text = match edit {
            Some(edit) => edit.text.clone(),
            None => body.as_ref().and_then(Body::text).map(str::to_owned),
        };
        if let Some(Body::File(file)) = body {
            item.file = Some(file);
        }
        item.reactions = reactions(modifiers);
    }
    item
}

fn reactions(modifiers: &[Modifier]) -> Vec<ItemReaction> {
    let mut last: BTreeMap<Identity, &Modifier> = BTreeMap::new();
    for modifier in modifiers.iter().filter(|m| m.kind == Kind::Reaction) {
        let of_person = last.entry(modifier.author).or_insert(modifier);
        if of_person.position < modifier.position {
            *of_person = modifier;
        }
    }
    let mut by_emoji: BTreeMap<&str, Vec<Identity>> = BTreeMap::new();
    for (person, modifier) in last {
        if let Some(emoji) = modifier.text.as_deref().filter(|emoji| !emoji.is_empty()) {
            by_emoji.entry(emoji).or_default().push(person);
        }
    }
    let reaction = |(emoji, by): (&str, _)| ItemReaction { emoji: emoji.to_owned(), by };
    by_emoji.into_iter().map(reaction).collect()
}

/// Folds an item out of the log, and prunes what its author deleted. None if there is no such
/// entry or it is no item of its own.
///
/// # Errors
/// The log could not be read or written.
pub fn refold<L: Log>(
    log: &mut L,
    conversation: &ConversationId,
    id: &EntryId,
) -> Result<Option<Item>, L::Error> {
    let Some(base) = log.entry(conversation, id)? else { return Ok(None) };
    if !base.placed.kind.is_shown() {
        return Ok(None);
    }
    let Ok(header) = Header::decode(&base.wire.header) else { return Ok(None) };
    let modifiers: Vec<_> = log.modifiers(conversation, id)?.iter().map(Modifier::of).collect();
    let author = base.placed.feed.author;
    if modifiers.iter().any(|m| m.kind == Kind::Delete && m.author == author) {
        log.prune(conversation, id)?;
    }
    Ok(Some(fold(&base, &header, &modifiers)))
}

/// The item that an entry belongs to: the target of what modifies one, else itself.
pub(super) fn shown_item(id: &EntryId, header: &Header) -> EntryId {
    header.target.filter(|_| header.kind.modifies()).unwrap_or(*id)
}

/// Whether the item that an entry belongs to was deleted by its author, as far as the log knows.
pub(super) fn is_deleted<L: Log>(
    log: &L,
    conversation: &ConversationId,
    id: &EntryId,
    header: &Header,
) -> Result<bool, L::Error> {
    let item = shown_item(id, header);
    let Some(base) = log.find(conversation, &item)? else { return Ok(false) };
    let modifiers = log.modifiers(conversation, &item)?;
    let author = base.feed.author;
    Ok(modifiers.iter().any(|m| m.placed.kind == Kind::Delete && m.placed.feed.author == author))
}
