//! Early entries: those that name entries which are not in the log yet. They are kept for a
//! while, in bounded number, and tried again when what they wait for has come. Losing one costs
//! nothing but time: it was not acknowledged, so it comes again.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Accepting, ConversationId, EntryId, Log, Outcome, WireEntry, accept};
use crate::identity::Identity;

/// The most early entries of one contact: a few batches that overtook a fork's.
pub const MAX_HELD_PER_CONTACT: usize = 1024;
/// The most bytes of early entries of one contact.
pub const MAX_HELD_BYTES_PER_CONTACT: usize = 1024 * 1024;
/// The most early entries of all contacts.
pub const MAX_HELD: usize = 8192;
/// The most bytes of early entries of all contacts.
pub const MAX_HELD_BYTES: usize = 8 * 1024 * 1024;
/// How long an early entry is kept, in milliseconds: far longer than what is missing needs to
/// come, when it comes at all.
pub const HELD_FOR_MS: u64 = 10 * 60 * 1000;

/// Early entries, oldest out first.
#[derive(Debug, Default)]
pub struct Held {
    /// By order of arrival.
    entries: BTreeMap<u64, Early>,
    arrived: u64,
    ids: HashSet<EntryId>,
    /// By the entry that each waits for.
    waiting: HashMap<EntryId, BTreeSet<u64>>,
    contacts: HashMap<Identity, OfContact>,
    bytes: usize,
}

#[derive(Debug)]
struct Early {
    from: Identity,
    conversation: ConversationId,
    id: EntryId,
    waits_for: EntryId,
    until: u64,
    wire: WireEntry,
}

#[derive(Debug, Default)]
struct OfContact {
    arrived: BTreeSet<u64>,
    bytes: usize,
}

impl Held {
    /// How many entries are held.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The bytes of all entries held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps an entry until `waits_for` is in the log, or its time is over, or others need its
    /// place. `now` in milliseconds.
    pub fn hold(
        &mut self,
        from: Identity,
        conversation: ConversationId,
        wire: WireEntry,
        waits_for: EntryId,
        now: u64,
    ) {
        self.expire(now);
        let id = EntryId::of(&wire.header);
        if !self.ids.insert(id) {
            return;
        }
        self.arrived += 1;
        let size = wire.size();
        self.bytes += size;
        let contact = self.contacts.entry(from).or_default();
        contact.arrived.insert(self.arrived);
        contact.bytes += size;
        self.waiting.entry(waits_for).or_default().insert(self.arrived);
        let until = now.saturating_add(HELD_FOR_MS);
        let early = Early { from, conversation, id, waits_for, until, wire };
        self.entries.insert(self.arrived, early);
        self.make_room(&from);
    }

    fn make_room(&mut self, from: &Identity) {
        while let Some(contact) = self.contacts.get(from)
            && (contact.arrived.len() > MAX_HELD_PER_CONTACT
                || contact.bytes > MAX_HELD_BYTES_PER_CONTACT)
            && let Some(oldest) = contact.arrived.first().copied()
        {
            self.remove(oldest);
        }
        while (self.entries.len() > MAX_HELD || self.bytes > MAX_HELD_BYTES)
            && let Some(oldest) = self.entries.keys().next().copied()
        {
            self.remove(oldest);
        }
    }

    /// Lets go of the entries whose time is over.
    pub fn expire(&mut self, now: u64) {
        while let Some((arrived, early)) = self.entries.first_key_value()
            && early.until <= now
        {
            self.remove(*arrived);
        }
    }

    fn remove(&mut self, arrived: u64) -> Option<Early> {
        let early = self.entries.remove(&arrived)?;
        let size = early.wire.size();
        self.bytes -= size;
        self.ids.remove(&early.id);
        if let Some(contact) = self.contacts.get_mut(&early.from) {
            contact.bytes -= size;
            contact.arrived.remove(&arrived);
            if contact.arrived.is_empty() {
                self.contacts.remove(&early.from);
            }
        }
        if let Some(waiting) = self.waiting.get_mut(&early.waits_for) {
            waiting.remove(&arrived);
            if waiting.is_empty() {
                self.waiting.remove(&early.waits_for);
            }
        }
        Some(early)
    }

    /// Takes out what waited for an entry, in the order in which it came.
    fn release(&mut self, id: &EntryId) -> Vec<Early> {
        let waiting = self.waiting.remove(id).unwrap_or_default();
        waiting.into_iter().filter_map(|arrived| self.remove(arrived)).collect()
    }

    /// Lets an entry into the log, and after it all held ones that waited for it; or holds it
    /// itself. Returns what became of each, the given one first. `now` in milliseconds.
    ///
    /// # Errors
    /// The log could not be read or written. Entries released by then are lost, and come again.
    pub fn accept<L: Log>(
        &mut self,
        log: &mut L,
        accepting: &Accepting<'_>,
        wire: WireEntry,
        now: u64,
    ) -> Result<Vec<Outcome>, L::Error> {
        let mut outcomes = Vec::with_capacity(1);
        let mut ready = vec![(accepting.from, wire)];
        while let Some((from, wire)) = ready.pop() {
            let accepting = Accepting { from, ..*accepting };
            // Only while entries are held, and for the one that may be, are the bytes kept.
            let outcome = accept::accept_or_return(log, &accepting, wire)?;
            let outcome = match outcome {
                Ok(outcome) => outcome,
                Err((missing, wire)) => {
                    if let Some(first) = missing.first() {
                        self.hold(from, accepting.conversation, wire, *first, now);
                    }
                    Outcome::Missing(missing)
                }
            };
            if let Outcome::Added(added) = &outcome
                && !self.is_empty()
            {
                let released = self.release(&added.entry.id);
                let same = |early: &Early| early.conversation == accepting.conversation;
                ready.extend(released.into_iter().rev().filter(same).map(|e| (e.from, e.wire)));
            }
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }
}
