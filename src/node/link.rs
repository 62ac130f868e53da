//! One link's task: drives a [`Session`] over the link's stream, so that encryption and decoding
//! are done outside of the node's loop.
//!
//! ```text
//! node ── Message ──▶ [outgoing, bounded] ──▶ Session ──▶ stream
//! node ◀── Event ◀── [one channel of all links] ◀── Session ◀── stream
//! ```
//!
//! Reading stops while [`MAX_UNHANDLED`] messages of the link wait for the node, so a peer that
//! sends faster than this side's disk can write is slowed down by the transport, not buffered.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::Stream;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{sleep_until, timeout},
};

use crate::{
    net::LinkId,
    session::{self, Peer, Session},
    sync::Message,
};

/// Messages that the node may have in the queue of one link; each is at most 128 KiB.
pub const OUTGOING: usize = 16;

/// Messages of one link that the node has not dealt with yet.
pub const MAX_UNHANDLED: usize = 8;

/// No more is encrypted while so many bytes wait to be written.
const HIGH_WATER: usize = 256 * 1024;

/// A hail that ends sooner than this, without an error of the transport, has found nobody; one
/// that takes longer was cut.
const HAIL: Duration = Duration::from_secs(5);

/// How long the last messages may take to leave when a link is closed.
const GOODBYE: Duration = Duration::from_secs(2);

/// Bytes that went over links.
#[derive(Debug, Default)]
pub struct Counters {
    /// Received.
    pub bytes_in: AtomicU64,
    /// Sent.
    pub bytes_out: AtomicU64,
}

/// What a link tells the node.
#[derive(Debug)]
pub enum Event {
    /// The other side has proven who it is.
    Established(Peer),
    /// A message arrived. The permit is dropped when it has been dealt with.
    Message(Message, OwnedSemaphorePermit),
    /// The queue of the link was full, and has room again.
    Room,
    /// The session is over; the last event of a link.
    Closed(End),
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The hail has found nobody.
    NoMatch,
    /// It stood, and the other side has ended it in order.
    Left,
    /// It stood, or it broke before it was known with whom it was.
    Over,
}

/// Starts the task. It ends, after sending what is queued, when `outgoing`'s sender is dropped.
pub fn spawn(
    id: LinkId,
    stream: Stream,
    session: Session,
    outgoing: mpsc::Receiver<Message>,
    events: mpsc::Sender<(LinkId, Event)>,
    counters: Arc<Counters>,
) {
    tokio::spawn(async move {
        let unhandled = Arc::new(Semaphore::new(MAX_UNHANDLED));
        let mut link = Link { id, session, events, unhandled, counters, established: false };
        let began = Instant::now();
        let result = link.run(stream, outgoing).await;
        tracing::debug!(?id, ?result, "link ended");
        let refused = match result.as_ref().map_err(io::Error::get_ref) {
            Ok(()) => true,
            Err(inner) => {
                inner.is_some_and(<dyn std::error::Error + Send + Sync>::is::<session::Closed>)
            }
        };
        let no_match = !link.established && refused && began.elapsed() < HAIL;
        let end = match result {
            _ if no_match => End::NoMatch,
            Ok(()) if link.established => End::Left,
            _ => End::Over,
        };
        // If the node is gone there is nobody to tell.
        let _ = link.events.send((id, Event::Closed(end))).await;
    });
}

struct Link {
    id: LinkId,
    session: Session,
    events: mpsc::Sender<(LinkId, Event)>,
    unhandled: Arc<Semaphore>,
    counters: Arc<Counters>,
    established: bool,
}

