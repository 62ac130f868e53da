//! Conversations, their entries and their files, as a person sees them.

use serde::{Deserialize, Serialize};

use super::UnixMillis;
use crate::{
    conversation::{ConversationId, EntryId},
    identity::Identity,
    picture::Preview,
    voice::Voice,
};

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
