//! The public DHT: who stands closest to a name is looked up once, and asked directly from then
//! on. A look-up means a connection with a dozen strangers or more; a question is a packet.

use std::{
    collections::HashMap,
    net::IpAddr,
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use libp2p::{
    PeerId,
    kad::PeerInfo,
    request_response::{Event, Message},
};

use super::{SeekId, carrier::AT_ONCE, count, name::Name, queries::Query, sought::Seek};
use crate::net::{
    Net, address, ask,
    dht::Dht,
    rendezvous::{EPOCH_SECONDS, Place, Side},
};

/// Look-ups at a time.
pub const MAX_LOOKUPS: usize = 4;

/// Of many who are sought, but for those who may be waiting: between two look-ups of own names, and
/// between two of theirs. Each costs some 500 KB if there are no others at the same time, which ask
/// the same nodes in part: 60 MB an hour are the most that it comes to, however many are sought.
pub const LOOK_UP_EACH: Duration = Duration::from_secs(60);

/// Questions at a time.
pub const MAX_ASKS: usize = 96;

/// Nodes asked at a time, for somebody of a few who may be waiting and for anybody else: each costs
/// a connection. The next look asks the next ones, so that all have their turn.
pub const ASKED_FAST: usize = 8;
const ASKED: usize = 1;

/// How many nodes keep a record. With few to look for, as many as is the custom there; with many
/// it would cost too much, and the closest eight do not all go within the hour.
const MANY_NODES: NonZeroUsize = NonZeroUsize::new(20).unwrap();
const SOME_NODES: NonZeroUsize = NonZeroUsize::new(8).unwrap();
const FEW_SOUGHT: usize = 4;

/// Of the nodes of a name, so many may be of one network ([`address::neighbourhood`]): who makes up
/// nodes close to it has addresses in few of them. If that leaves less than half, it is looked up
/// again.
const MAX_OF_A_NETWORK: usize = 2;

/// Nodes that a look-up has led to which was not finished, or led to too few, are used for so long
/// before it is begun again: for somebody who may be waiting, and for anybody else. It may have been
/// begun before others were known, or with nodes that made up others.
///
/// For anybody else it is twice as long after each of them, and half of those who are to keep a
/// record are enough until somebody may be waiting: where one of the closest never answers, or a busy machine hears of answers
/// late, no look-up is ever finished.
const UNFINISHED_FAST: Duration = Duration::from_secs(3);
const UNFINISHED: Duration = Duration::from_secs(120);

/// The same where one answered who is not believed: by then it is believed again, or is so no more.
/// It may have been right, and be the only one who knew those that are closest.
const DOUBTFUL: Duration = Duration::from_secs(600);

/// The same where nobody was found, or too few took what was to be kept. For somebody who may be
/// waiting it does not become longer, and where nobody was found not much: perhaps there is no
/// connection.
const IN_VAIN: Duration = Duration::from_secs(30);
const IN_VAIN_AT_LAST: Duration = Duration::from_secs(600);

/// The longest of these pauses: as long as a name is in use.
const AT_LAST: Duration = Duration::from_secs(EPOCH_SECONDS);

/// How a look-up went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Complete,
    /// As far as those are right who are believed.
    Doubtful,
    /// It was not finished, or led to too few.
    Incomplete,
}

impl Net {
    /// The nodes that keep what is written under a name; none: they are being looked up, or will be.
    pub(super) fn keepers(&mut self, id: SeekId, side: Side, epoch: u64) -> Vec<PeerId> {
        let name = self.seeks.all.get(&id).and_then(|seek| seek.names.get(&(side, epoch)));
        let nodes = name.map(|name| name.nodes.clone()).unwrap_or_default();
        // Until others are found, those known are used.
        if name.is_none_or(|name| name.wants_others(Instant::now())) {
            self.look_up(id, side, epoch);
        }
        nodes
    }

    /// Looks up anew who is to keep what was written, if those known are not good enough any more:
    /// they may have taken it and not keep it.
    pub(super) fn renew_keepers(&mut self, id: SeekId, side: Side, epoch: u64) {
        let seek = self.seeks.all.get(&id);
        if seek.is_some_and(|seek| seek.names.contains_key(&(side, epoch))) {
            self.keepers(id, side, epoch);
        }
    }

    /// How many nodes are to keep a record.
    fn wanted(&self) -> NonZeroUsize {
        if self.seeks.all.len() <= FEW_SOUGHT { MANY_NODES } else { SOME_NODES }
    }

