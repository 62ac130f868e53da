//! What a front end may ask, and what is answered.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    Contact, Conversation, EntryView, Hit, Me, Network, NewInvite, Offered, OpenInvite,
    SafetyNumber, Why, Written,
};
use crate::{
    conversation::{ConversationId, EntryId},
    identity::Identity,
    voice::Voice,
};

/// What a front end may ask.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Command {
    /// Make a new profile (after [`Event::ProfileNeeded`](super::Event::ProfileNeeded)).
    CreateProfile {
        /// The name that contacts will see; empty: the first 8 digits of the identity.
        name: String,
        /// None: the database key lies in a file readable by this user only.
        passphrase: Option<Passphrase>,
    },
    /// Open the profile (after [`Event::PassphraseNeeded`](super::Event::PassphraseNeeded)).
    Unlock {
        /// The profile's passphrase.
        passphrase: Passphrase,
    },
    /// Answered by [`Answer::Me`].
    WhoAmI,
    /// Change the own name; contacts learn it.
    SetName {
        /// The new name.
        name: String,
    },
    /// Answered by [`Answer::Invite`].
    CreateInvite {
        /// How many people may use it; 1 unless given.
        uses: Option<u32>,
        /// How long it is good for; 7 days unless given.
        expires_in_seconds: Option<u64>,
    },
    /// Answered by [`Answer::Invites`]: those still open, issued and accepted.
    ListInvites,
    /// Withdraw an invite, issued or accepted. Answered by [`Answer::Done`].
    RevokeInvite {
        /// Its number in [`Answer::Invites`].
        invite: i64,
    },
    /// Answered by [`Answer::Done`] at once; the contact comes as [`Event::ContactAdded`](super::Event::ContactAdded).
    AcceptInvite {
        /// The text of the invite.
        invite: InviteText,
    },
    /// Answered by [`Answer::Contacts`].
    ListContacts,
    /// Call a contact by a name of one's own; empty: back to the name they chose.
    RenameContact {
        /// Who.
        contact: Identity,
        /// The new name.
        name: String,
    },
    /// Forget a contact: no session any more; the conversation stays readable.
    RemoveContact {
        /// Who.
        contact: Identity,
    },
    /// Answered by [`Answer::SafetyNumber`].
    SafetyNumber {
        /// Of the pair of oneself and whom.
        contact: Identity,
    },
    /// Note that the safety number was compared, or no longer holds.
    SetVerified {
        /// Who.
        contact: Identity,
        /// The new state.
        verified: bool,
    },
    /// Say which files of a contact are fetched unasked. Answered by [`Answer::Done`].
    SetUnasked {
        /// Whose.
        contact: Identity,
        /// Those of so many bytes and less, whether verified or not; 0: none. Unless given: as of
        /// everybody, who must be verified.
        bytes: Option<u64>,
    },
    /// Answered by [`Answer::Conversations`].
    ListConversations,
    /// Write a text. Answered by [`Answer::Written`] once it is on the local disk.
    SendText {
        /// Where.
        conversation: ConversationId,
        /// At most [`crate::text::MAX_TEXT_BYTES`].
        text: String,
        /// The entry that is answered, if any.
        reply_to: Option<EntryId>,
    },
    /// Replace the text of an own entry. Answered by [`Answer::Written`].
    Edit {
        /// Where.
        conversation: ConversationId,
        /// Which entry.
        entry: EntryId,
        /// The new text.
        text: String,
    },
    /// Delete an own entry's content, here and at the others. Answered by [`Answer::Written`].
    Delete {
        /// Where.
        conversation: ConversationId,
        /// Which entry.
        entry: EntryId,
    },
    /// Set one's reaction to an entry; empty: take it back. Answered by [`Answer::Written`].
    React {
        /// Where.
        conversation: ConversationId,
        /// Which entry.
        entry: EntryId,
        /// One emoji, or empty.
        emoji: String,
    },
    /// Answered by [`Answer::History`].
    History {
        /// Where.
        conversation: ConversationId,
        /// Entries before this one (not included). With neither `before` nor `after`: the newest.
        before: Option<EntryId>,
        /// Entries after this one (not included).
        after: Option<EntryId>,
        /// 50 unless given; at most 1000.
        limit: Option<u32>,
    },
    /// Answered by [`Answer::Found`], newest first.
    Search {
        /// Words; each matches as a prefix.
        query: String,
        /// Only there, or everywhere.
        conversation: Option<ConversationId>,
        /// 50 unless given; at most 1000.
        limit: Option<u32>,
    },
    /// Everything in the conversation up to this entry has been read.
    MarkRead {
        /// Where.
        conversation: ConversationId,
        /// The last entry that was read.
        entry: EntryId,
    },
    /// Offer a file or a folder. Answered by [`Answer::Offered`] once its content is hashed and
    /// the entry is on the local disk; the content stays where it is.
    SendFile {
        /// Where.
        conversation: ConversationId,
        /// An absolute path, in UTF-8.
        path: String,
        /// Of a voice note: how long it is, and how loud.
        voice: Option<Voice>,
    },
    /// Offer a file that is here, own or fetched, in another conversation. Answered as
    /// [`Command::SendFile`]; nothing is hashed anew.
    ForwardFile {
        /// Where it was offered.
        conversation: ConversationId,
        /// By which entry.
        entry: EntryId,
        /// Where to offer it.
        to: ConversationId,
    },
    /// Fetch an offered file. Answered by [`Answer::Done`] at once; what follows comes as events.
    GetFile {
        /// Where.
        conversation: ConversationId,
        /// Which entry.
        entry: EntryId,
        /// A directory, or the name that it is to have; the download directory unless given.
        to: Option<String>,
    },
    /// Stop fetching a file; what has come stays, and [`Command::GetFile`] goes on with it.
    /// Answered by [`Answer::Done`].
    StopFile {
        /// Where.
        conversation: ConversationId,
        /// Which entry.
        entry: EntryId,
    },
    /// Stop fetching a file, and forget what has come. Answered by [`Answer::Done`].
    CancelFile {
        /// Where.
        conversation: ConversationId,
        /// Which entry.
        entry: EntryId,
    },
    /// Answered by [`Answer::Network`].
    Network,
    /// Why a contact is, or is not, connected. Answered by [`Answer::Why`].
    Why {
        /// Who.
        contact: Identity,
    },
    /// Finish what was accepted, close, and end. Answered by [`Answer::Done`], then
    /// [`Event::Stopped`](super::Event::Stopped).
    Shutdown,
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// To [`Command::WhoAmI`].
    Me(Me),
    /// To [`Command::CreateInvite`].
    Invite(NewInvite),
    /// To [`Command::ListInvites`].
    Invites(Vec<OpenInvite>),
    /// To [`Command::ListContacts`].
    Contacts(Vec<Contact>),
    /// To [`Command::Why`].
    Why(Box<Why>),
    /// To [`Command::SafetyNumber`].
    SafetyNumber(SafetyNumber),
    /// To [`Command::ListConversations`].
    Conversations(Vec<Conversation>),
    /// To [`Command::SendText`], [`Command::Edit`], [`Command::Delete`], [`Command::React`].
    Written(Written),
    /// To [`Command::SendFile`], [`Command::ForwardFile`].
    Offered(Offered),
    /// To [`Command::History`], oldest first.
    History(Vec<EntryView>),
    /// To [`Command::Search`], newest first.
    Found(Vec<Hit>),
    /// To [`Command::Network`].
    Network(Box<Network>),
    /// It is done; there is nothing to say.
    Done {},
}

/// A passphrase on its way to the store. Wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Passphrase(pub Zeroizing<String>);

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// The text of an invite. Whoever has it can use it, so it is never printed by `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InviteText(pub String);

impl fmt::Debug for InviteText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteText(…)")
    }
}

impl std::ops::Deref for InviteText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<String> for InviteText {
    fn from(text: String) -> Self {
        Self(text)
    }
}
