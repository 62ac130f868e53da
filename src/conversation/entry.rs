//! One item of a conversation's log: its names, its header, and what is checked of it alone.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Body, Header, Kind, MarkKey, WireEntry};
use crate::{
    identity::{self, Identity},
    labels,
};

/// Declares a 32-byte identifier that is shown, and serialised, as 64 hex digits.
macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $wrong:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub [u8; 32]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), hex::encode(&self.0[..4]))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                let mut bytes = [0; 32];
                hex::decode_to_slice(&text, &mut bytes).map_err(|_| de::Error::custom($wrong))?;
                Ok(Self(bytes))
            }
        }
    };
}

hex_id! {
    /// Names a conversation. A direct one's is derived from its two identities
    /// ([`crate::labels::DIRECT_CONVERSATION`]), so both know it as soon as they are contacts.
    ConversationId, "a conversation is 64 hex digits"
}

hex_id! {
    /// Names an entry: the BLAKE3 hash of its header's bytes, the header in turn holding the
    /// hash of the body. So a deleted body can be pruned and the chain of hashes still stands.
    EntryId, "an entry is 64 hex digits"
}

impl ConversationId {
    /// The direct conversation of two people, the same whoever asks.
    pub fn direct(one: &Identity, other: &Identity) -> Self {
        Self(identity::direct_conversation(one, other))
    }
}

/// Names a feed within a conversation: one device of one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FeedId {
    /// Whose.
    pub author: Identity,
    /// The number of their device.
    pub device: u32,
}

/// Why bytes are not an entry. Says nothing of its place in the log: see
/// [`Refusal`](super::Refusal).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Longer than [`MAX_HEADER_BYTES`](super::MAX_HEADER_BYTES) or
    /// [`Kind::max_body_bytes`].
    #[error("the entry is too large")]
    TooLarge,
    /// Not the CBOR that the protocol asks for: wrong type or length, fields missing, repeated
    /// or out of order, indefinite lengths, bytes left over.
    #[error("the entry is not encoded as it must be")]
    Encoding,
    /// A number is out of its bounds: `seq` (1 to 2⁴⁸ − 1), `time` (below 2⁴⁸), device, kind.
    #[error("a number in the entry is out of bounds")]
    Number,
    /// More than [`MAX_DEPS`](super::MAX_DEPS) dependencies.
    #[error("the entry names too many others")]
    TooManyDeps,
    /// Number 1 with a previous entry, or a later one without.
    #[error("the entry's number and its previous entry contradict each other")]
    Previous,
    /// A kind that needs a target has none.
    #[error("the entry lacks its target")]
    Target,
    /// The body is not the one that the header names.
    #[error("the entry's body is not the one its header names")]
    BodyHash,
    /// The text is over [`MAX_TEXT_BYTES`](crate::text::MAX_TEXT_BYTES), or the emoji over
    /// [`MAX_EMOJI_BYTES`](crate::text::MAX_EMOJI_BYTES).
    #[error("the text is too long")]
    TooLong,
}

/// An entry: what its bytes say, checked, and the bytes themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The hash of the header's bytes.
    pub id: EntryId,
    /// What the header says.
    pub header: Header,
    /// What the body says; none once it is pruned. Text in it is sanitised.
    pub body: Option<Body>,
    /// The bytes, exactly as the author encoded them.
    pub wire: WireEntry,
}

impl Entry {
    /// Reads an entry and checks everything that can be checked without the log.
    ///
    /// # Errors
    /// [`Malformed`] says what is wrong with it.
    pub fn decode(wire: WireEntry) -> Result<Self, Malformed> {
        let header = Header::decode(&wire.header)?;
        let body = match &wire.body {
            None => None,
            Some(bytes) => {
                if bytes.len() > header.kind.max_body_bytes() {
                    return Err(Malformed::TooLarge);
                }
                if Body::hash(bytes) != header.body_hash {
                    return Err(Malformed::BodyHash);
                }
                Some(Body::decode(header.kind, header.target, bytes)?)
            }
        };
        Ok(Self { id: EntryId::of(&wire.header), header, body, wire })
    }

    /// Whether this device wrote it: its mark holds under the device's key.
    pub fn is_marked(&self, key: &MarkKey) -> bool {
        key.verify(&self.wire.header)
    }

    /// What kind of entry it is.
    pub fn kind(&self) -> Kind {
        self.header.kind
    }
}

impl EntryId {
    /// The name of the entry with this header: `derive_key(ENTRY_ID, header bytes)`.
    pub fn of(header: &[u8]) -> Self {
        Self(blake3::derive_key(labels::ENTRY_ID, header))
    }
}
