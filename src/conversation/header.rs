//! The header of an entry and its bytes: everything but the content, so that the content can be
//! pruned while order, causality and hashes stand.

use subtle::ConstantTimeEq;
use zeroize::ZeroizeOnDrop;

use super::{
    ConversationId, EntryId, FeedId, Kind, Malformed,
    cbor::{Invalid, Reader, Writer},
};
use crate::{identity::Identity, labels};

/// The longest header in bytes: 32 dependencies take 1,090, the rest below 300; what is left is
/// room for fields of later versions.
pub const MAX_HEADER_BYTES: usize = 2048;
/// The most dependencies of one entry. A direct conversation needs one, a group one per member
/// that wrote since; older ones are implied by these.
pub const MAX_DEPS: usize = 32;
/// Numbers and times stay below this: it fits every database and JSON number, and no honest
/// device reaches it.
pub const NUMBER_LIMIT: u64 = 1 << 48;
/// The length of a mark in bytes.
pub const MARK_BYTES: usize = 16;

const CONVERSATION: u64 = 1;
const AUTHOR: u64 = 2;
const DEVICE: u64 = 3;
const SEQ: u64 = 4;
const PREVIOUS: u64 = 5;
const DEPS: u64 = 6;
const TIME: u64 = 7;
const KIND: u64 = 8;
const TARGET: u64 = 9;
const BODY_HASH: u64 = 10;
const MARK: u64 = 23;

impl From<Invalid> for Malformed {
    fn from(_: Invalid) -> Self {
        Self::Encoding
    }
}

/// An entry's bytes, as they are stored, hashed and forwarded, for ever unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireEntry {
    /// The encoded header, at most [`MAX_HEADER_BYTES`].
    pub header: Vec<u8>,
    /// The encoded body, at most [`MAX_BODY_BYTES`](super::MAX_BODY_BYTES); none once pruned.
    pub body: Option<Vec<u8>>,
}

impl WireEntry {
    /// The bytes of both parts together, without their framing.
    pub fn size(&self) -> usize {
        self.header.len() + self.body.as_ref().map_or(0, Vec::len)
    }
}

/// Everything of an entry but its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Where it belongs.
    pub conversation: ConversationId,
    /// Whose, and of which device.
    pub feed: FeedId,
    /// Its number in the feed, from 1, below 2⁴⁸.
    pub seq: u64,
    /// The feed's entry before it; none for number 1.
    pub previous: Option<EntryId>,
    /// The newest entries of other branches that the author had seen since `previous`, at most
    /// [`MAX_DEPS`].
    pub deps: Vec<EntryId>,
    /// The author's clock, unix milliseconds, below 2⁴⁸.
    pub time: u64,
    /// What it is.
    pub kind: Kind,
    /// The entry that it answers or changes, for kinds that have one.
    pub target: Option<EntryId>,
    /// The hash of the body's bytes.
    pub body_hash: [u8; 32],
}

impl Header {
    /// All entries that this one names: they must be in the log before it.
    pub fn names(&self) -> impl Iterator<Item = &EntryId> {
        self.previous.iter().chain(&self.deps).chain(&self.target)
    }

    /// The bytes, marked as this device's own.
    ///
    /// A CBOR map, keys ascending, lengths definite; absent fields are left out:
    ///
    /// ```text
    /// {1: conversation (32 B), 2: author (32 B), 3: device, 4: seq, 5: previous (32 B),
    ///  6: [dep (32 B) …], 7: time, 8: kind, 9: target (32 B), 10: body hash (32 B),
    ///  23: mark (16 B)}
    /// ```
    ///
    /// The mark stands last, so the header ends in its 16 bytes:
    /// `keyed_hash(mark key, all bytes before them)[..16]`.
    pub fn encode(&self, key: &MarkKey) -> Vec<u8> {
        let fields = 8
            + usize::from(self.previous.is_some())
            + usize::from(!self.deps.is_empty())
            + usize::from(self.target.is_some());
        let mut w = Writer::with_capacity(288 + 34 * self.deps.len());
        w.map(fields);
        w.uint(CONVERSATION).bytes(&self.conversation.0);
        w.uint(AUTHOR).bytes(&self.feed.author.0);
        w.uint(DEVICE).uint(self.feed.device.into());
        w.uint(SEQ).uint(self.seq);
        if let Some(previous) = &self.previous {
            w.uint(PREVIOUS).bytes(&previous.0);
        }
        if !self.deps.is_empty() {
            w.uint(DEPS).array(self.deps.len());
            for dep in &self.deps {
                w.bytes(&dep.0);
            }
        }
        w.uint(TIME).uint(self.time);
        w.uint(KIND).uint(self.kind.number().into());
        if let Some(target) = &self.target {
            w.uint(TARGET).bytes(&target.0);
        }
        w.uint(BODY_HASH).bytes(&self.body_hash);
        w.uint(MARK).bytes_head(MARK_BYTES);
        let mut bytes = w.0;
        let mark = key.mark(&bytes);
        bytes.extend_from_slice(&mark);
        bytes
    }

