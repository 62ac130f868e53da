//! The messages that show.

use std::rc::Rc;

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::{draw, file};
use crate::{
    node::api::{EntryKind, EntryState, EntryView},
    tui::{
        layout::GUTTER,
        model::Model,
        picture::Blocks,
        timeline::{Row, Timeline, block::EDITED},
        transfers, when, wrap,
    },
};

/// A delivery state's mark and word.
pub fn state(state: EntryState) -> (&'static str, &'static str) {
    match state {
        EntryState::Queued => ("…", "queued: on this disk only, until you are both connected"),
        EntryState::Delivered => ("✓", "delivered: on their disk"),
        EntryState::Read => ("✓✓", "read: it was on their screen"),
    }
}

pub fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    let (height, space) = model.timeline_space();
    let Some(timeline) = model.timeline() else { return };
    let shown = timeline.shown(height, space);
    let rows: usize = shown.iter().map(|shown| shown.rows.len()).sum();
    // What does not fill the view stands at its foot, beside the composer.
    let mut y = height.saturating_sub(rows);
    let selected = if model.is_selecting { timeline.selected() } else { None };
    let first = shown.first().map_or(0, |part| part.at);
    for part in &shown {
        let Some(entry) = timeline.get(part.at) else { continue };
        let is_selected = selected == Some(entry.entry);
        // The first in view has nobody above it that says the time.
        let has_author = part.rows.contains(&Row::Author) || part.at == first;
        let has_preview = part.rows.iter().any(|row| matches!(row, Row::Preview(_)));
        let preview = entry.file.as_ref().and_then(|file| file.preview.as_ref());
        let preview = preview.filter(|_| has_preview).map(|preview| model.previews.get(preview));
        let at = part.at;
        let line = Line { model, timeline, entry, at, is_selected, has_author, preview };
        for row in &part.rows {
            line.draw(row, area, y, buffer);
            y += 1;
        }
    }
}

/// A row, and what it belongs to.
struct Line<'a> {
    model: &'a Model,
    timeline: &'a Timeline,
    entry: &'a EntryView,
    at: usize,
    is_selected: bool,
    has_author: bool,
    /// Of a picture, if any of it shows.
    preview: Option<Rc<Blocks>>,
}

