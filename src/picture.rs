//! Pictures: decoded within limits, and a preview of them that is small enough to travel with an
//! offer.

use std::{
    cell::Cell,
    fmt,
    fs::{File, OpenOptions},
    io::{self, BufReader, Read as _, Seek as _, SeekFrom},
    os::unix::fs::OpenOptionsExt as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use image::{
    DynamicImage, ImageDecoder as _, ImageError, ImageReader, Limits, metadata::Orientation,
};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

/// Media types that are shown.
const MEDIA_TYPES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// The longest file that is decoded, in bytes: larger than any camera's.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The longest side, in pixels.
const MAX_SIDE: u32 = 16_384;

/// The most pixels: a camera's of today, and little enough for the memory of a small computer.
const MAX_PIXELS: u64 = 64_000_000;

/// What the pixels may take, in bytes, and what a decoder may allocate beside them: so much is
/// [`MAX_PIXELS`] with a byte per colour; of those with two there may be half as many.
const MAX_ALLOCATION: u64 = 256 * 1024 * 1024;

/// The longest preview, in bytes: of a picture that is transparent in places.
pub const MAX_PREVIEW_BYTES: usize = 25;

/// The longest side of what a preview is made from, in pixels. It holds no more.
const PREVIEW_SOURCE: u32 = 100;

/// The longest side of what a preview shows, in pixels.
pub const PREVIEW_SIDE: usize = 32;

/// Why a file is not shown as a picture.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    /// Its content is none of a picture that is known here.
    #[error("it is no picture that can be shown here")]
    Unknown,
    /// It is over a limit.
    #[error("it is too large to be shown here")]
    TooLarge,
}

impl From<ImageError> for PictureError {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::IoError(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                Self::Unreadable(error)
            }
            ImageError::Limits(_) => Self::TooLarge,
            _ => Self::Unknown,
        }
    }
}

/// Whether files of this media type are shown.
pub fn is_shown(media_type: &str) -> bool {
    MEDIA_TYPES.contains(&media_type)
}

thread_local! {
    static IS_DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread is a decoder's, and ends nothing.
pub fn is_decoding() -> bool {
    IS_DECODING.get()
}

/// Decodes the picture in a file, of an animation the first one, upright, and makes it fit into so
/// many pixels across and down. With the width and height that it had. Takes up to seconds.
///
/// # Errors
/// [`PictureError`]
pub fn read(path: &Path, room: (u32, u32)) -> Result<(DynamicImage, (u32, u32)), PictureError> {
    decode(&content(open(path)?)?, room)
}

/// Opens a file to show or to play it.
///
/// # Errors
/// It cannot be opened. A pipe can, and is refused by its kind: to wait for one has no end.
pub fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// What lies in a file that is short enough.
fn content(mut file: File) -> Result<Vec<u8>, PictureError> {
    if !file.metadata()?.is_file() || file.seek(SeekFrom::End(0))? > MAX_BYTES {
        return Err(PictureError::TooLarge);
    }
    file.rewind()?;
    let mut content = Vec::new();
    // It may grow meanwhile.
    BufReader::new(file).take(MAX_BYTES).read_to_end(&mut content)?;
    Ok(content)
}

/// Decodes a picture, turns it upright, and makes it fit into so many pixels across and down.
/// With the width and height that it had.
///
/// # Errors
/// [`PictureError`]
pub fn decode(
    content: &[u8],
    room: (u32, u32),
) -> Result<(DynamicImage, (u32, u32)), PictureError> {
    guarded(|| decode_unguarded(content, room)).unwrap_or(Err(PictureError::Unknown))
}

/// Runs a decoder, which reads what others wrote. One that panics has read nothing: none. It may
/// run another one so.
pub fn guarded<T>(decode: impl FnOnce() -> T) -> Option<T> {
    let before = IS_DECODING.replace(true);
    let result = catch_unwind(AssertUnwindSafe(decode));
    IS_DECODING.set(before);
    result.ok()
}

fn decode_unguarded(
    content: &[u8],
    (most_across, most_down): (u32, u32),
) -> Result<(DynamicImage, (u32, u32)), PictureError> {
    let reader = ImageReader::new(io::Cursor::new(content)).with_guessed_format()?;
    let mut decoder = reader.into_decoder()?;
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_ALLOCATION);
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    let is_long = width > MAX_SIDE || height > MAX_SIDE;
    if is_long || pixels > MAX_PIXELS || decoder.total_bytes() > MAX_ALLOCATION {
        return Err(PictureError::TooLarge);
    }
    decoder.set_limits(limits)?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder)?;
    // Turned after it was made small: that is far less to turn.
    let is_turned = matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    );
    let (across, down) =
        if is_turned { (most_down, most_across) } else { (most_across, most_down) };
    if picture.width() > across || picture.height() > down {
        picture = picture.thumbnail(across, down);
    }
    picture.apply_orientation(orientation);
    Ok((picture, if is_turned { (height, width) } else { (width, height) }))
}

