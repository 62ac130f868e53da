//! What is here already by another entry is copied, and not fetched again.

use std::{
    fs::File,
    io,
    path::Path,
    sync::mpsc::{RecvTimeoutError, channel},
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

/// Fills what is gathered of a file, and its hashes, with what lies at another place. Whether that
/// is still what it was is to be verified.
///
/// # Errors
/// It cannot be read, or hangs; or this cannot be written.
pub fn fill(
    part: &File,
    hashes: &File,
    file: &conversation::File,
    place: &Place,
    blobs: &Path,
) -> io::Result<()> {
    let known = blobs.join(&place.hashes);
    match open(file, place, &known)? {
        // Where the file system can, both are the same on the disk until one is changed.
        Content::File(content) if rustix::fs::ioctl_ficlone(part, &content).is_ok() => {
            part.set_len(file.size)?;
        }
        content => copy(&content, &mut Sparse(part), file.size)?,
    }
    copy(&disk::open_again(&known)?, &mut Sparse(hashes), blob::outboard_bytes(file.size))
}

/// Opens what lies there, unless its disk hangs: others may have it.
fn open(file: &conversation::File, place: &Place, hashes: &Path) -> io::Result<Content> {
    let (opened, wait) = channel();
    let (file, path, hashes) = (file.clone(), place.path.clone(), hashes.to_owned());
    thread::Builder::new().spawn(move || opened.send(Content::open(&file, &path, &hashes)))?;
    wait.recv_timeout(HANGS).map_err(|error| match error {
        RecvTimeoutError::Timeout => io::ErrorKind::TimedOut,
        RecvTimeoutError::Disconnected => io::ErrorKind::Other,
    })?
}

fn copy(from: &impl ReadAt, to: &mut impl WriteAt, bytes: u64) -> io::Result<()> {
    let mut buffer = vec![0; COPY];
    let mut offset = 0;
    while offset < bytes {
        let most = usize::try_from(bytes - offset).unwrap_or(usize::MAX).min(buffer.len());
        let read = from.read_at(offset, &mut buffer[..most])?;
        if read == 0 {
            // It is shorter than it was.
            break;
        }
        to.write_all_at(offset, &buffer[..read])?;
        offset += read as u64;
    }
    Ok(())
}
