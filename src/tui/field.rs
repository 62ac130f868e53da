//! A line to type into: names, passphrases, searches.

use unicode_segmentation::UnicodeSegmentation as _;
use zeroize::Zeroizing;

use super::{keymap::Action, wrap};

/// The most that a field takes, in bytes: a name, a search, an invite or a passphrase is far
/// shorter.
const MAX_BYTES: usize = 1024;

/// One line of text with a cursor. The text is wiped from memory when it goes, since it may be a
/// passphrase; so it never grows beyond the space it got at first.
#[derive(Clone)]
pub struct Field {
    text: Zeroizing<String>,
    /// Bytes before the cursor; at a grapheme's border.
    cursor: usize,
    secret: bool,
}

impl Field {
    /// An empty field.
    pub fn new() -> Self {
        Self { text: Zeroizing::new(String::with_capacity(MAX_BYTES)), cursor: 0, secret: false }
    }

    /// An empty field that shows dots.
    pub fn secret() -> Self {
        Self { secret: true, ..Self::new() }
    }

    /// A field that holds a text already.
    pub fn with(text: &str) -> Self {
        let mut field = Self::new();
        field.insert(text);
        field
    }

    /// What was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Forgets what was typed.
    pub fn clear(&mut self) {
        *self = Self { secret: self.secret, ..Self::new() };
    }

    /// Inserts at the cursor. Line breaks and control characters are left out; what is over the
    /// limit as well. False if something did not fit.
    pub fn insert(&mut self, text: &str) -> bool {
        for letter in text.chars().filter(|letter| !letter.is_control()) {
            if self.text.len() + letter.len_utf8() > MAX_BYTES {
                return false;
            }
            self.text.insert(self.cursor, letter);
            self.cursor += letter.len_utf8();
        }
        true
    }

    fn before(&self) -> &str {
        self.text.get(..self.cursor).unwrap_or_default()
    }

    fn after(&self) -> &str {
        self.text.get(self.cursor..).unwrap_or_default()
    }

    fn back(&self) -> usize {
        self.before().grapheme_indices(true).next_back().map_or(0, |(at, _)| at)
    }

    fn forward(&self) -> usize {
        self.cursor + self.after().graphemes(true).next().map_or(0, str::len)
    }

    fn word_back(&self) -> usize {
        let is_word = |word: &str| word.contains(char::is_alphanumeric);
        let mut words = self.before().split_word_bound_indices();
        words.rfind(|(_, word)| is_word(word)).map_or(0, |(at, _)| at)
    }

    fn word_forward(&self) -> usize {
        let is_word = |word: &str| word.contains(char::is_alphanumeric);
        let mut words = self.after().split_word_bound_indices();
        let end = words.find(|(_, word)| is_word(word)).map(|(at, word)| at + word.len());
        end.map_or(self.text.len(), |end| self.cursor + end)
    }

    fn delete(&mut self, from: usize, to: usize) {
        self.text.replace_range(from..to, "");
        self.cursor = from;
    }

    /// Does an editing action. False if it is none that a field knows.
    pub fn edit(&mut self, action: Action) -> bool {
        let (cursor, end) = (self.cursor, self.text.len());
        match action {
            Action::CharBack => self.cursor = self.back(),
            Action::CharForward => self.cursor = self.forward(),
            Action::WordBack => self.cursor = self.word_back(),
            Action::WordForward => self.cursor = self.word_forward(),
            Action::LineStart => self.cursor = 0,
            Action::LineEnd => self.cursor = end,
            Action::DeleteBack => self.delete(self.back(), cursor),
            Action::DeleteForward => self.delete(cursor, self.forward()),
            Action::DeleteWordBack => self.delete(self.word_back(), cursor),
            Action::DeleteWordForward => self.delete(cursor, self.word_forward()),
            Action::DeleteToStart => self.delete(0, cursor),
            Action::DeleteToEnd => self.delete(cursor, end),
            _ => return false,
        }
        true
    }

    /// What to draw in `cells` columns, and the cursor's column.
    pub fn shown(&self, cells: usize) -> (String, usize) {
        let dots = |text: &str| "•".repeat(text.graphemes(true).count());
        let (before, after) = if self.secret {
            (dots(self.before()), dots(self.after()))
        } else {
            (self.before().to_owned(), self.after().to_owned())
        };
        // The end of what lies before the cursor is always in sight.
        let mut start = 0;
        let column = |start: usize| wrap::width(before.get(start..).unwrap_or_default());
        for (at, grapheme) in before.grapheme_indices(true) {
            if column(start) < cells.max(1) {
                break;
            }
            start = at + grapheme.len();
        }
        let cursor = column(start);
        let shown = format!("{}{after}", before.get(start..).unwrap_or_default());
        (wrap::truncate(&shown, cells), cursor)
    }
}

impl Default for Field {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readline_keys() {
        let mut field = Field::with("one two-three");
        field.edit(Action::DeleteWordBack);
        assert_eq!(field.text(), "one two-");
        field.edit(Action::LineStart);
        field.edit(Action::WordForward);
        field.edit(Action::DeleteToEnd);
        assert_eq!(field.text(), "one");
        field.edit(Action::WordBack);
        field.edit(Action::DeleteForward);
        assert_eq!(field.text(), "ne");
        field.edit(Action::LineEnd);
        field.edit(Action::DeleteToStart);
        assert_eq!(field.text(), "");
        // Nothing left to delete or to walk over.
        for action in
            [Action::DeleteBack, Action::DeleteForward, Action::CharBack, Action::CharForward]
        {
            assert!(field.edit(action));
        }
        assert!(!field.edit(Action::Send));
    }

    #[test]
    fn clusters_are_one_step() {
        let mut field = Field::with("a👨‍👩‍👧‍👦e\u{301}");
        field.edit(Action::DeleteBack);
        field.edit(Action::DeleteBack);
        assert_eq!(field.text(), "a");
    }

    #[test]
    fn a_pasted_text_cannot_break_the_line_or_the_limit() {
        let mut field = Field::new();
        assert!(field.insert("a\r\nb\x1b[31m\tc"));
        assert_eq!(field.text(), "ab[31mc");
        assert!(!field.insert(&"x".repeat(MAX_BYTES + 1)));
        assert_eq!(field.text().len(), MAX_BYTES);
    }

    #[test]
    fn a_secret_is_never_shown() {
        let mut field = Field::secret();
        field.insert("pässword");
        assert_eq!(field.shown(20), ("••••••••".to_owned(), 8));
    }

    #[test]
    fn the_cursor_stays_in_sight() {
        let mut field = Field::with("日本語日本語日本語");
        let (shown, cursor) = field.shown(6);
        assert!(wrap::width(&shown) <= 6 && cursor < 6, "{shown} {cursor}");
        field.edit(Action::LineStart);
        assert_eq!(field.shown(6), ("日本…".to_owned(), 0));
    }
}
