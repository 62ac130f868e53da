//! Writing to the logs, and taking in what others wrote.

use std::collections::HashMap;

use rusqlite::OptionalExtension as _;

use super::{
    Acknowledged, Core, Received, Result, StoreError, WrittenEntry,
    core::short,
    log::{LAST_SHOWN, SqlLog, id_of},
};
use crate::{
    conversation::{
        self, Accepting, Added, Body, Budget, ConversationId, Effect, EntryId, Header, Item, Kind,
        Outcome, Placed, Position, WireEntry, WriteError, refold,
    },
    identity::Identity,
    node::api::{self, ConversationKind, EntryState, EntryView, UnixMillis},
    sync::{self, Batch, Known, View, message::Holding},
};

/// `conversation.kind` of a direct one.
pub(super) const DIRECT: i64 = 1;

impl Core {
    pub(super) fn conversations(&mut self) -> Result<Vec<api::Conversation>> {
        let ids: Vec<(ConversationId, String)> = self
            .connection()
            .prepare_cached("SELECT id, name FROM conversation")?
            .query_map([], |row| Ok((ConversationId(row.get(0)?), row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let names: HashMap<Identity, String> =
            self.contacts()?.into_iter().map(|c| (c.identity, c.name)).collect();
        let mut conversations = Vec::with_capacity(ids.len());
        for (id, name) in ids {
            let me = self.me.author;
            let log = self.logs.open(&id)?;
            let unread = log.unread()?;
            let last = log.last_to_arrive()?;
            let other = log.state.members.iter().find(|who| **who != me);
            let conversation = api::Conversation {
                id,
                kind: ConversationKind::Direct,
                name: other.and_then(|who| names.get(who)).cloned().unwrap_or(name),
                members: log.state.members.clone(),
                unread,
                read_up_to: log.state.read.get(&me).map(|position| position.id),
                last_entry_at: last.map(|(_, sent_at)| sent_at),
                forked: log.state.forked,
            };
            conversations.push((last.map(|(row, _)| row), conversation));
        }
        // By arrival: by the clocks of others, one of them could be the first for ever.
        conversations.sort_by_key(|(row, _)| std::cmp::Reverse(*row));
        Ok(conversations.into_iter().map(|(_, conversation)| conversation).collect())
    }

    /// Makes the direct conversation with somebody, if there is none.
    pub(super) fn make_direct(&self, who: &Identity) -> Result<()> {
        let id = ConversationId::direct(&self.me.author, who);
        let made = self
            .connection()
            .prepare_cached(
                "INSERT INTO conversation (id, kind, name) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO NOTHING",
            )?
            .execute((id.0, DIRECT, short(who)))?;
        if made > 0 {
            let number = self.connection().last_insert_rowid();
            for member in [&self.me.author, who] {
                self.connection()
                    .prepare_cached("INSERT INTO member (conversation, identity) VALUES (?1, ?2)")?
                    .execute((number, member.0))?;
            }
        }
        Ok(())
    }

    /// Whether the others in a conversation are contacts: else it can only be read.
    fn is_writable(&mut self, conversation: &ConversationId) -> Result<bool> {
        let me = self.me.author;
        let members = self.logs.open(conversation)?.state.members.clone();
        for other in members.iter().filter(|who| **who != me) {
            if !self.is_contact(other)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn write(
        &mut self,
        conversation: &ConversationId,
        body: Body,
        now: UnixMillis,
    ) -> Result<WrittenEntry> {
        if !self.is_writable(conversation)? {
            return Err(StoreError::ReadOnly);
        }
        let mut log = self.logs.open(conversation)?;
        let added =
            conversation::write(&mut log, *conversation, self.me, &self.mark_key, body, now)?;
        let (mut shown, mut changed) = (None, None);
        match added.effect {
            Effect::Show(_) => shown = Some(log.new_view(&added)?),
            Effect::Change(id) => changed = log.change(&id)?,
            Effect::Read { by, up_to } => {
                log.note_read(&by, up_to)?;
            }
        }
        Ok(WrittenEntry { entry: added.entry, shown, changed })
    }

    pub(super) fn mark_read(
        &mut self,
        conversation: &ConversationId,
        entry: &EntryId,
        now: UnixMillis,
    ) -> Result<Option<WrittenEntry>> {
        let me = self.me.author;
        let mut log = self.logs.open(conversation)?;
        let position = log.position(entry)?;
        // What is marked is the last item by another: the author then knows that everything
        // before it in their feed was there to be read.
        let Some(target) = log.last_of_others(position)? else { return Ok(None) };
        if target <= log.read_up_to(&me) {
            return Ok(None);
        }
        if !self.is_writable(conversation)? {
            log = self.logs.open(conversation)?;
            log.note_read(&me, target)?;
            return Ok(None);
        }
        self.write(conversation, Body::ReadMark { target: target.id }, now).map(Some)
    }

    pub(super) fn receive(
        &mut self,
        from: &Identity,
        conversation: &ConversationId,
        entries: Vec<WireEntry>,
        now: UnixMillis,
    ) -> Result<Received> {
        if !self.is_contact(from)? {
            return Err(StoreError::UnknownConversation);
        }
        let mut log = self.logs.open(conversation)?;
        let members = log.state.members.clone();
        if !members.contains(from) {
            return Err(StoreError::UnknownConversation);
        }
        let accepting = Accepting {
            conversation: *conversation,
            members: &members,
            from: *from,
            own: self.me,
            key: &self.mark_key,
        };
        let mut received = Received::default();
        let mut shown: Vec<(Position, EntryView)> = Vec::new();
        let mut changes: Vec<EntryId> = Vec::new();
        for wire in entries {
            for outcome in self.held.accept(&mut log, &accepting, wire, now)? {
                match outcome {
                    Outcome::Added(added) => {
                        received.forked |= added.forked;
                        match added.effect {
                            Effect::Show(id) => {
                                shown.push((added.placed.position(id), log.new_view(&added)?));
                            }
                            Effect::Change(id) => changes.push(id),
                            Effect::Read { by, up_to } => {
                                received.states.extend(log.note_read(&by, up_to)?);
                            }
                        }
                        received.entries.push(added.entry);
                    }
                    Outcome::Restored(id) => changes.push(id),
                    Outcome::Duplicate(_) => {}
                    Outcome::Missing(_) => received.early += 1,
                    Outcome::Refused(_) => received.refused += 1,
                }
            }
        }
        shown.sort_unstable_by_key(|(position, _)| *position);
        received.added = shown.into_iter().map(|(_, view)| view).collect();
        changes.sort_unstable();
        changes.dedup();
        for id in changes {
            let Some(view) = log.change(&id)? else { continue };
            match received.added.iter_mut().find(|added| added.entry == id) {
                Some(added) => *added = view,
                None => received.changed.push(view),
            }
        }
        if received.forked {
            log.note_fork()?;
        }
        Ok(received)
    }

    pub(super) fn have(&mut self, contact: &Identity) -> Result<Vec<Holding>> {
        if !self.is_contact(contact)? {
            return Err(StoreError::UnknownContact);
        }
        let shared: Vec<ConversationId> = self
            .connection()
            .prepare_cached(
                "SELECT id FROM conversation WHERE number IN
                     (SELECT conversation FROM member WHERE identity = ?1)",
            )?
            .query_map([contact.0], |row| row.get(0).map(ConversationId))?
            .collect::<rusqlite::Result<_>>()?;
        shared.iter().map(|id| sync::holding(&self.logs.open(id)?, id)).collect()
    }

    pub(super) fn acknowledge(
        &mut self,
        contact: &Identity,
        conversation: &ConversationId,
        view: &View,
    ) -> Result<Acknowledged> {
        let log = self.logs.open(conversation)?;
        if !log.state.members.contains(contact) {
            return Err(StoreError::UnknownConversation);
        }
        let known = Known::of(&log, conversation, view)?;
        let mut acknowledged = Acknowledged::default();
        for point in known.acknowledged(self.me) {
            let before = log.state.reached.insert((*contact, point.branch), point.seq);
            let before = before.unwrap_or(0);
            if point.seq <= before {
                // An older word than the last one.
                log.state.reached.insert((*contact, point.branch), before);
                continue;
            }
            log.note_reached(contact, point.branch, point.seq)?;
            let states = log.states(
                "conversation = ?1 AND branch = ?2 AND seq > ?3 AND seq <= ?4 ORDER BY seq",
                (log.state.number, point.branch, before.cast_signed(), point.seq.cast_signed()),
            )?;
            let further = states.into_iter().filter(|(_, state)| *state > EntryState::Queued);
            acknowledged.states.extend(further);
        }
        for feed in known.forked() {
            acknowledged.locate.push(sync::locate(&log, conversation, *feed)?);
        }
        Ok(acknowledged)
    }

    pub(super) fn missing(
        &mut self,
        conversation: &ConversationId,
        view: &View,
        budget: Budget,
    ) -> Result<Batch> {
        let log = self.logs.open(conversation)?;
        sync::missing(&log, conversation, view, budget)
    }
}

impl SqlLog<'_> {
    /// The item that arrived last, among the last 10,000 entries of each branch: its row, and when
    /// it was written by its author's clock.
    fn last_to_arrive(&self) -> Result<Option<(i64, UnixMillis)>> {
        let mut last = None;
        let mut of_branch = self.connection.prepare_cached(LAST_SHOWN)?;
        for branch in &self.state.branches {
            let found: Option<(i64, Vec<u8>)> = of_branch
                .query_row((self.state.number, branch.number), |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            if let Some((row, header)) = found
                && last.is_none_or(|(later, _)| later < row)
                && let Ok(header) = Header::decode(&header)
            {
                last = Some((row, header.time));
            }
        }
        Ok(last)
    }

    /// An item that has just been added: nothing can have changed it yet.
    fn new_view(&self, added: &Added) -> Result<EntryView> {
        let Added { entry, placed, .. } = added;
        let item = Item {
            id: entry.id,
            feed: placed.feed,
            time: entry.header.time,
            position: placed.position(entry.id),
            kind: placed.kind,
            text: entry.body.as_ref().and_then(Body::text).map(str::to_owned),
            file: match &entry.body {
                Some(Body::File(file)) => Some(file.clone()),
                _ => None,
            },
            reply_to: entry.header.target.filter(|_| placed.kind == Kind::Reply),
            edited: false,
            deleted: entry.body.is_none(),
            reactions: Vec::new(),
        };
        self.seen(item, placed)
    }

    /// Folds an item again; none if it is none.
    fn change(&mut self, id: &EntryId) -> Result<Option<EntryView>> {
        let conversation = self.id;
        let Some(item) = refold(self, &conversation, id)? else { return Ok(None) };
        self.set_text(id, item.text.as_deref())?;
        self.view(id)
    }

    /// Somebody has read up to here. Returns the own items that they had not read before.
    fn note_read(&mut self, by: &Identity, up_to: Position) -> Result<Vec<(EntryId, EntryState)>> {
        let before = self.read_up_to(by);
        if up_to <= before {
            return Ok(Vec::new());
        }
        self.connection
            .prepare_cached(
                "UPDATE member SET read_time = ?3, read_id = ?4
                 WHERE conversation = ?1 AND identity = ?2",
            )?
            .execute((self.state.number, by.0, up_to.time.cast_signed(), up_to.id.0))?;
        self.state.read.insert(*by, up_to);
        if *by == self.me {
            return Ok(Vec::new());
        }
        let mut states = self.states(
            "conversation = ?1 AND mine AND (time, id) > (?2, ?3) AND (time, id) <= (?4, ?5)
             ORDER BY time, id",
            (
                self.state.number,
                before.time.cast_signed(),
                before.id.0,
                up_to.time.cast_signed(),
                up_to.id.0,
            ),
        )?;
        // One of which it is not known yet that they have it counts when that is known.
        states.retain(|(_, state)| *state == EntryState::Read);
        Ok(states)
    }

    /// The items for which a condition holds, and how far each has come.
    fn states(
        &self,
        condition: &str,
        params: impl rusqlite::Params,
    ) -> Result<Vec<(EntryId, EntryState)>> {
        let sql = format!("SELECT id, branch, seq, time FROM entry WHERE shown AND {condition}");
        let mut states = self.connection.prepare_cached(&sql)?;
        let states = states.query_map(params, |row| {
            let id = id_of(row, 0)?;
            let branch = row.get(1)?;
            let placed = Placed {
                feed: self
                    .state
                    .branch(branch)
                    .map_or(crate::conversation::FeedId { author: self.me, device: 0 }, |b| b.feed),
                branch,
                seq: row.get::<_, i64>(2)?.cast_unsigned(),
                time: row.get::<_, i64>(3)?.cast_unsigned(),
                kind: Kind::Text,
                pruned: false,
            };
            Ok((id, self.state.state_of(&self.me, id, &placed)))
        })?;
        Ok(states.collect::<rusqlite::Result<_>>()?)
    }

    fn note_reached(&self, who: &Identity, branch: u32, seq: u64) -> Result<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO reached (conversation, branch, identity, seq) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET seq = excluded.seq",
            )?
            .execute((self.state.number, branch, who.0, seq.cast_signed()))?;
        Ok(())
    }

    fn note_fork(&mut self) -> Result<()> {
        self.connection
            .prepare_cached("UPDATE conversation SET forked = 1 WHERE number = ?1")?
            .execute([self.state.number])?;
        self.state.forked = true;
        Ok(())
    }

    /// The last item by somebody else up to a position, among the last 10,000.
    fn last_of_others(&self, up_to: Position) -> Result<Option<Position>> {
        let last = self
            .connection
            .prepare_cached(
                "SELECT time, id FROM (
                     SELECT time, id, mine FROM entry
                     WHERE shown AND conversation = ?1 AND (time, id) <= (?2, ?3)
                     ORDER BY time DESC, id DESC LIMIT 10000
                 ) WHERE NOT mine LIMIT 1",
            )?
            .query_row((self.state.number, up_to.time.cast_signed(), up_to.id.0), |row| {
                let time: i64 = row.get(0)?;
                Ok(Position { time: time.cast_unsigned(), id: id_of(row, 1)? })
            })
            .optional()?;
        Ok(last)
    }
}

impl From<WriteError<StoreError>> for StoreError {
    fn from(error: WriteError<StoreError>) -> Self {
        match error {
            WriteError::TextTooLong => Self::TextTooLong,
            WriteError::Empty => Self::InvalidInput("There is nothing to see in this text."),
            WriteError::NotAnEmoji => Self::InvalidInput("A reaction is one emoji."),
            WriteError::UnknownTarget => Self::UnknownEntry,
            WriteError::NotAuthor => Self::NotAuthor,
            WriteError::WrongTarget => {
                Self::InvalidInput("That cannot be done to this kind of message.")
            }
            WriteError::UnknownKind => Self::InvalidInput("This version cannot write that."),
            WriteError::Full => Self::Storage("the conversation takes no further entry".to_owned()),
            WriteError::Log(error) => error,
        }
    }
}
