//! One entry's rows, with what stands above it: the line of its day, of the unread, its author.

use std::ops::Range;

use jiff::tz::TimeZone;

use crate::{
    node::api::{EntryKind, EntryView},
    tui::{picture::Blocks, when, wrap},
};

/// Entries of one author within this time stand under one name, in milliseconds.
const GROUP: u64 = 10 * 60 * 1000;

/// What stands behind an edited text.
pub const EDITED: &str = " (edited)";

/// One row of the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// Nothing.
    Blank,
    /// The line that begins a day.
    Day,
    /// The line above the first unread entry.
    Unread,
    /// The author's name.
    Author,
    /// The entry that this one answers, in one row.
    Quote,
    /// A part of the text.
    Text {
        /// Which part, in bytes.
        part: Range<usize>,
        /// The first row carries the time and the delivery mark.
        first: bool,
        /// [`EDITED`] follows.
        edited: bool,
    },
    /// [`EDITED`], when it found no room behind the text.
    Edited,
    /// What a file is: its name, its size, its type.
    File,
    /// A row of a picture's preview, from the first on.
    Preview(usize),
    /// How long and how loud a voice note is.
    Voice,
    /// How far a file is here.
    FileState,
    /// What stands for a deleted entry, or one that needs a newer version.
    Placeholder,
    /// The reactions.
    Reactions,
}

/// What the rows depend on beside the entry itself.
#[derive(Debug, Clone, Copy)]
pub struct Space<'a> {
    /// Columns for the text.
    pub cells: usize,
    /// Where days begin.
    pub zone: &'a TimeZone,
    /// Whether there are colours for previews.
    pub previews: bool,
}

/// Whether the author's name stands above the entry, given the one before it.
fn begins_group(entry: &EntryView, previous: Option<&EntryView>) -> bool {
    previous.is_none_or(|previous| {
        previous.author != entry.author || entry.sent_at.saturating_sub(previous.sent_at) > GROUP
    })
}

/// The rows of an entry. `previous` is the entry before it, `unread` whether the unread begin
/// here.
pub fn rows(
    entry: &EntryView,
    previous: Option<&EntryView>,
    unread: bool,
    space: Space<'_>,
) -> Vec<Row> {
    let mut rows = Vec::with_capacity(4);
    let day = |entry: &EntryView| when::day(entry.sent_at, space.zone);
    let new_day = previous.is_none_or(|previous| day(previous) != day(entry));
    let new_group = new_day || unread || begins_group(entry, previous);
    if new_group && previous.is_some() {
        rows.push(Row::Blank);
    }
    if new_day {
        rows.push(Row::Day);
    }
    if unread {
        rows.push(Row::Unread);
    }
    if (new_day || unread) && new_group {
        rows.push(Row::Blank);
    }
    if new_group {
        rows.push(Row::Author);
    }
    match (&entry.text, entry.kind, entry.deleted) {
        (Some(text), EntryKind::Text, false) => {
            if entry.reply_to.is_some() {
                rows.push(Row::Quote);
            }
            text_rows(text, entry.edited, space.cells, &mut rows);
        }
        // Always the same rows: nothing moves while a file comes.
        (_, EntryKind::File, false) if entry.file.is_some() => {
            if entry.reply_to.is_some() {
                rows.push(Row::Quote);
            }
            rows.push(Row::File);
            let preview = entry.file.as_ref().and_then(|file| file.preview.as_ref());
            if let Some(preview) = preview.filter(|_| space.previews) {
                rows.extend((0..Blocks::rows_of_preview(preview)).map(Row::Preview));
            }
            if entry.file.as_ref().is_some_and(|file| file.voice.is_some()) {
                rows.push(Row::Voice);
            }
            rows.push(Row::FileState);
        }
        _ => rows.push(Row::Placeholder),
    }
    if !entry.reactions.is_empty() && !entry.deleted {
        rows.push(Row::Reactions);
    }
    rows
}

fn text_rows(text: &str, edited: bool, cells: usize, rows: &mut Vec<Row>) {
    let parts = wrap::rows(text, cells);
    let last = parts.len().saturating_sub(1);
    let mut is_marked = false;
    for (number, part) in parts.into_iter().enumerate() {
        let has_room =
            || wrap::width(text.get(part.clone()).unwrap_or_default()) + EDITED.len() <= cells;
        is_marked = edited && number == last && has_room();
        rows.push(Row::Text { part, first: number == 0, edited: is_marked });
    }
    if edited && !is_marked {
        rows.push(Row::Edited);
    }
}
