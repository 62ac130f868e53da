//! How two who know each other leave word in a DHT where they are: a sealed [`Record`] of fixed
//! size, as an IPNS record ([`ipns`]) under a name that only the two can compute and that changes
//! every hour. Whoever stores it sees a random-looking name, random bytes, and a throwaway PeerId.
//!
//! For each pair there are two names an hour, one for each direction: each writes under its own
//! and reads the other's.

pub mod ipns;
mod record;

use std::fmt;

use chacha20poly1305::{KeyInit, Tag, XChaCha20Poly1305, aead::AeadInOut};
use libp2p::identity::{Keypair, ed25519};
use rand::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

pub use self::record::{MAX_ADDRESSES, Mapping, Record};
use crate::{identity::PairSecret, labels, node::api::UnixMillis};

/// How long a name is in use. Shorter would let fewer records be linked, and cost more of them.
pub const EPOCH_SECONDS: u64 = 3600;

/// The size of a sealed record: `nonce, 24 | encrypted record, 472 | tag, 16`.
pub const SEALED_LEN: usize = 512;
const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;
/// The size of a record before it is sealed.
const RECORD_LEN: usize = SEALED_LEN - NONCE_LEN - TAG_LEN;

/// The number of the hour that a time lies in.
pub fn epoch(now: UnixMillis) -> u64 {
    now / 1000 / EPOCH_SECONDS
}

/// Which of the two writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Side {
    /// The one with the smaller identity; of an invite, its issuer.
    First = 0,
    /// The other.
    Second = 1,
}

impl Side {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

/// The name and the seal of one side's records in one hour.
pub struct Place {
    name: Keypair,
    seal: Zeroizing<[u8; 32]>,
}

impl Place {
    /// Of a pair: `derive_key(RENDEZVOUS_NAME, pair secret ‖ side ‖ epoch)` is the seed of the
    /// Ed25519 key whose name it is, the same under `RENDEZVOUS_SEAL` the key of the seal; side is
    /// a byte, epoch 8, the first the highest.
    pub fn new(secret: &PairSecret, side: Side, epoch: u64) -> Self {
        let derive = |label| {
            let mut hasher = blake3::Hasher::new_derive_key(label);
            hasher.update(secret.as_bytes()).update(&[side as u8]).update(&epoch.to_be_bytes());
            let key = Zeroizing::new(<[u8; 32]>::from(hasher.finalize()));
            hasher.zeroize();
            key
        };
        let mut seed = derive(labels::RENDEZVOUS_NAME);
        // Any 32 bytes are a seed; those that were read are wiped.
        let secret = ed25519::SecretKey::try_from_bytes(&mut *seed);
        let name = secret.map_or_else(
            |_| Keypair::generate_ed25519(),
            |secret| ed25519::Keypair::from(secret).into(),
        );
        Self { name, seal: derive(labels::RENDEZVOUS_SEAL) }
    }

    /// The key in the DHT.
    pub fn key(&self) -> Vec<u8> {
        ipns::key(&self.name.public().to_peer_id())
    }

    /// The bytes to store there.
    ///
    /// # Errors
    ///
    /// [`Unusable`] if the record does not fit; one within its bounds does.
    pub fn write(
        &self,
        record: &Record,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, Unusable> {
        let sealed = self.seal(record, rng)?;
        ipns::write(&self.name, &sealed, record.time)
    }

    /// Reads what was found there. It is the other's: nobody else can make it.
    ///
    /// # Errors
    ///
    /// [`Unusable`], whatever is wrong.
    pub fn read(&self, value: &[u8]) -> Result<Record, Unusable> {
        let found = ipns::read(&self.key(), value)?;
        let record = self.open(&found.payload)?;
        // What stands outside decides which record a DHT keeps, so it must be the same inside.
        if record.time == found.sequence { Ok(record) } else { Err(Unusable) }
    }

    fn seal(
        &self,
        record: &Record,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, Unusable> {
        let mut nonce = [0; NONCE_LEN];
        rng.fill_bytes(&mut nonce);
        let mut bytes = record.encode();
        if bytes.len() > RECORD_LEN {
            return Err(Unusable);
        }
        bytes.resize(RECORD_LEN, 0);
        let tag = self
            .cipher()
            .encrypt_inout_detached(&nonce.into(), &[], bytes.as_mut_slice().into())
            .map_err(|_| Unusable)?;
        Ok([&nonce[..], &bytes, &tag].concat())
    }

    fn open(&self, sealed: &[u8]) -> Result<Record, Unusable> {
        let sealed: &[u8; SEALED_LEN] = sealed.try_into().map_err(|_| Unusable)?;
        let (nonce, rest) = sealed.split_at(NONCE_LEN);
        let (bytes, tag) = rest.split_at(RECORD_LEN);
        let nonce = <[u8; NONCE_LEN]>::try_from(nonce).map_err(|_| Unusable)?;
        let tag = Tag::try_from(tag).map_err(|_| Unusable)?;
        let mut bytes = bytes.to_vec();
        self.cipher()
            .decrypt_inout_detached(&nonce.into(), &[], bytes.as_mut_slice().into(), &tag)
            .map_err(|_| Unusable)?;
        Record::decode(&bytes)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&(*self.seal).into())
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place(…)")
    }
}

/// A record that is forged, damaged, of another version, or out of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the record cannot be used")]
pub struct Unusable;

#[cfg(test)]
mod tests;
