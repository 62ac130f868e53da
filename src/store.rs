//! One encrypted database per profile: what is in it survives crashes, and nobody else reads it.
//!
//! # The parts
//!
//! | part | what it is for |
//! |---|---|
//! | [`Directory`] | the profile's directory and its lock: one process owns it |
//! | `key` | the database key, wrapped by a passphrase or in a file of its own |
//! | `schema` | tables, migrations, what a connection is set to |
//! | `actor` | the thread that owns the connection, and group commit |
//! | `core` | what that thread keeps in memory |
//! | `log` | [`crate::conversation::Log`] over SQL |
//! | `contacts`, `invites`, `conversations`, `history`, `search`, `files` | what is asked |
//! | `check` | the integrity check after an unclean end, in the background |
//!
//! # The thread
//!
//! [`Store`] is a handle; every method sends a job to one thread and waits for its answer. The
//! thread takes what is queued, up to a bound, runs it in one transaction (each job in a savepoint
//! of its own, so that one that fails undoes only itself), commits, and only then answers all. So
//! an answer means *on the disk*, a single job costs one fsync, and so does a burst.
//!
//! # Invariants
//!
//! - Nothing is answered before the commit that contains it (`synchronous=FULL`).
//! - Jobs run in the order in which they were queued, and see everything before them.
//! - A database that cannot be read is never written to, nor replaced.
//! - The search index changes in the transaction that changes the text.

mod actor;
mod check;
mod contacts;
mod conversations;
mod core;
mod directory;
mod error;
mod files;
mod history;
mod invites;
mod key;
mod log;
mod nodes;
mod open;
mod schema;
mod search;
mod types;

use std::sync::Arc;

use self::{actor::Actor, core::Core};
pub use self::{
    contacts::{MAX_ADDRESS_BYTES, MAX_ADDRESSES, MAX_CONTACTS},
    directory::{Directory, lock},
    error::{Result, StoreError},
    files::{KeptFile, Place, Remembered},
    invites::{MAX_INVITES, MAX_OPEN_INVITES},
    nodes::MAX_DHT_NODES,
    open::{create, open},
    search::{MAX_QUERY_BYTES, MAX_WORDS},
    types::{
        Acknowledged, Contact, Direction, Invitation, InviteState, Presence, Profile, Received,
        WrittenEntry,
    },
};
use crate::{
    conversation::{Body, Budget, ConversationId, EntryId, File, WireEntry},
    identity::{Certificate, Identity, Invite},
    node::api::{self, EntryView, Hit, UnixMillis},
    sync::{Batch, Holding, View},
};

/// The most entries, or hits, of one answer.
pub const MAX_PAGE: u32 = 1000;

/// A handle to an open profile; cheap to clone. The profile closes cleanly with
/// [`Store::close`], or when the last handle is dropped.
#[derive(Clone, Debug)]
pub struct Store {
    actor: Arc<Actor>,
}

/// Everything here fails with [`StoreError::Closed`] after [`Store::close`], and with
/// [`StoreError::DiskFull`], [`StoreError::Damaged`], [`StoreError::Unreadable`] or
/// [`StoreError::Storage`] when the disk does; then nothing of what was asked has happened. Only
/// further reasons are named below.
impl Store {
    async fn call<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Core) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.actor.call(job).await
    }

    /// How many more jobs can be queued before a method waits for a place. A reader of input
    /// stops reading while this is small.
    pub fn load(&self) -> usize {
        self.actor.free()
    }

    /// Resolves if the integrity check after an unclean end finds damage; otherwise never.
    pub async fn damage(&self) -> StoreError {
        self.actor.damage().await
    }

    /// Ends cleanly: everything queued before is done and on the disk, and the lock is given
    /// back.
    ///
    /// # Errors
    /// The last commit failed.
    pub async fn close(self) -> Result<()> {
        self.actor.close().await
    }

    /// Oneself.
    ///
    /// # Errors
    /// Only those of every method.
    pub async fn profile(&self) -> Result<Profile> {
        self.call(|core| core.profile()).await
    }

    /// Changes the own name; empty: the first 8 digits of the identity. Returns it as it is kept.
    ///
    /// # Errors
    /// Only those of every method.
    pub async fn set_name(&self, name: String) -> Result<String> {
        self.call(move |core| core.set_name(&name)).await
    }
}

/// Contacts.
impl Store {
    /// All contacts, in the order in which they were added.
    ///
    /// # Errors
    /// Only those of every method.
    pub async fn contacts(&self) -> Result<Vec<Contact>> {
        self.call(|core| core.contacts()).await
    }

