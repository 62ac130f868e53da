//! What the other has of this log, by the leaves that it named, and what it lacks.

use super::message::{Holding, Leaf, MAX_LACKING, MAX_LEAVES, MAX_LOCATED, Message};
use crate::conversation::{
    Branch, Budget, ConversationId, EntryId, FeedId, Header, Log, Placed, Point, Position, Stored,
    WireEntry, write::canonical,
};

/// What the other said that it has of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    /// Its leaves, by its last `Have` and by what passed since.
    pub leaves: Vec<Leaf>,
    /// Further entries that it has, by its last `Locate` of each feed.
    pub located: Vec<Leaf>,
    /// Entries whose body it lacks and asks for.
    pub lacking: Vec<EntryId>,
}

impl View {
    /// The other has this entry now, and had the one before it.
    pub fn advance(&mut self, header: &Header, leaf: Leaf) {
        if self.leaves.contains(&leaf) {
            self.leaves.retain(|l| Some(l.id) != header.previous);
            return;
        }
        match self.leaves.iter_mut().find(|l| Some(l.id) == header.previous) {
            Some(previous) => *previous = leaf,
            None => self.leaves.push(leaf),
        }
    }

    /// The other has this entry too. It is forgotten if it seems to be before another of its
    /// feed: then some of it may be sent again, at worst.
    pub(super) fn catch_up(&mut self, leaf: Leaf) {
        let mut of_feed = self.leaves.iter_mut().filter(|l| l.feed == leaf.feed);
        match (of_feed.next(), of_feed.next()) {
            (None, _) => self.leaves.push(leaf),
            (Some(only), None) if only.seq < leaf.seq => *only = leaf,
            _ => {}
        }
    }
}

/// What the other is known to have of this log.
#[derive(Debug, Clone)]
pub struct Known {
    branches: Vec<BranchOfOther>,
    forked: Vec<FeedId>,
    /// Of what the other located, all that matters: see [`Known::locate`].
    located: Vec<Leaf>,
}

#[derive(Debug, Clone)]
struct BranchOfOther {
    branch: Branch,
    /// It has everything in this branch up to this number; 0: nothing is known.
    up_to: u64,
    /// One of its leaves stands in this branch.
    leaf: bool,
    /// It may have all of this branch for what we know: it named a leaf of the feed that we lack.
    perhaps_all: bool,
}

impl Known {
    /// Compares what the other named with this log. Costs no look for leaves that both have.
    ///
    /// # Errors
    /// The log could not be read.
    pub fn of<L: Log>(
        log: &L,
        conversation: &ConversationId,
        view: &View,
    ) -> Result<Self, L::Error> {
        let branches = log.branches(conversation)?;
        let of_other = |branch| BranchOfOther { branch, up_to: 0, leaf: false, perhaps_all: false };
        let branches = branches.into_iter().map(of_other).collect();
        let mut known = Self { branches, forked: Vec::new(), located: Vec::new() };
        let mut lacking: Vec<Leaf> = Vec::new();
        for leaf in &view.leaves {
            match known.point(log, conversation, leaf)? {
                Some(point) => known.mark(point, true),
                None => lacking.push(*leaf),
            }
        }
        known.locate(log, conversation, &view.located)?;
        for leaf in lacking {
            let located = view.located.iter().any(|l| l.feed == leaf.feed);
            let mut own_last = 0;
            for b in known.branches.iter_mut().filter(|b| b.branch.feed == leaf.feed) {
                own_last = own_last.max(b.branch.tip.seq);
                b.perhaps_all = !located && !b.leaf;
            }
            if leaf.seq <= own_last && !known.forked.contains(&leaf.feed) {
                known.forked.push(leaf.feed);
            }
        }
        Ok(known)
    }

