//! Links and the people behind them: who is online, by which link, and that it lives.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use libp2p::{Multiaddr, PeerId};
use rand::rngs::StdRng;
use tokio::sync::mpsc;

use super::{
    api::{ContactState, Event, Failure, FailureKind, Path},
    failure,
    link::{self, OUTGOING},
    now,
    run::Node,
};
use crate::{
    conversation::{ConversationId, WireEntry},
    identity::{Identity, PairSecret},
    net::{self, LinkId, address, dialer::Target, rendezvous::Side, seek::Sought},
    session::{Acquaintance, LinkIds, Local, Peer, Session, Standing, Via, keep_new},
    store::{self, Direction, InviteState},
    sync::{Exchange, Message},
};

/// A ping goes out when nothing was heard for so long. It also finds dead TCP connections, which
/// have no keep-alive of their own.
const QUIET: Duration = Duration::from_secs(20);

/// A ping goes out when what was sent is not acknowledged for so long …
const UNANSWERED: Duration = Duration::from_millis(1000);

/// … and so long after the ping the link is given up: the next dial finds out whether the other
/// side can still be reached. A cut of some seconds is mended as soon as it ends.
const PING_TIMEOUT: Duration = Duration::from_millis(1500);

/// At most so many times [`PING_TIMEOUT`] is waited: a slow link is given more time after each
/// time that it was given up, until something came across.
const MAX_PATIENCE: u32 = 16;

/// Somebody who brings an invite says what follows within this.
const PAIRING: Duration = Duration::from_secs(30);

/// Messages that may wait for room in a link. A contact that reads nothing but asks for more is
/// cut off beyond it.
const MAX_QUEUED: usize = 64;

