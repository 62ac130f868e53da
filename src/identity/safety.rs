//! Safety numbers: what two people compare to be sure that nobody sits between them.

use super::{Identity, pair::sorted};
use crate::labels;

/// Groups of a safety number.
const GROUPS: usize = 12;
/// Numbers that a group of five digits can show.
const GROUP_SIZE: u64 = 100_000;

/// The safety number of two identities: 60 digits in 12 groups of 5, with a space between
/// groups; the same from both sides.
///
/// Group *i* is the *i*-th big-endian `u64` of `derive_key(SAFETY_NUMBER, smaller A ‖ larger A)`,
/// extended to 96 bytes, modulo 100,000; leading zeros are shown.
///
/// All 60 digits (199 bits) come from one hash over both keys. Somebody in the middle would need
/// two keys of his own that give both victims the same number: a collision of 199 bits, some
/// 2^99 key pairs. So the hash needs no thousands of iterations, which Signal uses because each
/// half of its number covers one key alone with 100 bits.
pub fn safety_number(one: &Identity, other: &Identity) -> String {
    let (smaller, larger) = sorted(one, other);
    let mut hasher = blake3::Hasher::new_derive_key(labels::SAFETY_NUMBER);
    hasher.update(&smaller.0).update(&larger.0);
    let mut bytes = [0; GROUPS * 8];
    hasher.finalize_xof().fill(&mut bytes);
    let groups: Vec<String> = bytes
        .as_chunks::<8>()
        .0
        .iter()
        .map(|&group| format!("{:05}", u64::from_be_bytes(group) % GROUP_SIZE))
        .collect();
    groups.join(" ")
}

/// The same comparison for a camera: the bytes of a QR code, `1 ‖ smaller A ‖ larger A`. Both
/// sides show the same code; the pair is verified if the scanned bytes equal the own ones.
pub fn safety_code(one: &Identity, other: &Identity) -> [u8; 65] {
    let (smaller, larger) = sorted(one, other);
    let mut code = [1; 65];
    code[1..33].copy_from_slice(&smaller.0);
    code[33..].copy_from_slice(&larger.0);
    code
}
