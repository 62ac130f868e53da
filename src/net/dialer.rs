//! Decides whom to dial and when. Pure: `now` comes in, dials come out.
//!
//! A [`Target`] is somebody who may be worth a link: a PeerId that mDNS discovered or that a
//! contact had when last seen, or an address without a PeerId (given by the user, or where a
//! contact was last). It is dialed until a link stands, and again when the link breaks. One that
//! turns out to be a stranger is left alone until who one knows changes
//! ([`Dialer::reconsider`]), or asked again ever more seldom if there was reason to expect a
//! friend there.

use std::{
    cmp::Reverse,
    collections::HashMap,
    time::{Duration, Instant},
};

use libp2p::{Multiaddr, PeerId};

use super::address;

/// Targets kept. Whoever floods mDNS pushes out the oldest of what mDNS found, and nothing else
/// before that.
pub const MAX_TARGETS: usize = 256;

/// Addresses kept of one target; the newest stay. A machine on one LAN rarely has more.
pub const MAX_ADDRESSES: usize = 16;

/// Dials under way in total.
pub const MAX_DIALS: usize = 32;

/// Of these, for targets that mDNS found: the rest stays free for contacts.
const MAX_DIALS_FOUND: usize = 24;

/// Dials under way to one target: a cut link swallows one for the whole handshake timeout, and
/// the next must not wait for that.
const MAX_DIALS_PER_TARGET: u8 = 3;

/// After a QUIC dial began, TCP is tried too. On a LAN QUIC answers well within this.
const TCP_HEAD_START: Duration = Duration::from_millis(300);

/// Between the first attempts.
const FAST_RETRY: Duration = Duration::from_secs(1);

/// So many attempts are made at [`FAST_RETRY`], then the pause doubles.
const FAST_ATTEMPTS: u32 = 30;

/// A PeerId of a contact is forgotten after so many: some eight minutes. Whoever comes back has
/// another one.
const LAST_ATTEMPT: u32 = FAST_ATTEMPTS + 8;

/// The longest pause between attempts: someone at a fixed address is found within it, and ten of
/// them that are gone cost less than 200 bytes a second.
const SLOW_RETRY: Duration = Duration::from_secs(300);

/// After so many attempts the rest are not told of: somebody who is not there is offline.
const TOLD_ATTEMPTS: u32 = 6;

/// A dial that is due within this counts as being tried.
const SOON: Duration = Duration::from_secs(2);

