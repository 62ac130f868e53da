//! The one pass over a text that decides which characters survive.

use unicode_normalization::char::is_combining_mark;

/// The most combining marks on one base. Vietnamese needs 2, Hebrew with cantillation 4, Tibetan
/// stacks rarely 7.
pub const MAX_MARKS: usize = 8;
/// The most joiners in one emoji: the longest recommended one has 4.
pub const MAX_JOINS: usize = 8;

const ZWNJ: char = '\u{200c}';
const ZWJ: char = '\u{200d}';
const VS15: char = '\u{fe0e}';
const VS16: char = '\u{fe0f}';
const KEYCAP: char = '\u{20e3}';
const BLACK_FLAG: char = '\u{1f3f4}';
const CANCEL_TAG: char = '\u{e007f}';
/// A region's flag has 3 to 6 tag characters: letters and digits of ISO 3166-2.
const FLAG_TAGS: std::ops::RangeInclusive<usize> = 3..=6;

/// What was kept last, as far as it matters for what comes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Nothing that a mark could stand on.
    Start,
    /// An emoji; a joiner or a variation selector may follow.
    Emoji,
    /// An emoji with its variation selector; a joiner may follow.
    Selected,
    /// A character that a joiner shapes.
    Shaped,
    /// A digit, `#` or `*`: a keycap may follow.
    Key,
    /// Hangul; the vowels and final consonants of a decomposed syllable may follow.
    Hangul,
    /// Anything else with a body.
    Base,
}

/// Characters that survive only between the right neighbours wait here for the second one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pending {
    None,
    /// A joiner between emoji.
    EmojiJoin,
    /// This joiner or non-joiner within a script.
    ScriptJoin(char),
    /// A variation selector before a keycap.
    KeySelector(char),
}

/// Sanitises a text: see the [module](super).
pub(super) fn clean(text: &str) -> String {
    let mut pass = Pass {
        out: String::with_capacity(text.len()),
        last: Last::Start,
        pending: Pending::None,
        marks: 0,
        joins: 0,
        prepended: 0,
    };
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                if chars.as_str().starts_with('\n') {
                    chars.next();
                }
                pass.space('\n');
            }
            '\u{2028}' | '\u{2029}' => pass.space('\n'),
            '\n' | '\t' => pass.space(c),
            ZWJ | ZWNJ => pass.joiner(c),
            VS15 | VS16 => pass.selector(c),
            _ if is_dropped(c) => {}
            _ if is_prepended(c) && pass.prepended >= MAX_MARKS => {}
            _ if is_jamo(c) && pass.last != Last::Hangul => {}
            _ if is_combining_mark(c) || is_modifier(c) || is_jamo(c) => pass.mark(c),
            BLACK_FLAG => {
                pass.base(c);
                let tags = flag_tags(chars.as_str());
                if !tags.is_empty() {
                    pass.out.push_str(tags);
                    pass.last = Last::Selected;
                    chars = chars.as_str()[tags.len()..].chars();
                }
            }
            _ => pass.base(c),
        }
    }
    pass.out
}

struct Pass {
    out: String,
    last: Last,
    pending: Pending,
    /// Marks on the last base.
    marks: usize,
    /// Joiners in the last emoji.
    joins: usize,
    /// Characters kept last that belong to the one after them.
    prepended: usize,
}

impl Pass {
    fn space(&mut self, c: char) {
        self.pending = Pending::None;
        self.last = Last::Start;
        self.prepended = 0;
        self.out.push(c);
    }

    fn base(&mut self, c: char) {
        let kind = kind(c);
        let pending = std::mem::replace(&mut self.pending, Pending::None);
        match pending {
            Pending::EmojiJoin if kind == Last::Emoji => {
                self.joins += 1;
                self.out.push(ZWJ);
            }
            Pending::ScriptJoin(joiner) if kind == Last::Shaped => self.out.push(joiner),
            _ => self.joins = 0,
        }
        if kind != Last::Emoji {
            self.joins = 0;
        }
        self.marks = 0;
        self.prepended = if is_prepended(c) { self.prepended + 1 } else { 0 };
        self.last = kind;
        self.out.push(c);
    }

    fn mark(&mut self, c: char) {
        // Marks of India and Arabia are shaped by joiners as their letters are.
        let shaped = self.last == Last::Shaped && kind(c) == Last::Shaped;
        match std::mem::replace(&mut self.pending, Pending::None) {
            Pending::KeySelector(selector) if c == KEYCAP => self.out.push(selector),
            // A mark after a joiner is not what the joiner is for.
            _ => {}
        }
        if self.last == Last::Start || self.marks >= MAX_MARKS {
            return;
        }
        self.marks += 1;
        self.out.push(c);
        self.last = match self.last {
            Last::Emoji | Last::Selected if is_modifier(c) || c == KEYCAP => Last::Selected,
            Last::Hangul if is_jamo(c) => Last::Hangul,
            _ if shaped => Last::Shaped,
            _ => Last::Base,
        };
    }

    fn joiner(&mut self, c: char) {
        match self.last {
            Last::Emoji | Last::Selected if c == ZWJ && self.joins < MAX_JOINS => {
                self.pending = Pending::EmojiJoin;
            }
            Last::Shaped if self.pending == Pending::None => self.pending = Pending::ScriptJoin(c),
            _ => {}
        }
    }

    fn selector(&mut self, c: char) {
        match self.last {
            // A selector after a joiner belongs to nothing.
            Last::Emoji if self.pending == Pending::None => {
                self.out.push(c);
                self.last = Last::Selected;
            }
            Last::Key if self.pending == Pending::None => self.pending = Pending::KeySelector(c),
            _ => {}
        }
    }
}

