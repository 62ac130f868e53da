//! A file that its author offers: what a person sees of it, and what finds and opens its content.

use super::{
    Malformed,
    cbor::{Reader, Writer},
};
use crate::{
    blob::{Key, MAX_BYTES, Root},
    labels,
    picture::{MAX_PREVIEW_BYTES, Preview},
    text,
    voice::{MAX_LEVELS, Voice},
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
const PREVIEW: u64 = 7;
const VOICE: u64 = 8;

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
    /// Of a picture: what it looks like, roughly.
    pub preview: Option<Preview>,
    /// Of a voice note: how long it is, and how loud.
    pub voice: Option<Voice>,
}

impl File {
    /// What names its content: two offers with the same can be fetched from whoever made either.
    /// Another key, size or list, too, is another content. It never leaves this computer.
    pub fn content(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key(labels::FILE_CONTENT);
        hasher.update(self.root.as_bytes()).update(self.key.as_bytes());
        hasher.update(&self.size.to_be_bytes()).update(&self.manifest.to_be_bytes());
        hasher.finalize().into()
    }

    /// The bytes of a body: the CBOR map `{1: name, 2: size, 3: media type, 4: root, 5: key}`, of
    /// a folder with `6: bytes of its list`, of a picture with `7: preview`, of a voice note with
    /// `8: [milliseconds, levels]`.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::default();
        let more = [self.manifest > 0, self.preview.is_some(), self.voice.is_some()];
        w.map(5 + more.into_iter().filter(|&is_there| is_there).count());
        w.uint(NAME).text(&self.name).uint(SIZE).uint(self.size);
        w.uint(MEDIA_TYPE).text(&self.media_type);
        w.uint(ROOT).bytes(self.root.as_bytes()).uint(KEY).bytes(self.key.as_bytes());
        if self.manifest > 0 {
            w.uint(MANIFEST).uint(self.manifest);
        }
        if let Some(preview) = &self.preview {
            w.uint(PREVIEW).bytes(preview.as_bytes());
        }
        if let Some(voice) = &self.voice {
            w.uint(VOICE).array(2).uint(voice.millis().into()).bytes(voice.levels());
        }
        w.0
    }

    /// Reads the bytes that [`encode`](Self::encode) draws, and sanitises the texts. A preview that
    /// cannot be shown is left out, and so is what no voice note is like.
    ///
    /// # Errors
    /// [`Malformed`]: the encoding, a missing field, or a size over its limit.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let (mut name, mut size, mut media_type) = (None, None, "");
        let (mut root, mut key, mut manifest) = (None, None, 0);
        let mut preview: &[u8] = &[];
        let (mut millis, mut levels): (u64, &[u8]) = (0, &[]);
        let mut r = Reader::new(bytes);
        r.map(|field, r| {
            match field {
                NAME => name = Some(r.text()?),
                SIZE => size = Some(r.uint()?),
                MEDIA_TYPE => media_type = r.text()?,
                ROOT => root = Some(r.bytes_of()?),
                KEY => key = Some(r.bytes_of()?),
                MANIFEST => manifest = r.uint()?,
                PREVIEW => preview = r.bytes()?,
                VOICE if r.array(2, 1)? == 2 => (millis, levels) = (r.uint()?, r.bytes()?),
                VOICE => return Err(Malformed::Encoding),
                _ => return Ok(false),
            }
            Ok::<_, Malformed>(true)
        })?;
        r.end()?;
        let size = size.ok_or(Malformed::Encoding)?;
        let is_too_long = preview.len() > MAX_PREVIEW_BYTES || levels.len() > MAX_LEVELS;
        if size > MAX_BYTES || manifest > MAX_MANIFEST_BYTES || manifest > size || is_too_long {
            return Err(Malformed::TooLong);
        }
        Ok(Self {
            name: text::file_name(name.ok_or(Malformed::Encoding)?),
            size,
            media_type: clean_media_type(media_type),
            root: Root::from(root.ok_or(Malformed::Encoding)?),
            key: Key::from_bytes(key.ok_or(Malformed::Encoding)?),
            manifest,
            preview: Preview::parse(preview),
            voice: u32::try_from(millis).ok().and_then(|m| Voice::new(m, levels.to_vec())),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> File {
        // All of one colour: nothing but its first bytes is not 0.
        let mut preview = [0; 24];
        preview[..5].copy_from_slice(&[0x20, 0x08, 0x02, 0x04, 0x80]);
        File {
            name: "canal.png".to_owned(),
            size: 40_000,
            media_type: "image/png".to_owned(),
            root: Root::from([4; 32]),
            key: Key::from_bytes([5; 32]),
            manifest: 0,
            preview: Preview::parse(&preview[..19]),
            voice: None,
        }
    }

    #[test]
    fn all_that_is_needed_to_read_a_content_names_it() {
        let content = picture().content();
        let other_name = File { name: "c.png".to_owned(), preview: None, ..picture() };
        assert_eq!(other_name.content(), content);
        for (what, other) in [
            ("root", File { root: Root::from([6; 32]), ..picture() }),
            ("key", File { key: Key::from_bytes([6; 32]), ..picture() }),
            ("size", File { size: 40_001, ..picture() }),
            ("list", File { manifest: 1, ..picture() }),
        ] {
            assert_ne!(other.content(), content, "{what}");
        }
    }

    fn voice_note() -> File {
        let voice = Voice::new(4_200, (0..64).collect());
        File { preview: None, voice, ..picture() }
    }

    /// The body of an offer with this as its last field.
    fn with_field(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut w = Writer(File { preview: None, ..picture() }.encode());
        assert_eq!(w.0[0], 0xa5);
        w.0[0] = 0xa6;
        write(&mut w);
        w.0
    }

    fn with_preview(bytes: &[u8]) -> Vec<u8> {
        with_field(|w| {
            w.uint(PREVIEW).bytes(bytes);
        })
    }

    fn with_voice(millis: u64, levels: &[u8]) -> Vec<u8> {
        with_field(|w| {
            w.uint(VOICE).array(2).uint(millis).bytes(levels);
        })
    }

    #[test]
    fn an_offer_with_or_without_a_preview_is_read_as_it_was_written() {
        let picture = picture();
        assert!(picture.preview.is_some());
        let without = File { preview: None, ..picture.clone() };
        let all = File { preview: picture.preview.clone(), manifest: 9, ..voice_note() };
        for file in [picture, without, voice_note(), all] {
            assert_eq!(File::decode(&file.encode()), Ok(file));
        }
    }

    #[test]
    fn a_preview_that_is_none_is_left_out_and_one_that_is_too_long_refused() {
        let without = File { preview: None, ..picture() };
        let good = picture().preview.unwrap();
        assert_eq!(File::decode(&with_preview(good.as_bytes())), Ok(picture()));
        let longer = [good.as_bytes(), &[0]].concat();
        let shorter = &good.as_bytes()[1..];
        for wrong in [&b""[..], &[0xff; 4], shorter, &longer, &[0; MAX_PREVIEW_BYTES]] {
            assert_eq!(File::decode(&with_preview(wrong)), Ok(without.clone()), "{wrong:?}");
        }
        let wrong = with_preview(&[0x5a; MAX_PREVIEW_BYTES + 1]);
        assert_eq!(File::decode(&wrong), Err(Malformed::TooLong));
        // Another kind of item in its place.
        let mut wrong = with_preview(&[]);
        wrong.pop();
        wrong.push(0xf6);
        assert_eq!(File::decode(&wrong), Err(Malformed::Encoding));
    }

    #[test]
    fn what_no_voice_note_is_like_is_left_out_and_too_many_levels_refused() {
        use crate::voice::MAX_MILLIS;
        let without = File { preview: None, ..picture() };
        let levels: Vec<u8> = (0..64).collect();
        assert_eq!(File::decode(&with_voice(4_200, &levels)), Ok(voice_note()));
        let most = u64::from(MAX_MILLIS);
        for (millis, levels) in
            [(0, &levels[..]), (most + 1, &levels), (u64::MAX, &levels), (1, &[])]
        {
            assert_eq!(File::decode(&with_voice(millis, levels)), Ok(without.clone()), "{millis}");
        }
        let too_many = with_voice(4_200, &[0; MAX_LEVELS + 1]);
        assert_eq!(File::decode(&too_many), Err(Malformed::TooLong));
        for items in [1, 3] {
            let wrong = with_field(|w| {
                w.uint(VOICE).array(items).uint(4_200).bytes(&levels).uint(0);
            });
            assert_eq!(File::decode(&wrong), Err(Malformed::Encoding), "{items}");
        }
    }
}
