//! Frames: what an established session puts on the wire.
//!
//! ```text
//! 0        2                                             length + 2
//! | length | encrypted: content | zeros | content length, 2 | kind, 1 | tag, 16 |
//! ```
//!
//! `length` is that of everything after it. The padding makes the whole frame one of few sizes.

use zeroize::Zeroizing;

use super::Closed;
use crate::noise::{CipherState, TAG_LEN};

/// Bytes of `length`.
pub(super) const HEADER_LEN: usize = 2;
/// Bytes after the padding: content length, kind, tag.
const TRAILER_LEN: usize = 2 + 1;
/// Bytes of a frame that are not content or padding.
const OVERHEAD: usize = HEADER_LEN + TRAILER_LEN + TAG_LEN;

/// Smallest frame, and smallest step between two sizes: a text, a receipt and a read mark look
/// the same.
const STEP: usize = 256;
/// Largest frame, with its header: all that a length of two bytes and the steps allow.
pub(super) const MAX_FRAME: usize = 65_536;
/// Most content of one frame.
pub(super) const MAX_CONTENT: usize = MAX_FRAME - OVERHEAD;

/// What a frame's content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// Part of a message; more follows.
    More = 1,
    /// The last, or only, part of a message.
    Last = 2,
    /// Nothing: the sender holds the traffic keys. The first frame of each side, and only that.
    Confirm = 3,
    /// Message 1 of a handshake for new keys, from the dialer.
    Renew = 4,
    /// Message 2 of it; the listener's next frame is under the new key.
    Renewed = 5,
    /// Nothing: the dialer's next frame is under the new key.
    Switch = 6,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::More, Self::Last, Self::Confirm, Self::Renew, Self::Renewed, Self::Switch]
            .into_iter()
            .find(|&kind| kind as u8 == byte)
    }
}

/// The size of the frame for so much content: rounded up to a multiple of 256 bytes or, from 8 KiB
/// on, of a sixteenth of the largest power of two in it. So padding costs at most 255 bytes or
/// 6.25 %, whichever is more, and all frames have one of 80 sizes.
pub(super) fn padded_len(content: usize) -> usize {
    let length = content + OVERHEAD;
    let step = STEP.max((1 << length.ilog2()) / 16);
    length.next_multiple_of(step)
}

/// The size of the frame's rest after a header, if a frame can have it.
pub(super) fn rest_len(header: [u8; HEADER_LEN]) -> Option<usize> {
    let rest = usize::from(u16::from_be_bytes(header));
    // A frame of this size, taken as full, must be its own bucket.
    let content = (rest + HEADER_LEN).checked_sub(OVERHEAD)?;
    (padded_len(content) == rest + HEADER_LEN).then_some(rest)
}

/// Seals what this side sends, under one key after another.
pub(super) struct Sealer(CipherState);

impl Sealer {
    pub(super) fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(CipherState::new(Some(key)))
    }

    /// Appends a frame to `out` and yields its size. The content is copied once, and encrypted
    /// where it then lies.
    pub(super) fn seal(
        &mut self,
        kind: Kind,
        content: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<u64, Closed> {
        let size = padded_len(content.len());
        let rest = u16::try_from(size - HEADER_LEN).map_err(|_| Closed::because("frame size"))?;
        let length = u16::try_from(content.len()).map_err(|_| Closed::because("frame size"))?;
        let start = out.len();
        out.reserve(size);
        out.extend_from_slice(&rest.to_be_bytes());
        out.extend_from_slice(content);
        out.resize(start + size - TAG_LEN - TRAILER_LEN, 0);
        out.extend_from_slice(&length.to_be_bytes());
        out.push(kind as u8);
        self.0.encrypt_with_ad(&[], out, start + HEADER_LEN)?;
        self.0.rekey()?;
        Ok(size as u64)
    }
}

/// Opens what the other side sends.
pub(super) struct Opener(CipherState);

impl Opener {
    pub(super) fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(CipherState::new(Some(key)))
    }

    /// Opens a frame without its header, in place. Nothing has changed unless its tag holds.
    pub(super) fn open(&mut self, mut rest: Vec<u8>) -> Result<(Kind, Vec<u8>), Closed> {
        self.0.decrypt_with_ad(&[], &mut rest)?;
        self.0.rekey()?;
        let (padded, &[high, low, kind]) =
            rest.split_last_chunk().ok_or_else(|| Closed::because("frame: no trailer"))?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > padded.len() {
            return Err(Closed::because("frame: content length"));
        }
        let kind = Kind::from_byte(kind).ok_or_else(|| Closed::because("frame: kind"))?;
        rest.truncate(length);
        Ok((kind, rest))
    }
}
