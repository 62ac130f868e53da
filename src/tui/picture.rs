//! Pictures, made for the terminal: by the protocol that it knows, else in half blocks. Of those
//! each cell shows two pixels, one above the other, which are square in most fonts; every terminal
//! with colours shows them, within tmux and over SSH as well.

use std::{
    fs::File,
    io::{self, BufReader, Read as _, Seek as _, SeekFrom},
    path::Path,
};

use image::{
    DynamicImage, ImageDecoder as _, ImageError, ImageReader, Limits, metadata::Orientation,
};
use ratatui::layout::Size;
use ratatui_image::protocol::{self, iterm2::Iterm2, kitty::Kitty, sixel::Sixel};

use super::graphics::{Graphics, Protocol};

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

/// The most pixels that are given to a terminal: some MB to be written, and to be kept by it.
const MAX_SHOWN_PIXELS: u64 = 1_000_000;

/// A pixel's red, green and blue; none where the picture is transparent.
pub type Pixel = Option<[u8; 3]>;

/// A picture that is small enough for the screen.
#[derive(Debug)]
pub struct Picture {
    /// As it is drawn.
    pub drawn: Drawn,
    /// The width and height of what it was made from, in pixels.
    pub original: (u32, u32),
}

/// How a picture is drawn.
pub enum Drawn {
    /// In half blocks.
    Blocks(Blocks),
    /// By a protocol of the terminal's.
    Encoded(protocol::Protocol),
}

// Not derived: what is encoded has none, and is long.
impl std::fmt::Debug for Drawn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Blocks(blocks) => blocks.fmt(f),
            Self::Encoded(protocol) => f.debug_tuple("Encoded").field(&protocol.size()).finish(),
        }
    }
}

/// The pixels of a picture in half blocks.
#[derive(Debug)]
pub struct Blocks {
    /// Pixels in a row.
    width: usize,
    /// Row by row.
    pixels: Vec<Pixel>,
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
    pub fn read(
        path: &Path,
        cells: (u16, u16),
        graphics: Option<Graphics>,
    ) -> Result<Self, PictureError> {
        let (columns, rows) = (u32::from(cells.0.max(1)), u32::from(cells.1.max(1)));
        let room = match graphics {
            None => (columns, 2 * rows),
            Some(Graphics { cell: (width, height), .. }) => {
                bounded((columns * u32::from(width), rows * u32::from(height)))
            }
        };
        let (small, original) = decode(&content(path)?, room)?;
        let drawn = match graphics {
            None => Drawn::Blocks(Blocks::new(small)),
            Some(graphics) => Drawn::Encoded(encode(small, graphics)?),
        };
        Ok(Self { drawn, original })
    }

    /// The columns and rows of cells that it takes.
    pub fn cells(&self) -> (usize, usize) {
        match &self.drawn {
            Drawn::Blocks(blocks) => blocks.cells(),
            Drawn::Encoded(protocol) => {
                let size = protocol.size();
                (size.width.into(), size.height.into())
            }
        }
    }
}

/// What lies in a file that is short enough.
fn content(path: &Path) -> Result<Vec<u8>, PictureError> {
    let mut file = File::open(path)?;
    if !file.metadata()?.is_file() || file.seek(SeekFrom::End(0))? > MAX_BYTES {
        return Err(PictureError::TooLarge);
    }
    file.rewind()?;
    let mut content = Vec::new();
    // It may grow meanwhile.
    BufReader::new(file).take(MAX_BYTES).read_to_end(&mut content)?;
    Ok(content)
}

/// Room of the same form, and of at most [`MAX_SHOWN_PIXELS`].
fn bounded((width, height): (u32, u32)) -> (u32, u32) {
    let area = u64::from(width) * u64::from(height);
    if area <= MAX_SHOWN_PIXELS {
        return (width, height);
    }
    // In thousandths, so that no more is lost than that.
    let part = (MAX_SHOWN_PIXELS * 1_000_000 / area).isqrt();
    let less = |side: u32| u32::try_from(u64::from(side) * part / 1000).unwrap_or(1).max(1);
    (less(width), less(height))
}

