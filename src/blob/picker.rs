//! What to ask of whom.

use std::collections::{BTreeMap, VecDeque};

use super::{BLOCK, Span, groups};

/// The groups of a piece, 1 MiB: what is asked of one holder at a time is whole pieces, as far as
/// they are missing.
pub const PIECE: u64 = 64;

/// The most pieces of one request: enough that the way there and back does not matter, few enough
/// that a slow holder keeps little from the others.
pub const PIECES: usize = 4;

/// These groups, block by block: each is sent, received and verified by itself.
pub fn by_block(spans: &[Span]) -> Vec<Vec<Span>> {
    let mut blocks: Vec<Vec<Span>> = Vec::new();
    let mut last = None;
    for span in spans {
        let mut start = span.start;
        while start < span.end {
            let block = start / BLOCK;
            let end = span.end.min((block + 1) * BLOCK);
            match blocks.last_mut() {
                Some(spans) if last == Some(block) => spans.push(start..end),
                #[expect(clippy::single_range_in_vec_init, reason = "one span is meant")]
                _ => blocks.push(vec![start..end]),
            }
            (last, start) = (Some(block), end);
        }
    }
    blocks
}

/// A stream by which somebody is asked: one person may be asked for several things at once.
pub type Worker = u64;

/// Shares out what is missing among those who have it: what the fewest have first, then in order.
/// Nothing is asked twice, until there is nothing else left to ask; then everybody who is free is
/// asked for the latter half of what is missing of the last pieces, so that the slowest is not
/// waited for.
///
/// [`Self::join`] a worker, [`Self::next`] until there is none, [`Self::arrived`] with what came,
/// [`Self::done`] after each request, [`Self::leave`]. The next request may be made before one is
/// answered.
pub struct Picker {
    /// Of each piece the groups that are missing, the first in the lowest bit.
    missing: Vec<u64>,
    left: u64,
    /// How many were asked for each piece.
    asked: Vec<u8>,
    /// Before this all pieces are here or asked for.
    first: usize,
    workers: BTreeMap<Worker, Work>,
}

#[derive(Default)]
struct Work {
    /// Who it leads to.
    person: u64,
    /// The pieces of each request that is not answered yet, the oldest first.
    requests: VecDeque<Vec<usize>>,
    /// None: everything.
    has: Option<Vec<Span>>,
}

impl Picker {
    /// For a blob of so many bytes, of which these groups are here.
    pub fn new(size: u64, here: &[Span]) -> Self {
        let all = groups(size);
        let pieces = usize::try_from(all.div_ceil(PIECE)).unwrap_or(usize::MAX);
        let mut picker = Self {
            missing: vec![u64::MAX; pieces],
            left: all,
            asked: vec![0; pieces],
            first: 0,
            workers: BTreeMap::new(),
        };
        if !all.is_multiple_of(PIECE)
            && let Some(last) = picker.missing.last_mut()
        {
            *last = (1 << (all % PIECE)) - 1;
        }
        for group in here.iter().cloned().flatten() {
            picker.arrived(group);
        }
        picker
    }

    /// Groups that are missing.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// This person can be asked, by one more stream, and has these groups; none given: all.
    pub fn join(&mut self, worker: Worker, person: u64, has: Option<Vec<Span>>) {
        self.workers.insert(worker, Work { person, requests: VecDeque::new(), has });
    }

    /// This one is asked no more. What it was asked for is asked of others.
    pub fn leave(&mut self, worker: Worker) {
        while self.done(worker) {}
        self.workers.remove(&worker);
    }

    /// The oldest request was answered, or will not be. Returns whether there was one.
    pub fn done(&mut self, worker: Worker) -> bool {
        let work = self.workers.get_mut(&worker);
        let Some(pieces) = work.and_then(|work| work.requests.pop_front()) else { return false };
        for piece in pieces {
            if let Some(count) = self.asked.get_mut(piece) {
                *count = count.saturating_sub(1);
            }
            self.first = self.first.min(piece);
        }
        true
    }

