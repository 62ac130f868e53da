//! A file in the timeline: what it is, and how far it is here.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::draw;
use crate::{
    conversation::ConversationId,
    node::api::{ContactState, EntryView, FileState, FileView},
    tui::{
        layout::GUTTER,
        model::Model,
        paths,
        transfers::{self, Stage, Transfer},
        when, wrap,
    },
};

/// The longest gauge, in cells.
const LONGEST_GAUGE: usize = 24;

/// The shortest that says something.
const SHORTEST_GAUGE: usize = 5;

/// `photo.png · 2.4 MB · image/png`; the name gives way first, its extension never.
pub fn name(
    model: &Model,
    entry: &EntryView,
    is_selected: bool,
    area: Rect,
    y: usize,
    buffer: &mut Buffer,
) {
    let Some(file) = &entry.file else { return };
    let theme = model.theme;
    let cells = usize::from(area.width).saturating_sub(GUTTER + 1);
    let kind = if file.folder { "folder" } else { file.media_type.as_str() };
    let mut about = format!(" · {}", transfers::size(file.size));
    if !kind.is_empty() {
        let with_kind = format!("{about} · {kind}");
        if wrap::width(&file.name) + wrap::width(&with_kind) <= cells {
            about = with_kind;
        }
    }
    let name = transfers::short_name(&file.name, cells.saturating_sub(wrap::width(&about)));
    let style = if is_selected { theme.selected_entry() } else { theme.file_name() };
    let x = draw::put(buffer, area, GUTTER, y, &name, style);
    draw::put(buffer, area, x, y, &about, theme.dim());
}

/// A voice note: how loud it is over its time, how long, and how far it was played.
pub fn voice(model: &Model, entry: &EntryView, area: Rect, y: usize, buffer: &mut Buffer) {
    let Some(voice) = entry.file.as_ref().and_then(|file| file.voice.as_ref()) else { return };
    let theme = model.theme;
    let played = model.playing.as_ref().filter(|playing| playing.entry == entry.entry);
    let total = when::duration(voice.millis());
    let words = played.map_or_else(
        || total.clone(),
        |playing| format!("{} / {total}", when::duration(playing.millis)),
    );
    let cells = usize::from(area.width).saturating_sub(GUTTER + 1);
    let shape = voice.shape(cells.saturating_sub(wrap::width("00:00 / 00:00") + 1));
    let done = played.map_or(0, |playing| {
        let part = u64::from(playing.millis) * shape.len() as u64 / u64::from(voice.millis());
        usize::try_from(part).unwrap_or(usize::MAX).min(shape.len())
    });
    let (before, after) = shape.split_at(done);
    let x = draw::put(buffer, area, GUTTER, y, &wave(before), theme.gauge());
    let x = draw::put(buffer, area, x, y, &wave(after), theme.text());
    draw::put(buffer, area, x + 1, y, &words, theme.dim());
}

/// A column for each level, from an eighth of a cell to all of it.
pub fn wave(levels: &[u8]) -> String {
    const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    levels.iter().map(|&level| HEIGHTS[usize::from(level / 32)]).collect()
}

/// How far it is here.
pub fn state(
    model: &Model,
    entry: &EntryView,
    is_selected: bool,
    area: Rect,
    y: usize,
    buffer: &mut Buffer,
) {
    let Some(file) = &entry.file else { return };
    let cells = usize::from(area.width).saturating_sub(GUTTER + 1);
    let transfer = model.transfers.get(entry.entry);
    let coming = transfer.filter(|transfer| file.state == FileState::Fetching && transfer.at > 0);
    let going = model.sends.get(entry.entry).filter(|transfer| transfer.moves(model.now));
    if let Some(transfer) = coming.or(going) {
        let area = Rect { width: area.width.saturating_sub(1), ..area };
        return gauge(model, transfer, area, (GUTTER, y), buffer);
    }
    let (words, style) = words(model, entry, file, transfer, is_selected, cells);
    draw::put(buffer, area, GUTTER, y, &wrap::truncate(&words, cells), style);
}

