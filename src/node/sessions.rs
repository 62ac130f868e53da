//! Links and the people behind them: who is online, by which link, and that it lives.

mod meeting;
mod people;
mod upkeep;

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Instant,
};

use libp2p::{Multiaddr, PeerId};
use rand::rngs::StdRng;
use tokio::sync::mpsc;

use super::{
    api::{ContactState, Event, FailureKind, Path},
    failure,
    link::{self, OUTGOING},
    now,
    run::Node,
};
use crate::{
    conversation::{ConversationId, WireEntry},
    identity::{Identity, PairSecret},
    net::{self, LinkId, address, dialer::Target},
    session::{LinkIds, Peer, Session, Standing, Via, keep_new},
    store,
    sync::{Exchange, Message},
};

/// Targets kept of one person: the addresses where they were last, and the PeerIds since.
const MAX_TARGETS: usize = 12;

/// A contact, and how it is reached.
pub struct Person {
    pub contact: store::Contact,
    pub link: Option<LinkId>,
    /// None where the key is not one that can be agreed with.
    pair_secret: Option<PairSecret>,
    patience: u32,
    /// The PeerId of the last session.
    peer: Option<PeerId>,
    shown: (ContactState, Option<Path>),
    targets: VecDeque<Target>,
}

/// A link and the session over it.
pub struct Link {
    pub stage: Stage,
    pub outgoing: mpsc::Sender<Message>,
    peer: PeerId,
    address: Multiaddr,
    path: Path,
    dialed: bool,
    heard: Instant,
    waiting: Waiting,
}

/// How far a link has come.
pub enum Stage {
    /// It is not known who is there.
    Hailing,
    /// Somebody with an invite is there.
    Pairing(Peer),
    /// A contact is there.
    Standing(Box<Exchanging>),
}

/// A session with a contact.
pub struct Exchanging {
    pub who: Identity,
    pub since: Instant,
    pub exchange: Exchange,
    /// Own entries that were just written, to be sent in one message.
    pub fresh: Vec<(ConversationId, WireEntry)>,
    /// Messages for which the link had no room yet.
    pub waiting: VecDeque<Message>,
    /// Conversations in which the other may lack something.
    pub wanted: BTreeSet<ConversationId>,
    /// The store is being asked what the other lacks.
    pub asking: bool,
    /// The other is to be told what is on this disk …
    pub have_due: bool,
    /// … and the store is being asked for it.
    pub asking_have: bool,
    pub last_have: Instant,
}

impl Person {
    /// What the two devices share.
    pub fn pair_secret(&self) -> Option<&PairSecret> {
        self.pair_secret.as_ref()
    }

    /// Where it is dialed.
    pub fn targets(&self) -> &VecDeque<Target> {
        &self.targets
    }
}

impl Exchanging {
    /// Hands over what waits, as far as there is room.
    pub fn drain(&mut self, outgoing: &mpsc::Sender<Message>) {
        while let Some(message) = self.waiting.pop_front() {
            if let Err(error) = outgoing.try_send(message) {
                self.waiting.push_front(error.into_inner());
                return;
            }
        }
    }
}

/// Whether something that calls for an answer was sent since the other was last heard.
#[derive(Clone, Copy)]
enum Waiting {
    Nothing,
    Answer(Instant),
    Pong(Instant),
}

impl Node {
    fn show_network(&mut self) {
        let network = self.network();
        self.shown_links = network.links;
        self.tell(Event::Network { network });
    }

    /// Something happened in the network.
    pub(super) fn handle_net(&mut self, event: net::Event) {
        match event {
            net::Event::Opened(link) => self.open_link(*link),
            net::Event::Closed(id) => {
                // What came over it before it ended may not have been heard yet: of somebody who
                // leaves at once, that they have a file. Without room it is lost, as in a crash.
                for _ in 0..self.from_links.len() {
                    if self.has_room()
                        && let Ok((from, event)) = self.from_links.try_recv()
                    {
                        self.handle_link(from, event);
                    }
                }
                self.close_link(id);
            }
            net::Event::Asked(id, stream) => self.asked(id, stream),
            net::Event::Asking(id, stream) => self.asking(id, stream),
            net::Event::ListenChanged => self.show_network(),
            net::Event::DialsChanged => self.show_absent(),
            net::Event::ListenFailed(error) => {
                let text = format!("An address can no longer be listened on: {error}.");
                self.trouble(failure(FailureKind::Address, text));
            }
        }
    }

    fn open_link(&mut self, link: net::Link) {
        let net::Link { id, peer, address, path, dialed, stream } = link;
        let ids =
            LinkIds { own_peer_id: self.net.peer_id().to_bytes(), their_peer_id: peer.to_bytes() };
        let (local, at) = (Arc::clone(&self.local), Instant::now());
        let session = if dialed {
            Session::dial(local, ids, at, rand::make_rng::<StdRng>())
        } else {
            Session::listen(local, ids, at, rand::make_rng::<StdRng>())
        };
        let (outgoing, messages) = mpsc::channel(OUTGOING);
        let (events, counters) = (self.link_events.clone(), Arc::clone(&self.counters));
        link::spawn(id, stream, session, messages, events, counters);
        let (stage, heard, waiting) = (Stage::Hailing, at, Waiting::Nothing);
        let link = Link { stage, outgoing, peer, address, path, dialed, heard, waiting };
        self.links.insert(id, link);
    }

    /// A link is over.
    pub(super) fn close_link(&mut self, id: LinkId) {
        self.net.close(id);
        self.link_is_gone(id, false);
    }

