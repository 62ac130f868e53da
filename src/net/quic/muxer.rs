//! A QUIC connection as libp2p sees it: something that opens and accepts streams.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::{AsyncRead, AsyncWrite, FutureExt, future::BoxFuture};
use libp2p::{
    PeerId,
    core::muxing::{StreamMuxer, StreamMuxerEvent},
};
use quinn::{ConnectionError, RecvStream, SendStream};

use super::{Sockets, TRUSTED_WINDOW};

type Opening = BoxFuture<'static, Result<(SendStream, RecvStream), ConnectionError>>;

/// See the module's documentation. Nothing is asked of the connection but by its owner's polling.
pub struct Muxer {
    connection: quinn::Connection,
    peer: PeerId,
    sockets: Sockets,
    /// Whether the peer may send more than a stranger.
    trusted: bool,
    inbound: Option<Opening>,
    outbound: Option<Opening>,
    closing: Option<BoxFuture<'static, ConnectionError>>,
}

impl Muxer {
    /// A connection whose handshake is done.
    pub fn new(connection: quinn::Connection, peer: PeerId, sockets: Sockets) -> Self {
        let (inbound, outbound, closing) = (None, None, None);
        Self { connection, peer, sockets, trusted: false, inbound, outbound, closing }
    }

    fn opened(&mut self) {
        if !self.trusted && self.sockets.is_trusted(&self.peer) {
            self.trusted = true;
            self.connection.set_receive_window(TRUSTED_WINDOW.into());
        }
    }
}

impl StreamMuxer for Muxer {
    type Substream = Stream;
    type Error = ConnectionError;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Stream, ConnectionError>> {
        let connection = self.connection.clone();
        let inbound =
            self.inbound.get_or_insert_with(|| async move { connection.accept_bi().await }.boxed());
        let opened = ready!(inbound.poll_unpin(context));
        self.inbound = None;
        self.opened();
        Poll::Ready(opened.map(Stream::new))
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Stream, ConnectionError>> {
        let connection = self.connection.clone();
        let outbound =
            self.outbound.get_or_insert_with(|| async move { connection.open_bi().await }.boxed());
        let opened = ready!(outbound.poll_unpin(context));
        self.outbound = None;
        self.opened();
        Poll::Ready(opened.map(Stream::new))
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), ConnectionError>> {
        let connection = self.connection.clone();
        let closing = self.closing.get_or_insert_with(|| {
            connection.close(0_u32.into(), &[]);
            async move { connection.closed().await }.boxed()
        });
        match ready!(closing.poll_unpin(context)) {
            ConnectionError::LocallyClosed => Poll::Ready(Ok(())),
            error => Poll::Ready(Err(error)),
        }
    }

    fn poll(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, ConnectionError>> {
        // Migration is off, so the address never changes.
        Poll::Pending
    }
}

/// Both directions of one stream.
pub struct Stream {
    send: SendStream,
    receive: RecvStream,
    closed: bool,
}

impl Stream {
    fn new((send, receive): (SendStream, RecvStream)) -> Self {
        Self { send, receive, closed: false }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        AsyncRead::poll_read(Pin::new(&mut self.receive), context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.send), context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.send), context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Quinn takes a second one for an error; libp2p may close twice.
        if !self.closed {
            ready!(AsyncWrite::poll_close(Pin::new(&mut self.send), context))?;
            self.closed = true;
        }
        Poll::Ready(Ok(()))
    }
}
