//! Slices: groups together with the hashes that prove them.

use std::io::{self, Read, Write};

use bao_tree::{
    io::{
        BaoContentItem, DecodeError, EncodeError,
        outboard::PreOrderOutboard,
        sync::{DecodeResponseIter, OutboardMut as _, encode_ranges_validated},
    },
    iter::BaoChunk,
};

use super::{Ciphertext, GROUP, Key, ReadAt, Root, Span, WriteAt, chunks, tree};

/// The inner hashes of a blob's tree, pair by pair, parents before children: 64 bytes a group but
/// one. Those that are not known yet are zeros.
pub struct Outboard<D>(PreOrderOutboard<D>);

impl<D> Outboard<D> {
    /// Of a blob with this root and size.
    pub fn new(root: Root, size: u64, hashes: D) -> Self {
        Self(PreOrderOutboard { root, tree: tree(size), data: hashes })
    }
}

/// Why slices did not come across.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The other side sent something else than what was asked for.
    #[error("false data")]
    False,
    /// What lies here is not what the root says.
    #[error("the content has changed")]
    Changed,
    /// Reading or writing failed here.
    #[error(transparent)]
    Local(io::Error),
    /// Nothing more comes from, or goes to, the other side.
    #[error(transparent)]
    Remote(io::Error),
}

/// Hashes a blob of this size: writes its hashes, and returns its root. `plain` is read from its
/// beginning to its end.
///
/// # Errors
/// Reading or writing failed, or there are fewer bytes than was said.
pub fn outboard(
    plain: impl ReadAt,
    size: u64,
    key: &Key,
    hashes: impl WriteAt,
) -> io::Result<Root> {
    let ciphertext = Ciphertext { plain, key };
    let mut outboard = Outboard::new(Root::from([0; 32]), size, hashes);
    let reader = Sequential { from: ciphertext, offset: 0, size };
    bao_tree::io::sync::outboard(reader, tree(size), &mut outboard.0)
}

/// The bytes of these groups of a blob of this size, with the hashes above them.
pub fn slices_bytes(size: u64, spans: &[Span]) -> u64 {
    let (tree, chunks) = (tree(size), chunks(spans));
    let parts = tree.ranges_pre_order_chunks_iter_ref(&chunks, 0).map(|part| match part {
        BaoChunk::Parent { .. } => 64,
        BaoChunk::Leaf { size, .. } => size as u64,
    });
    parts.sum()
}

/// Sends these groups, in their order, each after the hashes above it. Nothing false is sent.
///
/// # Errors
/// [`Broken::Changed`], [`Broken::Local`], [`Broken::Remote`].
pub fn send(
    plain: impl ReadAt,
    key: &Key,
    outboard: &Outboard<impl ReadAt>,
    spans: &[Span],
    to: impl Write,
) -> Result<(), Broken> {
    let mut to = Noting { inner: to, failed: false };
    let ciphertext = Ciphertext { plain, key };
    let sent = encode_ranges_validated(ciphertext, &outboard.0, &chunks(spans), &mut to);
    sent.map_err(|error| match error {
        _ if to.failed => Broken::Remote(io::Error::from(error)),
        EncodeError::ParentHashMismatch(_) | EncodeError::LeafHashMismatch(_) => Broken::Changed,
        EncodeError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => Broken::Changed,
        error => Broken::Local(error.into()),
    })
}

/// Receives these groups: each is verified, decrypted, and written before the next is read.
/// `progress` is told how many bytes were written.
///
/// # Errors
/// [`Broken::False`], [`Broken::Local`], [`Broken::Remote`]. What was written before stays.
pub fn receive(
    from: impl Read,
    key: &Key,
    outboard: &mut Outboard<impl WriteAt + ReadAt>,
    spans: &[Span],
    plain: &mut impl WriteAt,
    mut progress: impl FnMut(u64) -> io::Result<()>,
) -> Result<(), Broken> {
    let ranges = chunks(spans);
    let (root, tree) = (outboard.0.root, outboard.0.tree);
    for item in DecodeResponseIter::new(root, tree, from, &ranges) {
        let item = item.map_err(|error| match error {
            DecodeError::ParentHashMismatch(_) | DecodeError::LeafHashMismatch(_) => Broken::False,
            error => Broken::Remote(error.into()),
        })?;
        match item {
            BaoContentItem::Parent(parent) => {
                outboard.0.save(parent.node, &parent.pair).map_err(Broken::Local)?;
            }
            BaoContentItem::Leaf(leaf) => {
                let mut group = leaf.data.try_into_mut().unwrap_or_else(|data| data[..].into());
                key.apply(leaf.offset, &mut group).map_err(Broken::Local)?;
                plain.write_all_at(leaf.offset, &group).map_err(Broken::Local)?;
                progress(group.len() as u64).map_err(Broken::Remote)?;
            }
        }
    }
    Ok(())
}

/// Which groups of what lies here are those that the root says, in ascending order.
///
/// # Errors
/// Reading failed.
pub fn verified(
    plain: impl ReadAt,
    key: &Key,
    outboard: &Outboard<impl ReadAt>,
) -> io::Result<Vec<Span>> {
    let everything = bao_tree::ChunkRanges::all();
    let ciphertext = Ciphertext { plain, key };
    let mut spans: Vec<Span> = Vec::new();
    for range in bao_tree::io::sync::valid_ranges(&outboard.0, ciphertext, &everything) {
        let range = range?;
        // An empty blob has a group without a chunk.
        let span = range.start.to_bytes() / GROUP..range.end.to_bytes().div_ceil(GROUP).max(1);
        match spans.last_mut() {
            Some(last) if last.end == span.start => last.end = span.end,
            _ => spans.push(span),
        }
    }
    Ok(spans)
}

/// From the beginning to the end.
struct Sequential<D> {
    from: D,
    offset: u64,
    size: u64,
}

impl<D: ReadAt> Read for Sequential<D> {
    /// A group at a time, which is what is asked for.
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size - self.offset).unwrap_or(usize::MAX);
        let most = left.min(bytes.len());
        let read = self.from.read_at(self.offset, &mut bytes[..most])?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// Notes whether it was this writer that failed.
struct Noting<W> {
    inner: W,
    failed: bool,
}

impl<W: Write> Write for Noting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes).inspect_err(|_| self.failed = true)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush().inspect_err(|_| self.failed = true)
    }
}