/// A stranger where a friend was expected is asked again, with a doubling pause from this on: the
/// other side may have been given our invite meanwhile.
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
    /// A contact was there. An address stays; a PeerId is forgotten when it can't be reached.
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
    /// It is a node of the public DHT and nobody's program.
    is_node: bool,
    /// Who one knows changed while the link was being made.
    again: bool,
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
                .min_by_key(|(_, other)| (other.origin, other.added))
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
            is_node: false,
            again: false,
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
                Origin::Contact => {
                    candidate.attempts > LAST_ATTEMPT && matches!(target, Target::Peer(_))
                }
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
            candidate.due = if std::mem::take(&mut candidate.again) {
                Some(now)
            } else if candidate.origin == Origin::Found {
                None
            } else {
                Some(now + STRANGER_RETRY.saturating_mul(1 << candidate.strange.min(4)))
            };
            candidate.strange = candidate.strange.saturating_add(1);
        }
    }

    /// This is a node of the public DHT and nobody's program: the DHT knows it now, and dials it
    /// itself for each question. From here it is dialed again when the network is another one.
    pub fn node(&mut self, target: &Target) {
        if let Some(candidate) = self.targets.get_mut(target) {
            candidate.is_node = true;
        }
    }

    /// A connection with such a node is over. Most end it as soon as there is nothing to say.
    pub fn node_left(&mut self, now: Instant, target: &Target) {
        if let Some(candidate) = self.targets.get_mut(target) {
            candidate.linked = false;
            candidate.due = std::mem::take(&mut candidate.again).then_some(now);
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

    /// The link broke before it was known with whom it was; dial again when it is due.
    pub fn broken(&mut self, now: Instant, target: &Target) {
        if let Some(candidate) = self.targets.get_mut(target) {
            candidate.linked = false;
            candidate.due = Some(now + pause(candidate.attempts));
        }
    }

    /// The link to a contact is gone; dial again at once.
    pub fn lost(&mut self, now: Instant, target: &Target) {
        if let Some(candidate) = self.targets.get_mut(target) {
            candidate.linked = false;
            candidate.due = Some(now);
        }
    }

    /// The other side has ended the link to a contact. Most likely the program ended, so that its
    /// PeerId comes back no more: one more attempt.
    pub fn left(&mut self, now: Instant, target: &Target) {
        self.lost(now, target);
        if let (Target::Peer(_), Some(candidate)) = (target, self.targets.get_mut(target)) {
            candidate.attempts = LAST_ATTEMPT;
        }
    }

    /// The program behind this target has ended: its person runs another one by now.
    pub fn forget(&mut self, target: &Target) {
        self.targets.remove(target);
    }

    /// There is no need to dial this target: its person is online by another.
    pub fn rest(&mut self, target: &Target) {
        if let Some(candidate) = self.targets.get_mut(target) {
            candidate.due = None;
        }
    }

    /// There is need again.
    pub fn resume(&mut self, now: Instant, target: &Target) {
        if let Some(candidate) = self.targets.get_mut(target)
            && !candidate.linked
        {
            candidate.attempts = 0;
            candidate.due = Some(now);
        }
    }

    /// The network is another one: everyone without a link is due at once.
    pub fn network_changed(&mut self, now: Instant) {
        for candidate in self.targets.values_mut() {
            candidate.is_node = false;
        }
        self.reconsider(now);
    }

    /// Who one knows changed: everyone without a link who may be somebody is due at once.
    pub fn reconsider(&mut self, now: Instant) {
        for candidate in self.targets.values_mut().filter(|candidate| !candidate.is_node) {
            candidate.strange = 0;
            candidate.attempts = 0;
            candidate.again = candidate.linked;
            // A dial under way may be that which succeeds, if another one is to follow it.
            let follows = candidate.dialing > 0 && candidate.due.is_some();
            if !candidate.linked && !follows {
                candidate.due = Some(now);
            }
        }
    }

    /// Whether this was given as a node of a DHT, by the user or from the time before: not what mDNS
    /// found, nor where a contact was.
    pub fn may_be_node(&self, target: &Target) -> bool {
        self.targets.get(target).is_some_and(|candidate| match candidate.origin {
            Origin::User => true,
            Origin::Found => matches!(target, Target::Address(_)),
            Origin::Contact => false,
        })
    }

    /// Whether a dial to this target is under way or due soon.
    pub fn is_trying(&self, now: Instant, target: &Target) -> bool {
        self.targets.get(target).is_some_and(|candidate| {
            let soon = candidate.due.is_some_and(|due| due <= now + SOON);
            let told = candidate.attempts <= TOLD_ATTEMPTS;
            told && !candidate.linked && (candidate.dialing > 0 || soon)
        })
    }

    /// When [`Self::poll_dial`] has something to say next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let least = self.least_origin()?;
        let ready = self.targets.values().filter(|candidate| candidate.is_ready(least));
        ready.filter_map(|candidate| candidate.due).min()
    }

    /// The next dial to make; call until none. Contacts come before what mDNS found.
    pub fn poll_dial(&mut self, now: Instant) -> Option<Dial> {
        let least = self.least_origin()?;
        let (target, candidate) = self
            .targets
            .iter_mut()
            .filter(|(_, candidate)| candidate.is_ready(least))
            .filter(|(_, candidate)| candidate.due.is_some_and(|due| due <= now))
            .min_by_key(|(_, candidate)| (Reverse(candidate.origin), candidate.due))?;
        let addresses = candidate.attempt(now);
        Some(Dial { target: target.clone(), addresses })
    }

    /// Of which origin a target must be to be dialed now; none: enough dials are under way.
    fn least_origin(&self) -> Option<Origin> {
        match self.dials() {
            MAX_DIALS.. => None,
            MAX_DIALS_FOUND.. => Some(Origin::Contact),
            _ => Some(Origin::Found),
        }
    }

    fn dials(&self) -> usize {
        self.targets.values().map(|candidate| usize::from(candidate.dialing)).sum()
    }
}

impl Candidate {
    fn is_ready(&self, least: Origin) -> bool {
        !self.linked
            && self.origin >= least
            && self.dialing < MAX_DIALS_PER_TARGET
            && !self.addresses.is_empty()
    }

    /// QUIC and TCP in turn, where it has both.
    fn attempt(&mut self, now: Instant) -> Vec<Multiaddr> {
        let (quic, tcp): (Vec<_>, Vec<_>) =
            self.addresses.iter().cloned().partition(address::is_quic);
        let both = !quic.is_empty() && !tcp.is_empty();
        let turn_of_quic = self.attempts.is_multiple_of(2) || tcp.is_empty();
        let pause = if both && turn_of_quic { TCP_HEAD_START } else { pause(self.attempts) };
        self.attempts = self.attempts.saturating_add(1);
        self.dialing += 1;
        self.due = Some(now + pause);
        if quic.is_empty() || (both && !turn_of_quic) { tcp } else { quic }
    }
}

