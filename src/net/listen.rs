//! Where a program listens.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use libp2p::Multiaddr;

use super::{
    Net,
    address::{self, is_local, is_private},
    dht::Dht,
    portmap::{Local, Transport},
};

/// How long listeners may take to tell an address, until which nothing is dialed: a dial that
/// leaves from another socket teaches the nodes of the DHT a wrong address.
pub(super) const LISTENERS: Duration = Duration::from_millis(300);

/// Where a program listens that was not told where.
const DEFAULT_LISTEN: [&str; 4] =
    ["/ip4/0.0.0.0/udp/0/quic-v1", "/ip6/::/udp/0/quic-v1", "/ip4/0.0.0.0/tcp/0", "/ip6/::/tcp/0"];

/// What an address must look like; ends the sentence about one that doesn't.
pub(super) const WHAT_IS_SUPPORTED: &str = "an address looks like /ip4/192.0.2.1/udp/4001/quic-v1 or \
     /ip6/2001:db8::1/tcp/4001, and with --lan-only it must lie within the local network.";

impl Net {
    pub(super) fn listen_on(&mut self, addresses: &[Multiaddr]) -> Result<(), String> {
        if addresses.is_empty() {
            // A machine without IPv6, or without IPv4, is an ordinary thing.
            for address in DEFAULT_LISTEN {
                let listening = address.parse().map(|address| self.swarm.listen_on(address));
                match listening {
                    Ok(Ok(id)) => drop(self.silent.insert(id, true)),
                    error => tracing::warn!(address, ?error, "cannot listen"),
                }
            }
            return Ok(());
        }
        for address in addresses {
            // Of all addresses, only the local ones are let in later.
            let any = address::ip(address).is_some_and(|ip| ip.is_unspecified());
            let allowed = any || address::allowed(self.scope, address);
            if !address::is_supported(address) || !allowed {
                return Err(format!("{address} cannot be listened on: {WHAT_IS_SUPPORTED}"));
            }
            let id = self
                .swarm
                .listen_on(address.clone())
                .map_err(|error| format!("{address} cannot be listened on: {error}."))?;
            self.silent.insert(id, any);
        }
        Ok(())
    }

    /// The addresses listened on now.
    pub fn listen_addresses(&self) -> Vec<String> {
        self.swarm.listeners().map(ToString::to_string).collect()
    }

    /// The router is to let others in where it is listened.
    fn map_ports(&self) {
        let Some(portmap) = &self.portmap else { return };
        let mut wanted = Vec::new();
        for listen in &self.listen {
            let is_quic = address::is_quic(listen);
            let transport = if is_quic { Transport::Udp } else { Transport::Tcp };
            let Some(address) = address::socket(listen) else { continue };
            let ip = address.ip();
            if if ip.is_ipv4() { is_private(ip) } else { !is_local(ip) } {
                wanted.push(Local { transport, address });
            }
        }
        // What serves best is asked for first.
        wanted.sort_by_key(|local| local.transport == Transport::Tcp);
        portmap.set(wanted);
    }

    /// Looks whether the default route leads elsewhere: then links to those who are not in the
    /// local network are dead, though what the others send may arrive for a while.
    pub(super) fn way_out_due(&mut self) {
        let Some(way_out) = &mut self.way_out else { return };
        let changed = way_out.look(Instant::now());
        if changed == [false; 2] {
            return;
        }
        tracing::debug!(?changed, "another way out");
        let links = &self.swarm.behaviour().links;
        let dead = self.standing.iter().filter(|(id, standing)| {
            let address = links.address(**id).and_then(|(address, _)| address::ip(address));
            let is_dead = |ip: IpAddr| !address::is_local(ip) && changed[usize::from(ip.is_ipv6())];
            standing.opened && address.is_some_and(is_dead)
        });
        self.dead.extend(dead.map(|(id, _)| *id));
        self.network_changed();
    }

    /// What was seen from outside counts no more, and is asked for again.
    pub(super) fn network_changed(&mut self) {
        let now = Instant::now();
        self.dialer.network_changed(now);
        self.observed.clear();
        self.join_again(now);
        for dht in Dht::ALL {
            if let Some(dht) = self.dht_mut(dht) {
                dht.network_changed();
            }
        }
        self.map_ports();
        self.seeks.reset(now);
        for (id, _) in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.swarm.close_connection(id);
        }
    }
}
