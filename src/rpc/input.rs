//! Standard input, as it comes.

use std::{
    io::{self, Cursor, Read},
    thread,
};

use futures::stream::poll_fn;
use tokio::{io::AsyncBufRead, sync::mpsc};
use tokio_util::io::StreamReader;

/// The most that is read at once, in bytes.
const PART: usize = 8192;

/// Standard input, which a thread of its own waits for. Tokio's waits for it on a thread of the
/// runtime, which then cannot end before another line comes.
///
/// # Errors
///
/// The system gives no thread.
pub fn standard_input() -> io::Result<impl AsyncBufRead + Unpin> {
    let (parts, mut taken) = mpsc::channel(1);
    thread::Builder::new().name("input".to_owned()).spawn(move || {
        loop {
            let mut part = vec![0; PART];
            let read = io::stdin().read(&mut part).map(|bytes| {
                part.truncate(bytes);
                Cursor::new(part)
            });
            match &read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(part) if part.get_ref().is_empty() => break,
                _ => {}
            }
            let failed = read.is_err();
            if parts.blocking_send(read).is_err() || failed {
                break;
            }
        }
    })?;
    Ok(StreamReader::new(poll_fn(move |context| taken.poll_recv(context))))
}
