//! Remote text: what is left is bounded and harmless, and stays as it is when sanitised again.
#![no_main]

use entrenous::text;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|remote: &str| {
    let message = text::message(remote);
    assert_eq!(text::message(&message), message);
    let harmful = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || ('\u{202a}'..='\u{202e}').contains(&c)
            || ('\u{2066}'..='\u{2069}').contains(&c)
            || ('\u{e0000}'..='\u{e007f}').contains(&c)
    };
    assert!(!message.contains(harmful), "{message:?}");
    let line = text::line(remote);
    assert!(line.len() <= text::MAX_LINE_BYTES && !line.contains(['\n', '\t']));
    if let Some(name) = text::name(remote) {
        assert!(!name.is_empty() && name.len() <= text::MAX_NAME_BYTES, "{name:?}");
        assert_eq!(text::name(&name).as_ref(), Some(&name));
    }
    if let Some(emoji) = text::emoji(remote) {
        assert!(!emoji.is_empty() && emoji.len() <= text::MAX_EMOJI_BYTES, "{emoji:?}");
    }
});
