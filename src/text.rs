//! Sanitising of everything remote, once, where it enters.

/// The longest text of one message, in bytes of UTF-8. Said to the user before sending; a longer
/// text from a peer is refused.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;
/// The longest name of a person, in bytes of UTF-8, after sanitising.
pub const MAX_NAME_BYTES: usize = 128;
/// The longest emoji of a reaction, in bytes of UTF-8. The longest recommended one has 35.
pub const MAX_EMOJI_BYTES: usize = 64;
/// The longest error or log line from elsewhere, in bytes of UTF-8, after sanitising.
pub const MAX_LINE_BYTES: usize = 1024;

/// A text of several lines.
pub fn message(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

/// A person's name: one line, trimmed, at most [`MAX_NAME_BYTES`]. None if nothing is left to see.
pub fn name(text: &str) -> Option<String> {
    let line = line(text);
    let line = line.get(..MAX_NAME_BYTES).unwrap_or(&line).trim();
    (!line.is_empty()).then(|| line.to_owned())
}

/// One line of at most [`MAX_LINE_BYTES`], for errors and logs.
pub fn line(text: &str) -> String {
    message(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// One emoji (the first grapheme), at most [`MAX_EMOJI_BYTES`]. None if there is none.
pub fn emoji(text: &str) -> Option<String> {
    use unicode_segmentation::UnicodeSegmentation;
    let line = line(text);
    line.graphemes(true).next().filter(|e| e.len() <= MAX_EMOJI_BYTES).map(str::to_owned)
}
