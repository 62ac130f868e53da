//! What becomes of what is here of a file that nobody wants any more.

use std::{collections::HashSet, ffi::OsStr, fs, io, path::Path};

use super::{Happened, fetch};
use crate::{
    conversation::{ConversationId, EntryId},
    node::{
        api::{EntryKind, EntryView, Event},
        run::Node,
    },
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
        self.holder_withdraws(entry);
        self.files.sources.stop(entry);
        let store = self.store.clone();
        let place = async move { store.place(conversation, entry).await };
        self.when(place, move |node, result| match result {
            // What it is known by goes last: a crash before that leaves nothing but what the next
            // start removes.
            Ok(place) => {
                let blobs = node.files.blobs.clone();
                node.files.begin_at(&place.clone(), move || {
                    let removed = fetch::forget(&place, &blobs).is_ok();
                    Happened::Cleared { entry, removed }
                });
            }
            Err(error) => node.trouble(error),
        });
    }

    /// Nothing is there any more of one whose entry was deleted.
    pub(super) fn cleared(&mut self, entry: EntryId) {
        let store = self.store.clone();
        let forget = async move { store.forget_file(entry).await };
        self.when(forget, |node, result| {
            if let Err(error) = result {
                node.trouble(error);
            }
        });
    }
}

/// Removes the hashes, and lists of folders, whose names are not among these: of offers that were
/// not written before a crash.
pub fn sweep(blobs: &Path, named: &HashSet<String>) -> io::Result<()> {
    for entry in fs::read_dir(blobs)?.flatten() {
        let path = entry.path();
        let name = path.file_stem().and_then(OsStr::to_str);
        if name.is_none_or(|name| !named.contains(name)) {
            // If that fails, it is tried again at the next start.
            let _ = fs::remove_file(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_that_nothing_names_are_swept_and_no_others() {
        let blobs = tempfile::tempdir().unwrap();
        for name in
            ["kept", "kept.list", "kept.names", "other", "other.list", "other.names", "new-0123"]
        {
            fs::write(blobs.path().join(name), "").unwrap();
        }
        sweep(blobs.path(), &HashSet::from(["kept".to_owned(), String::new()])).unwrap();
        let names = fs::read_dir(blobs.path()).unwrap();
        let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["kept", "kept.list", "kept.names"]);
    }
}
