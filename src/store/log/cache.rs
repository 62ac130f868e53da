//! What every entry needs of its conversation, in memory, and what waits for the commit.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{SqlLog, id_of};
use crate::{
    conversation::{Branch, ConversationId, EntryId, FeedId, Placed, Point, Position, Tip},
    identity::Identity,
    node::api::EntryState,
    store::{Result, StoreError, search::Change},
};

/// Conversations kept in memory: a few hundred bytes each.
const MAX_CACHED: usize = 1024;

/// All logs of the profile.
pub(in crate::store) struct Logs {
    pub(in crate::store) connection: Connection,
    me: Identity,
    cache: HashMap<ConversationId, State>,
    pending: Pending,
    /// Content was pruned since the write-ahead log was last emptied.
    pub(in crate::store) pruned: bool,
}

/// What one group of jobs has done.
#[derive(Default)]
pub(super) struct Pending {
    /// Changes of the search index, applied before the commit: it writes a new segment whenever a
    /// savepoint begins after a change, which would cost more than all else.
    pub(super) search: Vec<Change>,
    /// Entries added.
    pub(super) written: usize,
    pub(super) pruned: bool,
}

/// What is known of a conversation.
pub(in crate::store) struct State {
    /// Its row.
    pub(in crate::store) number: i64,
    pub(in crate::store) members: Vec<Identity>,
    pub(in crate::store) branches: Vec<Branch>,
    /// How far each member has read.
    pub(in crate::store) read: HashMap<Identity, Position>,
    /// How far each branch of the own feed is on each other member's disk.
    pub(in crate::store) reached: HashMap<(Identity, u32), u64>,
    pub(in crate::store) forked: bool,
}

impl Logs {
    /// `pruned`: whether content may have been pruned that the write-ahead log still has.
    pub(in crate::store) fn new(connection: Connection, me: Identity, pruned: bool) -> Self {
        Self { connection, me, cache: HashMap::new(), pending: Pending::default(), pruned }
    }

    /// The log of a conversation.
    ///
    /// # Errors
    /// [`StoreError::UnknownConversation`].
    pub(in crate::store) fn open(&mut self, id: &ConversationId) -> Result<SqlLog<'_>> {
        if !self.cache.contains_key(id) {
            if self.cache.len() >= MAX_CACHED {
                self.cache.clear();
            }
            let state = State::read(&self.connection, id)?;
            self.cache.insert(*id, state.ok_or(StoreError::UnknownConversation)?);
        }
        let state = self.cache.get_mut(id).ok_or(StoreError::UnknownConversation)?;
        Ok(SqlLog {
            connection: &self.connection,
            id: *id,
            me: self.me,
            state,
            pending: &mut self.pending,
        })
    }

    /// Where a job begins within its group.
    pub(in crate::store) fn mark(&self) -> (usize, usize) {
        (self.pending.search.len(), self.pending.written)
    }

    /// A job is undone.
    pub(in crate::store) fn undo_to(&mut self, mark: (usize, usize)) {
        self.pending.search.truncate(mark.0);
        self.pending.written = mark.1;
        self.cache.clear();
    }

    /// Nothing that is in memory can be trusted.
    pub(in crate::store) fn forget(&mut self) {
        self.cache.clear();
        self.pending = Pending::default();
    }

    /// A group is over.
    pub(in crate::store) fn begin_again(&mut self) {
        self.pruned |= self.pending.pruned;
        self.pending.pruned = false;
        self.pending.written = 0;
    }

    pub(in crate::store) fn written(&self) -> usize {
        self.pending.written
    }

    /// Brings the search index up to date.
    pub(in crate::store) fn flush_search(&mut self) -> Result<()> {
        for change in self.pending.search.drain(..) {
            change.apply(&self.connection)?;
        }
        Ok(())
    }
}

impl State {
    fn read(connection: &Connection, id: &ConversationId) -> Result<Option<Self>> {
        let found = connection
            .prepare_cached("SELECT number, forked FROM conversation WHERE id = ?1")?
            .query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((number, forked)) = found else { return Ok(None) };
        let mut state = Self {
            number,
            members: Vec::new(),
            branches: Vec::new(),
            read: HashMap::new(),
            reached: HashMap::new(),
            forked,
        };
        let mut members = connection.prepare_cached(
            "SELECT identity, read_time, read_id FROM member WHERE conversation = ?1",
        )?;
        let mut rows = members.query([number])?;
        while let Some(row) = rows.next()? {
            let identity = Identity(row.get(0)?);
            state.members.push(identity);
            if let Some(time) = row.get::<_, Option<i64>>(1)? {
                let id = id_of(row, 2)?;
                state.read.insert(identity, Position { time: time.cast_unsigned(), id });
            }
        }
        let mut branches = connection.prepare_cached(
            "SELECT number, author, device, parent_branch, parent_seq,
                    tip_seq, tip_id, tip_time, tip_arrival
             FROM branch WHERE conversation = ?1 ORDER BY number",
        )?;
        state.branches = branches.query_map([number], branch)?.collect::<rusqlite::Result<_>>()?;
        let mut reached = connection
            .prepare_cached("SELECT identity, branch, seq FROM reached WHERE conversation = ?1")?;
        let mut rows = reached.query([number])?;
        while let Some(row) = rows.next()? {
            let seq: i64 = row.get(2)?;
            state.reached.insert((Identity(row.get(0)?), row.get(1)?), seq.cast_unsigned());
        }
        Ok(Some(state))
    }

    pub(in crate::store) fn branch(&self, number: u32) -> Option<&Branch> {
        // Numbered from 0 without gaps, and read in order.
        self.branches.get(usize::try_from(number).ok()?)
    }

    /// How far an entry has come, as `me` sees it.
    pub(in crate::store) fn state_of(
        &self,
        me: &Identity,
        id: EntryId,
        placed: &Placed,
    ) -> EntryState {
        let position = placed.position(id);
        let has_read = |who: &Identity| self.read.get(who).is_some_and(|up_to| *up_to >= position);
        if placed.feed.author != *me {
            return if has_read(me) { EntryState::Read } else { EntryState::Delivered };
        }
        let has = |who: &Identity| {
            let up_to = self.reached.get(&(*who, placed.branch));
            up_to.is_some_and(|up_to| *up_to >= placed.seq)
        };
        // A conversation has at least one other member. The least far of all counts.
        let state = |who: &Identity| match (has_read(who), has(who)) {
            // A mark may come before the word that its author has what it covers.
            (_, false) => EntryState::Queued,
            (false, true) => EntryState::Delivered,
            (true, true) => EntryState::Read,
        };
        let others = self.members.iter().filter(|who| *who != me);
        others.map(state).min().unwrap_or(EntryState::Queued)
    }
}

fn branch(row: &Row<'_>) -> rusqlite::Result<Branch> {
    let parent_branch: Option<u32> = row.get(3)?;
    let parent_seq: Option<i64> = row.get(4)?;
    let unsigned = |index| row.get::<_, i64>(index).map(i64::cast_unsigned);
    Ok(Branch {
        number: row.get(0)?,
        feed: FeedId { author: Identity(row.get(1)?), device: row.get(2)? },
        parent: parent_branch
            .zip(parent_seq)
            .map(|(branch, seq)| Point { branch, seq: seq.cast_unsigned() }),
        tip: Tip {
            seq: unsigned(5)?,
            id: id_of(row, 6)?,
            time: unsigned(7)?,
            arrival: unsigned(8)?,
        },
    })
}