    /// A link is no more, perhaps as the other's program has ended.
    fn link_is_gone(&mut self, id: LinkId, left: bool) {
        let Some(link) = self.links.remove(&id) else { return };
        self.forget_streams(id);
        let Stage::Standing(standing) = link.stage else { return };
        let who = standing.who;
        if let Some(person) = self.people.get_mut(&who)
            && person.link == Some(id)
        {
            // Where a program has ended, nobody comes back under its PeerId.
            let ended = |target: &&Target| left && matches!(target, Target::Peer(_));
            for target in person.targets.iter().filter(|target| !ended(target)) {
                self.net.resume(target);
            }
            person.link = None;
            person.contact.last_seen = Some(now());
            self.note_seen(who, &link.address, link.path, link.dialed);
            self.seek();
            self.show_presence(who);
        }
    }

    /// Notes when and where a contact was seen.
    fn note_seen(&mut self, who: Identity, address: &Multiaddr, path: Path, dialed: bool) {
        // At the next start an address is good for a dial only if nothing had to be opened for it:
        // packets that come too early can make a NAT choose other ports.
        let dialable = match path {
            Path::Lan => dialed || address::is_quic(address),
            Path::Direct | Path::Mapped => dialed,
            Path::Punched => false,
        };
        let addresses = if dialable { vec![address.to_string()] } else { Vec::new() };
        let store = self.store.clone();
        let seen = async move { store.contact_seen(who, now(), addresses).await };
        self.when(seen, |node, result| {
            if let Err(error) = result {
                node.trouble(error);
            }
        });
    }

    /// A link says something.
    pub(super) fn handle_link(&mut self, id: LinkId, event: link::Event) {
        let Some(link) = self.links.get_mut(&id) else {
            if let link::Event::Closed(_) = event {
                // It was given up before, and has sent its last messages by now.
                self.net.close(id);
            }
            return;
        };
        match event {
            // The connection may stay, as that with a node of the DHT.
            link::Event::Closed(link::End::NoMatch) => {
                self.links.remove(&id);
                self.net.stranger(id);
            }
            link::Event::Closed(link::End::Left) => {
                self.net.left(id);
                self.link_is_gone(id, true);
            }
            link::Event::Closed(link::End::Over) => self.close_link(id),
            link::Event::Room => self.pump(id),
            link::Event::Established(peer) => match peer.via {
                Via::Contact => self.stand(id, peer.identity),
                Via::Issued(_) | Via::Accepted(_) => self.begin_pairing(id, peer),
            },
            link::Event::Message(message, permit) => {
                link.heard = Instant::now();
                link.waiting = Waiting::Nothing;
                match link.stage {
                    Stage::Hailing => {}
                    Stage::Pairing(peer) => self.handle_pairing(id, peer, message, permit),
                    Stage::Standing(_) => self.handle_message(id, message, permit),
                }
            }
        }
    }

    /// A contact is at the other end of this link: from now on it is theirs, or the one that they
    /// have already stays.
    pub(super) fn stand(&mut self, id: LinkId, who: Identity) {
        let (own, at) = (self.local.identity(), Instant::now());
        let Some(link) = self.links.get(&id) else { return };
        let Some(person) = self.people.get(&who) else { return self.close_link(id) };
        if person.link == Some(id) {
            return;
        }
        let (peer, address, dialed) = (link.peer, link.address.clone(), link.dialed);
        let path = link.path;
        self.net.known(id, &address, dialed);
        if let Some(old_id) = person.link
            && let Some(old) = self.links.get(&old_id)
            && let Stage::Standing(standing) = &old.stage
        {
            let before = Standing { dialed: old.dialed, since: standing.since };
            // Another PeerId is another start of their program: the old one is gone.
            if old.peer == peer
                && !keep_new(&before, &Standing { dialed, since: at }, &own, &who, at)
            {
                // What is still on its way in it is sent again over the other.
                tracing::debug!(?id, kept = ?old_id, "of two links the older is kept");
                self.links.remove(&id);
                return;
            }
            if old.peer != peer {
                self.net.forget(&Target::Peer(old.peer));
            }
            self.links.remove(&old_id);
            self.forget_streams(old_id);
        }
        tracing::debug!(?id, "a contact is there");
        let standing = Exchanging {
            who,
            since: at,
            exchange: Exchange::default(),
            fresh: Vec::new(),
            waiting: VecDeque::new(),
            wanted: BTreeSet::new(),
            asking: false,
            have_due: true,
            asking_have: false,
            last_have: at,
        };
        if let Some(link) = self.links.get_mut(&id) {
            link.stage = Stage::Standing(Box::new(standing));
        }
        if let Some(person) = self.people.get_mut(&who) {
            person.link = Some(id);
            if person.peer.replace(peer) != Some(peer) {
                // Their program was started anew: that is told even if nobody saw them go.
                person.shown = (ContactState::Offline, None);
            }
            for target in &person.targets {
                self.net.rest(target);
            }
            person.targets.retain(|target| *target != Target::Peer(peer));
            person.targets.push_back(Target::Peer(peer));
            if person.targets.len() > MAX_TARGETS {
                person.targets.pop_front();
            }
        }
        self.greet(id);
        self.note_seen(who, &address, path, dialed);
        self.seek();
        self.show_presence(who);
        self.pump(id);
        self.ask_for_files(id);
    }

    /// Says who one is.
    pub(super) fn greet(&mut self, id: LinkId) {
        let version = concat!("entrenous ", env!("CARGO_PKG_VERSION")).to_owned();
        let hello = Message::Hello { name: self.profile.name.clone(), version };
        self.send(id, hello);
    }

    /// Tells everyone who is online the own name.
    pub(super) fn greet_everyone(&mut self) {
        let online: Vec<_> = self.people.values().filter_map(|person| person.link).collect();
        for id in online {
            self.greet(id);
        }
    }
}
