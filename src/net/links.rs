//! The libp2p behaviour that turns connections into links: one stream of [`PROTOCOL`] on each,
//! opened by the dialer. With whoever is known by it, either side opens streams of [`FILES`]. It
//! also keeps strangers few.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    convert::Infallible,
    future::{Ready, ready},
    net::IpAddr,
    task::{Context, Poll, Waker},
};

use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol,
    core::{Endpoint, InboundUpgrade, OutboundUpgrade, UpgradeInfo, transport::PortUse},
    swarm::{
        CloseConnection, ConnectionClosed, ConnectionDenied, ConnectionHandler,
        ConnectionHandlerEvent, ConnectionId, FromSwarm, ListenFailure, NetworkBehaviour,
        NotifyHandler, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
        handler::{
            ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
        },
    },
};

use super::address;
use crate::node::api::Scope;

/// The stream protocol of a link.
pub const PROTOCOL: StreamProtocol = StreamProtocol::new("/entrenous/1");

/// The stream protocol by which the content of files is asked for and sent.
pub const FILES: StreamProtocol = StreamProtocol::new("/entrenous/files/1");

/// Inbound connections that have not shown who they are. When one more comes, the oldest goes:
/// a stranger can't keep friends out by holding connections open.
pub const MAX_STRANGERS: usize = 64;

/// Of these, how many from one IP address. A friend behind the same address still gets in, as
/// each attempt stands for seconds only.
pub const MAX_STRANGERS_PER_IP: usize = 16;

/// Handshakes that others have begun, from one network: a quarter of all that there may be.
pub const MAX_PENDING_PER_NETWORK: usize = 8;

/// Connections of those who only use the DHT that is served here; half of all that there may be.
pub const MAX_CLIENTS: usize = 128;

/// Of these, how many from one network: a carrier's NAT has many behind it.
pub const MAX_CLIENTS_PER_NETWORK: usize = 32;

/// What happened on a connection.
#[derive(Debug)]
pub enum Event {
    /// It is a link now.
    Opened(Opened),
    /// A stream for files was opened by the other side.
    Asked(ConnectionId, Stream),
    /// One that was to be opened here is, or it failed.
    Asking(ConnectionId, Option<Stream>),
}

/// A stream was opened on a connection: this is a link now.
#[derive(Debug)]
pub struct Opened {
    /// The connection.
    pub connection: ConnectionId,
    /// The throwaway PeerId of the other side.
    pub peer: PeerId,
    /// Its address.
    pub address: Multiaddr,
    /// Whether this side dialed.
    pub dialed: bool,
    /// The stream.
    pub stream: Stream,
}

/// See the module's documentation.
pub struct Links {
    scope: Scope,
    addresses: HashMap<ConnectionId, (Multiaddr, bool)>,
    /// Dials that are to become links; others dial for reasons of their own.
    expected: HashSet<ConnectionId>,
    /// Handshakes that others have begun.
    pending: HashMap<ConnectionId, Option<IpAddr>>,
    strangers: VecDeque<(ConnectionId, PeerId, Option<IpAddr>)>,
    /// Of a node of the DHT: those who are there for that.
    clients: VecDeque<(ConnectionId, PeerId, Option<IpAddr>)>,
    events: VecDeque<ToSwarm<Event, Order>>,
    waker: Option<Waker>,
}

impl Links {
    /// Links within this scope only.
    pub fn new(scope: Scope) -> Self {
        Self {
            scope,
            addresses: HashMap::new(),
            expected: HashSet::new(),
            pending: HashMap::new(),
            strangers: VecDeque::new(),
            clients: VecDeque::new(),
            events: VecDeque::new(),
            waker: None,
        }
    }

    /// The other side of this connection has shown that it is known: it no longer counts among
    /// the strangers.
    pub fn known(&mut self, connection: ConnectionId) {
        self.strangers.retain(|(id, ..)| *id != connection);
        self.clients.retain(|(id, ..)| *id != connection);
    }

