//! Why the store did not do what it was asked.

use std::io;

use rusqlite::ErrorCode;

use crate::{
    node::api::{Failure, FailureKind},
    text::MAX_TEXT_BYTES,
};

/// The result of everything that the store is asked.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Why the store did not do what it was asked. Each has its [`FailureKind`] and a sentence for
/// people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the profile's lock.
    #[error("This profile is open in another window or process; use that one, or close it first.")]
    InUse,
    /// The key file does not open with this passphrase.
    #[error("The passphrase is wrong. Nothing was changed; try again.")]
    WrongPassphrase,
    /// The profile has a passphrase, and none was given.
    #[error("This profile is protected by a passphrase; give it to open the profile.")]
    PassphraseNeeded,
    /// There is a profile already, or there is none.
    #[error("{0}")]
    Presence(&'static str),
    /// The database or the key file was written by a newer version.
    #[error(
        "This profile was written by a newer version of entrenous. It is intact; open it with that \
         version."
    )]
    TooNew,
    /// The database or the key file is not what was written.
    #[error("The profile is damaged ({0}). Nothing was changed; restore it from a copy.")]
    Damaged(String),
    /// The system refuses access to the directory or to a file in it.
    #[error("The profile's directory cannot be read and written ({0}); check its permissions.")]
    Unreadable(String),
    /// There is no room.
    #[error("The disk is full: this was not saved. What was saved before is safe; make room.")]
    DiskFull,
    /// Reading or writing failed otherwise.
    #[error("Reading or writing the profile failed ({0}); what was saved before is safe.")]
    Storage(String),
    /// The store was closed, or its thread ended.
    #[error("The profile is closed.")]
    Closed,
    /// A name, text or number is out of bounds.
    #[error("{0}")]
    InvalidInput(&'static str),
    /// A text is over [`MAX_TEXT_BYTES`].
    #[error("The text is longer than {} KiB; shorten it or send it in parts.", MAX_TEXT_BYTES / 1024)]
    TextTooLong,
    /// The invite's time is over.
    #[error("This invite has expired; ask for a new one.")]
    InviteExpired,
    /// The invite was used as often as it may be.
    #[error("This invite was used already; ask for a new one.")]
    InviteUsed,
    /// The invite was withdrawn.
    #[error("This invite was withdrawn; ask for a new one.")]
    InviteRevoked,
    /// The invite is one's own.
    #[error("This is your own invite; give it to the person you want to talk to.")]
    InviteOwn,
    /// The invite's issuer is a contact.
    #[error("Whoever made this invite is one of your contacts already.")]
    InviteKnown,
    /// Too many invites are open.
    #[error("Too many invites are open; withdraw one, or wait until one is used or expires.")]
    InviteLimit,
    /// No invite has this number.
    #[error("There is no such invite.")]
    UnknownInvite,
    /// There is no room for another contact.
    #[error("There is no room for another contact; remove one first.")]
    ContactLimit,
    /// No such contact.
    #[error("There is no such contact.")]
    UnknownContact,
    /// No such conversation, or none that can be written to.
    #[error("There is no such conversation.")]
    UnknownConversation,
    /// Its other member is no contact any more.
    #[error("Whoever this conversation was with is no contact any more; it can only be read.")]
    ReadOnly,
    /// No such entry.
    #[error("There is no such message in this conversation.")]
    UnknownEntry,
    /// The entry offers no file, or was deleted.
    #[error("There is no file in this message, or no longer.")]
    NoFile,
    /// Somebody else's entry.
    #[error("Only whoever wrote a message can change or delete it.")]
    NotAuthor,
}

impl StoreError {
    /// Its kind, for programs.
    pub fn kind(&self) -> FailureKind {
        use FailureKind as Kind;
        match self {
            Self::InUse => Kind::ProfileInUse,
            Self::WrongPassphrase => Kind::WrongPassphrase,
            Self::PassphraseNeeded | Self::Presence(_) | Self::Closed => Kind::NotReady,
            Self::TooNew => Kind::ProfileTooNew,
            Self::Damaged(_) => Kind::ProfileDamaged,
            Self::Unreadable(_) => Kind::ProfileUnreadable,
            Self::DiskFull => Kind::DiskFull,
            Self::Storage(_) => Kind::Storage,
            Self::InvalidInput(_) | Self::UnknownInvite | Self::ContactLimit => Kind::InvalidInput,
            Self::TextTooLong => Kind::TextTooLong,
            Self::InviteExpired => Kind::InviteExpired,
            Self::InviteUsed | Self::InviteRevoked => Kind::InviteUsed,
            Self::InviteOwn => Kind::InviteOwn,
            Self::InviteKnown => Kind::InviteKnown,
            Self::InviteLimit => Kind::InviteLimit,
            Self::UnknownContact => Kind::UnknownContact,
            Self::UnknownConversation | Self::ReadOnly => Kind::UnknownConversation,
            Self::UnknownEntry => Kind::UnknownEntry,
            Self::NoFile => Kind::NoFile,
            Self::NotAuthor => Kind::NotAuthor,
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self { kind: error.kind(), text: error.to_string() }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let code = match &error {
            rusqlite::Error::SqliteFailure(code, _) => code,
            // A column that does not hold what this program writes into it.
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..) => {
                return Self::Damaged("a value makes no sense".to_owned());
            }
            _ => return Self::Storage(error.to_string()),
        };
        match code.code {
            ErrorCode::DiskFull => Self::DiskFull,
            // The shared-memory file beside the log cannot grow.
            ErrorCode::SystemIoFailure
                if code.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE =>
            {
                Self::DiskFull
            }
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
                Self::Damaged("the database".to_owned())
            }
            ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly => {
                Self::Unreadable(error.to_string())
            }
            _ => Self::Storage(error.to_string()),
        }
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::NotFound => Self::Unreadable(error.to_string()),
            _ => Self::Storage(error.to_string()),
        }
    }
}
