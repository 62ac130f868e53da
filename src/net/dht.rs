//! The Kademlia DHTs in which word is left: the project's own, of which everybody is a client and
//! whoever others can reach a node, and the public one (Amino), of which this is a client only.
//! Both store IPNS records that prove themselves; ours of at most a kilobyte each.

mod crowds;
mod namers;
mod records;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    io,
    net::IpAddr,
    num::NonZeroUsize,
    ops::{Deref, DerefMut},
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use libp2p::{
    Multiaddr, PeerId, StreamProtocol,
    core::{Endpoint, transport::PortUse},
    identify,
    identity::PublicKey,
    kad::{
        self, BucketInserts, Caching, Mode, PeerInfo, QueryId, QueryResult, RecordKey,
        StoreInserts,
        store::{MemoryStore, MemoryStoreConfig},
    },
    ping,
    swarm::{
        CloseConnection, ConnectionDenied, ConnectionHandler, ConnectionId, DialError, DialFailure,
        FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
    },
};

use tokio::time::{Sleep, sleep_until};

pub use self::records::MAX_RECORDS;
use self::{crowds::Crowds, namers::Namers};
use super::{address, rate::Rate, rendezvous::ipns};

/// One of the DHTs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dht {
    /// The project's own.
    Own = 0,
    /// Amino: <https://docs.ipfs.tech/concepts/public-utilities/#amino-dht>.
    Public = 1,
}

impl Dht {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Own, Self::Public];

    /// By so many a record has to be kept that was written.
    pub fn enough_keepers(self) -> usize {
        match self {
            Self::Own => 1,
            // They come and go.
            Self::Public => 3,
        }
    }

    /// What its nodes speak.
    pub fn protocol(self) -> StreamProtocol {
        StreamProtocol::new(match self {
            Self::Own => "/entrenous/kad/1.0.0",
            Self::Public => "/ipfs/kad/1.0.0",
        })
    }
}

/// Nodes of the public DHT that are always there, as its other programs know them.
pub const PUBLIC_NODES: [&str; 7] = [
    "/dnsaddr/bootstrap.libp2p.io/p2p/QmNnooDu7bfjPFoTZYxMNLWUQJyrVwtbZg5gBMjTezGAJN",
    "/dnsaddr/bootstrap.libp2p.io/p2p/QmQCU2EcMqAqQPR2i9bChDtGNJchTbq5TbXJJ16u19uLTa",
    "/dnsaddr/bootstrap.libp2p.io/p2p/QmbLHAnMoJPWSCR5Zhtx6BHJX9KiKNN6tpvbUcqanj75Nb",
    "/dnsaddr/bootstrap.libp2p.io/p2p/QmcZf59bWwK5XFi76CZX8cbJ4BhTzzA3gU1ZjYZcYW3dwt",
    "/dnsaddr/va1.bootstrap.libp2p.io/p2p/12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8",
    "/ip4/104.131.131.82/tcp/4001/p2p/QmaCpDMGvV2BGHeYERUEnRQAwe3N8SzbUtfsmvsqQLuvuJ",
    "/ip4/104.131.131.82/udp/4001/quic-v1/p2p/QmaCpDMGvV2BGHeYERUEnRQAwe3N8SzbUtfsmvsqQLuvuJ",
];

/// What identify says that is spoken here.
const IDENTIFY: &str = "/entrenous/1";

/// Between two pings of one client, the first of which comes at once.
const PING: Duration = Duration::from_secs(3600);

/// How long a query may take. On a network of many nodes that come and go, most that answer at
/// all answer well within this.
pub const QUERY_TIMEOUT: Duration = Duration::from_secs(10);

/// How many nodes keep each record.
const REPLICATION: NonZeroUsize = NonZeroUsize::new(20).unwrap();

/// How many nodes of the public DHT a look-up waits for at a time, as its other programs have it:
/// those who are not there hold up few others.
const PARALLELISM: NonZeroUsize = NonZeroUsize::new(10).unwrap();

/// Where QUIC gets through, a node that was not reached within this is passed over: QUIC takes a
/// round trip, and those who are not there, or were made up, would hold up a look-up for longer.
const DIAL_PATIENCE: Duration = Duration::from_millis(1500);

/// Nodes dialed a second, and at once after a pause: that of a few look-ups. What is more is passed
/// over: nodes that make up others would have us dial whomever they like.
const DIALS_A_SECOND: u32 = 20;
const DIALS_AT_ONCE: u32 = 100;

/// Of the nodes that one names in an answer so many are believed in, as is the custom: there would be
/// place for hundreds that are made up.
const MAX_NAMED: usize = 20;

