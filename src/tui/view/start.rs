//! The screens before the conversations, and after them.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
};

use super::draw;
use crate::tui::{
    layout::SMALLEST,
    model::{Form, Model, Phase},
    wrap,
};

/// The widest that these screens get.
const WIDTH: u16 = 64;

pub fn too_small(model: &Model, buffer: &mut Buffer) {
    let (width, height) = SMALLEST;
    let text = format!("entrenous needs {width}×{height} here. Make the window larger.");
    draw::paragraph(buffer, *buffer.area(), 0, 0, &text, model.theme.text());
}

pub fn draw(model: &Model, buffer: &mut Buffer) -> Option<Position> {
    let screen = *buffer.area();
    let theme = model.theme;
    let area = draw::centred(screen, WIDTH.min(screen.width - 2), screen.height.min(22));
    match &model.phase {
        Phase::Opening => {
            let middle = usize::from(screen.height / 2);
            draw::put_centred(buffer, screen, middle, "entrenous", theme.title());
            draw::put_centred(buffer, screen, middle + 1, "opening…", theme.dim());
            None
        }
        Phase::Welcome(form) => welcome(model, form, area, buffer),
        Phase::Unlock(form) => unlock(model, form, area, buffer),
        Phase::Stopped(reason) => {
            let y = usize::from(area.height / 3);
            draw::put(buffer, area, 0, y, "entrenous has stopped", theme.error());
            let y = draw::paragraph(buffer, area, 0, y + 2, reason, theme.text());
            draw::put(buffer, area, 0, y + 1, "Any key leaves.", theme.dim());
            None
        }
        Phase::Open => None,
    }
}

/// So few rows that the welcome holds no more than what the field is about.
const LOW: u16 = 14;

fn heading(model: &Model, area: Rect, buffer: &mut Buffer) -> usize {
    let y = if area.height > 16 { 2 } else { 0 };
    draw::put(buffer, area, 0, y, "entrenous", model.theme.title());
    draw::put(buffer, area, 11, y, "between ourselves", model.theme.dim());
    y + if area.height > 12 { 2 } else { 1 }
}

fn welcome(model: &Model, form: &Form<3>, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    let theme = model.theme;
    let is_low = area.height < LOW;
    let mut y = if area.height > 10 { heading(model, area, buffer) } else { 0 };
    let gap = usize::from(area.height > 16);
    let welcome =
        "Welcome. Your name is what your friends will see; it can be changed at any time.";
    if !is_low {
        y = draw::paragraph(buffer, area, 0, y, welcome, theme.text()) + gap;
    }
    let labels = ["Your name", "Passphrase", "Once more"];
    let mut cursor = None;
    for (number, (label, field)) in labels.iter().zip(&form.fields).enumerate() {
        let is_here = number == form.focus;
        let style = if is_here { theme.accent() } else { theme.dim() };
        draw::put(buffer, area, 0, y, if is_here { "›" } else { " " }, theme.accent());
        draw::put(buffer, area, 2, y, label, style);
        let cells = usize::from(area.width).saturating_sub(14);
        let at = draw::field(buffer, area, (14, y), cells, field, theme);
        if is_here && !form.is_busy {
            cursor = at;
        }
        y += 1 + gap;
    }
    let text = "The passphrase encrypts your messages on this disk. Without one (leave it empty), \
                whoever can read this computer's disk as you can, can read your messages. It \
                cannot be recovered.";
    let text = if is_low && form.focus == 0 { welcome } else { text };
    y = draw::paragraph(buffer, area, 0, y, text, theme.dim()) + gap;
    footer(model, area, y, form.error.as_deref(), form.is_busy, "making your profile…", buffer);
    hint(model, area, "Tab next field · Enter go on · Esc leave", buffer);
    cursor
}

fn unlock(model: &Model, form: &Form<1>, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    let theme = model.theme;
    let y = heading(model, area, buffer) + 1;
    draw::put(buffer, area, 0, y, "Passphrase", theme.accent());
    let [field] = &form.fields;
    let cells = usize::from(area.width).saturating_sub(12);
    let cursor = draw::field(buffer, area, (12, y), cells, field, theme);
    footer(model, area, y + 2, form.error.as_deref(), form.is_busy, "opening…", buffer);
    hint(model, area, "Enter open · Esc leave", buffer);
    cursor.filter(|_| !form.is_busy)
}

fn footer(
    model: &Model,
    area: Rect,
    y: usize,
    error: Option<&str>,
    is_busy: bool,
    busy: &str,
    buffer: &mut Buffer,
) {
    if is_busy {
        draw::put(buffer, area, 0, y, busy, model.theme.dim());
    } else if let Some(error) = error {
        // The error is never what falls off a small screen.
        let rows = wrap::rows(error, area.width.into()).len();
        let y = y.min(usize::from(area.height).saturating_sub(rows + 1));
        for row in y..y + rows {
            let blank = " ".repeat(area.width.into());
            draw::put(buffer, area, 0, row, &blank, model.theme.text());
        }
        draw::paragraph(buffer, area, 0, y, error, model.theme.error());
    }
}

fn hint(model: &Model, area: Rect, text: &str, buffer: &mut Buffer) {
    let last = usize::from(area.height).saturating_sub(1);
    draw::put(buffer, area, 0, last, text, model.theme.dim());
}
