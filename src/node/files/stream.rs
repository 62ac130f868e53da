//! A stream of a link, read and written by a thread that may wait.

use std::{
    io::{self, Read, Write},
    time::Duration,
};

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::Stream;
use tokio::{runtime::Handle, time::timeout};
use tokio_util::sync::CancellationToken;

/// Nothing coming or going for so long ends a stream: whoever is asked must not hold up what
/// others could send.
const STALL: Duration = Duration::from_secs(20);

/// See the module's documentation.
pub struct Waiting {
    stream: Stream,
    runtime: Handle,
    stop: CancellationToken,
}

impl Waiting {
    /// Within a tokio runtime. Everything fails once `stop` is cancelled.
    pub fn new(stream: Stream, stop: CancellationToken) -> Self {
        Self { stream, runtime: Handle::current(), stop }
    }

    fn wait<T>(
        &mut self,
        operation: impl AsyncFnOnce(&mut Stream) -> io::Result<T>,
    ) -> io::Result<T> {
        let Self { stream, runtime, stop } = self;
        runtime.block_on(async {
            tokio::select! {
                () = stop.cancelled() => Err(io::ErrorKind::ConnectionAborted.into()),
                done = timeout(STALL, operation(stream)) => {
                    done.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
                }
            }
        })
    }
}

impl Read for Waiting {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.wait(async |stream| stream.read(bytes).await)
    }
}

impl Write for Waiting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wait(async |stream| stream.write(bytes).await)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.wait(async |stream| stream.flush().await)
    }
}
