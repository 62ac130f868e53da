//! One side's memory of one session: what the other has, as far as it was said or sent. It reads
//! no log, so the networking task may hold it.

use std::collections::HashMap;

use super::{
    known::{Batch, View},
    message::{Holding, Leaf, Message},
};
use crate::conversation::{ConversationId, Entry, EntryId, FeedId, WireEntry};

/// One side's memory of one session.
///
/// On every `Have` and `Locate` of the other, on every own entry that
/// [`push_now`](Self::push_now) does not let through, and after every batch with
/// [`Batch::more`], the log is asked for [`missing`](super::missing) with
/// [`view`](Self::view), and what comes is sent by [`batch`](Self::batch).
#[derive(Debug, Default)]
pub struct Exchange {
    conversations: HashMap<ConversationId, State>,
    /// Messages with entries that were sent.
    sent: u64,
    /// Messages with entries that came and were dealt with.
    received: u64,
}

#[derive(Debug, Default)]
struct State {
    view: View,
    /// The view covers the whole log: what is added now is all that is missing.
    current: bool,
}

impl Exchange {
    /// The other said what it has. Its leaves replace what was thought of it only if it had dealt
    /// with everything sent: else what is on its way would be sent again.
    pub fn handle_have(&mut self, received: u64, holding: Holding) {
        let Holding { conversation, leaves, lacking } = holding;
        let settled = received >= self.sent;
        let state = self.conversations.entry(conversation);
        let known = matches!(state, std::collections::hash_map::Entry::Occupied(_));
        let state = state.or_default();
        if settled || !known {
            state.view.leaves = leaves;
            state.view.lacking = lacking;
            state.current = false;
        }
    }

    /// The other said what it has of a feed that forked.
    pub fn handle_locate(
        &mut self,
        conversation: ConversationId,
        feed: FeedId,
        entries: Vec<(u64, EntryId)>,
    ) {
        if let Some(state) = self.conversations.get_mut(&conversation) {
            state.view.located.retain(|l| l.feed != feed);
            let leaf = |(seq, id)| Leaf { feed, seq, id };
            state.view.located.extend(entries.into_iter().map(leaf));
            state.current = false;
        }
    }

    /// What the other has of a conversation; none before it has said anything.
    pub fn view(&self, conversation: &ConversationId) -> Option<&View> {
        self.conversations.get(conversation).map(|state| &state.view)
    }

    /// Whether the log is to be asked for [`missing`](super::missing) after entries of the other
    /// were accepted: they may have made clear what it has.
    pub fn is_unclear(&self, conversation: &ConversationId) -> bool {
        self.conversations.get(conversation).is_some_and(|state| !state.current)
    }

    /// Takes note of a batch that is sent now, and returns its message; none if it is empty.
    pub fn batch(&mut self, conversation: ConversationId, batch: Batch) -> Option<Message> {
        let state = self.conversations.get_mut(&conversation)?;
        state.view = batch.view;
        state.current = batch.all;
        self.entries(conversation, batch.entries)
    }

    /// Whether an entry that was just added to the log, and did not come from the other, can be
    /// sent to it at once: it has everything else. If so, it is taken to be sent, by
    /// [`entries`](Self::entries).
    pub fn push_now(&mut self, entry: &Entry) -> bool {
        let Some(state) = self.conversations.get_mut(&entry.header.conversation) else {
            return false;
        };
        let feed = entry.header.feed;
        let follows = match entry.header.previous {
            Some(previous) => state.view.leaves.iter().any(|l| l.id == previous),
            None => state.view.leaves.iter().all(|l| l.feed != feed),
        };
        state.current &= follows;
        if state.current {
            state.view.advance(&entry.header, Leaf::of(entry));
        }
        state.current
    }

    /// The message for entries that [`push_now`](Self::push_now) let through; none for none.
    pub fn entries(
        &mut self,
        conversation: ConversationId,
        entries: Vec<WireEntry>,
    ) -> Option<Message> {
        if entries.is_empty() {
            return None;
        }
        self.sent += 1;
        Some(Message::Entries { conversation, entries })
    }

    /// An entry from the other is in the log.
    pub fn accepted(&mut self, entry: &Entry) {
        if let Some(state) = self.conversations.get_mut(&entry.header.conversation) {
            state.view.advance(&entry.header, Leaf::of(entry));
        }
    }

    /// A message with entries from the other was dealt with: what was to enter the log is on
    /// disk.
    pub fn received(&mut self) {
        self.received += 1;
    }

    /// The message that says what the own disk holds, with everything
    /// [`received`](Self::received) so far.
    pub fn have(&self, conversations: Vec<Holding>) -> Message {
        Message::Have { received: self.received, conversations }
    }
}