/// An answer on the public DHT: a record of 10 KiB and 20 nodes with their addresses.
pub const MAX_PACKET: usize = 64 * 1024;

/// Addresses tried of one node, the first of each IP address and transport: those that worked come
/// first. Each answer of a node can name many others, and any addresses as theirs.
const MAX_ADDRESSES: usize = 4;

/// Nodes whose addresses are remembered though they stand in no bucket: those of the names of some
/// fifty people; and those that connected last. The oldest goes.
const MAX_REMEMBERED: usize = 1024;

/// What libp2p's handler tells its behaviour.
type HandlerEvent = <<kad::Behaviour<MemoryStore> as NetworkBehaviour>::ConnectionHandler as ConnectionHandler>::ToBehaviour;

/// What its behaviour tells that.
type HandlerIn = THandlerInEvent<kad::Behaviour<MemoryStore>>;

/// One DHT: libp2p's behaviour, with what it stores chosen, and whom it dials.
pub struct Behaviour {
    kad: kad::Behaviour<MemoryStore>,
    /// From which network each stored record came.
    sources: HashMap<RecordKey, IpAddr>,
    /// Where those are who are closest to the names of somebody sought.
    remembered: VecDeque<PeerInfo>,
    /// Who can be believed in what it says of other nodes.
    pub(super) namers: Namers,
    /// Nodes that were dialed, and are connected.
    connected: HashSet<PeerId>,
    /// Where those were who connected last.
    met: VecDeque<(PeerId, IpAddr)>,
    /// Of the public DHT: our own nodes are few, and stay connected.
    crowds: Option<Crowds>,
    /// The dial that kad wants now; others want others.
    wanted: Option<ConnectionId>,
    /// Queries under way to which somebody answered who is not believed.
    cut: HashSet<QueryId>,
    dials: Rate,
    /// Who is being dialed, and until when, the first first.
    dialed: VecDeque<(Instant, PeerId, ConnectionId)>,
    /// When the first of them is to be passed over.
    alarm: Option<Pin<Box<Sleep>>>,
    /// Whether the user has named nodes within the local network; only then are such addresses
    /// believed.
    pub is_local: bool,
    /// Whether QUIC gets through here; then no node is dialed by TCP too, which costs as much.
    pub quic_works: bool,
}

impl Behaviour {
    /// The DHT, as a client unless it is to serve.
    pub fn new(dht: Dht, peer: PeerId, serve: bool) -> Self {
        let store = MemoryStore::with_config(
            peer,
            MemoryStoreConfig {
                max_records: MAX_RECORDS,
                // One more would be too many.
                max_value_bytes: ipns::MAX_RECORD + 1,
                max_providers_per_key: 0,
                max_provided_keys: 0,
            },
        );
        let mut config = kad::Config::new(dht.protocol());
        config
            .set_query_timeout(QUERY_TIMEOUT)
            .set_replication_factor(REPLICATION)
            .set_record_ttl(None)
            .set_publication_interval(None)
            .set_replication_interval(None)
            .set_provider_publication_interval(None)
            .set_record_filtering(StoreInserts::FilterBoth)
            .set_caching(Caching::Disabled)
            .set_periodic_bootstrap_interval(None);
        match dht {
            // Of few nodes some may lie, so that it is worth to ask more of them.
            Dht::Own => {
                config.set_kbucket_inserts(BucketInserts::Manual).disjoint_query_paths(true)
            }
            Dht::Public => config.set_max_packet_size(MAX_PACKET).set_parallelism(PARALLELISM),
        };
        let mut kad = kad::Behaviour::with_config(peer, store, config);
        kad.set_mode(Some(mode(serve)));
        Self {
            kad,
            sources: HashMap::new(),
            remembered: VecDeque::new(),
            namers: Namers::default(),
            connected: HashSet::new(),
            met: VecDeque::new(),
            crowds: (dht == Dht::Public).then(Crowds::default),
            wanted: None,
            cut: HashSet::new(),
            dials: Rate::new(DIALS_A_SECOND, DIALS_AT_ONCE, Instant::now()),
            dialed: VecDeque::new(),
            alarm: None,
            is_local: false,
            quic_works: false,
        }
    }

    /// From now on serves others, or no longer; who is connected is told.
    pub fn serve(&mut self, serve: bool) {
        self.kad.set_mode(Some(mode(serve)));
    }

    /// Knows a node from now on.
    pub fn add_node(&mut self, peer: &PeerId, address: Multiaddr) {
        self.kad.add_address(peer, address);
    }

