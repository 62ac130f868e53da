//! One who may be worth a link: how often it was tried, and when it is due again.

use std::time::{Duration, Instant};

use libp2p::Multiaddr;

use super::{MAX_ADDRESSES, MAX_DIALS_PER_TARGET};
use crate::net::address;

/// So long after a QUIC dial began, or an address for TCP was heard of, it is TCP's turn. On a LAN
/// QUIC answers well within this, and mDNS tells of each address by itself.
pub const TCP_HEAD_START: Duration = Duration::from_millis(300);

/// Between the first attempts.
pub const FAST_RETRY: Duration = Duration::from_secs(1);

/// So many attempts are made at [`FAST_RETRY`], then the pause doubles.
const FAST_ATTEMPTS: u32 = 30;

/// A PeerId of a contact is forgotten after so many: some eight minutes. Whoever comes back has
/// another one.
const LAST_ATTEMPT: u32 = FAST_ATTEMPTS + 8;

/// The longest pause between attempts: someone at a fixed address is found within it, and ten of
/// them that are gone cost less than 200 bytes a second.
pub const SLOW_RETRY: Duration = Duration::from_secs(300);

/// After so many attempts the rest are not told of: somebody who is not there is offline.
const TOLD_ATTEMPTS: u32 = 6;

/// A dial that is due within this counts as being tried.
const SOON: Duration = Duration::from_secs(2);

/// A stranger where a friend was expected is asked again, with a doubling pause from this on: the
/// other side may have been given our invite meanwhile.
const STRANGER_RETRY: Duration = Duration::from_secs(3);

/// Why a target is known; decides how long it is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// By mDNS, or by a link of theirs: forgotten when it can't be reached.
    Found,
    /// A contact was there. An address stays; a PeerId is forgotten when it can't be reached.
    Contact,
    /// Given by the user: never forgotten.
    User,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Candidate {
    pub origin: Origin,
    pub addresses: Vec<Multiaddr>,
    attempts: u32,
    strange: u32,
    pub dialing: u8,
    pub linked: bool,
    /// It is a node of the public DHT and nobody's program.
    pub is_node: bool,
    /// Who one knows changed while the link was being made.
    again: bool,
    /// When it is due; none: not before something changes.
    pub due: Option<Instant>,
    /// From when on it is TCP's turn, if there is an address for it.
    tcp_from: Option<Instant>,
    pub added: Instant,
}

impl Candidate {
    /// Due once it has an address.
    pub fn new(now: Instant, origin: Origin) -> Self {
        Self {
            origin,
            addresses: Vec::new(),
            attempts: 0,
            strange: 0,
            dialing: 0,
            linked: false,
            is_node: false,
            again: false,
            due: None,
            tcp_from: None,
            added: now,
        }
    }

    /// Known from there, and perhaps by one more address; one of TCP waits for the head start.
    pub fn add(&mut self, now: Instant, origin: Origin, address: Multiaddr, head_start: Duration) {
        self.origin = self.origin.max(origin);
        if self.addresses.contains(&address) {
            return;
        }
        let is_quic = address::is_quic(&address);
        self.addresses.push(address);
        if self.addresses.len() > MAX_ADDRESSES {
            self.addresses.remove(0);
        }
        if self.strange > 0 || self.linked {
            return;
        }
        // Where QUIC is not answered the last of the dials is left to TCP.
        let is_last = self.dialing + 1 >= MAX_DIALS_PER_TARGET;
        let then = match (is_quic, self.due) {
            (true, Some(due)) if is_last => due,
            (true, _) => now,
            (false, _) => *self.tcp_from.get_or_insert(now + head_start),
        };
        self.due = Some(self.due.map_or(then, |due| due.min(then)));
    }

    /// A dial is over, one way or the other.
    pub fn dialed(&mut self) {
        self.dialing = self.dialing.saturating_sub(1);
    }

