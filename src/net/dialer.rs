//! Decides whom to dial and when. Pure: `now` comes in, dials come out.
//!
//! A [`Target`] is somebody who may be worth a link: a PeerId that mDNS discovered or that a
//! contact had when last seen, or an address without a PeerId (given by the user, or where a
//! contact was last). It is dialed until a link stands; a link that turns out to be with a
//! stranger is given up until who one knows changes ([`Dialer::reconsider`]).

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use libp2p::{Multiaddr, PeerId};

use super::address;

/// Targets kept. Whoever floods mDNS pushes out the oldest target that is neither linked nor
/// given by the user.
pub const MAX_TARGETS: usize = 256;

/// Addresses kept of one target; the newest stay. A machine on one LAN rarely has more.
pub const MAX_ADDRESSES: usize = 16;

/// Dials under way in total.
pub const MAX_DIALS: usize = 32;

/// Dials under way to one target: a cut link swallows one for the whole handshake timeout, and
/// the next must not wait for that.
const MAX_DIALS_PER_TARGET: u8 = 3;

/// After a QUIC dial began, TCP is tried too. On a LAN QUIC answers well within this.
const TCP_HEAD_START: Duration = Duration::from_millis(300);

/// Between the first attempts.
const FAST_RETRY: Duration = Duration::from_secs(1);

/// So many attempts are made at [`FAST_RETRY`], then the pause doubles.
const FAST_ATTEMPTS: u32 = 30;

/// The longest pause between attempts.
const SLOW_RETRY: Duration = Duration::from_secs(60);

/// A stranger at an address that the user gave is asked again, with a doubling pause from this
/// on: the other side may have been given our invite meanwhile.
const STRANGER_RETRY: Duration = Duration::from_secs(3);

/// Who may be worth a link.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// A running program, by its throwaway PeerId.
    Peer(PeerId),
    /// Whoever answers there.
    Address(Multiaddr),
}

/// Why a target is known; decides how long it is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// By mDNS, or by a link of theirs: forgotten when it can't be reached.
    Found,
    /// A contact was there: forgotten likewise, but later.
    Contact,
    /// Given by the user: never forgotten.
    User,
}

/// A dial to make now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dial {
    /// Whom.
    pub target: Target,
    /// Where: all of one transport, since libp2p's port reuse can't mix them.
    pub addresses: Vec<Multiaddr>,
}

#[derive(Debug)]
struct Candidate {
    origin: Origin,
    addresses: Vec<Multiaddr>,
    attempts: u32,
    strange: u32,
    dialing: u8,
    linked: bool,
    /// When it is due; none: not before something changes.
    due: Option<Instant>,
    added: Instant,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Dialer {
    targets: HashMap<Target, Candidate>,
}

impl Dialer {
    /// Learn of a target, or of one more address of it; it becomes due at once.
    pub fn add(&mut self, now: Instant, target: Target, origin: Origin, address: Multiaddr) {
        if !self.targets.contains_key(&target) && self.targets.len() >= MAX_TARGETS {
            let oldest = self
                .targets
                .iter()
                .filter(|(_, other)| !other.linked && other.origin != Origin::User)
                .min_by_key(|(_, other)| other.added)
                .map(|(target, _)| target.clone());
            match oldest {
                Some(oldest) => drop(self.targets.remove(&oldest)),
                None => return,
            }
        }
        let candidate = self.targets.entry(target).or_insert_with(|| Candidate {
            origin,
            addresses: Vec::new(),
            attempts: 0,
            strange: 0,
            dialing: 0,
            linked: false,
            due: Some(now),
            added: now,
        });
        candidate.origin = candidate.origin.max(origin);
        if !candidate.addresses.contains(&address) {
            candidate.addresses.push(address);
            if candidate.addresses.len() > MAX_ADDRESSES {
                candidate.addresses.remove(0);
            }
            if candidate.strange == 0 && !candidate.linked {
                candidate.due = Some(now);
            }
        }
    }

    /// mDNS no longer vouches for this address.
    pub fn expired(&mut self, target: &Target, address: &Multiaddr) {
        if let Some(candidate) = self.targets.get_mut(target) {
            candidate.addresses.retain(|other| other != address);
            if candidate.addresses.is_empty() && !candidate.linked {
                self.targets.remove(target);
            }
        }
    }

    /// A dial failed.
    pub fn failed(&mut self, target: &Target) {
        if let Some(candidate) = self.targets.get_mut(target) {
            candidate.dialing = candidate.dialing.saturating_sub(1);
            let given_up = match candidate.origin {
                Origin::Found => candidate.attempts > FAST_ATTEMPTS,
                Origin::Contact => candidate.attempts > 2 * FAST_ATTEMPTS,
                Origin::User => false,
            };
            if given_up && !candidate.linked && candidate.dialing == 0 {
                self.targets.remove(target);
            }
        }
    }

    /// A dial led to a connection.
    pub fn connected(&mut self, target: &Target) {
        if let Some(candidate) = self.targets.get_mut(target) {
            candidate.dialing = candidate.dialing.saturating_sub(1);
        }
        self.linked(target);
    }

