//! Whether this program serves the project's own DHT, which lives by those whom everybody can reach:
//! they keep the others' sealed records.
//!
//! Nobody learns of them but by nodes: a friend is not asked as a node because he is a friend. He
//! knows by the hail who asks him, and would learn who knows whom. (One whom other nodes name as one
//! of them, or the user, is.)

use std::net::SocketAddr;

use clap::{ValueEnum, builder::Resettable};
use serde::Deserialize;

use super::{
    Net,
    dht::{self, Dht},
    rendezvous::Mapping,
};

/// When this program serves the project's own DHT. (In `--help` an option has one line, so nothing
/// is said there of each value.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServeDht {
    /// Never.
    #[value(help = Resettable::Reset)]
    Never,
    /// While nodes see this program at an address at which somebody has come in to whom nothing had
    /// been sent.
    #[default]
    #[value(help = Resettable::Reset)]
    WhenReachable,
    /// From the start.
    #[value(help = Resettable::Reset)]
    Always,
}

impl Net {
    /// Whether this program serves the project's own DHT now.
    pub fn serves_dht(&self) -> bool {
        self.serves_dht
    }

    /// Somebody to whom nothing had been sent has come in, and says that it was there.
    pub(super) fn reached_at(&mut self, at: Option<SocketAddr>) {
        let Some(at) = at.filter(SocketAddr::is_ipv4) else { return };
        // Who lies does not replace what is known to be true.
        if self.reached_at.is_none() || self.external().contains(&at) {
            self.reached_at = Some(at);
        }
    }

    /// Serves the own DHT as long as its nodes, who tell each other where they see somebody, see
    /// this program where strangers have come in. (By IPv6 alone half of the others could not come.)
    pub(super) fn serve_if_reachable(&mut self) {
        let wanted = self.serve_dht == ServeDht::WhenReachable;
        let Some(reached_at) = self.reached_at.filter(|_| wanted) else { return };
        let external = self.external();
        let is_seen_there = external.contains(&reached_at);
        let serves = match self.mapping() {
            Mapping::None | Mapping::Independent => is_seen_there,
            // One node alone may lie, but can only end it; and after a change of networks no node
            // has said anything yet.
            Mapping::Unknown if is_seen_there || !external.iter().any(SocketAddr::is_ipv4) => {
                return;
            }
            Mapping::Unknown | Mapping::Dependent { .. } | Mapping::Blocked => false,
        };
        self.serve(serves);
    }

    pub(super) fn serve(&mut self, serve: bool) {
        if self.serves_dht == serve || self.dht(Dht::Own).is_none() {
            return;
        }
        tracing::info!(serve, "the own DHT");
        self.serves_dht = serve;
        let behaviour = self.swarm.behaviour_mut();
        behaviour.ping = serve.then(dht::ping).into();
        if !serve {
            behaviour.links.close_clients();
        }
        if let Some(own) = self.dht_mut(Dht::Own) {
            own.serve(serve);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::{net::Config, net::filtering::Filtering, node::api::Scope};

    /// A network that nobody is in; it is never polled, so that no packet leaves.
    fn net(serve_dht: ServeDht) -> Net {
        let listen = vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap()];
        let scope = Scope::Everywhere;
        let mut net =
            Net::start(&Config { scope, listen, serve_dht, ..Config::default() }).unwrap();
        net.shows_from = Instant::now();
        net
    }

    /// One node or two see it at these ports.
    fn is_seen(net: &mut Net, ports: &[u16]) {
        for (by, port) in ["203.0.113.1:4001", "203.0.113.2:4001"].into_iter().zip(ports) {
            let (by, seen): (SocketAddr, _) = (by.parse().unwrap(), ([198, 51, 100, 1], *port));
            net.sockets.sent(by);
            net.observed.handle(Instant::now(), by.ip(), seen.into(), true);
        }
        net.serve_if_reachable();
    }

    /// Somebody comes from there, and says that he came in here. Whether it serves then.
    fn comes(net: &mut Net, from: &str, to: &str) -> bool {
        if net.came_from(from.parse().unwrap()) == Filtering::EndpointIndependent {
            net.reached_at(Some(to.parse().unwrap()));
        }
        net.serve_if_reachable();
        net.serves_dht()
    }

    const SEEN: &str = "198.51.100.1:4000";

    #[tokio::test]
    async fn who_was_reached_by_strangers_where_nodes_see_him_serves_as_long_as_they_do() {
        let mut net = net(ServeDht::WhenReachable);
        is_seen(&mut net, &[4000; 2]);
        for no_stranger in ["203.0.113.1:4001", "203.0.113.1:4002", "198.51.100.1:9"] {
            assert!(!comes(&mut net, no_stranger, SEEN), "{no_stranger}");
        }
        assert!(!comes(&mut net, "203.0.113.3:4001", "198.51.100.1:9"), "another address");
        assert!(comes(&mut net, "203.0.113.4:4001", SEEN));
        assert!(comes(&mut net, "203.0.113.5:4001", "198.51.100.1:9"), "that may be a lie");
        // An interface of this computer comes or goes.
        net.network_changed();
        assert!(net.serves_dht());
        is_seen(&mut net, &[4000; 2]);
        assert!(net.serves_dht());
        for ports in [&[5000][..], &[5000; 2]] {
            net.network_changed();
            is_seen(&mut net, ports);
            assert!(!net.serves_dht(), "nobody has come in there");
        }
        assert!(comes(&mut net, "203.0.113.6:4001", "198.51.100.1:5000"));
    }

    #[tokio::test]
    async fn in_whatever_order_it_comes_to_light() {
        let mut net = net(ServeDht::WhenReachable);
        assert!(!comes(&mut net, "203.0.113.3:4001", SEEN));
        is_seen(&mut net, &[4000; 2]);
        assert!(net.serves_dht());
    }

    #[tokio::test]
    async fn one_whom_each_sees_elsewhere_or_who_does_not_want_it_does_not_serve() {
        for (serve_dht, ports) in
            [(ServeDht::WhenReachable, &[4000, 5000]), (ServeDht::Never, &[4000; 2])]
        {
            let mut net = net(serve_dht);
            is_seen(&mut net, ports);
            assert!(!comes(&mut net, "203.0.113.3:4001", SEEN), "{serve_dht:?}");
        }
        let mut net = net(ServeDht::Always);
        assert!(net.serves_dht());
        is_seen(&mut net, &[4000, 5000]);
        assert!(net.serves_dht());
    }
}