/// A preview of a picture: its [ThumbHash], which says colours and forms in some 25 bytes. To show
/// it is arithmetic on so few numbers; no decoder of pictures sees what a stranger wrote.
///
/// [ThumbHash]: https://evanw.github.io/thumbhash/
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Preview(Vec<u8>);

impl Preview {
    /// The preview of the picture in a file; none if it is none that can be shown.
    pub fn make(file: File) -> Option<Self> {
        let content = content(file).ok()?;
        let (small, _) = decode(&content, (PREVIEW_SOURCE, PREVIEW_SOURCE)).ok()?;
        let small = small.into_rgba8();
        let side = |pixels: u32| usize::try_from(pixels).ok();
        let (width, height) = (side(small.width())?, side(small.height())?);
        Self::parse(&thumbhash::rgba_to_thumb_hash(width, height, small.as_raw()))
    }

    /// The preview of these bytes; none if they are none.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let is_one = bytes.len() <= MAX_PREVIEW_BYTES && Some(bytes.len()) == length(bytes);
        is_one.then(|| Self(bytes.to_vec()))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its pixels: the width, and red, green, blue and opacity of each, row by row. No side is
    /// longer than [`PREVIEW_SIDE`].
    pub fn pixels(&self) -> (usize, Vec<[u8; 4]>) {
        // Whatever has the right length can be shown.
        let (width, _, bytes) = thumbhash::thumb_hash_to_rgba(&self.0).unwrap_or_default();
        (width, bytes.as_chunks().0.to_vec())
    }

    /// The width and height that [`pixels`](Self::pixels) has.
    pub fn size(&self) -> (usize, usize) {
        let (across, down) = sides(&self.0).unwrap_or((1, 1));
        // To the nearest, as it is shown.
        let part = |a: usize, b: usize| (2 * PREVIEW_SIDE * a + b) / (2 * b);
        if across > down {
            (PREVIEW_SIDE, part(down, across))
        } else {
            (part(across, down), PREVIEW_SIDE)
        }
    }
}

/// How long its first bytes say that a preview is; none if they say nothing. Five bytes, one more
/// where it is transparent, then half a byte for each term.
fn length(bytes: &[u8]) -> Option<usize> {
    let (across, down) = sides(bytes)?;
    let has_opacity = bytes.get(2)? & 0x80 != 0;
    // Those of a triangle, without the first.
    let terms = |across: usize, down: usize| {
        (0..down).map(|y| (across * (down - y)).div_ceil(down)).sum::<usize>() - 1
    };
    let colours = terms(across.max(3), down.max(3)) + 2 * terms(3, 3);
    let (begin, opacity) = if has_opacity { (6, terms(5, 5)) } else { (5, 0) };
    Some(begin + (colours + opacity).div_ceil(2))
}

/// The two sides, as a preview tells them: one is 7, or 5 of a picture that is transparent in
/// places.
fn sides(bytes: &[u8]) -> Option<(usize, usize)> {
    let &[_, _, third, fourth, fifth, ..] = bytes else { return None };
    let longer = if third & 0x80 == 0 { 7 } else { 5 };
    let shorter = usize::from(fourth & 7);
    let is_wide = fifth & 0x80 != 0;
    (1..=longer).contains(&shorter).then_some(if is_wide {
        (longer, shorter)
    } else {
        (shorter, longer)
    })
}

