//! Probes: the packets of a punch. 25 bytes, for whoever has no key random ones.
//!
//! ```text
//! 0     4        8      9           25
//! | tag | random | kind | MAC of what is before |
//! ```
//!
//! The tag says quickly whose they may be; it is the same in all probes of one side to one run of
//! the other. Its two top bits are clear, so that no probe looks like QUIC (RFC 9443, section 3).

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{identity::PairSecret, labels, net::rendezvous::Side};

/// The size of a probe.
pub const PROBE_LEN: usize = 25;

/// What a probe begins with.
pub type Tag = [u8; TAG_LEN];

const TAG_LEN: usize = 4;
const KIND_AT: usize = 8;
const MAC_AT: usize = 9;

/// What a probe says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// This path is open towards you.
    Probe = 1,
    /// Let us take this path.
    Select = 2,
    /// Yes; dial.
    Done = 3,
}

/// The keys of both directions between two runs:
/// `derive_key(PROBE_KEY, pair secret ‖ run of the first ‖ run of the second ‖ sending side)`.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Keys {
    own: [u8; 32],
    their: [u8; 32],
    own_tag: Tag,
    their_tag: Tag,
}

impl Keys {
    pub(super) fn new(secret: &PairSecret, side: Side, run: u64, their_run: u64) -> Self {
        let (first, second) = match side {
            Side::First => (run, their_run),
            Side::Second => (their_run, run),
        };
        let derive = |sender: Side| {
            let mut hasher = blake3::Hasher::new_derive_key(labels::PROBE_KEY);
            hasher.update(secret.as_bytes()).update(&first.to_be_bytes());
            hasher.update(&second.to_be_bytes()).update(&[sender as u8]);
            let key = <[u8; 32]>::from(hasher.finalize());
            hasher.zeroize();
            key
        };
        let (own, their) = (derive(side), derive(side.other()));
        Self { own_tag: tag(&own), their_tag: tag(&their), own, their }
    }

    pub(super) fn seal(&self, kind: Kind, random: [u8; KIND_AT - TAG_LEN]) -> [u8; PROBE_LEN] {
        let mut probe = [0; PROBE_LEN];
        probe[..TAG_LEN].copy_from_slice(&self.own_tag);
        probe[TAG_LEN..KIND_AT].copy_from_slice(&random);
        probe[KIND_AT] = kind as u8;
        let mac = mac(&self.own, &probe[..MAC_AT]);
        probe[MAC_AT..].copy_from_slice(&mac);
        probe
    }

    /// The tag of the other's probes.
    pub(super) fn their_tag(&self) -> Tag {
        self.their_tag
    }

    /// What the other's probe says; none if it is not the other's.
    pub(super) fn open(&self, bytes: &[u8]) -> Option<Kind> {
        if bytes.len() != PROBE_LEN || !bytes.starts_with(&self.their_tag) {
            return None;
        }
        let (said, proof) = bytes.split_at(MAC_AT);
        if !bool::from(mac(&self.their, said)[..].ct_eq(proof)) {
            return None;
        }
        [Kind::Probe, Kind::Select, Kind::Done]
            .into_iter()
            .find(|kind| *kind as u8 == said[KIND_AT])
    }
}

fn mac(key: &[u8; 32], bytes: &[u8]) -> [u8; PROBE_LEN - MAC_AT] {
    let mut mac = [0; PROBE_LEN - MAC_AT];
    mac.copy_from_slice(&blake3::keyed_hash(key, bytes).as_bytes()[..PROBE_LEN - MAC_AT]);
    mac
}

/// No probe's first 9 bytes are as few as these.
fn tag(key: &[u8; 32]) -> Tag {
    let mut tag = [0; TAG_LEN];
    tag.copy_from_slice(&mac(key, b"tag")[..TAG_LEN]);
    tag[0] &= 0x3f;
    tag
}