impl Line<'_> {
    fn draw(&self, row: &Row, area: Rect, y: usize, buffer: &mut Buffer) {
        let theme = self.model.theme;
        match row {
            Row::Blank => {}
            Row::Day => {
                let day = when::day_words(self.entry.sent_at, self.model.now, &self.model.zone);
                titled_rule(buffer, area, y, &day, theme.rule(), theme.dim());
            }
            Row::Unread => {
                titled_rule(buffer, area, y, "new", theme.unread(), theme.unread());
            }
            Row::Author => {
                let is_me = self.entry.author == self.model.my_id();
                let style = if is_me { theme.own_name() } else { theme.other_name() };
                let name = self.model.name_of(self.entry.author);
                draw::put(buffer, area, GUTTER, y, &name, style);
            }
            Row::Quote => {
                self.bar(area, y, buffer);
                let quote = format!("╭ {}", self.quoted());
                draw::put(buffer, area, GUTTER, y, &quote, theme.quote());
            }
            Row::Text { part, first, edited } => {
                self.bar(area, y, buffer);
                if *first {
                    self.gutter(area, y, buffer);
                }
                let text = self.entry.text.as_deref().unwrap_or_default();
                let text = wrap::drawn(text.get(part.clone()).unwrap_or_default().trim_end());
                let style = if self.is_selected { theme.selected_entry() } else { theme.text() };
                let x = draw::put(buffer, area, GUTTER, y, &text, style);
                if *edited {
                    draw::put(buffer, area, x, y, EDITED, theme.dim());
                }
            }
            Row::Edited => {
                self.bar(area, y, buffer);
                draw::put(buffer, area, GUTTER, y, EDITED.trim_start(), theme.dim());
            }
            Row::File => {
                self.bar(area, y, buffer);
                self.gutter(area, y, buffer);
                file::name(self.model, self.entry, self.is_selected, area, y, buffer);
            }
            Row::Preview(row) => {
                self.bar(area, y, buffer);
                if let Some(preview) = &self.preview {
                    draw::half_blocks(theme, preview, *row, area, (GUTTER, y), buffer);
                }
            }
            Row::Voice => {
                self.bar(area, y, buffer);
                file::voice(self.model, self.entry, area, y, buffer);
            }
            Row::FileState => {
                self.bar(area, y, buffer);
                file::state(self.model, self.entry, self.is_selected, area, y, buffer);
            }
            Row::Placeholder => {
                self.bar(area, y, buffer);
                self.gutter(area, y, buffer);
                let text = if self.entry.deleted {
                    "message deleted"
                } else {
                    "needs a newer version to be shown"
                };
                draw::put(buffer, area, GUTTER, y, text, theme.placeholder());
            }
            Row::Reactions => {
                self.bar(area, y, buffer);
                self.reactions(area, y, buffer);
            }
        }
    }

    /// The bar beside the selected entry.
    fn bar(&self, area: Rect, y: usize, buffer: &mut Buffer) {
        if self.is_selected {
            draw::put(buffer, area, 0, y, "▌", self.model.theme.accent());
        }
    }

    /// Time and delivery mark. The time is left out where the entry before says the same.
    fn gutter(&self, area: Rect, y: usize, buffer: &mut Buffer) {
        let theme = self.model.theme;
        let zone = &self.model.zone;
        let time = when::clock(self.entry.sent_at, zone);
        let before = self.at.checked_sub(1).and_then(|at| self.timeline.get(at));
        let is_same = before.is_some_and(|entry| when::clock(entry.sent_at, zone) == time);
        if self.has_author || self.is_selected || !is_same {
            draw::put(buffer, area, 1, y, &time, theme.dim());
        }
        if self.entry.author == self.model.my_id() {
            let style = match self.entry.state {
                EntryState::Queued => theme.queued(),
                EntryState::Delivered => theme.delivered(),
                EntryState::Read => theme.read(),
            };
            draw::put(buffer, area, 7, y, state(self.entry.state).0, style);
        }
    }

    /// The entry that is answered, in one row.
    fn quoted(&self) -> String {
        match self.entry.reply_to.and_then(|entry| self.timeline.entry(entry)) {
            Some(entry) => {
                let name = self.model.name_of(entry.author);
                format!("{name}: {}", summary(entry))
            }
            None => "an earlier message".to_owned(),
        }
    }

    fn reactions(&self, area: Rect, y: usize, buffer: &mut Buffer) {
        let theme = self.model.theme;
        let me = self.model.my_id();
        let mut x = GUTTER;
        for reaction in &self.entry.reactions {
            let by = match reaction.by.as_slice() {
                [one] if *one == me => "you".to_owned(),
                [one] => self.model.name_of(*one),
                many => many.len().to_string(),
            };
            x = draw::put(buffer, area, x, y, &reaction.emoji, theme.text());
            x = draw::put(buffer, area, x + 1, y, &wrap::truncate(&by, 20), theme.dim()) + 2;
        }
    }
}

/// An entry in a few words, on one line.
pub fn summary(entry: &EntryView) -> String {
    match (&entry.text, entry.kind, entry.deleted) {
        (_, _, true) => "message deleted".to_owned(),
        (Some(text), EntryKind::Text, _) => {
            let words: Vec<&str> = text.split_whitespace().take(60).collect();
            words.join(" ")
        }
        (_, EntryKind::File, _) => {
            let file = entry.file.as_ref();
            file.map_or_else(String::new, |file| {
                format!("{} ({})", file.name, transfers::size(file.size))
            })
        }
        _ => "needs a newer version of entrenous".to_owned(),
    }
}

fn titled_rule(buffer: &mut Buffer, area: Rect, y: usize, title: &str, rule: Style, style: Style) {
    let inner = Rect::new(area.x + 1, area.y, area.width.saturating_sub(2), area.height);
    draw::rule(buffer, inner, y, rule);
    draw::put_centred(buffer, inner, y, &format!(" {title} "), style);
}
