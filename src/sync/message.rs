//! The messages of a session and their bytes.

use crate::{
    conversation::{
        ConversationId, Entry, EntryId, FeedId, MAX_BODY_BYTES, MAX_HEADER_BYTES, WireEntry,
        cbor::{Invalid, Reader, Writer},
        header::NUMBER_LIMIT,
    },
    identity::Identity,
    text,
};

/// The longest message in bytes. A batch fills half of it at most, unless it is one long entry.
pub const MAX_MESSAGE_BYTES: usize = 128 * 1024;
/// The most entries of one message: what 64 KiB of the shortest ones are.
pub const MAX_ENTRIES: usize = 512;
/// The most conversations in one `Have`; there may be several `Have`s.
pub const MAX_CONVERSATIONS: usize = 256;
/// The most leaves of one conversation: the branches of two members with the most that are
/// accepted, and as many again.
pub const MAX_LEAVES: usize = 256;
/// The most entries of one conversation whose body is asked for at once.
pub const MAX_LACKING: usize = 64;
/// The most entries of one `Locate`: 20 steps reach back a million entries on one branch.
pub const MAX_LOCATED: usize = 1024;
/// The longest name of a program, in bytes.
pub const MAX_VERSION_BYTES: usize = 64;

/// An entry that the sender has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Leaf {
    /// Its feed.
    pub feed: FeedId,
    /// Its number in the feed.
    pub seq: u64,
    /// Its name.
    pub id: EntryId,
}

impl Leaf {
    /// An entry as a leaf.
    pub fn of(entry: &Entry) -> Self {
        Self { feed: entry.header.feed, seq: entry.header.seq, id: entry.id }
    }
}

/// What the sender of a `Have` has of one conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// Which.
    pub conversation: ConversationId,
    /// The leaves of its log, at most [`MAX_LEAVES`].
    pub leaves: Vec<Leaf>,
    /// Entries of which it lacks the body, though it knows of no delete: whoever has it is asked
    /// to send the entry again. At most [`MAX_LACKING`], nearly always none.
    pub lacking: Vec<EntryId>,
}

/// What the two ends of a session say to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// 1: the first message of each end.
    Hello {
        /// The sender's name, as they wish to be called; sanitised, may be empty.
        name: String,
        /// The sender's program and version, sanitised.
        version: String,
    },
    /// 2: what the sender's disk holds; also the acknowledgement of what it was sent.
    Have {
        /// How many [`Message::Entries`] the sender has received in this session and dealt with.
        received: u64,
        /// Some of its conversations. One that is not named is as before.
        conversations: Vec<Holding>,
    },
    /// 3: entries that the receiver seems to lack, in the order shown.
    Entries {
        /// Where they belong.
        conversation: ConversationId,
        /// At most [`MAX_ENTRIES`].
        entries: Vec<WireEntry>,
    },
    /// 4: entries that the sender has of a feed that forked: the leaf of each branch, and those
    /// 1, 2, 4, 8 … before it. So the receiver can find what both have.
    Locate {
        /// Where.
        conversation: ConversationId,
        /// Which feed.
        feed: FeedId,
        /// At most [`MAX_LOCATED`].
        entries: Vec<(u64, EntryId)>,
    },
    /// 5: the session is over because of this.
    Refused {
        /// Why.
        reason: RefusedReason,
    },
    /// 6: asks for a [`Message::Pong`].
    Ping,
    /// 7: answers a [`Message::Ping`].
    Pong,
    /// 8: a file of the receiver's is on the sender's disk, whole.
    Fetched {
        /// Where it was offered.
        conversation: ConversationId,
        /// By which entry.
        entry: EntryId,
    },
    /// Something that a newer version understands; to be ignored.
    Unknown(u64),
}

/// Why a session is refused by one who knows who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedReason {
    /// 1: somebody used the invite already.
    InviteUsed,
    /// 2: the invite's time is over.
    InviteExpired,
    /// 3: the issuer withdrew the invite.
    InviteRevoked,
    /// Something that a newer version understands.
    Unknown(u64),
}

/// The bytes are not a message. The session is worth nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the other program sent something that is not a message")]
pub struct NotAMessage;

impl From<Invalid> for NotAMessage {
    fn from(_: Invalid) -> Self {
        Self
    }
}

impl RefusedReason {
    fn number(self) -> u64 {
        match self {
            Self::InviteUsed => 1,
            Self::InviteExpired => 2,
            Self::InviteRevoked => 3,
            Self::Unknown(number) => number,
        }
    }

    fn from_number(number: u64) -> Self {
        match number {
            1 => Self::InviteUsed,
            2 => Self::InviteExpired,
            3 => Self::InviteRevoked,
            number => Self::Unknown(number),
        }
    }
}