    /// Calls a contact by a name of one's own; empty: by the name they chose.
    ///
    /// # Errors
    /// [`StoreError::UnknownContact`].
    pub async fn rename_contact(&self, who: Identity, name: String) -> Result<Contact> {
        self.call(move |core| core.rename_contact(&who, &name)).await
    }

    /// Forgets a contact; the conversation stays, to be read. No invite issued before makes them
    /// one again.
    ///
    /// # Errors
    /// [`StoreError::UnknownContact`].
    pub async fn remove_contact(&self, who: Identity) -> Result<()> {
        self.call(move |core| core.remove_contact(&who)).await
    }

    /// Notes whether the safety number was compared.
    ///
    /// # Errors
    /// [`StoreError::UnknownContact`].
    pub async fn set_verified(&self, who: Identity, verified: bool) -> Result<Contact> {
        self.call(move |core| core.set_verified(&who, verified)).await
    }

    /// Which files of a contact are fetched unasked: those of so many bytes and less; none given: as
    /// of everybody.
    ///
    /// # Errors
    /// [`StoreError::UnknownContact`].
    pub async fn set_unasked(&self, who: Identity, bytes: Option<u64>) -> Result<Contact> {
        self.call(move |core| core.set_unasked(&who, bytes)).await
    }

    /// A contact said its name. Returns the contact if that changed anything.
    ///
    /// # Errors
    /// [`StoreError::UnknownContact`].
    pub async fn contact_hello(
        &self,
        who: Identity,
        their_name: String,
    ) -> Result<Option<Contact>> {
        self.call(move |core| core.contact_hello(&who, &their_name)).await
    }

    /// A contact has another device key, by a certificate that the caller verified. Returns the
    /// contact if the certificate is newer than the one known.
    ///
    /// # Errors
    /// [`StoreError::UnknownContact`].
    pub async fn contact_certificate(
        &self,
        who: Identity,
        certificate: Certificate,
    ) -> Result<Option<Contact>> {
        self.call(move |core| core.contact_certificate(&who, &certificate)).await
    }

    /// A session with a contact stands or stood at this time, and these are addresses that led
    /// to it, best first; none given: those known stay. What is more than [`MAX_ADDRESSES`] is
    /// left out.
    ///
    /// # Errors
    /// [`StoreError::UnknownContact`].
    pub async fn contact_seen(
        &self,
        who: Identity,
        at: UnixMillis,
        addresses: Vec<String>,
    ) -> Result<()> {
        self.call(move |core| core.contact_seen(&who, at, &addresses)).await
    }
}

/// Nodes of DHTs.
impl Store {
    /// Where those were that answered, as they were kept.
    ///
    /// # Errors
    /// Only those of every method.
    pub async fn dht_nodes(&self) -> Result<Vec<String>> {
        self.call(|core| core.dht_nodes()).await
    }

    /// Keeps the first [`MAX_DHT_NODES`] of these, and no others.
    ///
    /// # Errors
    /// Only those of every method.
    pub async fn set_dht_nodes(&self, nodes: Vec<String>) -> Result<()> {
        self.call(move |core| core.set_dht_nodes(&nodes)).await
    }
}

/// Invites. `now` is unix milliseconds.
impl Store {
    /// Keeps an own invite for so many uses; returns its number.
    ///
    /// # Errors
    /// [`StoreError::InviteLimit`], [`StoreError::InviteExpired`], [`StoreError::InvalidInput`]
    /// for 0 uses.
    pub async fn issue_invite(&self, invite: Invite, uses: u32, now: UnixMillis) -> Result<i64> {
        self.call(move |core| core.issue_invite(&invite, uses, now)).await
    }

    /// Those still open, issued and accepted.
    ///
    /// # Errors
    /// Only those of every method.
    pub async fn list_invites(&self, now: UnixMillis) -> Result<Vec<Invitation>> {
        let mut invites = self.open_invites(now).await?;
        invites.retain(|invite| invite.state == InviteState::Open);
        Ok(invites)
    }

    /// Withdraws an invite that is open, issued or accepted.
    ///
    /// # Errors
    /// [`StoreError::UnknownInvite`].
    pub async fn revoke_invite(&self, number: i64, now: UnixMillis) -> Result<()> {
        self.call(move |core| core.revoke_invite(number, now)).await
    }

    /// Keeps another's invite until it becomes a contact; returns its number. The same one again
    /// has the same number, and is open again if it was not.
    ///
    /// # Errors
    /// [`StoreError::InviteOwn`], [`StoreError::InviteKnown`], [`StoreError::InviteExpired`],
    /// [`StoreError::InviteLimit`], [`StoreError::InvalidInput`] for one that was accepted before
    /// with another expiry.
    pub async fn accept_invite(&self, invite: Invite, now: UnixMillis) -> Result<i64> {
        self.call(move |core| core.accept_invite(&invite, now)).await
    }

