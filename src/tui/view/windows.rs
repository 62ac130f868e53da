//! The windows over the conversation.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
};

use super::draw;
use crate::tui::{
    help::{self, HelpRow},
    model::Model,
    window::Window,
    wrap,
};

mod about;
mod files;
mod invite;
mod picture;
mod search;

pub use about::page_rows;
pub use picture::cells as picture_cells;

/// The widest that the help gets.
const HELP_WIDTH: u16 = 100;

/// How far the help can be scrolled in a terminal of this size, in rows.
pub fn help_rows((width, height): (u16, u16)) -> usize {
    let inner = usize::from(width.min(HELP_WIDTH)).saturating_sub(4);
    let shown = usize::from(height).saturating_sub(2);
    (help::wrapped(inner).len() + 1).saturating_sub(shown)
}

/// Draws a window; says where its cursor stands, if it has one.
pub fn draw(model: &Model, window: &Window, buffer: &mut Buffer) -> Option<Position> {
    let screen = *buffer.area();
    let theme = model.theme;
    match window {
        Window::Help { row } => help_screen(model, *row, screen, buffer),
        Window::Invite { invite, as_text } => {
            invite::new(model, invite.as_ref(), *as_text, screen, buffer);
        }
        Window::AddInvite { field, error } => {
            return invite::add(model, field, error.as_deref(), screen, buffer);
        }
        Window::Invites { invites, chosen } => {
            invite::list(model, invites.as_deref(), *chosen, screen, buffer);
        }
        Window::Switch { field, chosen } => {
            return search::switch(model, field, *chosen, screen, buffer);
        }
        Window::Search { field, within, found, chosen } => {
            let found = found.as_ref().map(|(_, hits)| hits.as_slice());
            return search::search(model, field, within.is_some(), found, *chosen, screen, buffer);
        }
        Window::Contact { id, safety } => {
            about::contact(model, *id, safety.as_ref(), screen, buffer);
        }
        Window::React { field, chosen, .. } => {
            return about::react(model, field, *chosen, screen, buffer);
        }
        Window::Details { row, .. } | Window::Network { row } | Window::Text { row, .. } => {
            about::page(model, window, *row, screen, buffer);
        }
        Window::Rename { id, field } => {
            let area = draw::centred(screen, 56, 6);
            let title = format!("Call {} by another name", model.name_of(*id));
            let inner = draw::boxed(buffer, area, &title, theme);
            let cells = usize::from(inner.width);
            let cursor = draw::field(buffer, inner, (0, 1), cells, field, theme);
            let hint = "Enter keeps it · empty: their own name · Esc";
            draw::put(buffer, inner, 0, 3, hint, theme.dim());
            return cursor;
        }
        Window::Transfers { chosen } => files::transfers(model, *chosen, screen, buffer),
        Window::Picture { name, picture, .. } => {
            picture::draw(model, name, picture.as_ref(), screen, buffer);
        }
        Window::Recording => files::recording(model, screen, buffer),
        Window::Picker(picker) => return files::picker(model, picker, screen, buffer),
        Window::Confirm { question, then } => {
            confirm(model, then.words(), question, screen, buffer);
        }
    }
    None
}

/// A box just large enough for a question, and the keys on its last row.
fn confirm(
    model: &Model,
    (title, hint): (&str, &str),
    question: &str,
    screen: Rect,
    buffer: &mut Buffer,
) {
    let theme = model.theme;
    let width = 72.min(screen.width - 2);
    let rows = wrap::rows(question, usize::from(width) - 4).len();
    let height = u16::try_from(rows).unwrap_or(u16::MAX).saturating_add(4);
    let area = draw::centred(screen, width, height);
    let inner = draw::boxed(buffer, area, title, theme);
    draw::paragraph(buffer, inner, 0, 0, question, theme.text());
    let last = usize::from(inner.height).saturating_sub(1);
    draw::put(buffer, inner, 0, last, &wrap::fit(hint, inner.width.into()), theme.dim());
}

fn help_screen(model: &Model, row: usize, screen: Rect, buffer: &mut Buffer) {
    let theme = model.theme;
    let area = draw::centred(screen, HELP_WIDTH.min(screen.width), screen.height);
    let inner = draw::boxed(buffer, area, "Help · ↑ ↓ scroll · Esc close", theme);
    let rows = help::wrapped(inner.width.into());
    let height = usize::from(inner.height);
    let first = row.min(rows.len().saturating_sub(height));
    let (column, _) = help::columns(inner.width.into());
    for (y, row) in rows.iter().skip(first).take(height).enumerate() {
        match row {
            HelpRow::Blank => {}
            HelpRow::Heading(title) => {
                draw::put(buffer, inner, 0, y, title, theme.title());
            }
            HelpRow::Entry(keys, doc) => {
                let keys = wrap::truncate(keys, column - 2);
                draw::put(buffer, inner, 0, y, &keys, theme.key());
                draw::put(buffer, inner, column, y, doc, theme.text());
            }
        }
    }
}
