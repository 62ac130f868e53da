//! What the tests of the store share: people, each with a profile in a directory of its own.

mod contacts;
mod crash;
mod logs;
mod profile;
mod search;

use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::{conversation::FeedId, identity::InviteSecret};

/// A time at which tests take place.
pub(super) const NOW: UnixMillis = 1_800_000_000_000;

/// One person with an open profile.
pub(super) struct Person {
    pub(super) store: Store,
    pub(super) id: Identity,
    pub(super) certificate: Certificate,
    pub(super) directory: TempDir,
}

impl Person {
    pub(super) async fn new(name: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = create(lock(directory.path()).unwrap(), name, None).unwrap();
        Self::of(store, directory).await
    }

    pub(super) async fn of(store: Store, directory: TempDir) -> Self {
        let profile = store.profile().await.unwrap();
        Self {
            store,
            id: profile.identity_key.public(),
            certificate: profile.certificate,
            directory,
        }
    }

    /// Closes cleanly, makes a copy of the profile, and opens again.
    pub(super) async fn copied(self) -> (Self, TempDir) {
        let Self { store, directory, .. } = self;
        store.close().await.unwrap();
        let copy = tempfile::tempdir().unwrap();
        for name in ["key", "entrenous.db"] {
            std::fs::copy(directory.path().join(name), copy.path().join(name)).unwrap();
        }
        (Self::of(open_at(directory.path()).unwrap(), directory).await, copy)
    }

    /// Closes cleanly and opens again.
    pub(super) async fn reopen(self) -> Self {
        let Self { store, directory, .. } = self;
        store.close().await.unwrap();
        Self::of(open_at(directory.path()).unwrap(), directory).await
    }

    /// The direct conversation with somebody.
    pub(super) fn with(&self, other: &Self) -> ConversationId {
        ConversationId::direct(&self.id, &other.id)
    }

    pub(super) async fn say(&self, to: &Self, text: &str) -> WrittenEntry {
        let body = Body::Text { text: text.to_owned() };
        self.store.write(self.with(to), body, NOW).await.unwrap()
    }

    /// The texts of the newest items of the conversation with somebody.
    pub(super) async fn texts(&self, with: &Self) -> Vec<String> {
        let items = self.store.history(self.with(with), None, None, MAX_PAGE).await.unwrap();
        items.into_iter().map(|item| item.text.unwrap_or_else(|| "-".to_owned())).collect()
    }

    pub(super) async fn found(&self, query: &str) -> usize {
        self.store.search(query.to_owned(), None, 50).await.unwrap().len()
    }
}

pub(super) fn open_at(path: &Path) -> Result<Store> {
    open(lock(path)?, None).map_err(|(_, error)| error)
}

pub(super) fn invite(issuer: &Identity, secret: u8) -> Invite {
    Invite::new(*issuer, InviteSecret::from_bytes([secret; 16]), NOW / 1000 + 3600)
}

/// Makes two people each other's contacts, by an invite.
pub(super) async fn introduce(issuer: &Person, invitee: &Person) {
    let invite = invite(&issuer.id, 7);
    let number = issuer.store.issue_invite(invite.clone(), 1, NOW).await.unwrap();
    let accepted = invitee.store.accept_invite(invite, NOW).await.unwrap();
    invitee.store.note_issuer(accepted, issuer.certificate).await.unwrap();
    let name = || "someone".to_owned();
    issuer
        .store
        .complete_issued(number, invitee.id, invitee.certificate, name(), NOW)
        .await
        .unwrap();
    invitee.store.complete_accepted(accepted, name(), NOW).await.unwrap();
}

pub(super) async fn pair() -> (Person, Person) {
    let (ann, ben) = (Person::new("Ann").await, Person::new("Ben").await);
    introduce(&ann, &ben).await;
    (ann, ben)
}

pub(super) const BUDGET: Budget = Budget { entries: 512, bytes: 64 * 1024 };

/// What `to` says that it has, as `from` sees it.
pub(super) async fn view(from: &Person, to: &Person) -> View {
    let conversation = from.with(to);
    let have = to.store.have(from.id).await.unwrap();
    let holding = have.into_iter().find(|h| h.conversation == conversation).unwrap();
    View { leaves: holding.leaves, lacking: holding.lacking, ..View::default() }
}

/// Pushes everything that `to` lacks, and lets `from` know. Returns all that `to` received.
pub(super) async fn push(from: &Person, to: &Person) -> Received {
    let conversation = from.with(to);
    let mut all = Received::default();
    let mut known = view(from, to).await;
    loop {
        let batch = from.store.missing(conversation, known, BUDGET).await.unwrap();
        known = batch.view;
        let got = to.store.receive(from.id, conversation, batch.entries, NOW).await.unwrap();
        all.entries.extend(got.entries);
        all.added.extend(got.added);
        all.changed.extend(got.changed);
        all.states.extend(got.states);
        all.forked |= got.forked;
        all.refused += got.refused;
        all.early += got.early;
        if !batch.more {
            return all;
        }
    }
}

/// `from` learns what `to` has.
pub(super) async fn acknowledge(from: &Person, to: &Person) -> Acknowledged {
    let view = view(from, to).await;
    from.store.acknowledge(to.id, from.with(to), view).await.unwrap()
}

pub(super) fn feed(of: &Person) -> FeedId {
    FeedId { author: of.id, device: 1 }
}
