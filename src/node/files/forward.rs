//! Forwarding: what is here is offered again, elsewhere.

use std::{fs, io, path::Path};

use super::{
    Happened,
    content::{self, Content},
    fetch, hashes_name, offer,
};
use crate::{
    conversation::{ConversationId, EntryId},
    node::{
        api::{Failure, FailureKind, FileState},
        failure,
        run::Node,
    },
    store::{KeptFile, Place},
};

impl Node {
    pub(in crate::node) fn forward_file(
        &mut self,
        request: u64,
        conversation: ConversationId,
        entry: EntryId,
        to: ConversationId,
    ) {
        self.for_file(request, conversation, entry, move |node, kept| {
            node.forward_kept(request, kept, to);
        });
    }

    fn forward_kept(&mut self, request: u64, kept: KeptFile, to: ConversationId) {
        if kept.place.state != FileState::Here {
            let text = match kept.place.state {
                FileState::Gone => "The file has changed or vanished, so it can't be forwarded.",
                _ => "The file is not here. Fetch it first, then forward it.",
            };
            return self.answer(request, Err(failure(FailureKind::FileUnreadable, text)));
        }
        // Only that the row of its entry names them keeps its hashes.
        let (old, place) = (kept.place.clone(), Place { hashes: hashes_name(), ..kept.place });
        let (blobs, file) = (self.files.blobs.clone(), kept.file);
        // Before the hashes that it takes may be removed.
        self.files.begin_at(&old.clone(), move || {
            let result = Content::open(&file, &place.path, &blobs.join(&old.hashes))
                .map_err(|error| vanished(&error))
                .and_then(|_| {
                    share_hashes(&blobs, &old.hashes, &place.hashes)
                        .map_err(|error| offer::unofferable(&place.path, &error))
                });
            let result = result.map(|()| file);
            Happened::Hashed { request, conversation: to, place, result }
        });
    }
}

fn vanished(error: &io::Error) -> Failure {
    let text = format!("The file can't be read where it was, so it can't be forwarded: {error}.");
    failure(FailureKind::FileUnreadable, text)
}

/// Gives hashes, and the lists of a folder, another name beside the one that they have: each goes
/// with its own entry. They are on the disk then; if it fails, there is nothing under that name.
pub(super) fn share_hashes(blobs: &Path, old: &str, new: &str) -> io::Result<()> {
    let (old, new) = (blobs.join(old), blobs.join(new));
    let shared = share(&old, &new)
        .and_then(|()| {
            let mut lists = content::beside(&old).into_iter().zip(content::beside(&new));
            lists.try_for_each(
                |(old, new)| if old.try_exists()? { share(&old, &new) } else { Ok(()) },
            )
        })
        .inspect_err(|_| {
            let _ = fetch::forget_hashes(&new);
        });
    if shared.is_ok() {
        // Some file systems do not sync directories.
        let _ = fs::File::open(blobs).and_then(|directory| directory.sync_all());
    }
    shared
}

/// They are never changed once a file is whole, so both names may lead to the same.
fn share(old: &Path, new: &Path) -> io::Result<()> {
    if fs::hard_link(old, new).is_ok() {
        return Ok(());
    }
    // Some file systems have no links.
    let mut copy = super::disk::create(new)?;
    io::copy(&mut super::disk::open_again(old)?, &mut copy)?;
    copy.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_hashes_outlive_the_first_name_and_nothing_is_left_of_a_failure() {
        let blobs = tempfile::tempdir().unwrap();
        let at = |name: &str| blobs.path().join(name);
        fs::write(at("old"), "hashes").unwrap();
        fs::write(at("old.list"), "list").unwrap();
        fs::write(at("old.names"), "names").unwrap();
        share_hashes(blobs.path(), "old", "new").unwrap();
        fetch::forget_hashes(&at("old")).unwrap();
        assert_eq!(fs::read(at("new")).unwrap(), b"hashes");
        assert_eq!(fs::read(at("new.list")).unwrap(), b"list");
        assert_eq!(fs::read(at("new.names")).unwrap(), b"names");
        assert!(share_hashes(blobs.path(), "old", "third").is_err());
        assert_eq!(fs::read_dir(blobs.path()).unwrap().count(), 3);
    }
}
