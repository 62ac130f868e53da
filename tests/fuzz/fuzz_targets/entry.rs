//! An entry's bytes: decoded or refused, never worse; what is decoded is decoded alike again.
#![no_main]

use entrenous::conversation::{Entry, Header, WireEntry};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|parts: (Vec<u8>, Option<Vec<u8>>)| {
    let (header, body) = parts;
    let _ = Header::decode(&header);
    if let Ok(entry) = Entry::decode(WireEntry { header, body }) {
        let again = Entry::decode(entry.wire.clone()).expect("it was decoded before");
        assert_eq!(again.id, entry.id);
        assert_eq!(again.header, entry.header);
    }
});