    /// Whether it was tried in vain often enough.
    pub fn is_given_up(&self, is_peer: bool) -> bool {
        let is_enough = match self.origin {
            Origin::Found => self.attempts > FAST_ATTEMPTS,
            Origin::Contact => self.attempts > LAST_ATTEMPT && is_peer,
            Origin::User => false,
        };
        is_enough && !self.linked && self.dialing == 0
    }

    /// A link stands.
    pub fn linked(&mut self) {
        self.linked = true;
        self.due = None;
        self.tcp_from = None;
    }

    /// It was a stranger.
    pub fn stranger(&mut self, now: Instant) {
        self.linked = false;
        self.due = if std::mem::take(&mut self.again) {
            Some(now)
        } else if self.origin == Origin::Found {
            None
        } else {
            Some(now + STRANGER_RETRY.saturating_mul(1 << self.strange.min(4)))
        };
        self.strange = self.strange.saturating_add(1);
    }

    /// It was a node, and the connection is over.
    pub fn node_left(&mut self, now: Instant) {
        self.linked = false;
        self.due = std::mem::take(&mut self.again).then_some(now);
    }

    /// It was a contact.
    pub fn known(&mut self) {
        self.origin = self.origin.max(Origin::Contact);
        self.strange = 0;
        self.attempts = 0;
    }

    /// The link broke before it was known with whom it was.
    pub fn broken(&mut self, now: Instant) {
        self.linked = false;
        self.due = Some(now + pause(self.attempts));
    }

    /// The link is gone.
    pub fn lost(&mut self, now: Instant) {
        self.linked = false;
        self.due = Some(now);
    }

    /// The attempt that is due is the last one.
    pub fn try_once_more(&mut self) {
        self.attempts = LAST_ATTEMPT;
    }

    /// There is need of a link.
    pub fn resume(&mut self, now: Instant) {
        if !self.linked {
            self.attempts = 0;
            self.tcp_from = None;
            self.due = Some(now);
        }
    }

    /// Who one knows changed, so that it may be somebody now.
    pub fn reconsider(&mut self, now: Instant) {
        self.strange = 0;
        self.attempts = 0;
        self.tcp_from = None;
        self.again = self.linked;
        // A dial under way may be that which succeeds, if another one is to follow it.
        let follows = self.dialing > 0 && self.due.is_some();
        if !self.linked && !follows {
            self.due = Some(now);
        }
    }

    /// Whether a dial is under way or due soon, and is worth telling of.
    pub fn is_trying(&self, now: Instant) -> bool {
        let soon = self.due.is_some_and(|due| due <= now + SOON);
        let told = self.attempts <= TOLD_ATTEMPTS;
        told && !self.linked && (self.dialing > 0 || soon)
    }

    /// Whether it may be dialed, if it is due and of such an origin at least.
    pub fn is_ready(&self, least: Origin) -> bool {
        !self.linked
            && self.origin >= least
            && self.dialing < MAX_DIALS_PER_TARGET
            && !self.addresses.is_empty()
    }

    /// Begins a dial: QUIC and TCP in turn, where it has both.
    pub fn attempt(&mut self, now: Instant) -> Vec<Multiaddr> {
        let (quic, tcp): (Vec<_>, Vec<_>) =
            self.addresses.iter().cloned().partition(address::is_quic);
        let next = now + pause(self.attempts);
        self.attempts = self.attempts.saturating_add(1);
        self.dialing += 1;
        let is_tcps_turn = self.tcp_from.is_some_and(|from| from <= now) && !tcp.is_empty();
        if quic.is_empty() || is_tcps_turn {
            self.tcp_from = None;
            self.due = Some(next);
            tcp
        } else {
            let from = *self.tcp_from.get_or_insert(now + TCP_HEAD_START);
            self.due = Some(if tcp.is_empty() { next } else { from });
            quic
        }
    }
}

/// How long to wait after so many attempts.
fn pause(attempts: u32) -> Duration {
    match attempts.checked_sub(FAST_ATTEMPTS) {
        None => FAST_RETRY,
        Some(more) => FAST_RETRY.saturating_mul(1 << more.min(16)).min(SLOW_RETRY),
    }
}
