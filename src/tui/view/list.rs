//! The list of conversations.

use ratatui::{buffer::Buffer, layout::Rect};

use super::draw;
use crate::{
    node::api::{ContactState, Conversation},
    tui::{model::Model, wrap},
};

/// A presence's sign and word.
pub fn presence(state: Option<ContactState>) -> (&'static str, &'static str) {
    match state {
        Some(ContactState::Online) => ("●", "online"),
        Some(ContactState::Connecting) => ("◐", "connecting"),
        Some(ContactState::Offline) => ("○", "offline"),
        None => ("·", "removed"),
    }
}

pub fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    let theme = model.theme;
    draw::put(buffer, area, 1, 0, "entrenous", theme.title());
    let line = Rect::new(area.right(), 0, 1, area.height);
    for y in 0..usize::from(area.height) {
        draw::put(buffer, line, 0, y, if y == 1 { "┼" } else { "│" }, theme.rule());
    }
    draw::rule(buffer, area, 1, theme.rule());
    let rows = Rect::new(area.x, area.y + 2, area.width, area.height - 2);
    // The open conversation is always among those that show.
    let open = model.conversations.iter().position(|c| Some(c.id) == model.open).unwrap_or(0);
    let first = (open + 1).saturating_sub(rows.height.into());
    let shown = model.conversations.iter().skip(first).take(rows.height.into());
    for (y, conversation) in shown.enumerate() {
        self::row(model, conversation, rows, y, buffer);
    }
}

fn row(model: &Model, conversation: &Conversation, area: Rect, y: usize, buffer: &mut Buffer) {
    let theme = model.theme;
    let is_open = Some(conversation.id) == model.open;
    let state = model.partner(conversation).map(|contact| contact.state);
    let (sign, word) = presence(state);
    let sign_style = state.map_or(theme.dim(), |state| theme.presence(state));
    let mut x = draw::put(buffer, area, 0, y, if is_open { "▌" } else { " " }, theme.accent());
    x = draw::put(buffer, area, x, y, sign, sign_style) + 1;
    let word_width = wrap::width(word);
    let unread = match conversation.unread {
        0 => String::new(),
        1000.. => " 999+".to_owned(),
        unread => format!(" {unread}"),
    };
    let room = usize::from(area.width).saturating_sub(x + word_width + 2 + unread.len());
    let name = if conversation.name.trim().is_empty() { "?" } else { &conversation.name };
    let style = if is_open || conversation.unread > 0 { theme.title() } else { theme.text() };
    x = draw::put(buffer, area, x, y, &wrap::truncate(name, room), style);
    draw::put(buffer, area, x, y, &unread, theme.unread());
    draw::put_right(buffer, area, 1, y, word, theme.dim());
}
