//! A conversation on the screen: a window over its history, and a view over that window.
//!
//! Of the history only a bounded number of entries is held; scrolling near either end asks for
//! more there ([`Timeline::wanted`]) and lets go of what is far away at the other. Of those held
//! only what shows is ever laid out: the view is a corner, an entry and a row of it, and
//! everything is counted from there. So a frame costs the same over ten entries and a million.

use std::collections::{HashMap, VecDeque};

use crate::{
    conversation::EntryId,
    identity::Identity,
    node::api::{EntryState, EntryView},
};

pub mod block;
mod viewport;

pub use block::{Row, Space};
pub use viewport::{Direction, Shown};

/// Entries held for one conversation: several times the longest page that is asked for, so that
/// a page never pushes out what is on the screen; about a megabyte of ordinary messages.
pub const MAX_ENTRIES: usize = 4_000;

/// Entries asked for at once while scrolling: more than a tall terminal shows.
pub const PAGE: u32 = 100;

/// How near the end of what is held the view may come before more is asked for, in entries.
const MARGIN: usize = 40;

/// Where the view stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Corner {
    /// The newest entry is at the bottom, and stays there when more come.
    Bottom,
    /// This row of this entry is the topmost.
    At(EntryId, usize),
}

/// Where the line above the unread entries stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnreadLine {
    /// Nothing was unread when the conversation was opened.
    Nowhere,
    /// Above all entries.
    First,
    /// Below this entry.
    After(EntryId),
}

/// What became of a live entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// It is the newest.
    Appended,
    /// Its time says that it belongs further up: the newest page has to be asked for again.
    OutOfOrder,
    /// The newest entries are not held, so neither is this one.
    NotHeld,
}

/// More history to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Entries before this one.
    Before(EntryId),
    /// Entries after this one.
    After(EntryId),
}

/// The entries of one conversation that are held, and the view over them.
#[derive(Debug)]
pub struct Timeline {
    entries: VecDeque<EntryView>,
    /// Entry → its number; numbers are positions, counted from `first`.
    numbers: HashMap<EntryId, i64>,
    first: i64,
    limit: usize,
    /// The oldest entry of the conversation is held.
    at_start: bool,
    /// The newest entry of the conversation is held.
    at_end: bool,
    corner: Corner,
    selected: Option<EntryId>,
    unread_line: UnreadLine,
    /// Entries that came below the view since it left the bottom.
    below: usize,
}

impl Timeline {
    /// A timeline that holds nothing yet, and never more than `limit` entries.
    pub fn new(limit: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            numbers: HashMap::new(),
            first: 0,
            limit,
            at_start: false,
            at_end: false,
            corner: Corner::Bottom,
            selected: None,
            unread_line: UnreadLine::Nowhere,
            below: 0,
        }
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many entries are held.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the oldest entry of the conversation is held.
    pub fn at_start(&self) -> bool {
        self.at_start
    }

    /// Whether the newest entry of the conversation is held.
    pub fn at_end(&self) -> bool {
        self.at_end
    }

    /// Entries that came below the view since it left the bottom.
    pub fn below(&self) -> usize {
        self.below
    }

    /// The entry at a position.
    pub fn get(&self, at: usize) -> Option<&EntryView> {
        self.entries.get(at)
    }

    /// An entry, if it is held.
    pub fn entry(&self, entry: EntryId) -> Option<&EntryView> {
        self.entries.get(self.position(entry)?)
    }

    /// The newest entry held that fits.
    pub fn newest(&self, fits: impl Fn(&EntryView) -> bool) -> Option<&EntryView> {
        self.entries.iter().rev().find(|entry| fits(entry))
    }

    /// The position of an entry, if it is held.
    pub fn position(&self, entry: EntryId) -> Option<usize> {
        let number = self.numbers.get(&entry)?;
        usize::try_from(number - self.first).ok()
    }

    /// Entries by others than `me` after `entry`, as far as they are held.
    pub fn unread_since(&self, entry: EntryId, me: Identity) -> usize {
        let from = self.position(entry).map_or(0, |at| at + 1);
        self.entries.iter().skip(from).filter(|entry| entry.author != me).count()
    }

    fn number_all(&mut self) {
        self.first = 0;
        self.numbers = (0..).zip(&self.entries).map(|(number, e)| (e.entry, number)).collect();
    }

    /// Replaces everything by a page around an entry, or by the newest page.
    pub fn reset(&mut self, page: Vec<EntryView>, at_start: bool, at_end: bool) {
        self.entries = page.into();
        self.number_all();
        (self.at_start, self.at_end) = (at_start, at_end);
        self.corner = Corner::Bottom;
        self.below = 0;
        self.selected = self.selected.filter(|entry| self.numbers.contains_key(entry));
    }

