//! One UDP socket for everything: probes that are waited for are handed out of what arrives on a
//! listening socket, so that a NAT mapping opened by them is the mapping that QUIC uses.

use std::{
    fmt,
    io::{self, IoSliceMut},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use quinn::{
    AsyncUdpSocket, UdpPoller,
    udp::{RecvMeta, Transmit},
};
use tokio::sync::mpsc;

use super::{LONGEST_NEAR, Sockets};
use crate::net::punch::PROBE_LEN;

/// Datagrams that may wait to be looked at. Beyond it they are dropped.
pub const MAX_DATAGRAMS: usize = 256;

/// The most that the system hands over at once (GRO, `udp(7)`).
const GRO_BYTES: usize = 65_536;

/// Something that arrived on a listening socket and looks like a probe that is waited for.
pub struct Datagram {
    /// Who sent it, as it seems.
    pub from: SocketAddr,
    /// What.
    pub bytes: [u8; PROBE_LEN],
}

/// A socket that QUIC shares. With `grease_quic_bit` off, every datagram of QUIC has one of the
/// two top bits of its first byte set (RFC 9443, section 3).
pub struct SharedSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    sockets: Sockets,
    others: mpsc::Sender<Datagram>,
}

impl SharedSocket {
    /// Of what `inner` reads, that which has a tag told to [`Sockets::expect`] goes to `others`.
    pub fn new(
        inner: Arc<dyn AsyncUdpSocket>,
        sockets: Sockets,
        others: mpsc::Sender<Datagram>,
    ) -> Self {
        Self { inner, sockets, others }
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

    /// Where the system has no filter a flood ends here, and wakes no other task.
    fn hand_out(&self, bytes: &[u8], from: SocketAddr) {
        if let Ok(bytes) = <[u8; PROBE_LEN]>::try_from(bytes)
            && bytes.first_chunk().is_some_and(|tag| self.sockets.expects(*tag))
            && let Ok(place) = self.others.try_reserve()
        {
            place.send(Datagram { from, bytes });
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
