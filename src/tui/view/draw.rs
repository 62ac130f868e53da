//! The few strokes that everything is drawn with. None of them leaves its area.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
};

use crate::tui::{field::Field, picture::Blocks, theme::Theme, wrap};

/// Writes a text into a row of an area, from column `x` of that area, cut with `…` where it does
/// not fit. Returns the column after it.
pub fn put(buffer: &mut Buffer, area: Rect, x: usize, y: usize, text: &str, style: Style) -> usize {
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    if x >= width || y >= height {
        return x;
    }
    let (Ok(column), Ok(row)) = (u16::try_from(x), u16::try_from(y)) else { return x };
    let room = width - x;
    // Most rows are plain ASCII that fits: those need not be measured grapheme by grapheme.
    let is_plain = text.len() <= room && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let cut = if is_plain { None } else { Some(wrap::drawn(&wrap::truncate(text, room))) };
    let shown = cut.as_deref().unwrap_or(text);
    let (after, _) = buffer.set_stringn(area.x + column, area.y + row, shown, room, style);
    usize::from(after - area.x)
}

/// Draws a row of a picture in half blocks, from this column on, in this row of an area.
pub fn half_blocks(
    theme: Theme,
    blocks: &Blocks,
    row: usize,
    area: Rect,
    (x, y): (usize, usize),
    buffer: &mut Buffer,
) {
    for column in 0..blocks.cells().0 {
        let (upper, lower) = blocks.pixels(column, row);
        if let Some((sign, style)) = theme.half_block(upper, lower) {
            put(buffer, area, x + column, y, sign, style);
        }
    }
}

/// Writes a text at the right edge of a row, leaving `margin` columns. Returns its first column.
pub fn put_right(
    buffer: &mut Buffer,
    area: Rect,
    margin: usize,
    y: usize,
    text: &str,
    style: Style,
) -> usize {
    let x = usize::from(area.width).saturating_sub(margin + wrap::width(text));
    put(buffer, area, x, y, text, style);
    x
}

/// Writes a text in the middle of a row.
pub fn put_centred(buffer: &mut Buffer, area: Rect, y: usize, text: &str, style: Style) {
    let x = usize::from(area.width).saturating_sub(wrap::width(text)) / 2;
    put(buffer, area, x, y, text, style);
}

/// Writes a text over several rows. Returns the row after it.
pub fn paragraph(
    buffer: &mut Buffer,
    area: Rect,
    x: usize,
    mut y: usize,
    text: &str,
    style: Style,
) -> usize {
    let cells = usize::from(area.width).saturating_sub(2 * x);
    for row in wrap::rows(text, cells) {
        put(buffer, area, x, y, text.get(row).unwrap_or_default(), style);
        y += 1;
    }
    y
}

/// A line across a row.
pub fn rule(buffer: &mut Buffer, area: Rect, y: usize, style: Style) {
    let Some(y) = u16::try_from(y).ok().filter(|&y| y < area.height) else { return };
    for x in area.left()..area.right() {
        if let Some(cell) = buffer.cell_mut((x, area.y + y)) {
            cell.set_symbol("─").set_style(style);
        }
    }
}

/// A field over the width of an area's row. Returns where its cursor stands.
pub fn field(
    buffer: &mut Buffer,
    area: Rect,
    (x, y): (usize, usize),
    cells: usize,
    field: &Field,
    theme: Theme,
) -> Option<Position> {
    let (shown, cursor) = field.shown(cells.saturating_sub(1));
    put(buffer, area, x, y, &wrap::fit(&shown, cells), theme.field());
    let column = u16::try_from(x + cursor).ok()?;
    let row = u16::try_from(y).ok()?;
    let position = Position::new(area.x + column, area.y + row);
    area.contains(position).then_some(position)
}

/// Empties an area and draws a border with a title around it. Returns the inside.
pub fn boxed(buffer: &mut Buffer, area: Rect, title: &str, theme: Theme) -> Rect {
    clear(buffer, area);
    let inside = usize::from(area.width.saturating_sub(2));
    let border = theme.border();
    let bottom = usize::from(area.height.saturating_sub(1));
    put(buffer, area, 0, 0, &format!("╭{}╮", "─".repeat(inside)), border);
    for y in 1..bottom {
        put(buffer, area, 0, y, "│", border);
        put(buffer, area, inside + 1, y, "│", border);
    }
    put(buffer, area, 0, bottom, &format!("╰{}╯", "─".repeat(inside)), border);
    let title = wrap::truncate(title, inside.saturating_sub(4));
    put(buffer, area, 2, 0, &format!(" {title} "), theme.title());
    Rect::new(area.x + 2, area.y + 1, area.width.saturating_sub(4), area.height.saturating_sub(2))
}

/// Empties an area, and the wide characters that reach into it.
pub fn clear(buffer: &mut Buffer, area: Rect) {
    for y in area.top()..area.bottom() {
        // A wide character cut by the left edge would be drawn over the border.
        if let Some(before) = area.x.checked_sub(1)
            && let Some(cell) = buffer.cell_mut((before, y))
            && wrap::width(cell.symbol()) > 1
        {
            cell.set_symbol(" ");
        }
        for x in area.left()..area.right() {
            if let Some(cell) = buffer.cell_mut((x, y)) {
                cell.reset();
            }
        }
    }
}

/// A box of at most this size in the middle of the screen.
pub fn centred(screen: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(screen.width), height.min(screen.height));
    Rect::new(
        screen.x + (screen.width - width) / 2,
        screen.y + (screen.height - height) / 2,
        width,
        height,
    )
}