impl Link {
    async fn run(
        &mut self,
        stream: Stream,
        mut outgoing: mpsc::Receiver<Message>,
    ) -> io::Result<()> {
        let (mut reader, mut writer) = stream.split();
        let mut input = vec![0; 64 * 1024];
        let mut output = Output::default();
        loop {
            while output.len() < HIGH_WATER
                && let Some(bytes) = self.session.poll_transmit()
            {
                output.push(bytes);
            }
            let deadline = self.session.poll_timeout();
            tokio::select! {
                read = reader.read(&mut input) => {
                    let read = read?;
                    if read == 0 {
                        return Ok(());
                    }
                    self.counters.bytes_in.fetch_add(read as u64, Ordering::Relaxed);
                    self.session.handle_input(Instant::now(), &input[..read]).map_err(closed)?;
                    self.deliver().await?;
                }
                written = output.write_or_flush(&mut writer), if output.is_due() => {
                    let written = written?;
                    self.counters.bytes_out.fetch_add(written as u64, Ordering::Relaxed);
                    output.advance(written);
                }
                message = outgoing.recv(), if output.len() < HIGH_WATER => {
                    let Some(message) = message else { break };
                    // With the one that was just taken.
                    let was_full = outgoing.len() + 1 >= OUTGOING;
                    self.send(&message)?;
                    while output.len() < HIGH_WATER
                        && let Ok(message) = outgoing.try_recv()
                    {
                        self.send(&message)?;
                        while let Some(bytes) = self.session.poll_transmit() {
                            output.push(bytes);
                        }
                    }
                    if was_full {
                        // If the node is too busy to be told, it has not forgotten: it looks
                        // after its links twice a second.
                        let _ = self.events.try_send((self.id, Event::Room));
                    }
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now).into()),
                    if deadline.is_some() =>
                {
                    self.session.handle_timeout(Instant::now()).map_err(closed)?;
                }
            }
        }
        let goodbye = async {
            while let Some(bytes) = self.session.poll_transmit() {
                output.push(bytes);
            }
            while output.len() > 0 {
                let written = writer.write(output.front()).await?;
                output.advance(written);
            }
            writer.close().await?;
            // The connection is closed next, and with it what is still on its way: so wait until
            // the other side has read the end, and ends too.
            while reader.read(&mut input).await? > 0 {}
            Ok(())
        };
        timeout(GOODBYE, goodbye).await.map_err(io::Error::other)?
    }

    fn send(&mut self, message: &Message) -> io::Result<()> {
        self.session.send(Instant::now(), &message.encode()).map_err(io::Error::other)
    }

    async fn deliver(&mut self) -> io::Result<()> {
        while let Some(event) = self.session.poll_event() {
            let event = match event {
                session::Event::Established { with } => {
                    self.established = true;
                    Event::Established(with)
                }
                session::Event::Message(bytes) => {
                    let message = Message::decode(&bytes).map_err(io::Error::other)?;
                    let unhandled = Arc::clone(&self.unhandled);
                    let permit = unhandled.acquire_owned().await.map_err(io::Error::other)?;
                    Event::Message(message, permit)
                }
            };
            self.events.send((self.id, event)).await.map_err(|_| io::ErrorKind::BrokenPipe)?;
        }
        Ok(())
    }
}

fn closed(error: session::Closed) -> io::Error {
    io::Error::other(error)
}

/// Encrypted bytes on their way to the stream.
#[derive(Default)]
struct Output {
    chunks: std::collections::VecDeque<Vec<u8>>,
    /// How much of the first chunk is written.
    written: usize,
    len: usize,
    unflushed: bool,
}

impl Output {
    fn len(&self) -> usize {
        self.len
    }

    fn is_due(&self) -> bool {
        self.len > 0 || self.unflushed
    }

    /// Writes some bytes, or flushes if there are none. Dropping the future loses nothing.
    async fn write_or_flush(&self, writer: &mut (impl AsyncWrite + Unpin)) -> io::Result<usize> {
        if self.len > 0 {
            writer.write(self.front()).await
        } else {
            writer.flush().await.map(|()| 0)
        }
    }

    fn push(&mut self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.len += bytes.len();
            self.chunks.push_back(bytes);
        }
    }

    fn front(&self) -> &[u8] {
        self.chunks.front().map_or(&[], |chunk| &chunk[self.written..])
    }

    fn advance(&mut self, bytes: usize) {
        self.len -= bytes;
        self.written += bytes;
        self.unflushed = bytes > 0;
        if self.chunks.front().is_some_and(|chunk| chunk.len() == self.written) {
            self.chunks.pop_front();
            self.written = 0;
        }
    }
}
