//! Invites: how somebody who is not known yet finds a person and proves to be expected.

use std::fmt;

use bech32::{Bech32m, Hrp, primitives::decode::CheckedHrpstring};
use rand::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::Identity;
use crate::labels;

/// The human-readable part of every invite.
const HRP: &str = "entrenous";
/// What an invite begins with: human-readable part and separator.
const PREFIX: &str = "entrenous1";
/// The version that this program makes and reads.
const VERSION: u8 = 1;
/// Characters of an invite of version 1: prefix, 54 bytes at 5 bits each, checksum of 6.
///
/// Longer than the 90 that BIP-173 allows for addresses; the code's own limit is 1023. Up to that
/// length it finds any 3 wrong characters (within 90: any 4), and misses one in 2^30 of worse.
const TEXT_LEN: usize = PREFIX.len() + (Invite::LEN * 8).div_ceil(5) + 6;
/// Longest piece of a pasted text that is looked at, in characters: the limit of the code.
const MAX_TEXT_LEN: usize = 1023;
/// Longest paste that is searched for an invite, in bytes. An e-mail with an invite in it passes.
const MAX_PASTE: usize = 64 * 1024;
/// The largest number of 5 bytes: expiry is written in so many.
const MAX_EXPIRY: u64 = (1 << 40) - 1;

/// What an invite proves knowledge of: 16 random bytes. Wiped when dropped, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct InviteSecret([u8; 16]);

impl InviteSecret {
    /// A new one.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut secret = Self([0; 16]);
        rng.fill_bytes(&mut secret.0);
        secret
    }

    /// The secret of these bytes, as stored.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes, to be stored.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The pre-shared key of the invite's handshake: `derive_key(INVITE_PSK, secret)`.
    pub(crate) fn psk(&self) -> zeroize::Zeroizing<[u8; 32]> {
        let mut hasher = blake3::Hasher::new_derive_key(labels::INVITE_PSK);
        hasher.update(&self.0);
        let psk = zeroize::Zeroizing::new(hasher.finalize().into());
        hasher.zeroize();
        psk
    }
}

impl fmt::Debug for InviteSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteSecret(…)")
    }
}

/// A person's word to accept whoever brings it, in time.
#[derive(Debug, Clone)]
pub struct Invite {
    /// Who made it.
    pub identity: Identity,
    /// What its holder proves to know.
    pub secret: InviteSecret,
    /// When it ends, in seconds since 1970-01-01T00:00:00Z; below 2^40.
    pub expires_at: u64,
}

/// Why a text is not a usable invite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InviteError {
    /// Nothing in the text begins like an invite.
    #[error("This is not an invite: an invite begins with entrenous1.")]
    NotAnInvite,
    /// The text is longer than any that is searched.
    #[error("This text is too long: paste the invite alone.")]
    TooMuchText,
    /// There are two different ones in the text.
    #[error("This text contains more than one invite: paste one of them.")]
    Several,
    /// Upper and lower case are mixed.
    #[error("The invite mixes capital and small letters: copy it again.")]
    Case,
    /// A character that no invite contains.
    #[error("The invite contains ‘{0}’, which no invite does: copy it again.")]
    Character(char),
    /// Characters are missing at the end.
    #[error("The invite is incomplete: copy all of it, from entrenous1 to its end.")]
    Truncated,
    /// Something is attached to its end.
    #[error("The invite is too long: something is attached to its end.")]
    TooLong,
    /// Characters were mistyped.
    #[error("The invite has a mistyped or missing character: copy it again.")]
    Checksum,
    /// Made by a later version of the program.
    #[error("The invite was made by a newer entrenous (format {0}): update this one.")]
    Version(u8),
    /// Intact, but what it says makes no sense.
    #[error("The invite is damaged: ask for another one.")]
    Malformed,
    /// Its time is over.
    #[error("The invite has expired: ask for another one.")]
    Expired,
}

impl Invite {
    /// Bytes of an invite before they become text.
    const LEN: usize = 1 + 32 + 16 + 5;

    /// A new invite. An `expires_at` too large to be written is lowered to the largest that can.
    pub fn new(identity: Identity, secret: InviteSecret, expires_at: u64) -> Self {
        Self { identity, secret, expires_at: expires_at.min(MAX_EXPIRY) }
    }

    /// The text: Bech32m (BIP-350) of these bytes under `entrenous`, 103 characters, lower case.
    ///
    /// ```text
    /// 0         1          33       49           54
    /// | version | identity | secret | expires at |
    /// ```
    ///
    /// Expiry is big-endian. A QR code takes it in upper case, which packs it tighter.
    pub fn to_text(&self) -> String {
        let mut bytes = [0; Self::LEN];
        bytes[0] = VERSION;
        bytes[1..33].copy_from_slice(&self.identity.0);
        bytes[33..49].copy_from_slice(&self.secret.0);
        bytes[49..].copy_from_slice(&self.expires_at.min(MAX_EXPIRY).to_be_bytes()[3..]);
        let text = bech32::encode_lower::<Bech32m>(Hrp::parse_unchecked(HRP), &bytes);
        bytes.zeroize();
        #[expect(clippy::expect_used, reason = "the only error is a text over 1023 characters")]
        text.expect("54 bytes fit")
    }

