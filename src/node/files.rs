//! Files: what is offered, what is sent, what is fetched.
//!
//! ```text
//! SendFile ─▶ offer (a thread) ─▶ entry ─▶ … ─▶ FileOffered ─▶ GetFile
//!                                                                 │
//!  Serving ◀── stream ◀──── one link, several streams ◀──── Fetch ┘ ─▶ FileDone
//! ```
//!
//! Content never passes through the node's loop: threads of their own read and write it, on
//! streams beside the session's, so that a message never waits behind a file.

mod asking;
mod content;
mod disk;
mod fetch;
mod fetching;
mod folder;
mod forget;
mod offer;
mod sending;
mod serve;
mod stream;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use tokio::{
    sync::{Semaphore, mpsc},
    task::spawn_blocking,
};

use self::{
    fetch::{End, Fetch},
    sending::MAX_SERVED,
};
use super::{
    api::{EntryKind, EntryView, Event, Failure},
    run::Node,
    sessions::Stage,
};
use crate::{
    blob::Holder,
    conversation::{self, ConversationId, EntryId},
    identity::Identity,
    net::LinkId,
    store::{KeptFile, StoreError},
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
        path: String,
        hashes: PathBuf,
        result: Result<conversation::File, Failure>,
    },
    /// A file can be fetched.
    Prepared { entry: EntryId, result: Result<Box<Fetch>, Failure> },
    /// A stream by which it was fetched ended.
    Worked { entry: EntryId, link: LinkId, end: End },
    /// It is whole, and where it belongs.
    Finished { entry: EntryId, result: Result<PathBuf, Failure> },
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
    fetching: BTreeMap<EntryId, Fetching>,
    /// Waiting for their turn.
    waiting: VecDeque<KeptFile>,
    /// Streams that are being opened on each link, and for what.
    opening: HashMap<LinkId, VecDeque<EntryId>>,
    served: Arc<Semaphore>,
    next_holder: Holder,
    /// Bytes that were fetched unasked, of each contact.
    unasked: HashMap<Identity, u64>,
}

/// A file that is being fetched.
struct Fetching {
    kept: KeptFile,
    /// None: it is being prepared, or put where it belongs.
    fetch: Option<Arc<Fetch>>,
    finishing: bool,
    /// Streams in use or being opened, by link.
    streams: HashMap<LinkId, usize>,
    /// How often it broke off since something came, and how much had come then.
    broken: (u32, u64),
    /// Since when, and since how much, nothing has come.
    stalled: (Instant, u64),
    /// When, and how much had come, at the last looks.
    before: VecDeque<(Instant, u64)>,
}

impl Fetching {
    /// How far it has come.
    fn progress(&self, entry: EntryId, bytes_per_second: u64) -> Event {
        let holders = self.streams.values().filter(|streams| **streams > 0).count();
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

/// Where the hashes of a file lie.
fn hashes(blobs: &Path, entry: EntryId) -> PathBuf {
    blobs.join(entry.to_string())
}

impl Files {
    pub fn new(config: Config, directory: &Path) -> (Self, mpsc::Receiver<Happened>) {
        let (happened, receiver) = mpsc::channel(FILE_EVENTS);
        let files = Self {
            config,
            blobs: directory.join("blobs"),
            happened,
            fetching: BTreeMap::new(),
            waiting: VecDeque::new(),
            opening: HashMap::new(),
            served: Arc::new(Semaphore::new(MAX_SERVED)),
            next_holder: 0,
            unasked: HashMap::new(),
        };
        (files, receiver)
    }

    /// Ends all threads; what they have written stays.
    pub fn stop(&mut self) {
        for fetching in std::mem::take(&mut self.fetching).into_values() {
            if let Some(fetch) = fetching.fetch {
                fetch.stop.cancel();
            }
        }
    }

    /// Runs on a thread that may wait; its result comes back to the node.
    fn begin(&self, work: impl FnOnce() -> Happened + Send + 'static) {
        let happened = self.happened.clone();
        tokio::spawn(async move {
            if let Ok(result) = spawn_blocking(work).await {
                // If the node is gone there is nobody to tell.
                let _ = happened.send(result).await;
            }
        });
    }
}

impl Node {
    /// Goes on with what was being fetched.
    pub(super) async fn resume_files(&mut self) -> Result<(), Failure> {
        for (conversation, entry) in self.store.fetching().await? {
            match self.store.file(conversation, entry).await {
                Ok(kept) => self.fetch(kept),
                // The program ended before it could be forgotten.
                Err(StoreError::NoFile) => self.file_deleted(conversation, entry),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// A thread tells something.
    pub(super) fn handle_file(&mut self, happened: Happened) {
        match happened {
            Happened::Hashed { request, conversation, path, hashes, result } => match result {
                Ok(file) => self.write_file(request, conversation, path, hashes, file),
                Err(failure) => {
                    let _ = fetch::forget_hashes(&hashes);
                    self.answer(request, Err(failure));
                }
            },
            Happened::Prepared { entry, result } => self.prepared(entry, result),
            Happened::Worked { entry, link, end } => self.worked(entry, link, end),
            Happened::Finished { entry, result } => self.finished(entry, result),
            Happened::Sent { conversation, entry, to, bytes } => {
                self.tell(Event::FileSent { conversation, entry, to, bytes });
            }
            Happened::SourceGone { conversation, entry } => self.source_gone(conversation, entry),
        }
    }

    fn set_place(&mut self, kept: &KeptFile) {
        self.set_place_then(kept, |_| {});
    }

    /// Keeps how far a file is here, and goes on once that is on the disk.
    fn set_place_then(&mut self, kept: &KeptFile, then: impl FnOnce(&mut Self) + Send + 'static) {
        let (conversation, entry, place) = (kept.conversation, kept.entry, kept.place.clone());
        let store = self.store.clone();
        let set = async move {
            store.set_place(conversation, entry, place).await?;
            store.entry(conversation, entry).await
        };
        self.when(set, move |node, result| match result {
            Ok(Some(message)) => {
                node.tell(Event::EntryChanged { conversation, message });
                then(node);
            }
            // It was deleted.
            Ok(None) | Err(StoreError::NoFile) => {}
            Err(error) => node.trouble(error),
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
