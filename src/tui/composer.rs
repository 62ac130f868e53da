//! Where a message is written: many lines, the keys of readline, an own history.

use std::collections::VecDeque;

use ratatui_textarea::{CursorMove, TextArea, WrapMode};

use super::{keymap::Action, wrap};
use crate::{conversation::EntryId, text::MAX_TEXT_BYTES};

/// The most that a paste may bring the composer to, in bytes. Far more than can be sent
/// ([`MAX_TEXT_BYTES`]), so that what is too long can be shortened here; little enough that the
/// screen stays quick.
pub const MAX_COMPOSER_BYTES: usize = 1024 * 1024;

/// Texts that are kept to be brought back by the Up key.
const MAX_HISTORY: usize = 100;

/// What sending will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purpose {
    /// Write a new text.
    #[default]
    New,
    /// Answer an entry.
    Reply(EntryId),
    /// Replace an own entry's text.
    Edit(EntryId),
}

/// One conversation's draft.
#[derive(Debug)]
pub struct Composer {
    area: TextArea<'static>,
    /// What sending will do.
    pub purpose: Purpose,
    /// The draft that was there before an edit began, or before history was walked.
    aside: Option<String>,
    /// How far back in history the text is from; none: it is the draft.
    recalled: Option<usize>,
}

fn area(text: &str) -> TextArea<'static> {
    let mut area = TextArea::new(text.split('\n').map(str::to_owned).collect());
    area.set_wrap_mode(WrapMode::WordOrGlyph);
    // The terminal's own cursor is used: input methods and screen readers follow that one.
    area.set_cursor_line_style(ratatui::style::Style::new());
    area.set_cursor_style(ratatui::style::Style::new());
    area.move_cursor(CursorMove::Bottom);
    area.move_cursor(CursorMove::End);
    area
}

impl Default for Composer {
    fn default() -> Self {
        Self { area: area(""), purpose: Purpose::New, aside: None, recalled: None }
    }
}

