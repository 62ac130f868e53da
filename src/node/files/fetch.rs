//! One file that is being fetched, and the tasks that do it: each on a stream of its own, so that
//! one asks while another receives. Disks are waited for on threads of their own.

use std::{
    fs::{self, File},
    io::{self, Read, Seek},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use tokio::task::{JoinHandle, spawn_blocking};

use super::{
    content::{self, Content},
    copies,
    disk::{self, Sparse},
    folder,
    holders::Asked,
    stream::Timed,
};
use crate::{
    blob::{self, Broken, GROUP, Outboard, Picker, Span, Worker},
    node::{
        api::{Failure, FailureKind, FileState},
        failure,
    },
    store::{KeptFile, Place},
    sync::{FileRefusal, FileRequest, file_request::GRANTED},
};

/// What has come is brought to the disk whenever so many bytes more are there.
const FLUSH: u64 = 16 * 1024 * 1024;

/// See the module's documentation.
pub struct Fetch {
    /// What is fetched, and to where.
    pub kept: KeptFile,
    part: File,
    hashes: File,
    picker: Mutex<Picker>,
    done: AtomicU64,
    /// Something could not be brought to the disk.
    unsynced: Mutex<bool>,
}

/// What a file is before it is fetched.
pub enum Ready {
    /// Some of it, or all, is still to be fetched, or to be put in its place.
    Fetch(Box<Fetch>),
    /// It is whole, and has its name already.
    There(PathBuf),
}

/// How a task ended.
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
    /// Goes on with what is there, or begins, if it can with what lies at one of `others` already.
    /// Takes long for a large file of which much is there, as all of that is verified.
    ///
    /// # Errors
    /// A sentence: it cannot be written, or there is no room.
    pub fn prepare(kept: KeptFile, blobs: &Path, others: &[Place]) -> Result<Ready, Failure> {
        Self::open(kept, blobs, others).map_err(|error| unwritable(&error))
    }

    fn open(kept: KeptFile, blobs: &Path, others: &[Place]) -> io::Result<Ready> {
        fs::create_dir_all(blobs)?;
        let hashes = &blobs.join(&kept.place.hashes);
        let (size, path) = (kept.file.size, kept.place.path.clone());
        let part = match disk::open_again(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(there) = find(&kept, hashes) {
                    return Ok(Ready::There(there));
                }
                disk::remove(hashes)?;
                fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
                disk::create(&path)?
            }
            opened => opened?,
        };
        let hashes_file = match disk::open_again(hashes) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => disk::create(hashes)?,
            opened => opened?,
        };
        let (root, key) = (kept.file.root, kept.file.key.clone());
        let verify = || blob::verified(&part, &key, &Outboard::new(root, size, &hashes_file));
        let mut here = verify()?;
        let left = size.saturating_sub(count(&here) * GROUP);
        if kept.file.manifest > 0
            && count(&here) == blob::groups(size)
            && let Some(there) = find(&kept, hashes)
        {
            disk::remove(&path)?;
            return Ok(Ready::There(there));
        }
        // A folder is laid out beside what came.
        let twice = if kept.file.manifest > 0 { size } else { 0 };
        let needed = left.saturating_add(blob::outboard_bytes(size)).saturating_add(twice);
        if needed > disk::free(path.parent().unwrap_or(Path::new("/")))? {
            return Err(io::ErrorKind::StorageFull.into());
        }
        part.set_len(size)?;
        for other in others {
            if !here.is_empty() {
                break;
            }
            // What has changed of it, or all if it has vanished, is fetched.
            let filled = copies::fill(&part, &hashes_file, &kept.file, other, blobs);
            here = verify()?;
            tracing::debug!(?filled, groups = count(&here), "what is here already was copied");
            if filled.is_err_and(|error| error.kind() == io::ErrorKind::TimedOut) {
                // The others may lie on the same disk.
                break;
            }
        }
        Ok(Ready::Fetch(Box::new(Self {
            picker: Mutex::new(Picker::new(size, &here)),
            done: AtomicU64::new((count(&here) * GROUP).min(size)),
            unsynced: Mutex::new(false),
            kept,
            part,
            hashes: hashes_file,
        })))
    }

    /// Bytes that are here and verified.
    pub fn done(&self) -> u64 {
        self.done.load(Relaxed)
    }

    /// Whether all of it is here.
    pub fn is_whole(&self) -> bool {
        self.picker().left() == 0
    }

    /// Asks one of those who have it on this stream, until there is nothing to ask for.
    pub async fn work(self: Arc<Self>, worker: Worker, asked: Asked, stream: Timed) -> End {
        self.picker().join(worker, asked.person, None);
        let end = self.ask(worker, &asked, stream).await;
        if matches!(end, Err(Broken::False)) {
            // At once: they are not asked by another stream either.
            asked.stop.cancel();
        }
        self.picker().leave(worker);
        release(self);
        end.unwrap_or_else(End::Broken)
    }

    async fn ask(
        self: &Arc<Self>,
        worker: Worker,
        asked: &Asked,
        mut stream: Timed,
    ) -> Result<End, Broken> {
        let size = self.kept.file.size;
        // Memory is used again: fresh pages cost as much as what is done with them.
        let mut spare: Vec<Vec<u8>> = Vec::new();
        let mut spans = self.request(worker, asked, &mut stream).await?;
        while !spans.is_empty() {
            let mut answer = [0];
            stream.read(&mut answer).await.map_err(Broken::Remote)?;
            if answer[0] != GRANTED {
                return Ok(End::Refused(FileRefusal::from_number(answer[0])));
            }
            // While one block is verified and written, the next is received.
            let mut before: Option<JoinHandle<Result<Vec<u8>, Broken>>> = None;
            let blocks = blob::by_block(&spans);
            let half = blocks.len() / 2;
            let mut next = Vec::new();
            for (number, block) in blocks.into_iter().enumerate() {
                if number == half {
                    // It is there before this is whole: a far line does not idle in between.
                    next = self.request(worker, asked, &mut stream).await?;
                }
                let length = blob::slices_bytes(size, &block);
                let mut slices = spare.pop().unwrap_or_default();
                slices.resize(usize::try_from(length).unwrap_or(usize::MAX), 0);
                stream.read(&mut slices).await.map_err(Broken::Remote)?;
                if let Some(before) = before.take() {
                    spare.push(finished(before).await?);
                }
                let (fetch, came) = (Arc::clone(self), Arc::clone(&asked.came));
                before = Some(spawn_blocking(move || {
                    came.fetch_add(fetch.keep(&mut slices, &block)?, Relaxed);
                    Ok(slices)
                }));
            }
            if let Some(before) = before {
                spare.push(finished(before).await?);
            }
            self.picker().done(worker);
            if next.is_empty() {
                next = self.request(worker, asked, &mut stream).await?;
            }
            spans = next;
        }
        Ok(End::Nothing)
    }

    /// Asks for more. Returns what was asked for; nothing: there is nothing to ask.
    async fn request(
        &self,
        worker: Worker,
        asked: &Asked,
        stream: &mut Timed,
    ) -> Result<Vec<Span>, Broken> {
        let spans = self.picker().next(worker);
        if !spans.is_empty() {
            let Asked { conversation, entry, .. } = *asked;
            let request = FileRequest { conversation, entry, spans: spans.clone() };
            stream.write(&request.encode()).await.map_err(Broken::Remote)?;
        }
        Ok(spans)
    }

    /// Verifies a block and writes it. Returns how many bytes of it were missing.
    fn keep(self: &Arc<Self>, slices: &mut [u8], block: &[Span]) -> Result<u64, Broken> {
        let file = &self.kept.file;
        let mut outboard = Outboard::new(file.root, file.size, Sparse(&self.hashes));
        blob::receive(slices, &file.key, &mut outboard, block, &mut Sparse(&self.part))?;
        let mut picker = self.picker();
        let new = block.iter().cloned().flatten().filter(|group| picker.arrived(*group));
        let new = new
            .map(|group| blob::bytes(std::slice::from_ref(&(group..group + 1)), file.size))
            .sum();
        drop(picker);
        let before = self.done.fetch_add(new, Relaxed);
        if before / FLUSH != (before + new) / FLUSH {
            // So that little is left to wait for at the end. Nobody waits for this.
            let fetch = Arc::clone(self);
            spawn_blocking(move || {
                // If another is under way, the next brings this to the disk, or the end.
                let Ok(mut unsynced) = fetch.unsynced.try_lock() else { return };
                let synced = fetch.part.sync_data();
                *unsynced |= synced.is_err();
                drop(unsynced);
                // A folder is read again at once.
                if synced.is_ok() && fetch.kept.file.manifest == 0 {
                    disk::uncache(&fetch.part);
                }
            });
        }
        Ok(new)
    }

    /// Puts what is whole where it belongs. Returns the path.
    ///
    /// # Errors
    /// A sentence; what came is still where it was gathered.
    pub fn finish(&self, blobs: &Path) -> Result<PathBuf, Failure> {
        let place = &self.kept.place;
        let hashes = &blobs.join(&place.hashes);
        let synced = self.sync(|| self.part.sync_all().and_then(|()| self.hashes.sync_all()));
        if synced.is_err() {
            // What reads back as it should may not be on the disk: it is fetched anew.
            let _ = forget_hashes(hashes);
        }
        let named = synced.and_then(|()| match self.kept.file.manifest {
            0 => disk::name(&self.part, &place.path, &place.target),
            bytes => self.lay_out(bytes, hashes),
        });
        named.map_err(|error| unwritable(&error))
    }

    /// Brings something to the disk, one thing at a time: the system tells of a failure but once,
    /// to whoever asks first.
    fn sync(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut unsynced = self.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
        if *unsynced {
            return Err(io::Error::other("the disk failed"));
        }
        sync().inspect_err(|_| *unsynced = true)
    }

    /// Makes a folder of what came.
    fn lay_out(&self, list_bytes: u64, hashes: &Path) -> io::Result<PathBuf> {
        let KeptFile { file, place, .. } = &self.kept;
        let mut content = self.part.try_clone()?;
        content.rewind()?;
        let mut list = vec![0; usize::try_from(list_bytes).map_err(io::Error::other)?];
        content.read_exact(&mut list)?;
        let items = folder::decode(&list, file.size - list_bytes);
        let items = items.ok_or_else(|| io::Error::other("its list of files is damaged"))?;
        let directory = folder_of(place);
        // Of an end in the midst of this.
        remove_folder(&directory)?;
        let held = disk::make_own_directory(&directory, &self.part)?;
        let laid = folder::lay_out(&mut content, &items, &held)?;
        // So that it is found, whatever happens now, and can be passed on; unless what became of
        // the names is too long for a list.
        if let Ok(names) = folder::encode(&laid) {
            if laid == items {
                content::forget_names(hashes)?;
            } else {
                content::write_names(hashes, &names)?;
            }
            content::write_list(hashes, &list)?;
        }
        let path = disk::name(&held, &directory, &place.target)?;
        // It is where it belongs, whatever else happens.
        let _ = disk::remove(&place.path);
        Ok(path)
    }

    fn picker(&self) -> MutexGuard<'_, Picker> {
        self.picker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Even closing a file may wait for a disk.
