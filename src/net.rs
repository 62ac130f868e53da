//! libp2p: who can be linked with, and the links themselves.
//!
//! ```text
//! Net ── Swarm ── Links      one stream on each connection
//!   │       ├──── mdns4/6    who is on this LAN
//!   │       ├──── limits
//!   │       ├──── quic, TCP  transports
//!   │       └──── kad        records that one leaves for the other
//!   ├── Dialer               whom to dial, and when
//!   └── Seeks                whom to find across NATs
//! ```
//!
//! [`Net`] knows PeerIds and addresses, never people. Its owner learns by hail with whom a link
//! is, and says so by [`Net::known`] or [`Net::stranger`].

pub mod address;
pub mod dht;
pub mod dialer;
pub mod links;
pub mod observed;
pub mod punch;
pub mod quic;
pub mod rendezvous;
pub mod seek;
mod transport;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Stream, Swarm,
    core::transport::{ListenerId, TransportError},
    identify, kad, mdns,
    swarm::{
        ConnectionId, DialError, FromSwarm, NetworkBehaviour, SwarmEvent,
        behaviour::NewListenAddr,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use tokio::{sync::mpsc, time::sleep_until};

use self::{
    dialer::{Dialer, Origin, Target},
    links::Opened,
    observed::Observed,
    rendezvous::Mapping,
    seek::Seeks,
    transport::{Behaviour, BehaviourEvent},
};
use crate::node::api::{Attempt, Path, Scope};

/// How the network is used.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// What it may be used for.
    pub scope: Scope,
    /// Addresses to listen on; empty: any port of QUIC and TCP on both IP versions.
    pub listen: Vec<Multiaddr>,
    /// Addresses to link to, with or without `/p2p/…`.
    pub bootstrap: Vec<Multiaddr>,
    /// Whether to look for others, and be found, on the LAN.
    pub mdns: bool,
    /// Whether to serve the project's own DHT; without [`Scope::Everywhere`] there is none.
    pub serve_dht: bool,
}

/// Names a link while it stands.
pub type LinkId = ConnectionId;

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A link stands.
    Opened(Box<Link>),
    /// A link that was opened is over.
    Closed(LinkId),
    /// The addresses listened on are other ones.
    ListenChanged,
    /// A dial began or failed, so that somebody may be in reach or no longer.
    DialsChanged,
    /// An address to listen on failed.
    ListenFailed(String),
}

/// A link that stands.
#[derive(Debug)]
pub struct Link {
    /// Its name.
    pub id: LinkId,
    /// The throwaway PeerId of the other side.
    pub peer: PeerId,
    /// The other side's address.
    pub address: Multiaddr,
    /// How it leads there.
    pub path: Path,
    /// Whether this side dialed.
    pub dialed: bool,
    /// Both directions of bytes.
    pub stream: Stream,
}

/// So many PeerIds may mDNS report before it is set up anew: libp2p-mdns keeps all of them for
/// as long as they ask. (Only then: the tasks of the old one end at the next PeerId that they
/// discover, so without a flood they would stay.)
const MAX_DISCOVERED: usize = 1024;

/// Hails on one connection: who knows nobody here does not go on asking.
const MAX_HAILS: u8 = 16;

/// Nodes of the DHT whose connection is kept, and by that the NAT's mapping.
const MAX_NODES: usize = 8;

/// Dials remembered, to be told of.
const MAX_ATTEMPTS: usize = 128;

/// How long listeners may take to tell an address, until which nothing is dialed: a dial that
/// leaves from another socket teaches the nodes of the DHT a wrong address.
const LISTENERS: Duration = Duration::from_millis(300);

/// Where a program listens that was not told where.
const DEFAULT_LISTEN: [&str; 4] =
    ["/ip4/0.0.0.0/udp/0/quic-v1", "/ip6/::/udp/0/quic-v1", "/ip4/0.0.0.0/tcp/0", "/ip6/::/tcp/0"];

