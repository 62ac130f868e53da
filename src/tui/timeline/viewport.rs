//! The view over the entries that are held: laid out from its corner, and no further than it
//! shows.

use super::{Corner, MARGIN, Row, Space, Timeline, UnreadLine, Wanted, block};
use crate::conversation::EntryId;

/// A way to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To older entries.
    Up,
    /// To newer entries.
    Down,
}

/// An entry that shows, in part or in whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its position.
    pub at: usize,
    /// Its rows that are within the view.
    pub rows: Vec<Row>,
    /// Its last row is one of them.
    pub is_complete: bool,
}

impl Timeline {
    /// The rows of the entry at a position.
    fn rows(&self, at: usize, space: Space<'_>) -> Vec<Row> {
        let previous = at.checked_sub(1).and_then(|at| self.entries.get(at));
        match self.entries.get(at) {
            Some(entry) => block::rows(entry, previous, self.unread_begins(at), space),
            None => Vec::new(),
        }
    }

    /// The corner from which exactly `height` rows reach the end; the first row of all if there
    /// are fewer.
    fn bottom(&self, height: usize, space: Space<'_>) -> (usize, usize) {
        let mut missing = height;
        for at in (0..self.entries.len()).rev() {
            let rows = self.rows(at, space).len();
            if rows >= missing {
                return (at, rows - missing);
            }
            missing -= rows;
        }
        (0, 0)
    }

    /// The corner as a position and a row, moved up if the entries end within the view.
    fn top(&self, height: usize, space: Space<'_>) -> (usize, usize) {
        let corner = match self.corner {
            Corner::Bottom => None,
            Corner::At(entry, row) => self.position(entry).map(|at| (at, row)),
        };
        let Some((at, row)) = corner else { return self.bottom(height, space) };
        let mut rows = 0;
        for (below, _) in self.entries.iter().enumerate().skip(at) {
            rows += self.rows(below, space).len();
            // The corner's row may be gone with an edit or a wider window.
            if rows >= height + row {
                return (at, row);
            }
        }
        self.bottom(height, space)
    }

    fn set_top(&mut self, mut top: (usize, usize), height: usize, space: Space<'_>) {
        if top.1 > 0 && top.1 >= self.rows(top.0, space).len() {
            top = (top.0 + 1, 0);
        }
        let bottom = self.bottom(height, space);
        self.corner = match self.entries.get(top.0) {
            Some(entry) if top < bottom || !self.at_end => Corner::At(entry.entry, top.1),
            _ => Corner::Bottom,
        };
        if self.corner == Corner::Bottom {
            self.below = 0;
        }
    }

    /// What shows in `height` rows, from the top. Fewer rows only if there are not more.
    pub fn shown(&self, height: usize, space: Space<'_>) -> Vec<Shown> {
        let (first, skipped) = self.top(height, space);
        let mut shown = Vec::new();
        let mut left = height;
        let mut skip = skipped;
        for at in first..self.entries.len() {
            if left == 0 {
                break;
            }
            let mut rows = self.rows(at, space);
            rows.drain(..skip.min(rows.len()));
            skip = 0;
            let is_complete = rows.len() <= left;
            rows.truncate(left);
            left -= rows.len();
            shown.push(Shown { at, rows, is_complete });
        }
        shown
    }

    /// Whether the newest entry is in view and stays there.
    pub fn follows(&self) -> bool {
        self.corner == Corner::Bottom && self.at_end
    }

    /// Moves the view by so many rows.
    pub fn scroll(
        &mut self,
        direction: Direction,
        mut rows: usize,
        height: usize,
        space: Space<'_>,
    ) {
        let (mut at, mut row) = self.top(height, space);
        match direction {
            Direction::Up => {
                while rows > row && at > 0 {
                    rows -= row;
                    at -= 1;
                    row = self.rows(at, space).len();
                }
                row = row.saturating_sub(rows);
            }
            Direction::Down => {
                row += rows;
                while at < self.entries.len() {
                    let len = self.rows(at, space).len();
                    if row < len {
                        break;
                    }
                    row -= len;
                    at += 1;
                }
            }
        }
        self.set_top((at, row), height, space);
    }

