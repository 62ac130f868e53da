//! Bringing two replicas together over a session: what the other said it has, what it lacks,
//! what came from it. The rules are [`crate::sync`]'s; here they meet the store and the links.

use std::time::Instant;

use tokio::sync::OwnedSemaphorePermit;

use super::{
    api::Event,
    files, now,
    run::Node,
    sessions::{Exchanging, Stage},
};
use crate::{
    conversation::{Budget, ConversationId, Entry, EntryId, FeedId, WireEntry},
    identity::Identity,
    net::LinkId,
    store::{Received, StoreError},
    sync::{Holding, Message, View, message::MAX_ENTRIES},
};

/// One batch of entries: half of the longest message, and a fraction of a link's queue.
const BATCH: Budget = Budget { entries: MAX_ENTRIES, bytes: 64 * 1024 };

/// Messages with fresh entries that may wait for a link; beyond that the store is asked again
/// later, which costs time but no memory.
const MAX_WAITING: usize = 16;

impl Node {
    /// A message of a contact.
    pub(super) fn handle_message(
        &mut self,
        id: LinkId,
        message: Message,
        permit: OwnedSemaphorePermit,
    ) {
        let Some(standing) = self.standing(id) else { return };
        let who = standing.who;
        match message {
            Message::Hello { name, .. } => self.handle_hello(who, name, permit),
            Message::Have { received, conversations } => {
                self.handle_have(id, who, received, conversations, permit);
            }
            Message::Entries { conversation, entries } => {
                self.handle_entries(id, who, conversation, entries, permit);
            }
            Message::Locate { conversation, feed, entries } => {
                self.handle_locate(id, who, conversation, feed, entries);
            }
            Message::Ping => self.send(id, Message::Pong),
            Message::Refused { .. } => self.close_link(id),
            Message::Fetched { conversation, entry } => {
                if self.is_between_us(conversation, who) {
                    self.fetched(who, conversation, entry);
                }
            }
            Message::Pong | Message::Unknown(_) => {}
        }
    }

    fn handle_hello(&mut self, who: Identity, name: String, permit: OwnedSemaphorePermit) {
        let store = self.store.clone();
        let hello = async move { store.contact_hello(who, name).await };
        self.when(hello, |node, result| {
            match result {
                Ok(Some(contact)) => node.update_person(contact),
                // Removed while the message was on its way.
                Ok(None) | Err(StoreError::UnknownContact) => {}
                Err(error) => node.trouble(error),
            }
            drop(permit);
        });
    }

    fn handle_have(
        &mut self,
        id: LinkId,
        who: Identity,
        received: u64,
        mut conversations: Vec<Holding>,
        permit: OwnedSemaphorePermit,
    ) {
        conversations.retain(|holding| self.is_between_us(holding.conversation, who));
        conversations.dedup_by_key(|holding| holding.conversation);
        let Some(standing) = self.standing(id) else { return };
        for holding in &conversations {
            standing.exchange.handle_have(received, holding.clone());
            standing.wanted.insert(holding.conversation);
        }
        for Holding { conversation, leaves, .. } in conversations {
            let store = self.store.clone();
            let view = View { leaves, ..View::default() };
            let acknowledge = async move { store.acknowledge(who, conversation, view).await };
            self.when(acknowledge, move |node, result| match result {
                Ok(acknowledged) => {
                    for (entry, state) in acknowledged.states {
                        node.tell(Event::EntryState { conversation, entry, state });
                    }
                    for message in acknowledged.locate {
                        node.send(id, message);
                    }
                }
                Err(StoreError::UnknownConversation) => {}
                Err(error) => node.trouble(error),
            });
        }
        self.when(std::future::ready(()), |_, ()| drop(permit));
        self.came_across(id);
        self.pump(id);
    }

    fn handle_locate(
        &mut self,
        id: LinkId,
        who: Identity,
        conversation: ConversationId,
        feed: FeedId,
        entries: Vec<(u64, EntryId)>,
    ) {
        if !self.is_between_us(conversation, who) {
            return;
        }
        if let Some(standing) = self.standing(id) {
            standing.exchange.handle_locate(conversation, feed, entries);
            standing.wanted.insert(conversation);
        }
        self.pump(id);
    }

    fn handle_entries(
        &mut self,
        id: LinkId,
        who: Identity,
        conversation: ConversationId,
        entries: Vec<WireEntry>,
        permit: OwnedSemaphorePermit,
    ) {
        if !self.is_between_us(conversation, who) {
            // Dealt with, though by leaving it aside.
            if let Some(standing) = self.standing(id) {
                standing.exchange.received();
            }
            return;
        }
        let store = self.store.clone();
        let receive = async move { store.receive(who, conversation, entries, now()).await };
        self.when(receive, move |node, result| {
            node.handle_received(id, conversation, result);
            drop(permit);
        });
    }

