//! The key of a blob.

use std::{fmt, io};

use aws_lc_rs::{
    cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey},
    iv::FixedLength,
};
use rand::Rng;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{GROUP, ReadAt};

/// The random key of one blob: AES-256 in counter mode (NIST SP 800-38A, section 6.5). Encryption
/// and decryption are the same.
///
/// ```text
/// counter block of the 16 bytes at offset o = o / 16, 16 bytes, big-endian
/// ```
///
/// Of what this processor has instructions for, AES is three times as fast as ChaCha20 (6.9 and
/// 2.2 GB/s), and where it has none, the library's still takes the same time whatever the key.
/// Wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Key([u8; 32]);

impl Key {
    /// A new one.
    pub fn generate(rng: &mut impl Rng) -> Self {
        let mut key = Self([0; 32]);
        rng.fill_bytes(&mut key.0);
        key
    }

    /// From its bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Encrypts or decrypts the bytes that stand at this offset, a multiple of 16.
    ///
    /// # Errors
    /// The library's; it has none for this use.
    pub fn apply(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        debug_assert!(offset.is_multiple_of(16));
        let failed = |_| io::Error::other("AES");
        let counter = u128::from(offset / 16).to_be_bytes();
        let key = UnboundCipherKey::new(&AES_256, &self.0).and_then(EncryptingKey::ctr);
        let context = EncryptionContext::Iv128(FixedLength::from(counter));
        key.and_then(|key| key.less_safe_encrypt(bytes, context)).map_err(failed)?;
        Ok(())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// Plain bytes, read as ciphertext.
pub struct Ciphertext<'k, D> {
    /// The plain bytes.
    pub plain: D,
    /// Their key.
    pub key: &'k Key,
}

impl<D: ReadAt> ReadAt for Ciphertext<'_, D> {
    /// Reads whole groups, or what is left of the last one: reading on from there finds the end.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        if !offset.is_multiple_of(GROUP) {
            return Ok(0);
        }
        let mut read = 0;
        while read < bytes.len() {
            match self.plain.read_at(offset + read as u64, &mut bytes[read..]) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.key.apply(offset, &mut bytes[..read])?;
        Ok(read)
    }
}
