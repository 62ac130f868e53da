//! Files: what is offered, what is sent, what is fetched.
//!
//! ```text
//! SendFile ─▶ offer (a thread) ─▶ entry ─▶ … ─▶ FileOffered ─▶ GetFile
//!                                                                 │
//!  Serving ◀── stream ◀──── one link, several streams ◀──── Fetch ┘ ─▶ FileDone
//! ```
//!
//! Content never passes through the node's loop: threads of their own read and write it, on
//! streams beside the session's, so that a message never waits behind a file. Nor does the loop
//! wait for a disk, which may hang for ever: all that is done on one is begun by `Files::begin`,
//! and comes back as `Happened`.
//!
//! What a crash leaves behind is known by the row of the file in the store: that names where it is
//! gathered and where its hashes lie before there is anything, and goes after it.

mod asking;
mod content;
mod copies;
mod disk;
mod fetch;
mod fetching;
mod folder;
mod forget;
mod forward;
mod holders;
mod offer;
mod sending;
mod serve;
mod sources;
mod stream;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use tokio::{
    sync::{Semaphore, mpsc},
    task::{JoinHandle, spawn_blocking},
};

use self::{
    fetch::{End, Fetch, Ready},
    holders::{Holders, Lies},
    sending::MAX_SERVED,
    serve::Share,
    sources::Sources,
};
use super::{
    api::{EntryKind, EntryView, Event, Failure, FileState},
    run::Node,
    sessions::Stage,
};
use crate::{
    blob::Worker,
    conversation::{self, ConversationId, EntryId},
    identity::Identity,
    net::LinkId,
    store::{KeptFile, Place, StoreError},
};

/// How files are dealt with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where files go that nobody said otherwise of.
    pub downloads: PathBuf,
    /// Files of so many bytes and less are fetched unasked, if they come from a verified contact.
    pub auto_accept: u64,
}

/// What is fetched unasked unless said otherwise, in bytes: a photograph, not a film.
pub const AUTO_ACCEPT: u64 = 10 * 1024 * 1024;

/// Events of threads that may wait for the node.
const FILE_EVENTS: usize = 256;

/// What a thread tells the node.
pub(super) enum Happened {
    /// A file was hashed.
    Hashed {
        request: u64,
        conversation: ConversationId,
        place: Place,
        result: Result<conversation::File, Failure>,
    },
    /// It was found out where one is to be gathered, or that it is there already.
    Placed {
        attempt: u64,
        request: Option<u64>,
        result: Result<bool, Failure>,
        kept: Box<KeptFile>,
    },
    /// A file can be fetched, or is there.
    Prepared { entry: EntryId, attempt: u64, result: Result<Ready, Failure> },
    /// A stream by which it was fetched ended.
    Worked { entry: EntryId, attempt: u64, link: LinkId, who: Identity, end: End },
    /// It is whole, and where it belongs.
    Finished { entry: EntryId, attempt: u64, result: Result<PathBuf, Failure> },
    /// What had come of one that nobody wants any more was removed.
    Forgotten { request: u64, kept: Box<KeptFile>, result: Result<(), Failure> },
    /// What there was here of one whose entry was deleted was removed.
    Cleared { entry: EntryId, removed: bool },
    /// So many bytes more of one were sent.
    Sent { conversation: ConversationId, entry: EntryId, to: Identity, bytes: u64 },
    /// One that was asked for has changed or vanished.
    SourceGone { conversation: ConversationId, entry: EntryId },
}

/// What the node knows of files.
pub(super) struct Files {
    pub config: Config,
    /// Where hashes lie.
    blobs: PathBuf,
    happened: mpsc::Sender<Happened>,
    /// What was begun last on the disk at each place, by the name of its hashes.
    at_work: HashMap<String, JoinHandle<()>>,
    /// Asked for; the place is not known yet, or not kept.
    placing: HashMap<EntryId, (u64, KeptFile)>,
    fetching: BTreeMap<EntryId, Fetching>,
    /// Waiting for their turn.
    waiting: VecDeque<KeptFile>,
    /// The number of the last attempt; see [`Fetching`].
    attempts: u64,
    /// Streams that are being opened on each link, and for which attempt at what.
    opening: HashMap<LinkId, VecDeque<(EntryId, u64)>>,
    served: Arc<Semaphore>,
    /// The streams of each contact.
    shares: HashMap<Identity, Share>,
    sources: Sources,
    /// What was sent since it was told last. The first is told at once, what follows at each look:
    /// whoever asks for a little at a time must not keep a front end busy. Of each of one's own offers
    /// one at most for each who may fetch it.
    sent: BTreeMap<(ConversationId, EntryId, Identity), u64>,
    next_worker: Worker,
    lies: Lies,
    /// Bytes that were fetched unasked, of each contact.
    unasked: HashMap<Identity, u64>,
}