impl Message {
    /// The bytes: the CBOR array `[number, {fields}]`.
    ///
    /// ```text
    /// Hello    [1, {1: name, 2: version}]
    /// Have     [2, {1: received, 2: [[conversation, [leaf …], [id …]] …]}]
    /// Entries  [3, {1: conversation, 2: [[header bytes, body bytes or null] …]}]
    /// Locate   [4, {1: conversation, 2: author, 3: device, 4: [[seq, id] …]}]
    /// Refused  [5, {1: reason}]
    /// Ping     [6, {}]
    /// Pong     [7, {}]
    /// Fetched  [8, {1: conversation, 2: entry id}]
    /// leaf     [author, device, seq, id]
    /// ```
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(64);
        w.array(2);
        match self {
            Self::Hello { name, version } => {
                w.uint(1).map(2).uint(1).text(name).uint(2).text(version);
            }
            Self::Have { received, conversations } => {
                w.uint(2).map(2).uint(1).uint(*received).uint(2).array(conversations.len());
                for Holding { conversation, leaves, lacking } in conversations {
                    w.array(3).bytes(&conversation.0).array(leaves.len());
                    for leaf in leaves {
                        w.array(4).bytes(&leaf.feed.author.0).uint(leaf.feed.device.into());
                        w.uint(leaf.seq).bytes(&leaf.id.0);
                    }
                    w.array(lacking.len());
                    for id in lacking {
                        w.bytes(&id.0);
                    }
                }
            }
            Self::Entries { conversation, entries } => {
                w.0.reserve(64 + entries.iter().map(|e| e.size() + 8).sum::<usize>());
                w.uint(3).map(2).uint(1).bytes(&conversation.0).uint(2).array(entries.len());
                for entry in entries {
                    w.array(2).bytes(&entry.header);
                    match &entry.body {
                        Some(body) => w.bytes(body),
                        None => w.null(),
                    };
                }
            }
            Self::Locate { conversation, feed, entries } => {
                w.uint(4).map(4).uint(1).bytes(&conversation.0);
                w.uint(2).bytes(&feed.author.0).uint(3).uint(feed.device.into());
                w.uint(4).array(entries.len());
                for (seq, id) in entries {
                    w.array(2).uint(*seq).bytes(&id.0);
                }
            }
            Self::Refused { reason } => {
                w.uint(5).map(1).uint(1).uint(reason.number());
            }
            Self::Ping => {
                w.uint(6).map(0);
            }
            Self::Pong => {
                w.uint(7).map(0);
            }
            Self::Fetched { conversation, entry } => {
                w.uint(8).map(2).uint(1).bytes(&conversation.0).uint(2).bytes(&entry.0);
            }
            Self::Unknown(number) => {
                w.uint(*number).map(0);
            }
        }
        w.0
    }

    /// Reads the bytes that [`encode`](Self::encode) draws. Fields and numbers of later versions
    /// are skipped.
    ///
    /// # Errors
    /// [`NotAMessage`]: anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, NotAMessage> {
        if bytes.len() > MAX_MESSAGE_BYTES {
            return Err(NotAMessage);
        }
        let mut r = Reader::new(bytes);
        if r.array(2, 1)? != 2 {
            return Err(NotAMessage);
        }
        let number = r.uint()?;
        let message = match number {
            1 => hello(&mut r)?,
            2 => have(&mut r)?,
            3 => entries(&mut r)?,
            4 => located(&mut r)?,
            5 => refused(&mut r)?,
            8 => fetched(&mut r)?,
            _ => {
                r.skip()?;
                match number {
                    6 => Self::Ping,
                    7 => Self::Pong,
                    number => Self::Unknown(number),
                }
            }
        };
        r.end()?;
        Ok(message)
    }
}