    /// Remembers where nodes are that a look-up has led to.
    pub fn remember(&mut self, nodes: Vec<PeerInfo>) {
        self.remembered.retain(|known| nodes.iter().all(|node| node.peer_id != known.peer_id));
        for mut node in nodes {
            node.addrs.retain(|address| self.is_plausible(address));
            node.addrs.truncate(MAX_ADDRESSES);
            self.remembered.push_back(node);
        }
        let surplus = self.remembered.len().saturating_sub(MAX_REMEMBERED);
        self.remembered.drain(..surplus);
    }

    /// Where somebody was who connected lately: others may say anything of it.
    pub fn ip_of(&self, peer: &PeerId) -> Option<IpAddr> {
        self.met.iter().rev().find(|(met, _)| met == peer).map(|(_, ip)| *ip)
    }

    /// The network is another one: what is known of who is there counts no more.
    pub fn network_changed(&mut self) {
        self.quic_works = false;
        self.namers.clear();
    }

    /// Whether this node, named by others, is to be dialed.
    fn is_believed_in(&mut self, now: Instant, node: &PeerId) -> bool {
        !self.namers.is_made_up(now, node)
            || self
                .kad
                .kbucket(*node)
                .is_some_and(|bucket| bucket.iter().any(|entry| entry.node.key.preimage() == node))
    }

    /// Leaves of the nodes that one names in an answer those that are believed in.
    fn believe(&mut self, namer: &PeerId, event: &mut HandlerEvent) {
        let (HandlerEvent::FindNodeRes { closer_peers, query_id }
        | HandlerEvent::GetRecordRes { closer_peers, query_id, .. }) = event
        else {
            return;
        };
        let now = Instant::now();
        if let Some(ip) = self.ip_of(namer) {
            self.namers.answers(now, namer, ip);
        }
        if !self.namers.is_believed(now, namer) {
            closer_peers.clear();
            // Of a query that has ended nobody would hear.
            self.cut.extend(self.kad.query(query_id).map(|query| query.id()));
        }
        closer_peers.truncate(MAX_NAMED);
        let others: Vec<_> = closer_peers.iter().map(|other| other.node_id).collect();
        self.namers.names(now, namer, &others, |other| self.connected.contains(other));
    }

    /// A query is over. Returns whether an answer to it was passed over: it may have led elsewhere.
    pub fn was_cut(&mut self, query: &QueryId) -> bool {
        self.cut.remove(query)
    }

    /// Somebody connects.
    pub(super) fn meets(&mut self, peer: PeerId, address: &Multiaddr) {
        self.met.retain(|(met, _)| *met != peer);
        self.met.extend(address::ip(address).map(|ip| (peer, ip)));
        let surplus = self.met.len().saturating_sub(MAX_REMEMBERED);
        self.met.drain(..surplus);
    }

    /// A dial begins that kad wants.
    fn begins(&mut self, id: ConnectionId, peer: PeerId, addresses: &mut Vec<Multiaddr>) {
        let now = Instant::now();
        if let Some(crowds) = &mut self.crowds {
            crowds.dials(now, id, peer, addresses);
        }
        if addresses.is_empty() {
            return;
        }
        self.namers.dials(now, id, &peer, addresses);
        if self.quic_works {
            self.dialed.push_back((now + DIAL_PATIENCE, peer, id));
        }
    }

    /// A connection is over, or came to nothing.
    fn is_over(&mut self, id: ConnectionId) {
        if let Some(crowds) = &mut self.crowds {
            crowds.over(Instant::now(), id);
        }
        self.namers.forgets(id);
        self.dialed.retain(|(.., dial)| *dial != id);
    }

    /// Whether any node is known.
    pub fn knows_nodes(&mut self) -> bool {
        self.kad.kbuckets().any(|bucket| !bucket.is_empty())
    }

    /// Whether this address, heard from others, may be dialed: anybody can say anything.
    fn is_plausible(&self, address: &Multiaddr) -> bool {
        let Some(socket) = address::socket(address) else {
            // Names only of nodes that are known of old.
            return PUBLIC_NODES.contains(&address.to_string().as_str());
        };
        address::is_supported(address)
            && address::is_sendable(socket)
            && (self.is_local || !address::is_local(socket.ip()))
    }
}

impl Deref for Behaviour {
    type Target = kad::Behaviour<MemoryStore>;

    fn deref(&self) -> &Self::Target {
        &self.kad
    }
}

