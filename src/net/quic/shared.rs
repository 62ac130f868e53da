//! What a transport shares with its owner.

use std::{
    collections::{HashMap, HashSet},
    net::{SocketAddr, UdpSocket},
    sync::{Arc, Mutex, PoisonError},
};

use libp2p::{PeerId, core::transport::ListenerId};

use crate::net::{
    filtering::{Addressees, Filtering},
    punch::Tag,
};

/// Sockets adopted and not dialed from yet: one a punch that came through.
pub(super) const MAX_ADOPTED: usize = 64;

/// What the owner of the transport shares with it, once the swarm has it.
#[derive(Clone, Default)]
pub struct Sockets(Arc<Mutex<Shared>>);

#[derive(Default)]
pub(super) struct Shared {
    listening: HashMap<ListenerId, Arc<UdpSocket>>,
    trusted: HashSet<PeerId>,
    pub(super) adopted: HashMap<SocketAddr, UdpSocket>,
    addressees: Addressees,
    expected: HashSet<Tag>,
}

impl Sockets {
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Shared) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The sockets that are listened on, the one with the lowest address first, as QUIC dials from
    /// the first that reaches: what is sent from there leaves through the mapping that it uses.
    pub fn listening(&self) -> Vec<Arc<UdpSocket>> {
        let mut all: Vec<_> = self.with(|shared| shared.listening.values().cloned().collect());
        all.sort_by_key(|socket| socket.local_addr().ok());
        all
    }

    /// From now on exactly the probes with these tags are handed out.
    pub fn expect(&self, tags: HashSet<Tag>) {
        self.with(|shared| {
            if shared.expected != tags {
                shared.expected = tags;
                shared.listening.values().for_each(|socket| filter(socket, &shared.expected));
            }
        });
    }

    /// A socket is listened on.
    pub(super) fn listens(&self, id: ListenerId, socket: Arc<UdpSocket>) {
        self.with(|shared| {
            filter(&socket, &shared.expected);
            shared.listening.insert(id, socket);
        });
    }

    /// It is no more.
    pub(super) fn listens_no_more(&self, id: ListenerId) {
        self.with(|shared| shared.listening.remove(&id));
    }

    pub(super) fn expects(&self, tag: Tag) -> bool {
        self.with(|shared| shared.expected.contains(&tag))
    }

    /// Something is sent there from a socket that is listened on.
    pub fn sent(&self, to: SocketAddr) {
        self.with(|shared| shared.addressees.sent(to));
    }

    /// What it shows of the NAT that somebody comes from there.
    pub fn show(&self, from: SocketAddr) -> Filtering {
        self.with(|shared| shared.addressees.show(from))
    }

    /// This peer may send more before it is read, from when the next stream is opened on.
    pub fn trust(&self, peer: PeerId) {
        self.with(|shared| shared.trusted.insert(peer));
    }

    /// There is no connection with this peer any more.
    pub fn forget(&self, peer: &PeerId) {
        self.with(|shared| shared.trusted.remove(peer));
    }

    pub(super) fn is_trusted(&self, peer: &PeerId) -> bool {
        self.with(|shared| shared.trusted.contains(peer))
    }

    /// The next dial to this address leaves from this socket. Of too many, any one is closed.
    pub fn adopt(&self, socket: UdpSocket, remote: SocketAddr) {
        self.with(|shared| {
            if shared.adopted.len() >= MAX_ADOPTED
                && let Some(any) = shared.adopted.keys().next().copied()
            {
                shared.adopted.remove(&any);
            }
            shared.adopted.insert(remote, socket);
        });
    }
}

/// Spares this program what is nobody's, where the system can.
fn filter(socket: &UdpSocket, expected: &HashSet<Tag>) {
    #[cfg(target_os = "linux")]
    if let Err(error) = super::filter::attach(socket, expected) {
        tracing::debug!(%error, "no filter");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (socket, expected);
}