    /// Notes what the other located. What is kept of it is, of each branch, the last entry; and of
    /// a feed none of whose located entries this log has, one of them: that it was located at all.
    /// Everything else says nothing more, and would be looked for again each time.
    fn locate<L: Log>(
        &mut self,
        log: &L,
        conversation: &ConversationId,
        located: &[Leaf],
    ) -> Result<(), L::Error> {
        let mut last: Vec<(u32, Leaf)> = Vec::new();
        for leaf in located {
            if let Some(point) = self.point(log, conversation, leaf)? {
                self.mark(point, false);
                let leaf = Leaf { seq: point.seq, ..*leaf };
                match last.iter_mut().find(|(branch, _)| *branch == point.branch) {
                    Some((_, last)) if last.seq < leaf.seq => *last = leaf,
                    Some(_) => {}
                    None => last.push((point.branch, leaf)),
                }
            }
        }
        self.located = last.into_iter().map(|(_, leaf)| leaf).collect();
        for leaf in located {
            let is_here = self.branches.iter().any(|b| b.branch.feed == leaf.feed);
            if is_here && !self.located.iter().any(|l| l.feed == leaf.feed) {
                self.located.push(*leaf);
            }
        }
        Ok(())
    }

    fn point<L: Log>(
        &self,
        log: &L,
        conversation: &ConversationId,
        leaf: &Leaf,
    ) -> Result<Option<Point>, L::Error> {
        if let Some(b) = self.branches.iter().find(|b| b.branch.tip.id == leaf.id) {
            return Ok(Some(Point { branch: b.branch.number, seq: b.branch.tip.seq }));
        }
        let placed = log.find(conversation, &leaf.id)?;
        Ok(placed.map(|p| Point { branch: p.branch, seq: p.seq }))
    }

    /// The other has this entry, so it has everything before it in its feed.
    fn mark(&mut self, point: Point, leaf: bool) {
        let mut next = Some(point);
        let mut leaf = leaf;
        while let Some(point) = next
            && let Some(b) = self.branches.iter_mut().find(|b| b.branch.number == point.branch)
        {
            b.up_to = b.up_to.max(point.seq);
            b.leaf |= leaf;
            leaf = false;
            next = b.branch.parent;
        }
    }

    /// How far the other has each branch of a feed, for branches of which it has anything.
    pub fn acknowledged(&self, feed: FeedId) -> impl Iterator<Item = Point> {
        let of_feed = self.branches.iter().filter(move |b| b.branch.feed == feed && b.up_to > 0);
        of_feed.map(|b| Point { branch: b.branch.number, seq: b.up_to })
    }

    /// The feeds in which the other has an entry that ours contradicts, or that we lack in the
    /// middle: to be answered by [`locate`], so that it learns what to push.
    pub fn forked(&self) -> &[FeedId] {
        &self.forked
    }
}

/// Entries to push, in the order shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The entries.
    pub entries: Vec<WireEntry>,
    /// What the other has once it has accepted them.
    pub view: View,
    /// There are more to push after these.
    pub more: bool,
    /// With these the other has everything. False also while it is unclear what the other has of
    /// a feed: that shows when its entries, or its `Locate`, have come.
    pub all: bool,
}

/// Collects entries that the other lacks, the first in the order shown. Reads only those.
///
/// # Errors
/// The log could not be read.
pub fn missing<L: Log>(
    log: &L,
    conversation: &ConversationId,
    view: &View,
    budget: Budget,
) -> Result<Batch, L::Error> {
    let known = Known::of(log, conversation, view)?;
    let lacking = |b: &BranchOfOther| !b.perhaps_all && b.up_to < b.branch.tip.seq;
    let mut runs: Vec<Run> = known.branches.iter().filter(|b| lacking(b)).map(Run::new).collect();
    let ahead = read_ahead(budget, runs.len());
    let unclear = known.branches.iter().any(|b| b.perhaps_all && b.up_to < b.branch.tip.seq);
    let view = View { located: known.located, ..view.clone() };
    let mut batch = Batch { entries: Vec::new(), view, more: false, all: !unclear };
    let mut bytes = 0;
    for id in std::mem::take(&mut batch.view.lacking) {
        if let Some(stored) = log.entry(conversation, &id)?.filter(|s| !s.placed.pruned) {
            bytes += stored.wire.size();
            if bytes > budget.bytes && !batch.entries.is_empty() {
                break; // what is still lacking is asked for again
            }
            batch.entries.push(stored.wire);
        }
    }
    loop {
        let mut first: Option<usize> = None;
        for index in 0..runs.len() {
            runs[index].fill(log, conversation, ahead)?;
            if let Some(position) = runs[index].position()
                && first.is_none_or(|f| runs[f].position().is_none_or(|p| position < p))
            {
                first = Some(index);
            }
        }
        let Some(run) = first.and_then(|index| runs.get_mut(index)) else { return Ok(batch) };
        let Some(stored) = run.next.last() else { return Ok(batch) };
        bytes += stored.wire.size();
        let full = batch.entries.len() >= budget.entries || bytes > budget.bytes;
        if full && !batch.entries.is_empty() {
            batch.more = true;
            batch.all = false;
            return Ok(batch);
        }
        let Some(stored) = run.next.pop() else { return Ok(batch) };
        let Placed { feed, seq, .. } = stored.placed;
        if let Ok(header) = Header::decode(&stored.wire.header) {
            batch.view.advance(&header, Leaf { feed, seq, id: stored.id });
            batch.entries.push(stored.wire);
            run.after = seq;
        } else {
            // Only a damaged log holds such an entry: nothing after it can be sent.
            batch.all = false;
            run.end();
        }
    }
}

