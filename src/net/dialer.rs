//! Decides whom to dial and when. Pure: `now` comes in, dials come out.
//!
//! A [`Target`] is somebody who may be worth a link: a PeerId that mDNS discovered or that a
//! contact had when last seen, or an address without a PeerId (given by the user, or where a
//! contact was last). It is dialed until a link stands, and again when the link breaks. One that
//! turns out to be a stranger is left alone until who one knows changes
//! ([`Dialer::reconsider`]), or asked again ever more seldom if there was reason to expect a
//! friend there.

mod candidate;

use std::{
    cmp::Reverse,
    collections::HashMap,
    time::{Duration, Instant},
};

use libp2p::{Multiaddr, PeerId};

pub use self::candidate::Origin;

use self::candidate::{Candidate, TCP_HEAD_START};

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

/// Who may be worth a link.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// A running program, by its throwaway PeerId.
    Peer(PeerId),
    /// Whoever answers there.
    Address(Multiaddr),
}

/// A dial to make now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dial {
    /// Whom.
    pub target: Target,
    /// Where: all of one transport, since libp2p's port reuse can't mix them.
    pub addresses: Vec<Multiaddr>,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Dialer {
    targets: HashMap<Target, Candidate>,
}

impl Dialer {
    /// Learn of a target, or of one more address of it; it becomes due at once, or soon.
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
        let head_start = match target {
            Target::Peer(_) => TCP_HEAD_START,
            Target::Address(_) => Duration::ZERO,
        };
        let candidate = self.targets.entry(target).or_insert_with(|| Candidate::new(now, origin));
        candidate.add(now, origin, address, head_start);
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
            candidate.dialed();
            if candidate.is_given_up(matches!(target, Target::Peer(_))) {
                self.targets.remove(target);
            }
        }
    }

    /// A dial led to a connection.
    pub fn connected(&mut self, target: &Target) {
        self.with(target, Candidate::dialed);
        self.linked(target);
    }

    /// A link stands, whoever dialed; it is not known yet with whom.
    pub fn linked(&mut self, target: &Target) {
        self.with(target, Candidate::linked);
    }

    /// The link was with a stranger, who may be asked again later.
    pub fn stranger(&mut self, now: Instant, target: &Target) {
        self.with(target, |candidate| candidate.stranger(now));
    }

    /// This is a node of the public DHT and nobody's program: the DHT knows it now, and dials it
    /// itself for each question. From here it is dialed again when the network is another one.
    pub fn node(&mut self, target: &Target) {
        self.with(target, |candidate| candidate.is_node = true);
    }

    /// A connection with such a node is over. Most end it as soon as there is nothing to say.
    pub fn node_left(&mut self, now: Instant, target: &Target) {
        self.with(target, |candidate| candidate.node_left(now));
    }

    /// The link was with a contact.
    pub fn known(&mut self, target: &Target) {
        self.with(target, Candidate::known);
    }

    /// The link broke before it was known with whom it was; dial again when it is due.
    pub fn broken(&mut self, now: Instant, target: &Target) {
        self.with(target, |candidate| candidate.broken(now));
    }

    /// The link to a contact is gone; dial again at once.
    pub fn lost(&mut self, now: Instant, target: &Target) {
        self.with(target, |candidate| candidate.lost(now));
    }

    /// The other side has ended the link to a contact. Most likely the program ended, so that its
    /// PeerId comes back no more: one more attempt.
    pub fn left(&mut self, now: Instant, target: &Target) {
        self.lost(now, target);
        if matches!(target, Target::Peer(_)) {
            self.with(target, Candidate::try_once_more);
        }
    }

    /// The program behind this target has ended: its person runs another one by now.
    pub fn forget(&mut self, target: &Target) {
        self.targets.remove(target);
    }

    /// There is no need to dial this target: its person is online by another.
    pub fn rest(&mut self, target: &Target) {
        self.with(target, |candidate| candidate.due = None);
    }

    /// There is need again.
    pub fn resume(&mut self, now: Instant, target: &Target) {
        self.with(target, |candidate| candidate.resume(now));
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
            candidate.reconsider(now);
        }
    }

    fn with(&mut self, target: &Target, act: impl FnOnce(&mut Candidate)) {
        if let Some(candidate) = self.targets.get_mut(target) {
            act(candidate);
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
        self.targets.get(target).is_some_and(|candidate| candidate.is_trying(now))
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

#[cfg(test)]
mod tests;
