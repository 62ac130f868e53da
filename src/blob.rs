//! What a file consists of, apart from its name: bytes under a key of their own, cut into groups
//! of 16 KiB, each of which can be verified by itself, from whomever it comes.
//!
//! ```text
//! plain bytes ── Key: AES-256-CTR ──▶ ciphertext ── BLAKE3 tree ──▶ Root, 32 bytes
//!                                         │              └─▶ Outboard: the tree's inner hashes
//!                                         └─ slices with their hashes ──▶ … ──▶ verified, decrypted
//! ```
//!
//! What is hashed is the ciphertext: so whoever has it can hold and pass on what they cannot read,
//! and equal files under different keys have nothing in common. The key and the root stand in one
//! entry of a conversation, so the cipher needs no authentication of its own: the root is it.
//!
//! Nothing here knows files, links or time: bytes come from a [`ReadAt`] and go to a [`WriteAt`],
//! and slices are put together, and taken apart, a block at a time in memory. [`Picker`] says what to
//! ask of whom.
//!
//! The tree is that of BLAKE3 (section 2.1 of its paper); slices are Bao's, with groups of 16
//! chunks, and the hashes of a block before its bytes. Source: <https://github.com/oconnor663/bao/blob/master/docs/spec.md>

mod key;
mod picker;
mod slices;

use bao_tree::{BaoTree, BlockSize, ChunkNum, ChunkRanges};

pub use self::{
    key::{Ciphertext, Key},
    picker::{PIECE, PIECES, Picker, Worker, by_block},
    slices::{Broken, Outboard, outboard, receive, send, slices_bytes, verified},
};
pub use bao_tree::{
    blake3::Hash as Root,
    io::sync::{ReadAt, WriteAt},
};

/// The bytes of a group: the smallest that can be verified by itself. Each costs 64 bytes of
/// hashes, so 0.4 %.
pub const GROUP: u64 = 16 * 1024;

/// The longest blob, 1 TiB: its hashes are 4 GiB.
pub const MAX_BYTES: u64 = 1 << 40;

/// The groups of a block, 256 KiB: what is hashed, sent, received and verified at once. What was
/// received of one that breaks off is lost.
pub const BLOCK: u64 = 16;

/// The same as [`GROUP`], as the tree has it: 2⁴ chunks.
const GROUP_SIZE: BlockSize = BlockSize::from_chunk_log(4);

/// Groups that follow one another: from the first to before the last.
pub type Span = std::ops::Range<u64>;

/// The shape of the tree over so many bytes.
fn tree(size: u64) -> BaoTree {
    BaoTree::new(size, GROUP_SIZE)
}

/// How many groups so many bytes have; an empty blob has one, too.
pub fn groups(size: u64) -> u64 {
    size.div_ceil(GROUP).max(1)
}

/// The bytes of the hashes over so many bytes.
pub fn outboard_bytes(size: u64) -> u64 {
    tree(size).outboard_size()
}

/// The bytes of these groups of a blob.
pub fn bytes(spans: &[Span], size: u64) -> u64 {
    spans.iter().map(|span| place(span, size)).map(|place| place.end - place.start).sum()
}

/// Where these groups lie, in bytes.
fn place(span: &Span, size: u64) -> std::ops::Range<u64> {
    let byte = |group: u64| group.saturating_mul(GROUP).min(size);
    byte(span.start)..byte(span.end)
}

/// Groups as BLAKE3's chunks of 1 KiB.
fn chunks(spans: &[Span]) -> ChunkRanges {
    let mut chunks = ChunkRanges::empty();
    for span in spans {
        chunks |= ChunkRanges::from(ChunkNum(span.start * 16)..ChunkNum(span.end * 16));
    }
    chunks
}

#[cfg(test)]
mod tests;
