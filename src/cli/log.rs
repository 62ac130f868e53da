//! The log file: what happened, for whoever looks into a problem. Never a secret, never a text.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    sync::Mutex,
};

use tracing_subscriber::EnvFilter;

/// A file over this size is put aside at the next start, as `entrenous.log.old`.
const MAX_BYTES: u64 = 1024 * 1024;

/// Chooses what is logged, in the syntax of `tracing_subscriber::EnvFilter`.
const VARIABLE: &str = "ENTRENOUS_LOG";

/// Own words only: those of libraries can be made many by whoever connects.
const DEFAULT: &str = "off,entrenous=warn";

/// Starts to log to the profile's directory. Where that isn't possible there is no log: opening
/// the profile will say what is wrong with the directory.
pub fn start(directory: &Path) {
    let path = directory.join("entrenous.log");
    let _ = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    if fs::metadata(&path).is_ok_and(|metadata| metadata.len() > MAX_BYTES) {
        let _ = fs::rename(&path, directory.join("entrenous.log.old"));
    }
    let Ok(file) = OpenOptions::new().create(true).append(true).mode(0o600).open(&path) else {
        return;
    };
    let filter = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Mutex::new(file))
        .with_ansi(false)
        .log_internal_errors(false)
        .try_init();
}
