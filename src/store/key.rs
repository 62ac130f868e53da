//! The database key and the file that holds it.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit as _,
    aead::{Aead as _, Payload},
};
use rand::CryptoRng;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::{Zeroize as _, ZeroizeOnDrop, Zeroizing};

use super::{Result, StoreError};
use crate::labels;

/// The key of the database: 32 random bytes, never derived from anything. Wiped when dropped,
/// never printed.
#[derive(ZeroizeOnDrop)]
pub(super) struct DatabaseKey([u8; 32]);

impl DatabaseKey {
    pub(super) fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut key = [0; 32];
        rng.fill_bytes(&mut key);
        Self(key)
    }

    /// For tests that look into the file: leaves the database in clear.
    #[cfg(test)]
    pub(super) const NONE: Self = Self([0; 32]);

    /// The statement that gives SQLCipher the raw key (so that it derives none itself), in a
    /// buffer that is wiped. SQLite's own copy of the statement is beyond reach from here: it
    /// lives until the statement is finalised.
    pub(super) fn pragma(&self) -> Zeroizing<String> {
        #[cfg(test)]
        if self.0 == Self::NONE.0 {
            return Zeroizing::new(String::new());
        }
        // As long as the whole statement, so that no shorter copy is left behind.
        let mut sql = Zeroizing::new(String::with_capacity(96));
        sql.push_str("PRAGMA key = \"x'");
        for byte in self.0 {
            for digit in [byte >> 4, byte & 15] {
                sql.push(char::from(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }));
            }
        }
        sql.push_str("'\"");
        sql
    }
}

const MAGIC: &[u8; 13] = b"entrenous key";
const VERSION: u8 = 1;
const PLAIN: u8 = 0;
const PASSPHRASE: u8 = 1;
const START: usize = MAGIC.len() + 2;
const SALT: usize = 16;
const NONCE: usize = 12;
const SEALED: usize = 32 + 16;
/// Before the sealed key.
const SEALED_START: usize = START + 12 + SALT + NONCE;
/// Bytes of the hash at the end that tells a damaged file from a wrong passphrase.
const CHECK: usize = 16;

/// What deriving the wrapping key costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// The second recommendation of RFC 9106, section 4 (64 MiB, 3 passes), in one lane, since
    /// one thread does the work: about 0.15 s.
    pub(super) const DEFAULT: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 1 };
    /// For tests, which derive many.
    #[cfg(test)]
    pub(super) const LEAST: Self = Self { memory_kib: 8, passes: 1, lanes: 1 };
    /// What a key file may ask for: a changed file must not take all memory, or for ever.
    const MOST: Self = Self { memory_kib: 1024 * 1024, passes: 16, lanes: 16 };

    fn is_bounded(self) -> bool {
        self.memory_kib <= Self::MOST.memory_kib
            && self.passes <= Self::MOST.passes
            && self.lanes <= Self::MOST.lanes
    }
}

/// A key file's content.
///
/// ```text
/// 0                 13        14     15
/// | "entrenous key" | version | kind | kind's | check 16 |
///
/// kind 0, plain:      | key 32 |
/// kind 1, passphrase: | memory KiB 4 | passes 4 | lanes 4 | salt 16 | nonce 12 | sealed key 48 |
/// ```
///
/// Numbers are big-endian. `check` is the beginning of the BLAKE3 hash of everything before it.
/// The sealed key is ChaCha20-Poly1305 under `derive_key(DATABASE_WRAP, Argon2id(passphrase))`,
/// everything before it being authenticated too.
pub(super) enum Sealed {
    Plain(DatabaseKey),
    Passphrase { cost: Cost, head: [u8; SEALED_START], sealed: [u8; SEALED] },
}