/// What an address must look like; ends the sentence about one that doesn't.
const WHAT_IS_SUPPORTED: &str = "an address looks like /ip4/192.0.2.1/udp/4001/quic-v1 or \
     /ip6/2001:db8::1/tcp/4001, and with --lan-only it must lie within the local network.";

/// See the module's documentation.
pub struct Net {
    swarm: Swarm<Behaviour>,
    scope: Scope,
    dialer: Dialer,
    dials: HashMap<ConnectionId, Target>,
    standing: HashMap<ConnectionId, Standing>,
    /// Links that were closed here, until their connections are.
    closing: HashSet<ConnectionId>,
    listen: Vec<Multiaddr>,
    /// Listeners that have not told an address yet by which others can be dialed, whether they
    /// listen on any, and until when that is waited for.
    silent: HashMap<ListenerId, bool>,
    silent_until: Instant,
    serves_dht: bool,
    sockets: quic::Sockets,
    /// What arrives on the listening sockets and is not QUIC.
    datagrams: mpsc::Receiver<quic::Datagram>,
    /// Connections with nodes of the DHT.
    nodes: HashMap<ConnectionId, PeerId>,
    observed: Observed,
    seeks: Seeks,
    /// The last dials, the oldest first.
    attempts: VecDeque<(ConnectionId, Target, Attempt)>,
}

/// A connection that stands.
struct Standing {
    peer: PeerId,
    /// The targets that it serves: that which was dialed, and the PeerId.
    targets: Vec<Target>,
    opened: bool,
    /// How often it was asked who is there.
    hails: u8,
    who: Who,
}

/// What the hail has told of the other side.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Unknown,
    Stranger,
    Known,
}

impl Net {
    /// A network under a new key, listening.
    ///
    /// # Errors
    ///
    /// A sentence about the address that can't be listened on or linked to.
    pub fn start(config: &Config) -> Result<Self, String> {
        let (others, datagrams) = mpsc::channel(quic::MAX_DATAGRAMS);
        let sockets = quic::Sockets::default();
        let swarm = transport::swarm(config, sockets.clone(), others)
            .map_err(|error| format!("The network could not be set up: {error}."))?;
        let now = Instant::now();
        let mut net = Self {
            swarm,
            scope: config.scope,
            dialer: Dialer::default(),
            dials: HashMap::new(),
            standing: HashMap::new(),
            closing: HashSet::new(),
            listen: Vec::new(),
            silent: HashMap::new(),
            silent_until: now + LISTENERS,
            serves_dht: config.serve_dht,
            sockets,
            datagrams,
            nodes: HashMap::new(),
            observed: Observed::default(),
            seeks: Seeks::default(),
            attempts: VecDeque::new(),
        };
        if config.scope == Scope::Offline {
            return Ok(net);
        }
        net.listen_on(&config.listen)?;
        for address in &config.bootstrap {
            if !address::is_supported(address) || !address::allowed(net.scope, address) {
                return Err(format!("{address} cannot be linked to: {WHAT_IS_SUPPORTED}"));
            }
            let (plain, peer) = address::split_peer(address.clone());
            let target = peer.map_or_else(|| Target::Address(plain.clone()), Target::Peer);
            net.dialer.add(now, target, Origin::User, plain);
        }
        Ok(net)
    }

