//! Which files are fetched, and what becomes of each: from being asked for to lying in its place.

use std::{
    collections::{HashMap, VecDeque},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use super::{
    Fetching, Happened, disk,
    fetch::{self, Fetch},
    hashes,
};
use crate::{
    conversation::{ConversationId, EntryId},
    node::{
        api::{Answer, EntryView, Event, Failure, FailureKind, FileState},
        failure,
        run::Node,
    },
    store::{KeptFile, Place},
    sync::Message,
};

/// What is fetched unasked from one contact between two starts, as a multiple of what one may have. Each
/// file counts as a sixteenth of that at least, so that there are no more than 512.
const MAX_UNASKED: u64 = 32;

/// Files that are fetched at the same time; others wait their turn.
pub(super) const MAX_FETCHES: usize = 4;

impl Node {
    pub(in crate::node) fn get_file(
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
    pub(super) fn get(&mut self, mut kept: KeptFile, to: Option<&str>) -> Result<(), Failure> {
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

    /// An entry came. Small files are fetched unasked, of those who are verified or of whom it was
    /// said; folders never.
    pub(in crate::node) fn file_offered(
        &mut self,
        conversation: ConversationId,
        message: EntryView,
    ) {
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

    /// Begins, now or in its turn.
    pub(super) fn fetch(&mut self, kept: KeptFile) {
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

    pub(super) fn prepared(&mut self, entry: EntryId, result: Result<Box<Fetch>, Failure>) {
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

    pub(super) fn finish_if_whole(&mut self, entry: EntryId) -> bool {
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

    pub(super) fn finished(&mut self, entry: EntryId, result: Result<PathBuf, Failure>) {
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

    /// Ends a fetch, and begins the next.
    pub(super) fn end_fetch(&mut self, entry: EntryId) -> Option<KeptFile> {
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

    pub(in crate::node) fn stop_file(
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

    /// Somebody is no contact any more: nothing of theirs is fetched.
    pub(in crate::node) fn stop_files_of(&mut self, conversation: ConversationId) {
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

    /// A file will not come, unless it is asked for again.
    pub(super) fn file_failed(&mut self, entry: EntryId, failure: Failure) {
        let Some(mut kept) = self.end_fetch(entry) else { return };
        tracing::debug!(?entry, text = failure.text, "a file failed");
        kept.place.state = FileState::Stopped;
        self.set_place(&kept);
        let (conversation, Failure { kind, text }) = (kept.conversation, failure);
        self.tell(Event::FileFailed { conversation, entry, kind, text });
    }
}
