//! Who is on this LAN, by mDNS.

use std::time::Instant;

use libp2p::{
    core::transport::ListenerId,
    mdns,
    swarm::{FromSwarm, NetworkBehaviour, behaviour::NewListenAddr},
};

use super::{
    Net, address,
    dialer::{Origin, Target},
    transport,
};
use crate::node::api::Scope;

/// So many PeerIds may mDNS report before it is set up anew: libp2p-mdns keeps all of them for
/// as long as they ask. (Only then: the tasks of the old one end at the next PeerId that they
/// discover, so without a flood they would stay.)
const MAX_DISCOVERED: usize = 1024;

impl Net {
    pub(super) fn handle_mdns(&mut self, event: mdns::Event) {
        match event {
            mdns::Event::Discovered(found) => {
                let now = Instant::now();
                for (peer, address) in found {
                    let (address, _) = address::split_peer(address);
                    // Whatever mDNS says must be on the LAN: else anyone there could have us
                    // dial the world.
                    if address::is_supported(&address)
                        && address::allowed(Scope::LanOnly, &address)
                        && peer != self.peer_id()
                    {
                        self.dialer.add(now, Target::Peer(peer), Origin::Found, address);
                    }
                }
                let behaviour = self.swarm.behaviour();
                let discovered = [&behaviour.mdns4, &behaviour.mdns6].into_iter();
                let known = discovered.filter_map(|mdns| mdns.as_ref());
                if known.map(|mdns| mdns.discovered_nodes().len()).sum::<usize>() > MAX_DISCOVERED {
                    self.renew_mdns();
                }
            }
            mdns::Event::Expired(gone) => {
                for (peer, address) in gone {
                    let (address, _) = address::split_peer(address);
                    self.dialer.expired(&Target::Peer(peer), &address);
                }
            }
        }
    }

    fn renew_mdns(&mut self) {
        let peer = self.peer_id();
        let behaviour = self.swarm.behaviour_mut();
        for (mdns, ipv6) in [(&mut behaviour.mdns4, false), (&mut behaviour.mdns6, true)] {
            *mdns = transport::mdns_behaviour(peer, ipv6, true);
            for address in &self.listen {
                let listener_id = ListenerId::next();
                let event = NewListenAddr { listener_id, addr: address };
                mdns.on_swarm_event(FromSwarm::NewListenAddr(event));
            }
        }
    }
}