    /// To the oldest entry held.
    pub fn go_to_oldest(&mut self, height: usize, space: Space<'_>) {
        self.set_top((0, 0), height, space);
    }

    /// To the newest entry. False if it is not held: then it has to be asked for.
    pub fn go_to_newest(&mut self) -> bool {
        self.corner = Corner::Bottom;
        self.below = 0;
        self.at_end
    }

    /// Selects an entry and puts it in the middle of the view. False if it is not held.
    pub fn jump(&mut self, entry: EntryId, height: usize, space: Space<'_>) -> bool {
        let Some(at) = self.position(entry) else { return false };
        self.selected = Some(entry);
        self.set_top((at, 0), height, space);
        self.scroll(Direction::Up, height / 3, height, space);
        true
    }

    /// Puts the unread line near the top of the view if it is above it.
    pub fn show_unread(&mut self, height: usize, space: Space<'_>) {
        let line = match self.unread_line {
            UnreadLine::Nowhere => return,
            UnreadLine::First => 0,
            UnreadLine::After(entry) => self.position(entry).map_or(0, |at| at + 1),
        };
        if line < self.bottom(height, space).0 {
            self.set_top((line, 0), height, space);
        }
    }

    /// Selects the entry above or below the selected one, and moves the view to show it. With
    /// nothing selected: the last that shows. False at the end, where nothing changes.
    pub fn select(&mut self, direction: Direction, height: usize, space: Space<'_>) -> bool {
        let selected = self.selected().and_then(|entry| self.position(entry));
        let at = match (selected, direction) {
            (Some(at), Direction::Up) => at.checked_sub(1),
            (Some(at), Direction::Down) => Some(at + 1),
            (None, _) => self.shown(height, space).last().map(|shown| shown.at),
        };
        let Some((at, entry)) = at.and_then(|at| Some((at, self.entries.get(at)?.entry))) else {
            return false;
        };
        self.selected = Some(entry);
        self.reveal(at, height, space);
        true
    }

    /// Selects what shows uppermost or lowermost, after the view was moved.
    pub fn select_shown(&mut self, direction: Direction, height: usize, space: Space<'_>) {
        let shown = self.shown(height, space);
        let edge = match direction {
            Direction::Up => shown.first(),
            Direction::Down => shown.last(),
        };
        if let Some(entry) = edge.and_then(|shown| self.entries.get(shown.at)) {
            self.selected = Some(entry.entry);
        }
    }

    /// Moves the view as little as shows the whole entry, or its first rows if it is taller.
    fn reveal(&mut self, at: usize, height: usize, space: Space<'_>) {
        let top = self.top(height, space);
        if (at, 0) < top {
            self.set_top((at, 0), height, space);
            return;
        }
        let mut rows = 0;
        for above in (top.0..=at).rev() {
            let len = self.rows(above, space).len();
            if rows + len > height {
                // The entry ends below the view when it is counted from the corner.
                let corner = if above == at { (at, 0) } else { (above, rows + len - height) };
                if corner > top {
                    self.set_top(corner, height, space);
                }
                return;
            }
            rows += len;
        }
    }

    /// The position of the last entry of which the last row shows.
    pub fn last_complete(&self, height: usize, space: Space<'_>) -> Option<usize> {
        let shown = self.shown(height, space);
        shown.iter().rev().find(|shown| shown.is_complete).map(|shown| shown.at)
    }

    /// The history that is missing near the view.
    pub fn wanted(&self, height: usize, space: Space<'_>) -> Option<Wanted> {
        let (top, _) = self.top(height, space);
        if top < MARGIN && !self.at_start {
            return self.entries.front().map(|entry| Wanted::Before(entry.entry));
        }
        // No entry is less than one row.
        if top + height + MARGIN > self.entries.len() && !self.at_end {
            return self.entries.back().map(|entry| Wanted::After(entry.entry));
        }
        None
    }
}
