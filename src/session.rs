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

mod frame;
mod hail;
mod hybrid;
mod local;
mod standing;
mod state;
mod traffic;

use std::{
    collections::VecDeque,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use rand::CryptoRng;

pub use local::{Acquaintance, LinkIds, Local, Peer, Via};
pub use standing::{CROSSING, Standing, keep_new};

use state::{DialerNonce, ListenerNonce, State};
use traffic::Limits;

/// Longest message of a session, in bytes. Larger than any entry with its largest text (64 KiB)
/// and any batch of them; small enough that a contact can make this side hold only so much.
pub const MAX_MESSAGE: usize = 512 * 1024;

/// Most tags in one hail, so most contacts and open invites that can be recognised. A stranger can
/// make this side hold and compare so many (16 KiB); a person has fewer contacts.
pub const MAX_TAGS: usize = 1024;

/// How long a hail and handshake may take, from the opening of the stream. They need four round
/// trips and some milliseconds of arithmetic; who takes longer is gone, or holds a place on
/// purpose.
pub const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);

/// Bytes of frames that may wait for [`Session::poll_transmit`] before [`Session::send`] refuses:
/// enough for the largest message several times over.
pub const MAX_QUEUED: usize = 4 * 1024 * 1024;

/// The session is over: something was wrong, or late. Deliberately without a reason, so that none
/// can reach the peer; the log has it at debug level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session is closed")]
pub struct Closed;

impl Closed {
    fn because(reason: &'static str) -> Self {
        tracing::debug!(reason, "session closed");
        Self
    }
}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// There is no session yet, or not any more.
    #[error("the session does not stand")]
    NotEstablished,
    /// Over [`MAX_MESSAGE`].
    #[error("the message is over 512 KiB")]
    TooLong,
    /// Over [`MAX_QUEUED`] wait to be written, or keys are used up and new ones are on their way:
    /// write what [`Session::poll_transmit`] yields and try again.
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

/// One end of a session; see the [module](self) for how to drive it. Its secrets are wiped when
/// it is dropped.
pub struct Session {
    shared: Shared,
    /// None: closed.
    state: Option<State>,
    /// Bytes that do not make a whole step yet; never more than one step takes.
    partial: Vec<u8>,
    deadline: Instant,
}

/// What the states of a session share.
struct Shared {
    local: Arc<Local>,
    ids: LinkIds,
    rng: Box<dyn CryptoRng + Send>,
    limits: Limits,
    out: Vec<u8>,
    events: VecDeque<Event>,
}

impl Session {
    /// The end that opened the stream. `rng` is drawn from for as long as the session lasts; give
    /// it the system's.
    pub fn dial(
        local: Arc<Local>,
        ids: LinkIds,
        now: Instant,
        rng: impl CryptoRng + Send + 'static,
    ) -> Self {
        let mut shared = Shared::new(local, ids, Box::new(rng));
        let state = DialerNonce::start(&mut shared);
        Self::new(shared, state, now)
    }

    /// The end that was opened to.
    pub fn listen(
        local: Arc<Local>,
        ids: LinkIds,
        now: Instant,
        rng: impl CryptoRng + Send + 'static,
    ) -> Self {
        let shared = Shared::new(local, ids, Box::new(rng));
        Self::new(shared, State::ListenerNonce(ListenerNonce), now)
    }

    fn new(shared: Shared, state: State, now: Instant) -> Self {
        let deadline = now + HANDSHAKE_DEADLINE;
        Self { shared, state: Some(state), partial: Vec::new(), deadline }
    }

    /// Takes bytes that arrived, in order.
    ///
    /// # Errors
    /// [`Closed`]: reset the stream and drop the session. Events that came before are still
    /// there to be polled.
    pub fn handle_input(&mut self, now: Instant, mut input: &[u8]) -> Result<(), Closed> {
        self.handle_timeout(now)?;
        while let Some(bytes) = self.next_step(&mut input)? {
            // Whatever goes wrong leaves no state behind.
            let state = self.state.take().ok_or(Closed)?;
            self.state = Some(state.step(&mut self.shared, now, bytes)?);
        }
        Ok(())
    }

    /// The bytes of the next step, if there are enough; else keeps what there is.
    fn next_step(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, Closed> {
        let needs = self.state.as_ref().ok_or(Closed)?.needs();
        let lacking = needs - self.partial.len();
        let Some((bytes, rest)) = input.split_at_checked(lacking) else {
            if !input.is_empty() {
                self.partial.reserve_exact(lacking);
                self.partial.extend_from_slice(input);
                *input = &[];
            }
            return Ok(None);
        };
        *input = rest;
        let mut step = std::mem::take(&mut self.partial);
        step.extend_from_slice(bytes);
        Ok(Some(step))
    }

    /// Takes note that the time of [`Self::poll_timeout`] has come. Calling it early is harmless.
    ///
    /// # Errors
    /// [`Closed`]: reset the stream and drop the session.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Closed> {
        let result = match self.state.as_mut().ok_or(Closed)? {
            State::Established(traffic) => traffic.keep_fresh(&mut self.shared, now),
            _ if now >= self.deadline => Err(Closed::because("handshake too slow")),
            _ => Ok(()),
        };
        if result.is_err() {
            self.state = None;
        }
        result
    }

    /// When [`Self::handle_timeout`] is to be called next; none once the session is closed.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.state.as_ref().map(|state| match state {
            State::Established(traffic) => traffic.timeout(&self.shared),
            _ => self.deadline,
        })
    }

    /// Bytes to write to the stream, if any. None once the session is closed: nothing more is
    /// said.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.state.as_ref()?;
        let out = std::mem::take(&mut self.shared.out);
        (!out.is_empty()).then_some(out)
    }

    /// What happened, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.shared.events.pop_front()
    }

    /// Sends a message of at most [`MAX_MESSAGE`] bytes, once the session is established.
    ///
    /// # Errors
    /// [`SendError`]; nothing was sent then.
    pub fn send(&mut self, now: Instant, message: &[u8]) -> Result<(), SendError> {
        let Some(State::Established(traffic)) = &mut self.state else {
            return Err(SendError::NotEstablished);
        };
        if message.len() > MAX_MESSAGE {
            return Err(SendError::TooLong);
        }
        if self.shared.out.len() > MAX_QUEUED || traffic.exhausted(&self.shared) {
            return Err(SendError::Full);
        }
        traffic.send(&mut self.shared, now, message).map_err(|Closed| {
            self.state = None;
            SendError::NotEstablished
        })
    }
}

impl Shared {
    fn new(local: Arc<Local>, ids: LinkIds, rng: Box<dyn CryptoRng + Send>) -> Self {
        let (out, events) = (Vec::new(), VecDeque::new());
        Self { local, ids, rng, limits: Limits::PROTOCOL, out, events }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
