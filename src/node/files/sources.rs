//! What is being sent: each file is open once, and read on threads that its disk may keep for
//! ever. A few threads for each, so that one that hangs keeps no more.

use std::{
    collections::HashMap,
    fs::File,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    sync::{AcquireError, OnceCell, OwnedSemaphorePermit, Semaphore},
    task::{AbortHandle, spawn_blocking},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{content::Content, disk};
use crate::{
    blob::{self, Broken, Outboard, Span},
    conversation::EntryId,
    store::KeptFile,
};

/// A disk that takes longer, to open a file or to read a block, hangs. One that has to spin up
/// takes 10 s; whoever asks waits for 20 s.
pub const HANGS: Duration = Duration::from_secs(15);

/// Threads on which one file is read at the same time: more make no disk faster.
const READERS: usize = 4;

/// Threads on which files are read, and files that are open, all together: half of the threads that
/// the runtime has for whatever may wait. When so many hang, nothing is sent any more.
const MAX_THREADS: usize = 256;

/// What is being sent.
#[derive(Clone)]
pub struct Sources {
    shared: Arc<Mutex<HashMap<EntryId, Weak<Shared>>>>,
    threads: Arc<Semaphore>,
    /// [`HANGS`], except in tests.
    hangs: Duration,
}

impl Default for Sources {
    fn default() -> Self {
        let threads = Arc::new(Semaphore::new(MAX_THREADS));
        Self { shared: Arc::default(), threads, hangs: HANGS }
    }
}

impl Sources {
    /// The file of this entry, opened or not.
    pub fn of(&self, entry: EntryId) -> Arc<Shared> {
        let mut all = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = all.get(&entry).and_then(Weak::upgrade) {
            return shared;
        }
        all.retain(|_, shared| shared.strong_count() > 0);
        let shared = Arc::new(Shared {
            source: OnceCell::new(),
            stop: CancellationToken::new(),
            readers: Arc::new(Semaphore::new(READERS)),
            threads: Arc::clone(&self.threads),
            at_work: Mutex::default(),
            hangs: self.hangs,
        });
        all.insert(entry, Arc::downgrade(&shared));
        shared
    }

    /// Nobody is sent this any more, not even the rest of an answer.
    pub fn stop(&self, entry: EntryId) {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner).remove(&entry);
        if let Some(shared) = shared.and_then(|shared| shared.upgrade()) {
            shared.stop.cancel();
        }
    }
}

/// A file that is being sent, by all streams that do. It is kept, and so known to hang, as long as
/// one of its threads does.
pub struct Shared {
    source: OnceCell<Arc<Source>>,
    /// It is not offered any more.
    pub stop: CancellationToken,
    readers: Arc<Semaphore>,
    /// Those of all files.
    threads: Arc<Semaphore>,
    /// What its threads do, and when each is late: as many as may read at the same time.
    at_work: Mutex<Vec<(Instant, AbortHandle)>>,
    hangs: Duration,
}

impl Shared {
    /// Opens what lies at this place, unless it is open.
    ///
    /// # Errors
    /// It cannot be opened; or it hangs, which is said at once where it is known.
    pub async fn open(
        self: &Arc<Self>,
        kept: KeptFile,
        hashes: PathBuf,
    ) -> io::Result<Arc<Source>> {
        if self.hangs() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let source = self.source.get_or_try_init(|| async {
            let open = move |permit| {
                let content = Content::open(&kept.file, &kept.place.path, &hashes)?;
                let hashes = disk::open_again(&hashes)?;
                Ok(Arc::new(Source { kept, open: Some((content, hashes, permit)) }))
            };
            self.on_thread(open).await?
        });
        source.await.cloned()
    }

    /// Reads a block with its hashes.
    ///
    /// # Errors
    /// [`Broken::Changed`], [`Broken::Local`].
    pub async fn read(
        self: Arc<Self>,
        source: Arc<Source>,
        block: Vec<Span>,
        spare: Vec<u8>,
    ) -> Result<Vec<u8>, Broken> {
        let read = self.on_thread(move |_permit| source.slices(&block, spare));
        read.await.map_err(Broken::Local)?
    }