    fn look_up(&mut self, id: SeekId, side: Side, epoch: u64) {
        let (now, wanted) = (Instant::now(), self.wanted());
        let lookups = self.seeks.queries.values().filter(|q| matches!(q, Query::Nodes { .. }));
        let is_full = lookups.count() >= MAX_LOOKUPS;
        let are_many = count(self.seeks.all.len()) > AT_ONCE;
        let Some(seek) = self.seeks.all.get_mut(&id) else { return };
        let turn =
            if side == seek.side { &mut self.seeks.own_turn } else { &mut self.seeks.their_turn };
        let takes_turn = are_many && now >= seek.fast_until;
        if is_full || takes_turn && now < *turn {
            return;
        }
        if takes_turn {
            *turn = now + LOOK_UP_EACH;
        }
        let key = Place::new(&seek.secret, side, epoch).key();
        seek.names.entry((side, epoch)).or_default().is_looked_up = true;
        seek.names.retain(|(_, known), _| *known + 1 >= epoch);
        if let Some(kad) = self.dht_mut(Dht::Public) {
            tracing::debug!(?side, epoch, "looks up a name");
            let query = kad.get_n_closest_peers(key, wanted);
            let query = (Dht::Public, query);
            self.seeks.queries.insert(query, Query::Nodes { seek: id, side, epoch });
        }
    }

    /// A look-up is over.
    pub(super) fn handle_nodes(
        &mut self,
        id: SeekId,
        name: (Side, u64),
        found: Vec<PeerInfo>,
        mut end: End,
    ) {
        let now = Instant::now();
        let wanted = self.wanted().get();
        let all = found.len();
        let Some(kad) = self.dht_mut(Dht::Public) else { return };
        let found = spread(found, |peer| kad.ip_of(peer), kad.is_local);
        let nodes: Vec<PeerId> = found.iter().map(|node| node.peer_id).collect();
        kad.remember(found);
        let Some(seek) = self.seeks.all.get_mut(&id) else { return };
        let (is_fast, are_half) = (now < seek.fast_until, 2 * nodes.len() >= wanted);
        if !are_half || all < wanted {
            end = End::Incomplete;
        }
        tracing::debug!(count = nodes.len(), ?end, "nodes of a name");
        if end == End::Incomplete {
            self.first_nodes.led_to_few(now);
        }
        let (is_own, known) = (name.0 == seek.side, seek.names.entry(name).or_default());
        let others = !known.nodes.is_empty() && nodes.iter().any(|n| !known.nodes.contains(n));
        let is_in_vain = nodes.is_empty();
        known.found(nodes);
        let mut due = now;
        match end {
            End::Complete => {}
            End::Doubtful => drop(known.wait_longer(now, DOUBTFUL, AT_LAST)),
            End::Incomplete if is_in_vain => due = in_vain(known, now, is_fast, IN_VAIN_AT_LAST),
            End::Incomplete if is_fast => known.wait(now, UNFINISHED_FAST),
            End::Incomplete if are_half => known.wait(now, AT_LAST),
            End::Incomplete => drop(known.wait_longer(now, UNFINISHED, AT_LAST)),
        }
        let carrier = seek.carrier(Dht::Public);
        if is_own && others {
            // They have not been given it.
            carrier.write_anew(now);
        }
        if is_own {
            carrier.write_later(due);
        } else {
            carrier.read_due = due;
        }
    }

    /// Asks the next of those who may keep the other's word. Returns whether that is done, or will be
    /// as soon as they are looked up.
    pub(super) fn ask(&mut self, id: SeekId, side: Side, epoch: u64) -> bool {
        let left = MAX_ASKS.saturating_sub(self.seeks.asks.len());
        let is_known = !self.keepers(id, side, epoch).is_empty();
        let few = self.seeks.all.len() <= FEW_SOUGHT;
        let Some(seek) = self.seeks.all.get_mut(&id) else { return false };
        if !is_known || left == 0 {
            let name = seek.names.get(&(side, epoch));
            return is_known || name.is_some_and(|name| name.is_looked_up);
        }
        let key = Place::new(&seek.secret, side, epoch).key();
        let fast = few && Instant::now() < seek.fast_until;
        let count = if fast { ASKED_FAST } else { ASKED }.min(left);
        let name = seek.names.get_mut(&(side, epoch));
        let turn = name.map(|name| name.turn(count)).unwrap_or_default();
        let Some(ask) = self.swarm.behaviour_mut().ask.as_mut() else { return false };
        for node in turn {
            tracing::debug!(epoch, "asks a node");
            let question = ask.send_request(&node, key.clone());
            self.seeks.asks.insert(question, (id, epoch));
        }
        true
    }