    /// Reads the bytes that [`encode`](Self::encode) draws. Fields with other numbers are those
    /// of later versions: skipped here, kept in the bytes.
    ///
    /// # Errors
    /// [`Malformed`] says what is wrong with them.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > MAX_HEADER_BYTES {
            return Err(Malformed::TooLarge);
        }
        let mut fields = Fields::default();
        let mut r = Reader::new(bytes);
        r.map(|key, r| fields.read(key, r))?;
        r.end()?;
        fields.check()
    }
}

/// The fields of a header as they are met.
#[derive(Default)]
struct Fields {
    conversation: Option<[u8; 32]>,
    author: Option<[u8; 32]>,
    device: Option<u64>,
    seq: Option<u64>,
    previous: Option<EntryId>,
    deps: Vec<EntryId>,
    time: Option<u64>,
    kind: Option<u64>,
    target: Option<EntryId>,
    body_hash: Option<[u8; 32]>,
    /// The mark was met; nothing may follow it.
    marked: bool,
}

impl Fields {
    fn read(&mut self, key: u64, r: &mut Reader<'_>) -> Result<bool, Malformed> {
        if self.marked {
            return Err(Malformed::Encoding);
        }
        match key {
            CONVERSATION => self.conversation = Some(r.bytes_of()?),
            AUTHOR => self.author = Some(r.bytes_of()?),
            DEVICE => self.device = Some(r.uint()?),
            SEQ => self.seq = Some(r.uint()?),
            PREVIOUS => self.previous = Some(EntryId(r.bytes_of()?)),
            DEPS => {
                // What is more than the header could hold is no array at all.
                let deps = r.array(MAX_HEADER_BYTES, 34)?;
                if deps > MAX_DEPS {
                    return Err(Malformed::TooManyDeps);
                }
                self.deps.reserve_exact(deps);
                for _ in 0..deps {
                    self.deps.push(EntryId(r.bytes_of()?));
                }
            }
            TIME => self.time = Some(r.uint()?),
            KIND => self.kind = Some(r.uint()?),
            TARGET => self.target = Some(EntryId(r.bytes_of()?)),
            BODY_HASH => self.body_hash = Some(r.bytes_of()?),
            MARK => {
                r.bytes_of::<MARK_BYTES>()?;
                self.marked = true;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn check(self) -> Result<Header, Malformed> {
        let need = |field: Option<u64>| field.ok_or(Malformed::Encoding);
        let id = |field: Option<[u8; 32]>| field.ok_or(Malformed::Encoding);
        let small = |number| u32::try_from(number).map_err(|_| Malformed::Number);
        if !self.marked {
            return Err(Malformed::Encoding);
        }
        let seq = need(self.seq)?;
        let time = need(self.time)?;
        if seq == 0 || seq >= NUMBER_LIMIT || time >= NUMBER_LIMIT {
            return Err(Malformed::Number);
        }
        if self.previous.is_some() != (seq > 1) {
            return Err(Malformed::Previous);
        }
        let kind = Kind::from_number(small(need(self.kind)?)?);
        if kind.needs_target() && self.target.is_none() {
            return Err(Malformed::Target);
        }
        Ok(Header {
            conversation: ConversationId(id(self.conversation)?),
            feed: FeedId { author: Identity(id(self.author)?), device: small(need(self.device)?)? },
            seq,
            previous: self.previous,
            deps: self.deps,
            time,
            kind,
            target: self.target,
            body_hash: id(self.body_hash)?,
        })
    }
}

/// The key under which a device marks its own entries, so that it knows them again when it is
/// restored from an older copy and others hand them back. It never leaves the device.
#[derive(ZeroizeOnDrop)]
pub struct MarkKey([u8; 32]);

impl MarkKey {
    /// From a secret of the device: `derive_key(OWN_MARK_KEY, secret)`.
    pub fn derive(secret: &[u8]) -> Self {
        Self(blake3::derive_key(labels::OWN_MARK_KEY, secret))
    }

    fn mark(&self, before: &[u8]) -> [u8; MARK_BYTES] {
        let hash = blake3::keyed_hash(&self.0, before);
        let mut mark = [0; MARK_BYTES];
        mark.copy_from_slice(&hash.as_bytes()[..MARK_BYTES]);
        mark
    }

    /// Whether the header ends in the mark of its other bytes under this key.
    pub fn verify(&self, header: &[u8]) -> bool {
        header
            .split_last_chunk::<MARK_BYTES>()
            .is_some_and(|(before, mark)| bool::from(self.mark(before).ct_eq(mark)))
    }
}
