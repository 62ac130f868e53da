//! The last line: oneself, the network, what the keys are for. Above it, sentences for a while.

use ratatui::{buffer::Buffer, layout::Rect};

use super::draw;
use crate::{
    node::api::{FileState, Network, Scope},
    tui::{
        model::{Model, Pending, Tone},
        wrap,
    },
};

/// The network's state in words.
pub fn network_words(network: Option<&Network>) -> String {
    let Some(network) = network else { return "network starting".to_owned() };
    let count = |number: usize, what: &str| {
        format!("{number} {what}{}", if number == 1 { "" } else { "s" })
    };
    match network.scope {
        Scope::Offline => return "offline by choice".to_owned(),
        _ if network.listen.is_empty() => return "not listening".to_owned(),
        _ => {}
    }
    let scope = if network.scope == Scope::LanOnly { "LAN only" } else { "listening" };
    format!("{scope} · {}", count(network.links as usize, "link"))
}

/// The files that come and go just now, and those that are being made ready: `↓ 2 files 43 %`.
fn files(model: &Model) -> String {
    let count = |count: usize| format!("{count} file{}", if count == 1 { "" } else { "s" });
    let sending = model.pending.values().filter(|p| matches!(p, Pending::SendFile { .. })).count();
    let mut parts = Vec::new();
    if let Some((moving, percent)) = model.transfers.moving(model.now) {
        parts.push(format!("↓ {} {percent} %", count(moving)));
    }
    if let Some((moving, percent)) = model.sends.moving(model.now) {
        parts.push(format!("↑ {} {percent} %", count(moving)));
    }
    if sending > 0 {
        parts.push(format!("reading {}", count(sending)));
    }
    parts.join(" · ")
}

pub fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    let theme = model.theme;
    let name = model.me.as_ref().map_or("", |me| me.name.as_str());
    let name = wrap::truncate(name, usize::from(area.width / 3));
    let mut x = draw::put(buffer, area, 1, 0, &name, theme.own_name());
    x = draw::put(buffer, area, x, 0, " · ", theme.rule());
    let words = network_words(model.network.as_ref());
    // In a narrow terminal what moves is worth more than what stands.
    let files = files(model);
    let is_narrow = x + wrap::width(&words) + wrap::width(&files) + 3 > usize::from(area.width);
    if files.is_empty() || !is_narrow {
        x = draw::put(buffer, area, x, 0, &words, theme.dim());
    }
    if !files.is_empty() {
        if !is_narrow {
            x = draw::put(buffer, area, x, 0, " · ", theme.rule());
        }
        x = draw::put(buffer, area, x, 0, &files, theme.accent());
    }
    let open = model.current().map_or(0, |conversation| conversation.unread);
    let elsewhere = model.unread().saturating_sub(open);
    if elsewhere > 0 && model.areas().list.is_none() {
        let text = format!(" · {elsewhere} unread elsewhere");
        if x + text.len() < usize::from(area.width) {
            x = draw::put(buffer, area, x, 0, &text, theme.unread());
        }
    }
    let file = model.selected().and_then(|view| view.file.as_ref().filter(|_| !view.deleted));
    let fetches = model.selected().is_some_and(|view| model.enter_fetches(view));
    let is_picture = model.selected().is_some_and(Model::is_picture);
    let is_voice_note = model.selected().is_some_and(Model::is_voice_note);
    let hints: &[&str] = if let Some(file) = file {
        match file.state {
            FileState::Here if is_picture => &[
                "Enter show · o open · v directory · r reply · Esc back",
                "Enter show · o open · Esc back",
                "Enter show · Esc",
            ],
            FileState::Here if is_voice_note => &[
                "Enter play, stop · o open · v directory · r reply · Esc back",
                "Enter play, stop · o open · Esc back",
                "Enter play · Esc",
            ],
            FileState::Here => &[
                "o open · v directory · r reply · i details · Esc back",
                "o open · v directory · Esc back",
                "o open · Esc back",
            ],
            FileState::Fetching => &[
                "s stop · c cancel · r reply · i details · Esc back",
                "s stop · c cancel · Esc back",
                "s c · Esc back",
            ],
            FileState::Stopped if fetches => &[
                "Enter go on · c cancel · r reply · Esc back",
                "Enter go on · c cancel",
                "Enter · c · Esc",
            ],
            _ if fetches => &["Enter fetch · r reply · i details · Esc back", "Enter fetch · Esc"],
            _ => &["d delete · r reply · i details · Esc back", "Esc back"],
        }
    } else if model.is_selecting {
        &[
            "r reply · e edit · d delete · + react · Enter details · Esc back",
            "r e d + · Enter details · Esc back",
            "Esc back",
        ]
    } else {
        &["Alt-↑ select · Ctrl-F search · F1 help", "F1 help"]
    };
    let room = usize::from(area.width).saturating_sub(x + 3);
    if let Some(hint) = hints.iter().find(|hint| wrap::width(hint) <= room) {
        draw::put_right(buffer, area, 1, 0, hint, theme.dim());
    }
}

pub fn notice(model: &Model, area: Rect, buffer: &mut Buffer) {
    let Some(notice) = &model.notice else { return };
    let theme = model.theme;
    let (sign, style) = match notice.tone {
        Tone::Info => (" ", theme.dim()),
        Tone::Good => ("✓", theme.good()),
        Tone::Bad => ("!", theme.error()),
    };
    let rows = wrap::rows(&notice.text, usize::from(area.width.saturating_sub(3)));
    let height = usize::from(area.height);
    for (y, row) in rows.iter().take(height).enumerate() {
        // The sign stands in the margin; what does not fit ends in dots.
        let end = if y + 1 == height { notice.text.len() } else { row.end };
        let text = notice.text.get(row.start..end).unwrap_or_default();
        if y == 0 {
            draw::put(buffer, area, 0, y, sign, style);
        }
        draw::put(buffer, area, 2, y, text, style);
    }
}