    /// A question is answered, or never will be.
    pub(in crate::net) fn handle_asked(&mut self, event: ask::Event) {
        let now = Instant::now();
        let (node, question, answer) = match event {
            Event::Message {
                peer, message: Message::Response { request_id, response }, ..
            } => (peer, request_id, Some(response)),
            Event::OutboundFailure { peer, request_id, .. } => (peer, request_id, None),
            _ => return,
        };
        let Some((id, epoch)) = self.seeks.asks.remove(&question) else { return };
        let mut ask_again = false;
        match answer {
            Some(Some(value)) => drop(self.handle_found(id, epoch, &value, now)),
            Some(None) => {}
            None => {
                if let Some(seek) = self.seeks.all.get_mut(&id) {
                    ask_again = seek.lost_node(epoch, node);
                }
            }
        }
        if !self.seeks.asks.values().any(|(other, _)| *other == id) {
            let pauses = self.seeks.read_pauses(Dht::Public, now);
            if let Some(seek) = self.seeks.all.get_mut(&id) {
                let pauses = if ask_again { (Duration::ZERO, Duration::ZERO) } else { pauses };
                seek.has_read(Dht::Public, now, pauses);
            }
        }
        self.seeks.touch(now);
    }
}

/// A name is looked up again after a while. Returns when.
fn in_vain(name: &mut Name, now: Instant, is_fast: bool, most: Duration) -> Instant {
    if is_fast {
        name.wait(now, IN_VAIN);
        now + IN_VAIN
    } else {
        name.wait_longer(now, IN_VAIN, most)
    }
}

impl Seek {
    /// Too few took what was to be kept. Returns when others are looked up, and given it.
    pub(super) fn is_not_kept(&mut self, now: Instant) -> Instant {
        let (side, is_fast) = (self.side, now < self.fast_until);
        let own = self.names.iter_mut().filter(|((of, _), _)| *of == side);
        let again = own.map(|(_, name)| {
            name.nodes.clear();
            in_vain(name, now, is_fast, AT_LAST)
        });
        again.max().unwrap_or(now)
    }
}

/// Those of them that are of different networks, the closest first: by where they were when they
/// answered, as anybody can say of them what they like.
fn spread(
    nodes: Vec<PeerInfo>,
    ip_of: impl Fn(&PeerId) -> Option<IpAddr>,
    local_are_the_users: bool,
) -> Vec<PeerInfo> {
    let mut at: HashMap<IpAddr, usize> = HashMap::new();
    let mut few = |node: &PeerInfo| {
        let Some(ip) = ip_of(&node.peer_id) else { return false };
        let count = at.entry(address::neighbourhood(ip)).or_default();
        *count += 1;
        *count <= MAX_OF_A_NETWORK || local_are_the_users && address::is_local(ip)
    };
    nodes.into_iter().filter(|node| few(node)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of nodes that are at these addresses, all of which are said to be elsewhere, which count.
    fn counted(ips: &[&str], local_are_the_users: bool) -> Vec<usize> {
        let (mut nodes, mut at) = (Vec::new(), HashMap::new());
        for (n, ip) in ips.iter().enumerate() {
            let said = format!("/ip4/198.51.{n}.1/udp/4001/quic-v1").parse().unwrap();
            nodes.push(PeerInfo { peer_id: PeerId::random(), addrs: vec![said] });
            at.extend(ip.parse::<IpAddr>().ok().map(|ip| (nodes[n].peer_id, ip)));
        }
        let all: Vec<_> = nodes.iter().map(|node| node.peer_id).collect();
        let found = spread(nodes, |peer| at.get(peer).copied(), local_are_the_users);
        found.iter().filter_map(|node| all.iter().position(|peer| *peer == node.peer_id)).collect()
    }

    #[test]
    fn many_nodes_of_one_network_are_two() {
        for of in ["203.0.{}.7", "2001:db8:{}::7"] {
            let ips = ["1", "1", "1", "2", "1", "3"].map(|n| of.replace("{}", n));
            assert_eq!(counted(&ips.each_ref().map(String::as_str), false), [0, 1, 3, 5]);
        }
        let local = ["192.168.0.7", "192.168.0.8", "192.168.0.9"];
        assert_eq!(counted(&local, true).len(), 3, "they are the user's");
        assert_eq!(counted(&local, false).len(), 2);
        assert_eq!(counted(&["nowhere", "203.0.113.1"], false), [1], "nobody knows where it is");
    }
}