    fn handle_received(
        &mut self,
        id: LinkId,
        conversation: ConversationId,
        result: Result<Received, StoreError>,
    ) {
        let received = match result {
            Ok(received) => received,
            Err(error) => {
                // Dealt with, but not in the log: the next regular `Have` shows that it is
                // missing, and it is sent again.
                if let Some(standing) = self.standing(id) {
                    standing.exchange.received();
                }
                return self.trouble(error);
            }
        };
        if received.refused > 0 {
            tracing::debug!(refused = received.refused, "entries refused");
        }
        for message in received.added {
            if files::is_offer(&message) {
                self.file_offered(conversation, message);
            } else {
                self.tell(Event::Message { conversation, message });
            }
        }
        for message in received.changed {
            self.entry_changed(conversation, message);
        }
        for (entry, state) in received.states {
            self.tell(Event::EntryState { conversation, entry, state });
        }
        let Some(standing) = self.standing(id) else { return };
        for entry in &received.entries {
            standing.exchange.accepted(entry);
        }
        standing.exchange.received();
        standing.have_due = true;
        if standing.exchange.is_unclear(&conversation) {
            standing.wanted.insert(conversation);
        }
        self.pump(id);
    }

    /// An own entry is on disk: off to whoever is online.
    pub(super) fn push_written(&mut self, conversation: ConversationId, entry: Entry) {
        let Some(id) = self.online(conversation) else { return };
        let Some(standing) = self.standing(id) else { return };
        if standing.waiting.len() >= MAX_WAITING {
            standing.exchange.fell_behind(&conversation);
        } else if standing.exchange.push_now(&entry) {
            standing.fresh.push((conversation, entry.wire));
            return;
        }
        standing.wanted.insert(conversation);
    }

    /// Sends what [`Self::push_written`] gathered, many entries in one message.
    pub(super) fn push_live(&mut self) {
        let with_fresh = self.links.iter().filter(|(_, link)| match &link.stage {
            Stage::Standing(standing) => !standing.fresh.is_empty() || !standing.wanted.is_empty(),
            _ => false,
        });
        let ids: Vec<_> = with_fresh.map(|(id, _)| *id).collect();
        for id in ids {
            let Some(standing) = self.standing(id) else { continue };
            let fresh = std::mem::take(&mut standing.fresh);
            let mut messages = Vec::new();
            let mut batch: Vec<WireEntry> = Vec::new();
            let mut bytes = 0;
            let mut current = None;
            for (conversation, wire) in fresh {
                let full = batch.len() >= BATCH.entries || bytes + wire.size() > BATCH.bytes;
                if let Some(before) = current
                    && (full || before != conversation)
                {
                    let entries = std::mem::take(&mut batch);
                    messages.extend(standing.exchange.entries(before, entries));
                    bytes = 0;
                }
                current = Some(conversation);
                bytes += wire.size();
                batch.push(wire);
            }
            if let Some(conversation) = current {
                messages.extend(standing.exchange.entries(conversation, batch));
            }
            for message in messages {
                self.send(id, message);
            }
            self.pump(id);
        }
    }

    /// Moves a link on: what waits for room, what the other lacks, what it is to be told.
    pub(super) fn pump(&mut self, id: LinkId) {
        if self.stopping {
            return;
        }
        let Some(link) = self.links.get_mut(&id) else { return };
        let Stage::Standing(standing) = &mut link.stage else { return };
        standing.drain(&link.outgoing);
        let who = standing.who;
        if standing.have_due && !standing.asking_have {
            (standing.have_due, standing.asking_have) = (false, true);
            standing.last_have = Instant::now();
            let store = self.store.clone();
            let have = async move { store.have(who).await };
            self.when(have, move |node, result| {
                let Some(standing) = node.standing(id) else { return };
                standing.asking_have = false;
                match result {
                    Ok(conversations) => {
                        let message = standing.exchange.have(conversations);
                        node.send(id, message);
                        node.pump(id);
                    }
                    Err(error) => node.trouble(error),
                }
            });
        }
        self.ask_for_missing(id);
    }

    fn ask_for_missing(&mut self, id: LinkId) {
        let store = self.store.clone();
        let Some(standing) = self.standing(id) else { return };
        if standing.asking || !standing.waiting.is_empty() {
            return;
        }
        let Some(conversation) = standing.wanted.pop_first() else { return };
        // Before the other has said what it has, nothing is known to be missing; when it says it,
        // the conversation is wanted again.
        let Some(view) = standing.exchange.view(&conversation).cloned() else { return };
        standing.asking = true;
        let missing = async move { store.missing(conversation, view, BATCH).await };
        self.when(missing, move |node, result| {
            let Some(standing) = node.standing(id) else { return };
            standing.asking = false;
            let batch = match result {
                Ok(batch) => batch,
                Err(error) => {
                    // Asked again when the link is next looked after.
                    standing.wanted.insert(conversation);
                    return node.trouble(error);
                }
            };
            if batch.more {
                standing.wanted.insert(conversation);
            }
            if let Some(message) = standing.exchange.batch(conversation, batch) {
                node.send(id, message);
            }
            node.pump(id);
        });
    }

    fn standing(&mut self, id: LinkId) -> Option<&mut Exchanging> {
        match &mut self.links.get_mut(&id)?.stage {
            Stage::Standing(standing) => Some(standing),
            _ => None,
        }
    }

    pub(super) fn online(&self, conversation: ConversationId) -> Option<LinkId> {
        self.people.get(self.conversations.get(&conversation)?)?.link
    }

    fn is_between_us(&self, conversation: ConversationId, who: Identity) -> bool {
        self.conversations.get(&conversation) == Some(&who)
    }
}