    /// Nobody known is there, but the DHT is served: it no longer counts among the strangers. Of
    /// too many the oldest goes, first of the same network.
    pub fn client(&mut self, connection: ConnectionId, peer: PeerId) {
        let address = self.addresses.get(&connection);
        let network = address.and_then(|(address, _)| address::network(address));
        self.known(connection);
        let same = |(.., other): &(_, _, Option<IpAddr>)| *other == network;
        let crowded =
            self.clients.iter().filter(|client| same(client)).count() >= MAX_CLIENTS_PER_NETWORK;
        let oldest = if crowded {
            self.clients.iter().position(same)
        } else {
            (self.clients.len() >= MAX_CLIENTS).then_some(0)
        };
        if let Some((oldest, peer_id, _)) = oldest.and_then(|at| self.clients.remove(at)) {
            let connection = CloseConnection::One(oldest);
            self.push(ToSwarm::CloseConnection { peer_id, connection });
        }
        self.clients.push_back((connection, peer, network));
        // It keeps its NAT's mapping by it, between two questions.
        self.keep(connection, peer);
    }

    /// The DHT is served no more: nobody is here for that.
    pub fn close_clients(&mut self) {
        for (id, peer_id, _) in std::mem::take(&mut self.clients) {
            let connection = CloseConnection::One(id);
            self.push(ToSwarm::CloseConnection { peer_id, connection });
        }
    }

    /// A dial under this name is to become a link.
    pub fn expect(&mut self, connection: ConnectionId) {
        self.expected.insert(connection);
    }

    /// A dial under this name failed.
    pub fn failed(&mut self, connection: ConnectionId) {
        self.expected.remove(&connection);
    }

    /// The other side's address, and whether this side dialed it.
    pub fn address(&self, connection: ConnectionId) -> Option<&(Multiaddr, bool)> {
        self.addresses.get(&connection)
    }

    /// This connection is to stay, whether there is a stream on it or not.
    pub fn keep(&mut self, connection: ConnectionId, peer: PeerId) {
        self.order(connection, peer, Order::Keep);
    }

    /// Both sides may open streams for files on this connection.
    pub fn take_files(&mut self, connection: ConnectionId, peer: PeerId) {
        self.order(connection, peer, Order::TakeFiles);
    }

    /// A stream for files is to be opened on this connection.
    pub fn open_files(&mut self, connection: ConnectionId, peer: PeerId) {
        self.order(connection, peer, Order::OpenFiles);
    }

    /// A stream is to be opened on this connection, which has none any more.
    pub fn open(&mut self, connection: ConnectionId, peer: PeerId) {
        self.order(connection, peer, Order::Open);
    }

    fn order(&mut self, connection: ConnectionId, peer_id: PeerId, event: Order) {
        let handler = NotifyHandler::One(connection);
        self.push(ToSwarm::NotifyHandler { peer_id, handler, event });
    }

