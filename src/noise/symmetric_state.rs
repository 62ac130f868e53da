//! Section 5.2: a chaining key and the hash of all that was said.

use std::fmt;

use blake2::{Blake2s256, Digest};
use hmac::{KeyInit, Mac, SimpleHmac};
use zeroize::Zeroizing;

use super::{CipherState, LEN, NoiseError};

/// "A `SymmetricState` object contains a `CipherState` plus `ck` and `h` variables." Wiped when
/// dropped.
#[derive(Clone)]
pub struct SymmetricState {
    pub(super) cipher: CipherState,
    ck: Zeroizing<[u8; LEN]>,
    h: [u8; LEN],
}

impl SymmetricState {
    /// `InitializeSymmetric(protocol_name)`: "If `protocol_name` is less than or equal to
    /// `HASHLEN` bytes in length, sets `h` equal to `protocol_name` with zero bytes appended …
    /// Otherwise sets `h = HASH(protocol_name)`. Sets `ck = h`."
    pub fn new(protocol_name: &[u8]) -> Self {
        let mut h = [0; LEN];
        match h.get_mut(..protocol_name.len()) {
            Some(start) => start.copy_from_slice(protocol_name),
            None => h = hash(&[protocol_name]),
        }
        Self { cipher: CipherState::new(None), ck: Zeroizing::new(h), h }
    }

    /// `MixKey(input_key_material)`.
    pub fn mix_key(&mut self, input_key_material: &[u8]) {
        let [ck, temp_k, _] = hkdf(&self.ck, input_key_material);
        self.ck = ck;
        self.cipher = CipherState::new(Some(temp_k));
    }

    /// `MixHash(data)`.
    pub fn mix_hash(&mut self, data: &[u8]) {
        self.h = hash(&[&self.h, data]);
    }

    /// `MixKeyAndHash(input_key_material)`.
    pub fn mix_key_and_hash(&mut self, input_key_material: &[u8]) {
        let [ck, temp_h, temp_k] = hkdf(&self.ck, input_key_material);
        self.ck = ck;
        self.mix_hash(temp_h.as_ref());
        self.cipher = CipherState::new(Some(temp_k));
    }

    /// `GetHandshakeHash()`.
    pub fn handshake_hash(&self) -> [u8; LEN] {
        self.h
    }

    /// `EncryptAndHash(plaintext)`, the plaintext being `buffer[from..]`, in place.
    ///
    /// # Errors
    /// Those of [`CipherState::encrypt_with_ad`].
    pub fn encrypt_and_hash(
        &mut self,
        buffer: &mut Vec<u8>,
        from: usize,
    ) -> Result<(), NoiseError> {
        self.cipher.encrypt_with_ad(&self.h, buffer, from)?;
        self.mix_hash(buffer.get(from..).ok_or(NoiseError::Length)?);
        Ok(())
    }

    /// `DecryptAndHash(ciphertext)`.
    ///
    /// # Errors
    /// Those of [`CipherState::decrypt_with_ad`].
    pub fn decrypt_and_hash(&mut self, ciphertext: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let mut buffer = ciphertext.to_vec();
        self.cipher.decrypt_with_ad(&self.h, &mut buffer)?;
        self.mix_hash(ciphertext);
        Ok(buffer)
    }

    /// `Split()`: the cipher of the initiator's messages, then that of the responder's.
    pub fn split(&self) -> (CipherState, CipherState) {
        let [temp_k1, temp_k2, _] = hkdf(&self.ck, &[]);
        (CipherState::new(Some(temp_k1)), CipherState::new(Some(temp_k2)))
    }

    /// Whether all of it is equal; for tests.
    #[cfg(test)]
    pub(super) fn same(&self, other: &Self) -> bool {
        self.cipher.same(&other.cipher) && self.ck == other.ck && self.h == other.h
    }
}

impl fmt::Debug for SymmetricState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SymmetricState").finish_non_exhaustive()
    }
}

fn hash(parts: &[&[u8]]) -> [u8; LEN] {
    let mut hasher = Blake2s256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

fn hmac_hash(key: &[u8; LEN], parts: &[&[u8]]) -> Zeroizing<[u8; LEN]> {
    // A key shorter than the block (64 bytes) is filled up with zeros (RFC 2104).
    let mut block = Zeroizing::new([0; 64]);
    block[..LEN].copy_from_slice(key);
    let mut mac = SimpleHmac::<Blake2s256>::new((&*block).into());
    for part in parts {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// `HKDF(chaining_key, input_key_material, 3)` (section 4.3). The first two outputs are those of
/// `HKDF(…, 2)`.
fn hkdf(chaining_key: &[u8; LEN], input_key_material: &[u8]) -> [Zeroizing<[u8; LEN]>; 3] {
    let temp_key = hmac_hash(chaining_key, &[input_key_material]);
    let output1 = hmac_hash(&temp_key, &[&[1]]);
    let output2 = hmac_hash(&temp_key, &[output1.as_ref(), &[2]]);
    let output3 = hmac_hash(&temp_key, &[output2.as_ref(), &[3]]);
    [output1, output2, output3]
}