    /// What sessions need to know: accepted invites that are open, and all issued ones that are
    /// remembered, so that the holder of one that is not open any more can be told.
    ///
    /// # Errors
    /// Only those of every method.
    pub async fn open_invites(&self, now: UnixMillis) -> Result<Vec<Invitation>> {
        self.call(move |core| core.open_invites(now)).await
    }

    /// Keeps the certificate that the issuer of an accepted invite showed, before anything is
    /// said to it.
    ///
    /// # Errors
    /// [`StoreError::UnknownInvite`].
    pub async fn note_issuer(&self, number: i64, certificate: Certificate) -> Result<()> {
        self.call(move |core| core.note_issuer(number, &certificate)).await
    }

    /// Someone used an own invite: makes them a contact and consumes one use, in one transaction.
    /// For one who used it before, it changes nothing but their name; for one who was a contact
    /// and was removed since it was issued, it is used up.
    ///
    /// # Errors
    /// [`StoreError::UnknownInvite`], [`StoreError::InviteUsed`], [`StoreError::InviteExpired`],
    /// [`StoreError::InviteRevoked`], [`StoreError::InviteOwn`], [`StoreError::ContactLimit`].
    pub async fn complete_issued(
        &self,
        number: i64,
        who: Identity,
        certificate: Certificate,
        name: String,
        now: UnixMillis,
    ) -> Result<Contact> {
        self.call(move |core| core.complete_issued(number, &who, &certificate, &name, now)).await
    }

    /// The issuer of an accepted invite has made us a contact: makes them one. Again: the same.
    ///
    /// # Errors
    /// [`StoreError::UnknownInvite`] also when the issuer's certificate was never noted,
    /// [`StoreError::ContactLimit`].
    pub async fn complete_accepted(
        &self,
        number: i64,
        name: String,
        now: UnixMillis,
    ) -> Result<Contact> {
        self.call(move |core| core.complete_accepted(number, &name, now)).await
    }

    /// The issuer of an accepted invite refused it.
    ///
    /// # Errors
    /// [`StoreError::UnknownInvite`].
    pub async fn fail_accepted(&self, number: i64) -> Result<()> {
        self.call(move |core| core.fail_accepted(number)).await
    }
}

/// Conversations and their logs.
impl Store {
    /// All conversations, the one to which an item came last first.
    ///
    /// # Errors
    /// Only those of every method.
    pub async fn conversations(&self) -> Result<Vec<api::Conversation>> {
        self.call(Core::conversations).await
    }

    /// Writes an own entry. A read mark goes through [`Store::mark_read`].
    ///
    /// # Errors
    /// [`StoreError::UnknownConversation`], [`StoreError::ReadOnly`],
    /// [`StoreError::UnknownEntry`], [`StoreError::NotAuthor`], [`StoreError::TextTooLong`],
    /// [`StoreError::InvalidInput`].
    pub async fn write(
        &self,
        conversation: ConversationId,
        body: Body,
        now: UnixMillis,
    ) -> Result<WrittenEntry> {
        self.call(move |core| core.write(&conversation, body, now)).await
    }

    /// Everything up to this entry was read. Writes a read mark if that is further than before.
    ///
    /// # Errors
    /// [`StoreError::UnknownConversation`], [`StoreError::UnknownEntry`].
    pub async fn mark_read(
        &self,
        conversation: ConversationId,
        entry: EntryId,
        now: UnixMillis,
    ) -> Result<Option<WrittenEntry>> {
        self.call(move |core| core.mark_read(&conversation, &entry, now)).await
    }

    /// Lets entries from a contact into the log.
    ///
    /// # Errors
    /// [`StoreError::UnknownConversation`] if the sender is not in it, or no contact.
    pub async fn receive(
        &self,
        from: Identity,
        conversation: ConversationId,
        entries: Vec<WireEntry>,
        now: UnixMillis,
    ) -> Result<Received> {
        self.call(move |core| core.receive(&from, &conversation, entries, now)).await
    }

    /// What the log holds of every conversation shared with a contact, for
    /// [`Message::Have`](crate::sync::Message::Have).
    ///
    /// # Errors
    /// [`StoreError::UnknownContact`].
    pub async fn have(&self, contact: Identity) -> Result<Vec<Holding>> {
        self.call(move |core| core.have(&contact)).await
    }

    /// Takes note of what a contact's disk holds of a conversation, by its leaves.
    ///
    /// # Errors
    /// [`StoreError::UnknownConversation`] if the contact is not in it.
    pub async fn acknowledge(
        &self,
        contact: Identity,
        conversation: ConversationId,
        view: View,
    ) -> Result<Acknowledged> {
        self.call(move |core| core.acknowledge(&contact, &conversation, &view)).await
    }

