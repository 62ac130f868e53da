//! Section 5.1: a key and a counter.

use std::fmt;

use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit, Nonce, Tag};
use zeroize::Zeroizing;

use super::{LEN, NoiseError};

/// Bytes that encryption adds.
pub const TAG_LEN: usize = 16;

/// The nonce that is reserved for [`CipherState::rekey`] (section 5.1).
const REKEY_NONCE: u64 = u64::MAX;

/// "A `CipherState` object contains `k` and `n` variables, which it uses to encrypt and decrypt
/// ciphertexts." The key is wiped when dropped or replaced.
#[derive(Clone)]
pub struct CipherState {
    k: Option<Zeroizing<[u8; LEN]>>,
    n: u64,
}

impl CipherState {
    /// `InitializeKey(key)`; none is the specification's `empty`.
    pub fn new(key: Option<Zeroizing<[u8; LEN]>>) -> Self {
        Self { k: key, n: 0 }
    }

    /// `HasKey()`.
    pub fn has_key(&self) -> bool {
        self.k.is_some()
    }

    /// `k`, for what is derived from it after a handshake.
    pub(crate) fn key(&self) -> Option<&[u8; LEN]> {
        self.k.as_deref()
    }

    /// `SetNonce(nonce)`.
    pub fn set_nonce(&mut self, nonce: u64) {
        self.n = nonce;
    }

    /// `EncryptWithAd(ad, plaintext)`, the plaintext being `buffer[from..]`; it is encrypted in
    /// place and its tag appended. Without a key, nothing happens.
    ///
    /// # Errors
    /// [`NoiseError::Nonce`], [`NoiseError::Length`] if `from` is beyond the end.
    pub fn encrypt_with_ad(
        &mut self,
        ad: &[u8],
        buffer: &mut Vec<u8>,
        from: usize,
    ) -> Result<(), NoiseError> {
        let Some(k) = &self.k else { return Ok(()) };
        if self.n == REKEY_NONCE {
            return Err(NoiseError::Nonce);
        }
        let plaintext = buffer.get_mut(from..).ok_or(NoiseError::Length)?;
        let tag = cipher(k)
            .encrypt_inout_detached(&nonce(self.n), ad, plaintext.into())
            .map_err(|_| NoiseError::Length)?;
        buffer.extend_from_slice(&tag);
        self.n += 1;
        Ok(())
    }

    /// `DecryptWithAd(ad, ciphertext)`, the ciphertext being all of `buffer`; it is decrypted in
    /// place and its tag cut off. Without a key, nothing happens. The tag is checked first: with
    /// an error, neither the buffer nor the state has changed ("If an authentication failure
    /// occurs … `n` is not incremented").
    ///
    /// # Errors
    /// [`NoiseError::Decrypt`], [`NoiseError::Nonce`], [`NoiseError::Length`] for less than a tag.
    pub fn decrypt_with_ad(&mut self, ad: &[u8], buffer: &mut Vec<u8>) -> Result<(), NoiseError> {
        let Some(k) = &self.k else { return Ok(()) };
        if self.n == REKEY_NONCE {
            return Err(NoiseError::Nonce);
        }
        let (ciphertext, tag) = buffer.split_last_chunk_mut().ok_or(NoiseError::Length)?;
        let length = ciphertext.len();
        cipher(k)
            .decrypt_inout_detached(&nonce(self.n), ad, ciphertext.into(), &Tag::from(*tag))
            .map_err(|_| NoiseError::Decrypt)?;
        buffer.truncate(length);
        self.n += 1;
        Ok(())
    }

    /// `Rekey()`: "Sets `k = REKEY(k)`", the first 32 bytes of encrypting 32 zeros under the
    /// nonce 2^64 − 1 (section 4.2). `n` stays. Without a key, nothing happens.
    ///
    /// # Errors
    /// None in practice: 32 bytes can always be encrypted.
    pub fn rekey(&mut self) -> Result<(), NoiseError> {
        let Some(k) = &self.k else { return Ok(()) };
        let mut next = Zeroizing::new([0; LEN]);
        cipher(k)
            .encrypt_inout_detached(&nonce(REKEY_NONCE), &[], next.as_mut_slice().into())
            .map_err(|_| NoiseError::Length)?;
        self.k = Some(next);
        Ok(())
    }

    /// Whether key and nonce are equal; for tests.
    #[cfg(test)]
    pub(super) fn same(&self, other: &Self) -> bool {
        self.n == other.n && self.key() == other.key()
    }
}

impl fmt::Debug for CipherState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CipherState").field("n", &self.n).finish_non_exhaustive()
    }
}

fn cipher(key: &[u8; LEN]) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(key.into())
}

/// "The 96-bit nonce is formed by encoding 32 bits of zeros followed by little-endian encoding
/// of `n`." (section 12.3)
fn nonce(n: u64) -> Nonce {
    let mut nonce = Nonce::default();
    nonce[4..].copy_from_slice(&n.to_le_bytes());
    nonce
}
