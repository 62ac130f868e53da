//! A picture, over the whole screen.

use std::sync::Arc;

use ratatui::{buffer::Buffer, layout::Rect, widgets::Widget as _};
use ratatui_image::Image;

use crate::tui::{
    model::Model,
    picture::{Drawn, Picture},
    transfers,
    view::draw,
    wrap,
};

/// The columns and rows that a picture has in a terminal of this size: all but its caption.
pub fn cells((width, height): (u16, u16)) -> (u16, u16) {
    (width, height.saturating_sub(1))
}

pub fn draw(
    model: &Model,
    name: &str,
    picture: Option<&Result<Arc<Picture>, String>>,
    screen: Rect,
    buffer: &mut Buffer,
) {
    let theme = model.theme;
    draw::clear(buffer, screen);
    let (columns, rows) = cells((screen.width, screen.height));
    let inside = Rect::new(screen.x, screen.y, columns, rows);
    let middle = usize::from(rows / 2);
    let say = |buffer: &mut Buffer, text: &str| {
        draw::paragraph(buffer, inside, 2, middle, text, theme.dim());
    };
    let mut about = String::new();
    match picture {
        None => say(buffer, "…"),
        Some(Err(why)) => say(buffer, &format!("This cannot be shown: {why}.")),
        Some(Ok(_)) if !theme.has_colours() => {
            say(buffer, "Pictures need colours, and there are none here.");
        }
        Some(Ok(picture)) => {
            let (width, height) = picture.original;
            about = format!(" · {width}×{height}");
            let (across, down) = picture.cells();
            let left = usize::from(columns).saturating_sub(across) / 2;
            let top = usize::from(rows).saturating_sub(down) / 2;
            match &picture.drawn {
                Drawn::Blocks(blocks) => {
                    for row in 0..down {
                        draw::half_blocks(theme, blocks, row, inside, (left, top + row), buffer);
                    }
                }
                Drawn::Encoded(encoded) => {
                    let at = |cells: usize| u16::try_from(cells).unwrap_or(u16::MAX);
                    let (left, top) = (at(left), at(top));
                    let area = Rect::new(
                        inside.x + left,
                        inside.y + top,
                        inside.width - left,
                        inside.height - top,
                    );
                    // One made for a larger screen does not fit, and is not drawn.
                    Image::new(encoded).render(area, buffer);
                }
            }
        }
    }
    let last = usize::from(rows);
    let x = draw::put_right(buffer, screen, 1, last, "Esc close", theme.dim());
    let room = x.saturating_sub(3 + wrap::width(&about));
    let x = draw::put(buffer, screen, 1, last, &transfers::short_name(name, room), theme.text());
    draw::put(buffer, screen, x, last, &about, theme.dim());
}
