//! Whether this program serves the project's own DHT, and which friends do. The own DHT lives by
//! those whom everybody can reach: they keep the others' sealed records.

use std::{net::SocketAddr, time::Instant};

use clap::ValueEnum;
use libp2p::swarm::ConnectionId;
use serde::Deserialize;

use super::{
    Net, address,
    dht::{self, Dht},
    filtering::Filtering,
    portmap::State,
    rendezvous::Mapping,
    standing::Who,
};

/// When this program serves the project's own DHT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServeDht {
    /// Never.
    Never,
    /// From when somebody was seen to come in to whom nothing was sent, until the network changes.
    #[default]
    WhenReachable,
    /// From the start.
    Always,
}

impl Net {
    /// Whether this program serves the project's own DHT now.
    pub fn serves_dht(&self) -> bool {
        self.serves_dht
    }

    /// Somebody has come in, and shown that he is there.
    pub(super) fn came_from(&mut self, from: SocketAddr) {
        let shown = self.sockets.show(from);
        // He is answered.
        self.sockets.sent(from);
        let external = self.external();
        // Who is behind the same NAT does not come through it.
        if self.shows_from > Instant::now() || external.iter().any(|own| own.ip() == from.ip()) {
            return;
        }
        let mapped = self.mapped();
        // At a port that the router maps everybody comes in: that says nothing of the others. But
        // it may be the one that others see.
        let is_mapped = !matches!(mapped.state, State::NotAsked | State::None);
        if !is_mapped {
            self.observed.shows(shown);
        }
        let seen = |mapped: &SocketAddr| external.contains(mapped);
        if shown == Filtering::EndpointIndependent
            && (!is_mapped || mapped.ways_in.mapped.as_ref().is_some_and(seen))
        {
            self.observed.reached();
            self.serve_if_reachable();
        }
    }

    /// Serves the own DHT once others are known to reach this program where its nodes see it. (They
    /// tell each other that address, so it must be the same for all of them. By IPv6 alone half of
    /// them could not come.)
    pub(super) fn serve_if_reachable(&mut self) {
        let same_for_all = matches!(self.mapping(), Mapping::None | Mapping::Independent);
        if self.serve_dht == ServeDht::WhenReachable && self.observed.is_reached() && same_for_all {
            self.serve(true);
        }
    }

    pub(super) fn serve(&mut self, serve: bool) {
        if self.serves_dht == serve || self.dht(Dht::Own).is_none() {
            return;
        }
        tracing::info!(serve, "the own DHT");
        self.serves_dht = serve;
        self.swarm.behaviour_mut().ping = serve.then(dht::ping).into();
        if let Some(own) = self.dht_mut(Dht::Own) {
            own.serve(serve);
        }
    }

