//! The files on their way, and choosing one to send.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
};

use crate::{
    text,
    tui::{
        model::Model,
        paths,
        transfers::{self, Stage},
        update::SHOWN_LEVELS,
        view::{
            draw,
            file::{self, wave},
        },
        when,
        window::Picker,
        wrap,
    },
    voice::MAX_MILLIS,
};

/// Names are cut to no less than this while there is anything else beside them, in cells.
const SHORTEST_NAME: usize = 20;

pub fn transfers(model: &Model, chosen: usize, screen: Rect, buffer: &mut Buffer) {
    let theme = model.theme;
    let area = draw::centred(screen, 76.min(screen.width), 20.min(screen.height));
    let inner = draw::boxed(buffer, area, "Files on their way", theme);
    let last = usize::from(inner.height).saturating_sub(1);
    let all = model.on_their_way();
    if all.is_empty() {
        let text = "None. A file that is being sent or fetched, or was stopped or failed since the start, \
                    shows here.";
        draw::paragraph(buffer, inner, 0, 0, text, theme.dim());
        draw::put(buffer, inner, 0, last, "Esc close", theme.dim());
        return;
    }
    let chosen = chosen.min(all.len() - 1);
    // Two rows for each; of the selected one, why it failed, at the foot.
    let cells = usize::from(inner.width);
    let why = match &all[chosen].stage {
        Stage::Failed(why) => why.as_str(),
        _ => "",
    };
    let why_rows = if why.is_empty() { 0 } else { wrap::rows(why, cells).len().min(3) };
    let shown = (last.saturating_sub(why_rows) / 2).max(1);
    let first = (chosen + 1).saturating_sub(shown);
    for (at, transfer) in all.iter().enumerate().skip(first).take(shown) {
        let y = (at - first) * 2;
        let is_chosen = at == chosen;
        let mark = if is_chosen { "▌" } else { " " };
        for row in [y, y + 1] {
            draw::put(buffer, inner, 0, row, mark, theme.accent());
        }
        let whom = match model.conversation(transfer.conversation) {
            Some(conversation) => wrap::truncate(&conversation.name, cells / 3),
            None => "?".to_owned(),
        };
        let comes = model.transfers.get(transfer.entry).is_some();
        let whom = if comes { whom } else { format!("to {whom}") };
        let name = model.transfer_name(transfer.entry);
        let mut about = String::new();
        let mut add = |part: String| {
            // A name of some length is worth more.
            let width = wrap::width(&about) + wrap::width(&part) + 3;
            if width + wrap::width(&name).min(SHORTEST_NAME) + 2 <= cells {
                about = format!("{about} · {part}");
            }
        };
        if transfer.total > 0 {
            add(transfers::size(transfer.total));
        }
        add(whom);
        if transfer.holders > 1 && transfer.moves(model.now) {
            add(format!("from {}", transfer.holders));
        }
        let room = cells.saturating_sub(2 + wrap::width(&about));
        let style = if is_chosen { theme.selected_entry() } else { theme.text() };
        let x = draw::put(buffer, inner, 2, y, &transfers::short_name(&name, room), style);
        draw::put(buffer, inner, x, y, &about, theme.dim());
        file::gauge(model, transfer, inner, (2, y + 1), buffer);
    }
    let foot = Rect::new(inner.x, inner.y, inner.width, inner.height - 1);
    draw::paragraph(buffer, foot, 0, last.saturating_sub(why_rows), why, theme.error());
    let hints =
        ["s stop · f go on · c cancel · Enter show · Esc close", "s f c · Enter show · Esc"];
    let hint = hints.iter().find(|hint| wrap::width(hint) <= cells).unwrap_or(&"Esc");
    draw::put(buffer, inner, 0, last, hint, theme.dim());
}

