//! The head of the open conversation, and what stands where there are no messages.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{draw, list::presence};
use crate::{
    node::api::{ContactState, Path},
    tui::{model::Model, when, wrap},
};

/// How a contact is reached, in words.
pub fn path_words(path: Path) -> &'static str {
    match path {
        Path::Lan => "local network",
        Path::Direct => "direct",
        Path::Punched => "direct, through both NATs",
        Path::Mapped => "direct, through a port mapping",
    }
}

pub fn header(model: &Model, area: Rect, buffer: &mut Buffer) {
    let theme = model.theme;
    draw::rule(buffer, area, 1, theme.rule());
    let Some(conversation) = model.current() else {
        draw::put(buffer, area, 1, 0, "Nobody here yet", theme.title());
        return;
    };
    let contact = model.partner(conversation);
    let (sign, word) = presence(contact.map(|contact| contact.state));
    let mut words = word.to_owned();
    match contact {
        Some(contact) if contact.state == ContactState::Online => {
            if let Some(path) = contact.path {
                words = format!("{word} ({})", path_words(path));
            }
        }
        Some(contact) if contact.state == ContactState::Offline => {
            if let Some(seen) = contact.last_seen {
                words = format!("{word}, last seen {}", when::ago(seen, model.now));
            }
        }
        _ => {}
    }
    let verified = match contact {
        Some(contact) if contact.verified => ("verified", theme.good()),
        Some(_) => ("not verified", theme.warning()),
        None => ("", theme.dim()),
    };
    let style = contact.map_or(theme.dim(), |contact| theme.presence(contact.state));
    let x = draw::put(buffer, area, 1, 0, sign, style) + 1;
    let width = usize::from(area.width);
    // Whether they are verified is always said in full; then the name; then the rest.
    let fixed = x + wrap::width(verified.0) + 5;
    let name = wrap::truncate(&conversation.name, width.saturating_sub(fixed));
    let mut x = draw::put(buffer, area, x, 0, &name, theme.title());
    if !verified.0.is_empty() {
        x = draw::put(buffer, area, x, 0, " · ", theme.rule());
        x = draw::put(buffer, area, x, 0, verified.0, verified.1);
    }
    let room = width.saturating_sub(x + 4);
    let words = if wrap::width(&words) <= room { words.as_str() } else { word };
    if wrap::width(words) <= room {
        x = draw::put(buffer, area, x, 0, " · ", theme.rule());
        x = draw::put(buffer, area, x, 0, words, theme.dim());
    }
    if conversation.forked && width > x + 36 {
        draw::put(buffer, area, x + 2, 0, "a restored copy wrote here too", theme.warning());
    }
}

pub fn empty(model: &Model, area: Rect, buffer: &mut Buffer) {
    let theme = model.theme;
    let inner = Rect::new(area.x + 2, area.y, area.width.saturating_sub(4), area.height);
    if let Some(conversation) = model.current() {
        let text = if model.timeline().is_none() {
            "loading…".to_owned()
        } else {
            format!("No messages yet. What you write is for {} alone.", conversation.name)
        };
        let y = usize::from(area.height / 2);
        let rows = wrap::rows(&text, inner.width.into());
        for (row, part) in rows.into_iter().enumerate() {
            let text = text.get(part).unwrap_or_default();
            draw::put_centred(buffer, inner, y + row, text, theme.dim());
        }
        return;
    }
    let is_waiting = model.conversations.is_empty() && model.network.is_none();
    if is_waiting && !model.pending.is_empty() {
        return;
    }
    // In a low window the keys matter more than the space between.
    let gap = usize::from(area.height > 8);
    let mut y = gap * usize::from(area.height / 4);
    let text = "To talk, one of you makes an invite and the other enters it.";
    y = draw::paragraph(buffer, inner, 0, y, text, theme.text()) + gap;
    for (key, text) in [("F2", "invite a friend"), ("F3", "enter a friend's invite")] {
        draw::put(buffer, inner, 0, y, key, theme.key());
        draw::put(buffer, inner, 4, y, text, theme.text());
        y += 1;
    }
    y += gap;
    draw::put(buffer, inner, 0, y, "F1", theme.key());
    draw::put(buffer, inner, 4, y, "all commands and keys", theme.dim());
    if !model.has_passphrase {
        let text = "This profile has no passphrase: whoever can read this computer's disk as you \
                    can, can read your messages.";
        // Half of it would say something else.
        let rows = wrap::rows(text, inner.width.into()).len();
        if y + 2 + rows <= usize::from(area.height) {
            draw::paragraph(buffer, inner, 0, y + 2, text, theme.dim());
        }
    }
}
