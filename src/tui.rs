//! The screen: a front end that knows the node's [`api`](crate::node::api) and nothing beneath
//! it.
//!
//! # The map
//!
//! Model, update, view. [`Model`] is everything that the screen knows; [`update()`] changes it for
//! one [`Msg`] and says what is to be done ([`Effect`]); [`view()`] draws it and changes nothing.
//! All three are pure: the time is told to the model, requests leave as effects, and answers come
//! back as messages. [`run`] is the only part that touches the terminal, the clock, the disk and
//! the node's channels.
//!
//! ```text
//! keys ─┐                       ┌─ view ──→ terminal
//! node ─┼─→ Msg → update → Model┤
//! time ─┤                       └─ Effect → node (bounded outbox), bell, title, quit,
//! disk ─┤                                   disk, microphone, loudspeaker (threads beside
//! sound ┘                                   the loop)
//! ```
//!
//! | module | what it is for |
//! |---|---|
//! | [`keymap`], [`commands`] | one table each: what keys and slash commands do |
//! | [`transfers`] | the files on their way |
//! | [`timeline`] | the window over a conversation's history, and the view over it |
//! | [`model`], `window`, `layout` | what is known; what lies over it; where it is drawn |
//! | `update/` | keys, commands, answers and events |
//! | `view/` | one module for each part of the screen |
//! | [`theme`] | the only module that names a colour |
//! | `composer`, `field`, [`paths`] | where text is typed, and paths as they are typed |
//! | `wrap`, `when`, [`qr`], [`picture`] | text into cells, times into words, invites and files into pictures |
//! | [`graphics`] | which protocol for pictures the terminal knows |
//! | `terminal`, [`disk`], [`sound`], `runner` | the terminal's modes; files and other programs; microphone and loudspeaker; the loop |
//!
//! # Invariants
//!
//! - Nothing here waits for the network or the disk: an effect is a `try_send` or waits in a
//!   bounded outbox beside the loop.
//! - What is drawn was measured by `wrap`, so no text can break the layout.
//! - An entry counts as read only after a frame with its last row was drawn while the terminal
//!   had the focus and no window lay over it.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

pub mod commands;
mod composer;
pub mod config;
pub mod disk;
mod field;
pub mod graphics;
mod help;
pub mod keymap;
mod layout;
pub mod model;
pub mod paths;
pub mod picture;
pub mod qr;
mod runner;
pub mod sound;
pub mod terminal;
pub mod theme;
pub mod timeline;
pub mod transfers;
mod update;
mod view;
mod when;
mod window;
mod wrap;

pub use config::{Config, ConfigError};
pub use help::markdown as help_markdown;
pub use model::{Effect, Model, Msg};
pub use runner::run;
pub use theme::ColourEnvironment;
pub use update::update;
pub use view::view;

/// What the screen is told at its start.
#[derive(Debug, Clone)]
pub struct Options {
    /// The user's `config.toml`.
    pub config: Config,
    /// What the environment says about colours.
    pub colours: ColourEnvironment,
    /// What the environment says about the terminal.
    pub surroundings: graphics::Surroundings,
    /// The time zone of shown times.
    pub zone: TimeZone,
    /// What typed paths are relative to.
    pub places: paths::Places,
    /// The directory for voice notes that are recorded.
    pub voices: PathBuf,
    /// Entries held for one conversation; [`timeline::MAX_ENTRIES`] unless given.
    pub max_entries: Option<usize>,
}

impl Options {
    /// The options for this process's environment, and a profile in this directory.
    pub fn new(config: Config, directory: &Path) -> Self {
        Self {
            config,
            colours: ColourEnvironment::read(),
            surroundings: graphics::Surroundings::read(),
            zone: TimeZone::system(),
            places: paths::Places::read(),
            voices: directory.join("voice"),
            max_entries: None,
        }
    }
}

/// Whether there is a terminal to show the screen on.
///
/// # Errors
/// [`Error::Terminal`] if there is none.
pub fn check_terminal() -> Result<(), Error> {
    Ok(terminal::check()?)
}

/// Why the screen ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The terminal cannot be used.
    #[error("the terminal cannot be used")]
    Terminal(#[from] std::io::Error),
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The node ended with this sentence.
    #[error("{0}")]
    Stopped(String),
}
