//! The nodes of the DHT that one is connected with: what they know, and how they see us.

use std::{collections::HashSet, net::SocketAddr, time::Instant};

use libp2p::{PeerId, identify, kad, swarm::ConnectionId};

use super::{Net, address, dht, quic, rendezvous::Mapping};

/// Nodes of the DHT whose connection is kept, and by that the NAT's mapping.
const MAX_NODES: usize = 8;

impl Net {
    /// The addresses at which nodes of the DHT see this program.
    pub fn external(&self) -> Vec<SocketAddr> {
        self.observed.external()
    }

    /// How the NAT chooses ports, as far as that is known.
    pub fn mapping(&self) -> Mapping {
        let mapping = self.observed.mapping();
        let own = |seen: &SocketAddr| {
            self.listen.iter().any(|listen| quic::socket_address(listen) == Some(*seen))
        };
        // One observer is enough to tell that.
        let seen = self.observed.external();
        if !seen.is_empty() && seen.iter().all(own) { Mapping::None } else { mapping }
    }

    /// Nodes of the DHT that are connected.
    pub fn dht_nodes(&self) -> u32 {
        let nodes: HashSet<_> = self.nodes.values().collect();
        u32::try_from(nodes.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn node_is_gone(&mut self, id: ConnectionId) {
        let Some(peer) = self.nodes.remove(&id) else { return };
        let stands = self.nodes.values().any(|other| *other == peer);
        if let Some(kad) = self.swarm.behaviour_mut().kad.as_mut().filter(|_| !stands) {
            // Queries would wait for it.
            kad.remove_peer(&peer);
        }
    }

    /// Another program says what it speaks, and how it sees us.
    pub(super) fn handle_identify(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        info: &identify::Info,
    ) {
        let Some((address, dialed)) = self.swarm.behaviour().links.address(id).cloned() else {
            return;
        };
        // Who dialed us by a mapped port sees another one than those whom we dial.
        if dialed
            && let Some(observer) = address::ip(&address)
            && let Some(seen) = address::socket(&info.observed_addr)
        {
            self.observed.handle(Instant::now(), observer, seen, address::is_quic(&address));
            self.seeks.touch(Instant::now());
        }
        if !info.protocols.contains(&dht::PROTOCOL) {
            return;
        }
        // QUIC dials from where it listens; of TCP only a dialed address can be dialed.
        // A client takes nobody for a node who comes by himself: he may want to be the only one.
        let dialable = dialed || (self.serves_dht && address::is_quic(&address));
        let (plain, _) = address::split_peer(address);
        let behaviour = self.swarm.behaviour_mut();
        if let Some(kad) = behaviour.kad.as_mut().filter(|_| dialable) {
            kad.add_address(&peer, plain);
            self.nodes.insert(id, peer);
            if self.nodes.len() <= MAX_NODES {
                behaviour.links.keep(id, peer);
            }
            self.seeks.touch(Instant::now());
        }
    }

    pub(super) fn handle_kad(&mut self, event: kad::Event) {
        match event {
            kad::Event::OutboundQueryProgressed { id, result, step, .. } => {
                self.handle_query(id, result, step.last);
            }
            kad::Event::InboundRequest {
                request: kad::InboundRequest::PutRecord { record: Some(record), .. },
            } => {
                if let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() {
                    dht::store(kad, record);
                }
            }
            _ => {}
        }
    }
}