    fn push(&mut self, event: ToSwarm<Event, Order>) {
        self.events.push_back(event);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn admit(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let ip = address::network(remote);
        if self.strangers.iter().filter(|(.., other)| *other == ip).count() >= MAX_STRANGERS_PER_IP
        {
            return Err(ConnectionDenied::new(TooManyStrangers));
        }
        if self.strangers.len() >= MAX_STRANGERS
            && let Some((oldest, peer_id, _)) = self.strangers.pop_front()
        {
            let connection = CloseConnection::One(oldest);
            self.push(ToSwarm::CloseConnection { peer_id, connection });
        }
        self.strangers.push_back((connection, peer, ip));
        Ok(())
    }
}

/// Why a connection was not admitted.
#[derive(Debug, thiserror::Error)]
#[error("an address outside of the allowed scope")]
struct OutOfScope;

/// Why a connection was not admitted.
#[derive(Debug, thiserror::Error)]
#[error("too many connections of strangers from this address")]
struct TooManyStrangers;

impl NetworkBehaviour for Links {
    type ConnectionHandler = Handler;
    type ToSwarm = Event;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        if !address::allowed(self.scope, remote) {
            return Err(ConnectionDenied::new(OutOfScope));
        }
        let network = address::network(remote);
        let others = self.pending.values().filter(|other| **other == network);
        if others.count() >= MAX_PENDING_PER_NETWORK {
            return Err(ConnectionDenied::new(TooManyStrangers));
        }
        self.pending.insert(connection, network);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.pending.remove(&connection);
        self.admit(connection, peer, remote)?;
        self.addresses.insert(connection, (remote.clone(), false));
        Ok(Handler::default())
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        _peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        _port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        // Of two that dialed each other one answers.
        let dialed = role == Endpoint::Dialer;
        self.addresses.insert(connection, (address.clone(), dialed));
        let open = self.expected.remove(&connection) && dialed;
        let open = open.then_some(PROTOCOL).into_iter().collect();
        Ok(Handler { open, ..Handler::default() })
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        match event {
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. }) => {
                self.addresses.remove(&connection_id);
                self.known(connection_id);
            }
            FromSwarm::ListenFailure(ListenFailure { connection_id, .. }) => {
                self.pending.remove(&connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        happened: THandlerOutEvent<Self>,
    ) {
        let event = match happened {
            Happened::Link(stream) => {
                let Some((address, dialed)) = self.addresses.get(&connection) else { return };
                let (address, dialed) = (address.clone(), *dialed);
                Event::Opened(Opened { connection, peer, address, dialed, stream })
            }
            Happened::Asked(stream) => Event::Asked(connection, stream),
            Happened::Asking(stream) => Event::Asking(connection, stream),
        };
        self.events.push_back(ToSwarm::GenerateEvent(event));
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(event);
        }
        self.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

/// One connection: the dialer opens links, the listener accepts them.
#[derive(Default)]
pub struct Handler {
    open: VecDeque<StreamProtocol>,
    kept: bool,
    /// Whether the other side may open streams for files.
    takes_files: bool,
    happened: VecDeque<Happened>,
}

/// What a connection tells.
#[derive(Debug)]
pub enum Happened {
    /// A stream of [`PROTOCOL`] was opened.
    Link(Stream),
    /// One of [`FILES`] was opened by the other side.
    Asked(Stream),
    /// One that was to be opened here is, or it failed.
    Asking(Option<Stream>),
}

/// Any of these protocols, named with the stream that it was agreed on.
pub struct AnyOf(Vec<StreamProtocol>);

impl UpgradeInfo for AnyOf {
    type Info = StreamProtocol;
    type InfoIter = std::vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl<S> InboundUpgrade<S> for AnyOf {
    type Output = (StreamProtocol, S);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: S, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((protocol, stream)))
    }
}

impl<S> OutboundUpgrade<S> for AnyOf {
    type Output = (StreamProtocol, S);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_outbound(self, stream: S, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((protocol, stream)))
    }
}