    fn listen_on(&mut self, addresses: &[Multiaddr]) -> Result<(), String> {
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

    /// This start's PeerId.
    pub fn peer_id(&self) -> PeerId {
        *self.swarm.local_peer_id()
    }

    /// The addresses listened on now.
    pub fn listen_addresses(&self) -> Vec<String> {
        self.swarm.listeners().map(ToString::to_string).collect()
    }

    /// The other side of this link is known: the link may stay.
    pub fn known(&mut self, id: LinkId, address: &Multiaddr, dialed: bool) {
        self.swarm.behaviour_mut().links.known(id);
        let Some(standing) = self.standing.get_mut(&id) else { return };
        standing.who = Who::Known;
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
    }

    /// The hail has found nobody at the other side of this link. The connection stays where it
    /// may serve the DHT; it ends when that has no use for it.
    pub fn stranger(&mut self, id: LinkId) {
        let of_dht = self.swarm.behaviour().kad.is_enabled();
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
        if self.ended(id) {
            self.closing.insert(id);
        }
        self.swarm.close_connection(id);
    }

    /// Returns whether a link stood there.
    fn ended(&mut self, id: LinkId) -> bool {
        let Some(Standing { peer, targets, opened, who, .. }) = self.standing.remove(&id) else {
            return false;
        };
        if let Some(other) = self.standing.values_mut().find(|other| other.peer == peer) {
            other.targets.extend(targets);
            other.targets.dedup();
            return opened;
        }
        let now = Instant::now();
        for target in &targets {
            match who {
                Who::Known => self.dialer.lost(now, target),
                Who::Stranger => self.dialer.stranger(now, target),
                Who::Unknown => self.dialer.broken(now, target),
            }
        }
        opened
    }

    /// There is no need to dial this target for now.
    pub fn rest(&mut self, target: &Target) {
        self.dialer.rest(target);
    }

    /// There is need again.
    pub fn resume(&mut self, target: &Target) {
        self.dialer.resume(Instant::now(), target);
    }

    /// A contact was at this address when last seen.
    pub fn last_known(&mut self, address: &str) {
        if let Ok(address) = address.parse::<Multiaddr>()
            && address::is_supported(&address)
            && address::allowed(self.scope, &address)
        {
            let target = Target::Address(address.clone());
            self.dialer.add(Instant::now(), target, Origin::Contact, address);
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

    /// This target is of no use any more.
    pub fn forget(&mut self, target: &Target) {
        self.dialer.forget(target);
    }

    /// Whether this target is being dialed.
    pub fn is_trying(&self, target: &Target) -> bool {
        self.dialer.is_trying(Instant::now(), target)
    }

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

    /// Nodes of the DHT that are connected.
    pub fn dht_nodes(&self) -> u32 {
        let nodes: HashSet<_> = self.nodes.values().collect();
        u32::try_from(nodes.len()).unwrap_or(u32::MAX)
    }

    /// The last dials to these, the oldest first.
    pub fn attempts<'a>(
        &'a self,
        targets: &'a VecDeque<Target>,
    ) -> impl Iterator<Item = &'a Attempt> {
        let attempts = self.attempts.iter().filter(|(_, target, _)| targets.contains(target));
        attempts.map(|(.., attempt)| attempt)
    }

    fn note_dial(&mut self, id: ConnectionId, target: &Target, addresses: &[Multiaddr]) {
        let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        let attempt = Attempt {
            path: "dial".to_owned(),
            address: addresses.join(", "),
            at: seek::wall_clock(),
            outcome: "under way".to_owned(),
        };
        self.attempts.push_back((id, target.clone(), attempt));
        if self.attempts.len() > MAX_ATTEMPTS {
            self.attempts.pop_front();
        }
    }

    fn note_outcome(&mut self, id: ConnectionId, outcome: &str) {
        if let Some((.., attempt)) = self.attempts.iter_mut().find(|(known, ..)| *known == id) {
            outcome.clone_into(&mut attempt.outcome);
        }
    }

    /// Links that stand, known or not.
    pub fn links(&self) -> u32 {
        u32::try_from(self.standing.values().filter(|standing| standing.opened).count())
            .unwrap_or(u32::MAX)
    }

    /// What happens next. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Event {
        loop {
            self.dial_due();
            self.seek_due();
            let dials = self
                .dialer
                .poll_timeout()
                .map(|due| if self.silent.is_empty() { due } else { due.max(self.silent_until) });
            let due = [dials, self.poll_seek_timeout()];
            let due = due.into_iter().flatten().min();
            tokio::select! {
                event = self.swarm.select_next_some() => {
                    if let Some(event) = self.handle(event) {
                        return event;
                    }
                }
                Some(datagram) = self.datagrams.recv() => self.handle_datagram(&datagram),
                Some(arrived) = self.seeks.arrived.recv() => self.handle_arrived(arrived),
                () = sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {}
            }
        }
    }

