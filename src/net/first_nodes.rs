//! The nodes of DHTs to begin with where the user has named none: those that answered the time
//! before, then those of the public DHT that are always there.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use rand::seq::IteratorRandom as _;

use super::{
    Config, Net, address,
    dht::{Dht, PUBLIC_NODES},
    dialer::{Origin, Target},
};

/// Nodes of each DHT remembered for a while, of which any …
const MAX_MET: usize = 16;
/// … few are told, to begin with next time: whoever sees the same ones dialed again could guess
/// that it is the same person.
const MAX_TOLD: usize = 4;

/// So long those of the time before may take to answer; without any answer all are asked again
/// after this, doubling …
const PATIENCE: Duration = Duration::from_secs(5);
/// … up to this: the computer may have no connection to the Internet.
const SELDOM: Duration = Duration::from_secs(300);

/// See the module's documentation.
#[derive(Default)]
pub struct FirstNodes {
    /// Whether the user has left it to us.
    wanted: bool,
    /// Of the public DHT, from the time before.
    before: Vec<Multiaddr>,
    /// The public DHT was begun with.
    joined: bool,
    /// When to see whether any has answered, and after which pause again.
    due: Option<Instant>,
    pause: Duration,
    /// Those of each DHT that answer now, the last first.
    met: [VecDeque<Multiaddr>; 2],
}

impl FirstNodes {
    pub fn new(config: &Config) -> Self {
        let wanted = config.public_dht && config.bootstrap.is_empty();
        Self { wanted, ..Self::default() }
    }

    /// When [`Net::first_nodes_due`] is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    pub fn note(&mut self, dht: Dht, peer: PeerId, address: &Multiaddr) {
        let met = &mut self.met[dht as usize];
        let address = match dht {
            Dht::Own => address.clone(),
            Dht::Public => address.clone().with(Protocol::P2p(peer)),
        };
        met.retain(|known| *known != address);
        met.push_front(address);
        met.truncate(MAX_MET);
    }
}

impl Net {
    /// Nodes that were met before, as [`Self::met`] told them.
    pub fn met_before(&mut self, nodes: &[String]) {
        if !self.first_nodes.wanted {
            return;
        }
        for node in nodes.iter().filter_map(|node| node.parse::<Multiaddr>().ok()) {
            match address::split_peer(node.clone()) {
                (_, Some(_)) => self.first_nodes.before.push(node),
                (plain, None) if address::is_supported(&plain) => {
                    let target = Target::Address(plain.clone());
                    self.dialer.add(Instant::now(), target, Origin::Found, plain);
                }
                _ => {}
            }
        }
    }

    /// Some of the nodes that answered: those of the public DHT with their PeerId, ours, which have
    /// another one at each start, without.
    pub fn met(&self) -> Vec<String> {
        let met = self.first_nodes.met.iter();
        let some = met.flat_map(|met| met.iter().sample(&mut rand::rng(), MAX_TOLD));
        some.map(ToString::to_string).collect()
    }

    /// Begins with the public DHT, unless there is none, or that was done.
    pub fn join_public_dht(&mut self) {
        let first = &mut self.first_nodes;
        if !first.wanted || std::mem::replace(&mut first.joined, true) {
            return;
        }
        let before = std::mem::take(&mut first.before);
        let now = Instant::now();
        first.pause = PATIENCE;
        first.due = Some(if before.is_empty() { now } else { now + PATIENCE });
        self.add_public_nodes(before);
        self.first_nodes_due(now);
    }

    /// The network is another one: nodes are asked anew.
    pub(super) fn join_again(&mut self, now: Instant) {
        let first = &mut self.first_nodes;
        if first.joined {
            first.pause = PATIENCE;
            first.due = Some(now + PATIENCE);
        }
    }

    /// Asks those that are always there, if no other answers.
    pub(super) fn first_nodes_due(&mut self, now: Instant) {
        let due = self.first_nodes.due.take_if(|due| *due <= now).is_some();
        if !due || !self.connected(Dht::Public).is_empty() {
            return;
        }
        self.add_public_nodes(PUBLIC_NODES.into_iter().filter_map(|node| node.parse().ok()));
        if let Some(dht) = self.dht_mut(Dht::Public) {
            // It has nodes now; adding known ones alone would ask none.
            let _ = dht.bootstrap();
        }
        let first = &mut self.first_nodes;
        first.due = Some(now + first.pause);
        first.pause = (2 * first.pause).min(SELDOM);
    }

    fn add_public_nodes(&mut self, nodes: impl IntoIterator<Item = Multiaddr>) {
        let Some(dht) = self.dht_mut(Dht::Public) else { return };
        for node in nodes {
            if let (_, Some(peer)) = address::split_peer(node.clone()) {
                dht.add_node(&peer, node);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_were_met_are_bounded_and_ours_have_no_peer_id() {
        let mut first = FirstNodes::default();
        let peer = PeerId::random();
        for port in 0..100 {
            let address = format!("/ip4/203.0.113.1/udp/{port}/quic-v1").parse().unwrap();
            first.note(Dht::Own, peer, &address);
            first.note(Dht::Public, peer, &address);
        }
        let [own, public] = first.met;
        assert_eq!((own.len(), public.len()), (MAX_MET, MAX_MET));
        assert_eq!(own[0].to_string(), "/ip4/203.0.113.1/udp/99/quic-v1");
        assert_eq!(public[0].to_string(), format!("{}/p2p/{peer}", own[0]));
    }
}