    /// A link stands, whoever dialed; it is not known yet with whom.
    pub fn linked(&mut self, target: &Target) {
        if let Some(candidate) = self.targets.get_mut(target) {
            candidate.linked = true;
            candidate.due = None;
        }
    }

    /// The link was with a stranger, who may be asked again later.
    pub fn stranger(&mut self, now: Instant, target: &Target) {
        if let Some(candidate) = self.targets.get_mut(target) {
            candidate.linked = false;
            candidate.due = (candidate.origin == Origin::User)
                .then(|| now + STRANGER_RETRY.saturating_mul(1 << candidate.strange.min(4)));
            candidate.strange = candidate.strange.saturating_add(1);
        }
    }

    /// The link was with a contact.
    pub fn known(&mut self, target: &Target) {
        if let Some(candidate) = self.targets.get_mut(target) {
            candidate.origin = candidate.origin.max(Origin::Contact);
            candidate.strange = 0;
            candidate.attempts = 0;
        }
    }

    /// The link is gone; dial again at once.
    pub fn lost(&mut self, now: Instant, target: &Target) {
        if let Some(candidate) = self.targets.get_mut(target) {
            candidate.linked = false;
            candidate.due = Some(now);
        }
    }

    /// The target has ended for good: it said goodbye, or runs under another PeerId by now.
    pub fn forget(&mut self, target: &Target) {
        if let Some(candidate) = self.targets.get_mut(target) {
            candidate.linked = false;
            if candidate.origin == Origin::User {
                candidate.due = None;
            } else {
                self.targets.remove(target);
            }
        }
    }

    /// Who one knows, or the network, changed: everyone without a link is due at once.
    pub fn reconsider(&mut self, now: Instant) {
        for candidate in self.targets.values_mut().filter(|candidate| !candidate.linked) {
            candidate.strange = 0;
            candidate.attempts = 0;
            candidate.due = Some(now);
        }
    }

    /// Whether a dial to this target is under way or due soon.
    pub fn is_trying(&self, target: &Target) -> bool {
        self.targets.get(target).is_some_and(|candidate| {
            !candidate.linked && (candidate.dialing > 0 || candidate.due.is_some())
        })
    }

    /// When [`Self::poll_dial`] has something to say next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.dials() >= MAX_DIALS {
            return None;
        }
        let due = self.targets.values().filter(|candidate| candidate.is_ready());
        due.filter_map(|candidate| candidate.due).min()
    }

    /// The next dial to make; call until none.
    pub fn poll_dial(&mut self, now: Instant) -> Option<Dial> {
        if self.dials() >= MAX_DIALS {
            return None;
        }
        let (target, candidate) = self
            .targets
            .iter_mut()
            .filter(|(_, candidate)| candidate.is_ready())
            .find(|(_, candidate)| candidate.due.is_some_and(|due| due <= now))?;
        let addresses = candidate.attempt(now);
        Some(Dial { target: target.clone(), addresses })
    }

    fn dials(&self) -> usize {
        self.targets.values().map(|candidate| usize::from(candidate.dialing)).sum()
    }
}

impl Candidate {
    fn is_ready(&self) -> bool {
        !self.linked && self.dialing < MAX_DIALS_PER_TARGET && !self.addresses.is_empty()
    }