pub fn release(fetch: Arc<Fetch>) {
    spawn_blocking(move || drop(fetch));
}

fn count(spans: &[Span]) -> u64 {
    spans.iter().map(|span| span.end - span.start).sum()
}

/// Where a file is that has its name already: the program may have ended before that was kept.
fn find(kept: &KeptFile, hashes: &Path) -> Option<PathBuf> {
    let KeptFile { file, place, .. } = kept;
    let outboard = Outboard::new(file.root, file.size, disk::open_again(hashes).ok()?);
    let taken: Vec<_> = disk::names(&place.target)
        .map_while(|path| Some((path.symlink_metadata().ok()?, path)))
        .collect();
    // The last name was the first that was free; an equal file may lie before it.
    for (there, path) in taken.into_iter().rev() {
        let alike = if file.manifest > 0 {
            there.is_dir()
        } else {
            there.is_file() && there.len() == file.size
        };
        if alike
            && let Ok(content) = Content::open(file, &path, hashes)
            && let Ok(here) = blob::verified(&content, &file.key, &outboard)
            && count(&here) == blob::groups(file.size)
        {
            return Some(path);
        }
    }
    None
}

/// What became of a block.
async fn finished<T>(task: JoinHandle<Result<T, Broken>>) -> Result<T, Broken> {
    task.await.map_err(|error| Broken::Local(error.into()))?
}