    /// What the other, with this view, lacks of a conversation.
    ///
    /// # Errors
    /// [`StoreError::UnknownConversation`].
    pub async fn missing(
        &self,
        conversation: ConversationId,
        view: View,
        budget: Budget,
    ) -> Result<Batch> {
        self.call(move |core| core.missing(&conversation, &view, budget)).await
    }

    /// Items of a conversation, oldest first: the `limit` (at most [`MAX_PAGE`]) before or after
    /// an entry; with neither, the newest; with both, the first after `after` that are before
    /// `before`.
    ///
    /// # Errors
    /// [`StoreError::UnknownConversation`], [`StoreError::UnknownEntry`].
    pub async fn history(
        &self,
        conversation: ConversationId,
        before: Option<EntryId>,
        after: Option<EntryId>,
        limit: u32,
    ) -> Result<Vec<EntryView>> {
        self.call(move |core| core.history(&conversation, before, after, limit)).await
    }

    /// One item as it is now; none if there is no such item.
    ///
    /// # Errors
    /// [`StoreError::UnknownConversation`].
    pub async fn entry(
        &self,
        conversation: ConversationId,
        id: EntryId,
    ) -> Result<Option<EntryView>> {
        self.call(move |core| core.item(&conversation, &id)).await
    }

    /// Finds items that contain all words of the query, each as the beginning of a word; case and
    /// diacritics do not matter. The last to arrive come first, at most [`MAX_PAGE`].
    ///
    /// # Errors
    /// [`StoreError::UnknownConversation`], [`StoreError::InvalidInput`] for a query over
    /// [`MAX_QUERY_BYTES`].
    pub async fn search(
        &self,
        query: String,
        conversation: Option<ConversationId>,
        limit: u32,
    ) -> Result<Vec<Hit>> {
        self.call(move |core| core.search(&query, conversation, limit)).await
    }
}

/// Files.
impl Store {
    /// Writes an own entry that offers a file which lies here.
    ///
    /// # Errors
    /// As [`Store::write`]; [`StoreError::InvalidInput`] also for a path that is not UTF-8.
    pub async fn write_file(
        &self,
        conversation: ConversationId,
        file: File,
        place: Place,
        now: UnixMillis,
    ) -> Result<WrittenEntry> {
        self.call(move |core| core.write_file(&conversation, file, &place, now)).await
    }

    /// The file that an entry offers, and how far it is here.
    ///
    /// # Errors
    /// [`StoreError::UnknownConversation`], [`StoreError::UnknownEntry`], [`StoreError::NoFile`].
    pub async fn file(&self, conversation: ConversationId, entry: EntryId) -> Result<KeptFile> {
        self.call(move |core| core.file(&conversation, &entry)).await
    }

    /// Keeps how far a file is here.
    ///
    /// # Errors
    /// As [`Store::file`]; [`StoreError::InvalidInput`] for a path that is not UTF-8.
    pub async fn set_place(
        &self,
        conversation: ConversationId,
        entry: EntryId,
        place: Place,
    ) -> Result<()> {
        self.call(move |core| core.set_place(&conversation, &entry, &place)).await
    }

    /// How far a file is here, be it offered still or not.
    ///
    /// # Errors
    /// [`StoreError::UnknownConversation`].
    pub async fn place(&self, conversation: ConversationId, entry: EntryId) -> Result<Place> {
        self.call(move |core| core.place(&conversation, &entry)).await
    }

    /// Forgets how far a file is here.
    ///
    /// # Errors
    /// Only those of every method.
    pub async fn forget_file(&self, entry: EntryId) -> Result<()> {
        self.call(move |core| core.forget_file(&entry)).await
    }

    /// Who else offers the very same content, by root, key and sizes: of each conversation the
    /// newest such entry by another that was not deleted. Costs the same however long the
    /// conversations are, and however often one offers it.
    ///
    /// # Errors
    /// Only those of every method.
    pub async fn same_offers(&self, file: File) -> Result<Vec<(ConversationId, EntryId)>> {
        self.call(move |core| core.same_offers(&file)).await
    }

    /// Where the very same content, by root, key and sizes, is here already; a few of the places
    /// if there are many.
    ///
    /// # Errors
    /// Only those of every method.
    pub async fn places(&self, file: File) -> Result<Vec<Place>> {
        self.call(move |core| core.places(&file)).await
    }

    /// All files of which something is known here.
    ///
    /// # Errors
    /// Only those of every method.
    pub async fn files(&self) -> Result<Vec<Remembered>> {
        self.call(Core::files).await
    }
}

#[cfg(test)]
mod tests;