    /// Adds a page before the oldest entry held; `is_last` if there is nothing before it.
    pub fn prepend(&mut self, page: Vec<EntryView>, is_last: bool) {
        self.at_start = is_last;
        // The name and the day above what was the first entry may go, so the corner keeps its
        // distance from that entry's end: it is good enough to keep the entry.
        for entry in page.into_iter().rev() {
            if !self.numbers.contains_key(&entry.entry) {
                self.first -= 1;
                self.numbers.insert(entry.entry, self.first);
                self.entries.push_front(entry);
            }
        }
        while self.entries.len() > self.limit {
            self.at_end = false;
            if let Some(gone) = self.entries.pop_back() {
                self.numbers.remove(&gone.entry);
            }
        }
    }

    /// Adds a page after the newest entry held; `is_last` if there is nothing after it.
    pub fn append(&mut self, page: Vec<EntryView>, is_last: bool) {
        self.at_end = is_last;
        for entry in page {
            if !self.numbers.contains_key(&entry.entry) {
                self.push_back(entry);
            }
        }
        if is_last {
            self.below = 0;
        }
    }

    fn push_back(&mut self, entry: EntryView) {
        let number = self.first + i64::try_from(self.entries.len()).unwrap_or(i64::MAX);
        self.numbers.insert(entry.entry, number);
        self.entries.push_back(entry);
        while self.entries.len() > self.limit {
            self.at_start = false;
            self.first += 1;
            if let Some(gone) = self.entries.pop_front() {
                self.numbers.remove(&gone.entry);
            }
        }
    }

    /// Takes the newest page as the authority on the order of what it holds.
    pub fn refresh_newest(&mut self, page: Vec<EntryView>, is_all: bool) {
        // Late entries stand too far down until now, so any of the page may be the first.
        let from = page.iter().filter_map(|entry| self.position(entry.entry)).min();
        let Some(from) = from else {
            if is_all || self.corner == Corner::Bottom {
                self.reset(page, is_all, true);
            } else {
                self.at_end = false;
            }
            return;
        };
        let held = self.entries.split_off(from);
        self.entries.extend(page);
        self.number_all();
        // What came while the page was on its way is newer than the page.
        self.entries.extend(held.into_iter().filter(|e| !self.numbers.contains_key(&e.entry)));
        self.at_end = true;
        self.number_all();
    }

    /// A live entry, `own` if it was written here: that one is always the newest, since it was
    /// written after everything that is on this disk.
    pub fn push(&mut self, entry: EntryView, own: bool) -> Placement {
        if self.numbers.contains_key(&entry.entry) {
            self.replace(entry);
            return Placement::Appended;
        }
        if self.corner != Corner::Bottom {
            self.below += usize::from(!own);
        }
        // What is being read must not be pushed out of the window from below.
        if self.corner != Corner::Bottom && self.entries.len() >= self.limit {
            self.at_end = false;
        }
        if !self.at_end {
            return Placement::NotHeld;
        }
        let newest = self.entries.back().map_or(0, |newest| newest.sent_at);
        let placement = if own || entry.sent_at >= newest {
            Placement::Appended
        } else {
            Placement::OutOfOrder
        };
        self.push_back(entry);
        placement
    }

    /// An entry that looks different now.
    pub fn replace(&mut self, entry: EntryView) {
        if let Some(held) = self.held(entry.entry) {
            *held = entry;
        }
    }

    /// An entry to be changed in place.
    pub fn held(&mut self, entry: EntryId) -> Option<&mut EntryView> {
        let at = self.position(entry)?;
        self.entries.get_mut(at)
    }

    /// How far an own entry has come. What is known never becomes less.
    pub fn set_state(&mut self, entry: EntryId, state: EntryState) {
        if let Some(held) = self.held(entry) {
            held.state = held.state.max(state);
        }
    }

    /// The selected entry, if it is held.
    pub fn selected(&self) -> Option<EntryId> {
        self.selected.filter(|entry| self.numbers.contains_key(entry))
    }

    /// Selects nothing.
    pub fn deselect(&mut self) {
        self.selected = None;
    }

    /// Puts the unread line somewhere.
    pub fn mark_unread(&mut self, line: UnreadLine) {
        self.unread_line = line;
    }

    /// Whether the unread line stands above the entry at this position.
    fn unread_begins(&self, at: usize) -> bool {
        match self.unread_line {
            UnreadLine::Nowhere => false,
            UnreadLine::First => at == 0 && self.at_start,
            UnreadLine::After(entry) => self.position(entry).is_some_and(|read| read + 1 == at),
        }
    }
}

#[cfg(test)]
mod tests;
