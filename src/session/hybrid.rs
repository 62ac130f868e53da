//! The handshake: Noise to the letter, with ML-KEM-768 (FIPS 203) in its payloads.
//!
//! | message | by | payload |
//! |---|---|---|
//! | 1 | initiator | encapsulation key, 1184 bytes |
//! | 2 | responder | ciphertext, 1088 bytes; then, in `XX` and `XXpsk3`, its [`Identification`] |
//! | 3, in `XX` and `XXpsk3` | initiator | its [`Identification`] |
//!
//! The traffic keys come from the Noise keys *and* the ML-KEM secret, so who wants them must break
//! both. There is no other way through these types: what is missing or wrong ends the handshake.

use ml_kem::{
    Decapsulate, Encapsulate, Kem, KeyExport, MlKem768, TryKeyInit,
    ml_kem_768::{DecapsulationKey, EncapsulationKey},
};
use rand::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use super::Closed;
use crate::{
    identity::{Certificate, Identity},
    labels,
    noise::{self, HandshakeState, NoiseError, Pattern, Role, Setup},
};

/// Bytes of an ML-KEM-768 encapsulation key.
pub(super) const ENCAPSULATION_KEY_LEN: usize = 1184;
/// Bytes of an ML-KEM-768 ciphertext.
pub(super) const CIPHERTEXT_LEN: usize = 1088;

/// The version in the prologue.
const VERSION: u8 = 1;

/// Bytes of message 1. In all three patterns the payload comes after one ephemeral key; `XX` alone
/// has no key yet to encrypt it with.
pub(super) fn first_len(pattern: &Pattern) -> usize {
    let tag = if pattern.name == "XX" { 0 } else { noise::TAG_LEN };
    32 + ENCAPSULATION_KEY_LEN + tag
}

/// Bytes of message 2.
pub(super) fn second_len(pattern: &Pattern) -> usize {
    let identified = 32 + noise::TAG_LEN + Identification::LEN;
    32 + CIPHERTEXT_LEN + noise::TAG_LEN + if pattern.messages.len() == 3 { identified } else { 0 }
}

/// Bytes of message 3.
pub(super) const THIRD_LEN: usize = 32 + noise::TAG_LEN + Identification::LEN + noise::TAG_LEN;

/// `label ‖ version ‖ length of the name, 1 byte ‖ pattern's name ‖ PeerIds ‖ context`: the
/// PeerIds as in the hail, the context both of its nonces or, for a renewal, the handshake hash of
/// the keys that are renewed. So a session is bound to its link, and a recorded message to its
/// moment.
pub(super) fn prologue(pattern: &Pattern, peer_ids: &[u8], context: &[u8]) -> Vec<u8> {
    let name = pattern.name.as_bytes();
    let length = [u8::try_from(name.len()).unwrap_or(u8::MAX)];
    [labels::PROLOGUE.as_bytes(), &[VERSION], &length, name, peer_ids, context].concat()
}

/// Who somebody claims to be: the payload of the patterns in which they are not known beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identification {
    pub(super) identity: Identity,
    pub(super) certificate: Certificate,
}

impl Identification {
    /// Bytes of an identification: `A ‖ certificate`.
    pub(super) const LEN: usize = 32 + Certificate::LEN;

    pub(super) fn encode(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..32].copy_from_slice(&self.identity.0);
        bytes[32..].copy_from_slice(&self.certificate.encode());
        bytes
    }

    /// Reads an identification and checks that its identity vouches for the device that the
    /// handshake has authenticated.
    pub(super) fn verify(bytes: &[u8], device: Option<[u8; 32]>) -> Result<Self, Closed> {
        let (identity, certificate) =
            bytes.split_first_chunk().ok_or_else(|| Closed::because("identification"))?;
        let identity = Identity(*identity);
        let certificate =
            Certificate::decode(certificate).map_err(|_| Closed::because("certificate: length"))?;
        if Some(certificate.device_public.0) != device {
            return Err(Closed::because("certificate of another device"));
        }
        certificate.verify(&identity).map_err(|_| Closed::because("certificate: signature"))?;
        Ok(Self { identity, certificate })
    }
}

/// Has sent message 1.
pub(super) struct Initiator {
    noise: HandshakeState,
    decapsulation_key: DecapsulationKey,
}

impl Initiator {
    pub(super) fn start(
        mut setup: Setup<'_>,
        rng: &mut (impl CryptoRng + ?Sized),
        out: &mut Vec<u8>,
    ) -> Result<Self, Closed> {
        setup.role = Role::Initiator;
        let mut noise = HandshakeState::new(setup)?;
        let mut rng = rng;
        let (decapsulation_key, encapsulation_key) = MlKem768::generate_keypair_from_rng(&mut rng);
        noise.write_message(rng, &encapsulation_key.to_bytes(), out)?;
        Ok(Self { noise, decapsulation_key })
    }

