//! libp2p: who can be linked with, and the links themselves.
//!
//! ```text
//! Net ── Swarm ── Links      one stream on each connection
//!   │       ├──── mdns4/6    who is on this LAN
//!   │       ├──── limits
//!   │       ├──── quic, TCP  transports
//!   │       └──── own, public DHT  records that one leaves for the other
//!   ├── Dialer               whom to dial, and when
//!   ├── PortMap              what the router lets in
//!   ├── WayOut               whether the default route is another one
//!   └── Seeks                whom to find across NATs
//! ```
//!
//! [`Net`] knows PeerIds and addresses, never people. Its owner learns by hail with whom a link
//! is, and says so by [`Net::known`] or [`Net::stranger`].

pub mod address;
mod ask;
pub mod dht;
pub mod dialer;
mod dials;
pub mod filtering;
mod first_nodes;
mod lan;
pub mod links;
mod listen;
mod nodes;
pub mod observed;
pub mod portmap;
pub mod punch;
pub mod quic;
mod rate;
pub mod rendezvous;
pub mod seek;
pub mod serving;
mod standing;
mod transport;
mod way_out;
pub mod ways_in;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Stream, Swarm,
    core::{ConnectedPoint, transport::ListenerId},
    identify,
    swarm::{ConnectionId, SwarmEvent},
};
use tokio::{sync::mpsc, time::sleep_until};

use self::{
    dht::Dht,
    dialer::{Dialer, Origin, Target},
    filtering::Filtering,
    first_nodes::FirstNodes,
    listen::WHAT_IS_SUPPORTED,
    observed::Observed,
    portmap::PortMap,
    seek::Seeks,
    serving::ServeDht,
    standing::{Standing, Who},
    transport::{Behaviour, BehaviourEvent},
    way_out::WayOut,
};
use crate::node::api::{Attempt, Path, Scope};

/// So long a NAT may let in those to whom a program before has sent, if that listened at the same
/// port because it was told to (RFC 4787, REQ-5, recommends five minutes).
const REMEMBERED: Duration = Duration::from_secs(600);

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
    pub serve_dht: ServeDht,
    /// Whether to use the public DHT too, as a client.
    pub public_dht: bool,
}

