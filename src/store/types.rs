//! What the store is asked for and answers with, beyond the types of the layers below.

use crate::{
    conversation::{ConversationId, Entry, EntryId},
    identity::{Certificate, DeviceKey, Identity, IdentityKey, Invite},
    node::api::{EntryState, EntryView, UnixMillis},
    sync::Message,
};

/// What a directory holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// No profile yet.
    Fresh,
    /// A profile that a passphrase opens.
    Locked,
    /// A profile whose key lies beside it.
    Unlocked,
}

/// Oneself. Holds secrets: wiped when dropped, never printed.
pub struct Profile {
    /// The person's key.
    pub identity_key: IdentityKey,
    /// This installation's key.
    pub device_key: DeviceKey,
    /// That the device is the person's.
    pub certificate: Certificate,
    /// The own name, as contacts see it.
    pub name: String,
    /// Whether a passphrase protects the profile.
    pub has_passphrase: bool,
}

/// An identity that this one accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Who.
    pub identity: Identity,
    /// Their device.
    pub certificate: Certificate,
    /// The name to show: `own_name`, else `their_name`, else the first 8 digits of the identity.
    pub name: String,
    /// What they are called here.
    pub own_name: Option<String>,
    /// What they call themselves, sanitised.
    pub their_name: Option<String>,
    /// Whether the safety number was compared.
    pub verified: bool,
    /// When a session with them last stood; none: never.
    pub last_seen: Option<UnixMillis>,
    /// Where they were last linked to: multiaddresses, the newest first, at most
    /// [`MAX_ADDRESSES`](super::MAX_ADDRESSES).
    pub addresses: Vec<String>,
    /// Files of theirs of so many bytes and less are fetched unasked; none: as of everybody.
    pub unasked: Option<u64>,
    /// The direct conversation with them.
    pub conversation: ConversationId,
}

/// An invite, issued or accepted.
#[derive(Debug, Clone)]
pub struct Invitation {
    /// Names it in this profile.
    pub number: i64,
    /// Whose it is.
    pub direction: Direction,
    /// The invite itself.
    pub invite: Invite,
    /// The issuer's certificate, once it was seen ([`Direction::Accepted`] only).
    pub certificate: Option<Certificate>,
    /// How often it can still be used.
    pub uses_left: u32,
    /// Whether it can still become a contact.
    pub state: InviteState,
}

/// Whose an invite is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Issued by oneself.
    Issued,
    /// Issued by another and accepted here.
    Accepted,
}

/// Whether an invite can still become a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InviteState {
    /// It can.
    Open,
    /// It was used as often as it may be.
    Used,
    /// Its time is over.
    Expired,
    /// It was withdrawn here.
    Revoked,
    /// Its issuer refused it.
    Failed,
}

/// An own entry that is on the disk.
#[derive(Debug, Clone)]
pub struct WrittenEntry {
    /// The entry, with its bytes.
    pub entry: Entry,
    /// The new item, if it is one of its own.
    pub shown: Option<EntryView>,
    /// The item that it changed, if it is an edit, a delete or a reaction.
    pub changed: Option<EntryView>,
}

/// What became of entries from another.
#[derive(Debug, Clone, Default)]
pub struct Received {
    /// Those that entered the log, in that order: for
    /// [`Exchange::accepted`](crate::sync::Exchange::accepted). What each says is taken out.
    pub entries: Vec<Entry>,
    /// New items, in the order shown.
    pub added: Vec<EntryView>,
    /// Items that look different now.
    pub changed: Vec<EntryView>,
    /// Own items that have come further.
    pub states: Vec<(EntryId, EntryState)>,
    /// How many will never enter the log.
    pub refused: u32,
    /// How many wait for others.
    pub early: u32,
    /// A feed forked.
    pub forked: bool,
}

/// What another's leaves say about this log.
#[derive(Debug, Clone, Default)]
pub struct Acknowledged {
    /// Own items that are on the other's disk now.
    pub states: Vec<(EntryId, EntryState)>,
    /// To be sent: a `Locate` for each feed that forked.
    pub locate: Vec<Message>,
}