    /// Does something with this file on a thread, for which it is given a permit.
    async fn on_thread<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(OwnedSemaphorePermit) -> T + Send + 'static,
    ) -> io::Result<T> {
        if self.hangs() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let late = Instant::now() + self.hangs;
        let permits = async {
            let reader = Arc::clone(&self.readers).acquire_owned().await?;
            Ok((reader, Arc::clone(&self.threads).acquire_owned().await?))
        };
        let permits = timeout_at(late, permits).await?;
        let (reader, permit) = permits.map_err(|error: AcquireError| io::Error::other(error))?;
        let shared = Arc::clone(self);
        let task = spawn_blocking(move || {
            let done = work(permit);
            drop((reader, shared));
            done
        });
        self.at_work().push((late, task.abort_handle()));
        Ok(timeout_at(late, task).await??)
    }

    /// Whether one of its threads has not come back in time, nor later.
    fn hangs(&self) -> bool {
        let mut at_work = self.at_work();
        at_work.retain(|(_, task)| !task.is_finished());
        at_work.iter().any(|(late, _)| *late <= Instant::now())
    }

    fn at_work(&self) -> MutexGuard<'_, Vec<(Instant, AbortHandle)>> {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file that is open.
pub struct Source {
    /// What is known of it.
    pub kept: KeptFile,
    /// Its content and its hashes; none: it is being closed.
    open: Option<(Content, File, OwnedSemaphorePermit)>,
}

impl Source {
    /// A block with its hashes.
    fn slices(&self, block: &[Span], mut slices: Vec<u8>) -> Result<Vec<u8>, Broken> {
        let Some((content, hashes, _)) = &self.open else { return Err(Broken::Changed) };
        let file = &self.kept.file;
        let outboard = Outboard::new(file.root, file.size, hashes);
        blob::send(content, &file.key, &outboard, block, &mut slices)?;
        Ok(slices)
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // Even closing a file may wait for a disk.
        let open = self.open.take();
        spawn_blocking(move || drop(open));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const ENTRY: EntryId = EntryId([1; 32]);

    fn sources(hangs: Duration, threads: usize) -> Sources {
        Sources { hangs, threads: Arc::new(Semaphore::new(threads)), ..Sources::default() }
    }

    /// Waits as a disk does that hangs, until the sender is dropped.
    fn disk() -> (mpsc::Sender<()>, impl FnOnce(OwnedSemaphorePermit)) {
        let (answer, wait) = mpsc::channel::<()>();
        (answer, move |_permit| assert!(wait.recv().is_err()))
    }

    fn is_late(result: &io::Result<()>) -> bool {
        result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::TimedOut)
    }

    #[tokio::test]
    async fn what_hangs_is_known_to_until_it_comes_back() {
        let hangs = Duration::from_millis(50);
        let sources = sources(hangs, MAX_THREADS);
        let (answer, wait) = disk();
        let began = Instant::now();
        assert!(is_late(&sources.of(ENTRY).on_thread(wait).await));
        assert!(began.elapsed() >= hangs);
        // Though nobody waits for it any more; and no thread is tried.
        let again = |_| -> () { panic!("it is asked again") };
        assert!(is_late(&sources.of(ENTRY).on_thread(again).await));
        assert_eq!(sources.threads.available_permits(), MAX_THREADS - 1);
        // Another is none that hangs; it may have to wait for a thread.
        let another =
            async { while sources.of(EntryId([2; 32])).on_thread(drop).await.is_err() {} };
        tokio::time::timeout(Duration::from_secs(30), another).await.unwrap();
        drop(answer);
        let back = async {
            while sources.of(ENTRY).on_thread(drop).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), back).await.unwrap();
        assert_eq!(sources.threads.available_permits(), MAX_THREADS);
    }

    #[tokio::test]
    async fn one_that_hangs_keeps_few_threads_and_all_together_keep_some() {
        let sources = sources(Duration::from_millis(300), READERS + 2);
        let mut answers = Vec::new();
        let mut ask = |entry| {
            let shared = sources.of(EntryId([entry; 32]));
            let (answer, wait) = disk();
            answers.push(answer);
            async move { shared.on_thread(wait).await }
        };
        // Together, before any is known to hang.
        let asked: Vec<_> = (0..50).map(|_| ask(1)).collect();
        assert!(futures::future::join_all(asked).await.iter().all(is_late));
        assert_eq!(sources.threads.available_permits(), 2);
        let asked: Vec<_> = (0..50).map(|_| ask(2)).collect();
        assert!(futures::future::join_all(asked).await.iter().all(is_late));
        assert_eq!(sources.threads.available_permits(), 0);
        assert!(is_late(&ask(3).await));
        drop(answers);
        let back = tokio::time::timeout(Duration::from_secs(30), async {
            while sources.of(EntryId([3; 32])).on_thread(drop).await.is_err() {}
        });
        back.await.unwrap();
    }
}