/// How often both sides say what they have, though nothing happened.
const HAVE_INTERVAL: Duration = Duration::from_secs(60);

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
    /// Knows a contact from now on.
    pub(super) fn add_person(&mut self, contact: store::Contact) {
        let who = contact.identity;
        self.conversations.insert(contact.conversation, who);
        let mut targets = VecDeque::new();
        for text in &contact.addresses {
            if let Ok(address) = text.parse() {
                targets.push_back(Target::Address(address));
            }
            self.net.last_known(text);
        }
        let own = (&self.local.identity(), &self.profile.device_key);
        let their = (&who, &contact.certificate.device_public);
        let person = Person {
            pair_secret: PairSecret::of_devices(own, their).ok(),
            link: None,
            patience: 1,
            peer: None,
            shown: (ContactState::Offline, None),
            targets,
            contact,
        };
        self.people.insert(who, person);
    }

    /// What is known of a contact changed.
    pub(super) fn update_person(&mut self, contact: store::Contact) {
        let id = contact.identity;
        let view = self.view(&contact);
        if let Some(person) = self.people.get_mut(&id) {
            person.contact = contact;
        }
        self.tell(Event::ContactChanged { contact: Some(view), id });
    }

    /// Forgets a contact and ends the session with them.
    pub(super) fn remove_person(&mut self, id: Identity) {
        let Some(person) = self.people.remove(&id) else { return };
        self.stop_files_of(person.contact.conversation);
        self.conversations.retain(|_, who| *who != id);
        for target in &person.targets {
            self.net.forget(target);
        }
        if let Some(link) = person.link {
            self.links.remove(&link);
            self.forget_streams(link);
            self.net.close(link);
        }
        self.meet_again();
        self.tell(Event::ContactChanged { contact: None, id });
    }

    /// Whether a contact can be reached, and how.
    pub(super) fn presence(&self, who: Identity) -> (ContactState, Option<Path>) {
        let Some(person) = self.people.get(&who) else { return (ContactState::Offline, None) };
        if let Some(link) = person.link.and_then(|id| self.links.get(&id)) {
            return (ContactState::Online, Some(link.path));
        }
        let trying = person.targets.iter().any(|target| self.net.is_trying(target))
            || person.pair_secret.as_ref().is_some_and(|secret| {
                self.net.search(secret).is_some_and(|search| search.is_under_way)
            });
        (if trying { ContactState::Connecting } else { ContactState::Offline }, None)
    }

    /// Tells the front end if a contact's presence is other than what it was told.
    fn show_presence(&mut self, id: Identity) {
        let (state, path) = self.presence(id);
        let Some(person) = self.people.get_mut(&id) else { return };
        // Of two links that cross one ends at once, perhaps before the other one stands here:
        // nobody has gone then.
        let crossing = person.shown.0 == ContactState::Online
            && self.links.values().any(|link| {
                let peer = Target::Peer(link.peer);
                matches!(link.stage, Stage::Hailing) && person.targets.contains(&peer)
            });
        if person.shown != (state, path) && (state == ContactState::Online || !crossing) {
            person.shown = (state, path);
            self.tell(Event::ContactState { id, state, path });
        }
    }

    fn show_network(&mut self) {
        let network = self.network();
        self.shown_links = network.links;
        self.tell(Event::Network { network });
    }

    /// The same as [`Self::show_presence`] for everyone without a link.
    fn show_absent(&mut self) {
        let absent = self.people.iter().filter(|(_, person)| person.link.is_none());
        let absent: Vec<_> = absent.map(|(who, _)| *who).collect();
        for who in absent {
            self.show_presence(who);
        }
    }

    /// Learns from the store whom to hold sessions with.
    pub(super) async fn meet(&mut self) -> Result<(), Failure> {
        self.invitations = self.store.open_invites(now()).await?;
        self.renew_local();
        Ok(())
    }

    /// The same when invites changed.
    pub(super) fn renew_invitations(&mut self) {
        let store = self.store.clone();
        let list = async move { store.open_invites(now()).await };
        self.when(list, |node, invitations| match invitations {
            Ok(invitations) => {
                node.invitations = invitations;
                node.renew_local();
            }
            Err(error) => node.trouble(error),
        });
    }

    /// The same when strangers may be acquaintances now. Contacts are recognised from here on:
    /// a new one may come back over another link at any moment.
    pub(super) fn meet_again(&mut self) {
        self.renew_local();
        self.renew_invitations();
        self.when(std::future::ready(()), |node, ()| node.net.reconsider());
    }

    fn renew_local(&mut self) {
        let key = &self.profile.device_key;
        let mut acquaintances = Vec::new();
        // A hail has only so many tags: those seen last come first.
        let mut people: Vec<_> = self.people.values().collect();
        people.sort_by_key(|person| Reverse(person.contact.last_seen));
        for person in people {
            let device_public = person.contact.certificate.device_public;
            let identity = person.contact.identity;
            if let Some(pair_secret) = person.pair_secret.clone() {
                acquaintances.push(Acquaintance::Contact { identity, device_public, pair_secret });
            }
        }
        for invitation in &self.invitations {
            let store::Invitation { number, direction, invite, certificate, .. } = invitation;
            let (number, secret) = (*number, invite.secret.clone());
            acquaintances.push(match direction {
                Direction::Issued => Acquaintance::Issued { number, secret },
                Direction::Accepted => {
                    let issuer = invite.identity;
                    let me = self.local.identity();
                    let issuer_device = certificate.as_ref().and_then(|certificate| {
                        let device = certificate.device_public;
                        let secret = PairSecret::of_devices((&me, key), (&issuer, &device)).ok()?;
                        Some((device, secret))
                    });
                    Acquaintance::Accepted { number, issuer, secret, issuer_device }
                }
            });
        }
        let (me, certificate) = (self.local.identity(), self.profile.certificate);
        self.local = Arc::new(Local::new(me, key.clone(), certificate, acquaintances));
        self.seek();
    }

    /// Seeks everyone who has no link, and those who may come with an invite.
    fn seek(&mut self) {
        let me = self.local.identity();
        let side = |other: &Identity| if me < *other { Side::First } else { Side::Second };
        let absent = self.people.values().filter(|person| person.link.is_none());
        let mut absent: Vec<_> = absent.collect();
        absent.sort_by_key(|person| Reverse(person.contact.last_seen));
        let contacts = absent.into_iter().filter_map(|person| {
            let secret = person.pair_secret.clone()?;
            Some(Sought { secret, side: side(&person.contact.identity) })
        });
        // Those that are used up are known only to be refused.
        let open = self.invitations.iter().filter(|invitation| {
            invitation.state == InviteState::Open || invitation.direction == Direction::Accepted
        });
        let invitations = open.flat_map(|invitation| {
            let store::Invitation { direction, invite, certificate, .. } = invitation;
            let secret = PairSecret::of_invite(&invite.secret, &invite.identity);
            if *direction == Direction::Issued {
                return vec![Sought { secret, side: Side::First }];
            }
            let mut sought = vec![Sought { secret, side: Side::Second }];
            // A crash in the midst of pairing may have left the issuer with a contact already.
            if let Some(certificate) = certificate {
                let own = (&me, &self.profile.device_key);
                let their = (&invite.identity, &certificate.device_public);
                let secret = PairSecret::of_devices(own, their);
                let side = side(&invite.identity);
                sought.extend(secret.ok().map(|secret| Sought { secret, side }));
            }
            sought
        });
        self.net.seek(contacts.chain(invitations).collect());
    }

    /// Something happened in the network.
    pub(super) fn handle_net(&mut self, event: net::Event) {
        match event {
            net::Event::Opened(link) => self.open_link(*link),
            net::Event::Closed(id) => self.close_link(id),
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

    /// Something that was sent has come across; what was sent after it is waited for anew.
    pub(super) fn came_across(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Stage::Standing(standing) = &link.stage else { return };
        if standing.exchange.is_waiting() {
            link.waiting = Waiting::Answer(Instant::now());
        }
        if let Some(person) = self.people.get_mut(&standing.who) {
            person.patience = 1;
        }
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

    /// Sends a message now, or when the link has room.
    pub(super) fn send(&mut self, id: LinkId, message: Message) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let asks = matches!(message, Message::Entries { .. } | Message::Ping);
        if asks && matches!(link.waiting, Waiting::Nothing) {
            link.waiting = Waiting::Answer(Instant::now());
        }
        let Stage::Standing(standing) = &mut link.stage else {
            // A link that begins has room; one that has none is of no use.
            if link.outgoing.try_send(message).is_err() {
                self.close_link(id);
            }
            return;
        };
        if standing.waiting.len() >= MAX_QUEUED {
            return self.close_link(id);
        }
        standing.waiting.push_back(message);
        standing.drain(&link.outgoing);
    }

    /// Looks after the links, twice a second: do they live, is a `Have` due, is there room again?
    ///
    /// While the front end leaves no room for events, messages wait unread, so nobody is judged by
    /// their silence.
    pub(super) fn look_after_links(&mut self, room: bool) {
        if self.stopping {
            return;
        }
        if !room {
            for link in self.links.values_mut() {
                link.heard = Instant::now();
                link.waiting = Waiting::Nothing;
            }
            return;
        }
        self.show_absent();
        self.look_after_files();
        if self.shown_links != self.net.links() {
            self.show_network();
        }
        let at = Instant::now();
        let ids: Vec<_> = self.links.keys().copied().collect();
        for id in ids {
            let Some(link) = self.links.get_mut(&id) else { continue };
            let Stage::Standing(standing) = &mut link.stage else {
                if at - link.heard >= PAIRING {
                    self.close_link(id);
                }
                continue;
            };
            let person = self.people.get_mut(&standing.who);
            let patience = person.as_ref().map_or(1, |person| person.patience);
            if at - standing.last_have >= HAVE_INTERVAL {
                standing.have_due = true;
            }
            match link.waiting {
                Waiting::Pong(since) if at - since >= PING_TIMEOUT * patience => {
                    tracing::debug!(?id, "no answer: the link is given up");
                    if let Some(person) = person {
                        person.patience = (patience * 2).min(MAX_PATIENCE);
                    }
                    self.close_link(id);
                    continue;
                }
                Waiting::Answer(since) if at - since >= UNANSWERED => {
                    link.waiting = Waiting::Pong(at);
                    self.send(id, Message::Ping);
                }
                Waiting::Nothing if at - link.heard >= QUIET => {
                    link.waiting = Waiting::Pong(at);
                    self.send(id, Message::Ping);
                }
                _ => {}
            }
            self.pump(id);
        }
    }
}
