//! The nodes of the DHT that one is connected with: what they know, and how they see us.

use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use libp2p::{Multiaddr, PeerId, identify, kad, swarm::ConnectionId};

use super::{
    Net, address,
    dht::{self, Dht},
    filtering::Filtering,
    links,
    portmap::{Mapped, PortMap, State},
    quic,
    rendezvous::Mapping,
    serving::ServeDht,
    standing::Who,
    ways_in::WaysIn,
};

/// Nodes of each DHT whose connection is kept, and by that the NAT's mapping.
const MAX_NODES: [usize; 2] = [8, 4];

/// Of those who come by themselves and say that they are nodes, so many are believed of one network
/// ([`address::neighbourhood`]): nobody has asked them, and they would be told to everybody.
const MAX_CAME: usize = 2;

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

    /// Whom the NAT lets in, as far as that was seen.
    pub fn filtering(&self) -> Filtering {
        self.observed.filtering()
    }

    /// What the router maps, as far as nodes of the DHT do not see another address: then there
    /// is one more NAT behind it, or it lies. A pinhole is at an address of this machine itself.
    pub fn mapped(&self) -> Mapped {
        let mapped = self.portmap.as_ref().map(PortMap::mapped).unwrap_or_default();
        let seen: Vec<_> =
            self.observed.external().into_iter().chain(self.observed.tcp()).collect();
        let unseen = |outside: SocketAddr| seen.iter().all(|seen| seen.ip() != outside.ip());
        let WaysIn { mapped: udp, mapped_tcp: tcp, .. } = mapped.ways_in;
        if !udp.into_iter().chain(tcp).any(unseen) {
            return mapped;
        }
        // Without an observer it may be right, but friends would be sent there.
        let anybody = seen.iter().any(SocketAddr::is_ipv4);
        let state = if anybody { State::BehindAnother } else { mapped.state };
        let ways_in = WaysIn { mapped: None, mapped_tcp: None, ..mapped.ways_in };
        Mapped { state, ways_in, ..mapped }
    }

    /// Nodes of a DHT that are connected.
    pub fn dht_nodes(&self, dht: Dht) -> u32 {
        u32::try_from(self.connected(dht).len()).unwrap_or(u32::MAX)
    }

    pub(super) fn connected(&self, dht: Dht) -> HashSet<PeerId> {
        let nodes = self.nodes.iter().filter(|((_, of), _)| *of == dht);
        nodes.map(|(_, peer)| *peer).collect()
    }

    /// Somebody has come in, and shown that he is there. What that shows of the NAT.
    pub(super) fn came_from(&mut self, from: SocketAddr) -> Filtering {
        let shown = self.sockets.show(from);
        // He is answered.
        self.sockets.sent(from);
        let is_outside = self.external().iter().all(|own| own.ip() != from.ip());
        // Who is behind the same NAT does not come through it.
        if !is_outside || self.shows_from > Instant::now() {
            return Filtering::Unknown;
        }
        // At a port that the router maps everybody comes in: that says nothing of the others.
        if matches!(self.mapped().state, State::NotAsked | State::None) {
            self.observed.shows(shown);
        }
        shown
    }

    /// Whether a DHT has nodes that can be asked.
    pub(super) fn has_nodes(&mut self, dht: Dht) -> bool {
        match dht {
            // They stay connected, and are few.
            Dht::Own => self.nodes.keys().any(|(_, of)| *of == dht),
            Dht::Public => self.dht_mut(dht).is_some_and(dht::Behaviour::knows_nodes),
        }
    }

    pub(super) fn dht(&self, dht: Dht) -> Option<&dht::Behaviour> {
        let behaviour = self.swarm.behaviour();
        match dht {
            Dht::Own => behaviour.own_dht.as_ref(),
            Dht::Public => behaviour.public_dht.as_ref(),
        }
    }

    pub(super) fn dht_mut(&mut self, dht: Dht) -> Option<&mut dht::Behaviour> {
        let behaviour = self.swarm.behaviour_mut();
        match dht {
            Dht::Own => behaviour.own_dht.as_mut(),
            Dht::Public => behaviour.public_dht.as_mut(),
        }
    }

    /// The user has named nodes within the local network.
    pub(super) fn local_nodes(&mut self) {
        for dht in Dht::ALL {
            if let Some(dht) = self.dht_mut(dht) {
                dht.is_local = true;
            }
        }
    }

    fn quic_works(&mut self) {
        for dht in Dht::ALL {
            if let Some(dht) = self.dht_mut(dht) {
                dht.quic_works = true;
            }
        }
    }

    pub(super) fn node_is_gone(&mut self, id: ConnectionId) {
        self.nodes.remove(&(id, Dht::Public));
        self.own_node_is_gone(id);
    }

    /// This connection leads to a node of the own DHT no more.
    pub(super) fn own_node_is_gone(&mut self, id: ConnectionId) {
        let Some(peer) = self.nodes.remove(&(id, Dht::Own)) else { return };
        if !self.connected(Dht::Own).contains(&peer)
            && let Some(kad) = self.dht_mut(Dht::Own)
        {
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
        let outside = address::ip(&address).is_some_and(|ip| !address::is_local(ip));
        if dialed && outside && address::is_quic(&address) {
            self.quic_works();
        }
        // QUIC dials from where it listens; of TCP only a dialed address can be dialed.
        // A client takes nobody for a node who comes by himself, or was dialed for other reasons:
        // he may want to be the only one.
        let standing = self.standing.get(&id);
        let sought = standing.is_some_and(|standing| standing.may_be_node);
        let is_friend = standing.is_some_and(|standing| standing.who == Who::Known);
        if standing.is_some_and(|standing| standing.unasked) {
            self.reached_at(address::socket(&info.observed_addr));
        }
        let comes = self.serves_dht && !dialed && !is_friend && address::is_quic(&address);
        let (plain, _) = address::split_peer(address);
        // Ours must stay connected to be asked; those of the public DHT are known to it from now on.
        let of_ours = [links::PROTOCOL, Dht::Own.protocol()];
        let is_ours = of_ours.iter().any(|protocol| info.protocols.contains(protocol));
        let is_public = info.protocols.contains(&Dht::Public.protocol());
        if let Some(standing) = self.standing.get_mut(&id)
            && standing.who == Who::Unknown
            && (sought && is_public && !is_ours)
        {
            standing.who = Who::Node;
            for target in &standing.targets {
                self.dialer.node(target);
            }
        }
        for dht in Dht::ALL {
            let speaks = info.protocols.contains(&dht.protocol());
            let dialable = sought || (comes && self.has_place(dht, &peer, &plain));
            if !speaks && dht == Dht::Own && self.nodes.contains_key(&(id, dht)) {
                // It serves no more, and would take word that it does not keep.
                self.own_node_is_gone(id);
                // Who came by himself stays, as a client.
                if dialed && !is_friend {
                    self.swarm.close_connection(id);
                }
            }
            if let Some(kad) = self.dht_mut(dht).filter(|_| speaks && dialable) {
                kad.add_node(&peer, plain.clone());
                if dialed {
                    self.first_nodes.note(dht, peer, &plain);
                }
                self.nodes.insert((id, dht), peer);
                if self.connected(dht).len() <= MAX_NODES[dht as usize] {
                    self.swarm.behaviour_mut().links.keep(id, peer);
                }
                self.seeks.touch(Instant::now());
            }
        }
        self.serve_if_reachable();
    }

    /// Whether one who came by itself from there can be one of the nodes.
    fn has_place(&self, dht: Dht, peer: &PeerId, from: &Multiaddr) -> bool {
        let network = |address| {
            let is_inside = |ip: &IpAddr| match ip {
                IpAddr::V4(ip) if address::is_shared(*ip) => true,
                ip => address::is_local(*ip),
            };
            let outside = address::ip(address).filter(|ip| !is_inside(ip));
            outside.map(address::neighbourhood)
        };
        let links = &self.swarm.behaviour().links;
        let came_from_there = |id| {
            let came = links.address(id).filter(|(_, dialed)| !dialed);
            came.is_some_and(|(other, _)| network(other) == network(from))
        };
        let nodes = self.nodes.iter().filter(|((_, of), other)| *of == dht && *other != peer);
        let others: HashSet<_> =
            nodes.filter(|((id, _), _)| came_from_there(*id)).map(|(_, other)| other).collect();
        if network(from).is_some() {
            return others.len() < MAX_CAME;
        }
        // Strangers are told of all nodes: of the user's own network only if that was wanted.
        self.serve_dht == ServeDht::Always || self.dht(dht).is_some_and(|dht| dht.is_local)
    }

    pub(super) fn handle_kad(&mut self, dht: Dht, event: kad::Event) {
        match event {
            kad::Event::OutboundQueryProgressed { id, result, step, .. } => {
                self.handle_query(dht, id, result, step.last);
            }
            kad::Event::InboundRequest {
                request: kad::InboundRequest::PutRecord { record: Some(record), connection, .. },
            } => {
                let address = self.swarm.behaviour().links.address(connection);
                let ip = address.and_then(|(address, _)| address::ip(address));
                if let Some((kad, ip)) = self.dht_mut(dht).zip(ip) {
                    kad.store(record, address::site(ip));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use libp2p::{
        core::{Endpoint, transport::PortUse},
        identity::Keypair,
        swarm::NetworkBehaviour as _,
    };

    use super::*;
    use crate::{
        net::{Config, standing::Standing},
        node::api::Scope,
    };

    /// A network that nobody is in; it is never polled, so that no packet leaves.
    fn net(serve_dht: ServeDht) -> Net {
        let listen: Vec<Multiaddr> = vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap()];
        let scope = Scope::Everywhere;
        Net::start(&Config { scope, listen, serve_dht, ..Config::default() }).unwrap()
    }

    /// Somebody connects who says that he serves the own DHT.
    fn node_connects(
        net: &mut Net,
        n: usize,
        address: &str,
        dialed: bool,
    ) -> (ConnectionId, identify::Info) {
        let (id, key) = (ConnectionId::new_unchecked(n), Keypair::generate_ed25519());
        let (peer, at): (_, Multiaddr) = (key.public().to_peer_id(), address.parse().unwrap());
        let links = &mut net.swarm.behaviour_mut().links;
        let handler = if dialed {
            let role = Endpoint::Dialer;
            links.handle_established_outbound_connection(id, peer, &at, role, PortUse::Reuse)
        } else {
            links.handle_established_inbound_connection(id, peer, &at, &at)
        };
        assert!(handler.is_ok());
        let standing = Standing {
            peer,
            targets: Vec::new(),
            opened: true,
            may_be_node: dialed,
            unasked: false,
            hails: 0,
            who: Who::Unknown,
        };
        net.standing.insert(id, standing);
        let info = identify::Info {
            public_key: key.public(),
            protocol_version: String::new(),
            agent_version: String::new(),
            listen_addrs: Vec::new(),
            protocols: vec![Dht::Own.protocol()],
            observed_addr: at,
            signed_peer_record: None,
        };
        // Whoever says it again has its place.
        (0..2).for_each(|_| net.handle_identify(id, peer, &info));
        (id, info)
    }

    #[tokio::test]
    async fn of_those_who_come_by_themselves_few_of_one_network_are_nodes() {
        let mut net = net(ServeDht::Always);
        let mut comes = |n: usize, ip: &str| {
            let before = net.connected(Dht::Own).len();
            node_connects(&mut net, n, &format!("/{ip}/udp/4001/quic-v1"), false);
            net.connected(Dht::Own).len() > before
        };
        for (first, of) in [(0, "ip4/203.0.113."), (100, "ip6/2001:db8::")] {
            let are_nodes = (1..5).filter(|n| comes(first + n, &format!("{of}{n}"))).count();
            assert_eq!(are_nodes, MAX_CAME);
        }
        assert!(comes(200, "ip4/203.0.112.1"), "another network");
        assert!((300..305).all(|n| comes(n, "ip4/192.168.1.1")), "the user's own");
    }

    #[tokio::test]
    async fn strangers_are_not_told_of_nodes_in_the_own_network_unless_it_is_wanted() {
        let mut net = net(ServeDht::WhenReachable);
        net.serve(true);
        let came = |net: &mut Net, n| {
            for (n, ip) in [(n, "192.168.1.1"), (n + 1, "100.64.1.1")] {
                node_connects(net, n, &format!("/ip4/{ip}/udp/4001/quic-v1"), false);
            }
            net.connected(Dht::Own).len()
        };
        assert_eq!(came(&mut net, 1), 0);
        net.local_nodes();
        assert_eq!(came(&mut net, 3), 2);
    }

    #[tokio::test]
    async fn who_serves_no_more_is_no_node_any_more() {
        let mut net = net(ServeDht::Never);
        let (id, mut info) = node_connects(&mut net, 1, "/ip4/203.0.113.1/udp/4001/quic-v1", true);
        assert!(net.has_nodes(Dht::Own));
        info.protocols.clear();
        net.handle_identify(id, info.public_key.to_peer_id(), &info);
        assert!(!net.has_nodes(Dht::Own));
    }

    #[tokio::test]
    async fn a_friend_who_comes_is_not_asked_as_a_node() {
        let mut net = net(ServeDht::Always);
        let at = "/ip4/203.0.113.1/udp/4001/quic-v1";
        let (id, info) = node_connects(&mut net, 1, at, false);
        assert!(net.has_nodes(Dht::Own));
        net.known(id, &at.parse().unwrap(), false);
        assert!(!net.has_nodes(Dht::Own));
        net.handle_identify(id, info.public_key.to_peer_id(), &info);
        assert!(!net.has_nodes(Dht::Own));
    }
}
