//! Sanitising of everything remote, once, where it enters: what a peer sends may carry terminal
//! escapes, reorder the line it stands in, hide characters, or pile up marks without end.
//!
//! What survives is what a person can see, and what shapes it:
//!
//! | kept | when |
//! |---|---|
//! | line feed, tab | in a [`message`]; CR, CRLF, U+2028 and U+2029 become a line feed |
//! | combining marks | up to [`MAX_MARKS`] on one base; none without a base |
//! | vowels and final consonants of Hangul (U+1160–11FF, U+D7B0–D7FB) | as combining marks, but on Hangul alone |
//! | characters that belong to the next one (Arabic number signs, some of India) | up to [`MAX_MARKS`] in a row |
//! | zero-width joiner | between two emoji, up to [`MAX_JOINS`] in a row; or as below |
//! | zero-width joiner, non-joiner | between two characters of a script that is shaped by them (Arabic and its relatives, the scripts of India and South-East Asia, Mongolian) |
//! | variation selectors 15, 16 | one, right after an emoji, or in a keycap (`1` U+FE0F U+20E3) |
//! | tag characters | in the flag of a region: black flag, 3 to 6 of them, cancel tag |
//!
//! Everything else that a terminal obeys or that shows nothing is dropped: C0, DEL, C1 (so also
//! every escape sequence's ESC, CSI and OSC: what is left of it is visible text), bidirectional
//! marks, embeddings, overrides and isolates, all other zero-width and default-ignorable
//! characters, and noncharacters. Nothing is normalised: the author's spelling stays.
//!
//! Every function is linear in its input, never returns more bytes than it was given, and changes
//! nothing when applied again.

mod file_name;
mod scan;

use unicode_segmentation::UnicodeSegmentation;

pub use file_name::{MAX_FILE_NAME_BYTES, file_name};
pub use scan::{MAX_JOINS, MAX_MARKS};

/// The longest text of one message, in bytes of UTF-8. Said to the user before sending; a longer
/// text from a peer is refused.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;
/// The longest name of a person, in bytes of UTF-8, after sanitising.
pub const MAX_NAME_BYTES: usize = 128;
/// The longest emoji of a reaction, in bytes of UTF-8. The longest recommended one has 35.
pub const MAX_EMOJI_BYTES: usize = 64;
/// The longest error or log line from elsewhere, in bytes of UTF-8, after sanitising.
pub const MAX_LINE_BYTES: usize = 1024;

/// A text of several lines. Its length is the caller's to check: see [`MAX_TEXT_BYTES`].
pub fn message(text: &str) -> String {
    let plain = |b: u8| matches!(b, b' '..=b'~' | b'\n' | b'\t');
    if text.bytes().all(plain) { text.to_owned() } else { scan::clean(text) }
}

/// A person's name: one line, trimmed, at most [`MAX_NAME_BYTES`], cut between characters as a
/// person sees them. None if nothing is left to see.
pub fn name(text: &str) -> Option<String> {
    let name = one_line(text, MAX_NAME_BYTES);
    name.chars().any(scan::is_visible).then_some(name)
}

/// One line of at most [`MAX_LINE_BYTES`], for errors and logs from elsewhere.
pub fn line(text: &str) -> String {
    one_line(text, MAX_LINE_BYTES)
}

/// One emoji (the first character as a person sees it), at most [`MAX_EMOJI_BYTES`]. None if
/// there is none.
pub fn emoji(text: &str) -> Option<String> {
    let line = one_line(text, MAX_LINE_BYTES);
    let first = line.graphemes(true).next()?;
    // Some graphemes take the space after them along.
    let first = cut(first, MAX_LINE_BYTES);
    (first.len() <= MAX_EMOJI_BYTES && first.chars().any(scan::is_visible)).then_some(first)
}

/// Sanitised, with every run of white space as one space, trimmed and cut.
fn one_line(text: &str, most: usize) -> String {
    let clean = message(text);
    let mut line = String::with_capacity(clean.len().min(most + 4));
    for word in clean.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > most {
            return cut(&line, most);
        }
    }
    // A mark on white space that is gone now would stand on another base.
    if line.len() == clean.len() { line } else { cut(&line, most) }
}

/// The longest start of `most` bytes that ends between graphemes; of a longer grapheme, what fits.
fn cut(text: &str, most: usize) -> String {
    let mut start = &text[..text.floor_char_boundary(most)];
    if start.len() < text.len() {
        let mut end = 0;
        for (at, grapheme) in text.grapheme_indices(true) {
            if at + grapheme.len() > most {
                break;
            }
            end = at + grapheme.len();
        }
        if end > 0 {
            start = &start[..end];
        }
    }
    // What is cut in the middle may end in a joiner, or begin with a mark: once more, until it
    // stays. Each time it gets shorter, and it is short.
    let mut line = start.trim().to_owned();
    loop {
        let again = scan::clean(&line).split_whitespace().collect::<Vec<_>>().join(" ");
        if again == line {
            return line;
        }
        line = again;
    }
}

#[cfg(test)]
mod tests;