/// How many entries are read ahead of each branch while several are merged.
const READ_AHEAD: usize = 32;

/// What is read at once of each of so many branches: together no more bytes than are sent.
pub(super) fn read_ahead(budget: Budget, branches: usize) -> Budget {
    match branches {
        0 | 1 => budget,
        _ => Budget { entries: budget.entries.min(READ_AHEAD), bytes: budget.bytes / branches },
    }
}

/// A branch being read from where the other's knowledge ends.
struct Run {
    branch: u32,
    after: u64,
    last: u64,
    /// Read but not taken, the last one first.
    next: Vec<Stored>,
}

impl Run {
    fn new(b: &BranchOfOther) -> Self {
        let start = b.branch.parent.map_or(0, |parent| parent.seq);
        let after = b.up_to.max(start);
        Self { branch: b.branch.number, after, last: b.branch.tip.seq, next: Vec::new() }
    }

    fn fill<L: Log>(
        &mut self,
        log: &L,
        conversation: &ConversationId,
        budget: Budget,
    ) -> Result<(), L::Error> {
        if self.next.is_empty() && self.after < self.last {
            self.next = log.read(conversation, self.branch, self.after, budget)?;
            self.next.reverse();
        }
        Ok(())
    }

    fn end(&mut self) {
        self.after = self.last;
        self.next.clear();
    }

    fn position(&self) -> Option<Position> {
        self.next.last().map(|stored| stored.placed.position(stored.id))
    }
}

/// What this log holds of a conversation, for [`Message::Have`].
///
/// # Errors
/// The log could not be read.
pub fn holding<L: Log>(log: &L, conversation: &ConversationId) -> Result<Holding, L::Error> {
    let leaf = |b: &Branch| Leaf { feed: b.feed, seq: b.tip.seq, id: b.tip.id };
    let mut leaves: Vec<_> = log.branches(conversation)?.iter().map(leaf).collect();
    leaves.truncate(MAX_LEAVES);
    let lacking = log.lacking(conversation, MAX_LACKING)?;
    Ok(Holding { conversation: *conversation, leaves, lacking })
}

/// What this log has of a feed that forked: of each branch the leaf and the entries 1, 2, 4, 8 …
/// before it, down to the branch's first; the branch that goes on comes first.
///
/// # Errors
/// The log could not be read.
pub fn locate<L: Log>(
    log: &L,
    conversation: &ConversationId,
    feed: FeedId,
) -> Result<Message, L::Error> {
    let mut branches = log.branches(conversation)?;
    let first = canonical(&branches, &feed).map(|b| b.number);
    branches.retain(|b| b.feed == feed);
    branches.sort_by_key(|b| (Some(b.number) != first, b.number));
    let mut entries = Vec::new();
    for branch in branches {
        let start = branch.parent.map_or(0, |parent| parent.seq) + 1;
        let mut back = 0;
        loop {
            let seq = branch.tip.seq.saturating_sub(back).max(start);
            if entries.len() < MAX_LOCATED
                && let Some(id) = log.at(conversation, Point { branch: branch.number, seq })?
            {
                entries.push((seq, id));
            }
            if seq == start || entries.len() >= MAX_LOCATED {
                break;
            }
            back = (back * 2).max(1);
        }
    }
    Ok(Message::Locate { conversation: *conversation, feed, entries })
}
