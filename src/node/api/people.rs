//! Oneself, invites and contacts, and how these are reached.

use serde::{Deserialize, Serialize};

use super::{InviteText, UnixMillis};
use crate::identity::Identity;

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
    /// For [`Command::RevokeInvite`](super::Command::RevokeInvite).
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