impl Composer {
    /// The widget to draw.
    pub fn widget(&self) -> &TextArea<'static> {
        &self.area
    }

    /// What was written.
    pub fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// The only line, if it begins as a command does; what is edited is a text however it begins.
    pub fn command(&self) -> Option<&str> {
        match (self.area.lines(), &self.purpose) {
            (_, Purpose::Edit(_)) => None,
            ([line], _) if line.starts_with('/') => Some(line),
            _ => None,
        }
    }

    /// The length of what was written, in bytes.
    pub fn bytes(&self) -> usize {
        let lines = self.area.lines();
        lines.iter().map(String::len).sum::<usize>() + lines.len() - 1
    }

    /// Whether it cannot be sent for its length.
    pub fn is_too_long(&self) -> bool {
        self.bytes() > MAX_TEXT_BYTES
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.area.is_empty()
    }

    /// Replaces the text.
    pub fn set(&mut self, text: &str) {
        let yank = self.area.yank_text();
        self.area = area(text);
        self.area.set_yank_text(yank);
        self.recalled = None;
    }

    /// The rows that the text takes in `cells` columns; the space where the next character would
    /// stand counts.
    pub fn rows(&self, cells: usize) -> usize {
        self.area.lines().iter().map(|line| wrap::rows(line, cells).len()).sum()
    }

    /// Inserts a letter.
    pub fn insert(&mut self, letter: char) {
        self.area.insert_char(letter);
    }

    /// Inserts a pasted text: its line breaks stay, nothing is ever sent by it; control
    /// characters are left out. False, and nothing is inserted, if it is too long by far.
    pub fn paste(&mut self, text: &str) -> bool {
        if self.bytes() + text.len() > MAX_COMPOSER_BYTES {
            return false;
        }
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let kept: String =
            text.chars().filter(|&c| c == '\n' || c == '\t' || !c.is_control()).collect();
        self.area.insert_str(kept);
        true
    }

    /// Does an editing action. False if it is none that a composer knows.
    pub fn edit(&mut self, action: Action) -> bool {
        let area = &mut self.area;
        match action {
            Action::CharBack => area.move_cursor(CursorMove::Back),
            Action::CharForward => area.move_cursor(CursorMove::Forward),
            Action::WordBack => area.move_cursor(CursorMove::WordBack),
            Action::WordForward => area.move_cursor(CursorMove::WordForward),
            Action::LineStart => area.move_cursor(CursorMove::Head),
            Action::LineEnd => area.move_cursor(CursorMove::End),
            Action::DeleteBack => _ = area.delete_char(),
            Action::DeleteForward => _ = area.delete_next_char(),
            Action::DeleteWordBack => _ = area.delete_word(),
            Action::DeleteWordForward => _ = area.delete_next_word(),
            Action::DeleteToStart => _ = area.delete_line_by_head(),
            Action::DeleteToEnd => _ = area.delete_line_by_end(),
            Action::Yank => _ = area.paste(),
            Action::Undo => _ = area.undo(),
            Action::Newline => area.insert_newline(),
            _ => return false,
        }
        true
    }

    /// One row up, or an earlier text from the history.
    pub fn up(&mut self, history: &History) {
        let before = self.area.cursor();
        self.area.move_cursor(CursorMove::Up);
        let moved = self.area.cursor() != before;
        let back = self.recalled.map_or(0, |back| back + 1);
        if moved || self.purpose != Purpose::New {
            return;
        }
        let Some(text) = history.back(back) else { return };
        if self.recalled.is_none() {
            self.aside = Some(self.text());
        }
        self.set(text);
        self.recalled = Some(back);
    }

    /// One row down, or a later text from the history, or the draft that was put aside.
    pub fn down(&mut self, history: &History) {
        let before = self.area.cursor();
        self.area.move_cursor(CursorMove::Down);
        if self.area.cursor() != before {
            return;
        }
        match self.recalled {
            None => {}
            Some(0) => {
                let aside = self.aside.take().unwrap_or_default();
                self.set(&aside);
            }
            Some(back) => {
                let text = history.back(back - 1).unwrap_or_default().to_owned();
                self.set(&text);
                self.recalled = Some(back - 1);
            }
        }
    }

    /// Begins to edit an own entry; the draft is put aside.
    pub fn begin_edit(&mut self, entry: EntryId, text: &str) {
        if !matches!(self.purpose, Purpose::Edit(_)) {
            self.aside = Some(self.text());
        }
        self.set(text);
        self.purpose = Purpose::Edit(entry);
    }

    /// Takes the text to send it; the draft that was put aside for an edit comes back.
    pub fn take(&mut self) -> (String, Purpose) {
        let taken = (self.text(), self.purpose);
        self.give_up();
        taken
    }

    /// Ends an edit or a reply without sending. What was written for an edit is gone, a reply's
    /// text stays if `keep`.
    fn give_up(&mut self) {
        let aside = match self.purpose {
            Purpose::Edit(_) => self.aside.take(),
            _ => None,
        };
        self.set(&aside.unwrap_or_default());
        self.aside = None;
        self.purpose = Purpose::New;
    }

    /// Gives up a reply (its text stays), an edit (its text goes), or the text.
    /// Returns what was given up if it was a text.
    pub fn cancel(&mut self) -> Option<String> {
        match self.purpose {
            Purpose::Reply(_) => {
                self.purpose = Purpose::New;
                None
            }
            Purpose::Edit(_) => {
                self.give_up();
                None
            }
            Purpose::New => {
                let text = self.text();
                self.give_up();
                (!text.is_empty()).then_some(text)
            }
        }
    }

    /// Brings back a text that could not be sent, before what was written since.
    pub fn restore(&mut self, text: &str, purpose: Purpose) {
        let written = self.text();
        if written.is_empty() && self.purpose == Purpose::New {
            self.set(text);
            self.purpose = purpose;
        } else {
            self.set(&format!("{text}\n{written}"));
        }
    }
}

/// Texts that were sent or cleared, the newest last.
#[derive(Debug, Default)]
pub struct History(VecDeque<String>);

