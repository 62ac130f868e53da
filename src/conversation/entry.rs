//! One item of a conversation's log, and its bytes.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

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
