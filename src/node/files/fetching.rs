//! Which files are fetched, and what becomes of each: from being asked for to lying in its place.

use std::{
    collections::{HashMap, VecDeque},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use super::{
    Fetching, Happened, disk,
    fetch::{self, Fetch, Ready},
    hashes_name,
    holders::Holders,
};
use crate::{
    conversation::{ConversationId, EntryId},
    node::{
        api::{Answer, EntryView, Event, Failure, FailureKind, FileState},
        failure,
        run::Node,
    },
    store::{KeptFile, Place, StoreError},
    sync::Message,
};

/// What is fetched unasked from one contact between two starts, as a multiple of what one may
/// have. Each file counts as a sixteenth of that at least, so that there are no more than 512.
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
        self.get(conversation, entry, to, Some(request));
    }

    /// Fetches a file to a place, the directory for downloads unless given; or goes on with it.
    fn get(
        &mut self,
        conversation: ConversationId,
        entry: EntryId,
        to: Option<String>,
        request: Option<u64>,
    ) {
        self.with_file(conversation, entry, move |node, result| match result {
            Ok(kept) => node.get_kept(kept, to, request),
            Err(error) => node.begun(request, conversation, entry, Err(error.into())),
        });
    }

    fn get_kept(&mut self, mut kept: KeptFile, to: Option<String>, request: Option<u64>) {
        let KeptFile { conversation, entry, .. } = kept;
        if self.files.is_wanted(entry) {
            return self.begun(request, conversation, entry, Ok(()));
        }
        if kept.author == self.me().id {
            let text = match kept.place.state {
                FileState::Here => format!("The file lies at {}.", kept.place.path.display()),
                _ => "The file is your own. It has changed or vanished: send it again.".to_owned(),
            };
            let failure = failure(FailureKind::InvalidInput, text);
            return self.begun(request, conversation, entry, Err(failure));
        }
        let attempt = self.files.next_attempt();
        self.files.placing.insert(entry, (attempt, kept.clone()));
        // One that is said to be fetched, and is not, has just failed.
        if to.is_none() && matches!(kept.place.state, FileState::Stopped | FileState::Fetching) {
            return self.placed(attempt, request, Ok(false), kept);
        }
        let (downloads, blobs) = (self.files.config.downloads.clone(), self.files.blobs.clone());
        let place = kept.place.clone();
        self.files.begin_at(&place, move || {
            let result = choose_place(&mut kept, to.as_deref(), &downloads, &blobs);
            Happened::Placed { attempt, request, result, kept: Box::new(kept) }
        });
    }

    /// It is known where one is to be gathered, or that it is `there` already.
    pub(super) fn placed(
        &mut self,
        attempt: u64,
        request: Option<u64>,
        there: Result<bool, Failure>,
        mut kept: KeptFile,
    ) {
        let KeptFile { conversation, entry, .. } = kept;
        let is_wanted = move |node: &Self| {
            node.files.placing.get(&entry).is_some_and(|(number, _)| *number == attempt)
        };
        if !is_wanted(self) {
            return self.not_wanted(request);
        }
        match there {
            Ok(false) => {
                kept.place.state = FileState::Fetching;
                // Where it is gathered is kept before anything is there, so that it is found.
                self.set_place_then(&kept.clone(), move |node, result| {
                    if !is_wanted(node) {
                        return node.not_wanted(request);
                    }
                    node.files.placing.remove(&entry);
                    let result = result.map_err(Failure::from);
                    let begins = result.is_ok();
                    node.begun(request, conversation, entry, result);
                    if begins {
                        node.fetch(kept);
                    }
                });
            }
            Ok(true) => {
                self.files.placing.remove(&entry);
                let path = kept.place.path.to_string_lossy().into_owned();
                self.tell(Event::FileDone { conversation, entry, path });
                self.begun(request, conversation, entry, Ok(()));
            }
            Err(failure) => {
                self.files.placing.remove(&entry);
                self.begun(request, conversation, entry, Err(failure));
            }
        }
    }

    /// It was cancelled, or deleted, before it was begun.
    fn not_wanted(&mut self, request: Option<u64>) {
        if let Some(request) = request {
            let failure = failure(FailureKind::NoFile, "It was cancelled, or deleted.");
            self.answer(request, Err(failure));
        }
    }

    /// Whoever asked for a file is answered. If nobody did, only a failure is told.
    fn begun(
        &mut self,
        request: Option<u64>,
        conversation: ConversationId,
        entry: EntryId,
        result: Result<(), Failure>,
    ) {
        match (request, result) {
            (Some(request), result) => self.answer(request, result.map(|()| Answer::Done {})),
            (None, Err(Failure { kind, text })) => {
                self.tell(Event::FileFailed { conversation, entry, kind, text });
            }
            (None, Ok(())) => {}
        }
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
        if let Some(file) = &message.file {
            self.holder_may_join(author, file.size);
        }
        self.tell(Event::FileOffered { conversation, message });
        let most = most.saturating_mul(MAX_UNASKED);
        let unasked = self.files.unasked.entry(author).or_default();
        if !small || unasked.saturating_add(size) > most {
            return;
        }
        *unasked += size;
        self.get(conversation, entry, None, None);
    }

    /// Begins, now or in its turn.
    pub(super) fn fetch(&mut self, kept: KeptFile) {
        if self.files.fetching.len() >= MAX_FETCHES {
            return self.files.waiting.push_back(kept);
        }
        let entry = kept.entry;
        let attempt = self.files.next_attempt();
        let mut fetching = Fetching {
            kept: kept.clone(),
            attempt,
            fetch: None,
            finishing: false,
            holders: Holders::default(),
            streams: HashMap::new(),
            stalled: (Instant::now(), 0),
            before: VecDeque::new(),
        };
        self.first_holder(&mut fetching);
        self.files.fetching.insert(entry, fetching);
        let (store, file) = (self.store.clone(), kept.file.clone());
        self.when(async move { store.places(file).await }, move |node, others| {
            let others = others.unwrap_or_else(|error| {
                node.trouble(error);
                Vec::new()
            });
            if node.files.attempt(entry, attempt).is_none() {
                return;
            }
            let (place, blobs) = (kept.place.clone(), node.files.blobs.clone());
            node.files.begin_at(&place, move || {
                let result = Fetch::prepare(kept, &blobs, &others);
                Happened::Prepared { entry, attempt, result }
            });
        });
    }

    pub(super) fn prepared(
        &mut self,
        entry: EntryId,
        attempt: u64,
        result: Result<Ready, Failure>,
    ) {
        let Some(fetching) = self.files.attempt(entry, attempt) else {
            if let Ok(Ready::Fetch(fetch)) = result {
                fetch::release(Arc::from(fetch));
            }
            return;
        };
        match result {
            Ok(Ready::Fetch(fetch)) => {
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
                self.look_for_holders(entry);
            }
            Ok(Ready::There(path)) => self.finished(entry, attempt, Ok(path)),
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
            let (fetch, attempt) = (Arc::clone(fetch), fetching.attempt);
            let (place, blobs) = (fetching.kept.place.clone(), self.files.blobs.clone());
            self.files.begin_at(&place, move || Happened::Finished {
                entry,
                attempt,
                result: fetch.finish(&blobs),
            });
        }
        true
    }

    pub(super) fn finished(
        &mut self,
        entry: EntryId,
        attempt: u64,
        result: Result<PathBuf, Failure>,
    ) {
        let Some(fetching) = self.files.attempt(entry, attempt) else { return };
        let helped = fetching.holders.helped();
        let path = match result {
            Ok(path) => path,
            Err(failure) => return self.file_failed(entry, failure),
        };
        let Some(mut kept) = self.end_fetch(entry) else { return };
        let (conversation, shown) = (kept.conversation, path.to_string_lossy().into_owned());
        let hashes = kept.place.hashes;
        kept.place = Place { state: FileState::Here, path, target: PathBuf::new(), hashes };
        // Nothing is said before it is kept.
        self.set_place_then(&kept, move |node, result| match result {
            Ok(()) => {
                // Whoever sent some of it by an offer of their own, too: they see that it goes, and
                // would not see that it arrived.
                let others = helped.into_iter().filter(|(_, helped)| *helped != entry);
                for (conversation, entry) in others.chain([(conversation, entry)]) {
                    if let Some(link) = node.online(conversation) {
                        node.send(link, Message::Fetched { conversation, entry });
                    }
                }
                node.tell(Event::FileDone { conversation, entry, path: shown });
            }
            // It was deleted.
            Err(StoreError::NoFile) => {}
            Err(error) => node.trouble(error),
        });
    }

    /// Ends a fetch, and begins the next. Returns what was fetched, or was to be.
    pub(super) fn end_fetch(&mut self, entry: EntryId) -> Option<KeptFile> {
        if let Some((_, kept)) = self.files.placing.remove(&entry) {
            return Some(kept);
        }
        let position = self.files.waiting.iter().position(|waiting| waiting.entry == entry);
        if let Some(position) = position {
            return self.files.waiting.remove(position);
        }
        let fetching = self.files.fetching.remove(&entry)?;
        if let Some(fetch) = fetching.fetch {
            fetch::release(fetch);
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
        self.for_file(request, conversation, entry, move |node, kept| {
            node.stop_kept(request, kept, forget);
        });
    }

    fn stop_kept(&mut self, request: u64, mut kept: KeptFile, forget: bool) {
        let entry = kept.entry;
        if self.files.fetching.get(&entry).is_some_and(|fetching| fetching.finishing) {
            let text = "All of it is here; it is being put in its place.";
            return self.answer(request, Err(failure(FailureKind::InvalidInput, text)));
        }
        let was_wanted = self.end_fetch(entry).is_some();
        let has_come = matches!(kept.place.state, FileState::Fetching | FileState::Stopped);
        if !was_wanted && !has_come {
            let failure = failure(FailureKind::NoFile, "It is not being fetched.");
            return self.answer(request, Err(failure));
        }
        if forget && has_come {
            // The place is forgotten when nothing is there any more: after a crash, too, it is
            // known what to remove.
            let (place, blobs) = (kept.place.clone(), self.files.blobs.clone());
            self.files.begin_at(&place, move || {
                let forgotten = fetch::forget(&kept.place, &blobs);
                let result = forgotten.map_err(|error| fetch::unwritable(&error));
                Happened::Forgotten { request, kept: Box::new(kept), result }
            });
        } else {
            stop(&mut kept);
            self.set_place(&kept);
            self.answer(request, Ok(Answer::Done {}));
        }
    }

    pub(super) fn forgotten(
        &mut self,
        request: u64,
        mut kept: KeptFile,
        result: Result<(), Failure>,
    ) {
        // It may have been asked for again meanwhile, and is made anew then.
        if self.files.is_wanted(kept.entry) {
            return self.answer(request, Ok(Answer::Done {}));
        }
        if let Err(failure) = result {
            stop(&mut kept);
            self.set_place(&kept);
            return self.answer(request, Err(failure));
        }
        kept.place = Place::default();
        self.set_place_then(&kept, move |node, result| {
            node.answer(request, result.map(|()| Answer::Done {}).map_err(Failure::from));
        });
    }

    /// Somebody is no contact any more: nothing of theirs is fetched, and they are sent nothing.
    pub(in crate::node) fn stop_files_of(&mut self, conversation: ConversationId) {
        let who = self.conversations.get(&conversation).copied();
        if let Some(share) = who.and_then(|who| self.files.shares.remove(&who)) {
            share.stop.cancel();
        }
        let fetching = self.files.fetching.values().map(|fetching| &fetching.kept);
        let placing = self.files.placing.values().map(|(_, kept)| kept);
        let theirs: Vec<_> = fetching
            .chain(placing)
            .chain(&self.files.waiting)
            .filter(|kept| kept.conversation == conversation)
            .map(|kept| kept.entry)
            .collect();
        for entry in theirs {
            if let Some(mut kept) = self.end_fetch(entry) {
                stop(&mut kept);
                self.set_place(&kept);
            }
        }
        if let Some(who) = who {
            self.not_a_holder(who);
        }
    }

    /// A file will not come, unless it is asked for again.
    pub(super) fn file_failed(&mut self, entry: EntryId, failure: Failure) {
        let Some(mut kept) = self.end_fetch(entry) else { return };
        tracing::debug!(?entry, text = failure.text, "a file failed");
        stop(&mut kept);
        self.set_place(&kept);
        let (conversation, Failure { kind, text }) = (kept.conversation, failure);
        self.tell(Event::FileFailed { conversation, entry, kind, text });
    }
}

/// It is not fetched any more; what has come is kept.
fn stop(kept: &mut KeptFile) {
    if kept.place.state == FileState::Fetching {
        kept.place.state = FileState::Stopped;
    }
}

/// Chooses where a file is to go, and where it is gathered until then. Returns whether it is here
/// already.
///
/// # Errors
/// A sentence: there can be no such place.
fn choose_place(
    kept: &mut KeptFile,
    to: Option<&str>,
    downloads: &Path,
    blobs: &Path,
) -> Result<bool, Failure> {
    if kept.place.state == FileState::Here && kept.place.path.exists() {
        return Ok(true);
    }
    let mut to = to.map_or_else(|| downloads.to_owned(), PathBuf::from);
    if to == downloads {
        to.push("");
    }
    let target = disk::target(&to, &kept.file.name).map_err(|error| {
        let text = format!("{} cannot be made: {error}.", to.display());
        failure(FailureKind::FileUnreadable, text)
    })?;
    // It is gathered anew, elsewhere.
    fetch::forget(&kept.place, blobs).map_err(|error| fetch::unwritable(&error))?;
    let (path, state) = (disk::temporary(&target), FileState::Fetching);
    kept.place = Place { state, path, target, hashes: hashes_name() };
    Ok(false)
}
