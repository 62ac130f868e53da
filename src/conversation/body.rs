//! What an entry says: its kind, and the content that can be pruned.

use super::{
    EntryId, File, Malformed,
    cbor::{Reader, Writer},
};
use crate::{
    labels,
    text::{self, MAX_EMOJI_BYTES, MAX_TEXT_BYTES},
};

/// The longest body in bytes: the longest text and a little for its encoding and for fields of
/// later versions.
pub const MAX_BODY_BYTES: usize = MAX_TEXT_BYTES + 1024;

/// The longest body in bytes of a delete, a reaction or a read mark: an emoji, and room for fields
/// of later versions. Nobody sees these, nor what a peer hides in them, so they stay small.
pub const MAX_SMALL_BODY_BYTES: usize = 1024;

const TEXT: u64 = 1;

/// What an entry is. The header says it, so that it is known of a pruned entry too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// 1: a text.
    Text,
    /// 2: a text that answers its target.
    Reply,
    /// 3: a new text for its target.
    Edit,
    /// 4: its target's content is deleted.
    Delete,
    /// 5: the author's reaction to its target.
    Reaction,
    /// 6: the author has read everything up to its target.
    ReadMark,
    /// 7: a file.
    File,
    /// Something that a newer version understands.
    Unknown(u32),
}

impl Kind {
    /// The number in the header.
    pub fn number(self) -> u32 {
        match self {
            Self::Text => 1,
            Self::Reply => 2,
            Self::Edit => 3,
            Self::Delete => 4,
            Self::Reaction => 5,
            Self::ReadMark => 6,
            Self::File => 7,
            Self::Unknown(number) => number,
        }
    }

    /// The kind with this number in the header.
    pub fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Text,
            2 => Self::Reply,
            3 => Self::Edit,
            4 => Self::Delete,
            5 => Self::Reaction,
            6 => Self::ReadMark,
            7 => Self::File,
            number => Self::Unknown(number),
        }
    }

    /// Whether it means nothing without a target.
    pub fn needs_target(self) -> bool {
        !matches!(self, Self::Text | Self::File | Self::Unknown(_))
    }

    /// Whether it changes how its target is shown.
    pub fn modifies(self) -> bool {
        matches!(self, Self::Edit | Self::Delete | Self::Reaction)
    }

    /// The longest body in bytes.
    pub fn max_body_bytes(self) -> usize {
        match self {
            Self::Delete | Self::Reaction | Self::ReadMark => MAX_SMALL_BODY_BYTES,
            Self::Text | Self::Reply | Self::Edit | Self::File | Self::Unknown(_) => MAX_BODY_BYTES,
        }
    }

    /// Whether it is an item of its own in the conversation that a person sees.
    pub fn is_shown(self) -> bool {
        matches!(self, Self::Text | Self::Reply | Self::File | Self::Unknown(_))
    }
}

/// What an entry says. The target stands in the header, the text in the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// A text.
    Text {
        /// At most [`MAX_TEXT_BYTES`].
        text: String,
    },
    /// A text that answers another entry.
    Reply {
        /// Which.
        target: EntryId,
        /// At most [`MAX_TEXT_BYTES`].
        text: String,
    },
    /// A new text for an own text or reply.
    Edit {
        /// Which.
        target: EntryId,
        /// At most [`MAX_TEXT_BYTES`].
        text: String,
    },
    /// The content of an own text or reply is to be gone, everywhere.
    Delete {
        /// Which.
        target: EntryId,
    },
    /// The author's one reaction to an entry.
    Reaction {
        /// To which.
        target: EntryId,
        /// One emoji, at most [`MAX_EMOJI_BYTES`]; empty: taken back.
        emoji: String,
    },
    /// The author has read everything by others up to here, in the order shown.
    ReadMark {
        /// Up to which.
        target: EntryId,
    },
    /// A file is offered.
    File(Box<File>),
    /// Something that a newer version understands; only its bytes are kept.
    Unknown {
        /// [`Kind::number`].
        kind: u32,
    },
}

