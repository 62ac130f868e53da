//! The public DHT: who stands closest to a name is looked up once, and asked directly from then
//! on. A look-up means a connection with a dozen strangers or more; a question is a packet.

use std::{num::NonZeroUsize, time::Instant};

use libp2p::{
    PeerId,
    kad::PeerInfo,
    request_response::{Event, Message},
};

use super::{SeekId, queries::Query, sought::Seek};
use crate::net::{
    Net, ask,
    dht::Dht,
    rendezvous::{Place, Side},
};

/// Look-ups at a time.
const MAX_LOOKUPS: usize = 4;

/// Questions at a time.
const MAX_ASKS: usize = 96;

/// Nodes asked at a time, for somebody of a few who may be waiting and for anybody else. The next
/// look asks the next ones, so that all have their turn.
const ASKED_FAST: usize = 8;
const ASKED: usize = 2;

/// How many nodes keep a record. With few to look for, as many as is the custom there; with many
/// it would cost too much, and the closest eight do not all go within the hour.
const MANY_NODES: NonZeroUsize = NonZeroUsize::new(20).unwrap();
const SOME_NODES: NonZeroUsize = NonZeroUsize::new(8).unwrap();
const FEW_SOUGHT: usize = 4;

/// The nodes closest to a name.
#[derive(Default)]
pub struct Name {
    nodes: Vec<PeerId>,
    /// Who is asked next.
    next: usize,
    is_looked_up: bool,
}

impl Name {
    /// Who is to be asked now.
    fn turn(&mut self, count: usize) -> Vec<PeerId> {
        let count = count.min(self.nodes.len());
        let turn = self.nodes.iter().cycle().skip(self.next).take(count).copied().collect();
        self.next = (self.next + count) % self.nodes.len().max(1);
        turn
    }
}

impl Net {
    /// The nodes that keep what is written under a name; none: they are being looked up.
    pub(super) fn keepers(&mut self, id: SeekId, side: Side, epoch: u64) -> Vec<PeerId> {
        match self.seeks.all.get(&id).and_then(|seek| seek.names.get(&(side, epoch))) {
            Some(name) if !name.nodes.is_empty() => name.nodes.clone(),
            Some(Name { is_looked_up: true, .. }) => Vec::new(),
            _ => {
                self.look_up(id, side, epoch);
                Vec::new()
            }
        }
    }

    fn look_up(&mut self, id: SeekId, side: Side, epoch: u64) {
        let lookups = self.seeks.queries.values().filter(|q| matches!(q, Query::Nodes { .. }));
        if lookups.count() >= MAX_LOOKUPS {
            return;
        }
        let few = self.seeks.all.len() <= FEW_SOUGHT;
        let Some(seek) = self.seeks.all.get_mut(&id) else { return };
        let key = Place::new(&seek.secret, side, epoch).key();
        seek.names.insert((side, epoch), Name { is_looked_up: true, ..Name::default() });
        seek.names.retain(|(_, known), _| *known + 1 >= epoch);
        if let Some(kad) = self.dht_mut(Dht::Public) {
            let query = kad.get_n_closest_peers(key, if few { MANY_NODES } else { SOME_NODES });
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
        now: Instant,
    ) {
        let nodes: Vec<PeerId> = found.iter().map(|node| node.peer_id).collect();
        tracing::debug!(count = nodes.len(), "nodes of a name");
        if let Some(kad) = self.dht_mut(Dht::Public) {
            kad.remember(found);
        }
        let pauses = self.seeks.read_pauses(Dht::Public, now);
        let Some(seek) = self.seeks.all.get_mut(&id) else { return };
        if nodes.is_empty() {
            seek.names.remove(&name);
            seek.has_read(Dht::Public, now, pauses);
        } else {
            seek.names.insert(name, Name { nodes, ..Name::default() });
            seek.carrier(Dht::Public).is_due(now);
        }
    }

    /// Asks the next of those who may keep the other's word.
    pub(super) fn ask(&mut self, id: SeekId, side: Side, epoch: u64) {
        if self.keepers(id, side, epoch).is_empty() || self.seeks.asks.len() >= MAX_ASKS {
            return;
        }
        let few = self.seeks.all.len() <= FEW_SOUGHT;
        let Some(seek) = self.seeks.all.get_mut(&id) else { return };
        let key = Place::new(&seek.secret, side, epoch).key();
        let fast = few && Instant::now() < seek.fast_until;
        let count = if fast { ASKED_FAST } else { ASKED };
        let name = seek.names.get_mut(&(side, epoch));
        let turn = name.map(|name| name.turn(count)).unwrap_or_default();
        let Some(ask) = self.swarm.behaviour_mut().ask.as_mut() else { return };
        for node in turn {
            let question = ask.send_request(&node, key.clone());
            self.seeks.asks.insert(question, (id, epoch));
        }
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
        match answer {
            Some(Some(value)) => drop(self.handle_found(id, epoch, &value, now)),
            Some(None) => {}
            None => {
                if let Some(seek) = self.seeks.all.get_mut(&id) {
                    seek.lost_node(epoch, node);
                }
            }
        }
        if !self.seeks.asks.values().any(|(other, _)| *other == id) {
            let pauses = self.seeks.read_pauses(Dht::Public, now);
            if let Some(seek) = self.seeks.all.get_mut(&id) {
                seek.has_read(Dht::Public, now, pauses);
            }
        }
        self.seeks.touch(now);
    }
}

impl Seek {
    /// A node does not answer; when none is left they are looked up anew.
    fn lost_node(&mut self, epoch: u64, node: PeerId) {
        let side = self.side.other();
        if let Some(name) = self.names.get_mut(&(side, epoch)) {
            name.nodes.retain(|known| *known != node);
            if name.nodes.is_empty() {
                self.names.remove(&(side, epoch));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_nodes_of_a_name_have_their_turn() {
        let nodes: Vec<_> = (0..7).map(|_| PeerId::random()).collect();
        let mut name = Name { nodes: nodes.clone(), ..Name::default() };
        let asked: Vec<_> = (0..7).flat_map(|_| name.turn(3)).collect();
        assert_eq!(asked.len(), 7 * 3);
        for node in &nodes {
            assert_eq!(asked.iter().filter(|asked| *asked == node).count(), 3);
        }
        assert_eq!(Name::default().turn(3), []);
        let mut two = Name { nodes: nodes[..2].to_vec(), ..Name::default() };
        assert_eq!(two.turn(3), nodes[..2]);
    }
}
