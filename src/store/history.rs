//! Items as a person sees them.

use rusqlite::OptionalExtension as _;

use super::{
    Core, MAX_PAGE, Result, StoreError,
    log::{NAMED, SqlLog, prefix},
};
use crate::{
    conversation::{
        ConversationId, EntryId, File, Header, Item, Kind, Modifier, Placed, Position, Stored, fold,
    },
    identity::Identity,
    node::api::{EntryKind, EntryView, FileState, FileView, Reaction},
};

impl Core {
    pub(super) fn history(
        &mut self,
        conversation: &ConversationId,
        before: Option<EntryId>,
        after: Option<EntryId>,
        limit: u32,
    ) -> Result<Vec<EntryView>> {
        let log = self.logs.open(conversation)?;
        let limit = limit.min(MAX_PAGE);
        let number = log.state.number;
        let position = |id: Option<EntryId>| id.map(|id| log.position(&id)).transpose();
        let before = position(before)?;
        let after = position(after)?;
        let key = |p: Position| (p.time.cast_signed(), p.id.0);
        let mut items = match (before.map(key), after.map(key)) {
            (None, None) => log
                .items("conversation = ?1 ORDER BY time DESC, id DESC LIMIT ?2", (number, limit))?,
            (Some((time, id)), None) => log.items(
                "conversation = ?1 AND (time, id) < (?2, ?3)
                 ORDER BY time DESC, id DESC LIMIT ?4",
                (number, time, id, limit),
            )?,
            (None, Some((time, id))) => log.items(
                "conversation = ?1 AND (time, id) > (?2, ?3) ORDER BY time, id LIMIT ?4",
                (number, time, id, limit),
            )?,
            (Some(last), Some(first)) => log.items(
                "conversation = ?1 AND (time, id) > (?2, ?3) AND (time, id) < (?4, ?5)
                 ORDER BY time, id LIMIT ?6",
                (number, first.0, first.1, last.0, last.1, limit),
            )?,
        };
        if after.is_none() {
            items.reverse();
        }
        let views = items.iter().map(|(row, stored)| log.view_of(*row, stored));
        // An item whose header cannot be read was never let in.
        views.filter_map(Result::transpose).collect()
    }

    pub(super) fn item(
        &mut self,
        conversation: &ConversationId,
        id: &EntryId,
    ) -> Result<Option<EntryView>> {
        self.logs.open(conversation)?.view(id)
    }
}

impl SqlLog<'_> {
    /// Where an entry stands in the order shown.
    ///
    /// # Errors
    /// [`StoreError::UnknownEntry`].
    pub(super) fn position(&self, id: &EntryId) -> Result<Position> {
        let time: Option<i64> = self
            .connection
            .prepare_cached(&format!("SELECT time FROM entry WHERE {NAMED}"))?
            .query_row((prefix(id), id.0, self.state.number), |row| row.get(0))
            .optional()?;
        let time = time.ok_or(StoreError::UnknownEntry)?.cast_unsigned();
        Ok(Position { time, id: *id })
    }

    /// An item as it is now; none if there is no such item.
    pub(super) fn view(&self, id: &EntryId) -> Result<Option<EntryView>> {
        let params = (prefix(id), id.0, self.state.number);
        let found = self.items(NAMED, params)?;
        found.first().map_or(Ok(None), |(row, stored)| self.view_of(*row, stored))
    }

    fn view_of(&self, row: i64, base: &Stored) -> Result<Option<EntryView>> {
        let Ok(header) = Header::decode(&base.wire.header) else { return Ok(None) };
        let modifiers: Vec<_> = self.modifiers_of(row)?.iter().map(Modifier::of).collect();
        self.seen(fold(base, &header, &modifiers), &base.placed).map(Some)
    }

    /// An item with its state.
    pub(super) fn seen(&self, item: Item, placed: &Placed) -> Result<EntryView> {
        let state = self.state.state_of(&self.me, item.id, placed);
        let reaction = |r: crate::conversation::ItemReaction| Reaction { emoji: r.emoji, by: r.by };
        let file = item.file.as_ref().map(|file| self.file_view(&item.id, file)).transpose()?;
        Ok(EntryView {
            entry: item.id,
            author: item.feed.author,
            sent_at: item.time,
            kind: match item.kind {
                Kind::Text | Kind::Reply => EntryKind::Text,
                Kind::File => EntryKind::File,
                _ => EntryKind::Unsupported,
            },
            text: item.text.filter(|_| item.kind != Kind::File),
            file,
            reply_to: item.reply_to,
            edited: item.edited,
            deleted: item.deleted,
            reactions: item.reactions.into_iter().map(reaction).collect(),
            state,
        })
    }

    fn file_view(&self, entry: &EntryId, file: &File) -> Result<Box<FileView>> {
        let place = self.place(entry)?;
        let here = place.state == FileState::Here;
        Ok(Box::new(FileView {
            name: file.name.clone(),
            size: file.size,
            media_type: file.media_type.clone(),
            blob: file.root.to_string(),
            folder: file.manifest > 0,
            preview: file.preview.clone(),
            voice: file.voice.clone(),
            state: place.state,
            path: here.then(|| place.path.to_string_lossy().into_owned()),
        }))
    }

    /// How many items by others stand after the read mark.
    pub(super) fn unread(&self) -> Result<u32> {
        let number = self.state.number;
        let read = self.read_up_to(&self.me);
        // `LIMIT` bounds what is counted, and what is looked at: own items are counted out after.
        let unread = self
            .connection
            .prepare_cached(
                "SELECT count(*) FROM (
                     SELECT 1 FROM (
                         SELECT mine FROM entry
                         WHERE shown AND conversation = ?1 AND (time, id) > (?2, ?3) LIMIT 10000
                     ) WHERE NOT mine LIMIT 1000
                 )",
            )?
            .query_row((number, read.time.cast_signed(), read.id.0), |row| row.get(0))?;
        Ok(unread)
    }

    /// How far somebody has read; before everything if they have not.
    pub(super) fn read_up_to(&self, who: &Identity) -> Position {
        let nothing = Position { time: 0, id: EntryId([0; 32]) };
        self.state.read.get(who).copied().unwrap_or(nothing)
    }
}