    /// Friends who serve the own DHT are nodes like those that one was told of; but only at an
    /// address where everybody reaches them, next time too. (QUIC dials from where it listens.)
    pub(super) fn friend_may_serve(&mut self, id: ConnectionId) {
        let Some(standing) = self.standing.get(&id) else { return };
        let (peer, is_friend) = (standing.peer, standing.who == Who::Known && standing.serves_dht);
        let links = &self.swarm.behaviour().links;
        let Some((address, _)) = links.address(id).filter(|_| is_friend).cloned() else {
            return;
        };
        let (address, _) = address::split_peer(address);
        let is_outside = address::ip(&address).is_some_and(|ip| !address::is_local(ip));
        if is_outside && address::is_quic(&address) {
            self.is_node(Dht::Own, id, peer, &address, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use libp2p::{
        core::{Endpoint, transport::PortUse},
        identify,
        identity::Keypair,
        swarm::NetworkBehaviour as _,
    };

    use super::*;
    use crate::{
        net::{Config, Standing},
        node::api::Scope,
    };

    /// A network that nobody is in; it is never polled, so that no packet leaves.
    fn net(serve_dht: ServeDht) -> Net {
        let listen = vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap()];
        let scope = Scope::Everywhere;
        let mut net =
            Net::start(&Config { scope, listen, serve_dht, ..Config::default() }).unwrap();
        net.shows_from = Instant::now();
        net
    }

    /// Two nodes see it at these ports.
    fn is_seen(net: &mut Net, ports: [u16; 2]) {
        for (by, port) in ["203.0.113.1:4001", "203.0.113.2:4001"].into_iter().zip(ports) {
            let (by, seen): (SocketAddr, _) = (by.parse().unwrap(), ([198, 51, 100, 1], port));
            net.sockets.sent(by);
            net.observed.handle(Instant::now(), by.ip(), seen.into(), true);
        }
        net.serve_if_reachable();
    }

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    #[tokio::test]
    async fn who_was_reached_by_a_stranger_serves_until_the_network_changes() {
        let mut net = net(ServeDht::WhenReachable);
        is_seen(&mut net, [4000; 2]);
        for not_from_outside in ["203.0.113.1:4001", "203.0.113.1:4002", "198.51.100.1:9"] {
            net.came_from(at(not_from_outside));
            assert!(!net.serves_dht(), "{not_from_outside}");
        }
        net.came_from(at("203.0.113.3:4001"));
        assert!(net.serves_dht());
        net.network_changed();
        assert!(!net.serves_dht());
        // In whatever order it comes to light.
        net.came_from(at("203.0.113.4:4001"));
        assert!(!net.serves_dht(), "nobody has said where");
        is_seen(&mut net, [4000; 2]);
        assert!(net.serves_dht());
    }

    #[tokio::test]
    async fn one_whom_each_sees_elsewhere_or_who_does_not_want_it_does_not_serve() {
        for (serve_dht, ports) in
            [(ServeDht::WhenReachable, [4000, 5000]), (ServeDht::Never, [4000; 2])]
        {
            let mut net = net(serve_dht);
            is_seen(&mut net, ports);
            net.came_from(at("203.0.113.3:4001"));
            assert!(!net.serves_dht(), "{serve_dht:?}");
        }
        let mut net = net(ServeDht::Always);
        assert!(net.serves_dht());
        net.network_changed();
        assert!(net.serves_dht());
    }

    #[tokio::test]
    async fn friends_who_serve_are_nodes_where_everybody_reaches_them() {
        let mut net = net(ServeDht::WhenReachable);
        for (n, address, dialed, is_node) in [
            (1, "/ip4/203.0.113.1/udp/4001/quic-v1", true, true),
            (2, "/ip4/203.0.113.2/udp/4001/quic-v1", false, true),
            (3, "/ip4/203.0.113.1/tcp/4001", true, false),
            (4, "/ip4/192.168.1.1/udp/4001/quic-v1", true, false),
        ] {
            let (id, key) = (ConnectionId::new_unchecked(n), Keypair::generate_ed25519());
            let (peer, at) = (key.public().to_peer_id(), address.parse().unwrap());
            let role = if dialed { Endpoint::Dialer } else { Endpoint::Listener };
            let links = &mut net.swarm.behaviour_mut().links;
            let links =
                links.handle_established_outbound_connection(id, peer, &at, role, PortUse::Reuse);
            assert!(links.is_ok());
            let standing = Standing {
                peer,
                targets: Vec::new(),
                opened: true,
                may_be_node: false,
                serves_dht: false,
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
                observed_addr: at.clone(),
                signed_peer_record: None,
            };
            net.handle_identify(id, peer, &info);
            assert!(!net.connected(Dht::Own).contains(&peer), "{address}: nobody one knows");
            net.known(id, &at, dialed);
            assert_eq!(net.connected(Dht::Own).contains(&peer), is_node, "{address}");
            assert_eq!(net.met().contains(&address.to_owned()), is_node, "{address}");
        }
    }
}
