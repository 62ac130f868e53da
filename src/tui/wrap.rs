//! Text into rows of cells: the one place that knows how wide a text is.
//!
//! Widths are those that ratatui draws with ([`CellWidth`]), so what is measured here is what the
//! terminal gets. Control characters and lone zero-width ones are not drawn and count nothing.

use std::ops::Range;

use ratatui::buffer::CellWidth as _;
use unicode_segmentation::UnicodeSegmentation as _;

/// The columns from one tab stop to the next.
const TAB: usize = 4;

/// The cells that one grapheme takes at a column.
fn grapheme_width(grapheme: &str, column: usize) -> usize {
    match grapheme.as_bytes() {
        [b'\t'] => TAB - column % TAB,
        [byte] if byte.is_ascii_control() => 0,
        [_] => 1,
        _ if grapheme.contains(char::is_control) => 0,
        _ => usize::from(grapheme.cell_width()),
    }
}

/// The cells that a text takes in one row.
pub fn width(text: &str) -> usize {
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return text.len();
    }
    text.graphemes(true).fold(0, |column, grapheme| column + grapheme_width(grapheme, column))
}

/// A text cut to at most `cells` cells, with `…` where something was left out. Line breaks
/// become spaces.
pub fn truncate(text: &str, cells: usize) -> String {
    let mut kept = String::new();
    let mut column = 0;
    // Where the text would have to end for `…` to fit.
    let mut room_for_dots = 0;
    for grapheme in text.graphemes(true) {
        let shown = if matches!(grapheme, "\n" | "\r" | "\r\n" | "\t") { " " } else { grapheme };
        let step = grapheme_width(shown, column);
        if column + step > cells {
            kept.truncate(room_for_dots);
            if cells > 0 {
                kept.push('…');
            }
            return kept;
        }
        column += step;
        if step > 0 {
            kept.push_str(shown);
        }
        if column < cells {
            room_for_dots = kept.len();
        }
    }
    kept
}

/// A text cut or filled with spaces to exactly `cells` cells.
pub fn fit(text: &str, cells: usize) -> String {
    let mut fitted = truncate(text, cells);
    let missing = cells.saturating_sub(width(&fitted));
    fitted.extend(std::iter::repeat_n(' ', missing));
    fitted
}

/// The rows of a text in `cells` columns, as byte ranges: broken at line breaks, else after
/// white space or between wide characters, else within a word. There is at least one row. The
/// white space at a break belongs to no row.
pub fn rows(text: &str, cells: usize) -> Vec<Range<usize>> {
    let cells = cells.max(2);
    let mut rows = Vec::new();
    let mut start = 0;
    for line in text.split('\n') {
        let end = start + line.len();
        if line.len() <= cells && line.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            rows.push(start..end);
        } else {
            wrap_line(line, start, cells, &mut rows);
        }
        start = end + 1;
    }
    rows
}

/// The graphemes of a line with their offsets; the segmentation of Unicode is only paid for by
/// lines that need it.
fn graphemes(line: &str) -> Box<dyn Iterator<Item = (usize, &str)> + '_> {
    if line.is_ascii() {
        Box::new((0..line.len()).filter_map(|at| Some((at, line.get(at..=at)?))))
    } else {
        Box::new(line.grapheme_indices(true))
    }
}

fn wrap_line(line: &str, offset: usize, cells: usize, rows: &mut Vec<Range<usize>>) {
    let mut start = 0;
    let mut column = 0;
    // The last place where the row may end: the end of the row, the start of the next, and how
    // far the row had come there.
    let mut last_break: Option<(usize, usize, usize)> = None;
    let mut was_wide = false;
    for (at, grapheme) in graphemes(line) {
        let step = grapheme_width(grapheme, column);
        let is_space = matches!(grapheme, " " | "\t");
        let is_wide = step >= 2;
        if (is_wide || was_wide) && at > start {
            last_break = Some((at, at, column));
        }
        was_wide = is_wide;
        if is_space {
            // White space beyond the edge is simply not drawn.
            let end = match last_break {
                Some((end, next, _)) if next == at && end < at => end,
                _ => at,
            };
            column += step;
            last_break = Some((end, at + grapheme.len(), column));
            continue;
        }
        // Once more where what the break leaves is still too much for a wide one.
        while column + step > cells && at > start {
            let (end, next, reached) = match last_break.take() {
                Some(place) if place.1 > start => place,
                _ => (at, at, column),
            };
            rows.push(offset + start..offset + end.max(start));
            start = next;
            column -= reached;
            // Tabs of the new row are measured anew.
            if line.get(start..at).is_some_and(|moved| moved.contains('\t')) {
                column = width(line.get(start..at).unwrap_or_default());
            }
        }
        column += step;
    }
    rows.push(offset + start..offset + line.len());
}