    fn dial_due(&mut self) {
        let now = Instant::now();
        if !self.silent.is_empty() && now < self.silent_until {
            return;
        }
        while let Some(dial) = self.dialer.poll_dial(now) {
            tracing::debug!(?dial, "dialing");
            let addresses = dial.addresses.clone();
            let options = match &dial.target {
                Target::Peer(peer) => DialOpts::peer_id(*peer)
                    .condition(PeerCondition::Always)
                    .addresses(dial.addresses)
                    .build(),
                Target::Address(address) => {
                    DialOpts::unknown_peer_id().address(address.clone()).build()
                }
            };
            let id = options.connection_id();
            self.swarm.behaviour_mut().links.expect(id);
            match self.swarm.dial(options) {
                Ok(()) => {
                    self.note_dial(id, &dial.target, &addresses);
                    self.dials.insert(id, dial.target);
                }
                Err(error) => {
                    tracing::debug!(%error, "dial refused");
                    self.swarm.behaviour_mut().links.failed(id);
                    self.dialer.failed(&dial.target);
                }
            }
        }
    }

    fn handle(&mut self, event: SwarmEvent<BehaviourEvent>) -> Option<Event> {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Links(opened)) => self.opened(opened),
            SwarmEvent::Behaviour(BehaviourEvent::Mdns4(event) | BehaviourEvent::Mdns6(event)) => {
                self.handle_mdns(event);
                None
            }
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received {
                connection_id,
                peer_id,
                info,
            })) => {
                self.handle_identify(connection_id, peer_id, &info);
                None
            }
            SwarmEvent::Behaviour(BehaviourEvent::Kad(event)) => {
                self.handle_kad(event);
                None
            }
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, .. } => {
                tracing::debug!(?connection_id, "connected");
                self.note_outcome(connection_id, "connected");
                let mut targets = vec![Target::Peer(peer_id)];
                if let Some(target) = self.dials.remove(&connection_id) {
                    self.dialer.connected(&target);
                    targets.push(target);
                    targets.dedup();
                }
                self.dialer.linked(&Target::Peer(peer_id));
                let (peer, who) = (peer_id, Who::Unknown);
                let standing = Standing { peer, targets, opened: false, hails: 0, who };
                self.standing.insert(connection_id, standing);
                None
            }
            SwarmEvent::ConnectionClosed { connection_id, cause, .. } => {
                tracing::debug!(?connection_id, ?cause, "closed");
                self.node_is_gone(connection_id);
                let opened = self.ended(connection_id) || self.closing.remove(&connection_id);
                opened.then_some(Event::Closed(connection_id))
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                tracing::debug!(%error, "dial failed");
                self.note_outcome(connection_id, dial_outcome(&error));
                self.swarm.behaviour_mut().links.failed(connection_id);
                self.seeks.dial_failed(connection_id);
                let target = self.dials.remove(&connection_id)?;
                self.dialer.failed(&target);
                Some(Event::DialsChanged)
            }
            SwarmEvent::NewListenAddr { listener_id, address } => {
                tracing::debug!(%address, "listening");
                let loopback = address::ip(&address).is_some_and(|ip| ip.is_loopback());
                if !loopback || self.silent.get(&listener_id) == Some(&false) {
                    self.silent.remove(&listener_id);
                }
                self.listen.push(address);
                self.network_changed();
                Some(Event::ListenChanged)
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                self.listen.retain(|other| *other != address);
                self.network_changed();
                Some(Event::ListenChanged)
            }
            SwarmEvent::ListenerClosed { reason: Err(error), .. } => {
                Some(Event::ListenFailed(error.to_string()))
            }
            _ => None,
        }
    }

    /// What was seen from outside counts no more, and is asked for again.
    fn network_changed(&mut self) {
        let now = Instant::now();
        self.dialer.reconsider(now);
        self.observed.clear();
        self.seeks.reset(now);
        for id in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.swarm.close_connection(id);
        }
    }

    fn node_is_gone(&mut self, id: ConnectionId) {
        let Some(peer) = self.nodes.remove(&id) else { return };
        let stands = self.nodes.values().any(|other| *other == peer);
        if let Some(kad) = self.swarm.behaviour_mut().kad.as_mut().filter(|_| !stands) {
            // Queries would wait for it.
            kad.remove_peer(&peer);
        }
    }

    /// Another program says what it speaks, and how it sees us.
    fn handle_identify(&mut self, id: ConnectionId, peer: PeerId, info: &identify::Info) {
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
        if !info.protocols.contains(&dht::PROTOCOL) {
            return;
        }
        // QUIC dials from where it listens; of TCP only a dialed address can be dialed.
        // A client takes nobody for a node who comes by himself: he may want to be the only one.
        let dialable = dialed || (self.serves_dht && address::is_quic(&address));
        let (plain, _) = address::split_peer(address);
        let behaviour = self.swarm.behaviour_mut();
        if let Some(kad) = behaviour.kad.as_mut().filter(|_| dialable) {
            kad.add_address(&peer, plain);
            self.nodes.insert(id, peer);
            if self.nodes.len() <= MAX_NODES {
                behaviour.links.keep(id, peer);
            }
            self.seeks.touch(Instant::now());
        }
    }

    fn handle_kad(&mut self, event: kad::Event) {
        match event {
            kad::Event::OutboundQueryProgressed { id, result, step, .. } => {
                self.handle_query(id, result, step.last);
            }
            kad::Event::InboundRequest {
                request: kad::InboundRequest::PutRecord { record: Some(record), .. },
            } => {
                if let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() {
                    dht::store(kad, record);
                }
            }
            _ => {}
        }
    }

    fn opened(&mut self, opened: Opened) -> Option<Event> {
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
        let punched = address::socket(&address).is_some_and(|at| self.seeks.is_punched(at));
        let path = if punched { Path::Punched } else { address::path(&address) };
        let link = Link { id: connection, peer, address, path, dialed, stream };
        Some(Event::Opened(Box::new(link)))
    }

    fn handle_mdns(&mut self, event: mdns::Event) {
        match event {
            mdns::Event::Discovered(found) => {
                let now = Instant::now();
                for (peer, address) in found {
                    let (address, _) = address::split_peer(address);
                    // Whatever mDNS says must be on the LAN: else anyone there could have us
                    // dial the world.
                    if address::is_supported(&address)
                        && address::allowed(Scope::LanOnly, &address)
                        && peer != self.peer_id()
                    {
                        self.dialer.add(now, Target::Peer(peer), Origin::Found, address);
                    }
                }
                let behaviour = self.swarm.behaviour();
                let discovered = [&behaviour.mdns4, &behaviour.mdns6].into_iter();
                let known = discovered.filter_map(|mdns| mdns.as_ref());
                if known.map(|mdns| mdns.discovered_nodes().len()).sum::<usize>() > MAX_DISCOVERED {
                    self.renew_mdns();
                }
            }
            mdns::Event::Expired(gone) => {
                for (peer, address) in gone {
                    let (address, _) = address::split_peer(address);
                    self.dialer.expired(&Target::Peer(peer), &address);
                }
            }
        }
    }

    fn renew_mdns(&mut self) {
        let peer = self.peer_id();
        let behaviour = self.swarm.behaviour_mut();
        for (mdns, ipv6) in [(&mut behaviour.mdns4, false), (&mut behaviour.mdns6, true)] {
            *mdns = transport::mdns_behaviour(peer, ipv6, true);
            for address in &self.listen {
                let listener_id = libp2p::core::transport::ListenerId::next();
                let event = NewListenAddr { listener_id, addr: address };
                mdns.on_swarm_event(FromSwarm::NewListenAddr(event));
            }
        }
    }
}

