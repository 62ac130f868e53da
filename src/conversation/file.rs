//! A file that its author offers: what a person sees of it, and what finds and opens its content.

use super::{
    Malformed,
    cbor::{Reader, Writer},
};
use crate::{
    blob::{Key, MAX_BYTES, Root},
    text,
};

/// The longest list of a folder's files, in bytes.
pub const MAX_MANIFEST_BYTES: u64 = 16 * 1024 * 1024;

/// The longest media type, in bytes (RFC 6838 section 4.2: twice 127 and a slash).
pub const MAX_MEDIA_TYPE_BYTES: usize = 255;

const NAME: u64 = 1;
const SIZE: u64 = 2;
const MEDIA_TYPE: u64 = 3;
const ROOT: u64 = 4;
const KEY: u64 = 5;
const MANIFEST: u64 = 6;

/// An offered file or folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name, sanitised by [`text::file_name`].
    pub name: String,
    /// The bytes of its content, at most [`MAX_BYTES`].
    pub size: u64,
    /// `type/subtype` (RFC 6838), as its author says; empty if unknown.
    pub media_type: String,
    /// The root of its content.
    pub root: Root,
    /// The key of its content.
    pub key: Key,
    /// Of a folder: how many bytes its list of files has, which its content begins with; else 0.
    pub manifest: u64,
}

impl File {
    /// The bytes of a body: the CBOR map `{1: name, 2: size, 3: media type, 4: root, 5: key}`, of
    /// a folder with `6: bytes of its list`.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::default();
        w.map(if self.manifest > 0 { 6 } else { 5 });
        w.uint(NAME).text(&self.name).uint(SIZE).uint(self.size);
        w.uint(MEDIA_TYPE).text(&self.media_type);
        w.uint(ROOT).bytes(self.root.as_bytes()).uint(KEY).bytes(self.key.as_bytes());
        if self.manifest > 0 {
            w.uint(MANIFEST).uint(self.manifest);
        }
        w.0
    }

    /// Reads the bytes that [`encode`](Self::encode) draws, and sanitises the texts.
    ///
    /// # Errors
    /// [`Malformed`]: the encoding, a missing field, or a size over its limit.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let (mut name, mut size, mut media_type) = (None, None, "");
        let (mut root, mut key, mut manifest) = (None, None, 0);
        let mut r = Reader::new(bytes);
        r.map(|field, r| {
            match field {
                NAME => name = Some(r.text()?),
                SIZE => size = Some(r.uint()?),
                MEDIA_TYPE => media_type = r.text()?,
                ROOT => root = Some(r.bytes_of()?),
                KEY => key = Some(r.bytes_of()?),
                MANIFEST => manifest = r.uint()?,
                _ => return Ok(false),
            }
            Ok::<_, Malformed>(true)
        })?;
        r.end()?;
        let size = size.ok_or(Malformed::Encoding)?;
        if size > MAX_BYTES || manifest > MAX_MANIFEST_BYTES || manifest > size {
            return Err(Malformed::TooLong);
        }
        Ok(Self {
            name: text::file_name(name.ok_or(Malformed::Encoding)?),
            size,
            media_type: clean_media_type(media_type),
            root: Root::from(root.ok_or(Malformed::Encoding)?),
            key: Key::from_bytes(key.ok_or(Malformed::Encoding)?),
            manifest,
        })
    }
}

/// Empty unless it is one.
fn clean_media_type(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "!#$&-^_.+/".contains(c);
    let good = text.len() <= MAX_MEDIA_TYPE_BYTES
        && text.chars().all(plain)
        && text.split('/').count() == 2;
    if good { text.to_ascii_lowercase() } else { String::new() }
}