impl DerefMut for Behaviour {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.kad
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = <kad::Behaviour<MemoryStore> as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = kad::Event;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.kad.handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let mut known = self.kad.handle_pending_outbound_connection(id, peer, addresses, role)?;
        let remembered = self.remembered.iter().find(|node| Some(node.peer_id) == peer);
        known.extend(remembered.into_iter().flat_map(|node| node.addrs.clone()));
        known.retain(|address| self.is_plausible(address));
        if self.quic_works && known.iter().any(address::is_quic) {
            known.retain(address::is_quic);
        }
        let mut seen = HashSet::new();
        known.retain(|known| seen.insert((address::ip(known), address::is_quic(known))));
        known.truncate(MAX_ADDRESSES);
        if let Some(peer) = peer.filter(|_| self.wanted == Some(id)) {
            self.begins(id, peer, &mut known);
        }
        Ok(known)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if self.crowds.as_mut().is_some_and(|crowds| !crowds.admits(id, address)) {
            return Err(ConnectionDenied::new(io::Error::other("too many nodes of one network")));
        }
        self.kad.handle_established_outbound_connection(id, peer, address, role, port_use)
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        let now = Instant::now();
        match event {
            FromSwarm::ConnectionEstablished(new) => {
                let address = new.endpoint.get_remote_address();
                if new.endpoint.is_dialer() {
                    self.namers.shows(now, new.connection_id, true);
                    self.connected.insert(new.peer_id);
                    // A friend within the local network says nothing of the way out.
                    let ip = address::ip(address);
                    if let Some(ip) = ip.filter(|ip| self.is_local || !address::is_local(*ip)) {
                        self.namers.hears(now, ip);
                    }
                }
                self.meets(new.peer_id, address);
                self.dialed.retain(|(_, peer, _)| *peer != new.peer_id);
            }
            FromSwarm::ConnectionClosed(closed) => {
                self.is_over(closed.connection_id);
                if closed.remaining_established == 0 {
                    self.connected.remove(&closed.peer_id);
                }
            }
            FromSwarm::DialFailure(DialFailure { error, connection_id, .. }) => {
                if matches!(error, DialError::Transport(_) | DialError::WrongPeerId { .. }) {
                    self.namers.shows(now, connection_id, false);
                }
                self.is_over(connection_id);
            }
            _ => {}
        }
        self.kad.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        mut event: THandlerOutEvent<Self>,
    ) {
        self.believe(&peer, &mut event);
        self.kad.on_connection_handler_event(peer, id, event);
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        while let Poll::Ready(event) = self.kad.poll(context) {
            if let ToSwarm::Dial { opts } = &event {
                let (now, peer_id, connection_id) =
                    (Instant::now(), opts.get_peer_id(), opts.connection_id());
                let believed = peer_id.is_none_or(|peer| self.is_believed_in(now, &peer));
                if !believed || !self.dials.allows(now) {
                    let error = &DialError::Aborted;
                    let failure = DialFailure { peer_id, error, connection_id };
                    self.kad.on_swarm_event(FromSwarm::DialFailure(failure));
                    continue;
                }
                self.wanted = Some(connection_id);
            }
            if let ToSwarm::NotifyHandler {
                peer_id,
                event: HandlerIn::FindNodeReq { .. } | HandlerIn::GetRecord { .. },
                ..
            } = &event
            {
                self.namers.asks(Instant::now(), peer_id);
            }
            if let ToSwarm::GenerateEvent(kad::Event::OutboundQueryProgressed {
                id,
                result: QueryResult::Bootstrap(_),
                ..
            }) = &event
                && self.kad.mode() == Mode::Client
                && let Some(mut query) = self.kad.query_mut(id)
            {
                // What follows would fill the table with nodes from all over the DHT, by hundreds of
                // connections: who serves nobody knows enough by what it looks up.
                query.finish();
            }
            return Poll::Ready(event);
        }
        while let Some((until, peer_id, dial)) = self.dialed.front().copied() {
            let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(until.into())));
            std::task::ready!(alarm.as_mut().poll(context));
            self.alarm = None;
            if until <= Instant::now() {
                self.dialed.pop_front();
                self.namers.shows(Instant::now(), dial, false);
                // With those who are in it there is no connection.
                let connection = CloseConnection::All;
                return Poll::Ready(ToSwarm::CloseConnection { peer_id, connection });
            }
        }
        Poll::Pending
    }
}

fn mode(serve: bool) -> Mode {
    if serve { Mode::Server } else { Mode::Client }
}

/// Identify: how nodes of the DHT tell us our own address. It says nothing of us but the key and
/// what is spoken.
pub fn identify(key: PublicKey) -> identify::Behaviour {
    let config = identify::Config::new(IDENTIFY.to_owned(), key)
        .with_agent_version(String::new())
        .with_hide_listen_addrs(true)
        .with_cache_size(0);
    identify::Behaviour::new(config)
}

/// Ping, for a node that serves: js-libp2p takes nobody for a node who does not answer it. Nothing
/// is asked by it here, so seldom is enough.
pub fn ping() -> ping::Behaviour {
    ping::Behaviour::new(ping::Config::new().with_interval(PING))
}

#[cfg(test)]
mod tests;
