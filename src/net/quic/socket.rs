//! One UDP socket for everything: what arrives on a listening socket and is not QUIC is handed
//! out, so that a NAT mapping opened by somebody else's packets is the mapping that QUIC uses.

use std::{
    fmt,
    io::{self, IoSliceMut},
    net::{SocketAddr, UdpSocket},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use quinn::{
    AsyncUdpSocket, UdpPoller,
    udp::{RecvMeta, Transmit},
};
use tokio::sync::mpsc;

use super::LONGEST_NEAR;

/// Longer datagrams that are not QUIC are nobody's.
pub const MAX_DATAGRAM: usize = 64;

/// Datagrams that may wait to be looked at. A flood fills it and is then dropped, before any
/// byte of it is copied.
pub const MAX_DATAGRAMS: usize = 256;

/// The most that the system hands over at once (GRO, `udp(7)`).
const GRO_BYTES: usize = 65_536;

/// Something that arrived on a listening socket and is not QUIC.
pub struct Datagram {
    /// Where it arrived; answers leave from there.
    pub socket: Arc<UdpSocket>,
    /// Who sent it, as it seems.
    pub from: SocketAddr,
    /// At most [`MAX_DATAGRAM`] bytes.
    pub bytes: Vec<u8>,
}

/// A socket that QUIC shares. With `grease_quic_bit` off, every datagram of QUIC has one of the
/// two top bits of its first byte set (RFC 9443, section 3).
pub struct SharedSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    socket: Arc<UdpSocket>,
    others: mpsc::Sender<Datagram>,
}

impl SharedSocket {
    /// `inner` reads from `socket`; what is not QUIC goes to `others`.
    pub fn new(
        inner: Arc<dyn AsyncUdpSocket>,
        socket: Arc<UdpSocket>,
        others: mpsc::Sender<Datagram>,
    ) -> Self {
        Self { inner, socket, others }
    }

    /// Takes what is not QUIC out of a buffer, which may hold several datagrams of `stride` bytes
    /// (GRO; the last may be shorter). Quinn passes over what has no bytes left.
    pub(super) fn sort(&self, buffer: &mut [u8], meta: &mut RecvMeta) {
        let received = meta.len.min(buffer.len());
        let stride = meta.stride.max(1);
        let (mut read, mut written) = (0, 0);
        while read < received {
            let end = (read + stride).min(received);
            if buffer[read] & 0xc0 == 0 {
                self.hand_out(&buffer[read..end], meta.addr);
            } else {
                if written != read {
                    buffer.copy_within(read..end, written);
                }
                written += end - read;
            }
            read = end;
        }
        meta.len = written;
    }

    fn hand_out(&self, bytes: &[u8], from: SocketAddr) {
        if bytes.len() <= MAX_DATAGRAM
            && let Ok(place) = self.others.try_reserve()
        {
            place.send(Datagram { socket: Arc::clone(&self.socket), from, bytes: bytes.to_vec() });
        }
    }
}

impl fmt::Debug for SharedSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl AsyncUdpSocket for SharedSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.inner).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.inner.try_send(transmit)
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let received = std::task::ready!(self.inner.poll_recv(context, buffers, metas))?;
        for (buffer, meta) in buffers.iter_mut().zip(metas.iter_mut()).take(received) {
            self.sort(buffer, meta);
        }
        Poll::Ready(Ok(received))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.inner.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        // That many of the longest have room for 64 KiB, which is the most that comes at once, of
        // whatever length each.
        self.inner.max_receive_segments().min(GRO_BYTES.div_ceil(usize::from(LONGEST_NEAR)))
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}
