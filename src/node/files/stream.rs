//! A stream for files, on which nothing is waited for without an end.

use std::{io, time::Duration};

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::Stream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Nothing coming or going for so long ends a stream: whoever is asked must not hold up what
/// others could send.
const STALL: Duration = Duration::from_secs(20);

/// What is read or written between two looks at the clock, in bytes.
const STEP: usize = 256 * 1024;

/// See the module's documentation.
pub struct Timed {
    stream: Stream,
    stop: CancellationToken,
}

impl Timed {
    /// Everything fails once `stop` is cancelled.
    pub fn new(stream: Stream, stop: CancellationToken) -> Self {
        Self { stream, stop }
    }

    /// Reads so many bytes as there is room for.
    pub async fn read(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        for step in bytes.chunks_mut(STEP) {
            within(&self.stop, self.stream.read_exact(step)).await?;
        }
        Ok(())
    }

    /// Writes and sends all of these bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        for step in bytes.chunks(STEP) {
            within(&self.stop, self.stream.write_all(step)).await?;
        }
        within(&self.stop, self.stream.flush()).await
    }
}

async fn within<T>(
    stop: &CancellationToken,
    operation: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    tokio::select! {
        () = stop.cancelled() => Err(io::ErrorKind::ConnectionAborted.into()),
        done = timeout(STALL, operation) => {
            done.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        }
    }
}
