//! What two identities share.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{DeviceKey, DevicePublic, Identity, InviteSecret, LowOrder};
use crate::labels;

/// The secret that two devices share, or that stands in for it while an invite is open: 32 bytes.
/// The keys of hails come from it, each under its own label. Wiped when dropped, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PairSecret([u8; 32]);

impl PairSecret {
    /// Of two devices: `derive_key(PAIR_SECRET, X25519(S, S') ‖ smaller A ‖ larger A)`.
    ///
    /// # Errors
    /// [`LowOrder`] if the Diffie-Hellman result is all zeros.
    pub fn of_devices(
        own: (&Identity, &DeviceKey),
        their: (&Identity, &DevicePublic),
    ) -> Result<Self, LowOrder> {
        let shared = own.1.diffie_hellman(their.1)?;
        let (smaller, larger) = sorted(own.0, their.0);
        let mut hasher = blake3::Hasher::new_derive_key(labels::PAIR_SECRET);
        hasher.update(shared.as_ref()).update(&smaller.0).update(&larger.0);
        let secret = Self(hasher.finalize().into());
        hasher.zeroize();
        Ok(secret)
    }

    /// The stand-in of an open invite: `derive_key(INVITE_PAIR_SECRET, secret ‖ A)`, `A` being
    /// the issuer.
    pub fn of_invite(secret: &InviteSecret, issuer: &Identity) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(labels::INVITE_PAIR_SECRET);
        hasher.update(secret.as_bytes()).update(&issuer.0);
        let secret = Self(hasher.finalize().into());
        hasher.zeroize();
        secret
    }

    /// The secret of these bytes, as stored.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, to be stored or to derive from.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for PairSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairSecret(…)")
    }
}

/// The bytes of the identifier of the direct conversation of two identities, the same from both
/// sides: `derive_key(DIRECT_CONVERSATION, smaller A ‖ larger A)`.
pub fn direct_conversation(one: &Identity, other: &Identity) -> [u8; 32] {
    let (smaller, larger) = sorted(one, other);
    let mut hasher = blake3::Hasher::new_derive_key(labels::DIRECT_CONVERSATION);
    hasher.update(&smaller.0).update(&larger.0);
    hasher.finalize().into()
}

/// A pair in the order of its bytes.
pub(super) fn sorted<'a>(one: &'a Identity, other: &'a Identity) -> (&'a Identity, &'a Identity) {
    if one <= other { (one, other) } else { (other, one) }
}
