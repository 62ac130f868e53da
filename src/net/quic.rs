//! libp2p's QUIC transport, on quinn, with what libp2p-quic does not offer: its UDP sockets are
//! shared (`SharedSocket`), it dials from sockets that others opened ([`Sockets::adopt`]), it
//! prefers the cipher that the processor is fastest at, and its limits are ours. It speaks the
//! same protocol: RFC 9000, and libp2p's TLS (`tls`).
//!
//! ```text
//! Transport ── Listener ── quinn::Endpoint ── SharedSocket ── UDP socket
//!     │            └─ interfaces                    └─▶ Datagram: probes waited for
//!     └─ dials: from a listener, else from an adopted socket, else from one of its own
//! ```

#[cfg(target_os = "linux")]
mod filter;
mod muxer;
mod shared;
mod socket;
mod tls;

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::SelectAll};
use if_watch::{IfEvent, tokio::IfWatcher};
use libp2p::{
    Multiaddr, PeerId,
    core::{
        Endpoint,
        transport::{DialOpts, ListenerId, TransportError, TransportEvent},
    },
    identity::Keypair,
    multiaddr::Protocol,
};
use quinn::{
    ClientConfig, EndpointConfig, MtuDiscoveryConfig, Runtime, ServerConfig, TokioRuntime,
    TransportConfig,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use rustls::pki_types::CertificateDer;
use tokio::{sync::mpsc, time::timeout};

pub use self::{
    muxer::{Muxer, Stream},
    shared::Sockets,
    socket::{Datagram, MAX_DATAGRAMS},
};

use self::socket::SharedSocket;
use super::address::is_private;

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Silence after which a connection is over; the first packet that is sent into it counts too, so
/// that a dead one is noticed within this and [`KEEP_ALIVE`]: whoever moved to another network is
/// sought again within 10 s.
const IDLE_TIMEOUT_MS: u32 = 5_500;

/// A packet at least this often, so that the idle timeout tells of a dead link only, and no NAT
/// forgets its mapping: the shortest in use last 30 s.
const KEEP_ALIVE: Duration = Duration::from_secs(3);

/// The same for who dialed: where an answer takes no longer than this is sooner, the other has no
/// reason to send one, and a third of the packets of an idle connection is saved.
const DIALERS_KEEP_ALIVE: Duration = Duration::from_millis(2_750);

/// The longest UDP payload that is tried within a local network, which may carry it: loopback does,
/// and jumbo frames. The system sends ten at a time (GSO), which together are less than the 64 KiB
/// that it takes. What this computer's own interface does not carry never leaves it.
const LONGEST_NEAR: u16 = 6_500;

/// The same elsewhere: quinn's default.
const LONGEST: u16 = 1_452;

/// How exactly to find out elsewhere how long packets may be: with this the longest are tried first,
/// and if they do not arrive one length between. With quinn's default it is four packets of that size
/// on each connection, a quarter of all that it costs to ask a node of the DHT something.
const MTU_STEP: u16 = 127;

/// The same within a local network: quinn's default. On an Ethernet it finds 1,466 bytes, by some
/// twenty packets that cost nobody anything there; with the other step, 1,364.
const MTU_STEP_NEAR: u16 = 20;

/// What may have arrived on a listening socket and not be read yet. Systems give 208 KiB unless
/// asked (Linux), which three bursts fill: then a fast sender loses packets, and slows down.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;

/// Streams that the other side may have open on a connection. A link needs one.
pub const MAX_STREAMS: u32 = 16;

/// What the other side may send on one stream before it is read: 20 MB/s at 50 ms one way, on each of
/// a file's two. Of a stranger the next bound is the lower one.
const STREAM_WINDOW: u32 = 2 * 1024 * 1024;

/// The same for all streams of a connection: bounds what a stranger can make us hold.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// The same once it is known who is there ([`Sockets::trust`]): four files may come at a time, on
/// two streams each, and have a message beside them though none of them is read.
const TRUSTED_WINDOW: u32 = 20 * 1024 * 1024;

/// What is sent and not acknowledged yet, on all streams of a connection: 80 MB/s at 50 ms one way.
/// It is held here, whoever asked for it.
const SEND_WINDOW: u64 = 8 * 1024 * 1024;

/// Handshakes that others began and that nobody has taken yet; beyond it they are refused.
const MAX_INCOMING: usize = 64;

/// With so many handshakes of others under way, further ones must first show that they receive
/// what is sent to the address that they come from (RFC 9000, section 8.1.2): who only writes
/// others' addresses on his packets takes no more places than these, and fewer than one network has
/// (`links::MAX_PENDING_PER_NETWORK`).
const MAX_UNVALIDATED: usize = 4;

/// What those may send before they are taken, each and together.
const INCOMING_BUFFER: u64 = 16 * 1024;
const INCOMING_BUFFERS: u64 = 512 * 1024;

/// The name in the dialer's first packet. Nobody looks at it, but TLS wants one.
const SERVER_NAME: &str = "l";

/// Why a connection did not come about.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused a socket.
    #[error("socket: {0}")]
    Io(#[from] io::Error),
    /// The dial could not even begin.
    #[error("dial: {0}")]
    Dial(#[from] quinn::ConnectError),
    /// It ended before it stood.
    #[error(transparent)]
    Connection(#[from] quinn::ConnectionError),
    /// The other side did not prove a libp2p key.
    #[error("certificate: {0}")]
    Certificate(#[from] rustls::Error),
    /// It took longer than five seconds.
    #[error("the handshake took too long")]
    TimedOut,
}

impl From<Error> for TransportError<Error> {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// A handshake under way.
pub type Connecting = BoxFuture<'static, Result<(PeerId, Muxer), Error>>;

/// How to dial, and how to answer.
struct Configs {
    client: ClientConfig,
    server: Arc<ServerConfig>,
}

impl Configs {
    /// With packets that are found out to be as long as this allows.
    fn new(
        client: &Arc<QuicClientConfig>,
        server: &Arc<QuicServerConfig>,
        mtu: &MtuDiscoveryConfig,
    ) -> Self {
        let mut client = ClientConfig::new(Arc::clone(client) as _);
        client.transport_config(transport(mtu, DIALERS_KEEP_ALIVE));
        let mut server = ServerConfig::with_crypto(Arc::clone(server) as _);
        server
            .transport_config(transport(mtu, KEEP_ALIVE))
            .migration(false)
            .max_incoming(MAX_INCOMING)
            .incoming_buffer_size(INCOMING_BUFFER)
            .incoming_buffer_size_total(INCOMING_BUFFERS);
        Self { client, server: Arc::new(server) }
    }
}

/// With a packet at least this often.
fn transport(mtu: &MtuDiscoveryConfig, keep_alive: Duration) -> Arc<TransportConfig> {
    let mut transport = TransportConfig::default();
    transport
        .mtu_discovery_config(Some(mtu.clone()))
        .max_concurrent_uni_streams(0_u32.into())
        .max_concurrent_bidi_streams(MAX_STREAMS.into())
        .datagram_receive_buffer_size(None)
        .keep_alive_interval(Some(keep_alive))
        .max_idle_timeout(Some(quinn::VarInt::from_u32(IDLE_TIMEOUT_MS).into()))
        .allow_spin(false)
        .stream_receive_window(STREAM_WINDOW.into())
        .send_window(SEND_WINDOW)
        .receive_window(CONNECTION_WINDOW.into());
    Arc::new(transport)
}

/// Whether this is within a local network.
fn is_near(ip: IpAddr) -> bool {
    ip.is_loopback() || is_private(ip)
}

/// See the module's documentation.
pub struct Transport {
    near: Configs,
    far: Configs,
    endpoint: EndpointConfig,
    listeners: SelectAll<Listener>,
    /// Without a listener of that IP version, dials leave from here.
    dialers: HashMap<bool, quinn::Endpoint>,
    sockets: Sockets,
    others: mpsc::Sender<Datagram>,
    waker: Option<Waker>,
}

impl Transport {
    /// A transport under this key. Probes that arrive on its listening sockets, and are expected
    /// ([`Sockets::expect`]), go to `others`.
    ///
    /// # Errors
    ///
    /// When no certificate can be made; that does not depend on a peer.
    pub fn new(
        keypair: &Keypair,
        sockets: Sockets,
        others: mpsc::Sender<Datagram>,
    ) -> io::Result<Self> {
        let (client, server) = tls::configs(keypair).map_err(io::Error::other)?;
        let client = QuicClientConfig::try_from(client).map_err(io::Error::other)?;
        let server = QuicServerConfig::try_from(server).map_err(io::Error::other)?;

        let (client, server) = (Arc::new(client), Arc::new(server));
        let mut mtu = MtuDiscoveryConfig::default();
        mtu.upper_bound(LONGEST_NEAR).minimum_change(MTU_STEP_NEAR);
        let near = Configs::new(&client, &server, &mtu);
        mtu.upper_bound(LONGEST).minimum_change(MTU_STEP);
        let far = Configs::new(&client, &server, &mtu);
        let mut endpoint = EndpointConfig::default();
        // RFC 9287 would clear the bit by which QUIC is told from the rest.
        endpoint.supported_versions(vec![1]).grease_quic_bit(false);
        endpoint.max_udp_payload_size(LONGEST_NEAR).map_err(io::Error::other)?;
        Ok(Self {
            near,
            far,
            endpoint,
            listeners: SelectAll::new(),
            dialers: HashMap::new(),
            sockets,
            others,
            waker: None,
        })
    }

    /// The endpoint that a dial leaves from.
    fn endpoint_for(&mut self, remote: SocketAddr) -> io::Result<quinn::Endpoint> {
        if let Some(socket) = self.sockets.with(|shared| shared.adopted.remove(&remote)) {
            return quinn::Endpoint::new(self.endpoint.clone(), None, socket, runtime());
        }
        let listeners = self.listeners.iter().filter(|listener| listener.reaches(remote.ip()));
        if let Some(listener) = listeners.min_by_key(|listener| listener.local) {
            self.sockets.sent(remote);
            return Ok(listener.endpoint.clone());
        }
        let ipv6 = remote.is_ipv6();
        if let Some(endpoint) = self.dialers.get(&ipv6) {
            return Ok(endpoint.clone());
        }
        let any = if ipv6 {
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))
        } else {
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))
        };
        let socket = UdpSocket::bind(any)?;
        let endpoint = quinn::Endpoint::new(self.endpoint.clone(), None, socket, runtime())?;
        self.dialers.insert(ipv6, endpoint.clone());
        Ok(endpoint)
    }
}

fn runtime() -> Arc<dyn Runtime> {
    Arc::new(TokioRuntime)
}

impl libp2p::core::Transport for Transport {
    type Output = (PeerId, Muxer);
    type Error = Error;
    type ListenerUpgrade = Connecting;
    type Dial = Connecting;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<Error>> {
        let local = socket_address(&address)
            .ok_or_else(|| TransportError::MultiaddrNotSupported(address.clone()))?;
        let listener = Listener::new(self, id, local).map_err(Error::Io)?;
        self.listeners.push(listener);
        // What stands goes on; new dials leave from the listener.
        self.dialers.remove(&local.is_ipv6());
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        match self.listeners.iter_mut().find(|listener| listener.id == id) {
            Some(listener) => {
                listener.endpoint.close(0_u32.into(), &[]);
                true
            }
            None => false,
        }
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Connecting, TransportError<Error>> {
        let remote = socket_address(&address).filter(|remote| {
            // Whoever punches decides who dials; nobody dials as a listener.
            remote.port() != 0 && !remote.ip().is_unspecified() && options.role == Endpoint::Dialer
        });
        let remote = remote.ok_or(TransportError::MultiaddrNotSupported(address))?;
        let endpoint = self.endpoint_for(remote).map_err(Error::Io)?;
        let client = if is_near(remote.ip()) { &self.near.client } else { &self.far.client };
        let connecting =
            endpoint.connect_with(client.clone(), remote, SERVER_NAME).map_err(Error::Dial)?;
        Ok(shake_hands(connecting, self.sockets.clone()))
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<TransportEvent<Connecting, Error>> {
        if let Poll::Ready(Some(event)) = self.listeners.poll_next_unpin(context) {
            return Poll::Ready(event);
        }
        self.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

/// Waits for the handshake, and learns who the other side is.
fn shake_hands(connecting: quinn::Connecting, sockets: Sockets) -> Connecting {
    async move {
        let connection =
            timeout(HANDSHAKE_TIMEOUT, connecting).await.map_err(|_| Error::TimedOut)??;
        let chain = connection
            .peer_identity()
            .and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok());
        let peer = tls::peer_id(chain.as_deref().map_or(&[], Vec::as_slice))?;
        Ok((peer, Muxer::new(connection, peer, sockets)))
    }
    .boxed()
}

/// One socket that is listened on.
struct Listener {
    id: ListenerId,
    endpoint: quinn::Endpoint,
    local: SocketAddr,
    sockets: Sockets,
    /// How to answer those of a local network.
    near: Arc<ServerConfig>,
    accept: BoxFuture<'static, Option<quinn::Incoming>>,
    /// Held once by each handshake that another began.
    handshakes: Arc<()>,
    /// None: it is bound to one address.
    interfaces: Option<IfWatcher>,
    /// The one address it is bound to was not reported yet.
    fresh: bool,
    ended: bool,
}

impl Listener {
    fn new(transport: &Transport, id: ListenerId, local: SocketAddr) -> io::Result<Self> {
        let socket = bind(local)?;
        let local = socket.local_addr()?;
        let shared = Arc::new(socket.try_clone()?);
        let inner = TokioRuntime.wrap_udp_socket(socket)?;
        let socket = SharedSocket::new(inner, transport.sockets.clone(), transport.others.clone());
        let endpoint = quinn::Endpoint::new_with_abstract_socket(
            transport.endpoint.clone(),
            Some(ServerConfig::clone(&transport.far.server)),
            Arc::new(socket),
            runtime(),
        )?;
        let any = local.ip().is_unspecified();
        let interfaces = any.then(IfWatcher::new).transpose()?;
        transport.sockets.listens(id, shared);
        Ok(Self {
            id,
            accept: accept(endpoint.clone()),
            handshakes: Arc::default(),
            endpoint,
            local,
            sockets: transport.sockets.clone(),
            near: Arc::clone(&transport.near.server),
            interfaces,
            fresh: !any,
            ended: false,
        })
    }

    /// Whether a dial there can leave from here.
    fn reaches(&self, remote: IpAddr) -> bool {
        let local = self.local.ip();
        remote.is_ipv6() == local.is_ipv6()
            && !self.ended
            && (local.is_unspecified() || local.is_loopback() == remote.is_loopback())
    }

    fn address(&self, ip: IpAddr) -> Multiaddr {
        multiaddress(SocketAddr::new(ip, self.local.port()))
    }

    fn poll_interfaces(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<TransportEvent<Connecting, Error>> {
        let Some(interfaces) = &mut self.interfaces else { return Poll::Pending };
        loop {
            let event = std::task::ready!(interfaces.poll_if_event(context));
            let listener_id = self.id;
            match event {
                Ok(IfEvent::Up(net)) if net.addr().is_ipv6() == self.local.is_ipv6() => {
                    let listen_addr = self.address(net.addr());
                    return Poll::Ready(TransportEvent::NewAddress { listener_id, listen_addr });
                }
                Ok(IfEvent::Down(net)) if net.addr().is_ipv6() == self.local.is_ipv6() => {
                    let listen_addr = self.address(net.addr());
                    return Poll::Ready(TransportEvent::AddressExpired {
                        listener_id,
                        listen_addr,
                    });
                }
                Ok(_) => {}
                Err(error) => {
                    let error = Error::Io(error);
                    return Poll::Ready(TransportEvent::ListenerError { listener_id, error });
                }
            }
        }
    }

    /// None: they are asked to begin again, and to show that they are there.
    fn handle_incoming(
        &self,
        incoming: quinn::Incoming,
    ) -> Option<TransportEvent<Connecting, Error>> {
        let listener_id = self.id;
        let send_back_addr = multiaddress(incoming.remote_address());
        if Arc::strong_count(&self.handshakes) > MAX_UNVALIDATED && incoming.may_retry() {
            // It may, so it can.
            let _ = incoming.retry();
            return None;
        }
        let held = Arc::clone(&self.handshakes);
        let accepted = if is_near(incoming.remote_address().ip()) {
            incoming.accept_with(Arc::clone(&self.near))
        } else {
            incoming.accept()
        };
        Some(match accepted {
            Ok(connecting) => TransportEvent::Incoming {
                listener_id,
                upgrade: shake_hands(connecting, self.sockets.clone())
                    .inspect(|_| drop(held))
                    .boxed(),
                local_addr: multiaddress(self.local),
                send_back_addr,
            },
            Err(error) => TransportEvent::ListenerError { listener_id, error: error.into() },
        })
    }
}

impl futures::Stream for Listener {
    type Item = TransportEvent<Connecting, Error>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<TransportEvent<Connecting, Error>>> {
        let listener_id = self.id;
        if self.ended {
            return Poll::Ready(None);
        }
        if std::mem::take(&mut self.fresh) {
            let listen_addr = self.address(self.local.ip());
            return Poll::Ready(Some(TransportEvent::NewAddress { listener_id, listen_addr }));
        }
        if let Poll::Ready(event) = self.poll_interfaces(context) {
            return Poll::Ready(Some(event));
        }
        while let Some(incoming) = std::task::ready!(self.accept.poll_unpin(context)) {
            self.accept = accept(self.endpoint.clone());
            if let Some(event) = self.handle_incoming(incoming) {
                return Poll::Ready(Some(event));
            }
        }
        self.ended = true;
        self.sockets.listens_no_more(listener_id);
        Poll::Ready(Some(TransportEvent::ListenerClosed { listener_id, reason: Ok(()) }))
    }
}

fn accept(endpoint: quinn::Endpoint) -> BoxFuture<'static, Option<quinn::Incoming>> {
    async move { endpoint.accept().await }.boxed()
}

/// A socket of one IP version only: IPv6 ones would otherwise take IPv4's packets as well.
fn bind(local: SocketAddr) -> io::Result<UdpSocket> {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::for_address(local), Type::DGRAM, None)?;
    if local.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Linux gives what it allows, others (the BSDs) refuse what is more than that: then it is what
    // they give unless asked.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    socket.bind(&local.into())?;
    Ok(socket.into())
}

/// The socket address of `/ip4/…/udp/…/quic-v1`, with or without `/p2p/…`.
pub fn socket_address(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    let Protocol::Udp(port) = parts.next()? else { return None };
    let quic = parts.next()? == Protocol::QuicV1;
    let rest = parts.all(|part| matches!(part, Protocol::P2p(_)));
    (quic && rest).then_some(SocketAddr::new(ip, port))
}

/// The reverse of [`socket_address`].
pub fn multiaddress(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(Protocol::Udp(address.port())).with(Protocol::QuicV1)
}

/// `/ip4/…/tcp/…`.
pub fn tcp_multiaddress(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(Protocol::Tcp(address.port()))
}

#[cfg(test)]
mod tests;
