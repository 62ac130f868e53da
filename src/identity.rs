//! Who people are: keys, certificates, invites and what is derived from pairs of them.
//!
//! A person is an [`Identity`]: an Ed25519 public key that never changes. It only signs. What
//! takes part in sessions is a [`DeviceKey`], an X25519 key that the identity certifies with a
//! [`Certificate`]. Two devices that know each other's public keys share a [`PairSecret`]; a
//! person who is not known yet is reached through an [`Invite`].

mod device;
mod invite;
mod pair;
mod safety;

use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use rand::CryptoRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::Zeroizing;

pub use device::{Certificate, CertificateError, DeviceKey, DevicePublic, LowOrder};
pub use invite::{Invite, InviteError, InviteSecret};
pub use pair::{PairSecret, direct_conversation};
pub use safety::{safety_code, safety_number};

/// A person: the public half of a long-term Ed25519 key, 32 bytes, shown as 64 hex digits.
///
/// Ordered by its bytes; several protocol decisions are made by that order. A value of this type
/// need not be a usable key (it may have been read from anywhere): [`Identity::check`] says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity(pub [u8; 32]);

/// The bytes are not a usable Ed25519 public key: not a point, not its canonical encoding, or a
/// point of small order, under which anybody could sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid identity")]
pub struct InvalidIdentity;

impl Identity {
    /// Whether this can be a person's key.
    ///
    /// # Errors
    /// [`InvalidIdentity`] if it is not the canonical encoding of a point of large order.
    pub fn check(&self) -> Result<(), InvalidIdentity> {
        self.key().map(|_| ())
    }

    /// Checks a signature by this identity, strictly: RFC 8032 without cofactor, canonical `s`,
    /// neither `A` nor `R` of small order.
    ///
    /// # Errors
    /// [`InvalidIdentity`] whatever is wrong.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), InvalidIdentity> {
        self.key()?
            .verify_strict(message, &Signature::from_bytes(signature))
            .map_err(|_| InvalidIdentity)
    }

    fn key(&self) -> Result<VerifyingKey, InvalidIdentity> {
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| InvalidIdentity)?;
        // Decompression accepts a y ≥ p and a negative zero x; one key must have one name.
        let canonical = key.to_edwards().compress().to_bytes() == self.0;
        if canonical && !key.is_weak() { Ok(key) } else { Err(InvalidIdentity) }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", hex::encode(&self.0[..4]))
    }
}

impl Serialize for Identity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Identity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(&text, &mut bytes)
            .map_err(|_| de::Error::custom("an identity is 64 hex digits"))?;
        Ok(Self(bytes))
    }
}

/// The secret half of an [`Identity`]: an Ed25519 seed (RFC 8032, section 5.1.5), 32 bytes.
/// Wiped when dropped, never printed.
#[derive(Clone)]
pub struct IdentityKey(SigningKey);

impl IdentityKey {
    /// A new person.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        Self::from_bytes(&seed)
    }

    /// The key with this seed.
    pub fn from_bytes(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The seed, to be stored.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The person whose key this is.
    pub fn public(&self) -> Identity {
        Identity(self.0.verifying_key().to_bytes())
    }

    /// Signs (RFC 8032, pure Ed25519). The message must begin with a label of [`crate::labels`].
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentityKey(…)")
    }
}

#[cfg(test)]
mod tests;
