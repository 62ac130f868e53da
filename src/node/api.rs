//! The whole product as data: what a front end may ask ([`Command`]) and what it is told
//! ([`Event`]). The screen and the JSON-RPC front end both speak exactly this.
//!
//! A front end holds a bounded sender of [`Request`]s and a bounded receiver of [`Event`]s. Every
//! request is answered by exactly one [`Event::Answered`] with its number; everything else that
//! happens comes as an event of its own, in order. Names of fields are those of the JSON-RPC
//! front end (camel case) and stable: a later version adds, never renames. All times are unix
//! milliseconds.

use std::fmt;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use crate::{
    conversation::{ConversationId, EntryId},
    identity::Identity,
    picture::Preview,
    voice::Voice,
};

/// A front end's end of the channels to the node.
#[derive(Debug)]
pub struct Handle {
    /// Takes requests; bounded.
    pub requests: mpsc::Sender<Request>,
    /// Yields events until [`Event::Stopped`]; bounded.
    pub events: mpsc::Receiver<Event>,
}

/// A time: milliseconds since 1970-01-01T00:00:00Z.
pub type UnixMillis = u64;

/// A command and the number its answer will carry.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the front end; comes back in [`Event::Answered`].
    pub number: u64,
    /// What is asked.
    pub command: Command,
}

/// What a front end may ask.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Command {
    /// Make a new profile (after [`Event::ProfileNeeded`]).
    CreateProfile {
        /// The name that contacts will see; empty: the first 8 digits of the identity.
        name: String,
        /// None: the database key lies in a file readable by this user only.
        passphrase: Option<Passphrase>,
    },
    /// Open the profile (after [`Event::PassphraseNeeded`]).
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
    /// Answered by [`Answer::Done`] at once; the contact comes as [`Event::ContactAdded`].
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
    /// [`Event::Stopped`].
    Shutdown,
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

/// What a front end is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    /// The directory holds no profile yet: [`Command::CreateProfile`] makes one.
    ProfileNeeded,
    /// The profile has a passphrase: [`Command::Unlock`] opens it.
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
        /// [`Request::number`].
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
        /// None after an orderly [`Command::Shutdown`].
        failure: Option<Failure>,
    },
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
    /// To [`Command::SendFile`].
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

/// Oneself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Me {
    /// The own identity.
    pub id: Identity,
    /// The own name, as contacts see it.
    pub name: String,
}

/// A new invite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewInvite {
    /// `entrenous1…`
    pub invite: InviteText,
    /// When it ends.
    pub expires_at: UnixMillis,
}

/// An invite that may still become a contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenInvite {
    /// For [`Command::RevokeInvite`].
    pub number: i64,
    /// The issuer's identity: oneself for an issued one.
    pub issuer: Identity,
    /// The text again, for an issued one.
    pub invite: Option<InviteText>,
    /// How often it can still be used.
    pub uses_left: u32,
    /// When it ends.
    pub expires_at: UnixMillis,
}

/// An identity that this one accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Contact {
    /// Who.
    pub id: Identity,
    /// The name to show: the own name for them, else the one they chose.
    pub name: String,
    /// Whether the safety number was compared.
    pub verified: bool,
    /// Whether they can be reached now.
    pub state: ContactState,
    /// How, while online.
    pub path: Option<Path>,
    /// When a session with them last stood; none: never.
    pub last_seen: Option<UnixMillis>,
    /// Files of theirs of so many bytes and less are fetched unasked; none: as of everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unasked: Option<u64>,
}

/// Whether a contact can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ContactState {
    /// A session stands.
    Online,
    /// A link to a known address of theirs is being tried.
    Connecting,
    /// Neither.
    Offline,
}

/// How a contact is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Path {
    /// Within the local network or this machine.
    Lan,
    /// By a public address.
    Direct,
    /// Through both NATs.
    Punched,
    /// Through a port mapping.
    Mapped,
}

