//! The nodes of DHTs to begin with where the user has named none: those that answered the time
//! before, then those of the public DHT that are always there.

use std::{
    collections::{HashSet, VecDeque},
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
    /// A look-up has led to few nodes: those that answer may know no others, or hide them.
    found_few: bool,
    /// Those of each DHT that answer now, the last first.
    met: [VecDeque<(PeerId, Multiaddr)>; 2],
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
        // One address of each by each transport and version of IP.
        let way = |address: &Multiaddr| {
            (address::is_quic(address), address::ip(address).map(|ip| ip.is_ipv4()))
        };
        met.retain(|(known, at)| *at != address && (*known != peer || way(at) != way(&address)));
        met.push_front((peer, address));
        met.truncate(MAX_MET);
    }

    /// A look-up has led to few nodes. Those that are always there are asked as well, if they have
    /// not been asked lately.
    pub fn led_to_few(&mut self, now: Instant) {
        self.found_few |= self.joined;
        if self.joined && self.due.is_none() {
            self.due = Some(now);
        }
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
        let now = Instant::now();
        let some = Dht::ALL.into_iter().flat_map(|dht| {
            let met = &self.first_nodes.met[dht as usize];
            let namers = self.dht(dht).map(|dht| &dht.namers);
            let is_good = |peer| namers.is_some_and(|namers| namers.has_proved_itself(now, peer));
            // Who knows nobody, or makes up others, is told only for want of others.
            let peers: HashSet<_> = met.iter().map(|(peer, _)| peer).collect();
            let (good, rest): (Vec<_>, Vec<_>) = peers.into_iter().partition(|peer| is_good(peer));
            let mut told = good.into_iter().sample(&mut rand::rng(), MAX_TOLD);
            told.extend(rest.into_iter().sample(&mut rand::rng(), MAX_TOLD - told.len()));
            met.iter().filter(move |(peer, _)| told.contains(&peer))
        });
        some.map(|(_, address)| address.to_string()).collect()
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
        let nobody = self.connected(Dht::Public).is_empty();
        if !due || !(nobody | std::mem::take(&mut self.first_nodes.found_few)) {
            return;
        }
        self.add_public_nodes(PUBLIC_NODES.into_iter().filter_map(|node| node.parse().ok()));
        if let Some(dht) = self.dht_mut(Dht::Public).filter(|_| nobody) {
            // It has nodes now; adding known ones alone would ask none. (The next look-up will.)
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
    use libp2p::swarm::ConnectionId;

    use super::*;
    use crate::node::api::Scope;

    /// A network that nobody is in; it is never polled, so that no packet leaves.
    fn net() -> Net {
        let listen = vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap()];
        let scope = Scope::Everywhere;
        Net::start(&Config { scope, listen, public_dht: true, ..Config::default() }).unwrap()
    }

    #[tokio::test]
    async fn those_are_told_that_have_proved_themselves() {
        let mut net = net();
        let (now, other) = (Instant::now(), PeerId::random());
        let mut good = Vec::new();
        for port in 2000..2000 + u16::try_from(MAX_MET).unwrap() {
            let peer = PeerId::random();
            let address = format!("/ip4/203.0.113.1/udp/{port}/quic-v1").parse().unwrap();
            net.first_nodes.note(Dht::Public, peer, &address);
            if good.len() < MAX_TOLD {
                let namers = &mut net.dht_mut(Dht::Public).unwrap().namers;
                let dial = ConnectionId::new_unchecked(1);
                namers.names(now, &peer, &[other], |_| false);
                namers.dials(now, dial, &other, &[]);
                namers.shows(now, dial, true);
                good.push(format!("{address}/p2p/{peer}"));
            }
        }
        let mut told = net.met();
        told.sort();
        good.sort();
        assert_eq!(told, good);
        net.dht_mut(Dht::Public).unwrap().network_changed();
        assert_eq!(net.met().len(), MAX_TOLD, "none has, so any will do");
    }

    #[tokio::test]
    async fn where_those_of_the_time_before_lead_nowhere_others_are_asked() {
        let mut net = net();
        let before: Multiaddr = "/ip4/203.0.113.1/udp/4001/quic-v1".parse().unwrap();
        let liar = PeerId::random();
        net.met_before(&[before.with(Protocol::P2p(liar)).to_string()]);
        net.join_public_dht();
        net.nodes.insert((ConnectionId::new_unchecked(1), Dht::Public), liar);
        let known = |net: &mut Net| -> usize {
            net.dht_mut(Dht::Public).unwrap().kbuckets().map(|bucket| bucket.num_entries()).sum()
        };
        let now = Instant::now() + PATIENCE;
        net.first_nodes_due(now);
        assert_eq!(known(&mut net), 1, "one answers");
        net.first_nodes.led_to_few(now);
        net.first_nodes_due(now);
        let all = known(&mut net);
        assert!(all > 1);
        net.first_nodes.led_to_few(now);
        assert_eq!(net.first_nodes.poll_timeout(), Some(now + PATIENCE), "not at once again");
        net.first_nodes_due(now + PATIENCE);
        assert_eq!(net.first_nodes.poll_timeout(), Some(now + 3 * PATIENCE), "and then seldom");
        net.first_nodes_due(now + 3 * PATIENCE);
        assert_eq!(net.first_nodes.poll_timeout(), None, "a look-up has led to enough");
    }

    #[tokio::test]
    async fn who_has_many_addresses_is_one_of_those_who_are_told() {
        let mut net = net();
        let peers: Vec<_> = (0..MAX_TOLD).map(|_| PeerId::random()).collect();
        for port in 0..8 {
            for (n, peer) in peers.iter().enumerate() {
                for transport in [format!("udp/{port}/quic-v1"), format!("tcp/{port}")] {
                    let address = format!("/ip4/203.0.113.{n}/{transport}").parse().unwrap();
                    net.first_nodes.note(Dht::Own, *peer, &address);
                }
            }
        }
        let last = ["/udp/7/quic-v1", "/tcp/7"];
        let of = |n| last.map(|transport| format!("/ip4/203.0.113.{n}{transport}"));
        let mut told = net.met();
        told.sort();
        let mut all: Vec<_> = (0..MAX_TOLD).flat_map(of).collect();
        all.sort();
        assert_eq!(told, all);
    }

    #[test]
    fn nodes_that_were_met_are_bounded_and_ours_have_no_peer_id() {
        let mut first = FirstNodes::default();
        let mut peer = PeerId::random();
        for port in 0..100 {
            peer = PeerId::random();
            let address = format!("/ip4/203.0.113.1/udp/{port}/quic-v1").parse().unwrap();
            first.note(Dht::Own, peer, &address);
            first.note(Dht::Public, peer, &address);
        }
        let [own, public] = first.met;
        assert_eq!((own.len(), public.len()), (MAX_MET, MAX_MET));
        assert_eq!(own[0].1.to_string(), "/ip4/203.0.113.1/udp/99/quic-v1");
        assert_eq!(public[0].1.to_string(), format!("{}/p2p/{peer}", own[0].1));
    }
}
