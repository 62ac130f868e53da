//! How many nodes of one network a DHT is connected with. Names close to any that is looked for are
//! easily had; many networks are not: who has one gets into no look-up with more than a few nodes.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    time::Instant,
};

use libp2p::{Multiaddr, PeerId, swarm::ConnectionId};

use super::QUERY_TIMEOUT;
use crate::net::address;

/// Nodes at a time of one network: 256 addresses of IPv4, or the first 48 bits of IPv6.
const MAX_OF_A_NETWORK: usize = 4;

/// See the module's documentation: the dials, and the networks of those that came to a connection.
/// Who is only said to be in a network takes nobody's place there; who has been there keeps it for as
/// long as a look-up takes, in which it counts though its connection has ended. As many as there are
/// connections, and dials within that time. Pure.
#[derive(Default)]
pub struct Crowds(HashMap<ConnectionId, Place>);

struct Place {
    peer: PeerId,
    network: Option<IpAddr>,
    /// When its connection ended.
    over: Option<Instant>,
}

impl Crowds {
    /// A node is to be dialed: leaves of its addresses those where not too many others are.
    pub fn dials(
        &mut self,
        now: Instant,
        id: ConnectionId,
        peer: PeerId,
        addresses: &mut Vec<Multiaddr>,
    ) {
        self.0.retain(|_, place| {
            place.over.is_none_or(|over| now.saturating_duration_since(over) < QUERY_TIMEOUT)
        });
        addresses.retain(|address| !self.is_crowded(&peer, address));
        if !addresses.is_empty() {
            self.0.insert(id, Place { peer, network: None, over: None });
        }
    }

    /// Whether there is place for it, now that it shows where it is. Whom others dialed has place.
    pub fn admits(&mut self, id: ConnectionId, address: &Multiaddr) -> bool {
        let Some(peer) = self.0.get(&id).map(|place| place.peer) else { return true };
        if self.is_crowded(&peer, address) {
            return false;
        }
        self.0.retain(|_, place| place.peer != peer || place.over.is_none());
        self.0.insert(id, Place { peer, network: neighbourhood(address), over: None });
        true
    }

    /// Whether as many others as may be are in the network of this address.
    fn is_crowded(&self, peer: &PeerId, address: &Multiaddr) -> bool {
        let Some(network) = neighbourhood(address) else { return false };
        let there = self.0.values().filter(|place| place.network == Some(network));
        let others: HashSet<_> = there.map(|place| place.peer).filter(|it| it != peer).collect();
        others.len() >= MAX_OF_A_NETWORK
    }

    /// A connection is over, or came to nothing.
    pub fn over(&mut self, now: Instant, id: ConnectionId) {
        self.0.retain(|known, place| *known != id || place.network.is_some());
        if let Some(place) = self.0.get_mut(&id) {
            place.over = Some(now);
        }
    }
}

/// The network of an address; none if it is a name, or local: such are only dialed if the user has
/// named some.
fn neighbourhood(address: &Multiaddr) -> Option<IpAddr> {
    address::ip(address).filter(|ip| !address::is_local(*ip)).map(address::neighbourhood)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        format!("{text}/udp/4001/quic-v1").parse().unwrap()
    }

    fn id(n: usize) -> ConnectionId {
        ConnectionId::new_unchecked(n)
    }

    #[test]
    fn of_one_network_few_are_connected_at_a_time() {
        let (mut crowds, now) = (Crowds::default(), Instant::now());
        for (first, network) in ["/ip4/203.0.113.", "/ip6/2001:db8:0:1::"].iter().enumerate() {
            let said = address("/ip4/198.51.100.1");
            let ids = (1..100).map(|n| 1000 * first + n);
            // All are dialed at once, at an address that they do not have as well.
            for n in ids.clone() {
                let mut addresses = vec![said.clone(), address(&format!("{network}{}", n % 100))];
                crowds.dials(now, id(n), PeerId::random(), &mut addresses);
                assert_eq!(addresses.len(), 2, "nobody is connected yet");
            }
            let mut admits =
                |n: &usize| crowds.admits(id(*n), &address(&format!("{network}{}", n % 100)));
            assert_eq!(ids.clone().filter(&mut admits).count(), MAX_OF_A_NETWORK);
            ids.skip(MAX_OF_A_NETWORK).for_each(|n| crowds.over(now, id(n)));
        }
        assert_eq!(crowds.0.len(), 2 * MAX_OF_A_NETWORK);
        let peer = PeerId::random();
        let mut addresses = vec![address("/ip6/2001:db8:0:2::1"), address("/ip4/203.0.114.1")];
        crowds.dials(now, id(500), peer, &mut addresses);
        assert_eq!(addresses, [address("/ip4/203.0.114.1")], "the other network is crowded");
        let inside = address("/ip4/203.0.113.1");
        assert!(crowds.admits(id(501), &inside), "the user wants it");
        let mut local = vec![address("/ip4/192.168.1.1")];
        for n in 3000..3100 {
            crowds.dials(now, id(n), PeerId::random(), &mut local);
            assert!(crowds.admits(id(n), &local[0]));
        }
    }

    #[test]
    fn who_ends_its_connection_keeps_its_place_for_as_long_as_a_look_up_takes() {
        let (mut crowds, now) = (Crowds::default(), Instant::now());
        let inside = address("/ip4/203.0.113.1");
        let mut connects = |n: usize, peer: PeerId, now: Instant| {
            let mut addresses = vec![inside.clone()];
            crowds.dials(now, id(n), peer, &mut addresses);
            let connects = !addresses.is_empty() && crowds.admits(id(n), &inside);
            crowds.over(now, id(n));
            connects
        };
        let first = PeerId::random();
        // The same one again and again is one.
        assert!((0..100).all(|n| connects(n, first, now)));
        let others = (100..200).filter(|n| connects(*n, PeerId::random(), now)).count();
        assert_eq!(others, MAX_OF_A_NETWORK - 1);
        assert!(connects(200, first, now), "it has a place");
        assert!(connects(201, PeerId::random(), now + QUERY_TIMEOUT), "there is room again");
        assert_eq!(crowds.0.len(), 1, "what is over is forgotten");
    }
}