impl Sealed {
    /// Reads a key file.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let damaged = || StoreError::Damaged("its key file".to_owned());
        let (content, check) = bytes.split_last_chunk::<CHECK>().ok_or_else(damaged)?;
        if content.len() < START || !content.starts_with(MAGIC) {
            return Err(damaged());
        }
        if checksum(content) != *check {
            return Err(damaged());
        }
        if content[START - 2] != VERSION {
            return Err(StoreError::TooNew);
        }
        match content[START - 1] {
            PLAIN => {
                let key = content[START..].try_into().map_err(|_| damaged())?;
                Ok(Self::Plain(DatabaseKey(key)))
            }
            PASSPHRASE => {
                let (head, sealed) =
                    content.split_first_chunk::<SEALED_START>().ok_or_else(damaged)?;
                let sealed = sealed.try_into().map_err(|_| damaged())?;
                let number = |index: usize| {
                    let at = START + 4 * index;
                    u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]])
                };
                let cost = Cost { memory_kib: number(0), passes: number(1), lanes: number(2) };
                if !cost.is_bounded() {
                    return Err(damaged());
                }
                Ok(Self::Passphrase { cost, head: *head, sealed })
            }
            _ => Err(StoreError::TooNew),
        }
    }

    pub(super) fn has_passphrase(&self) -> bool {
        matches!(self, Self::Passphrase { .. })
    }

    /// The key.
    pub(super) fn open(self, passphrase: Option<&str>) -> Result<DatabaseKey> {
        match self {
            Self::Plain(key) => Ok(key),
            Self::Passphrase { cost, head, sealed } => {
                let passphrase = passphrase.ok_or(StoreError::PassphraseNeeded)?;
                let salt = &head[START + 12..START + 12 + SALT];
                let nonce: [u8; NONCE] = head[SEALED_START - NONCE..]
                    .try_into()
                    .map_err(|_| StoreError::Damaged("its key file".to_owned()))?;
                let wrap = wrapping_key(passphrase, salt, cost)?;
                let payload = Payload { msg: &sealed, aad: &head };
                let opened = ChaCha20Poly1305::new((&*wrap).into())
                    .decrypt(&nonce.into(), payload)
                    .map_err(|_| StoreError::WrongPassphrase)?;
                let opened = Zeroizing::new(opened);
                let key = opened.as_slice().try_into();
                Ok(DatabaseKey(key.map_err(|_| StoreError::WrongPassphrase)?))
            }
        }
    }

    /// A key file for a key.
    pub(super) fn encode(
        key: &DatabaseKey,
        passphrase: Option<&str>,
        cost: Cost,
        rng: &mut impl CryptoRng,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let mut file = Zeroizing::new(Vec::with_capacity(256));
        file.extend_from_slice(MAGIC);
        file.push(VERSION);
        if let Some(passphrase) = passphrase {
            let mut salt = [0; SALT];
            rng.fill_bytes(&mut salt);
            let mut nonce = [0; NONCE];
            rng.fill_bytes(&mut nonce);
            file.push(PASSPHRASE);
            for number in [cost.memory_kib, cost.passes, cost.lanes] {
                file.extend_from_slice(&number.to_be_bytes());
            }
            file.extend_from_slice(&salt);
            file.extend_from_slice(&nonce);
            let wrap = wrapping_key(passphrase, &salt, cost)?;
            let sealed = ChaCha20Poly1305::new((&*wrap).into())
                .encrypt(&nonce.into(), Payload { msg: &key.0, aad: &file })
                .map_err(|_| StoreError::Storage("sealing the key".to_owned()))?;
            file.extend_from_slice(&sealed);
        } else {
            file.push(PLAIN);
            file.extend_from_slice(&key.0);
        }
        let check = checksum(&file);
        file.extend_from_slice(&check);
        Ok(file)
    }
}

fn checksum(content: &[u8]) -> [u8; CHECK] {
    let mut check = [0; CHECK];
    check.copy_from_slice(&blake3::hash(content).as_bytes()[..CHECK]);
    check
}

/// `derive_key(DATABASE_WRAP, Argon2id(NFC(passphrase), salt))`. NFC, so that the same passphrase
/// is the same on every keyboard (RFC 8265, section 4.2).
fn wrapping_key(passphrase: &str, salt: &[u8], cost: Cost) -> Result<Zeroizing<[u8; 32]>> {
    let failed = |_| StoreError::Storage("deriving the key".to_owned());
    let mut normal = Zeroizing::new(String::with_capacity(passphrase.len() * 3));
    normal.extend(passphrase.nfc());
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(failed)?;
    let mut hash = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(normal.as_bytes(), salt, &mut *hash)
        .map_err(failed)?;
    let wrap = Zeroizing::new(blake3::derive_key(labels::DATABASE_WRAP, &*hash));
    hash.zeroize();
    Ok(wrap)
}
