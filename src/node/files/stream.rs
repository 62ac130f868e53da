//! A stream for files, on which nothing is waited for without an end.

use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::Stream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::node::link::Counters;

/// Nothing coming or going for so long ends a stream: whoever is asked must not hold up what
/// others could send.
const STALL: Duration = Duration::from_secs(20);

/// All that is read or written at a time, a block at most, may take so long: 2 KiB/s. A byte now and
/// then must not hold a stream that others could have.
const SLOWEST: Duration = Duration::from_secs(120);

/// See the module's documentation.
pub struct Timed {
    stream: Stream,
    stop: CancellationToken,
    counters: Arc<Counters>,
}

impl Timed {
    /// Everything fails once `stop` is cancelled. Bytes are counted.
    pub fn new(stream: Stream, stop: CancellationToken, counters: Arc<Counters>) -> Self {
        Self { stream, stop, counters }
    }

    /// Reads so many bytes as there is room for.
    pub async fn read(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        timeout(SLOWEST, self.read_all(bytes)).await?
    }

    async fn read_all(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        let mut filled = 0;
        while filled < bytes.len() {
            let read = within(&self.stop, self.stream.read(&mut bytes[filled..])).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.counters.bytes_in.fetch_add(read as u64, Relaxed);
            filled += read;
        }
        Ok(())
    }

    /// Writes and sends all of these bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        timeout(SLOWEST, self.write_all(bytes)).await?
    }

    async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut left = bytes;
        while !left.is_empty() {
            let written = within(&self.stop, self.stream.write(left)).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.counters.bytes_out.fetch_add(written as u64, Relaxed);
            left = &left[written..];
        }
        within(&self.stop, self.stream.flush()).await
    }
}

async fn within<T>(
    stop: &CancellationToken,
    operation: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    tokio::select! {
        // Nothing more is sent to one who was stopped.
        biased;
        () = stop.cancelled() => Err(io::ErrorKind::ConnectionAborted.into()),
        done = timeout(STALL, operation) => {
            done.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        }
    }
}