    /// QUIC and TCP in turn, where it has both.
    fn attempt(&mut self, now: Instant) -> Vec<Multiaddr> {
        let (quic, tcp): (Vec<_>, Vec<_>) =
            self.addresses.iter().cloned().partition(address::is_quic);
        let both = !quic.is_empty() && !tcp.is_empty();
        let turn_of_quic = self.attempts.is_multiple_of(2) || tcp.is_empty();
        let pause = if both && turn_of_quic {
            TCP_HEAD_START
        } else if self.attempts < FAST_ATTEMPTS {
            FAST_RETRY
        } else {
            FAST_RETRY.saturating_mul(1 << (self.attempts - FAST_ATTEMPTS).min(6)).min(SLOW_RETRY)
        };
        self.attempts = self.attempts.saturating_add(1);
        self.dialing += 1;
        self.due = Some(now + pause);
        if quic.is_empty() || (both && !turn_of_quic) { tcp } else { quic }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quic(port: u16) -> Multiaddr {
        format!("/ip4/127.0.0.1/udp/{port}/quic-v1").parse().unwrap()
    }

    fn tcp(port: u16) -> Multiaddr {
        format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()
    }

    fn found(dialer: &mut Dialer, now: Instant, address: Multiaddr) -> Target {
        let target = Target::Peer(PeerId::random());
        dialer.add(now, target.clone(), Origin::Found, address);
        target
    }

    #[test]
    fn quic_first_then_tcp_after_its_head_start() {
        let (mut dialer, now) = (Dialer::default(), Instant::now());
        let target = found(&mut dialer, now, tcp(1));
        dialer.add(now, target.clone(), Origin::Found, quic(2));
        assert_eq!(dialer.poll_dial(now).unwrap().addresses, [quic(2)]);
        assert_eq!(dialer.poll_dial(now), None);
        assert_eq!(dialer.poll_timeout(), Some(now + TCP_HEAD_START));
        let later = now + TCP_HEAD_START;
        assert_eq!(dialer.poll_dial(later).unwrap().addresses, [tcp(1)]);
        assert_eq!(dialer.poll_timeout(), Some(later + FAST_RETRY));
        dialer.connected(&target);
        assert_eq!(dialer.poll_timeout(), None);
    }

    #[test]
    fn a_stranger_is_left_alone_until_who_one_knows_changes() {
        let (mut dialer, now) = (Dialer::default(), Instant::now());
        let target = found(&mut dialer, now, quic(1));
        dialer.poll_dial(now).unwrap();
        dialer.connected(&target);
        dialer.stranger(now, &target);
        let later = now + Duration::from_secs(3600);
        assert_eq!(dialer.poll_dial(later), None);
        dialer.add(later, target.clone(), Origin::Found, quic(2));
        assert_eq!(dialer.poll_dial(later), None);
        dialer.reconsider(later);
        assert_eq!(dialer.poll_dial(later).unwrap().target, target);
    }

    #[test]
    fn a_stranger_at_an_address_of_the_user_is_asked_again_ever_more_seldom() {
        let (mut dialer, mut now) = (Dialer::default(), Instant::now());
        let target = Target::Address(quic(1));
        dialer.add(now, target.clone(), Origin::User, quic(1));
        for pause in [3, 6, 12, 24, 48, 48] {
            dialer.poll_dial(now).unwrap();
            dialer.connected(&target);
            dialer.stranger(now, &target);
            assert_eq!(dialer.poll_timeout(), Some(now + Duration::from_secs(pause)));
            now += Duration::from_secs(pause);
        }
    }

    #[test]
    fn a_lost_link_is_redialed_at_once_and_every_second_with_bounded_dials() {
        let (mut dialer, now) = (Dialer::default(), Instant::now());
        let target = found(&mut dialer, now, quic(1));
        dialer.poll_dial(now).unwrap();
        dialer.connected(&target);
        dialer.known(&target);
        dialer.lost(now, &target);
        for second in 0..u64::from(MAX_DIALS_PER_TARGET) {
            assert!(dialer.poll_dial(now + FAST_RETRY * u32::try_from(second).unwrap()).is_some());
        }
        let later = now + Duration::from_secs(60);
        assert_eq!(dialer.poll_dial(later), None, "three dials are under way");
        dialer.failed(&target);
        assert!(dialer.poll_dial(later).is_some());
    }

    #[test]
    fn pauses_grow_to_a_minute_and_never_beyond() {
        let (mut dialer, mut now) = (Dialer::default(), Instant::now());
        let target = Target::Address(quic(1));
        dialer.add(now, target.clone(), Origin::Contact, quic(1));
        let mut longest = Duration::ZERO;
        for _ in 0..60 {
            dialer.poll_dial(now).unwrap();
            dialer.failed(&target);
            let due = dialer.poll_timeout().unwrap();
            longest = longest.max(due - now);
            now = due;
        }
        assert_eq!(longest, SLOW_RETRY);
    }

    #[test]
    fn a_flood_of_targets_evicts_the_oldest_but_not_linked_or_given_ones() {
        let (mut dialer, now) = (Dialer::default(), Instant::now());
        let linked = found(&mut dialer, now, quic(1));
        dialer.poll_dial(now).unwrap();
        dialer.connected(&linked);
        let given = Target::Address(quic(2));
        dialer.add(now, given.clone(), Origin::User, quic(2));
        let first = found(&mut dialer, now, quic(3));
        for port in 0..2000_u16 {
            found(&mut dialer, now + Duration::from_millis(1 + u64::from(port)), quic(port));
        }
        assert_eq!(dialer.targets.len(), MAX_TARGETS);
        assert!(dialer.targets.contains_key(&linked));
        assert!(dialer.targets.contains_key(&given));
        assert!(!dialer.targets.contains_key(&first));
    }

    #[test]
    fn a_flood_of_addresses_keeps_the_newest() {
        let (mut dialer, now) = (Dialer::default(), Instant::now());
        let target = found(&mut dialer, now, quic(1));
        for port in 0..1000 {
            dialer.add(now, target.clone(), Origin::Found, quic(port));
        }
        let addresses = dialer.poll_dial(now).unwrap().addresses;
        assert_eq!(addresses.len(), MAX_ADDRESSES);
        assert_eq!(addresses.last(), Some(&quic(999)));
    }

    #[test]
    fn an_expired_or_hopeless_target_is_forgotten() {
        let (mut dialer, mut now) = (Dialer::default(), Instant::now());
        let target = found(&mut dialer, now, quic(1));
        dialer.expired(&target, &quic(1));
        assert!(dialer.targets.is_empty());
        let target = found(&mut dialer, now, quic(1));
        while let Some(due) = dialer.poll_timeout() {
            now = due;
            dialer.poll_dial(now).unwrap();
            dialer.failed(&target);
        }
        assert!(dialer.targets.is_empty());
    }
}
