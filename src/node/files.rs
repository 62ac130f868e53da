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

mod content;
mod disk;
mod fetch;
mod folder;
mod forget;
mod offer;
mod serve;
mod stream;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use libp2p::Stream;
use tokio::{
    sync::{Semaphore, mpsc},
    task::spawn_blocking,
};
use tokio_util::sync::CancellationToken;

use self::{
    fetch::{End, Fetch},
    serve::Serving,
    stream::Timed,
};
use super::{
    api::{Answer, EntryKind, EntryView, Event, Failure, FailureKind, FileState, Offered},
    failure, now,
    run::Node,
    sessions::Stage,
};
use crate::{
    blob::Holder,
    conversation::{self, ConversationId, EntryId},
    identity::Identity,
    net::LinkId,
    store::{KeptFile, Place, StoreError, WrittenEntry},
    sync::{FileRefusal, Message},
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

/// What is fetched unasked from one contact between two starts, as a multiple of the above. Each
/// file counts as a sixteenth of that at least, so that there are no more than 512.
const MAX_UNASKED: u64 = 32;

/// Files that are fetched at the same time; others wait their turn.
const MAX_FETCHES: usize = 4;

/// One of which nothing has come for so long makes room for others.
const STALLED: Duration = Duration::from_secs(10);

/// Streams by which one file is fetched from one contact: while one asks, the other receives. Each
/// has two blocks in hand, which are lost if it breaks off: 1 MiB together.
const STREAMS: usize = 2;

/// Streams on which files are sent at the same time, to everybody together. Each holds two blocks,
/// 512 KiB.
const MAX_SERVED: usize = 64;

/// Events of threads that may wait for the node.
const FILE_EVENTS: usize = 256;

/// A file that breaks off again and again without anything having come is given up.
const MAX_BROKEN: u32 = 10;

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

    pub(super) fn send_file(&mut self, request: u64, conversation: ConversationId, path: String) {
        if !Path::new(&path).is_absolute() {
            let text = "The path of a file begins at the root, as /home/me/picture.png.";
            return self.answer(request, Err(failure(FailureKind::InvalidInput, text)));
        }
        // Its entry has no name yet.
        let hashes = self.files.blobs.join(format!("new-{:016x}", rand::random::<u64>()));
        let blobs = self.files.blobs.clone();
        self.files.begin(move || {
            let made = std::fs::create_dir_all(&blobs).map_err(|error| fetch::unwritable(&error));
            let result = made.and_then(|()| offer::offer(Path::new(&path), &hashes));
            Happened::Hashed { request, conversation, path, hashes, result }
        });
    }

    fn write_file(
        &mut self,
        request: u64,
        conversation: ConversationId,
        path: String,
        new: PathBuf,
        file: conversation::File,
    ) {
        let (store, blobs) = (self.store.clone(), self.files.blobs.clone());
        let (blob, size) = (file.root.to_string(), file.size);
        let write = async move { store.write_file(conversation, file, path, now()).await };
        self.when(write, move |node, result| {
            let written = result.map_err(Failure::from).and_then(|written| {
                let to = hashes(&blobs, written.entry.id);
                let list = content::list_of(&new);
                let moved = std::fs::rename(&new, &to).and_then(|()| {
                    if list.exists() {
                        std::fs::rename(list, content::list_of(&to))
                    } else {
                        Ok(())
                    }
                });
                moved.map_err(|error| fetch::unwritable(&error))?;
                Ok(written)
            });
            match written {
                Ok(WrittenEntry { entry, shown, .. }) => {
                    let file = shown.and_then(|view| view.file);
                    let offered = file.map(|file| Offered {
                        entry: entry.id,
                        blob,
                        size,
                        sent_at: entry.header.time,
                        file,
                    });
                    let internal = || failure(FailureKind::Internal, "The file is not shown.");
                    let answer = offered.map(Answer::Offered).ok_or_else(internal);
                    node.answer(request, answer);
                    node.push_written(conversation, entry);
                    node.push_live();
                }
                Err(error) => {
                    // It is made anew when it is sent again.
                    let _ = fetch::forget_hashes(&new);
                    node.answer(request, Err(error));
                }
            }
        });
    }

    pub(super) fn get_file(
        &mut self,
        request: u64,
        conversation: ConversationId,
        entry: EntryId,
        to: Option<String>,
    ) {
        if to.as_ref().is_some_and(|to| !Path::new(to).is_absolute()) {
            let text = "Where a file is to go begins at the root, as /home/me/pictures.";
            return self.answer(request, Err(failure(FailureKind::InvalidInput, text)));
        }
        let store = self.store.clone();
        let file = async move { store.file(conversation, entry).await };
        self.when(file, move |node, result| {
            let begun =
                result.map_err(Failure::from).and_then(|kept| node.get(kept, to.as_deref()));
            node.answer(request, begun.map(|()| Answer::Done {}));
        });
    }

    /// Fetches a file to a place, the directory for downloads unless given; or goes on with it.
    fn get(&mut self, mut kept: KeptFile, to: Option<&str>) -> Result<(), Failure> {
        let entry = kept.entry;
        if self.files.fetching.contains_key(&entry)
            || self.files.waiting.iter().any(|waiting| waiting.entry == entry)
        {
            return Ok(());
        }
        match kept.place.state {
            FileState::Here if kept.author == self.me().id => {
                let text = format!("The file lies at {}.", kept.place.path.display());
                return Err(failure(FailureKind::InvalidInput, text));
            }
            FileState::Here if kept.place.path.exists() => {
                let path = kept.place.path.to_string_lossy().into_owned();
                self.tell(Event::FileDone { conversation: kept.conversation, entry, path });
                return Ok(());
            }
            // One that is said to be fetched, and is not, has just failed.
            FileState::Stopped | FileState::Fetching if to.is_none() => {}
            state => {
                let mut to = to.map_or_else(|| self.files.config.downloads.clone(), PathBuf::from);
                if to == self.files.config.downloads {
                    to.push("");
                }
                let target = disk::target(&to, &kept.file.name).map_err(|error| {
                    let text = format!("{} cannot be made: {error}.", to.display());
                    failure(FailureKind::FileUnreadable, text)
                })?;
                if matches!(state, FileState::Stopped | FileState::Fetching) {
                    // It is gathered anew, elsewhere.
                    fetch::forget(&kept.place.path, &hashes(&self.files.blobs, entry))
                        .map_err(|error| fetch::unwritable(&error))?;
                }
                kept.place.path = disk::temporary(&target);
                kept.place.target = target;
            }
        }
        kept.place.state = FileState::Fetching;
        self.set_place(&kept);
        self.fetch(kept);
        Ok(())
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

    /// Begins, now or in its turn.
    fn fetch(&mut self, kept: KeptFile) {
        if self.files.fetching.len() >= MAX_FETCHES {
            return self.files.waiting.push_back(kept);
        }
        let entry = kept.entry;
        let fetching = Fetching {
            kept: kept.clone(),
            fetch: None,
            finishing: false,
            streams: HashMap::new(),
            broken: (0, 0),
            stalled: (Instant::now(), 0),
            before: VecDeque::new(),
        };
        self.files.fetching.insert(entry, fetching);
        let blobs = self.files.blobs.clone();
        self.files.begin(move || {
            let made = std::fs::create_dir_all(&blobs).map_err(|error| fetch::unwritable(&error));
            let result = made.and_then(|()| Fetch::prepare(kept, &hashes(&blobs, entry)));
            Happened::Prepared { entry, result: result.map(Box::new) }
        });
    }

    /// Ends a fetch, and begins the next.
    fn end_fetch(&mut self, entry: EntryId) -> Option<KeptFile> {
        let position = self.files.waiting.iter().position(|waiting| waiting.entry == entry);
        if let Some(position) = position {
            return self.files.waiting.remove(position);
        }
        let fetching = self.files.fetching.remove(&entry)?;
        if let Some(fetch) = fetching.fetch {
            fetch.stop.cancel();
        }
        if let Some(next) = self.files.waiting.pop_front() {
            self.fetch(next);
        }
        Some(fetching.kept)
    }

    pub(super) fn stop_file(
        &mut self,
        request: u64,
        conversation: ConversationId,
        entry: EntryId,
        forget: bool,
    ) {
        let store = self.store.clone();
        let file = async move { store.file(conversation, entry).await };
        self.when(file, move |node, result| {
            let finishing = |fetching: &Fetching| fetching.finishing;
            let stopped = result.map_err(Failure::from).and_then(|mut kept| {
                if node.files.fetching.get(&entry).is_some_and(finishing) {
                    let text = "All of it is here; it is being put in its place.";
                    return Err(failure(FailureKind::InvalidInput, text));
                }
                node.end_fetch(entry);
                match kept.place.state {
                    FileState::Fetching | FileState::Stopped => {}
                    _ => return Err(failure(FailureKind::NoFile, "It is not being fetched.")),
                }
                kept.place.state = FileState::Stopped;
                if forget {
                    fetch::forget(&kept.place.path, &hashes(&node.files.blobs, entry))
                        .map_err(|error| fetch::unwritable(&error))?;
                    kept.place = Place::default();
                }
                node.set_place(&kept);
                Ok(())
            });
            node.answer(request, stopped.map(|()| Answer::Done {}));
        });
    }

    /// A file will not come, unless it is asked for again.
    fn file_failed(&mut self, entry: EntryId, failure: Failure) {
        let Some(mut kept) = self.end_fetch(entry) else { return };
        tracing::debug!(?entry, text = failure.text, "a file failed");
        kept.place.state = FileState::Stopped;
        self.set_place(&kept);
        let (conversation, Failure { kind, text }) = (kept.conversation, failure);
        self.tell(Event::FileFailed { conversation, entry, kind, text });
    }

    /// An entry came. Small files are fetched unasked, of those who are verified or of whom it was
    /// said; folders never.
    pub(super) fn file_offered(&mut self, conversation: ConversationId, message: EntryView) {
        let contact = self.people.get(&message.author).map(|person| &person.contact);
        let most = contact.map_or(0, |contact| {
            let of_everybody = if contact.verified { self.files.config.auto_accept } else { 0 };
            contact.unasked.unwrap_or(of_everybody)
        });
        let small = message.file.as_ref().is_some_and(|file| {
            let offered = file.state == FileState::Offered && !file.folder;
            offered && most > 0 && file.size <= most
        });
        let (author, entry) = (message.author, message.entry);
        let size = message.file.as_ref().map_or(0, |file| file.size.max(most / 16).max(1));
        self.tell(Event::FileOffered { conversation, message });
        let most = most.saturating_mul(MAX_UNASKED);
        let unasked = self.files.unasked.entry(author).or_default();
        if !small || unasked.saturating_add(size) > most {
            return;
        }
        *unasked += size;
        let store = self.store.clone();
        let file = async move { store.file(conversation, entry).await };
        self.when(file, move |node, result| {
            let begun = result.map_err(Failure::from).and_then(|kept| node.get(kept, None));
            if let Err(Failure { kind, text }) = begun {
                node.tell(Event::FileFailed { conversation, entry, kind, text });
            }
        });
    }

    /// A contact has come: what it may have is asked for.
    pub(super) fn ask_for_files(&mut self, link: LinkId) {
        let Some(who) = self.standing_with(link) else { return };
        let mine: Vec<_> = self
            .files
            .fetching
            .iter()
            .filter(|(_, fetching)| {
                self.conversations.get(&fetching.kept.conversation) == Some(&who)
            })
            .map(|(entry, _)| *entry)
            .collect();
        for entry in mine {
            self.open_streams(entry, link);
        }
    }

    fn open_streams(&mut self, entry: EntryId, link: LinkId) {
        let Some(fetching) = self.files.fetching.get_mut(&entry) else { return };
        let Some(fetch) = &fetching.fetch else { return };
        if fetch.is_whole() {
            return;
        }
        let streams = fetching.streams.entry(link).or_default();
        while *streams < STREAMS {
            *streams += 1;
            self.files.opening.entry(link).or_default().push_back(entry);
            self.net.open_files(link);
        }
    }

    /// A stream that was to be opened is, or it failed.
    pub(super) fn asking(&mut self, link: LinkId, stream: Option<Stream>) {
        let Some(entry) = self.files.opening.get_mut(&link).and_then(VecDeque::pop_front) else {
            return;
        };
        let Some(fetching) = self.files.fetching.get_mut(&entry) else { return };
        let (Some(fetch), Some(stream)) = (&fetching.fetch, stream) else {
            if let Some(streams) = fetching.streams.get_mut(&link) {
                *streams = streams.saturating_sub(1);
            }
            return;
        };
        self.files.next_holder += 1;
        let (fetch, holder) = (Arc::clone(fetch), self.files.next_holder);
        let (person, happened) = (person(link), self.files.happened.clone());
        let stream = Timed::new(stream, fetch.stop.clone(), Arc::clone(&self.counters));
        tokio::spawn(async move {
            let end = fetch.work(holder, person, stream).await;
            let _ = happened.send(Happened::Worked { entry, link, end }).await;
        });
    }

    /// A contact asks for files.
    pub(super) fn asked(&mut self, link: LinkId, stream: Stream) {
        let Some(who) = self.standing_with(link) else { return };
        let Ok(permit) = Arc::clone(&self.files.served).try_acquire_owned() else {
            tokio::spawn(serve::refuse(stream));
            return;
        };
        let serving = Serving {
            conversation: ConversationId::direct(&self.me().id, &who),
            store: self.store.clone(),
            blobs: self.files.blobs.clone(),
            who,
            happened: self.files.happened.clone(),
        };
        let happened = self.files.happened.clone();
        let stream = Timed::new(stream, CancellationToken::new(), Arc::clone(&self.counters));
        tokio::spawn(async move {
            let gone = serving.serve(stream).await;
            drop(permit);
            if let Some((conversation, entry)) = gone {
                let _ = happened.send(Happened::SourceGone { conversation, entry }).await;
            }
        });
    }

    fn standing_with(&self, link: LinkId) -> Option<Identity> {
        match &self.links.get(&link)?.stage {
            Stage::Standing(standing) => Some(standing.who),
            _ => None,
        }
    }

    /// A link is no more.
    pub(super) fn forget_streams(&mut self, link: LinkId) {
        self.files.opening.remove(&link);
        for fetching in self.files.fetching.values_mut() {
            fetching.streams.remove(&link);
        }
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

    fn prepared(&mut self, entry: EntryId, result: Result<Box<Fetch>, Failure>) {
        let fetching = self.files.fetching.get_mut(&entry);
        let fetching = match (fetching, &result) {
            (Some(fetching), Ok(fetch)) if fetching.kept.place != fetch.kept.place => None,
            (fetching, _) => fetching,
        };
        let Some(fetching) = fetching else {
            if let Ok(fetch) = result {
                self.prepared_in_vain(*fetch);
            }
            return;
        };
        match result {
            Ok(fetch) => {
                let conversation = fetching.kept.conversation;
                fetching.fetch = Some(Arc::from(fetch));
                // At once: so much is here, though nobody may be there to ask.
                let progress = fetching.progress(entry, 0);
                self.tell(progress);
                if self.finish_if_whole(entry) {
                    return;
                }
                if let Some(link) = self.online(conversation) {
                    self.open_streams(entry, link);
                }
            }
            Err(failure) => self.file_failed(entry, failure),
        }
    }

    fn worked(&mut self, entry: EntryId, link: LinkId, end: End) {
        let Some(fetching) = self.files.fetching.get_mut(&entry) else { return };
        if let Some(streams) = fetching.streams.get_mut(&link) {
            *streams = streams.saturating_sub(1);
        }
        if self.finish_if_whole(entry) {
            return;
        }
        tracing::debug!(?entry, ?end, "a stream of a file ended");
        let gone = || {
            let text = "The file has changed or vanished at whoever offered it. What came of it \
                        is kept; ask them to send it again.";
            failure(FailureKind::FileGone, text)
        };
        match end {
            End::Nothing | End::Refused(FileRefusal::Busy) => {}
            End::Refused(FileRefusal::Gone | FileRefusal::Unknown) => {
                self.file_failed(entry, gone());
            }
            End::Broken(crate::blob::Broken::False) => {
                let text = "Something else was sent than what was offered; nothing of that was kept. \
                            The program of whoever offered it is broken, or lies.";
                self.file_failed(entry, failure(FailureKind::FileGone, text));
            }
            End::Broken(crate::blob::Broken::Local(error)) => {
                self.file_failed(entry, fetch::unwritable(&error));
            }
            End::Broken(_) => self.broke(entry, link),
        }
    }

    /// A stream broke. Where the link stands, it is tried again when links are looked after.
    fn broke(&mut self, entry: EntryId, link: LinkId) {
        if !self.links.contains_key(&link) {
            return;
        }
        let Some(fetching) = self.files.fetching.get_mut(&entry) else { return };
        let done = fetching.fetch.as_ref().map_or(0, |fetch| fetch.done());
        let (broken, before) = &mut fetching.broken;
        if done > *before {
            (*broken, *before) = (0, done);
        }
        *broken += 1;
        if *broken > MAX_BROKEN {
            let text = "The file broke off again and again. What came of it is kept; fetch it \
                        again later.";
            self.file_failed(entry, failure(FailureKind::FileGone, text));
        }
    }

    fn finish_if_whole(&mut self, entry: EntryId) -> bool {
        let Some(fetching) = self.files.fetching.get_mut(&entry) else { return false };
        let Some(fetch) = &fetching.fetch else { return false };
        if !fetch.is_whole() {
            return false;
        }
        if !std::mem::replace(&mut fetching.finishing, true) {
            let (fetch, blobs) = (Arc::clone(fetch), self.files.blobs.clone());
            self.files.begin(move || Happened::Finished {
                entry,
                result: fetch.finish(&hashes(&blobs, entry)),
            });
        }
        true
    }

    fn finished(&mut self, entry: EntryId, result: Result<PathBuf, Failure>) {
        let path = match result {
            Ok(path) => path,
            Err(failure) => return self.file_failed(entry, failure),
        };
        let Some(mut kept) = self.end_fetch(entry) else { return };
        let (conversation, shown) = (kept.conversation, path.to_string_lossy().into_owned());
        kept.place = Place { state: FileState::Here, path, target: PathBuf::new() };
        // Nothing is said before it is kept.
        self.set_place_then(&kept, move |node| {
            if let Some(link) = node.online(conversation) {
                node.send(link, Message::Fetched { conversation, entry });
            }
            node.tell(Event::FileDone { conversation, entry, path: shown });
        });
    }

    /// A contact says that a file of ours is on their disk. Of what was never offered to them
    /// nothing is told.
    pub(super) fn fetched(&mut self, by: Identity, conversation: ConversationId, entry: EntryId) {
        let store = self.store.clone();
        let file = async move { store.file(conversation, entry).await };
        self.when(file, move |node, result| {
            if result.is_ok_and(|kept| kept.author == node.me().id) {
                node.tell(Event::FileFetched { conversation, entry, by });
            }
        });
    }

    fn source_gone(&mut self, conversation: ConversationId, entry: EntryId) {
        let store = self.store.clone();
        let file = async move { store.file(conversation, entry).await };
        self.when(file, move |node, result| {
            let Ok(mut kept) = result else { return };
            if kept.place.state != FileState::Here || kept.author != node.me().id {
                return;
            }
            kept.place.state = FileState::Gone;
            node.set_place(&kept);
            let text = format!(
                "{} has changed or vanished, so it could not be sent. Send it again.",
                kept.file.name
            );
            let kind = FailureKind::FileGone;
            node.tell(Event::FileFailed { conversation, entry, kind, text });
        });
    }

    /// One of which nothing comes makes room for one that waits, whose holder is there.
    fn make_room(&mut self, at: Instant) {
        if self.files.fetching.len() < MAX_FETCHES {
            return;
        }
        let there = |waiting: &KeptFile| self.online(waiting.conversation).is_some();
        let Some(next) = self.files.waiting.iter().position(there) else { return };
        let stalled = self.files.fetching.iter().find(|(_, fetching)| {
            let idle = fetching.fetch.is_some() && !fetching.finishing;
            idle && at.saturating_duration_since(fetching.stalled.0) >= STALLED
        });
        let Some(stalled) = stalled.map(|(entry, _)| *entry) else { return };
        let Some(fetching) = self.files.fetching.remove(&stalled) else { return };
        if let Some(fetch) = fetching.fetch {
            fetch.stop.cancel();
        }
        self.files.waiting.push_back(fetching.kept);
        if let Some(next) = self.files.waiting.remove(next) {
            self.fetch(next);
        }
    }

    /// Somebody is no contact any more: nothing of theirs is fetched.
    pub(super) fn stop_files_of(&mut self, conversation: ConversationId) {
        let fetching = self.files.fetching.values().map(|fetching| &fetching.kept);
        let theirs = fetching.chain(&self.files.waiting);
        let theirs: Vec<_> = theirs
            .filter(|kept| kept.conversation == conversation)
            .map(|kept| kept.entry)
            .collect();
        for entry in theirs {
            if let Some(mut kept) = self.end_fetch(entry) {
                kept.place.state = FileState::Stopped;
                self.set_place(&kept);
            }
        }
    }

    /// Tells how far files have come, and opens streams anew where some broke.
    pub(super) fn look_after_files(&mut self) {
        let at = Instant::now();
        self.make_room(at);
        let mut events = Vec::new();
        for (entry, fetching) in &mut self.files.fetching {
            let Some(fetch) = &fetching.fetch else { continue };
            let done = fetch.done();
            if fetching.stalled.1 != done {
                fetching.stalled = (at, done);
            }
            let before = fetching.before.front().copied();
            fetching.before.push_back((at, done));
            if fetching.before.len() > 6 {
                fetching.before.pop_front();
            }
            if fetching.before.iter().rev().nth(1).is_some_and(|(_, before)| *before == done) {
                continue;
            }
            let millis = before.map_or(0, |(since, _)| (at - since).as_millis());
            let came = before.map_or(0, |(_, before)| done.saturating_sub(before));
            let rate = u128::from(came * 1000).checked_div(millis).unwrap_or(0);
            events.push(fetching.progress(*entry, u64::try_from(rate).unwrap_or(u64::MAX)));
        }
        for event in events {
            self.tell(event);
        }
        let links: Vec<_> = self.people.values().filter_map(|person| person.link).collect();
        for link in links {
            self.ask_for_files(link);
        }
    }
}

/// One link leads to one person.
fn person(link: LinkId) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    link.hash(&mut hasher);
    hasher.finish()
}

/// Whether an entry offers a file.
pub(super) fn is_offer(message: &EntryView) -> bool {
    message.kind == EntryKind::File && !message.deleted
}
