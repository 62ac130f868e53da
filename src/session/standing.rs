//! Which of two sessions with one contact stays, when both sides dialled at once.

use std::time::{Duration, Instant};

use crate::identity::Identity;

/// Two dials that cross establish within this time of each other, whatever the network: a
/// handshake takes three round trips. An older session is no crossing but one whose other end is
/// gone (a restart, a changed network), so the newer one takes its place.
pub const CROSSING: Duration = Duration::from_secs(3);

/// A session that stands, as far as the choice between two goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether this side opened the stream.
    pub dialed: bool,
    /// Since when it is established.
    pub since: Instant,
}

/// Whether `new` takes the place of `old`; the other of the two is to be closed.
///
/// Both ends decide alike without a word: of two sessions dialled by one side the newer stays; of
/// two dialled by different sides within [`CROSSING`], the one dialled by the smaller identity;
/// after that, the newer.
pub fn keep_new(
    old: &Standing,
    new: &Standing,
    own: &Identity,
    their: &Identity,
    now: Instant,
) -> bool {
    if old.dialed == new.dialed || now.saturating_duration_since(old.since) > CROSSING {
        return true;
    }
    new.dialed == (own < their)
}