/// Why a contact is, or is not, connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Why {
    /// Whether it is.
    pub state: ContactState,
    /// What was tried, the oldest first; at most some dozens.
    pub attempts: Vec<Attempt>,
    /// What that means and what would help, in a sentence or two.
    pub advice: String,
}

/// One way that was tried to a contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// `dial`, `dht` (leaving and looking for word) or `punch`.
    pub path: String,
    /// Where to; empty where there is no single address.
    pub address: String,
    /// When.
    pub at: UnixMillis,
    /// What came of it, in words.
    pub outcome: String,
}

/// The safety number of a pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SafetyNumber {
    /// With whom.
    pub contact: Identity,
    /// 60 digits, in 12 groups of 5.
    pub number: String,
    /// Whether it was compared.
    pub verified: bool,
}

/// A replicated log shared by its members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Conversation {
    /// Which.
    pub id: ConversationId,
    /// Its kind.
    pub kind: ConversationKind,
    /// What to call it: a direct one has the contact's name.
    pub name: String,
    /// Everyone in it, oneself included.
    pub members: Vec<Identity>,
    /// Entries by others after the read mark; counted up to 1000.
    pub unread: u32,
    /// The last entry that was read here, if any.
    pub read_up_to: Option<EntryId>,
    /// When its newest entry was written.
    pub last_entry_at: Option<UnixMillis>,
    /// A device in it wrote two different entries with one number (a restored copy, or worse).
    pub forked: bool,
}

/// The kind of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ConversationKind {
    /// Two members.
    Direct,
    /// Any number of members.
    Group,
}

/// An entry was written to the local disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Written {
    /// The new entry.
    pub entry: EntryId,
    /// Its time.
    pub sent_at: UnixMillis,
}

/// A file was offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Offered {
    /// The new entry.
    pub entry: EntryId,
    /// The root of its content, in hexadecimal.
    pub blob: String,
    /// The bytes of its content.
    pub size: u64,
    /// The entry's time.
    pub sent_at: UnixMillis,
    /// The file, as it is shown.
    pub file: Box<FileView>,
}

/// An entry as a person sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntryView {
    /// Which entry.
    pub entry: EntryId,
    /// Who wrote it.
    pub author: Identity,
    /// When, by the author's clock.
    pub sent_at: UnixMillis,
    /// What it is.
    pub kind: EntryKind,
    /// The current text, sanitised. None for a deleted entry or another kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The file that is offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Box<FileView>>,
    /// The entry this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<EntryId>,
    /// The author changed the text.
    #[serde(default, skip_serializing_if = "is_false")]
    pub edited: bool,
    /// The author deleted it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deleted: bool,
    /// Who reacted how.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reaction>,
    /// How far it has come.
    pub state: EntryState,
}

// serde's `skip_serializing_if` passes a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// What an entry is, to the eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EntryKind {
    /// A text, or a reply.
    Text,
    /// A file or a folder.
    File,
    /// Something that a newer version understands.
    Unsupported,
}

/// A file as a person sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileView {
    /// Its name, which is that of a file in one directory on every system.
    pub name: String,
    /// The bytes of its content.
    pub size: u64,
    /// As its author says; empty if unknown.
    pub media_type: String,
    /// The root of its content, in hexadecimal.
    pub blob: String,
    /// Whether it is a folder.
    pub folder: bool,
    /// Of a picture: what it looks like, roughly; its `ThumbHash` in hexadecimal. It comes with the
    /// offer, so it is there before anything is fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Preview>,
    /// Of a voice note: how long it is, and how loud, as its author says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voice: Option<Voice>,
    /// How far it is here.
    pub state: FileState,
    /// Where it lies, if it is here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// How far a file is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FileState {
    /// Nothing of it.
    Offered,
    /// It is being fetched, or will be when somebody who has it is there.
    Fetching,
    /// A part of it; it is not being fetched.
    Stopped,
    /// All of it.
    Here,
    /// It was here, and has changed or vanished.
    Gone,
}

/// One emoji and who chose it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// The emoji.
    pub emoji: String,
    /// By whom, in the order of their identities.
    pub by: Vec<Identity>,
}

