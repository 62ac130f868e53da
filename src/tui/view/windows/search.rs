//! Searching, and choosing a conversation.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
};

use crate::{
    node::api::Hit,
    tui::{field::Field, model::Model, view::draw, view::list::presence, wrap},
};

/// The signs around a match in [`Hit::snippet`].
const MATCH: [char; 2] = ['\u{2068}', '\u{2069}'];

pub fn switch(
    model: &Model,
    field: &Field,
    chosen: usize,
    screen: Rect,
    buffer: &mut Buffer,
) -> Option<Position> {
    let theme = model.theme;
    let area = draw::centred(screen, 50.min(screen.width - 2), 14.min(screen.height));
    let inner = draw::boxed(buffer, area, "Go to", theme);
    let cursor = draw::field(buffer, inner, (0, 0), inner.width.into(), field, theme);
    let room = usize::from(inner.height).saturating_sub(2);
    let fitting = model.fitting(field.text());
    if fitting.is_empty() {
        draw::put(buffer, inner, 0, 2, "nothing has such a name", theme.dim());
    }
    let first = (chosen + 1).saturating_sub(room);
    for (y, conversation) in fitting.iter().enumerate().skip(first).take(room) {
        let (sign, word) = presence(model.partner(conversation).map(|contact| contact.state));
        let unread = match conversation.unread {
            0 => String::new(),
            unread => format!(" ({unread} unread)"),
        };
        let text = format!("{sign} {} · {word}{unread}", conversation.name);
        let style = if y == chosen { theme.selected() } else { theme.text() };
        let text = wrap::fit(&text, inner.width.into());
        draw::put(buffer, inner, 0, y - first + 2, &text, style);
    }
    cursor
}

pub fn search(
    model: &Model,
    field: &Field,
    is_within: bool,
    found: Option<&[Hit]>,
    chosen: usize,
    screen: Rect,
    buffer: &mut Buffer,
) -> Option<Position> {
    let theme = model.theme;
    let area = draw::centred(screen, 90.min(screen.width), screen.height.min(30));
    let inner = draw::boxed(buffer, area, "Search", theme);
    let cursor = draw::field(buffer, inner, (0, 0), inner.width.into(), field, theme);
    let last = usize::from(inner.height) - 1;
    let scope = if is_within { "here (Tab: everywhere)" } else { "everywhere (Tab: here)" };
    let count = match found {
        None => String::new(),
        Some([]) => "nothing found · ".to_owned(),
        Some([_]) => "1 found · ".to_owned(),
        Some(hits) => format!("{} found · ", hits.len()),
    };
    let hint = format!("{count}{scope} · Enter show · Esc");
    draw::put(buffer, inner, 0, last, &hint, theme.dim());
    let hits = found.unwrap_or_default();
    let room = last.saturating_sub(2);
    let first = (chosen + 1).saturating_sub(room);
    for (at, hit) in hits.iter().enumerate().skip(first).take(room) {
        let y = at - first + 2;
        let mark = if at == chosen { "▌" } else { " " };
        draw::put(buffer, inner, 0, y, mark, theme.accent());
        let name = model.conversation(hit.conversation).map_or("?", |c| c.name.as_str());
        let names = usize::from(inner.width / 4).min(18);
        draw::put(buffer, inner, 1, y, &wrap::truncate(name, names), theme.dim());
        let plain = if at == chosen { theme.selected_entry() } else { theme.text() };
        let mut x = names + 3;
        let mut is_match = false;
        for part in hit.snippet.split_inclusive(MATCH) {
            let style = if is_match { theme.matched() } else { plain };
            x = draw::put(buffer, inner, x, y, part.trim_end_matches(MATCH), style);
            is_match = part.ends_with(MATCH[0]);
        }
    }
    cursor
}
