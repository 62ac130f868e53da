//! What is here already by another entry is copied, and not fetched again.

use std::{
    fs::File,
    io,
    path::Path,
    sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    thread,
};

use super::{
    content::Content,
    disk::{self, Sparse},
    sources::HANGS,
};
use crate::{
    blob::{self, ReadAt, WriteAt},
    conversation,
    store::Place,
};

/// What is copied at a time, in bytes.
const COPY: usize = 256 * 1024;

/// What was read there.
enum Came {
    Content(u64, Vec<u8>),
    Hashes(u64, Vec<u8>),
    All,
}

/// Fills what is gathered of a file, and its hashes, with what lies at another place. Whether that
/// is still what it was is to be verified.
///
/// # Errors
/// It cannot be read, or this cannot be written; `TimedOut`: its disk hangs.
pub fn fill(
    part: &File,
    hashes: &File,
    file: &conversation::File,
    place: &Place,
    blobs: &Path,
) -> io::Result<()> {
    let (tell, came) = sync_channel(1);
    let (file, path, known) = (file.clone(), place.path.clone(), blobs.join(&place.hashes));
    // On a thread of its own: nothing is waited for without an end, as others may have it.
    thread::Builder::new().spawn(move || {
        let all = read(&file, &path, &known, &tell).map(|()| Came::All);
        // Nobody may wait for it any more.
        let _ = tell.send(all);
    })?;
    loop {
        let came = came.recv_timeout(HANGS).map_err(|error| match error {
            RecvTimeoutError::Timeout => io::ErrorKind::TimedOut,
            RecvTimeoutError::Disconnected => io::ErrorKind::Other,
        })?;
        match came? {
            Came::Content(offset, bytes) => Sparse(part).write_all_at(offset, &bytes)?,
            Came::Hashes(offset, bytes) => Sparse(hashes).write_all_at(offset, &bytes)?,
            Came::All => return Ok(()),
        }
    }
}

fn read(
    file: &conversation::File,
    path: &Path,
    hashes: &Path,
    tell: &SyncSender<io::Result<Came>>,
) -> io::Result<()> {
    let content = Content::open(file, path, hashes)?;
    pieces(&content, file.size, |offset, bytes| {
        tell.send(Ok(Came::Content(offset, bytes))).is_ok()
    })?;
    let (hashes, bytes) = (disk::open_again(hashes)?, blob::outboard_bytes(file.size));
    pieces(&hashes, bytes, |offset, bytes| tell.send(Ok(Came::Hashes(offset, bytes))).is_ok())
}

/// Reads so many bytes, as far as they are there and somebody wants more.
fn pieces(
    from: &impl ReadAt,
    bytes: u64,
    mut tell: impl FnMut(u64, Vec<u8>) -> bool,
) -> io::Result<()> {
    let mut offset = 0;
    while offset < bytes {
        let most = usize::try_from(bytes - offset).unwrap_or(usize::MAX).min(COPY);
        let mut piece = vec![0; most];
        let read = from.read_at(offset, &mut piece)?;
        piece.truncate(read);
        // It may be shorter than it was.
        if read == 0 || !tell(offset, piece) {
            break;
        }
        offset += read as u64;
    }
    Ok(())
}
