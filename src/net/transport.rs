//! The swarm: QUIC and TCP (Noise, yamux), mDNS on both IP versions, limits. All under a key
//! that is made afresh at each start, so that the network can't recognise a person.

use std::{io, time::Duration};

use libp2p::{
    PeerId, Swarm, Transport,
    connection_limits::{self, ConnectionLimits},
    core::{muxing::StreamMuxerBox, transport::Boxed, upgrade::Version},
    dns, identify,
    identity::Keypair,
    mdns, noise, ping,
    swarm::{self, NetworkBehaviour, behaviour::toggle::Toggle},
    tcp, yamux,
};
use tokio::sync::mpsc;

use super::{
    Config, ask,
    dht::{self, Dht},
    links::Links,
    quic::{self, MAX_STREAMS},
    serving::ServeDht,
};
use crate::node::api::Scope;

/// How long a dial over TCP may take; a cut link is noticed by the next dial instead.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection without a stream is closed after this: nobody keeps a place by being silent.
const STREAMLESS_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections in the making that others began.
const MAX_PENDING_INBOUND: u32 = 32;

/// Connections in the making that we began.
const MAX_PENDING_OUTBOUND: u32 = 128;

/// Connections with one PeerId: one by each side's dial, and one more while a link is replaced.
const MAX_PER_PEER: u32 = 4;

/// Connections in all.
const MAX_CONNECTIONS: u32 = 256;

/// How long others may remember what mDNS told them; a program that ended is soon forgotten.
const MDNS_TTL: Duration = Duration::from_secs(120);

/// How often mDNS asks who is there. libp2p-mdns asks again quickly only until somebody has
/// answered, so whoever did not hear that question is found within this; each round costs some
/// 600 bytes a host.
const MDNS_QUERY: Duration = Duration::from_secs(20);

/// What the swarm does.
#[derive(NetworkBehaviour)]
pub struct Behaviour {
    // First: what it denies, the others never hear of.
    limits: connection_limits::Behaviour,
    pub links: Links,
    pub mdns4: Toggle<mdns::tokio::Behaviour>,
    pub mdns6: Toggle<mdns::tokio::Behaviour>,
    pub identify: Toggle<identify::Behaviour>,
    pub own_dht: Toggle<dht::Behaviour>,
    pub public_dht: Toggle<dht::Behaviour>,
    pub ask: Toggle<ask::Behaviour>,
    pub ping: Toggle<ping::Behaviour>,
}

/// A new swarm under a new key.
///
/// # Errors
///
/// When the system refuses DNS configuration or the cryptographic set-up; neither depends on a
/// peer.
pub fn swarm(
    config: &Config,
    sockets: quic::Sockets,
    others: mpsc::Sender<quic::Datagram>,
) -> io::Result<Swarm<Behaviour>> {
    let scope = config.scope;
    let with_mdns = config.mdns && scope != Scope::Offline;
    let with_dht = scope == Scope::Everywhere;
    let with_public = with_dht && config.public_dht;
    let serve = config.serve_dht == ServeDht::Always;
    let key = Keypair::generate_ed25519();
    let peer = key.public().to_peer_id();
    let limits = ConnectionLimits::default()
        .with_max_pending_incoming(Some(MAX_PENDING_INBOUND))
        .with_max_pending_outgoing(Some(MAX_PENDING_OUTBOUND))
        .with_max_established_per_peer(Some(MAX_PER_PEER))
        .with_max_established(Some(MAX_CONNECTIONS));
    let behaviour = Behaviour {
        limits: connection_limits::Behaviour::new(limits),
        links: Links::new(scope),
        mdns4: mdns_behaviour(peer, false, with_mdns),
        mdns6: mdns_behaviour(peer, true, with_mdns),
        identify: with_dht.then(|| dht::identify(key.public())).into(),
        own_dht: with_dht.then(|| dht::Behaviour::new(Dht::Own, peer, serve)).into(),
        public_dht: with_public.then(|| dht::Behaviour::new(Dht::Public, peer, false)).into(),
        ask: with_public.then(ask::behaviour).into(),
        ping: (with_dht && serve).then(dht::ping).into(),
    };
    let config = swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(STREAMLESS_TIMEOUT)
        .with_max_negotiating_inbound_streams(4);
    Ok(Swarm::new(transport(&key, scope, sockets, others)?, behaviour, peer, config))
}

/// mDNS for one IP version; off where the system does not allow it.
pub fn mdns_behaviour(peer: PeerId, ipv6: bool, wanted: bool) -> Toggle<mdns::tokio::Behaviour> {
    let config = mdns::Config { ttl: MDNS_TTL, query_interval: MDNS_QUERY, enable_ipv6: ipv6 };
    let behaviour = wanted.then(|| mdns::tokio::Behaviour::new(config, peer));
    match behaviour.transpose() {
        Ok(behaviour) => behaviour.into(),
        Err(error) => {
            tracing::warn!(%error, ipv6, "no mDNS");
            None.into()
        }
    }
}

fn transport(
    key: &Keypair,
    scope: Scope,
    sockets: quic::Sockets,
    others: mpsc::Sender<quic::Datagram>,
) -> io::Result<Boxed<(PeerId, StreamMuxerBox)>> {
    let quic = quic::Transport::new(key, sockets, others)?
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)));

    let mut multiplexer = yamux::Config::default();
    multiplexer.set_max_num_streams(MAX_STREAMS as usize);
    let authentication = noise::Config::new(key).map_err(io::Error::other)?;
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(authentication)
        .multiplex(multiplexer)
        .timeout(HANDSHAKE_TIMEOUT)
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)));

    let either = quic.or_transport(tcp).map(|either, _| either.into_inner());
    // Within the LAN there are no names to resolve, and nobody outside is asked. Without a
    // resolver in the system, addresses still work.
    if scope != Scope::Everywhere || dns::tokio::Transport::system(()).is_err() {
        return Ok(either.boxed());
    }
    Ok(dns::tokio::Transport::system(either)?.boxed())
}