/// The tags of a region's flag at the start of `text`, with their end; empty if there is none.
fn flag_tags(text: &str) -> &str {
    let mut tags = 0;
    for (at, c) in text.char_indices() {
        match c {
            CANCEL_TAG if FLAG_TAGS.contains(&tags) => return &text[..at + c.len_utf8()],
            '\u{e0030}'..='\u{e0039}' | '\u{e0061}'..='\u{e007a}' if tags < *FLAG_TAGS.end() => {
                tags += 1;
            }
            _ => return "",
        }
    }
    ""
}

/// A base that takes part in something, by its Unicode block.
fn kind(c: char) -> Last {
    match c {
        '0'..='9' | '#' | '*' => Last::Key,
        _ if is_emoji(c) => Last::Emoji,
        '\u{1100}'..='\u{115e}' | '\u{a960}'..='\u{a97c}' | '\u{ac00}'..='\u{d7a3}' => Last::Hangul,
        '\u{600}'..='\u{8ff}'        // Arabic, Syriac, Thaana, N'Ko, Samaritan, Mandaic
        | '\u{900}'..='\u{dff}'      // Devanagari to Sinhala
        | '\u{1000}'..='\u{109f}'    // Myanmar
        | '\u{1780}'..='\u{18af}'    // Khmer, Mongolian
        | '\u{a8e0}'..='\u{a8ff}'    // Devanagari Extended
        | '\u{fb50}'..='\u{fdff}'    // Arabic Presentation Forms-A
        | '\u{fe70}'..='\u{fefc}'    // and -B
        | '\u{11000}'..='\u{11fff}'  // Brahmi to Tamil Supplement
            => Last::Shaped,
        _ => Last::Base,
    }
}

/// `Extended_Pictographic` (UTS 51), by ranges that contain it; without the regional indicators,
/// which pair up without a joiner, and the skin tones.
fn is_emoji(c: char) -> bool {
    matches!(c,
        '©' | '®' | '‼' | '⁉' | '™' | 'ℹ' | '\u{2194}'..='\u{21aa}' | '\u{231a}'..='\u{23ff}'
        | 'Ⓜ' | '\u{25aa}'..='\u{25fe}' | '\u{2600}'..='\u{27bf}' | '\u{2934}' | '\u{2935}'
        | '\u{2b05}'..='\u{2b55}' | '〰' | '〽' | '㊗' | '㊙'
        | '\u{1f000}'..='\u{1f1e5}' | '\u{1f200}'..='\u{1f3fa}' | '\u{1f400}'..='\u{1faff}' | '\u{1fc00}'..='\u{1fffd}')
}

/// A skin tone: it extends the emoji before it, as a mark does.
fn is_modifier(c: char) -> bool {
    matches!(c, '\u{1f3fb}'..='\u{1f3ff}')
}

/// A vowel or final consonant of a decomposed syllable of Hangul: a letter to Unicode, but drawn
/// into the cell of the one before it, as a mark is, and nowhere without it.
fn is_jamo(c: char) -> bool {
    matches!(c, '\u{1160}'..='\u{11ff}' | '\u{d7b0}'..='\u{d7c6}' | '\u{d7cb}'..='\u{d7fb}')
}

/// `Grapheme_Cluster_Break=Prepend` (UAX 29), and the caret of Devanagari: drawn with the
/// character after it, and many take no cell of their own.
fn is_prepended(c: char) -> bool {
    matches!(c,
        '\u{600}'..='\u{605}' | '\u{6dd}' | '\u{70f}' | '\u{890}' | '\u{891}' | '\u{8e2}' | '\u{d4e}'
        | '\u{a8fa}' | '\u{110bd}' | '\u{110cd}' | '\u{111c2}' | '\u{111c3}' | '\u{113d1}'
        | '\u{1193f}' | '\u{11941}' | '\u{11a84}'..='\u{11a89}' | '\u{11d46}' | '\u{11f02}')
}

/// What a terminal obeys, or nobody sees.
fn is_dropped(c: char) -> bool {
    c.is_control()
        || is_default_ignorable(c)
        || matches!(c, '\u{fff9}'..='\u{fffb}')
        || (u32::from(c) & 0xfffe) == 0xfffe
        || matches!(c, '\u{fdd0}'..='\u{fdef}')
}

/// `Default_Ignorable_Code_Point` (Unicode 16, `DerivedCoreProperties`): bidirectional controls,
/// zero-width characters, fillers, variation selectors, tags.
fn is_default_ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether a character of a sanitised text shows anything by itself.
pub(super) fn is_visible(c: char) -> bool {
    // U+2800, the empty Braille pattern, is a symbol that looks like a space.
    !(c.is_whitespace()
        || is_combining_mark(c)
        || is_jamo(c)
        || is_prepended(c)
        || matches!(c, '\u{2800}' | ZWJ | ZWNJ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_no_cell_is_not_seen() {
        use unicode_width::UnicodeWidthChar as _;
        let none = (char::MIN..=char::MAX).filter(|c| c.width() == Some(0) && !is_dropped(*c));
        let seen: Vec<_> = none.filter(|c| is_visible(*c)).collect();
        assert!(seen.is_empty(), "{seen:x?}");
    }

    #[test]
    fn the_tables_agree_with_those_of_the_segmentation_crate() {
        use unicode_segmentation::UnicodeSegmentation;
        // GB11: only Extended_Pictographic joins two into one grapheme.
        for c in ('\u{80}'..=char::MAX).filter(|c| !c.is_alphanumeric()) {
            let joined = format!("{c}\u{200d}😀");
            if joined.graphemes(true).count() == 1
                && !is_combining_mark(c)
                && !is_dropped(c)
                && !is_modifier(c)
            {
                assert!(is_emoji(c), "U+{:04X} joins", u32::from(c));
            }
        }
    }
}