/// A file that is being fetched.
struct Fetching {
    kept: KeptFile,
    /// Another number each time that one is begun: what is still heard of an earlier attempt at the
    /// same file says nothing of this one.
    attempt: u64,
    /// None: it is being prepared.
    fetch: Option<Arc<Fetch>>,
    finishing: bool,
    holders: Holders,
    /// Streams in use or being opened, by link, and to whom that leads.
    streams: HashMap<LinkId, (Identity, usize)>,
    /// Since when, and since how much, nothing has come.
    stalled: (Instant, u64),
    /// When, and how much had come, at the last looks.
    before: VecDeque<(Instant, u64)>,
}

impl Fetching {
    /// Who is being asked.
    fn asked(&self) -> BTreeSet<Identity> {
        let asked = self.streams.values().filter(|(_, streams)| *streams > 0);
        asked.map(|(who, _)| *who).collect()
    }

    /// How far it has come.
    fn progress(&self, entry: EntryId, bytes_per_second: u64) -> Event {
        let holders = self.asked().len();
        Event::FileProgress {
            conversation: self.kept.conversation,
            entry,
            done: self.fetch.as_ref().map_or(0, |fetch| fetch.done()),
            total: self.kept.file.size,
            bytes_per_second,
            holders: u32::try_from(holders).unwrap_or(u32::MAX),
        }
    }
}

/// A name for hashes that nothing else has.
fn hashes_name() -> String {
    format!("{:032x}", rand::random::<u128>())
}

impl Files {
    pub fn new(config: Config, directory: &Path) -> (Self, mpsc::Receiver<Happened>) {
        let (happened, receiver) = mpsc::channel(FILE_EVENTS);
        let files = Self {
            config,
            blobs: directory.join("blobs"),
            happened,
            at_work: HashMap::new(),
            placing: HashMap::new(),
            fetching: BTreeMap::new(),
            waiting: VecDeque::new(),
            attempts: 0,
            opening: HashMap::new(),
            served: Arc::new(Semaphore::new(MAX_SERVED)),
            shares: HashMap::new(),
            sources: Sources::default(),
            sent: BTreeMap::new(),
            next_worker: 0,
            lies: Lies::default(),
            unasked: HashMap::new(),
        };
        (files, receiver)
    }

    /// Whether one that is whole is being put in its place.
    pub fn is_finishing(&self) -> bool {
        self.fetching.values().any(|fetching| fetching.finishing)
    }

    /// Nothing is begun any more.
    pub fn begin_nothing(&mut self) {
        self.waiting.clear();
        self.placing.clear();
    }

    /// Ends all threads; what they have written stays.
    pub fn stop(&mut self) {
        for fetching in std::mem::take(&mut self.fetching).into_values() {
            if let Some(fetch) = fetching.fetch {
                fetch::release(fetch);
            }
        }
    }

    /// Whether it was asked for, and has neither come nor failed.
    fn is_wanted(&self, entry: EntryId) -> bool {
        self.placing.contains_key(&entry)
            || self.fetching.contains_key(&entry)
            || self.waiting.iter().any(|waiting| waiting.entry == entry)
    }

    fn next_attempt(&mut self) -> u64 {
        self.attempts += 1;
        self.attempts
    }

    /// What is fetched by this attempt, if that was not ended.
    fn attempt(&mut self, entry: EntryId, attempt: u64) -> Option<&mut Fetching> {
        self.fetching.get_mut(&entry).filter(|fetching| fetching.attempt == attempt)
    }

    /// Runs on a thread that may wait, as a disk may for ever; its result comes back to the node.
    fn begin(&self, work: impl FnOnce() -> Happened + Send + 'static) {
        drop(self.begin_after(None, work));
    }

    /// The same at the place of one file: one thing after the other, in the order in which they are
    /// begun. So what is made for a fetch is not made after it was removed.
    fn begin_at(&mut self, place: &Place, work: impl FnOnce() -> Happened + Send + 'static) {
        if place.hashes.is_empty() {
            // There is nothing yet.
            return self.begin(work);
        }
        let before = self.at_work.remove(&place.hashes);
        let task = self.begin_after(before, work);
        self.at_work.insert(place.hashes.clone(), task);
    }

