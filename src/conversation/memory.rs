//! A log in memory: what the tests of this crate replicate, and the model that the database is
//! checked against.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    convert::Infallible,
};

use super::{Branch, Budget, ConversationId, Entry, EntryId, Kind, Log, Placed, Point, Stored};
use crate::identity::Identity;

/// The logs of all conversations, in memory. Cloning it is taking a copy of a profile.
#[derive(Debug, Clone, Default)]
pub struct MemoryLog {
    conversations: HashMap<ConversationId, Conversation>,
}

#[derive(Debug, Clone, Default)]
struct Conversation {
    /// In order of arrival.
    entries: Vec<Stored>,
    by_id: HashMap<EntryId, usize>,
    by_point: HashMap<Point, usize>,
    /// By target: the last of each kind and author.
    modifiers: HashMap<EntryId, BTreeMap<(Kind, Identity), usize>>,
    /// By target: all edits.
    edits: HashMap<EntryId, Vec<usize>>,
    branches: Vec<Branch>,
    lacking: BTreeSet<EntryId>,
}

impl MemoryLog {
    /// Every entry of a conversation, in order of arrival.
    pub fn entries(&self, conversation: &ConversationId) -> &[Stored] {
        self.conversations.get(conversation).map_or(&[], |c| &c.entries)
    }
}

impl Log for MemoryLog {
    type Error = Infallible;

    fn branches(&self, conversation: &ConversationId) -> Result<Vec<Branch>, Infallible> {
        Ok(self.conversations.get(conversation).map_or_else(Vec::new, |c| c.branches.clone()))
    }

    fn find(
        &self,
        conversation: &ConversationId,
        id: &EntryId,
    ) -> Result<Option<Placed>, Infallible> {
        Ok(self.get(conversation, id).map(|stored| stored.placed))
    }

    fn entry(
        &self,
        conversation: &ConversationId,
        id: &EntryId,
    ) -> Result<Option<Stored>, Infallible> {
        Ok(self.get(conversation, id).cloned())
    }

    fn at(
        &self,
        conversation: &ConversationId,
        point: Point,
    ) -> Result<Option<EntryId>, Infallible> {
        let conversation = self.conversations.get(conversation);
        Ok(conversation.and_then(|c| c.by_point.get(&point).map(|index| c.entries[*index].id)))
    }

    fn read(
        &self,
        conversation: &ConversationId,
        branch: u32,
        after: u64,
        budget: Budget,
    ) -> Result<Vec<Stored>, Infallible> {
        let Some(conversation) = self.conversations.get(conversation) else {
            return Ok(Vec::new());
        };
        Ok((after + 1..)
            .map_while(|seq| conversation.by_point.get(&Point { branch, seq }))
            .take(budget.entries)
            .map(|index| &conversation.entries[*index])
            .scan(0, |before, stored| {
                let fits = *before == 0 || *before + stored.wire.size() <= budget.bytes;
                *before += stored.wire.size();
                fits.then(|| stored.clone())
            })
            .collect())
    }

    fn modifiers(
        &self,
        conversation: &ConversationId,
        target: &EntryId,
    ) -> Result<Vec<Stored>, Infallible> {
        let Some(conversation) = self.conversations.get(conversation) else {
            return Ok(Vec::new());
        };
        let last = conversation.modifiers.get(target);
        Ok(last
            .into_iter()
            .flat_map(BTreeMap::values)
            .map(|index| conversation.entries[*index].clone())
            .collect())
    }

    fn insert(
        &mut self,
        entry: &Entry,
        placed: &Placed,
        branch: &Branch,
    ) -> Result<(), Infallible> {
        let conversation = self.conversations.entry(entry.header.conversation).or_default();
        let index = conversation.entries.len();
        conversation.by_id.insert(entry.id, index);
        conversation.by_point.insert(Point { branch: placed.branch, seq: placed.seq }, index);
        if let Some(target) = entry.header.target.filter(|_| placed.kind.modifies()) {
            let last = conversation.modifiers.entry(target).or_default();
            let last = last.entry((placed.kind, placed.feed.author)).or_insert(index);
            let known = conversation.entries.get(*last);
            if known.is_some_and(|k| k.placed.position(k.id) < placed.position(entry.id)) {
                *last = index;
            }
            if placed.kind == Kind::Edit {
                conversation.edits.entry(target).or_default().push(index);
            }
        }
        match conversation.branches.iter_mut().find(|b| b.number == branch.number) {
            Some(known) => *known = *branch,
            None => conversation.branches.push(*branch),
        }
        if placed.pruned {
            conversation.lacking.insert(entry.id);
        }
        conversation.entries.push(Stored {
            id: entry.id,
            placed: *placed,
            wire: entry.wire.clone(),
        });
        Ok(())
    }

    fn prune(&mut self, conversation: &ConversationId, id: &EntryId) -> Result<(), Infallible> {
        let Some(conversation) = self.conversations.get_mut(conversation) else {
            return Ok(());
        };
        let edits = conversation.edits.get(id).map_or(&[][..], Vec::as_slice);
        for index in conversation.by_id.get(id).into_iter().chain(edits) {
            let stored = &mut conversation.entries[*index];
            stored.wire.body = None;
            stored.placed.pruned = true;
            conversation.lacking.remove(&stored.id);
        }
        Ok(())
    }

    fn lacking(
        &self,
        conversation: &ConversationId,
        most: usize,
    ) -> Result<Vec<EntryId>, Infallible> {
        let lacking = self.conversations.get(conversation).map(|c| &c.lacking);
        Ok(lacking.into_iter().flatten().take(most).copied().collect())
    }

    fn restore(
        &mut self,
        conversation: &ConversationId,
        id: &EntryId,
        body: &[u8],
    ) -> Result<(), Infallible> {
        if let Some(conversation) = self.conversations.get_mut(conversation)
            && let Some(index) = conversation.by_id.get(id)
        {
            let stored = &mut conversation.entries[*index];
            stored.wire.body = Some(body.to_vec());
            stored.placed.pruned = false;
            conversation.lacking.remove(id);
        }
        Ok(())
    }
}

impl MemoryLog {
    fn get(&self, conversation: &ConversationId, id: &EntryId) -> Option<&Stored> {
        let conversation = self.conversations.get(conversation)?;
        conversation.by_id.get(id).map(|index| &conversation.entries[*index])
    }
}