    /// Finds and reads the invite in a pasted text: alone, within a sentence, broken over lines,
    /// in lower or in upper case. Whether it is expired is for [`Self::check_expiry`].
    ///
    /// # Errors
    /// Every [`InviteError`] but [`InviteError::Expired`].
    pub fn parse(text: &str) -> Result<Self, InviteError> {
        if text.len() > MAX_PASTE {
            return Err(InviteError::TooMuchText);
        }
        let lower = text.to_ascii_lowercase();
        let mut starts = lower.match_indices(PREFIX).map(|(start, _)| start);
        let first = starts.next().ok_or(InviteError::NotAnInvite)?;
        let found = Self::parse_at(&text[first..]);
        for other in starts {
            // The same one twice (a link and its text, say) is no ambiguity.
            let same = match (&found, Self::parse_at(&text[other..])) {
                (Ok(one), Ok(two)) => one.to_text() == two.to_text(),
                (Err(one), Err(two)) => *one == two,
                _ => false,
            };
            if !same {
                return Err(InviteError::Several);
            }
        }
        found
    }

    /// Reads the invite that this text begins with.
    fn parse_at(text: &str) -> Result<Self, InviteError> {
        // Up to the first character that is neither letter nor digit: the invite, unless it was
        // broken over lines.
        let run = text.chars().take_while(char::is_ascii_alphanumeric);
        // One more than there may be, so that it is seen to be too long.
        let run: String = run.take(MAX_TEXT_LEN + 1).collect();
        let broken = run.len() < TEXT_LEN;
        if broken {
            let joined: String = text
                .chars()
                .filter(|c| !c.is_ascii_whitespace())
                .take_while(char::is_ascii_alphanumeric)
                .take(TEXT_LEN)
                .collect();
            if joined.len() == TEXT_LEN
                && let Ok(invite) = Self::decode(&joined)
            {
                return Ok(invite);
            }
        }
        match Self::decode(&run) {
            // A text of the right length up to a line break, with a mistake in it.
            Err(InviteError::Checksum) if broken => Err(InviteError::Truncated),
            result => result,
        }
    }

    /// Reads an invite of letters and digits alone.
    fn decode(text: &str) -> Result<Self, InviteError> {
        if text.len() > MAX_TEXT_LEN {
            return Err(InviteError::TooLong);
        }
        let (upper, lower) = (
            text.bytes().any(|b| b.is_ascii_uppercase()),
            text.bytes().any(|b| b.is_ascii_lowercase()),
        );
        if upper && lower {
            return Err(InviteError::Case);
        }
        // BIP-173 leaves these out because they are easily confused with others.
        if let Some(c) = text[PREFIX.len()..]
            .chars()
            .find(|c| matches!(c.to_ascii_lowercase(), '1' | 'b' | 'i' | 'o'))
        {
            return Err(InviteError::Character(c));
        }
        let checked = CheckedHrpstring::new::<Bech32m>(text).map_err(|_| {
            match text.len().cmp(&TEXT_LEN) {
                std::cmp::Ordering::Greater => InviteError::TooLong,
                _ => InviteError::Checksum,
            }
        })?;
        let mut bytes: Vec<u8> = checked.byte_iter().collect();
        let invite = Self::from_bytes(&bytes);
        bytes.zeroize();
        invite
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, InviteError> {
        match bytes.first() {
            Some(&VERSION) => {}
            // Version 0 never was.
            Some(0) | None => return Err(InviteError::Malformed),
            Some(&version) => return Err(InviteError::Version(version)),
        }
        let bytes: &[u8; Self::LEN] = bytes.try_into().map_err(|_| InviteError::Malformed)?;
        let field = |from: usize, to: usize| bytes.get(from..to).unwrap_or_default();
        let mut expires_at = [0; 8];
        expires_at[3..].copy_from_slice(field(49, 54));
        let invite = Self {
            identity: Identity(field(1, 33).try_into().map_err(|_| InviteError::Malformed)?),
            secret: InviteSecret(field(33, 49).try_into().map_err(|_| InviteError::Malformed)?),
            expires_at: u64::from_be_bytes(expires_at),
        };
        invite.identity.check().map_err(|_| InviteError::Malformed)?;
        Ok(invite)
    }

    /// Whether it is still good at `now` (seconds since 1970).
    ///
    /// # Errors
    /// [`InviteError::Expired`] from the second in which it ends.
    pub fn check_expiry(&self, now: u64) -> Result<(), InviteError> {
        if now < self.expires_at { Ok(()) } else { Err(InviteError::Expired) }
    }
}
