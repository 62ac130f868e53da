//! The hail: how two linked programs find out, blindly, that they know each other.
//!
//! ```text
//! dialer                          listener
//!   nonce, 32 bytes        →
//!                          ←        nonce, 32 bytes
//!   blocks, 1 byte         →
//!   tags, 32 × 16 a block  →
//!                          ←        tag, 16 bytes
//! ```
//!
//! A tag is a MAC under a key that only two acquaintances have, over everything that is particular
//! to this link. To anybody else it is as good as random, and random ones are mixed in, so
//! neither whom somebody knows nor how many shows.

use rand::{CryptoRng, Rng, seq::SliceRandom};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::{
    LinkIds, MAX_TAGS,
    local::{Known, Means},
};

/// Bytes of a nonce.
pub(super) const NONCE_LEN: usize = 32;
/// Bytes of a tag.
pub(super) const TAG_LEN: usize = 16;
/// Tags come in blocks of so many.
pub(super) const BLOCK: usize = 32;
/// Most blocks in one hail.
const MAX_BLOCKS: usize = MAX_TAGS / BLOCK;

pub(super) type Nonce = [u8; NONCE_LEN];
pub(super) type Tag = [u8; TAG_LEN];

/// Who sends a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    Dialer = 0,
    Listener = 1,
}

impl Sender {
    fn other(self) -> Self {
        match self {
            Self::Dialer => Self::Listener,
            Self::Listener => Self::Dialer,
        }
    }
}

/// What is particular to a link: both nonces and both ends.
#[derive(Clone)]
pub(super) struct Transcript {
    own: Sender,
    /// `dialer's nonce ‖ listener's nonce`.
    nonces: [u8; 2 * NONCE_LEN],
    /// Both PeerIds, each after its length: the dialer's, then the listener's.
    peer_ids: Vec<u8>,
}

impl Transcript {
    pub(super) fn new(own: Sender, own_nonce: &Nonce, their_nonce: &Nonce, ids: &LinkIds) -> Self {
        let (first, second) = match own {
            Sender::Dialer => ((own_nonce, &ids.own_peer_id), (their_nonce, &ids.their_peer_id)),
            Sender::Listener => ((their_nonce, &ids.their_peer_id), (own_nonce, &ids.own_peer_id)),
        };
        let mut nonces = [0; 2 * NONCE_LEN];
        nonces[..NONCE_LEN].copy_from_slice(first.0);
        nonces[NONCE_LEN..].copy_from_slice(second.0);
        let mut peer_ids = Vec::new();
        for id in [first.1, second.1] {
            peer_ids.extend_from_slice(&(id.len() as u64).to_be_bytes());
            peer_ids.extend_from_slice(id);
        }
        Self { own, nonces, peer_ids }
    }

    pub(super) fn nonces(&self) -> &[u8; 2 * NONCE_LEN] {
        &self.nonces
    }

    pub(super) fn peer_ids(&self) -> &[u8] {
        &self.peer_ids
    }

    /// The tag that this side sends to an acquaintance.
    pub(super) fn own_tag(&self, known: &Known) -> Tag {
        self.tag(known, self.own, own_part(&known.means))
    }

    /// The tag that an acquaintance sends to this side.
    fn their_tag(&self, known: &Known) -> Tag {
        let part = match own_part(&known.means) {
            Part::Device => Part::Device,
            Part::Issuer => Part::Holder,
            Part::Holder => Part::Issuer,
        };
        self.tag(known, self.own.other(), part)
    }

    /// `keyed_hash(hail key, nonces ‖ PeerIds ‖ sender ‖ part)[..16]`.
    fn tag(&self, known: &Known, sender: Sender, part: Part) -> Tag {
        let mut hasher = blake3::Hasher::new_keyed(&known.hail_key);
        hasher.update(&self.nonces).update(&self.peer_ids).update(&[sender as u8, part as u8]);
        let mut tag = [0; TAG_LEN];
        hasher.finalize_xof().fill(&mut tag);
        tag
    }

    /// The dialer's tags, filled up with random ones to whole blocks, in random order, after the
    /// number of blocks.
    pub(super) fn own_tags(&self, known: &[Known], rng: &mut (impl CryptoRng + ?Sized)) -> Vec<u8> {
        let mut tags: Vec<Tag> =
            known.iter().take(MAX_TAGS).map(|known| self.own_tag(known)).collect();
        let blocks = tags.len().div_ceil(BLOCK).max(1);
        while tags.len() < blocks * BLOCK {
            tags.push(random_tag(rng));
        }
        // Where the matching one stands would tell its owner how many there are.
        tags.shuffle(rng);
        let mut message = vec![u8::try_from(blocks).unwrap_or(u8::MAX)];
        message.extend_from_slice(tags.as_flattened());
        message
    }

    /// The first acquaintance whose tag is among these, as an index. Takes the same time whoever
    /// it is, and if it is nobody.
    pub(super) fn find(&self, known: &[Known], tags: &[u8]) -> Option<usize> {
        let tags: Vec<u128> =
            tags.as_chunks::<TAG_LEN>().0.iter().map(|&tag| u128::from_le_bytes(tag)).collect();
        let mut found = u64::MAX;
        // Backwards, so that the first one stays.
        for (index, known) in known.iter().enumerate().rev() {
            let expected = u128::from_le_bytes(self.their_tag(known));
            let hit = tags.iter().fold(Choice::from(0), |hit, tag| hit | tag.ct_eq(&expected));
            found.conditional_assign(&(index as u64), hit);
        }
        usize::try_from(found).ok().filter(|&found| found < known.len())
    }
}

/// The number of tag bytes that follow this count of blocks; none if no hail has so many.
pub(super) fn tags_len(blocks: u8) -> Option<usize> {
    let blocks = usize::from(blocks);
    (1..=MAX_BLOCKS).contains(&blocks).then_some(blocks * BLOCK * TAG_LEN)
}

/// A tag that means nothing.
pub(super) fn random_tag(rng: &mut (impl Rng + ?Sized)) -> Tag {
    let mut tag = [0; TAG_LEN];
    rng.fill_bytes(&mut tag);
    tag
}

/// What the sender of a tag is to the other. All holders of an invite share one key; this keeps
/// them from recognising each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Device = 0,
    Issuer = 1,
    Holder = 2,
}

fn own_part(means: &Means) -> Part {
    match means {
        Means::Device { .. } => Part::Device,
        Means::Issued { .. } => Part::Issuer,
        Means::Accepted { .. } => Part::Holder,
    }
}