fn words(
    model: &Model,
    entry: &EntryView,
    file: &FileView,
    transfer: Option<&Transfer>,
    is_selected: bool,
    cells: usize,
) -> (String, Style) {
    let theme = model.theme;
    let is_own = entry.author == model.my_id();
    // A key is only named where it does something.
    let how = |to: &str| match (is_selected, model.get_target() == Some(entry.entry)) {
        (true, _) => format!(": Enter to {to}"),
        (false, true) => format!(": /get to {to}"),
        (false, false) if model.is_selecting => String::new(),
        (false, false) => format!(": Alt-↑, Enter to {to}"),
    };
    let words = match file.state {
        FileState::Offered if is_own => "offered".to_owned(),
        FileState::Offered => format!("offered{}", how("fetch")),
        FileState::Fetching => model.open.map_or_else(String::new, |id| waiting(model, id)),
        FileState::Stopped => match transfer {
            Some(Transfer { stage: Stage::Failed(_), .. }) => {
                return (format!("failed{}", how("try again")), theme.error());
            }
            Some(transfer) if transfer.total > 0 && transfer.at > 0 => {
                format!("stopped at {} %{}", transfer.percent(), how("go on"))
            }
            _ => format!("stopped{}", how("go on")),
        },
        FileState::Here => {
            let fetched = model.fetched.iter().find(|(of, _)| *of == entry.entry);
            let begin = match fetched {
                Some((_, by)) => {
                    format!("{} has it", wrap::truncate(&model.name_of(*by), cells / 3))
                }
                None => "here".to_owned(),
            };
            let path = file.path.as_deref().map(|path| model.shown_path(path));
            let words = path.map_or(begin.clone(), |path| {
                let room = cells.saturating_sub(wrap::width(&begin) + 2);
                format!("{begin}: {}", paths::short(&path, room))
            });
            return (words, if is_own { theme.dim() } else { theme.good() });
        }
        FileState::Gone if is_own => {
            return ("changed or vanished: send it again".to_owned(), theme.warning());
        }
        FileState::Gone => {
            return (format!("changed or vanished{}", how("fetch")), theme.warning());
        }
    };
    (words, theme.file_state())
}

/// It is to be fetched, and nothing comes.
fn waiting(model: &Model, conversation: ConversationId) -> String {
    let contact = model.conversation(conversation).and_then(|of| model.partner(of));
    match contact {
        Some(contact) if contact.state != ContactState::Online => {
            format!("waiting for {}", contact.name)
        }
        _ => "waiting".to_owned(),
    }
}

/// A gauge, with percent, rate and time left as far as there is room; or why nothing moves.
pub fn gauge(
    model: &Model,
    transfer: &Transfer,
    area: Rect,
    (x, y): (usize, usize),
    buffer: &mut Buffer,
) {
    let theme = model.theme;
    let room = usize::from(area.width).saturating_sub(x);
    let words = if transfer.moves(model.now) {
        transfers::pace(transfer, room.saturating_sub(SHORTEST_GAUGE + 1))
    } else {
        let percent = format!("{} %", transfer.percent());
        let stopped = match &transfer.stage {
            Stage::Running if transfer.done == transfer.total => "nearly there".to_owned(),
            Stage::Running => waiting(model, transfer.conversation),
            Stage::Stopped => "stopped".to_owned(),
            Stage::Failed(_) => "failed".to_owned(),
        };
        format!("{percent} · {stopped}")
    };
    // The words move little while their lengths change.
    let wanted = room.saturating_sub(wrap::width("100 % · 99.9 MB/s · 59 min left") + 1);
    let cells = wanted.max(room.saturating_sub(wrap::width(&words) + 1).min(10)).min(LONGEST_GAUGE);
    let full = usize::try_from(transfer.percent()).unwrap_or(100) * cells / 100;
    let end = draw::put(buffer, area, x, y, &"━".repeat(full), theme.gauge());
    let end = draw::put(buffer, area, end, y, &"─".repeat(cells - full), theme.dim());
    draw::put(buffer, area, end + 1, y, &words, theme.file_state());
}