fn hello(r: &mut Reader<'_>) -> Result<Message, NotAMessage> {
    let (mut name, mut version) = (None, None);
    r.map(|key, r| {
        match key {
            1 => name = Some(text::name(r.text()?).unwrap_or_default()),
            2 => {
                let text = r.text()?;
                if text.len() > MAX_VERSION_BYTES {
                    return Err(NotAMessage);
                }
                version = Some(text::line(text));
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(Message::Hello { name: name.ok_or(NotAMessage)?, version: version.unwrap_or_default() })
}

fn have(r: &mut Reader<'_>) -> Result<Message, NotAMessage> {
    let mut received = 0;
    let mut conversations = Vec::new();
    r.map(|key, r| {
        match key {
            1 => received = r.uint()?,
            2 => {
                for _ in 0..r.array(MAX_CONVERSATIONS, 36)? {
                    conversations.push(holding(r)?);
                }
            }
            _ => return Ok::<_, NotAMessage>(false),
        }
        Ok(true)
    })?;
    Ok(Message::Have { received, conversations })
}

fn holding(r: &mut Reader<'_>) -> Result<Holding, Invalid> {
    if r.array(3, 1)? != 3 {
        return Err(Invalid);
    }
    let conversation = ConversationId(r.bytes_of()?);
    let count = r.array(MAX_LEAVES, 71)?;
    let mut leaves = Vec::with_capacity(count);
    for _ in 0..count {
        if r.array(4, 1)? != 4 {
            return Err(Invalid);
        }
        let author = Identity(r.bytes_of()?);
        let device = u32::try_from(r.uint()?).map_err(|_| Invalid)?;
        leaves.push(Leaf { feed: FeedId { author, device }, seq: seq(r)?, id: id(r)? });
    }
    let count = r.array(MAX_LACKING, 34)?;
    let lacking = (0..count).map(|_| id(r)).collect::<Result<_, _>>()?;
    Ok(Holding { conversation, leaves, lacking })
}

fn entries(r: &mut Reader<'_>) -> Result<Message, NotAMessage> {
    let mut conversation = None;
    let mut entries = Vec::new();
    r.map(|key, r| {
        match key {
            1 => conversation = Some(ConversationId(r.bytes_of()?)),
            2 => {
                let count = r.array(MAX_ENTRIES, 3)?;
                entries.reserve_exact(count);
                for _ in 0..count {
                    entries.push(wire_entry(r)?);
                }
            }
            _ => return Ok::<_, NotAMessage>(false),
        }
        Ok(true)
    })?;
    Ok(Message::Entries { conversation: conversation.ok_or(NotAMessage)?, entries })
}

/// `[header, body or null]`; what a later version adds (signatures) is skipped.
fn wire_entry(r: &mut Reader<'_>) -> Result<WireEntry, Invalid> {
    let parts = r.array(4, 1)?;
    if parts < 2 {
        return Err(Invalid);
    }
    let header = r.bytes()?;
    let body = if r.null()? { None } else { Some(r.bytes()?) };
    for _ in 2..parts {
        r.skip()?;
    }
    if header.len() > MAX_HEADER_BYTES || body.is_some_and(|b| b.len() > MAX_BODY_BYTES) {
        return Err(Invalid);
    }
    Ok(WireEntry { header: header.to_vec(), body: body.map(<[u8]>::to_vec) })
}

fn located(r: &mut Reader<'_>) -> Result<Message, NotAMessage> {
    let (mut conversation, mut author, mut device) = (None, None, None);
    let mut entries = Vec::new();
    r.map(|key, r| {
        match key {
            1 => conversation = Some(ConversationId(r.bytes_of()?)),
            2 => author = Some(Identity(r.bytes_of()?)),
            3 => device = Some(u32::try_from(r.uint()?).map_err(|_| NotAMessage)?),
            4 => {
                let count = r.array(MAX_LOCATED, 36)?;
                entries.reserve_exact(count);
                for _ in 0..count {
                    if r.array(2, 1)? != 2 {
                        return Err(NotAMessage);
                    }
                    entries.push((seq(r)?, id(r)?));
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let author = author.ok_or(NotAMessage)?;
    let feed = FeedId { author, device: device.ok_or(NotAMessage)? };
    Ok(Message::Locate { conversation: conversation.ok_or(NotAMessage)?, feed, entries })
}

fn refused(r: &mut Reader<'_>) -> Result<Message, NotAMessage> {
    let mut reason = None;
    r.map(|key, r| {
        if key == 1 {
            reason = Some(RefusedReason::from_number(r.uint()?));
        }
        Ok::<_, NotAMessage>(key == 1)
    })?;
    Ok(Message::Refused { reason: reason.ok_or(NotAMessage)? })
}

fn fetched(r: &mut Reader<'_>) -> Result<Message, NotAMessage> {
    let (mut conversation, mut entry) = (None, None);
    r.map(|key, r| {
        match key {
            1 => conversation = Some(ConversationId(r.bytes_of()?)),
            2 => entry = Some(id(r)?),
            _ => return Ok::<_, NotAMessage>(false),
        }
        Ok(true)
    })?;
    let (conversation, entry) = conversation.zip(entry).ok_or(NotAMessage)?;
    Ok(Message::Fetched { conversation, entry })
}

/// A number that an entry can have.
fn seq(r: &mut Reader<'_>) -> Result<u64, Invalid> {
    let seq = r.uint()?;
    if (1..NUMBER_LIMIT).contains(&seq) { Ok(seq) } else { Err(Invalid) }
}

fn id(r: &mut Reader<'_>) -> Result<EntryId, Invalid> {
    Ok(EntryId(r.bytes_of()?))
}
