//! The connections that stand, who is known to be at their other ends, and when they end.

use std::time::Instant;

use libp2p::{Multiaddr, PeerId};

use super::{
    Event, Link, LinkId, Net, address,
    dht::Dht,
    dialer::{Origin, Target},
    links::Opened,
};

/// Hails on one connection: who knows nobody here does not go on asking.
const MAX_HAILS: u8 = 16;

/// A connection that stands.
pub struct Standing {
    pub peer: PeerId,
    /// The targets that it serves: that which was dialed, and the PeerId.
    pub targets: Vec<Target>,
    pub opened: bool,
    /// Whether it was dialed to ask a node of a DHT.
    pub may_be_node: bool,
    /// Whether it was made by somebody to whom nothing had been sent.
    pub unasked: bool,
    /// How often it was asked who is there.
    pub hails: u8,
    pub who: Who,
}

/// What the hail, or what it speaks, has told of the other side.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Unknown,
    /// Nobody: a node of the public DHT that does not speak what our programs do.
    Node,
    Stranger,
    Known,
}

impl Net {
    /// The other side of this link is known: the link may stay.
    pub fn known(&mut self, id: LinkId, address: &Multiaddr, dialed: bool) {
        self.swarm.behaviour_mut().links.known(id);
        let Some(standing) = self.standing.get_mut(&id) else { return };
        standing.who = Who::Known;
        self.swarm.behaviour_mut().links.take_files(id, standing.peer);
        self.sockets.trust(standing.peer);
        let target = Target::Peer(standing.peer);
        // QUIC dials from the port it listens on, so where it came from it can be dialed; of a
        // TCP address that is true only if this side dialed it.
        if dialed || address::is_quic(address) {
            let now = Instant::now();
            self.dialer.add(now, target.clone(), Origin::Contact, address.clone());
            self.dialer.linked(&target);
        }
        for target in &standing.targets {
            self.dialer.known(target);
        }
        if !standing.may_be_node {
            self.own_node_is_gone(id);
        }
    }

    /// The hail has found nobody at the other side of this link. The connection stays where it
    /// may serve the DHT; it ends when that has no use for it.
    pub fn stranger(&mut self, id: LinkId) {
        let of_dht = self.dht(Dht::Own).is_some();
        let address = self.swarm.behaviour().links.address(id);
        let stays = of_dht && address.is_some_and(|(_, dialed)| *dialed || self.serves_dht);
        let dialed = address.is_some_and(|(_, dialed)| *dialed);
        if let Some(standing) = self.standing.get_mut(&id) {
            standing.who = Who::Stranger;
            standing.opened &= !stays;
            if stays && !dialed {
                self.swarm.behaviour_mut().links.client(id, standing.peer);
            }
        }
        if !stays {
            self.close(id);
        }
    }

    /// Close a link. Its targets are dialed again at once, later, or not, by who was there.
    pub fn close(&mut self, id: LinkId) {
        // Closing itself may take long where a link is cut, so nothing waits for it.
        if self.ended(id, false) {
            self.closing.insert(id);
        }
        self.swarm.close_connection(id);
    }

    /// The other side has ended a link; it is closed here too.
    pub fn left(&mut self, id: LinkId) {
        if self.ended(id, true) {
            self.closing.insert(id);
        }
        self.swarm.close_connection(id);
    }

    /// A connection is over, perhaps as they have closed it. Returns whether a link stood there.
    pub(super) fn ended(&mut self, id: LinkId, by_them: bool) -> bool {
        let Some(Standing { peer, targets, opened, who, .. }) = self.standing.remove(&id) else {
            return false;
        };
        if let Some(other) = self.standing.values_mut().find(|other| other.peer == peer) {
            other.targets.extend(targets);
            other.targets.dedup();
            return opened;
        }
        self.sockets.forget(&peer);
        let now = Instant::now();
        for target in &targets {
            match who {
                Who::Known if by_them => self.dialer.left(now, target),
                Who::Known => {
                    self.dialer.lost(now, target);
                    if let Some(portmap) = &mut self.portmap {
                        portmap.look_again();
                    }
                }
                Who::Stranger => self.dialer.stranger(now, target),
                Who::Node => self.dialer.node_left(now, target),
                Who::Unknown => self.dialer.broken(now, target),
            }
        }
        opened
    }

    /// Whether a connection with this PeerId stands.
    pub(super) fn is_connected(&self, peer: &PeerId) -> bool {
        self.standing.values().any(|standing| standing.peer == *peer)
    }

    /// A stream for files is to be opened on this link. Answered by [`Event::Asking`] unless the
    /// link ends before.
    pub fn open_files(&mut self, id: LinkId) {
        if let Some(standing) = self.standing.get(&id) {
            self.swarm.behaviour_mut().links.open_files(id, standing.peer);
        }
    }

    /// Who one knows changed: ask strangers again.
    pub fn reconsider(&mut self) {
        self.dialer.reconsider(Instant::now());
        let links = &mut self.swarm.behaviour_mut().links;
        for (id, standing) in &mut self.standing {
            let dialed = links.address(*id).is_some_and(|(_, dialed)| *dialed);
            if dialed && standing.who == Who::Stranger && !standing.opened {
                standing.who = Who::Unknown;
                links.open(*id, standing.peer);
            }
        }
    }

    /// Links that stand, known or not.
    pub fn links(&self) -> u32 {
        u32::try_from(self.standing.values().filter(|standing| standing.opened).count())
            .unwrap_or(u32::MAX)
    }

    pub(super) fn opened(&mut self, opened: Opened) -> Option<Event> {
        let Opened { connection, peer, address, dialed, stream } = opened;
        let standing = self.standing.get_mut(&connection)?;
        standing.hails = standing.hails.saturating_add(1);
        if standing.hails > MAX_HAILS {
            self.close(connection);
            return None;
        }
        if std::mem::replace(&mut standing.opened, true) {
            // One link is enough.
            return None;
        }
        let (address, _) = address::split_peer(address);
        let path = self.path(&address, dialed);
        let link = Link { id: connection, peer, address, path, dialed, stream };
        Some(Event::Opened(Box::new(link)))
    }
}
