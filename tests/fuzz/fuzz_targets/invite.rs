//! An invite's text: read or refused; what is read is written as it was.
#![no_main]

use entrenous::identity::Invite;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(invite) = Invite::parse(text) {
        assert_eq!(invite.to_text(), text.trim().to_lowercase());
    }
});
