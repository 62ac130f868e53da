//! What a front end is told.

use serde::{Deserialize, Serialize};

use super::{
    Answer, Contact, ContactState, EntryState, EntryView, Failure, FailureKind, Me, Network, Path,
};
use crate::{
    conversation::{ConversationId, EntryId},
    identity::Identity,
};

/// What a front end is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    /// The directory holds no profile yet: [`Command::CreateProfile`](super::Command::CreateProfile) makes one.
    ProfileNeeded,
    /// The profile has a passphrase: [`Command::Unlock`](super::Command::Unlock) opens it.
    PassphraseNeeded,
    /// The profile is open and the network starts.
    Ready {
        /// Oneself.
        me: Me,
        /// Without a passphrase the database key lies in a file: the screen says so.
        has_passphrase: bool,
    },
    /// The answer to the request with this number.
    Answered {
        /// [`Request::number`](super::Request::number).
        request: u64,
        /// What came of it.
        result: Result<Answer, Failure>,
    },
    /// An invite became a contact.
    ContactAdded {
        /// The new contact.
        contact: Contact,
    },
    /// A contact came, went, or changed its path.
    ContactState {
        /// Who.
        id: Identity,
        /// The new state.
        state: ContactState,
        /// How it is reached, while online.
        path: Option<Path>,
    },
    /// A contact's name, verification or key changed, or it was removed.
    ContactChanged {
        /// The contact as it is now; none if removed.
        contact: Option<Contact>,
        /// Who.
        id: Identity,
    },
    /// An accepted invite will not become a contact.
    InviteFailed {
        /// Who had issued it.
        id: Identity,
        /// Why.
        failure: Failure,
    },
    /// A new entry to show, by somebody else, or an own one taken back after a restore.
    Message {
        /// Where.
        conversation: ConversationId,
        /// The entry.
        #[serde(flatten)]
        message: EntryView,
    },
    /// An entry that was there already looks different now: edited, deleted, reacted to.
    EntryChanged {
        /// Where.
        conversation: ConversationId,
        /// The entry as it is now.
        #[serde(flatten)]
        message: EntryView,
    },
    /// How far an own entry has come.
    EntryState {
        /// Where.
        conversation: ConversationId,
        /// Which entry.
        entry: EntryId,
        /// The new state.
        state: EntryState,
    },
    /// Somebody offers a file: like [`Event::Message`], with its `file`.
    FileOffered {
        /// Where.
        conversation: ConversationId,
        /// The entry.
        #[serde(flatten)]
        message: EntryView,
    },
    /// How far a file has come; a few times a second while it is fetched.
    FileProgress {
        /// Where.
        conversation: ConversationId,
        /// Which entry.
        entry: EntryId,
        /// Bytes that are here and verified.
        done: u64,
        /// Bytes in all.
        total: u64,
        /// Over the last seconds.
        bytes_per_second: u64,
        /// How many it comes from now.
        holders: u32,
    },
    /// A file is here, whole.
    FileDone {
        /// Where.
        conversation: ConversationId,
        /// Which entry.
        entry: EntryId,
        /// Where it lies.
        path: String,
    },
    /// More of a file was sent to somebody who fetches it.
    FileSent {
        /// Where.
        conversation: ConversationId,
        /// Which entry.
        entry: EntryId,
        /// To whom.
        to: Identity,
        /// Bytes since the last of these events.
        bytes: u64,
    },
    /// Somebody has a file that is offered here, whole, on their disk.
    FileFetched {
        /// Where.
        conversation: ConversationId,
        /// Which entry.
        entry: EntryId,
        /// Who.
        by: Identity,
    },
    /// A file will not come, unless it is asked for again.
    FileFailed {
        /// Where.
        conversation: ConversationId,
        /// Which entry.
        entry: EntryId,
        /// What kind of failure, for programs.
        kind: FailureKind,
        /// A sentence for people.
        text: String,
    },
    /// The network's state changed.
    Network {
        /// The new state.
        #[serde(flatten)]
        network: Network,
    },
    /// Something is wrong that no command asked about: disk full, database damaged.
    Trouble {
        /// What.
        failure: Failure,
    },
    /// The profile could not be opened or was closed because of this; the last event.
    Stopped {
        /// None after an orderly [`Command::Shutdown`](super::Command::Shutdown).
        failure: Option<Failure>,
    },
}
