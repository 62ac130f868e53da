//! What did not work, for people and for programs.

use serde::{Deserialize, Serialize};

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
