//! How many nodes of one network a DHT is connected with. Names close to any that is looked for are
//! easily had; many networks are not: who has one gets into no look-up with more than a few nodes.

use std::{collections::HashMap, net::IpAddr};

use libp2p::{Multiaddr, swarm::ConnectionId};

use crate::net::address;

/// Nodes at a time of one network: 256 addresses of IPv4, or the first 48 bits of IPv6.
const MAX_OF_A_NETWORK: usize = 4;

/// See the module's documentation: the dials, and the networks of those that are connected. Who is
/// only said to be in a network takes nobody's place there. As many as there are connections. Pure.
#[derive(Default)]
pub struct Crowds(HashMap<ConnectionId, Option<IpAddr>>);

impl Crowds {
    /// A node is to be dialed: leaves of its addresses those where not too many others are.
    pub fn dials(&mut self, id: ConnectionId, addresses: &mut Vec<Multiaddr>) {
        addresses.retain(|address| !self.is_crowded(address));
        if !addresses.is_empty() {
            self.0.insert(id, None);
        }
    }

    /// Whether there is place for it, now that it shows where it is. Whom others dialed has place.
    pub fn admits(&mut self, id: ConnectionId, address: &Multiaddr) -> bool {
        let is_crowded = self.is_crowded(address);
        match self.0.get_mut(&id) {
            Some(_) if is_crowded => false,
            Some(network) => {
                *network = neighbourhood(address);
                true
            }
            None => true,
        }
    }

    fn is_crowded(&self, address: &Multiaddr) -> bool {
        neighbourhood(address).is_some_and(|network| {
            self.0.values().filter(|other| **other == Some(network)).count() >= MAX_OF_A_NETWORK
        })
    }

    /// A connection is over, or came to nothing.
    pub fn over(&mut self, id: ConnectionId) {
        self.0.remove(&id);
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

    #[test]
    fn of_one_network_few_are_connected_at_a_time() {
        let mut crowds = Crowds::default();
        let address = |text: &str| format!("{text}/udp/4001/quic-v1").parse::<Multiaddr>().unwrap();
        let id = ConnectionId::new_unchecked;
        for (first, network) in ["/ip4/203.0.113.", "/ip6/2001:db8:0:1::"].iter().enumerate() {
            let said = address("/ip4/198.51.100.1");
            let ids = (1..100).map(|n| 1000 * first + n);
            // All are dialed at once, at an address that they do not have as well.
            for n in ids.clone() {
                let mut addresses = vec![said.clone(), address(&format!("{network}{}", n % 100))];
                crowds.dials(id(n), &mut addresses);
                assert_eq!(addresses.len(), 2, "nobody is connected yet");
            }
            let mut admits =
                |n: &usize| crowds.admits(id(*n), &address(&format!("{network}{}", n % 100)));
            assert_eq!(ids.clone().filter(&mut admits).count(), MAX_OF_A_NETWORK);
            ids.skip(MAX_OF_A_NETWORK).for_each(|n| crowds.over(id(n)));
        }
        assert_eq!(crowds.0.len(), 2 * MAX_OF_A_NETWORK);
        let mut addresses = vec![address("/ip6/2001:db8:0:2::1"), address("/ip4/203.0.114.1")];
        crowds.dials(id(500), &mut addresses);
        assert_eq!(addresses, [address("/ip4/203.0.114.1")], "the other network is crowded");
        let inside = address("/ip4/203.0.113.1");
        assert!(crowds.admits(id(501), &inside), "the user wants it");
        let mut again = vec![inside.clone()];
        crowds.dials(id(502), &mut again);
        assert_eq!(again, []);
        crowds.over(id(1));
        again.push(inside.clone());
        crowds.dials(id(502), &mut again);
        assert!(again.len() == 1 && crowds.admits(id(502), &inside), "there is room again");
        let mut local = vec![address("/ip4/192.168.1.1")];
        for n in 3000..3100 {
            crowds.dials(id(n), &mut local);
            assert!(crowds.admits(id(n), &local[0]));
        }
    }
}
