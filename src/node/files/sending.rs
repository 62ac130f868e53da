//! Files that are offered here, and sent to those who ask.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use libp2p::Stream;
use tokio::task::spawn_blocking;

use super::{
    Happened, fetch, hashes_name, offer,
    serve::{self, Serving},
    stream::Timed,
};
use crate::{
    conversation::{self, ConversationId, EntryId},
    identity::Identity,
    net::LinkId,
    node::{
        api::{Answer, Event, FailureKind, FileState, Offered},
        failure, now,
        run::Node,
    },
    store::{Place, WrittenEntry},
    voice::Voice,
};

/// Streams on which files are sent at the same time, to everybody together. Each holds two blocks,
/// 512 KiB.
pub(super) const MAX_SERVED: usize = 64;

impl Node {
    pub(in crate::node) fn send_file(
        &mut self,
        request: u64,
        conversation: ConversationId,
        path: String,
        voice: Option<Voice>,
    ) {
        if !Path::new(&path).is_absolute() {
            let text = "The path of a file begins at the root, as /home/me/picture.png.";
            return self.answer(request, Err(failure(FailureKind::InvalidInput, text)));
        }
        // Only that the row of its entry names them keeps its hashes.
        let (target, hashes) = (PathBuf::new(), hashes_name());
        let place = Place { state: FileState::Here, path: path.into(), target, hashes };
        let blobs = self.files.blobs.clone();
        self.files.begin(move || {
            let result = offer::offer(&place.path, &blobs, &place.hashes, voice);
            Happened::Hashed { request, conversation, place, result }
        });
    }

    /// The hashes are on the disk: it can be offered.
    pub(super) fn write_file(
        &mut self,
        request: u64,
        conversation: ConversationId,
        place: Place,
        file: conversation::File,
    ) {
        let (store, hashes) = (self.store.clone(), self.files.blobs.join(&place.hashes));
        let (blob, size) = (file.root.to_string(), file.size);
        let write = async move { store.write_file(conversation, file, place, now()).await };
        self.when(write, move |node, result| match result {
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
                // They are made anew when it is sent again.
                spawn_blocking(move || fetch::forget_hashes(&hashes));
                node.answer(request, Err(error.into()));
            }
        });
    }

    /// A contact asks for files.
    pub(in crate::node) fn asked(&mut self, link: LinkId, stream: Stream) {
        let Some(who) = self.standing_with(link) else { return };
        let serving = Serving {
            conversation: ConversationId::direct(&self.me().id, &who),
            store: self.store.clone(),
            blobs: self.files.blobs.clone(),
            who,
            sources: self.files.sources.clone(),
            happened: self.files.happened.clone(),
        };
        let share = self.files.shares.entry(who).or_default().clone();
        let (all, happened) = (Arc::clone(&self.files.served), self.files.happened.clone());
        let counters = Arc::clone(&self.counters);
        tokio::spawn(async move {
            let Some(permit) = share.take().await else { return serve::refuse(stream).await };
            let Ok(permits) = all.try_acquire_owned().map(|one| (one, permit)) else {
                return serve::refuse(stream).await;
            };
            let gone = serving.serve(Timed::new(stream, share.stop, counters)).await;
            drop(permits);
            if let Some((conversation, entry)) = gone {
                let _ = happened.send(Happened::SourceGone { conversation, entry }).await;
            }
        });
    }

    /// A contact says that a file of ours is on their disk. Of what was never offered to them
    /// nothing is told.
    pub(in crate::node) fn fetched(
        &mut self,
        by: Identity,
        conversation: ConversationId,
        entry: EntryId,
    ) {
        self.with_file(conversation, entry, move |node, result| {
            if result.is_ok_and(|kept| kept.author == node.me().id) {
                node.tell(Event::FileFetched { conversation, entry, by });
            }
        });
    }

    pub(super) fn source_gone(&mut self, conversation: ConversationId, entry: EntryId) {
        self.with_file(conversation, entry, move |node, result| {
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
}