impl History {
    /// Remembers a text; the oldest goes when there are too many.
    pub fn push(&mut self, text: &str) {
        if text.trim().is_empty() || self.0.back().is_some_and(|last| last == text) {
            return;
        }
        if self.0.len() == MAX_HISTORY {
            self.0.pop_front();
        }
        self.0.push_back(text.to_owned());
    }

    /// The text this many before the newest.
    fn back(&self, back: usize) -> Option<&str> {
        let at = self.0.len().checked_sub(back + 1)?;
        self.0.get(at).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn composer(text: &str) -> Composer {
        let mut composer = Composer::default();
        composer.set(text);
        composer
    }

    #[test]
    fn a_paste_keeps_its_lines_and_loses_control_characters() {
        let mut composer = composer("ab");
        composer.edit(Action::CharBack);
        assert!(composer.paste("1\r\n2\r3\x1b]52;c;x\x07\u{9b}\t4"));
        assert_eq!(composer.text(), "a1\n2\n3]52;c;x\t4b");
    }

    #[test]
    fn a_paste_of_a_mebibyte_is_shown_as_too_long_and_one_more_is_refused() {
        let mut composer = Composer::default();
        assert!(composer.paste(&"x".repeat(MAX_COMPOSER_BYTES)));
        assert!(composer.is_too_long());
        assert!(!composer.paste("y"));
        assert_eq!(composer.bytes(), MAX_COMPOSER_BYTES);
    }

    #[test]
    fn the_limit_counts_bytes_and_line_breaks() {
        let mut composer = composer(&"é".repeat(MAX_TEXT_BYTES / 2));
        assert!(!composer.is_too_long());
        composer.edit(Action::Newline);
        assert!(composer.is_too_long());
    }

    #[test]
    fn history_goes_back_and_forth_and_the_draft_survives() {
        let mut history = History::default();
        history.push("one");
        history.push("two\nlines");
        history.push("two\nlines");
        let mut composer = composer("draft");
        composer.up(&history);
        assert_eq!(composer.text(), "two\nlines");
        composer.up(&history); // to the first line
        composer.up(&history);
        assert_eq!(composer.text(), "one");
        composer.up(&history);
        assert_eq!(composer.text(), "one");
        composer.down(&history);
        composer.down(&history);
        assert_eq!(composer.text(), "draft");
        composer.down(&history);
        assert_eq!(composer.text(), "draft");
    }

    #[test]
    fn history_is_bounded() {
        let mut history = History::default();
        for number in 0..=MAX_HISTORY {
            history.push(&number.to_string());
        }
        history.push("   ");
        assert_eq!(history.0.len(), MAX_HISTORY);
        assert_eq!(history.back(MAX_HISTORY - 1), Some("1"));
        assert_eq!(history.back(MAX_HISTORY), None);
    }

    #[test]
    fn an_edit_puts_the_draft_aside() {
        let mut composer = composer("draft");
        composer.begin_edit(EntryId([1; 32]), "old text");
        composer.begin_edit(EntryId([2; 32]), "other");
        assert_eq!(composer.cancel(), None);
        assert_eq!((composer.text().as_str(), composer.purpose), ("draft", Purpose::New));
        composer.begin_edit(EntryId([1; 32]), "old text");
        assert_eq!(composer.take(), ("old text".into(), Purpose::Edit(EntryId([1; 32]))));
        assert_eq!(composer.text(), "draft");
    }

    #[test]
    fn a_text_that_could_not_be_sent_comes_back_before_the_new_one() {
        let mut composer = composer("");
        composer.restore("lost", Purpose::Reply(EntryId([1; 32])));
        assert_eq!(composer.purpose, Purpose::Reply(EntryId([1; 32])));
        composer.restore("earlier", Purpose::New);
        assert_eq!(composer.text(), "earlier\nlost");
    }

    #[test]
    fn cancel_keeps_the_text_of_a_reply() {
        let mut composer = composer("text");
        composer.purpose = Purpose::Reply(EntryId([1; 32]));
        assert_eq!(composer.cancel(), None);
        assert_eq!(composer.text(), "text");
        assert_eq!(composer.cancel(), Some("text".into()));
        assert_eq!(composer.cancel(), None);
    }
}