/// How long to wait after so many attempts.
fn pause(attempts: u32) -> Duration {
    match attempts.checked_sub(FAST_ATTEMPTS) {
        None => FAST_RETRY,
        Some(more) => FAST_RETRY.saturating_mul(1 << more.min(16)).min(SLOW_RETRY),
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

    /// One that was found, dialed and reached.
    fn connected(dialer: &mut Dialer, now: Instant) -> Target {
        let target = found(dialer, now, quic(1));
        dialer.poll_dial(now).unwrap();
        dialer.connected(&target);
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
        let target = connected(&mut dialer, now);
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
        let target = connected(&mut dialer, now);
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
    fn pauses_grow_to_five_minutes_and_never_beyond_and_an_address_of_a_contact_stays() {
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
    fn a_node_is_dialed_again_when_the_network_is_another_one_and_not_before() {
        let (mut dialer, now) = (Dialer::default(), Instant::now());
        let node = Target::Peer(PeerId::random());
        dialer.add(now, node.clone(), Origin::User, quic(1));
        for _ in 0..3 {
            dialer.poll_dial(now).unwrap();
            dialer.connected(&node);
            dialer.node(&node);
            dialer.reconsider(now);
            dialer.node_left(now, &node);
            dialer.reconsider(now);
            assert_eq!(dialer.poll_timeout(), None, "who one knows is nothing to a node");
            dialer.network_changed(now);
        }
        // While it is connected, as soon as that ends.
        dialer.poll_dial(now).unwrap();
        dialer.connected(&node);
        dialer.node(&node);
        dialer.network_changed(now);
        assert_eq!(dialer.poll_timeout(), None);
        dialer.node_left(now, &node);
        assert_eq!(dialer.poll_dial(now).unwrap().target, node);
        dialer.failed(&node);
        assert!(dialer.poll_timeout().is_some(), "until it is reached");
    }

    #[test]
    fn a_friend_who_could_not_be_heard_is_no_stranger_and_is_dialed_again() {
        let (mut dialer, now) = (Dialer::default(), Instant::now());
        let target = connected(&mut dialer, now);
        dialer.broken(now, &target);
        assert_eq!(dialer.poll_timeout(), Some(now + FAST_RETRY));
    }

    #[test]
    fn a_hail_that_began_before_an_invite_was_accepted_is_made_again() {
        let (mut dialer, now) = (Dialer::default(), Instant::now());
        let target = connected(&mut dialer, now);
        dialer.reconsider(now);
        dialer.stranger(now, &target);
        assert_eq!(dialer.poll_dial(now).unwrap().target, target);
    }

    #[test]
    fn a_stranger_is_asked_again_though_a_dial_is_still_under_way() {
        let (mut dialer, now) = (Dialer::default(), Instant::now());
        let target = found(&mut dialer, now, quic(1));
        dialer.poll_dial(now).unwrap();
        // They dialed too, and were nobody one knows.
        dialer.linked(&target);
        dialer.stranger(now, &target);
        dialer.reconsider(now);
        assert_eq!(dialer.poll_dial(now).unwrap().target, target);
        // One that is to be followed by another is left to itself.
        dialer.reconsider(now);
        assert_eq!(dialer.poll_dial(now), None);
        assert!(dialer.poll_timeout().is_some());
    }

    #[test]
    fn who_is_online_by_another_target_is_not_dialed_until_that_ends() {
        let (mut dialer, now) = (Dialer::default(), Instant::now());
        let target = Target::Address(quic(1));
        dialer.add(now, target.clone(), Origin::Contact, quic(1));
        dialer.rest(&target);
        assert_eq!(dialer.poll_dial(now + Duration::from_secs(3600)), None);
        assert!(!dialer.is_trying(now, &target));
        dialer.resume(now, &target);
        assert!(dialer.is_trying(now, &target));
        assert!(dialer.poll_dial(now).is_some());
    }

    #[test]
    fn what_mdns_found_can_not_take_the_last_dials_from_contacts() {
        let (mut dialer, now) = (Dialer::default(), Instant::now());
        for port in 0..200 {
            found(&mut dialer, now, quic(port));
        }
        let contact = Target::Address(quic(1000));
        let later = now + Duration::from_millis(1);
        while dialer.poll_dial(now).is_some() {}
        dialer.add(later, contact.clone(), Origin::Contact, quic(1000));
        assert_eq!(dialer.poll_dial(later).unwrap().target, contact);
        assert!(dialer.dials() <= MAX_DIALS);
    }

    #[test]
    fn a_flood_of_targets_evicts_the_oldest_but_not_linked_or_given_ones() {
        let (mut dialer, now) = (Dialer::default(), Instant::now());
        let linked = connected(&mut dialer, now);
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
    fn whose_program_has_ended_is_tried_once_more() {
        let (mut dialer, now) = (Dialer::default(), Instant::now());
        let target = Target::Peer(PeerId::random());
        dialer.add(now, target.clone(), Origin::Contact, quic(1));
        dialer.poll_dial(now).unwrap();
        dialer.connected(&target);
        dialer.known(&target);
        dialer.left(now, &target);
        assert!(dialer.poll_dial(now).is_some());
        assert!(!dialer.is_trying(now, &target));
        dialer.failed(&target);
        assert!(dialer.targets.is_empty());
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
