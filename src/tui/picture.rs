//! Pictures in half blocks: each cell shows two pixels, one above the other, which are square in
//! most fonts. Every terminal with colours shows them, within tmux and over SSH as well.

use std::{
    fs::File,
    io::{self, BufReader, Read as _, Seek as _, SeekFrom},
    path::Path,
};

use image::{
    DynamicImage, ImageDecoder as _, ImageError, ImageReader, Limits, metadata::Orientation,
};

/// Media types that are shown.
const MEDIA_TYPES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// The longest file that is decoded, in bytes: larger than any camera's.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The longest side, in pixels.
const MAX_SIDE: u32 = 16_384;

/// The most pixels: a camera's of today, and little enough for the memory of a small computer.
const MAX_PIXELS: u64 = 64_000_000;

/// What a decoder may allocate beside the pixels, in bytes.
const MAX_ALLOCATION: u64 = 512 * 1024 * 1024;

/// A pixel's red, green and blue; none where the picture is transparent.
pub type Pixel = Option<[u8; 3]>;

/// A picture that is small enough for the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row.
    width: usize,
    /// Row by row.
    pixels: Vec<Pixel>,
    /// The width and height of what it was made from, in pixels.
    pub original: (u32, u32),
}

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

impl Picture {
    /// Decodes the picture in a file, of an animation the first one, upright, and makes it fit
    /// into so many columns and rows of cells. Takes up to seconds.
    ///
    /// # Errors
    /// [`PictureError`]
    pub fn read(path: &Path, cells: (u16, u16)) -> Result<Self, PictureError> {
        let mut file = File::open(path)?;
        if !file.metadata()?.is_file() || file.seek(SeekFrom::End(0))? > MAX_BYTES {
            return Err(PictureError::TooLarge);
        }
        file.rewind()?;
        let mut content = Vec::new();
        // It may grow meanwhile.
        BufReader::new(file).take(MAX_BYTES).read_to_end(&mut content)?;
        Self::decode(&content, cells)
    }

    fn decode(content: &[u8], (columns, rows): (u16, u16)) -> Result<Self, PictureError> {
        let reader = ImageReader::new(io::Cursor::new(content)).with_guessed_format()?;
        let mut decoder = reader.into_decoder()?;
        let mut limits = Limits::no_limits();
        limits.max_image_width = Some(MAX_SIDE);
        limits.max_image_height = Some(MAX_SIDE);
        limits.max_alloc = Some(MAX_ALLOCATION);
        let (width, height) = decoder.dimensions();
        if width > MAX_SIDE
            || height > MAX_SIDE
            || u64::from(width) * u64::from(height) > MAX_PIXELS
        {
            return Err(PictureError::TooLarge);
        }
        decoder.set_limits(limits)?;
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let mut picture = DynamicImage::from_decoder(decoder)?;
        let (most_columns, most_rows) = (u32::from(columns.max(1)), 2 * u32::from(rows.max(1)));
        // Turned after it was made small: that is far less to turn.
        let is_turned = matches!(
            orientation,
            Orientation::Rotate90
                | Orientation::Rotate270
                | Orientation::Rotate90FlipH
                | Orientation::Rotate270FlipH
        );
        let (across, down) =
            if is_turned { (most_rows, most_columns) } else { (most_columns, most_rows) };
        if picture.width() > across || picture.height() > down {
            picture = picture.thumbnail(across, down);
        }
        picture.apply_orientation(orientation);
        let small = picture.into_rgba8();
        let seen =
            |[red, green, blue, opacity]: [u8; 4]| (opacity >= 128).then_some([red, green, blue]);
        Ok(Self {
            width: usize::try_from(small.width()).unwrap_or(1).max(1),
            pixels: small.pixels().map(|pixel| seen(pixel.0)).collect(),
            original: if is_turned { (height, width) } else { (width, height) },
        })
    }

    /// The columns and rows of cells that it takes.
    pub fn cells(&self) -> (usize, usize) {
        (self.width, self.pixels.len().div_ceil(self.width).div_ceil(2))
    }

    /// The upper and the lower pixel of a cell.
    pub fn pixels(&self, column: usize, row: usize) -> (Pixel, Pixel) {
        let at = |y: usize| self.pixels.get(y * self.width + column).copied().flatten();
        (at(2 * row), at(2 * row + 1))
    }
}

#[cfg(test)]
mod tests {
    use image::{ImageFormat, Rgba, RgbaImage};

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
    fn pictures_of_all_formats_fit_the_cells() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP] {
            let shown = Picture::decode(&picture(400, 200, format), (40, 20)).unwrap();
            assert_eq!((shown.cells(), shown.original), ((40, 10), (400, 200)), "{format:?}");
            let (upper, lower) = shown.pixels(20, 0);
            assert_eq!(upper, lower);
            assert!(upper.is_some_and(|[red, _, _]| red > 180), "{upper:?}");
            if format != ImageFormat::Jpeg {
                assert_eq!(shown.pixels(20, 9), (None, None), "{format:?}");
            }
        }
        // One that is high, one that is small, and an odd one.
        let cells = |width, height| {
            Picture::decode(&picture(width, height, ImageFormat::Png), (40, 20)).unwrap().cells()
        };
        assert_eq!(cells(10, 1000).1, 20);
        assert_eq!(cells(8, 8), (8, 4));
        assert_eq!(cells(3, 5), (3, 3));
        assert_eq!(cells(1, 1), (1, 1));
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
        let shown = Picture::decode(&turned, (40, 20)).unwrap();
        assert_eq!((shown.cells(), shown.original), ((20, 20), (200, 400)));
    }

    #[test]
    fn what_is_no_picture_or_too_large_is_refused() {
        let png = picture(4, 4, ImageFormat::Png);
        for wrong in [&b""[..], b"GIF89a", b"BM not one of ours", &png[..png.len() / 2], b"<svg/>"]
        {
            let error = Picture::decode(wrong, (40, 20)).unwrap_err();
            assert!(matches!(error, PictureError::Unknown), "{error}");
        }
        // The header alone promises too much; nothing of that is allocated.
        for (width, height) in [(MAX_SIDE + 1, 1), (1, MAX_SIDE + 1), (16_000, 16_000)] {
            let mut huge = png.clone();
            huge[16..20].copy_from_slice(&u32::to_be_bytes(width));
            huge[20..24].copy_from_slice(&u32::to_be_bytes(height));
            let checksum = crc32(&huge[12..29]);
            huge[29..33].copy_from_slice(&checksum.to_be_bytes());
            let error = Picture::decode(&huge, (40, 20)).unwrap_err();
            assert!(matches!(error, PictureError::TooLarge), "{width}×{height}: {error}");
        }
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
    fn long_files_are_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.png");
        File::create(&path).unwrap().set_len(MAX_BYTES + 1).unwrap();
        assert!(matches!(Picture::read(&path, (40, 20)), Err(PictureError::TooLarge)));
        std::fs::write(&path, picture(4, 4, ImageFormat::Png)).unwrap();
        assert_eq!(Picture::read(&path, (40, 20)).unwrap().cells(), (4, 2));
        let nowhere = directory.path().join("b.png");
        assert!(matches!(Picture::read(&nowhere, (40, 20)), Err(PictureError::Unreadable(_))));
    }
}