    /// Reads message 2; also yields the rest of its payload.
    pub(super) fn read(mut self, message: &[u8]) -> Result<(Mixed, Vec<u8>), Closed> {
        let mut payload = self.noise.read_message(message)?;
        if payload.len() < CIPHERTEXT_LEN {
            return Err(Closed::because("ML-KEM ciphertext missing"));
        }
        let rest = payload.split_off(CIPHERTEXT_LEN);
        let mut shared = self
            .decapsulation_key
            .decapsulate_slice(&payload)
            .map_err(|_| Closed::because("ML-KEM ciphertext"))?;
        let secret = Zeroizing::new(shared.into());
        shared.as_mut_slice().zeroize();
        Ok((Mixed { noise: self.noise, secret }, rest))
    }
}

/// Waits for message 1.
pub(super) struct Responder {
    noise: HandshakeState,
}

impl Responder {
    pub(super) fn new(mut setup: Setup<'_>) -> Result<Self, Closed> {
        setup.role = Role::Responder;
        Ok(Self { noise: HandshakeState::new(setup)? })
    }

    /// Reads message 1 and writes message 2, with `rest` after the ciphertext.
    pub(super) fn answer(
        mut self,
        message: &[u8],
        rest: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
        out: &mut Vec<u8>,
    ) -> Result<Mixed, Closed> {
        let payload = self.noise.read_message(message)?;
        // Checks the length and that all coefficients are reduced (FIPS 203, section 7.2).
        let encapsulation_key = EncapsulationKey::new_from_slice(&payload)
            .map_err(|_| Closed::because("ML-KEM encapsulation key"))?;
        let (ciphertext, mut shared) = encapsulation_key.encapsulate_with_rng(rng);
        let secret = Zeroizing::new(shared.into());
        shared.as_mut_slice().zeroize();
        self.noise.write_message(rng, &[ciphertext.as_slice(), rest].concat(), out)?;
        Ok(Mixed { noise: self.noise, secret })
    }
}

/// Has the ML-KEM secret; in the patterns of three messages, the last is still to come.
pub(super) struct Mixed {
    noise: HandshakeState,
    secret: Zeroizing<[u8; 32]>,
}

impl Mixed {
    /// Writes message 3.
    pub(super) fn write(
        &mut self,
        payload: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
        out: &mut Vec<u8>,
    ) -> Result<(), Closed> {
        Ok(self.noise.write_message(rng, payload, out)?)
    }

    /// Reads message 3.
    pub(super) fn read(&mut self, message: &[u8]) -> Result<Vec<u8>, Closed> {
        Ok(self.noise.read_message(message)?)
    }

    /// The other's device, as far as it has shown itself.
    pub(super) fn remote_static(&self) -> Option<[u8; 32]> {
        self.noise.remote_static()
    }

    /// `derive_key(TRAFFIC_KEYS, h ‖ k1 ‖ k2 ‖ ML-KEM secret)`, extended to 64 bytes: the
    /// initiator's key, then the responder's.
    pub(super) fn finish(self) -> Result<TrafficKeys, Closed> {
        let done = self.noise.finish()?;
        let (Some(k1), Some(k2)) = (done.initiator.key(), done.responder.key()) else {
            return Err(Closed::because("no keys"));
        };
        let mut hasher = blake3::Hasher::new_derive_key(labels::TRAFFIC_KEYS);
        hasher.update(&done.handshake_hash).update(k1).update(k2).update(self.secret.as_ref());
        let mut output = hasher.finalize_xof();
        let mut keys = TrafficKeys {
            initiator: Zeroizing::new([0; 32]),
            responder: Zeroizing::new([0; 32]),
            handshake_hash: done.handshake_hash,
        };
        output.fill(keys.initiator.as_mut());
        output.fill(keys.responder.as_mut());
        hasher.zeroize();
        output.zeroize();
        Ok(keys)
    }
}

/// What a handshake leaves.
pub(super) struct TrafficKeys {
    /// Of what the initiator sends.
    pub(super) initiator: Zeroizing<[u8; 32]>,
    /// Of what the responder sends.
    pub(super) responder: Zeroizing<[u8; 32]>,
    /// Unique to this handshake; no secret.
    pub(super) handshake_hash: [u8; 32],
}

impl From<NoiseError> for Closed {
    fn from(error: NoiseError) -> Self {
        tracing::debug!(%error, "session closed");
        Self
    }
}
