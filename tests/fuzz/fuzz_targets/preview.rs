//! A preview's bytes: refused, or shown in its size.
#![no_main]

use entrenous::picture::{PREVIEW_SIDE, Preview};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(preview) = Preview::parse(bytes) {
        let (across, down) = preview.size();
        assert!(across.max(down) == PREVIEW_SIDE && across.min(down) > 0);
        let (width, pixels) = preview.pixels();
        assert_eq!((width, pixels.len()), (across, across * down));
    }
});
