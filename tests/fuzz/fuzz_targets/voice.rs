//! A voice note that somebody sent: no longer than is allowed, no louder than there is.
#![no_main]

use entrenous::voice::{MAX_MILLIS, codec::Decoder};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    let Ok(mut decoder) = Decoder::new(file) else { return };
    let mut samples = 0;
    while let Ok(Some(more)) = decoder.read() {
        assert!(more.iter().all(|sample| (-1.0..=1.0).contains(sample)));
        samples += more.len() as u64;
        assert!(samples / 48 <= 2 * u64::from(MAX_MILLIS) + 120);
    }
});
