//! Where everything is on the screen: worked out in one place, for drawing and for scrolling.

use ratatui::layout::Rect;

use super::{
    model::{Model, Phase},
    wrap,
};

/// The smallest terminal that is drawn on, in columns and rows.
pub const SMALLEST: (u16, u16) = (40, 10);

/// Columns left of a message's text: the selection's bar, time, delivery mark.
pub const GUTTER: usize = 10;

/// Columns of the prompt left of the composer.
pub const PROMPT: u16 = 2;

/// Rows that a notice may take.
const NOTICE_ROWS: usize = 4;

/// The parts of the screen with the conversations.
#[derive(Debug, Clone, Copy, Default)]
pub struct Areas {
    /// The list of conversations, in a wide terminal.
    pub list: Option<Rect>,
    /// Who this is with.
    pub header: Rect,
    /// The messages.
    pub timeline: Rect,
    /// The line above the composer, with what is replied to.
    pub rule: Rect,
    /// The prompt and the composer.
    pub composer: Rect,
    /// Sentences for a while.
    pub notice: Rect,
    /// The status line.
    pub status: Rect,
}

/// Whether the terminal is too small to draw on.
pub fn is_too_small((width, height): (u16, u16)) -> bool {
    width < SMALLEST.0 || height < SMALLEST.1
}

/// The parts of the screen as it is now.
pub fn areas(model: &Model) -> Areas {
    let (width, height) = model.size;
    if is_too_small(model.size) || !matches!(model.phase, Phase::Open) {
        return Areas::default();
    }
    let list_width = match width {
        110.. => 34,
        72.. => 27,
        _ => 0,
    };
    let notice_rows = model.notice.as_ref().map_or(0, |notice| {
        wrap::rows(&notice.text, usize::from(width) - 3).len().min(NOTICE_ROWS)
    });
    let notice_rows = u16::try_from(notice_rows).unwrap_or(0).min(height / 4);
    let status = Rect::new(0, height - 1, width, 1);
    let notice = Rect::new(0, status.y - notice_rows, width, notice_rows);
    // One column for the line beside the list.
    let left = if list_width == 0 { 0 } else { list_width + 1 };
    let pane = width - left;
    let wanted = model.composer().rows(usize::from(pane - PROMPT - 1));
    let most = usize::from((height / 3).clamp(1, 10));
    let composer_rows = u16::try_from(wanted.clamp(1, most)).unwrap_or(1);
    let composer = Rect::new(left, notice.y - composer_rows, pane, composer_rows);
    let rule = Rect::new(left, composer.y - 1, pane, 1);
    let header = Rect::new(left, 0, pane, 2);
    let timeline = Rect::new(left, 2, pane, rule.y.saturating_sub(2));
    let list = (list_width > 0).then(|| Rect::new(0, 0, list_width, notice.y));
    Areas { list, header, timeline, rule, composer, notice, status }
}