/// Decodes a picture, turns it upright, and makes it fit into so many pixels across and down.
/// With the width and height that it had.
fn decode(
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
    if width > MAX_SIDE || height > MAX_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS {
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

/// Says a picture in the terminal's protocol.
fn encode(picture: DynamicImage, graphics: Graphics) -> Result<protocol::Protocol, PictureError> {
    let Graphics { protocol, cell: (width, height), tmux } = graphics;
    let cells = |pixels: u32, cell: u16| pixels.div_ceil(cell.max(1).into());
    let (columns, rows) = (cells(picture.width(), width), cells(picture.height(), height));
    let short = |cells| u16::try_from(cells).map_err(|_| PictureError::TooLarge);
    let size = Size::new(short(columns)?, short(rows)?);
    // One picture of this process is shown at a time, so the next may take its number.
    let number = std::process::id();
    let encoded = match protocol {
        Protocol::Kitty => {
            Kitty::new(picture, size, number, tmux, true).map(protocol::Protocol::Kitty)
        }
        Protocol::Sixel => Sixel::new(picture, size, tmux).map(protocol::Protocol::Sixel),
        Protocol::Iterm2 => {
            // Without what PNG would need more bits for.
            let plain = DynamicImage::from(picture.into_rgba8());
            Iterm2::new(plain, size, tmux).map(protocol::Protocol::ITerm2)
        }
    };
    encoded.map_err(|_| PictureError::Unknown)
}

impl Blocks {
    fn new(picture: DynamicImage) -> Self {
        let small = picture.into_rgba8();
        let seen =
            |[red, green, blue, opacity]: [u8; 4]| (opacity >= 128).then_some([red, green, blue]);
        Self {
            width: usize::try_from(small.width()).unwrap_or(1).max(1),
            pixels: small.pixels().map(|pixel| seen(pixel.0)).collect(),
        }
    }

    /// The columns and rows of cells that they take.
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
    use ratatui::{buffer::Buffer, layout::Rect, widgets::Widget as _};

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

    /// In half blocks, for 40 columns and 20 rows of cells.
    fn blocks(content: &[u8]) -> Result<(Blocks, (u32, u32)), PictureError> {
        decode(content, (40, 40)).map(|(small, original)| (Blocks::new(small), original))
    }

    #[test]
    fn pictures_of_all_formats_fit_the_cells() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP] {
            let (shown, original) = blocks(&picture(400, 200, format)).unwrap();
            assert_eq!((shown.cells(), original), ((40, 10), (400, 200)), "{format:?}");
            let (upper, lower) = shown.pixels(20, 0);
            assert_eq!(upper, lower);
            assert!(upper.is_some_and(|[red, _, _]| red > 180), "{upper:?}");
            if format != ImageFormat::Jpeg {
                assert_eq!(shown.pixels(20, 9), (None, None), "{format:?}");
            }
        }
        // One that is high, one that is small, and an odd one.
        let cells =
            |width, height| blocks(&picture(width, height, ImageFormat::Png)).unwrap().0.cells();
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
        let (shown, original) = blocks(&turned).unwrap();
        assert_eq!((shown.cells(), original), ((20, 20), (200, 400)));
    }

    #[test]
    fn what_is_no_picture_or_too_large_is_refused() {
        let png = picture(4, 4, ImageFormat::Png);
        for wrong in [&b""[..], b"GIF89a", b"BM not one of ours", &png[..png.len() / 2], b"<svg/>"]
        {
            let error = blocks(wrong).map(|_| ()).unwrap_err();
            assert!(matches!(error, PictureError::Unknown), "{error}");
        }
        // The header alone promises too much; nothing of that is allocated.
        for (width, height) in [(MAX_SIDE + 1, 1), (1, MAX_SIDE + 1), (16_000, 16_000)] {
            let mut huge = png.clone();
            huge[16..20].copy_from_slice(&u32::to_be_bytes(width));
            huge[20..24].copy_from_slice(&u32::to_be_bytes(height));
            let checksum = crc32(&huge[12..29]);
            huge[29..33].copy_from_slice(&checksum.to_be_bytes());
            let error = blocks(&huge).map(|_| ()).unwrap_err();
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
        assert!(matches!(Picture::read(&path, (40, 20), None), Err(PictureError::TooLarge)));
        std::fs::write(&path, picture(4, 4, ImageFormat::Png)).unwrap();
        assert_eq!(Picture::read(&path, (40, 20), None).unwrap().cells(), (4, 2));
        let nowhere = directory.path().join("b.png");
        assert!(matches!(
            Picture::read(&nowhere, (40, 20), None),
            Err(PictureError::Unreadable(_))
        ));
    }

    /// What is written to a terminal of 40×20 cells of 10×20 pixels for this picture, and the cells
    /// that it takes.
    fn written(
        (width, height): (u32, u32),
        protocol: Protocol,
        tmux: bool,
    ) -> (String, (usize, usize)) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.png");
        std::fs::write(&path, picture(width, height, ImageFormat::Png)).unwrap();
        let graphics = Graphics { protocol, cell: (10, 20), tmux };
        let shown = Picture::read(&path, (40, 20), Some(graphics)).unwrap();
        let Drawn::Encoded(encoded) = &shown.drawn else { panic!("{shown:?}") };
        let area = Rect::new(0, 0, 40, 20);
        let mut buffer = Buffer::empty(area);
        ratatui_image::Image::new(encoded).render(area, &mut buffer);
        (buffer[(0, 0)].symbol().to_owned(), shown.cells())
    }

    #[test]
    fn pictures_are_said_in_the_terminals_protocol() {
        let begins = |protocol, tmux, with: &str| {
            let (written, cells) = written((800, 400), protocol, tmux);
            assert!(written.starts_with(with), "{:?}", written.get(..80));
            assert_eq!(cells, (40, 10), "{protocol:?}");
            assert_eq!(written.contains("\x1bPtmux;"), tmux, "{protocol:?}");
            written
        };
        let kitty = begins(Protocol::Kitty, false, "\x1b_Gq=2,i=");
        // Compressed, by placeholders, of 400×200 pixels.
        assert!(kitty.contains("a=T,U=1,f=32,o=z,t=d,s=400,v=200,"), "{:?}", kitty.get(..80));
        assert!(kitty.contains("\u{10eeee}"));
        begins(Protocol::Kitty, true, "\x1bPtmux;\x1b\x1b_Gq=2,i=");
        // The cells below are emptied first.
        let sixel = begins(Protocol::Sixel, false, "\x1b[40X");
        assert!(sixel.contains("\x1bP") && sixel.contains("\"1;1;400;200"), "no sixel");
        begins(Protocol::Sixel, true, "\x1bPtmux;\x1b\x1b[40X");
        let iterm2 = begins(Protocol::Iterm2, false, "\x1b[40X");
        assert!(iterm2.contains("\x1b]1337;File=inline=1;size="), "no file");
        begins(Protocol::Iterm2, true, "\x1bPtmux;\x1b\x1b[40X");
        // Small ones stay small.
        assert_eq!(written((15, 21), Protocol::Sixel, false).1, (2, 2));
    }

    #[test]
    fn what_is_written_to_a_terminal_is_bounded() {
        assert_eq!(bounded((1000, 1000)), (1000, 1000));
        for room in [(4000, 2000), (655_350, 2), (u32::MAX, u32::MAX), (1_000_001, 1)] {
            let (width, height) = bounded(room);
            let area = u64::from(width) * u64::from(height);
            assert!(area <= MAX_SHOWN_PIXELS && area > 0, "{room:?}: {width}×{height}");
        }
        // As much as noise, which no compression makes shorter.
        let mut state = 1_u32;
        let noise = RgbaImage::from_fn(1000, 1000, |_, _| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Rgba(state.to_be_bytes())
        });
        let graphics = Graphics { protocol: Protocol::Kitty, cell: (10, 20), tmux: false };
        let encoded = encode(noise.into(), graphics).unwrap();
        let area = Rect::new(0, 0, 100, 50);
        let mut buffer = Buffer::empty(area);
        ratatui_image::Image::new(&encoded).render(area, &mut buffer);
        let length = buffer[(0, 0)].symbol().len();
        assert!((5_000_000..6_000_000).contains(&length), "{length}");
    }
}
