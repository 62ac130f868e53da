//! The composer, and the line above it that says what sending will do.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    widgets::Widget as _,
};

use super::{draw, timeline::summary};
use crate::{
    text::MAX_TEXT_BYTES,
    tui::{
        composer::Purpose,
        layout::{Areas, PROMPT},
        model::Model,
        timeline::Timeline,
        wrap,
    },
};

/// From here on the length is shown: it may matter soon.
const NEARLY_FULL: usize = MAX_TEXT_BYTES * 3 / 4;

pub fn draw(model: &Model, areas: &Areas, buffer: &mut Buffer) -> Option<Position> {
    let theme = model.theme;
    let (rule, area) = (areas.rule, areas.composer);
    let composer = model.composer();
    draw::rule(buffer, rule, 0, theme.rule());
    let label = match composer.purpose {
        Purpose::New => None,
        Purpose::Reply(entry) => {
            let quoted = model.timeline().and_then(|timeline| timeline.entry(entry));
            Some(match quoted {
                Some(entry) => {
                    format!("reply to {}: {}", model.name_of(entry.author), summary(entry))
                }
                None => "reply".to_owned(),
            })
        }
        Purpose::Edit(_) => Some("editing · Esc gives up".to_owned()),
    };
    let most = usize::from(rule.width).saturating_sub(6);
    if let Some(label) = label {
        let label = format!(" {} ", wrap::truncate(&label, most.saturating_sub(2)));
        draw::put(buffer, rule, 1, 0, &label, theme.accent());
    }
    if composer.bytes() > NEARLY_FULL {
        let style = if composer.is_too_long() { theme.error() } else { theme.dim() };
        let kib = composer.bytes().div_ceil(1024);
        let text = if composer.is_too_long() {
            format!(" {kib} KiB: too long to send, 64 KiB at most ")
        } else {
            format!(" {kib} of 64 KiB ")
        };
        draw::put_right(buffer, rule, 1, 0, &text, style);
    } else if let Some(below) = model.timeline().map(Timeline::below).filter(|&below| below > 0) {
        let text = format!(" ↓ {below} new ");
        draw::put_right(buffer, rule, 1, 0, &text, theme.unread());
    } else if model.timeline().is_some_and(|timeline| !timeline.is_empty() && !timeline.follows())
        && !model.is_selecting
    {
        draw::put_right(buffer, rule, 1, 0, " ↓ Ctrl-End ", theme.dim());
    }
    draw::put(buffer, area, 0, 0, "›", theme.accent());
    let inner = Rect::new(area.x + PROMPT, area.y, area.width - PROMPT - 1, area.height);
    let widget = composer.widget();
    if composer.is_empty() {
        let hint = match model.current() {
            Some(conversation) if model.partner(conversation).is_none() => {
                format!("{} is no contact any more · / for commands", conversation.name)
            }
            Some(conversation) => format!("Write to {} · / for commands", conversation.name),
            None => "/ for commands".to_owned(),
        };
        draw::put(buffer, inner, 0, 0, &hint, theme.dim());
        return Some(inner.as_position());
    }
    widget.render(inner, buffer);
    let cursor = widget.screen_cursor();
    let (top, _) = widget.scroll_offset();
    let column = u16::try_from(cursor.col).ok()?.min(inner.width);
    let row = u16::try_from(cursor.row).ok()?.checked_sub(top)?;
    (row < inner.height).then(|| Position::new(inner.x + column, inner.y + row))
}
