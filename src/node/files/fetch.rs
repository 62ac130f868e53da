//! One file that is being fetched, and the threads that do it: each on a stream of its own, so
//! that one asks while another receives.

use std::{
    fs::File,
    io::{self, BufReader, Read, Write},
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use tokio_util::sync::CancellationToken;

use super::{disk, stream::Waiting};
use crate::{
    blob::{self, Broken, GROUP, Holder, Outboard, Picker},
    node::{
        api::{Failure, FailureKind},
        failure,
    },
    store::KeptFile,
    sync::{FileRefusal, FileRequest, file_request::GRANTED},
};

/// What is read from a stream at a time.
const READ: usize = 256 * 1024;

/// See the module's documentation.
pub struct Fetch {
    /// What is fetched, and to where.
    pub kept: KeptFile,
    /// Ends all its threads.
    pub stop: CancellationToken,
    part: File,
    hashes: File,
    picker: Mutex<Picker>,
    done: AtomicU64,
}

/// How a thread ended.
#[derive(Debug)]
pub enum End {
    /// There was nothing left to ask.
    Nothing,
    /// The other side said no.
    Refused(FileRefusal),
    /// It broke.
    Broken(Broken),
}

impl Fetch {
    /// Goes on with what is there, or begins. Takes long for a large file of which much is there,
    /// as all of that is verified.
    ///
    /// # Errors
    /// A sentence: it cannot be written, or there is no room.
    pub fn prepare(kept: KeptFile, hashes: &Path) -> Result<Self, Failure> {
        Self::open(kept, hashes).map_err(|error| unwritable(&error))
    }

    fn open(kept: KeptFile, hashes: &Path) -> io::Result<Self> {
        let (size, path) = (kept.file.size, kept.place.path.clone());
        let part = match disk::open_again(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                remove(hashes)?;
                disk::create(&path)?
            }
            opened => opened?,
        };
        let hashes = match disk::open_again(hashes) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => disk::create(hashes)?,
            opened => opened?,
        };
        let (root, key) = (kept.file.root, kept.file.key.clone());
        let here = blob::verified(&part, &key, &Outboard::new(root, size, &hashes))?;
        let groups: u64 = here.iter().map(|span| span.end - span.start).sum();
        let done = (groups * GROUP).min(size);
        let needed = (size - done).saturating_add(blob::outboard_bytes(size));
        if needed > disk::free(path.parent().unwrap_or(Path::new("/")))? {
            return Err(io::ErrorKind::StorageFull.into());
        }
        part.set_len(size)?;
        Ok(Self {
            picker: Mutex::new(Picker::new(size, &here)),
            stop: CancellationToken::new(),
            done: AtomicU64::new(done),
            kept,
            part,
            hashes,
        })
    }

    /// Bytes that are here and verified.
    pub fn done(&self) -> u64 {
        self.done.load(Relaxed)
    }

    /// Whether all of it is here.
    pub fn is_whole(&self) -> bool {
        self.picker().left() == 0
    }

    /// Asks on this stream, until there is nothing to ask for. `person` is the same for all
    /// streams to one of those who have it.
    pub fn work(&self, worker: Holder, person: u64, stream: Waiting) -> End {
        self.picker().join(worker, person, None);
        let end = self.ask(worker, BufReader::with_capacity(READ, stream));
        self.picker().leave(worker);
        end.unwrap_or_else(End::Broken)
    }

    fn ask(&self, worker: Holder, mut stream: BufReader<Waiting>) -> Result<End, Broken> {
        let KeptFile { conversation, entry, file, .. } = &self.kept;
        let mut part = self.part.try_clone().map_err(Broken::Local)?;
        let hashes = self.hashes.try_clone().map_err(Broken::Local)?;
        let mut outboard = Outboard::new(file.root, file.size, hashes);
        loop {
            let spans = self.picker().next(worker);
            if spans.is_empty() {
                return Ok(End::Nothing);
            }
            let request = FileRequest { conversation: *conversation, entry: *entry, spans };
            let mut answer = [0];
            let sent = stream.get_mut().write_all(&request.encode());
            sent.and_then(|()| stream.get_mut().flush())
                .and_then(|()| stream.read_exact(&mut answer))
                .map_err(Broken::Remote)?;
            if answer[0] != GRANTED {
                return Ok(End::Refused(FileRefusal::from_number(answer[0])));
            }
            let mut groups = request.spans.iter().cloned().flatten();
            blob::receive(
                &mut stream,
                &file.key,
                &mut outboard,
                &request.spans,
                &mut part,
                |bytes| {
                    let new = groups.next().is_some_and(|group| self.picker().arrived(group));
                    if new {
                        self.done.fetch_add(bytes, Relaxed);
                    }
                    if self.stop.is_cancelled() {
                        return Err(io::ErrorKind::ConnectionAborted.into());
                    }
                    Ok(())
                },
            )?;
        }
    }

    /// Puts what is whole where it belongs. Returns the path.
    ///
    /// # Errors
    /// A sentence; what came is still where it was gathered.
    pub fn finish(&self) -> Result<PathBuf, Failure> {
        let place = &self.kept.place;
        let named = self
            .part
            .sync_all()
            .and_then(|()| self.hashes.sync_all())
            .and_then(|()| disk::name(&self.part, &place.path, &place.target));
        named.map_err(|error| unwritable(&error))
    }

    fn picker(&self) -> MutexGuard<'_, Picker> {
        self.picker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets what has come of a file.
pub fn forget(part: &Path, hashes: &Path) -> io::Result<()> {
    remove(part)?;
    remove(hashes)
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// What went wrong on this disk.
pub fn unwritable(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => failure(
            FailureKind::DiskFull,
            "There is no room on the disk for this file. What came of it is kept; make room, and \
             fetch it again.",
        ),
        _ => failure(
            FailureKind::FileUnreadable,
            format!("The file could not be written ({error}). What came of it is kept."),
        ),
    }
}
