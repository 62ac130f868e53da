//! No microphone and no loudspeaker: this was built without the feature `voice`.

use std::{fs::File, path::Path, sync::atomic::AtomicBool};

use super::Voice;

/// How to have them.
const HOW: &str = "This entrenous was built without sound: build it with `cargo build --release --features voice`.";

/// Records nothing.
///
/// # Errors
/// Always: a sentence that says how to build it.
pub fn record(_: File, _: &AtomicBool, _: impl FnMut(u32, u8)) -> Result<Option<Voice>, String> {
    Err(HOW.to_owned())
}

/// Plays nothing.
///
/// # Errors
/// Always: a sentence that says how to build it.
pub fn play(_: &Path, _: &AtomicBool, _: impl FnMut(u32)) -> Result<(), String> {
    Err(format!("{HOW} Until then, `o` opens it in another program."))
}
