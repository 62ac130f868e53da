//! Slices: groups together with the hashes that prove them.

use std::{
    cell::RefCell,
    io,
    sync::{Mutex, PoisonError},
};

use bao_tree::{
    BaoTree,
    blake3::{
        Hasher,
        hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root},
    },
    io::outboard::PreOrderOutboard,
    iter::BaoChunk,
};

use super::{
    BLOCK, Ciphertext, GROUP, Key, ReadAt, Root, Span, WriteAt, chunks, groups, place, tree,
};

/// The bytes of two hashes: those below an inner node of the tree.
const PAIR: usize = 64;

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
    /// Nothing more comes from, or goes to, the other side: for whoever brings slices across.
    #[error(transparent)]
    Remote(io::Error),
}

/// Hashes a blob of this size, on all processors: writes its hashes, and returns its root.
///
/// # Errors
/// Reading or writing failed, or there are fewer bytes than was said.
pub fn outboard(
    plain: impl ReadAt + Sync,
    size: u64,
    key: &Key,
    hashes: impl WriteAt + Send,
) -> io::Result<Root> {
    let content = Ciphertext { plain, key };
    let hashing = Hashing { content, size, hashes: Mutex::new(hashes) };
    let all = 0..groups(size);
    if groups(size) <= BLOCK {
        return hashing.node(all, 0);
    }
    // Threads of its own: a disk that hangs holds up no other.
    let threads = rayon::ThreadPoolBuilder::new().build().map_err(io::Error::other)?;
    threads.install(|| hashing.node(all, 0))
}

struct Hashing<'k, P, H> {
    content: Ciphertext<'k, P>,
    size: u64,
    hashes: Mutex<H>,
}

impl<P: ReadAt + Sync, H: WriteAt + Send> Hashing<'_, P, H> {
    /// The hash over these groups, which are all below one node. `pair` is the place of the pair
    /// below it, in pairs: those on its left follow it, then those on its right.
    fn node(&self, span: Span, pair: u64) -> io::Result<Root> {
        let count = span.end - span.start;
        if count <= BLOCK {
            return self.block(span, pair);
        }
        let left = left(count);
        let middle = span.start + left;
        let (one, two) = rayon::join(
            || self.node(span.start..middle, pair + 1),
            || self.node(middle..span.end, pair + left),
        );
        let (one, two) = (one?, two?);
        let mut bytes = [0; PAIR];
        write_pair(&mut bytes, &one, &two);
        self.write(pair, &bytes)?;
        Ok(merge(&one, &two, count == groups(self.size)))
    }

    fn block(&self, span: Span, pair: u64) -> io::Result<Root> {
        thread_local! {
            // Fresh pages cost as much as what is done with them.
            static BYTES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        let (start, count) = (span.start * GROUP, span.end - span.start);
        let end = (span.end * GROUP).min(self.size);
        let mut pairs = vec![0; length(count - 1) * PAIR];
        let is_root = count == groups(self.size);
        let hash = BYTES.with_borrow_mut(|bytes| {
            bytes.resize(length(end - start), 0);
            self.content.read_exact_at(start, bytes)?;
            Ok::<_, io::Error>(hash_all(start, bytes, count, &mut pairs, is_root))
        })?;
        self.write(pair, &pairs)?;
        Ok(hash)
    }

    fn write(&self, pair: u64, pairs: &[u8]) -> io::Result<()> {
        let mut hashes = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        hashes.write_all_at(pair * PAIR as u64, pairs)
    }
}