    fn begin_after(
        &self,
        before: Option<JoinHandle<()>>,
        work: impl FnOnce() -> Happened + Send + 'static,
    ) -> JoinHandle<()> {
        let happened = self.happened.clone();
        tokio::spawn(async move {
            if let Some(before) = before {
                let _ = before.await;
            }
            if let Ok(result) = spawn_blocking(work).await {
                // If the node is gone there is nobody to tell.
                let _ = happened.send(result).await;
            }
        })
    }
}

impl Node {
    /// Removes what a crash left behind, and goes on with what was being fetched.
    pub(super) async fn resume_files(&mut self) -> Result<(), Failure> {
        let files = self.store.files().await?;
        let named = files.iter().map(|file| file.place.hashes.clone()).collect();
        let blobs = self.files.blobs.clone();
        // This alone is waited for: nobody makes hashes yet. They lie beside the database.
        let _ = spawn_blocking(move || forget::sweep(&blobs, &named)).await;
        for file in files {
            if !file.offered {
                self.file_deleted(file.conversation, file.entry);
            } else if file.place.state == FileState::Fetching {
                match self.store.file(file.conversation, file.entry).await {
                    Ok(kept) => self.fetch(kept),
                    Err(StoreError::NoFile) => self.file_deleted(file.conversation, file.entry),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// A thread tells something.
    pub(super) fn handle_file(&mut self, happened: Happened) {
        match happened {
            Happened::Hashed { request, conversation, place, result } => match result {
                Ok(file) => self.write_file(request, conversation, place, file),
                Err(failure) => self.answer(request, Err(failure)),
            },
            Happened::Placed { attempt, request, result, kept } => {
                self.placed(attempt, request, result, *kept);
            }
            Happened::Prepared { entry, attempt, result } => self.prepared(entry, attempt, result),
            Happened::Worked { entry, attempt, link, who, end } => {
                self.worked(entry, attempt, link, who, end);
            }
            Happened::Finished { entry, attempt, result } => self.finished(entry, attempt, result),
            Happened::Forgotten { request, kept, result } => self.forgotten(request, *kept, result),
            Happened::Cleared { entry, removed: true } => self.cleared(entry),
            Happened::Cleared { removed: false, .. } => {
                tracing::warn!("what came of a deleted file stays until the next start");
            }
            Happened::Sent { conversation, entry, to, bytes } => {
                if let Some(sent) = self.files.sent.get_mut(&(conversation, entry, to)) {
                    *sent += bytes;
                } else {
                    self.files.sent.insert((conversation, entry, to), 0);
                    self.tell(Event::FileSent { conversation, entry, to, bytes });
                }
            }
            Happened::SourceGone { conversation, entry } => self.source_gone(conversation, entry),
        }
    }

    /// Does something with what is known of a file.
    fn with_file(
        &mut self,
        conversation: ConversationId,
        entry: EntryId,
        then: impl FnOnce(&mut Self, Result<KeptFile, StoreError>) + Send + 'static,
    ) {
        let store = self.store.clone();
        self.when(async move { store.file(conversation, entry).await }, then);
    }

    /// The same for a request, which is refused where there is no such file.
    fn for_file(
        &mut self,
        request: u64,
        conversation: ConversationId,
        entry: EntryId,
        then: impl FnOnce(&mut Self, KeptFile) + Send + 'static,
    ) {
        self.with_file(conversation, entry, move |node, result| match result {
            Ok(kept) => then(node, kept),
            Err(error) => node.answer(request, Err(error.into())),
        });
    }

    fn set_place(&mut self, kept: &KeptFile) {
        self.set_place_then(kept, |node, kept| match kept {
            // Without a file: it was deleted.
            Ok(()) | Err(StoreError::NoFile) => {}
            Err(error) => node.trouble(error),
        });
    }

    /// Keeps how far a file is here, and goes on once that is on the disk.
    fn set_place_then(
        &mut self,
        kept: &KeptFile,
        then: impl FnOnce(&mut Self, Result<(), StoreError>) + Send + 'static,
    ) {
        let (conversation, entry, place) = (kept.conversation, kept.entry, kept.place.clone());
        let store = self.store.clone();
        let set = async move {
            store.set_place(conversation, entry, place).await?;
            store.entry(conversation, entry).await?.ok_or(StoreError::NoFile)
        };
        self.when(set, move |node, result| {
            let kept =
                result.map(|message| node.tell(Event::EntryChanged { conversation, message }));
            then(node, kept);
        });
    }

    fn standing_with(&self, link: LinkId) -> Option<Identity> {
        match &self.links.get(&link)?.stage {
            Stage::Standing(standing) => Some(standing.who),
            _ => None,
        }
    }
}

/// Whether an entry offers a file.
pub(super) fn is_offer(message: &EntryView) -> bool {
    message.kind == EntryKind::File && !message.deleted
}