/// What a connection is told.
#[derive(Debug)]
pub enum Order {
    /// To stay, with a stream or without.
    Keep,
    /// To open a stream.
    Open,
    /// To let the other side open streams for files.
    TakeFiles,
    /// To open one.
    OpenFiles,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Order;
    type ToBehaviour = Happened;
    type InboundProtocol = AnyOf;
    type OutboundProtocol = AnyOf;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = StreamProtocol;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        let files = self.takes_files.then_some(FILES);
        SubstreamProtocol::new(AnyOf(std::iter::once(PROTOCOL).chain(files).collect()), ())
    }

    fn poll(
        &mut self,
        _context: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, StreamProtocol, Self::ToBehaviour>>
    {
        if let Some(open) = self.open.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: SubstreamProtocol::new(AnyOf(vec![open.clone()]), open),
            });
        }
        match self.happened.pop_front() {
            Some(happened) => Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(happened)),
            None => Poll::Pending,
        }
    }

    fn on_behaviour_event(&mut self, order: Order) {
        match order {
            Order::Keep => self.kept = true,
            Order::Open => self.open.push_back(PROTOCOL),
            Order::TakeFiles => self.takes_files = true,
            Order::OpenFiles => self.open.push_back(FILES),
        }
    }

    fn connection_keep_alive(&self) -> bool {
        self.kept
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<Self::InboundProtocol, Self::OutboundProtocol, (), StreamProtocol>,
    ) {
        let happened = match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (protocol, stream),
                ..
            }) => {
                if protocol == FILES {
                    Happened::Asked(stream)
                } else {
                    Happened::Link(stream)
                }
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: (protocol, stream),
                ..
            }) => {
                if protocol == FILES {
                    Happened::Asking(Some(stream))
                } else {
                    Happened::Link(stream)
                }
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, .. }) if info == FILES => {
                Happened::Asking(None)
            }
            _ => return,
        };
        self.happened.push_back(happened);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(links: &mut Links, id: usize, address: &str) {
        let connection = ConnectionId::new_unchecked(id);
        links.addresses.insert(connection, (address.parse().unwrap(), false));
        links.client(connection, PeerId::random());
    }

    fn closed(links: &Links) -> Vec<ConnectionId> {
        let closed = links.events.iter().filter_map(|event| match event {
            ToSwarm::CloseConnection { connection: CloseConnection::One(id), .. } => Some(*id),
            _ => None,
        });
        closed.collect()
    }

    #[test]
    fn one_network_begins_no_more_handshakes_than_its_share() {
        let mut links = Links::new(Scope::Everywhere);
        let local: Multiaddr = "/ip4/203.0.113.9/udp/4001/quic-v1".parse().unwrap();
        let mut begins = |id: usize, remote: &str| {
            let remote: Multiaddr = remote.parse().unwrap();
            let connection = ConnectionId::new_unchecked(id);
            links.handle_pending_inbound_connection(connection, &local, &remote).is_ok()
        };
        for id in 0..MAX_PENDING_PER_NETWORK {
            assert!(begins(id, &format!("/ip6/2001:db8::{id}/udp/4001/quic-v1")));
        }
        assert!(!begins(100, "/ip6/2001:db8::100/udp/4001/quic-v1"));
        assert!(begins(101, "/ip6/2001:db8:0:1::1/udp/4001/quic-v1"), "another network");
        let first: Multiaddr = "/ip6/2001:db8::1/udp/4001/quic-v1".parse().unwrap();
        links.on_swarm_event(FromSwarm::ListenFailure(ListenFailure {
            local_addr: &local,
            send_back_addr: &first,
            error: &libp2p::swarm::ListenError::Aborted,
            connection_id: ConnectionId::new_unchecked(0),
            peer_id: None,
        }));
        let connection = ConnectionId::new_unchecked(102);
        assert!(links.handle_pending_inbound_connection(connection, &local, &first).is_ok());
    }

    #[test]
    fn of_too_many_clients_the_oldest_goes() {
        let mut links = Links::new(Scope::Everywhere);
        for id in 0..=MAX_CLIENTS {
            client(&mut links, id, &format!("/ip4/203.0.{id}.1/tcp/4001"));
        }
        assert_eq!(links.clients.len(), MAX_CLIENTS);
        assert_eq!(closed(&links), [ConnectionId::new_unchecked(0)]);
    }

    #[test]
    fn who_serves_no_more_has_no_clients() {
        let mut links = Links::new(Scope::Everywhere);
        for id in [1, 2] {
            client(&mut links, id, &format!("/ip4/203.0.113.{id}/tcp/4001"));
        }
        assert_eq!(closed(&links), []);
        links.close_clients();
        assert_eq!(closed(&links), [1, 2].map(ConnectionId::new_unchecked));
        assert!(links.clients.is_empty());
    }

    #[test]
    fn one_network_pushes_out_nobody_but_itself_and_one_client_counts_once() {
        let mut links = Links::new(Scope::Everywhere);
        client(&mut links, 0, "/ip4/203.0.113.1/tcp/4001");
        for id in 1..=MAX_CLIENTS_PER_NETWORK + 2 {
            client(&mut links, id, &format!("/ip6/2001:db8::{id:x}/tcp/4001"));
        }
        assert_eq!(closed(&links), [1, 2].map(ConnectionId::new_unchecked));
        links.client(ConnectionId::new_unchecked(0), PeerId::random());
        assert_eq!(links.clients.len(), MAX_CLIENTS_PER_NETWORK + 1);
        links.known(ConnectionId::new_unchecked(0));
        assert_eq!(links.clients.len(), MAX_CLIENTS_PER_NETWORK);
    }
}