/// How far an entry has come. For somebody else's entry: `Delivered`, and `Read` once it was
/// read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EntryState {
    /// On this disk only.
    Queued,
    /// On the other's disk.
    Delivered,
    /// The other has read it.
    Read,
}

/// A place where a search matched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// Where.
    pub conversation: ConversationId,
    /// Which entry.
    pub entry: EntryId,
    /// The words around the match; each match stands between U+2068 and U+2069, which no
    /// sanitised text contains.
    pub snippet: String,
}

/// The state of the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    /// This start's throwaway libp2p key.
    pub peer_id: String,
    /// Addresses listened on.
    pub listen: Vec<String>,
    /// Addresses that others were seen to reach.
    pub external: Vec<String>,
    /// Addresses at which the router lets everybody in.
    pub mapped: Vec<String>,
    /// What is known of the NAT.
    pub nat: Nat,
    /// What is known of the DHT.
    pub dht: Dht,
    /// Links that stand.
    pub links: u32,
    /// Bytes received since the start.
    pub bytes_in: u64,
    /// Bytes sent since the start.
    pub bytes_out: u64,
    /// What the network may be used for.
    pub scope: Scope,
}

/// What is known of the NAT; `"unknown"` until it is measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Nat {
    /// How it maps.
    pub mapping: String,
    /// What it lets in.
    pub filtering: String,
    /// By what the router maps ports: `PCP`, `NAT-PMP`, `UPnP` or `none`; `behind another NAT`:
    /// that would be of no use; `not asked`: there is no need, or only the local network is used.
    pub port_mapping: String,
}

impl Default for Nat {
    fn default() -> Self {
        let unknown = || "unknown".to_owned();
        Self { mapping: unknown(), filtering: unknown(), port_mapping: unknown() }
    }
}

/// How many nodes of each DHT are linked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Dht {
    /// The project's own.
    pub own: u32,
    /// The public one.
    pub public: u32,
}

/// What the network may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// Nothing: no socket is opened.
    Offline,
    /// Private, link-local and loopback addresses.
    LanOnly,
    /// Everything.
    #[default]
    Everywhere,
}

/// Why something did not work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind, for programs.
    pub kind: FailureKind,
    /// A sentence for people: what happened, whether it is dangerous, what to do.
    pub text: String,
}

/// The kinds of failures; stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The profile is not open yet.
    NotReady,
    /// A name, text or number is out of bounds.
    InvalidInput,
    /// The text is over [`crate::text::MAX_TEXT_BYTES`].
    TextTooLong,
    /// Not an invite, or with characters lost or changed.
    InviteMalformed,
    /// The invite's checksum does not hold: a character was mistyped.
    InviteChecksum,
    /// Made by a version of the future.
    InviteVersion,
    /// Its time is over.
    InviteExpired,
    /// Somebody used it already.
    InviteUsed,
    /// One's own.
    InviteOwn,
    /// Its issuer is a contact already.
    InviteKnown,
    /// Too many invites are open.
    InviteLimit,
    /// No such contact.
    UnknownContact,
    /// No such conversation.
    UnknownConversation,
    /// No such entry.
    UnknownEntry,
    /// Not one's own entry.
    NotAuthor,
    /// Another instance has the profile open.
    ProfileInUse,
    /// The passphrase is wrong.
    WrongPassphrase,
    /// The profile was written by a newer version.
    ProfileTooNew,
    /// The database, or a file beside it, is damaged.
    ProfileDamaged,
    /// The directory cannot be read or written.
    ProfileUnreadable,
    /// The disk is full.
    DiskFull,
    /// Reading or writing failed otherwise.
    Storage,
    /// This entry offers no file, or no longer.
    NoFile,
    /// The file has changed or vanished where it was, here or at the other side.
    FileGone,
    /// A path cannot be read or written, or is none of a file or folder.
    FileUnreadable,
    /// The file is over a limit, or there is no room for it.
    FileTooLarge,
    /// An address to listen on or to link to cannot be used.
    Address,
    /// A defect in the program.
    Internal,
}