/// What a failed dial means, in words.
fn dial_outcome(error: &DialError) -> &'static str {
    match error {
        DialError::WrongPeerId { .. } => "somebody else answered",
        DialError::Denied { .. } => "too many connections",
        DialError::Transport(errors) => {
            let refused = |error: &TransportError<std::io::Error>| match error {
                TransportError::Other(error) => error.to_string().contains("refused"),
                TransportError::MultiaddrNotSupported(_) => false,
            };
            let all_refused = !errors.is_empty() && errors.iter().all(|(_, error)| refused(error));
            if all_refused { "refused: nobody listens there" } else { "no answer" }
        }
        _ => "not possible",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn loopback() -> Config {
        Config {
            scope: Scope::LanOnly,
            listen: vec![
                "/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap(),
                "/ip4/127.0.0.1/tcp/0".parse().unwrap(),
            ],
            bootstrap: Vec::new(),
            mdns: false,
            serve_dht: false,
        }
    }

    async fn listening(net: &mut Net, addresses: usize) {
        while net.listen_addresses().len() < addresses {
            net.next().await;
        }
    }

    async fn opened(net: &mut Net) -> Link {
        loop {
            if let Event::Opened(link) = net.next().await {
                return *link;
            }
        }
    }

    #[tokio::test]
    async fn an_address_of_the_user_leads_to_one_link_on_either_transport() {
        for transport in ["quic", "tcp"] {
            let mut a = Net::start(&loopback()).unwrap();
            listening(&mut a, 2).await;
            let address = a.listen_addresses();
            let address = address.iter().find(|address| address.contains(transport)).unwrap();
            let bootstrap = vec![address.parse().unwrap()];
            let mut b = Net::start(&Config { bootstrap, ..loopback() }).unwrap();
            let (in_a, in_b) = tokio::join!(opened(&mut a), opened(&mut b));
            assert!(in_b.dialed && !in_a.dialed);
            assert_eq!((in_a.peer, in_b.peer), (b.peer_id(), a.peer_id()));
            assert_eq!((in_a.path, in_b.path), (Path::Lan, Path::Lan));
        }
    }

    #[tokio::test]
    async fn a_bad_address_is_refused_with_a_sentence() {
        for bad in ["/ip4/8.8.8.8/tcp/1", "/dns/example.org/tcp/1", "/ip4/127.0.0.1/tcp/1/ws"] {
            let bootstrap = vec![bad.parse().unwrap()];
            let error = Net::start(&Config { bootstrap, ..loopback() }).err().unwrap();
            assert!(error.contains(bad), "{error}");
        }
        let listen = vec!["/memory/1".parse().unwrap()];
        let error = Net::start(&Config { listen, ..loopback() }).err().unwrap();
        assert!(error.contains("/memory/1"), "{error}");
    }

    #[tokio::test]
    async fn offline_opens_no_socket_and_each_start_has_a_key_of_its_own() {
        let config = Config { scope: Scope::Offline, mdns: true, ..Config::default() };
        let (a, b) = (Net::start(&config).unwrap(), Net::start(&config).unwrap());
        assert!(a.listen_addresses().is_empty());
        assert_ne!(a.peer_id(), b.peer_id());
    }

    #[tokio::test]
    async fn a_flood_of_strangers_keeps_no_more_than_the_bound() {
        let mut victim = Net::start(&loopback()).unwrap();
        listening(&mut victim, 2).await;
        let address: Multiaddr = victim.listen_addresses()[0].parse().unwrap();
        let mut strangers: Vec<_> = (0..links::MAX_STRANGERS_PER_IP + 8)
            .map(|_| {
                let bootstrap = vec![address.clone()];
                Net::start(&Config { bootstrap, ..loopback() }).unwrap()
            })
            .collect();
        let mut streams = Vec::new();
        let all = futures::future::join_all(strangers.iter_mut().map(|net| async move {
            tokio::time::timeout(Duration::from_secs(3), async {
                loop {
                    net.next().await;
                }
            })
            .await
        }));
        tokio::select! {
            _ = all => {}
            () = async { loop {
                if let Event::Opened(link) = victim.next().await { streams.push(link); }
            } } => {}
        }
        assert!(victim.links() as usize <= links::MAX_STRANGERS_PER_IP, "{}", victim.links());
        assert!(victim.links() > 0);
    }
}