/// Of a part that is in memory.
fn length(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Of so many groups, those on the left.
fn left(count: u64) -> u64 {
    count.next_power_of_two() / 2
}

/// The hash over the groups that these bytes are, and all pairs below it.
fn hash_all(start: u64, bytes: &[u8], count: u64, pairs: &mut [u8], is_root: bool) -> Root {
    if count <= 1 {
        return hash(start, bytes, is_root);
    }
    let left = left(count);
    let middle = left * GROUP;
    let (pair, below) = pairs.split_at_mut(PAIR);
    let (one, two) = below.split_at_mut(length(left - 1) * PAIR);
    let (first, second) = bytes.split_at(length(middle));
    let one = hash_all(start, first, left, one, false);
    let two = hash_all(start + middle, second, count - left, two, false);
    write_pair(pair, &one, &two);
    merge(&one, &two, is_root)
}

/// The hash of one group.
fn hash(start: u64, bytes: &[u8], is_root: bool) -> Root {
    let mut hasher = Hasher::new();
    if is_root {
        return hasher.update(bytes).finalize();
    }
    hasher.set_input_offset(start).update(bytes).finalize_non_root().into()
}

fn merge(one: &Root, two: &Root, is_root: bool) -> Root {
    let (one, two) = (one.as_bytes(), two.as_bytes());
    if is_root {
        merge_subtrees_root(one, two, Mode::Hash)
    } else {
        merge_subtrees_non_root(one, two, Mode::Hash).into()
    }
}

fn write_pair(pair: &mut [u8], one: &Root, two: &Root) {
    pair[..PAIR / 2].copy_from_slice(one.as_bytes());
    pair[PAIR / 2..].copy_from_slice(two.as_bytes());
}

/// How many bytes slices of these groups have, of a blob of this size.
pub fn slices_bytes(size: u64, spans: &[Span]) -> u64 {
    Shape::new(tree(size), spans).bytes()
}

/// What slices consist of.
struct Shape {
    parts: Vec<BaoChunk>,
    /// The places of their pairs in the outboard, in pairs.
    pairs: Vec<u64>,
    content: u64,
}

impl Shape {
    fn new(tree: BaoTree, spans: &[Span]) -> Self {
        let chunks = chunks(spans);
        let parts: Vec<_> = tree
            .ranges_pre_order_chunks_iter_ref(&chunks, 0)
            .map(|part| part.without_ranges())
            .collect();
        let (mut pairs, mut content) = (Vec::new(), 0);
        for part in &parts {
            match part {
                BaoChunk::Parent { node, .. } => pairs.extend(tree.pre_order_offset(*node)),
                BaoChunk::Leaf { size, .. } => content += *size as u64,
            }
        }
        Self { parts, pairs, content }
    }

    fn bytes(&self) -> u64 {
        (self.pairs.len() * PAIR) as u64 + self.content
    }

    /// The pairs that lie one after the other in the outboard: where, and where they are in the
    /// slices.
    fn runs(&self) -> impl Iterator<Item = (u64, std::ops::Range<usize>)> {
        let mut before = 0;
        self.pairs.chunk_by(|one, two| one + 1 == *two).map(move |run| {
            let bytes = before * PAIR..(before + run.len()) * PAIR;
            before += run.len();
            (run[0] * PAIR as u64, bytes)
        })
    }

    /// Whether this is what the root says.
    fn is_true(&self, root: Root, pairs: &[u8], content: &[u8]) -> bool {
        let (mut pairs, mut content) = (pairs.chunks_exact(PAIR), content);
        let mut expected = vec![root];
        for part in &self.parts {
            let Some(above) = expected.pop() else { return false };
            let found = match *part {
                BaoChunk::Parent { is_root, left, right, .. } => {
                    let Some((one, two)) = pairs.next().and_then(read_pair) else { return false };
                    expected.extend(right.then_some(two));
                    expected.extend(left.then_some(one));
                    merge(&one, &two, is_root)
                }
                BaoChunk::Leaf { start_chunk, size, is_root, .. } => {
                    let Some((group, rest)) = content.split_at_checked(size) else { return false };
                    content = rest;
                    hash(start_chunk.to_bytes(), group, is_root)
                }
            };
            if found != above {
                return false;
            }
        }
        true
    }
}

fn read_pair(pair: &[u8]) -> Option<(Root, Root)> {
    let (one, two) = pair.split_first_chunk::<32>()?;
    Some(((*one).into(), <[u8; 32]>::try_from(two).ok()?.into()))
}

/// Puts slices of these groups together: the pairs above them, then their bytes. Nothing false.
///
/// # Errors
/// [`Broken::Changed`], [`Broken::Local`]; then what is in `slices` is of no use.
pub fn send(
    plain: impl ReadAt,
    key: &Key,
    outboard: &Outboard<impl ReadAt>,
    spans: &[Span],
    slices: &mut Vec<u8>,
) -> Result<(), Broken> {
    let PreOrderOutboard { root, tree, data } = &outboard.0;
    let shape = Shape::new(*tree, spans);
    slices.resize(length(shape.bytes()), 0);
    let (pairs, content) = slices.split_at_mut(shape.pairs.len() * PAIR);
    let unread = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Broken::Changed,
        _ => Broken::Local(error),
    };
    for (from, to) in shape.runs() {
        data.read_exact_at(from, &mut pairs[to]).map_err(unread)?;
    }
    let (plain, mut rest) = (Ciphertext { plain, key }, &mut *content);
    for place in spans.iter().map(|span| place(span, tree.size())) {
        let bytes;
        (bytes, rest) = rest.split_at_mut(length(place.end - place.start));
        plain.read_exact_at(place.start, bytes).map_err(unread)?;
    }
    if shape.is_true(*root, pairs, content) { Ok(()) } else { Err(Broken::Changed) }
}

/// Takes slices of these groups apart: once all is verified the pairs are written, and the bytes,
/// decrypted where they stand.
///
/// # Errors
/// [`Broken::False`], [`Broken::Local`].
pub fn receive(
    slices: &mut [u8],
    key: &Key,
    outboard: &mut Outboard<impl WriteAt>,
    spans: &[Span],
    plain: &mut impl WriteAt,
) -> Result<(), Broken> {
    let PreOrderOutboard { root, tree, data } = &mut outboard.0;
    let shape = Shape::new(*tree, spans);
    if shape.bytes() != slices.len() as u64 {
        return Err(Broken::False);
    }
    let (pairs, mut content) = slices.split_at_mut(shape.pairs.len() * PAIR);
    if !shape.is_true(*root, pairs, content) {
        return Err(Broken::False);
    }
    for (to, from) in shape.runs() {
        data.write_all_at(to, &pairs[from]).map_err(Broken::Local)?;
    }
    for place in spans.iter().map(|span| place(span, tree.size())) {
        let bytes;
        (bytes, content) = content.split_at_mut(length(place.end - place.start));
        key.apply(place.start, bytes).map_err(Broken::Local)?;
        plain.write_all_at(place.start, bytes).map_err(Broken::Local)?;
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
