//! The networking task: owns the store, the network and the sessions. [`api::Command`] in,
//! [`api::Event`] out.
//!
//! ```text
//! front end ── Request ──▶ ┌──────┐ ── operations ──▶ Store   (a thread; group commit)
//!           ◀── Event ──── │ Node │ ── dials ───────▶ Net     (polled in the node's loop)
//!                          └──────┘ ◀── messages ───▶ link::Link, one task a link: Session, stream
//! ```
//!
//! The node waits for nothing but its `select!`: what takes time (the store) is a future in
//! `Node::when`, whose result comes back as a closure on the node, in the order in which
//! the operations were begun. Every queue is bounded; when one is full, the node stops taking
//! from what fills it and goes on with the rest.

pub mod api;
mod commands;
pub mod files;
mod link;
mod open;
mod pairing;
mod push;
mod run;
mod sessions;
mod why;

use std::{path::PathBuf, time::SystemTime};

use tokio::sync::mpsc;

use self::api::{Failure, FailureKind, Handle, Passphrase, UnixMillis};
use crate::net;

/// What the node opens, and how it uses the network.
#[derive(Debug, Clone)]
pub struct Config {
    /// The profile's directory.
    pub directory: PathBuf,
    /// The network.
    pub network: net::Config,
    /// Files.
    pub files: files::Config,
    /// Opens the profile, or protects a new one, without the front end being asked.
    pub passphrase: Option<Passphrase>,
}

/// Requests that may wait for the node.
const REQUESTS: usize = 1024;

/// Events that may wait for the front end. One that stops reading stops its node when these and
/// the node's own outbox are full; nothing is lost.
const EVENTS: usize = 4096;

/// Starts a node within the current tokio runtime. It ends with [`api::Event::Stopped`], after
/// [`api::Command::Shutdown`] or when the handle is dropped.
pub fn start(config: Config) -> Handle {
    let (requests, from_front_end) = mpsc::channel(REQUESTS);
    let (to_front_end, events) = mpsc::channel(EVENTS);
    tokio::spawn(open::run(config, from_front_end, to_front_end));
    Handle { requests, events }
}

/// The wall clock. Before 1970 it reads 0.
fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A failure with a sentence.
fn failure(kind: FailureKind, text: impl Into<String>) -> Failure {
    Failure { kind, text: text.into() }
}
