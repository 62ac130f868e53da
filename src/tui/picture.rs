//! Pictures, made for the terminal: by the protocol that it knows, else in half blocks. Of those
//! each cell shows two pixels, one above the other, which are square in most fonts; every terminal
//! with colours shows them, within tmux and over SSH as well.

use std::{cell::RefCell, collections::HashMap, path::Path, rc::Rc};

use image::DynamicImage;
use ratatui::layout::Size;
use ratatui_image::protocol::{self, iterm2::Iterm2, kitty::Kitty, sixel::Sixel};

use super::graphics::{Graphics, Protocol};
use crate::picture::{PictureError, Preview, read};

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

/// The most columns and rows of cells that a preview takes in the conversation.
const PREVIEW_CELLS: (usize, usize) = (24, 6);

/// The pixels of a picture in half blocks.
#[derive(Debug)]
pub struct Blocks {
    /// Pixels in a row.
    width: usize,
    /// Row by row.
    pixels: Vec<Pixel>,
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
        let (small, original) = read(path, room)?;
        let drawn = match graphics {
            None => Drawn::Blocks(Blocks::new(small)),
            Some(graphics) => Drawn::Encoded(encode(small, graphics)?),
        };
        Ok(Self { drawn, original })
    }

    /// Whether it may cover what is written over it, as in Konsole, until the screen is cleared.
    pub fn covers(&self) -> bool {
        match &self.drawn {
            Drawn::Blocks(_) | Drawn::Encoded(protocol::Protocol::Kitty(_)) => false,
            Drawn::Encoded(_) => true,
        }
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

/// The width and height of a preview in the conversation, in pixels.
fn fitted((across, down): (usize, usize)) -> (usize, usize) {
    let (width, height) = (PREVIEW_CELLS.0, 2 * PREVIEW_CELLS.1);
    if down * width <= height * across {
        (width, (down * width / across).max(1))
    } else {
        ((across * height / down).max(1), height)
    }
}

/// What is shown of a pixel.
fn seen([red, green, blue, opacity]: [u8; 4]) -> Pixel {
    (opacity >= 128).then_some([red, green, blue])
}

impl Blocks {
    fn new(picture: DynamicImage) -> Self {
        let small = picture.into_rgba8();
        Self {
            width: usize::try_from(small.width()).unwrap_or(1).max(1),
            pixels: small.pixels().map(|pixel| seen(pixel.0)).collect(),
        }
    }

    /// A preview, as small as it stands in the conversation.
    pub fn of_preview(preview: &Preview) -> Self {
        let (across, down) = preview.size();
        let (width, height) = fitted((across, down));
        let (_, pixels) = preview.pixels();
        // Each from the middle of where it was: there are no finer forms in it.
        let at = |number, most, side| (2 * number + 1) * side / (2 * most);
        let cells = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let pixel = |(x, y)| {
            let from = at(y, height, down) * across + at(x, width, across);
            pixels.get(from).copied().and_then(seen)
        };
        Self { width, pixels: cells.map(pixel).collect() }
    }

    /// The rows of cells that a preview takes in the conversation.
    pub fn rows_of_preview(preview: &Preview) -> usize {
        fitted(preview.size()).1.div_ceil(2)
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

/// Previews that are kept as they are drawn: more than one screen shows.
const MAX_PREVIEWS: usize = 64;

/// Previews as they are drawn, made once and not for every frame.
#[derive(Debug, Default)]
pub struct Previews(RefCell<HashMap<Preview, Rc<Blocks>>>);

impl Previews {
    /// A preview as it is drawn. All that are kept go when there are too many: those that still
    /// show are made anew.
    pub fn get(&self, preview: &Preview) -> Rc<Blocks> {
        let mut kept = self.0.borrow_mut();
        if let Some(blocks) = kept.get(preview) {
            return Rc::clone(blocks);
        }
        if kept.len() >= MAX_PREVIEWS {
            kept.clear();
        }
        let blocks = Rc::new(Blocks::of_preview(preview));
        kept.insert(preview.clone(), Rc::clone(&blocks));
        blocks
    }
}

#[cfg(test)]
mod tests {
    use image::{ImageFormat, Rgba, RgbaImage};
    use ratatui::{buffer::Buffer, layout::Rect, widgets::Widget as _};

    use super::*;
    use crate::picture::decode;

    /// Red above, transparent below; written in this format.
    fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let image = RgbaImage::from_fn(width, height, |_, y| {
            if y < height / 2 { Rgba([200, 0, 0, 255]) } else { Rgba([0, 0, 0, 0]) }
        });
        let mut content = std::io::Cursor::new(Vec::new());
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
    fn previews_are_made_once_and_so_many_are_kept() {
        let preview = |number: u8| {
            let begin = [number, 0x5a, 0x5a, 0x5c, 0xda];
            let mut longer = (0..21).map(|length| [&begin[..], &[0x5a; 21][..length]].concat());
            longer.find_map(|bytes| Preview::parse(&bytes)).unwrap()
        };
        let kept = |previews: &Previews| previews.0.borrow().len();
        let previews = Previews::default();
        let first = previews.get(&preview(0));
        for number in 1..64 {
            previews.get(&preview(number));
        }
        assert_eq!(kept(&previews), 64);
        assert!(Rc::ptr_eq(&first, &previews.get(&preview(0))), "it is made again");
        assert!(!Rc::ptr_eq(&first, &previews.get(&preview(1))), "it is another's");
        // The 65th.
        previews.get(&preview(64));
        assert_eq!(kept(&previews), 1);
        assert_eq!(previews.get(&preview(0)).cells(), first.cells());
    }

    #[test]
    fn a_preview_is_a_few_cells_large() {
        // 7 by 4 of a picture that is wide, 3 by 7 of one that is high, and 1 by 7.
        let preview = |sides: u8, turned: u8| {
            let wide = [0x5a, 0x5a, 0x5a, 0x58 | sides, turned];
            let mut longer = (15..26).map(|length| [&wide[..], &[0x5a; 21][..length - 5]].concat());
            longer.find_map(|bytes| Preview::parse(&bytes)).unwrap()
        };
        for (preview, cells) in [
            (preview(4, 0xda), (21, 6)),
            (preview(1, 0xda), (24, 2)),
            (preview(3, 0x5a), (5, 6)),
            (preview(1, 0x5a), (1, 6)),
            (preview(7, 0x5a), (12, 6)),
        ] {
            let blocks = Blocks::of_preview(&preview);
            assert_eq!(blocks.cells(), cells, "{preview:?}");
            assert_eq!(Blocks::rows_of_preview(&preview), cells.1, "{preview:?}");
            // What is left is what was there.
            let (_, pixels) = preview.pixels();
            assert!(
                blocks
                    .pixels
                    .iter()
                    .flatten()
                    .all(|kept| { pixels.iter().any(|pixel| pixel.starts_with(kept)) })
            );
        }
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