impl fmt::Debug for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl From<Preview> for String {
    fn from(preview: Preview) -> Self {
        hex::encode(preview.0)
    }
}

impl TryFrom<String> for Preview {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = hex::decode(text).ok();
        bytes.and_then(|bytes| Self::parse(&bytes)).ok_or("this is no preview")
    }
}

#[cfg(test)]
mod tests {
    use image::{ImageFormat, Rgba, RgbaImage};
    use proptest::prelude::*;

    use super::*;

    /// Red above, transparent below; written in this format.
    fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let image = RgbaImage::from_fn(width, height, |_, y| {
            if y < height / 2 { Rgba([200, 0, 0, 255]) } else { Rgba([0, 0, 0, 0]) }
        });
        let mut content = io::Cursor::new(Vec::new());
        let image = DynamicImage::from(image);
        let image = if format == ImageFormat::Jpeg { image.into_rgb8().into() } else { image };
        image.write_to(&mut content, format).unwrap();
        content.into_inner()
    }

    #[test]
    fn a_picture_taken_sideways_stands_upright() {
        // Orientation 6 of EXIF (tag 0x0112): turn it by 90°.
        let exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let jpeg = picture(400, 200, ImageFormat::Jpeg);
        let mut turned = jpeg[..2].to_vec();
        turned.extend([0xff, 0xe1, 0, u8::try_from(exif.len() + 2).unwrap()]);
        turned.extend(exif);
        turned.extend(&jpeg[2..]);
        let (shown, original) = decode(&turned, (40, 40)).unwrap();
        assert_eq!((shown.width(), shown.height(), original), (20, 40, (200, 400)));
    }

    #[test]
    fn what_is_no_picture_or_too_large_is_refused() {
        let png = picture(4, 4, ImageFormat::Png);
        for wrong in [&b""[..], b"GIF89a", b"BM not one of ours", &png[..png.len() / 2], b"<svg/>"]
        {
            let error = decode(wrong, (40, 40)).map(|_| ()).unwrap_err();
            assert!(matches!(error, PictureError::Unknown), "{error}");
        }
        // The header alone promises too much; nothing of that is allocated.
        let promised = |width, height, bits| {
            let mut huge = png.clone();
            huge[16..20].copy_from_slice(&u32::to_be_bytes(width));
            huge[20..24].copy_from_slice(&u32::to_be_bytes(height));
            huge[24] = bits;
            let checksum = crc32(&huge[12..29]);
            huge[29..33].copy_from_slice(&checksum.to_be_bytes());
            decode(&huge, (40, 40)).map(|_| ()).unwrap_err()
        };
        for (width, height, bits) in
            [(MAX_SIDE + 1, 1, 8), (1, MAX_SIDE + 1, 8), (16_000, 16_000, 8), (8000, 8000, 16)]
        {
            let error = promised(width, height, bits);
            assert!(matches!(error, PictureError::TooLarge), "{width}×{height}×{bits}: {error}");
        }
        // As many pixels of a byte per colour are decoded, if they are there.
        let error = promised(8000, 8000, 8);
        assert!(matches!(error, PictureError::Unknown), "{error}");
    }

    /// The checksum of PNG's chunks (its annex D).
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0_u32, |sum, &byte| {
            (0..8).fold(sum ^ u32::from(byte), |sum, _| {
                (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
            })
        })
    }

    #[test]
    fn a_decoder_within_another_ends_that_ones_guard_not() {
        let during = guarded(|| {
            let inner = guarded(|| -> bool { panic!("a defect") });
            (inner, is_decoding())
        });
        assert_eq!(during, Some((None, true)));
        assert!(!is_decoding());
    }

    #[test]
    fn long_files_are_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.png");
        File::create(&path).unwrap().set_len(MAX_BYTES + 1).unwrap();
        assert!(matches!(read(&path, (40, 40)), Err(PictureError::TooLarge)));
        std::fs::write(&path, picture(4, 4, ImageFormat::Png)).unwrap();
        assert_eq!(read(&path, (40, 40)).unwrap().1, (4, 4));
        let nowhere = directory.path().join("b.png");
        assert!(matches!(read(&nowhere, (40, 40)), Err(PictureError::Unreadable(_))));
    }

    /// The preview of a picture in a file.
    fn preview(picture: &[u8]) -> Option<Preview> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.png");
        std::fs::write(&path, picture).unwrap();
        Preview::make(File::open(path).unwrap())
    }

    #[test]
    fn a_preview_shows_the_colours_where_they_are() {
        let canal = RgbaImage::from_fn(640, 360, |x, _| {
            if x < 320 { Rgba([220, 30, 20, 255]) } else { Rgba([10, 60, 200, 255]) }
        });
        let mut content = io::Cursor::new(Vec::new());
        canal.write_to(&mut content, ImageFormat::Png).unwrap();
        let preview = preview(&content.into_inner()).unwrap();
        assert!(preview.as_bytes().len() < MAX_PREVIEW_BYTES);
        let (width, pixels) = preview.pixels();
        assert_eq!((width, pixels.len()), (32, 32 * 18));
        let [red, _, blue, opacity] = pixels[32 * 9 + 4];
        assert!(red > 180 && blue < 80 && opacity == 255, "{:?}", pixels[32 * 9 + 4]);
        let [red, _, blue, _] = pixels[32 * 9 + 28];
        assert!(red < 80 && blue > 150, "{:?}", pixels[32 * 9 + 28]);
    }

    #[test]
    fn pictures_of_all_forms_have_a_preview_and_nothing_else_has() {
        for (width, height) in [(1, 1), (1, 16_000), (16_000, 1), (100, 100), (3, 2000), (7, 5)] {
            let (width, height): (u32, u32) = (width, height);
            let preview = preview(&picture(width, height, ImageFormat::Png)).unwrap();
            let (across, down) = preview.size();
            assert_eq!(preview.pixels().1.len(), across * down, "{width}×{height}");
            assert_eq!(across.cmp(&down), width.cmp(&height), "{width}×{height}");
        }
        // Half of it is transparent, so it is as long as any.
        let half = preview(&picture(100, 100, ImageFormat::Png)).unwrap();
        assert_eq!(half.as_bytes().len(), MAX_PREVIEW_BYTES);
        let png = picture(40, 40, ImageFormat::Png);
        for wrong in [&b""[..], b"not a picture", &png[..png.len() / 2]] {
            assert_eq!(preview(wrong), None);
        }
    }

    proptest! {
        /// Whatever somebody sends is refused, or can be shown.
        #[test]
        fn any_bytes_are_a_preview_or_none(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut bytes = bytes;
            // Most are of no length that there is.
            if let Some(length) = length(&bytes) {
                prop_assert!(length <= MAX_PREVIEW_BYTES);
                bytes.resize(length, 0x5a);
                prop_assert!(Preview::parse(&bytes[..length - 1]).is_none());
            }
            if let Some(preview) = Preview::parse(&bytes) {
                // It is what the other implementation reads, to the last byte.
                prop_assert!(thumbhash::thumb_hash_to_rgba(&bytes).is_ok());
                prop_assert!(thumbhash::thumb_hash_to_rgba(&bytes[..bytes.len() - 1]).is_err());
                let (across, down) = preview.size();
                let (width, pixels) = preview.pixels();
                prop_assert_eq!((width, pixels.len()), (across, across * down));
                prop_assert!(across.max(down) == PREVIEW_SIDE && across.min(down) > 0);
                let text = serde_json::to_string(&preview).unwrap();
                prop_assert_eq!(serde_json::from_str::<Preview>(&text).unwrap(), preview);
            } else {
                let text = serde_json::to_string(&hex::encode(&bytes)).unwrap();
                prop_assert!(serde_json::from_str::<Preview>(&text).is_err());
            }
        }
    }
}