    /// What to ask of this worker now, in ascending order; empty: nothing that it has is missing,
    /// or all that is missing was asked for, and it has a request to answer yet.
    pub fn next(&mut self, worker: Worker) -> Vec<Span> {
        let mut pieces = self.unasked(worker);
        let is_busy = self.workers.get(&worker).is_some_and(|work| !work.requests.is_empty());
        if pieces.is_empty() && is_busy {
            return Vec::new();
        }
        let is_end = pieces.is_empty();
        if is_end {
            pieces = self.last_ones(worker);
        }
        pieces.sort_unstable();
        let mut spans: Vec<Span> = Vec::new();
        for piece in &pieces {
            self.asked[*piece] = self.asked[*piece].saturating_add(1);
            let mut missing = self.missing[*piece];
            if is_end {
                // Whoever was asked first sends its beginning meanwhile.
                for _ in 0..missing.count_ones() / 2 {
                    missing &= missing - 1;
                }
            }
            for bit in (0..PIECE).filter(|bit| missing >> bit & 1 == 1) {
                let group = *piece as u64 * PIECE + bit;
                match spans.last_mut() {
                    Some(last) if last.end == group => last.end += 1,
                    _ => spans.push(group..group + 1),
                }
            }
        }
        if let Some(work) = self.workers.get_mut(&worker)
            && !spans.is_empty()
        {
            work.requests.push_back(pieces);
        }
        spans
    }

    /// A group is here. Returns whether it was missing.
    pub fn arrived(&mut self, group: u64) -> bool {
        let piece = usize::try_from(group / PIECE).unwrap_or(usize::MAX);
        let Some(missing) = self.missing.get_mut(piece) else { return false };
        let bit = 1 << (group % PIECE);
        let new = *missing & bit != 0;
        *missing &= !bit;
        self.left -= u64::from(new);
        new
    }

    /// Pieces that nobody was asked for.
    fn unasked(&mut self, worker: Worker) -> Vec<usize> {
        let open = |piece: &usize| self.missing[*piece] != 0 && self.asked[*piece] == 0;
        self.first = (self.first..self.missing.len()).find(open).unwrap_or(self.missing.len());
        let open = (self.first..self.missing.len()).filter(open);
        let open = open.filter(|piece| self.has(worker, *piece));
        // The last ones are shared out among all, so that nobody has much to do when the others
        // are done.
        let streams = self.workers.len().max(1);
        let most = (open.clone().take(PIECES * streams).count() / streams).max(1);
        if self.workers.values().all(|asked| asked.has.is_none()) {
            return open.take(most).collect();
        }
        let mut open: Vec<_> = open
            .map(|piece| {
                let having = self.workers.keys().filter(|other| self.has(**other, piece));
                (having.count(), piece)
            })
            .collect();
        open.sort_unstable();
        open.into_iter().take(most).map(|(_, piece)| piece).collect()
    }

    /// One of the pieces that are missing although somebody else was asked for them: the one that
    /// the fewest were asked for.
    fn last_ones(&self, worker: Worker) -> Vec<usize> {
        let Some(person) = self.workers.get(&worker).map(|asked| asked.person) else {
            return Vec::new();
        };
        let theirs = self.workers.values().filter(|asked| asked.person == person);
        let theirs: Vec<usize> =
            theirs.flat_map(|asked| asked.requests.iter().flatten().copied()).collect();
        let open = (0..self.missing.len()).filter(|piece| self.missing[*piece] != 0);
        let open = open.filter(|piece| !theirs.contains(piece));
        let open = open.filter(|piece| self.has(worker, *piece));
        open.min_by_key(|piece| self.asked[*piece]).into_iter().collect()
    }

    fn has(&self, worker: Worker, piece: usize) -> bool {
        let Some(asked) = self.workers.get(&worker) else { return false };
        let Some(has) = &asked.has else { return true };
        let start = piece as u64 * PIECE;
        let mut left = self.missing[piece];
        for span in has {
            for bit in 0..PIECE {
                if span.contains(&(start + bit)) {
                    left &= !(1 << bit);
                }
            }
        }
        left == 0
    }
}
