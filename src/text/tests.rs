//! One named case for each thing that a peer may try.

use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation;

use super::*;

#[track_caller]
fn same(text: &str) {
    assert_eq!(message(text), text);
}

#[test]
fn escape_is_dropped() {
    assert_eq!(message("a\x1b[31mred\x1b[0m"), "a[31mred[0m");
    assert_eq!(message("\x1bc\x1b]0;title\x07"), "c]0;title");
}

#[test]
fn c0_and_delete_are_dropped_but_not_line_feed_and_tab() {
    let all: String = ('\0'..=' ').chain(['\x7f']).collect();
    assert_eq!(message(&all), "\t\n\n ");
}

#[test]
fn c1_is_dropped() {
    assert_eq!(message("a\u{9b}31m\u{85}b\u{9d}0;x\u{9c}"), "a31mb0;x");
    let all: String = ('\u{80}'..'\u{a0}').collect();
    assert_eq!(message(&all), "");
}

#[test]
fn osc_52_cannot_reach_the_clipboard() {
    assert_eq!(message("\x1b]52;c;cm0gLXJmIH4=\x07"), "]52;c;cm0gLXJmIH4=");
    assert_eq!(message("\u{9d}52;c;cm0=\u{9c}"), "52;c;cm0=");
}

#[test]
fn line_ends_become_line_feeds() {
    assert_eq!(message("a\r\nb\rc\u{2028}d\u{2029}e\n\r\nf"), "a\nb\nc\nd\ne\n\nf");
}

#[test]
fn bidi_controls_are_dropped() {
    for c in "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}".chars() {
        assert_eq!(message(&format!("ab{c}cd")), "abcd");
    }
    same("שלום עולם");
}

#[test]
fn zero_width_is_dropped() {
    for c in "\u{200b}\u{200c}\u{200d}\u{2060}\u{2063}\u{feff}\u{ad}\u{34f}\u{180e}\u{3164}\u{fe0f}\u{e0100}".chars() {
        assert_eq!(message(&format!("ad{c}min")), "admin", "U+{:04X}", u32::from(c));
    }
}

#[test]
fn tags_are_dropped_but_in_a_flag() {
    same("🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}"); // Scotland
    assert_eq!(message("hi\u{e0068}\u{e0069}\u{e007f}"), "hi");
    assert_eq!(message("🏴\u{e0067}\u{e0062}"), "🏴");
    assert_eq!(message(&format!("🏴{}\u{e007f}", "\u{e0067}".repeat(7))), "🏴");
}

#[test]
fn emoji_sequences_survive() {
    for emoji in ["👨‍👩‍👧‍👦", "🏳️‍🌈", "❤️", "👍🏽", "👩🏽‍🚀", "🧔🏻‍♂️", "1️⃣", "#⃣", "🇫🇷", "☺︎", "🏴‍☠️", "👁️‍🗨️"]
    {
        same(emoji);
        assert_eq!(super::emoji(emoji).as_deref(), Some(emoji));
    }
}

#[test]
fn joiners_survive_only_where_they_join() {
    assert_eq!(message("👍\u{200d}a \u{200d}👍 👍\u{200d}"), "👍a 👍 👍");
    assert_eq!(message("👍\u{200d}\u{200d}\u{200b}👍"), "👍\u{200d}👍");
    same("می\u{200c}خواهم"); // Persian
    same("क्\u{200d}ष"); // Devanagari
    assert_eq!(message("می\u{200c}x می\u{200c}"), "میx می");
    assert_eq!(message("1\u{fe0f}2"), "12");
}

#[test]
fn an_emoji_has_an_end() {
    let endless = vec!["👍"; 10_000].join("\u{200d}");
    let longest = message(&endless).graphemes(true).map(str::len).max().unwrap();
    assert!(longest <= 4 + MAX_JOINS * 7, "{longest}");
    let tones = message(&format!("👍{}", "🏽".repeat(10_000)));
    assert_eq!(tones.chars().count(), 1 + MAX_MARKS);
}

#[test]
fn ten_thousand_combining_marks_become_eight() {
    let zalgo = format!("a{}b", "\u{301}".repeat(10_000));
    assert_eq!(message(&zalgo), format!("a{}b", "\u{301}".repeat(MAX_MARKS)));
    // Other characters between them do not start the count again when they vanish.
    let hidden = format!("a{}", "\u{301}\u{200b}".repeat(10_000));
    assert_eq!(message(&hidden), format!("a{}", "\u{301}".repeat(MAX_MARKS)));
    same("ế ồ שָׁלוֹם");
}

