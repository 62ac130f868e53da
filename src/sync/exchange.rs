//! One side's memory of one session: what the other has, as far as it was said or sent. It reads
//! no log, so the networking task may hold it.

use std::collections::HashMap;

use super::{
    known::{Batch, View},
    message::{Holding, Leaf, MAX_LOCATED, Message},
};
use crate::conversation::{ConversationId, Entry, EntryId, FeedId, WireEntry};

/// One side's memory of one session.
///
/// On every `Have` and `Locate` of the other, after entries of the other were accepted, for every
/// own entry that [`push_now`](Self::push_now) does not let through, and after every batch with
/// [`Batch::more`], the log is asked for [`missing`](super::missing) with [`view`](Self::view), if
/// there is one, and what comes is sent by [`batch`](Self::batch).
#[derive(Debug, Default)]
pub struct Exchange {
    conversations: HashMap<ConversationId, State>,
    /// Messages with entries that were sent.
    sent: u64,
    /// Messages with entries that came and were dealt with.
    received: u64,
    /// How many of those that were sent the other has dealt with, by its last word.
    dealt_with: u64,
}

#[derive(Debug)]
struct State {
    view: View,
    /// The view covers the whole log: what is added now is all that is missing.
    current: bool,
    /// Since the log was last asked something happened that its answer may not cover.
    behind: bool,
    /// What the other's last settled `Have` said.
    said: Said,
}

#[derive(Debug)]
struct Said {
    received: u64,
    leaves: Vec<Leaf>,
    lacking: Vec<EntryId>,
}

impl Exchange {
    /// The other said what it has. That replaces what was thought of it, except
    ///
    /// - while it has not dealt with everything sent: what is on its way would be sent again;
    /// - when all that was sent since its last word has brought it nothing: it refuses that, or
    ///   waits for something. It gets it again once it repeats itself unasked, so the two never
    ///   chase each other.
    ///
    /// The caller lets only conversations through that both are members of: each is remembered.
    pub fn handle_have(&mut self, received: u64, holding: Holding) {
        self.dealt_with = self.dealt_with.max(received);
        let Holding { conversation, mut leaves, lacking } = holding;
        leaves.sort_unstable();
        let said = Said { received, leaves: leaves.clone(), lacking: lacking.clone() };
        let view = View { leaves, located: Vec::new(), lacking };
        let Some(state) = self.conversations.get_mut(&conversation) else {
            self.conversations
                .insert(conversation, State { view, current: false, behind: false, said });
            return;
        };
        if received < self.sent {
            return;
        }
        let before = std::mem::replace(&mut state.said, said);
        let repeated = before.leaves == view.leaves && before.lacking == view.lacking;
        if repeated && received > before.received {
            return;
        }
        state.view.leaves.sort_unstable();
        if state.view.leaves != view.leaves || !view.lacking.is_empty() {
            (state.current, state.behind) = (false, true);
        }
        state.view = View { located: std::mem::take(&mut state.view.located), ..view };
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
            let room = MAX_LOCATED_IN_ALL.saturating_sub(state.view.located.len());
            let leaf = |(seq, id)| Leaf { feed, seq, id };
            state.view.located.extend(entries.into_iter().map(leaf).take(room));
            (state.current, state.behind) = (false, true);
        }
    }

    /// What the other has of a conversation, to ask the log now what it lacks; the answer is for
    /// [`batch`](Self::batch). None if it lacks nothing, and before it has said anything.
    pub fn view(&mut self, conversation: &ConversationId) -> Option<&View> {
        let state = self.conversations.get_mut(conversation).filter(|state| !state.current)?;
        state.behind = false;
        Some(&state.view)
    }

    /// Whether something was sent that the other has not dealt with, as far as it has said.
    pub fn is_waiting(&self) -> bool {
        self.dealt_with < self.sent
    }

    /// Whether the log is to be asked for [`missing`](super::missing) after entries of the other
    /// were accepted: they may have made clear what it has.
    pub fn is_unclear(&self, conversation: &ConversationId) -> bool {
        self.conversations.get(conversation).is_some_and(|state| !state.current)
    }

    /// Takes note of a batch that is sent now, and returns its message; none if it is empty.
    pub fn batch(&mut self, conversation: ConversationId, batch: Batch) -> Option<Message> {
        let state = self.conversations.get_mut(&conversation)?;
        let since = std::mem::replace(&mut state.view, batch.view);
        // What the other sent while the log was read.
        for leaf in since.leaves {
            state.view.catch_up(leaf);
        }
        let behind = std::mem::take(&mut state.behind);
        if behind {
            state.view.located = since.located;
        }
        state.current = batch.all && !behind;
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
        let mut of_feed = state.view.leaves.iter().filter(|l| l.feed == feed);
        if of_feed.clone().any(|l| l.seq >= entry.header.seq) {
            // A batch was faster.
            return false;
        }
        let follows = match entry.header.previous {
            Some(previous) => of_feed.any(|l| l.id == previous),
            None => of_feed.next().is_none(),
        };
        if state.current && follows {
            state.view.advance(&entry.header, Leaf::of(entry));
            return true;
        }
        (state.current, state.behind) = (false, true);
        false
    }

    /// An entry was added to the log that is not sent at once: the log is to be asked.
    pub fn fell_behind(&mut self, conversation: &ConversationId) {
        if let Some(state) = self.conversations.get_mut(conversation) {
            (state.current, state.behind) = (false, true);
        }
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

    /// An entry from the other is in the log. If it was held since an earlier session, the other
    /// may have lost it since, by being restored from an older copy: its next unasked `Have` says
    /// so.
    pub fn accepted(&mut self, entry: &Entry) {
        if let Some(state) = self.conversations.get_mut(&entry.header.conversation) {
            state.view.advance(&entry.header, Leaf::of(entry));
        }
    }

    /// A message with entries from the other was dealt with: what was to enter the log is on
    /// disk, or could not be stored, and the next `Have` will say that it is not there.
    pub fn received(&mut self) {
        self.received += 1;
    }

    /// The message that says what the own disk holds, with everything
    /// [`received`](Self::received) so far.
    pub fn have(&self, conversations: Vec<Holding>) -> Message {
        Message::Have { received: self.received, conversations }
    }
}

/// The most located entries that are remembered of one conversation, over all its feeds.
const MAX_LOCATED_IN_ALL: usize = 2 * MAX_LOCATED;