impl Body {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Text { .. } => Kind::Text,
            Self::Reply { .. } => Kind::Reply,
            Self::Edit { .. } => Kind::Edit,
            Self::Delete { .. } => Kind::Delete,
            Self::Reaction { .. } => Kind::Reaction,
            Self::ReadMark { .. } => Kind::ReadMark,
            Self::File(_) => Kind::File,
            Self::Unknown { kind } => Kind::Unknown(*kind),
        }
    }

    /// The entry that it answers or changes.
    pub fn target(&self) -> Option<&EntryId> {
        match self {
            Self::Reply { target, .. }
            | Self::Edit { target, .. }
            | Self::Delete { target }
            | Self::Reaction { target, .. }
            | Self::ReadMark { target } => Some(target),
            Self::Text { .. } | Self::File(_) | Self::Unknown { .. } => None,
        }
    }

    /// The text, the emoji, or the name of the file.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text { text } | Self::Reply { text, .. } | Self::Edit { text, .. } => Some(text),
            Self::Reaction { emoji, .. } => Some(emoji),
            Self::File(file) => Some(&file.name),
            Self::Delete { .. } | Self::ReadMark { .. } | Self::Unknown { .. } => None,
        }
    }

    /// What the content of a file is known by ([`File::content`]).
    pub fn content(&self) -> Option<[u8; 32]> {
        match self {
            Self::File(file) => Some(file.content()),
            _ => None,
        }
    }

    /// The bytes: the CBOR map `{1: text}`, or the empty map for kinds without a text; of a file
    /// see [`File`].
    pub fn encode(&self) -> Vec<u8> {
        if let Self::File(file) = self {
            return file.encode();
        }
        let mut w = Writer::with_capacity(8 + self.text().map_or(0, str::len));
        if let Some(text) = self.text() {
            w.map(1).uint(TEXT).text(text);
        } else {
            w.map(0);
        }
        w.0
    }

    /// Reads the bytes that [`encode`](Self::encode) draws and sanitises the text. Other fields
    /// are those of later versions and skipped; of an unknown kind nothing is read at all.
    ///
    /// # Errors
    /// [`Malformed`]: the encoding, the text's length, or a missing text or target.
    pub fn decode(kind: Kind, target: Option<EntryId>, bytes: &[u8]) -> Result<Self, Malformed> {
        if let Kind::Unknown(kind) = kind {
            return Ok(Self::Unknown { kind });
        }
        if kind == Kind::File {
            return File::decode(bytes).map(|file| Self::File(Box::new(file)));
        }
        let mut text = None;
        let mut r = Reader::new(bytes);
        r.map(|key, r| {
            if key == TEXT {
                text = Some(r.text()?);
            }
            Ok::<_, Malformed>(key == TEXT)
        })?;
        r.end()?;
        let target = || target.ok_or(Malformed::Target);
        let text = |most| {
            let text = text.ok_or(Malformed::Encoding)?;
            if text.len() > most { Err(Malformed::TooLong) } else { Ok(text) }
        };
        let message = || text(MAX_TEXT_BYTES).map(text::message);
        Ok(match kind {
            Kind::Text => Self::Text { text: message()? },
            Kind::Reply => Self::Reply { target: target()?, text: message()? },
            Kind::Edit => Self::Edit { target: target()?, text: message()? },
            Kind::Delete => Self::Delete { target: target()? },
            Kind::Reaction => {
                let emoji = text::emoji(text(MAX_EMOJI_BYTES)?).unwrap_or_default();
                Self::Reaction { target: target()?, emoji }
            }
            Kind::ReadMark => Self::ReadMark { target: target()? },
            Kind::File | Kind::Unknown(_) => return Err(Malformed::Encoding),
        })
    }

    /// The hash of a body's bytes: `derive_key(BODY_HASH, bytes)`.
    pub fn hash(bytes: &[u8]) -> [u8; 32] {
        blake3::derive_key(labels::BODY_HASH, bytes)
    }
}