#[test]
fn jamo_that_take_no_cell_stand_on_hangul_alone_and_have_an_end() {
    same("\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}"); // 한글, decomposed
    same("한글 \u{ac00}\u{11a8}");
    same("\u{a960}\u{d7b0}\u{d7cb}"); // of older texts
    for jamo in ["\u{1161}", "\u{11a8}", "\u{d7b0}", "\u{d7fb}"] {
        assert_eq!(message(&format!("ad{jamo}min {jamo}\n{jamo}")), "admin \n");
        assert_eq!(message(&format!("ㅋ{jamo}👍{jamo}")), "ㅋ👍");
        let endless = format!("\u{1100}{}", jamo.repeat(20_000));
        assert_eq!(message(&endless).chars().count(), 1 + MAX_MARKS);
    }
}

#[test]
fn what_stands_before_a_character_has_an_end() {
    same("\u{600}١٢٣ \u{d4e}ക");
    for before in ["\u{605}", "\u{d4e}", "\u{11f02}"] {
        let endless = message(&format!("{}a", before.repeat(20_000)));
        assert_eq!(endless.chars().count(), MAX_MARKS + 1);
        assert_eq!(name(before), None);
    }
}

#[test]
fn marks_without_a_base_are_dropped() {
    assert_eq!(message("\u{301}\u{20dd}a\n\u{301}b\t\u{301}"), "a\nb\t");
}

#[test]
fn a_mebibyte_takes_linear_time() {
    for unit in
        ["a", "\u{301}", "👍\u{200d}", "\u{202e}", "🏴\u{e0067}", "क्", "\u{1100}", " \u{301}", "\r"]
    {
        let long = unit.repeat(1024 * 1024 / unit.len());
        let start = std::time::Instant::now();
        assert!(message(&long).len() <= long.len());
        assert!(name(&long).is_none_or(|name| name.len() <= MAX_NAME_BYTES));
        assert!(line(&long).len() <= MAX_LINE_BYTES);
        let _ = emoji(&long);
        // A quadratic pass would take minutes.
        assert!(start.elapsed().as_secs() < 20, "{unit:?}");
    }
}

#[test]
fn names_are_one_line_and_never_look_empty() {
    assert_eq!(name("  Ada\n Lovelace\t\x1b[2J ").as_deref(), Some("Ada Lovelace [2J"));
    for empty in [
        "",
        " ",
        "\n",
        "\u{200b}",
        "\u{202e}\u{2066}",
        "\u{3164}\u{115f}",
        "\u{301}",
        "\u{2800}",
        "\u{a0}\u{3000}",
        "\x1b",
        " \u{301}",
        "\u{1161}",
        "\u{11a8}\u{d7b0}\u{d7cb}",
    ] {
        assert_eq!(name(empty), None, "{empty:?}");
    }
}

#[test]
fn names_are_cut_between_graphemes() {
    let family = "👨‍👩‍👧‍👦"; // 25 bytes
    assert_eq!(name(&family.repeat(10)), Some(family.repeat(MAX_NAME_BYTES / 25)));
    assert_eq!(name(&"x".repeat(1000)), Some("x".repeat(MAX_NAME_BYTES)));
    let one_grapheme = "\u{1100}".repeat(1000);
    assert!(name(&one_grapheme).unwrap().len() <= MAX_NAME_BYTES);
}

#[test]
fn a_reaction_is_one_grapheme() {
    assert_eq!(emoji("👍👎").as_deref(), Some("👍"));
    assert_eq!(emoji("\x1b"), None);
    assert_eq!(emoji(""), None);
}

/// Characters that matter, and any other.
fn nasty() -> impl Strategy<Value = String> {
    let special = prop::sample::select(
        "a1#\u{301}\u{20e3}\u{200b}\u{200c}\u{200d}\u{fe0e}\u{fe0f}\u{202e}\u{2069}\x1b\x07\r\n\t \u{a0}\u{9b}👍🏽❤🏴\u{e0067}\u{e0062}\u{e0065}\u{e007f}🇫🇷میक\u{94d}\u{903}\u{1100}\u{1161}\u{2028}\u{2800}\u{600}"
            .chars()
            .collect::<Vec<_>>(),
    );
    let any = prop_oneof![8 => special, 1 => any::<char>()];
    prop::collection::vec(any, 0..60).prop_map(|chars| chars.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn applied_again_nothing_changes(text in nasty()) {
        let once = message(&text);
        prop_assert_eq!(message(&once), once.clone());
        prop_assert!(once.len() <= text.len());
        let once = line(&text);
        prop_assert_eq!(line(&once), once.clone());
        prop_assert!(once.len() <= text.len());
        if let Some(once) = name(&text.repeat(4)) {
            prop_assert_eq!(name(&once), Some(once.clone()));
        }
        if let Some(once) = emoji(&text) {
            prop_assert_eq!(emoji(&once), Some(once.clone()));
        }
    }

    #[test]
    fn nothing_dangerous_is_left(text in nasty()) {
        for c in message(&text).chars() {
            prop_assert!(!c.is_control() || c == '\n' || c == '\t');
            let bidi = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
            prop_assert!(!bidi);
        }
        prop_assert!(!line(&text).contains(['\n', '\t']));
    }
}
