//! The screen (its modules follow).

use serde::Deserialize;

use crate::node::api::Handle;

/// The screen's part of `config.toml`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {}

/// What the screen is told at its start.
#[derive(Debug, Clone)]
pub struct Options {
    /// The user's settings.
    pub config: Config,
}

impl Options {
    /// The options for this process's environment.
    pub fn new(config: Config) -> Self {
        Self { config }
    }
}

/// Runs the screen until it is closed.
///
/// # Errors
///
/// When the terminal can't be used.
pub async fn run(node: Handle, options: Options) -> std::io::Result<()> {
    let _ = (node, options);
    Ok(())
}

/// QR codes.
pub mod qr {
    /// The rows of a QR code, two modules a cell.
    pub fn rows(text: &str) -> Option<Vec<String>> {
        let _ = text;
        None
    }
}
