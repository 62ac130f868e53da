//! What is asked of whoever has a file, on a stream of its own beside the session's.
//!
//! ```text
//! request:  length, 2 ‖ CBOR map {1: conversation, 2: entry, 3: [[first group, groups] …]}
//! answer:   0, 1 byte ‖ slices     or     a refusal, 1 byte
//! ```
//!
//! A stream carries one request after the other, and the answers in the same order; the next may be
//! asked before one is answered. The stream is of the link, whose PeerIds the session has bound to the two identities; and what is asked for
//! is ciphertext, of which the link's session carried the key.

use crate::{
    blob::{PIECE, PIECES, Span},
    conversation::{
        ConversationId, EntryId,
        cbor::{Invalid, Reader, Writer},
    },
};

/// The longest request, in bytes after its length.
pub const MAX_FILE_REQUEST_BYTES: usize = 4096;

/// The most runs of groups in a request: as many as the pieces of one can fall into.
pub const MAX_SPANS: usize = 128;

/// The most groups in a request, 4 MiB.
pub const MAX_GROUPS: u64 = PIECES as u64 * PIECE;

const CONVERSATION: u64 = 1;
const ENTRY: u64 = 2;
const SPANS: u64 = 3;

/// The slices follow.
pub const GRANTED: u8 = 0;

/// A request for a part of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRequest {
    /// In which conversation it was offered.
    pub conversation: ConversationId,
    /// By which entry.
    pub entry: EntryId,
    /// Which groups, in ascending order: at most [`MAX_SPANS`] runs, [`MAX_GROUPS`] in all.
    pub spans: Vec<Span>,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileRefusal {
    /// 1: it is not here, or not for the one who asks.
    Unknown,
    /// 2: it has changed or vanished.
    Gone,
    /// 3: too much is being sent; later.
    Busy,
}

impl FileRefusal {
    /// The byte of the answer.
    pub fn number(self) -> u8 {
        match self {
            Self::Unknown => 1,
            Self::Gone => 2,
            Self::Busy => 3,
        }
    }

    /// From the byte of the answer; what is unknown is [`Self::Unknown`].
    pub fn from_number(number: u8) -> Self {
        match number {
            2 => Self::Gone,
            3 => Self::Busy,
            _ => Self::Unknown,
        }
    }
}

impl FileRequest {
    /// The bytes, with their length before them.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::default();
        w.map(3).uint(CONVERSATION).bytes(&self.conversation.0).uint(ENTRY).bytes(&self.entry.0);
        w.uint(SPANS).array(self.spans.len());
        for span in &self.spans {
            w.array(2).uint(span.start).uint(span.end - span.start);
        }
        let length = u16::try_from(w.0.len()).unwrap_or(u16::MAX);
        [&length.to_be_bytes()[..], &w.0].concat()
    }

    /// Reads what [`encode`](Self::encode) draws after the length. Unknown keys are skipped.
    ///
    /// # Errors
    /// None: it is malformed, or over a limit.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        Self::read(bytes).ok()
    }

    fn read(bytes: &[u8]) -> Result<Self, Invalid> {
        let (mut conversation, mut entry, mut spans) = (None, None, Vec::new());
        let mut r = Reader::new(bytes);
        r.map(|key, r| {
            match key {
                CONVERSATION => conversation = Some(ConversationId(r.bytes_of()?)),
                ENTRY => entry = Some(EntryId(r.bytes_of()?)),
                SPANS => {
                    for _ in 0..r.array(MAX_SPANS, 3)? {
                        r.array(2, 1)?;
                        let (start, groups) = (r.uint()?, r.uint()?);
                        spans.push(start..start.checked_add(groups).ok_or(Invalid)?);
                    }
                }
                _ => return Ok(false),
            }
            Ok::<_, Invalid>(true)
        })?;
        r.end()?;
        let ascending = spans.windows(2).all(|two| two[0].end < two[1].start);
        let groups = |all: u64, span: &Span| all.saturating_add(span.end - span.start);
        let groups = spans.iter().fold(0, groups);
        let filled = spans.iter().all(|span| span.start < span.end);
        if spans.is_empty() || !ascending || !filled || groups > MAX_GROUPS {
            return Err(Invalid);
        }
        let (conversation, entry) = conversation.zip(entry).ok_or(Invalid)?;
        Ok(Self { conversation, entry, spans })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(spans: Vec<Span>) -> FileRequest {
        FileRequest { conversation: ConversationId([1; 32]), entry: EntryId([2; 32]), spans }
    }

    fn back(request: &FileRequest) -> Option<FileRequest> {
        let bytes = request.encode();
        let length = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
        assert_eq!(length, bytes.len() - 2);
        FileRequest::decode(&bytes[2..])
    }

    #[test]
    fn the_longest_request_fits_and_reads_back() {
        let high = 1 << 26;
        let spans = (0..MAX_SPANS as u64).map(|n| high + n * 2..high + n * 2 + 1);
        let longest = request(spans.collect());
        assert!(longest.encode().len() - 2 <= MAX_FILE_REQUEST_BYTES);
        assert_eq!(back(&longest), Some(longest));
    }

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "one span is meant")]
    fn what_is_over_a_limit_or_out_of_order_is_none() {
        for spans in [
            vec![],
            vec![0..0],
            vec![0..MAX_GROUPS + 1],
            vec![0..2, 2..3],
            vec![5..6, 1..2],
            vec![0..3, 1..5],
            vec![0..1, 3..u64::MAX],
            vec![0..u64::MAX, 1..u64::MAX],
            (0..=MAX_SPANS as u64).map(|n| n * 2..n * 2 + 1).collect(),
        ] {
            assert_eq!(back(&request(spans.clone())), None, "{spans:?}");
        }
        let mut w = Writer::default();
        w.map(1).uint(SPANS).array(1).array(2).uint(2).uint(u64::MAX);
        assert_eq!(FileRequest::decode(&w.0), None);
        let whole = request(vec![0..5]).encode();
        for end in 2..whole.len() {
            assert_eq!(FileRequest::decode(&whole[2..end]), None);
        }
    }
}