pub fn picker(
    model: &Model,
    picker: &Picker,
    screen: Rect,
    buffer: &mut Buffer,
) -> Option<Position> {
    let theme = model.theme;
    let area = draw::centred(screen, 76.min(screen.width), 20.min(screen.height));
    let name = model.conversation(picker.conversation).map_or("?", |c| c.name.as_str());
    let title = format!("Send a file to {}", wrap::truncate(name, usize::from(area.width / 3)));
    let inner = draw::boxed(buffer, area, &title, theme);
    let cells = usize::from(inner.width);
    let last = usize::from(inner.height).saturating_sub(1);
    let directory = text::line(&model.shown_path(&picker.directory.to_string_lossy()));
    draw::put(buffer, inner, 0, 0, &paths::short(&directory, cells), theme.title());
    let x = draw::put(buffer, inner, 0, 1, "type to find ", theme.dim());
    let room = cells.saturating_sub(x);
    let cursor = draw::field(buffer, inner, (x, 1), room, &picker.field, theme);
    let rows = last.saturating_sub(2);
    let fitting = picker.fitting();
    let say = |buffer: &mut Buffer, text: &str| {
        draw::paragraph(buffer, inner, 0, 2, text, theme.dim());
    };
    match &picker.listing {
        None => say(buffer, "…"),
        Some(Err(why)) => say(buffer, &format!("This cannot be listed: {why}.")),
        Some(Ok(_)) if fitting.is_empty() => say(buffer, "nothing here has such a name"),
        Some(Ok(_)) => {}
    }
    let first = (picker.chosen + 1).saturating_sub(rows);
    for (at, entry) in fitting.iter().enumerate().skip(first).take(rows) {
        let y = at - first + 2;
        let size = if entry.is_directory { String::new() } else { transfers::size(entry.size) };
        let room = cells.saturating_sub(wrap::width(&size) + 1);
        let slash = if entry.is_directory { "/" } else { "" };
        let name = format!("{}{slash}", text::line(&entry.name));
        let name = wrap::fit(&transfers::short_name(&name, room), room);
        let style = if at == picker.chosen { theme.selected() } else { theme.text() };
        draw::put(buffer, inner, 0, y, &format!("{name} {size}"), style);
    }
    let is_cut = picker.listing.as_ref().is_some_and(|l| l.as_ref().is_ok_and(|l| l.is_cut));
    let hints: &[&str] = if is_cut {
        &["there is more: type how it begins · Enter · ← up · Esc", "more: type how it begins"]
    } else {
        &["Enter open or send · ← up · Alt-Enter send directory · Esc", "Enter · ← up · Esc"]
    };
    let hint = hints.iter().find(|hint| wrap::width(hint) <= cells).unwrap_or(&"Esc");
    draw::put(buffer, inner, 0, last, hint, theme.dim());
    cursor
}

/// A voice note that is recorded: how long, how loud.
pub fn recording(model: &Model, screen: Rect, buffer: &mut Buffer) {
    let Some(recording) = &model.recording else { return };
    let theme = model.theme;
    let area = draw::centred(screen, 56, 6);
    let conversation = model.conversation(recording.conversation);
    let name = conversation.map_or("", |conversation| conversation.name.as_str());
    let inner = draw::boxed(buffer, area, &format!("A voice note for {name}"), theme);
    let x = draw::put(buffer, inner, 0, 1, "●", theme.error());
    let time = when::duration(recording.millis);
    let x = draw::put(buffer, inner, x + 1, 1, &time, theme.text());
    let room = usize::from(inner.width).saturating_sub(x + 1);
    let from = recording.levels.len().saturating_sub(room.min(SHOWN_LEVELS));
    let levels = recording.levels.get(from..).unwrap_or_default();
    draw::put(buffer, inner, x + 1, 1, &wave(levels), theme.gauge());
    let hint = if recording.millis >= MAX_MILLIS {
        "It is full · Enter sends it · Esc drops it"
    } else {
        "Enter sends it · Esc drops it"
    };
    draw::put(buffer, inner, 0, 3, hint, theme.dim());
}