/// Forgets what has come of a file, and its hashes; of one that is whole only these.
pub fn forget(place: &Place, blobs: &Path) -> io::Result<()> {
    if matches!(place.state, FileState::Fetching | FileState::Stopped) {
        disk::remove(&place.path)?;
        remove_folder(&folder_of(place))?;
    }
    if place.hashes.is_empty() { Ok(()) } else { forget_hashes(&blobs.join(&place.hashes)) }
}

/// Where a folder is laid out before it gets its name: beside it, and nobody else knows the name.
fn folder_of(place: &Place) -> PathBuf {
    place.path.with_file_name(format!(".entrenous-{}.folder", place.hashes))
}

fn remove_folder(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Forgets the hashes of a file, and the lists of a folder.
pub fn forget_hashes(hashes: &Path) -> io::Result<()> {
    disk::remove(hashes)?;
    content::beside(hashes).iter().try_for_each(|list| disk::remove(list))
}

/// What went wrong on this disk.
pub fn unwritable(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => failure(
            FailureKind::DiskFull,
            "There is no room on the disk for this file. What came of it is kept; make room, and \
             fetch it again.",
        ),
        io::ErrorKind::NotFound => failure(
            FailureKind::FileUnreadable,
            "What had come of this file has vanished from where it was gathered. Fetch it again.",
        ),
        _ if disk::is_not_ours(error) => failure(
            FailureKind::FileUnreadable,
            "Where this file was gathered lies something else, which was left alone. Cancel it, \
             and fetch it again.",
        ),
        _ => failure(
            FailureKind::FileUnreadable,
            format!(
                "The file could not be written ({error}). What came of it is kept; fetch it again \
                 when that is mended, or to another place."
            ),
        ),
    }
}

#[cfg(test)]
mod tests;