/// Names a link while it stands.
pub type LinkId = ConnectionId;

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A link stands.
    Opened(Box<Link>),
    /// A link that was opened is over, or leads nowhere any more and is to be closed.
    Closed(LinkId),
    /// A stream for files was opened by the other side of a link with somebody known.
    Asked(LinkId, Stream),
    /// One that was to be opened by [`Net::open_files`] is, or it failed.
    Asking(LinkId, Option<Stream>),
    /// The addresses listened on, or mapped by the router, are other ones.
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
    /// listen on any, and until when that is waited for, once they are heard.
    silent: HashMap<ListenerId, bool>,
    silent_until: Option<Instant>,
    serve_dht: ServeDht,
    serves_dht: bool,
    /// Where somebody to whom nothing had been sent has come in.
    reached_at: Option<SocketAddr>,
    first_nodes: FirstNodes,
    sockets: quic::Sockets,
    /// The probes that arrive on the listening sockets.
    datagrams: mpsc::Receiver<quic::Datagram>,
    /// Connections with nodes of the DHTs.
    nodes: HashMap<(ConnectionId, Dht), PeerId>,
    observed: Observed,
    /// From then on it shows something of the NAT who comes in.
    shows_from: Instant,
    /// Only with [`Scope::Everywhere`].
    portmap: Option<PortMap>,
    /// The same.
    way_out: Option<WayOut>,
    /// Links that are over by that, until their owner is told.
    dead: Vec<LinkId>,
    seeks: Seeks,
    /// The last dials, the oldest first.
    attempts: VecDeque<(ConnectionId, Target, Attempt)>,
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
            silent_until: None,
            serve_dht: config.serve_dht,
            serves_dht: config.serve_dht == ServeDht::Always && config.scope == Scope::Everywhere,
            reached_at: None,
            first_nodes: FirstNodes::new(config),
            sockets,
            datagrams,
            nodes: HashMap::new(),
            observed: Observed::default(),
            shows_from: now + if config.listen.is_empty() { Duration::ZERO } else { REMEMBERED },
            portmap: (config.scope == Scope::Everywhere).then(PortMap::start),
            way_out: (config.scope == Scope::Everywhere).then(|| WayOut::new(now)),
            dead: Vec::new(),
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
            if address::ip(address).is_some_and(address::is_local) {
                net.local_nodes();
            }
            let (plain, peer) = address::split_peer(address.clone());
            let target = peer.map_or_else(|| Target::Address(plain.clone()), Target::Peer);
            net.dialer.add(now, target, Origin::User, plain);
        }
        Ok(net)
    }

    /// This start's PeerId.
    pub fn peer_id(&self) -> PeerId {
        *self.swarm.local_peer_id()
    }

    /// This target need not be dialed before [`Self::resume`].
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

    /// This target is of no use any more.
    pub fn forget(&mut self, target: &Target) {
        self.dialer.forget(target);
    }

    /// Ends in order: ports that the router maps are given back.
    pub fn stop(self) -> impl Future<Output = ()> + use<> {
        let portmap = self.portmap;
        async {
            if let Some(portmap) = portmap {
                portmap.stop().await;
            }
        }
    }

    /// What happens next. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Event {
        loop {
            self.way_out_due();
            if let Some(dead) = self.dead.pop() {
                return Event::Closed(dead);
            }
            self.dial_due();
            self.first_nodes_due(Instant::now());
            self.seek_due();
            let wait = self.silent_until.filter(|_| !self.silent.is_empty());
            let dials = self.dialer.poll_timeout().map(|due| due.max(wait.unwrap_or(due)));
            let way_out = self.way_out.as_ref().map(|way_out| way_out.due);
            let due = [dials, way_out, self.poll_seek_timeout(), self.first_nodes.poll_timeout()];
            let due = due.into_iter().flatten().min();
            tokio::select! {
                event = self.swarm.select_next_some() => {
                    if let Some(event) = self.handle(event) {
                        return event;
                    }
                }
                Some(datagram) = self.datagrams.recv() => self.handle_datagram(&datagram),
                Some(arrived) = self.seeks.arrived.recv() => self.handle_arrived(arrived),
                () = portmap::changed(self.portmap.as_mut()) => {
                    self.seeks.touch(Instant::now());
                    return Event::ListenChanged;
                }
                () = sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {}
            }
        }
    }

    fn handle(&mut self, event: SwarmEvent<BehaviourEvent>) -> Option<Event> {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Links(event)) => match event {
                links::Event::Opened(opened) => self.opened(opened),
                links::Event::Asked(id, stream) => Some(Event::Asked(id, stream)),
                links::Event::Asking(id, stream) => Some(Event::Asking(id, stream)),
            },
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
            SwarmEvent::Behaviour(BehaviourEvent::OwnDht(event)) => {
                self.handle_kad(Dht::Own, event);
                None
            }
            SwarmEvent::Behaviour(BehaviourEvent::PublicDht(event)) => {
                self.handle_kad(Dht::Public, event);
                None
            }
            SwarmEvent::Behaviour(BehaviourEvent::Ask(event)) => {
                self.handle_asked(event);
                None
            }
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                tracing::debug!(?connection_id, "connected");
                self.note_outcome(connection_id, "connected");
                let mut unasked = false;
                if let ConnectedPoint::Listener { send_back_addr, .. } = &endpoint
                    && let Some(from) = quic::socket_address(send_back_addr)
                {
                    unasked = self.came_from(from) == Filtering::EndpointIndependent;
                }
                let mut targets = vec![Target::Peer(peer_id)];
                // The rest is dialed by the DHTs.
                let mut may_be_node = endpoint.is_dialer();
                if let Some(target) = self.dials.remove(&connection_id) {
                    may_be_node = self.dialer.may_be_node(&target);
                    self.dialer.connected(&target);
                    targets.push(target);
                    targets.dedup();
                }
                self.dialer.linked(&Target::Peer(peer_id));
                let standing = Standing {
                    peer: peer_id,
                    targets,
                    opened: false,
                    may_be_node,
                    unasked,
                    hails: 0,
                    who: Who::Unknown,
                };
                self.standing.insert(connection_id, standing);
                None
            }
            SwarmEvent::ConnectionClosed { connection_id, cause, .. } => {
                tracing::debug!(?connection_id, ?cause, "closed");
                self.node_is_gone(connection_id);
                let opened =
                    self.ended(connection_id, false) || self.closing.remove(&connection_id);
                opened.then_some(Event::Closed(connection_id))
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                tracing::debug!(%error, "dial failed");
                self.note_outcome(connection_id, dials::outcome(&error));
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
}

#[cfg(test)]
mod tests {
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
            serve_dht: ServeDht::Never,
            public_dht: false,
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
    async fn nothing_is_dialed_before_the_listeners_were_heard_however_long_that_takes() {
        let bootstrap = vec!["/ip4/127.0.0.1/tcp/1".parse().unwrap()];
        let mut net = Net::start(&Config { bootstrap, ..loopback() }).unwrap();
        // As where the store is slow.
        tokio::time::sleep(listen::LISTENERS * 2).await;
        net.dial_due();
        assert!(net.attempts.is_empty());
        listening(&mut net, 2).await;
        net.dial_due();
        assert!(!net.attempts.is_empty());
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