/// A row as it is drawn: tabs become spaces, what takes no cells is left out.
pub fn drawn(row: &str) -> String {
    if !row.contains('\t') {
        return row.to_owned();
    }
    let mut text = String::with_capacity(row.len() + 2 * TAB);
    let mut column = 0;
    for grapheme in row.graphemes(true) {
        let step = grapheme_width(grapheme, column);
        if grapheme == "\t" {
            text.extend(std::iter::repeat_n(' ', step));
        } else {
            text.push_str(grapheme);
        }
        column += step;
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wrapped(text: &str, cells: usize) -> Vec<&str> {
        rows(text, cells).into_iter().map(|row| &text[row]).collect()
    }

    #[test]
    fn words_stay_whole_where_they_can() {
        assert_eq!(wrapped("the quick brown fox", 10), ["the quick", "brown fox"]);
        assert_eq!(wrapped("", 10), [""]);
        assert_eq!(wrapped("a\n\nb", 10), ["a", "", "b"]);
        assert_eq!(wrapped("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrapped("ab abcdefgh", 4), ["ab", "abcd", "efgh"]);
        assert_eq!(wrapped("exact fits", 5), ["exact", "fits"]);
    }

    #[test]
    fn wide_characters_break_between_each_other() {
        assert_eq!(wrapped("日本語テスト", 5), ["日本", "語テ", "スト"]);
        assert_eq!(wrapped("ab日本", 3), ["ab", "日", "本"]);
        // One cluster of four cells.
        let thumbs = "👍\u{301}\u{200d}👍";
        assert_eq!(wrapped(&format!("本aa{thumbs}"), 4), ["本aa", thumbs]);
    }

    #[test]
    fn clusters_are_never_torn() {
        let family = "👨‍👩‍👧‍👦";
        assert_eq!(wrapped(&family.repeat(3), 4), [family.repeat(2).as_str(), family]);
        assert_eq!(wrapped("e\u{301}e\u{301}e\u{301}", 2), ["e\u{301}e\u{301}", "e\u{301}"]);
    }

    #[test]
    fn truncation_says_so() {
        assert_eq!(truncate("hello", 5), "hello");
        assert_eq!(truncate("hello!", 5), "hell…");
        assert_eq!(truncate("日本語", 5), "日本…");
        assert_eq!(truncate("日本語", 4), "日…");
        assert_eq!(truncate("日", 1), "…");
        assert_eq!(truncate("x", 0), "");
        assert_eq!(truncate("a\nb\tc", 9), "a b c");
        assert_eq!(fit("日", 4), "日  ");
        assert_eq!(fit("hello", 3), "he…");
    }

    #[test]
    fn tabs_reach_their_stops() {
        assert_eq!(width("a\tb"), 5);
        assert_eq!(drawn("a\tb"), "a   b");
    }

    proptest! {
        #[test]
        fn no_row_is_wider_than_its_space(text in "[a-z 日本👍\u{301}\t\n\u{200d}é]{0,80}", cells in 2_usize..20) {
            for row in rows(&text, cells) {
                prop_assert!(width(text[row.clone()].trim_end()) <= cells.max(TAB), "{:?}", &text[row]);
            }
        }

        #[test]
        fn nothing_but_white_space_is_left_out(text in "[a-z 日本👍é\n]{0,80}", cells in 2_usize..20) {
            let shown: String = wrapped(&text, cells).concat();
            let bare = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(bare(&shown), bare(&text));
        }

        #[test]
        fn truncated_text_fits(text in "\\PC{0,40}", cells in 0_usize..20) {
            prop_assert!(width(&truncate(&text, cells)) <= cells);
        }
    }
}
