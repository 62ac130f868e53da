//! The sockets that a punch sends from: the one that QUIC listens on, and those opened for it.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    os::fd::AsFd,
    sync::Arc,
};

use socket2::SockRef;
use tokio::{
    sync::mpsc,
    task::{AbortHandle, spawn},
};

use super::SeekId;
use crate::net::{
    punch::{PROBE_LEN, Transmit},
    quic,
};

/// A datagram on a socket that was opened for a punch.
pub struct Arrived {
    /// For whom it was opened.
    pub seek: SeekId,
    /// Its number there.
    pub socket: usize,
    /// Who sent it, as it seems.
    pub from: SocketAddr,
    /// What.
    pub bytes: Vec<u8>,
}

/// A socket opened for a punch. Nobody reads from it any more when it is dropped.
pub struct Extra {
    socket: Arc<tokio::net::UdpSocket>,
    reader: AbortHandle,
}

impl Drop for Extra {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Extra {
    /// Opens one; what arrives there goes to `arrivals`.
    ///
    /// # Errors
    ///
    /// The system's limits.
    pub fn open(
        seek: SeekId,
        number: usize,
        ipv6: bool,
        arrivals: mpsc::Sender<Arrived>,
    ) -> io::Result<Self> {
        let any = if ipv6 {
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))
        } else {
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))
        };
        let socket = UdpSocket::bind(any)?;
        socket.set_nonblocking(true)?;
        let socket = Arc::new(tokio::net::UdpSocket::from_std(socket)?);
        let reading = Arc::clone(&socket);
        let reader = spawn(async move {
            let mut bytes = [0; PROBE_LEN + 1];
            loop {
                // An error is that of an earlier packet, as ICMP told it.
                let Ok((length, from)) = reading.recv_from(&mut bytes).await else { continue };
                let bytes = bytes[..length].to_vec();
                if arrivals.send(Arrived { seek, socket: number, from, bytes }).await.is_err() {
                    return;
                }
            }
        });
        Ok(Self { socket, reader: reader.abort_handle() })
    }

    /// The socket, for somebody else to go on with.
    ///
    /// # Errors
    ///
    /// The system's limits.
    pub fn hand_over(&self) -> io::Result<UdpSocket> {
        self.reader.abort();
        Ok(self.socket.as_fd().try_clone_to_owned()?.into())
    }

    /// Sends from it.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn send(&self, transmit: &Transmit) -> io::Result<()> {
        send(&SockRef::from(&*self.socket), transmit)
    }
}

/// Sends from the socket that QUIC listens on.
///
/// # Errors
///
/// Those of the system, and that there is none of that IP version.
pub fn send_from_listening(sockets: &quic::Sockets, transmit: &Transmit) -> io::Result<()> {
    match listening(sockets, transmit.to) {
        Some(socket) => {
            sockets.sent(transmit.to);
            send(&SockRef::from(&*socket), transmit)
        }
        None => Err(io::ErrorKind::AddrNotAvailable.into()),
    }
}

/// That which QUIC would dial this address from.
fn listening(sockets: &quic::Sockets, to: SocketAddr) -> Option<Arc<UdpSocket>> {
    sockets.listening().into_iter().find(|socket| {
        socket.local_addr().is_ok_and(|local| {
            let same_loopback = local.ip().is_loopback() == to.ip().is_loopback();
            local.is_ipv6() == to.is_ipv6() && (local.ip().is_unspecified() || same_loopback)
        })
    })
}

/// The TTL is the socket's: what QUIC sends at that moment dies as well, and is sent again.
fn send(socket: &SockRef<'_>, transmit: &Transmit) -> io::Result<()> {
    let Transmit { to, ttl, bytes, .. } = transmit;
    let to_address = (*to).into();
    let Some(ttl) = *ttl else { return socket.send_to(bytes, &to_address).map(drop) };
    let before;
    let sent;
    if to.is_ipv6() {
        before = socket.unicast_hops_v6()?;
        socket.set_unicast_hops_v6(ttl.into())?;
        sent = socket.send_to(bytes, &to_address);
        socket.set_unicast_hops_v6(before)?;
    } else {
        before = socket.ttl_v4()?;
        socket.set_ttl_v4(ttl.into())?;
        sent = socket.send_to(bytes, &to_address);
        socket.set_ttl_v4(before)?;
    }
    sent.map(drop)
}
