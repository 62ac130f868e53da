//! The model, drawn. Nothing here changes it.

use ratatui::{Frame, buffer::Buffer, layout::Position};

use super::{
    layout,
    model::{Model, Phase},
};

mod composer;
mod conversation;
mod draw;
mod file;
mod list;
mod start;
mod status;
mod timeline;
mod windows;

pub(super) use timeline::summary;
pub(super) use windows::{help_rows, page_rows, picture_cells};

/// Draws the whole screen.
pub fn view(model: &Model, frame: &mut Frame<'_>) {
    // The model is about to be told the new size; until then nothing would fit.
    if (frame.area().width, frame.area().height) != model.size {
        return;
    }
    let cursor = draw_all(model, frame.buffer_mut());
    if let Some(cursor) = cursor {
        frame.set_cursor_position(cursor);
    }
}

/// Draws, and says where the cursor is to stand.
fn draw_all(model: &Model, buffer: &mut Buffer) -> Option<Position> {
    if layout::is_too_small(model.size) {
        start::too_small(model, buffer);
        return None;
    }
    if !matches!(model.phase, Phase::Open) {
        return start::draw(model, buffer);
    }
    let areas = model.areas();
    if let Some(area) = areas.list {
        list::draw(model, area, buffer);
    }
    conversation::header(model, areas.header, buffer);
    if model.timeline().is_some_and(|timeline| !timeline.is_empty()) {
        timeline::draw(model, areas.timeline, buffer);
    } else {
        conversation::empty(model, areas.timeline, buffer);
    }
    let cursor = composer::draw(model, &areas, buffer);
    status::notice(model, areas.notice, buffer);
    status::draw(model, areas.status, buffer);
    match &model.window {
        Some(window) => windows::draw(model, window, buffer),
        None if model.is_selecting => None,
        None => cursor,
    }
}
