//! What becomes of what has come of a file that nobody wants any more.

use std::path::Path;

use tokio::task::spawn_blocking;

use super::{Fetch, fetch, hashes};
use crate::{
    conversation::{ConversationId, EntryId},
    node::{
        api::{EntryKind, EntryView, Event, FileState},
        run::Node,
    },
    store::StoreError,
};

impl Node {
    /// An entry looks different now. One that was deleted offers no file any more.
    pub(in crate::node) fn entry_changed(
        &mut self,
        conversation: ConversationId,
        message: EntryView,
    ) {
        if message.kind == EntryKind::File && message.deleted {
            self.file_deleted(conversation, message.entry);
        }
        self.tell(Event::EntryChanged { conversation, message });
    }

    /// Whoever offered it has deleted the entry: it is fetched no more, nor sent. A file that is
    /// whole stays where it is.
    pub(super) fn file_deleted(&mut self, conversation: ConversationId, entry: EntryId) {
        self.end_fetch(entry);
        let store = self.store.clone();
        let forget = async move { store.forget_file(conversation, entry).await };
        self.when(forget, move |node, result| match result {
            Ok(Some(place)) => {
                let part = match place.state {
                    FileState::Fetching | FileState::Stopped => Some(place.path),
                    FileState::Offered | FileState::Here | FileState::Gone => None,
                };
                clear(part.as_deref(), &hashes(&node.files.blobs, entry));
            }
            Ok(None) => {}
            Err(error) => node.trouble(error),
        });
    }

    /// This was made ready for a fetch that was ended meanwhile. If it was cancelled, or the entry
    /// deleted, what was made is removed again.
    pub(super) fn prepared_in_vain(&mut self, prepared: Fetch) {
        let (conversation, entry) = (prepared.kept.conversation, prepared.kept.entry);
        let store = self.store.clone();
        let file = async move { store.file(conversation, entry).await };
        self.when(file, move |node, result| {
            let path = prepared.kept.place.path;
            let hashes = hashes(&node.files.blobs, entry);
            match result {
                Ok(kept) if kept.place.path == path => {}
                // It is being fetched anew.
                Ok(kept) if kept.place.state == FileState::Fetching => clear(Some(&path), &path),
                Ok(_) | Err(StoreError::NoFile) => clear(Some(&path), &hashes),
                Err(error) => node.trouble(error),
            }
        });
    }
}

/// Removes these, where that holds up nothing. If it fails there is nobody who could be told what
/// to do about it.
fn clear(part: Option<&Path>, hashes: &Path) {
    let (part, hashes) = (part.unwrap_or(hashes).to_owned(), hashes.to_owned());
    spawn_blocking(move || fetch::forget(&part, &hashes));
}
