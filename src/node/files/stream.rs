//! A stream for files, on which nothing is waited for without an end.

use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
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
pub struct Timed<S = Stream> {
    stream: S,
    stop: CancellationToken,
    counters: Arc<Counters>,
    /// [`SLOWEST`], except in tests.
    slowest: Duration,
}

impl<S> Timed<S> {
    /// Everything fails once `stop` is cancelled. Bytes are counted.
    pub fn new(stream: S, stop: CancellationToken, counters: Arc<Counters>) -> Self {
        Self { stream, stop, counters, slowest: SLOWEST }
    }
}

impl<S: AsyncRead + Unpin> Timed<S> {
    /// Reads so many bytes as there is room for.
    pub async fn read(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        timeout(self.slowest, self.read_all(bytes)).await?
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
}

impl<S: AsyncWrite + Unpin> Timed<S> {
    /// Writes and sends all of these bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        timeout(self.slowest, self.write_all(bytes)).await?
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

#[cfg(test)]
mod tests {
    use std::{
        pin::Pin,
        task::{Context, Poll, ready},
    };

    use tokio::time::{Instant, Sleep, sleep};

    use super::*;

    /// Takes and gives a byte now and then.
    struct Dribble(Pin<Box<Sleep>>);

    const PAUSE: Duration = Duration::from_millis(5);

    impl Dribble {
        fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
            ready!(self.0.as_mut().poll(context));
            self.0.as_mut().reset(Instant::now() + PAUSE);
            Poll::Ready(Ok(1))
        }
    }

    impl AsyncRead for Dribble {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            _: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            self.poll(context)
        }
    }

    impl AsyncWrite for Dribble {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.poll(context)
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn a_byte_now_and_then_is_too_slow() {
        let stream = Dribble(Box::pin(sleep(PAUSE)));
        let mut timed = Timed::new(stream, CancellationToken::new(), Arc::default());
        assert_eq!(timed.slowest, SLOWEST);
        timed.slowest = PAUSE * 40;
        // All of it would take ten times as long.
        let mut bytes = [0; 400];
        for result in [timed.read(&mut bytes).await, timed.write(&bytes).await] {
            assert_eq!(result.unwrap_err().kind(), io::ErrorKind::TimedOut);
        }
        timed.read(&mut bytes[..2]).await.unwrap();
        timed.write(&bytes[..2]).await.unwrap();
    }
}
