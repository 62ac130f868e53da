//! End-to-end sessions between two people over one link: who is there, proven; then messages that
//! nobody else reads. Pure: bytes and `now` in, bytes and events out.
//!
//! A [`Session`] is driven over one ordered, reliable byte stream:
//!
//! 1. [`Session::dial`] on the side that opened the stream, [`Session::listen`] on the other.
//! 2. Whatever arrives goes into [`Session::handle_input`]; when [`Session::poll_timeout`] is
//!    reached, call [`Session::handle_timeout`]. Either may end the session with [`Closed`]: then
//!    reset the stream, silently. A peer is never told what was wrong.
//! 3. After each of these, and after [`Session::send`], write what [`Session::poll_transmit`]
//!    yields, until it yields nothing, and take the events of [`Session::poll_event`].
//!
//! The byte layouts are in [`crate::protocol`].

mod local;
mod standing;

use std::{sync::Arc, time::Instant};

use rand::CryptoRng;

pub use local::{Acquaintance, LinkIds, Local, Peer, Via};
pub use standing::{Standing, keep_new};

/// Longest message of a session, in bytes. Larger than any entry with its largest text (64 KiB)
/// and any batch of them; small enough that a contact can make this side hold only so much.
pub const MAX_MESSAGE: usize = 512 * 1024;

/// Most tags in one hail, so most contacts and open invites that can be recognised. A stranger can
/// make this side hold and compare so many (16 KiB); a person has fewer contacts.
pub const MAX_TAGS: usize = 1024;

/// The session is over: something was wrong, or late. Deliberately without a reason, so that none
/// can reach the peer; the log has it at debug level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session is closed")]
pub struct Closed;

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// There is no session yet, or not any more.
    #[error("the session does not stand")]
    NotEstablished,
    /// Over [`MAX_MESSAGE`].
    #[error("the message is over 512 KiB")]
    TooLong,
    /// Too much waits to be written: take it with [`Session::poll_transmit`] first.
    #[error("too much waits to be written")]
    Full,
}

/// What happened in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The peer has proven who it is, and both have proven that they hold the traffic keys.
    /// Always the first event.
    Established {
        /// Who it is.
        with: Peer,
    },
    /// A message, whole, in the order in which it was sent.
    Message(Vec<u8>),
}

/// One end of a session; see the [module](self) for how to drive it.
pub struct Session {}

impl Session {
    /// The end that opened the stream. `rng` is drawn from for as long as the session lasts; give
    /// it the system's.
    pub fn dial(
        local: Arc<Local>,
        ids: LinkIds,
        now: Instant,
        rng: impl CryptoRng + Send + 'static,
    ) -> Self {
        let _ = (local, ids, now, rng);
        Self {}
    }

    /// The end that was opened to.
    pub fn listen(
        local: Arc<Local>,
        ids: LinkIds,
        now: Instant,
        rng: impl CryptoRng + Send + 'static,
    ) -> Self {
        let _ = (local, ids, now, rng);
        Self {}
    }

    /// Takes bytes that arrived, in order.
    ///
    /// # Errors
    /// [`Closed`]: reset the stream and drop the session.
    pub fn handle_input(&mut self, now: Instant, input: &[u8]) -> Result<(), Closed> {
        let _ = (now, input);
        Err(Closed)
    }

    /// Takes note that the time of [`Self::poll_timeout`] has come. Calling it early is harmless.
    ///
    /// # Errors
    /// [`Closed`]: reset the stream and drop the session.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Closed> {
        let _ = now;
        Err(Closed)
    }

    /// When [`Self::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Bytes to write to the stream, if any.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        None
    }

    /// What happened, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }

    /// Sends a message of at most [`MAX_MESSAGE`] bytes, once the session is established.
    ///
    /// # Errors
    /// [`SendError`]; nothing was sent then.
    pub fn send(&mut self, now: Instant, message: &[u8]) -> Result<(), SendError> {
        let _ = (now, message);
        Err(SendError::NotEstablished)
    }
}
