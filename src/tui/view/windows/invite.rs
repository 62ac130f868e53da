//! Invites: a new one as text and picture, entering one, the open ones.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
};

use crate::{
    node::api::{NewInvite, OpenInvite},
    tui::{field::Field, model::Model, qr, view::draw, when, wrap},
};

/// A new invite. It takes the whole screen, without a border: the text can be selected with the
/// mouse, and the picture finds room.
pub fn new(
    model: &Model,
    invite: Option<&NewInvite>,
    as_text: bool,
    screen: Rect,
    buffer: &mut Buffer,
) {
    let theme = model.theme;
    draw::clear(buffer, screen);
    let last = usize::from(screen.height) - 1;
    let Some(invite) = invite else {
        draw::put_centred(buffer, screen, last / 2, "making an invite…", theme.dim());
        return;
    };
    let ends = when::until(invite.expires_at, model.now);
    let about = format!(
        "For one friend, once; ends {ends}. Send it by a way that nobody else reads, or let them \
         scan it. Whoever has it first becomes your contact."
    );
    // Capitals make a smaller picture; both read the same.
    let rows = qr::rows(&invite.invite.to_uppercase());
    let (width, height) = (usize::from(screen.width), usize::from(screen.height));
    let side = rows.as_ref().map_or(0, |rows| rows.first().map_or(0, |row| row.chars().count()));
    let qr_rows = rows.as_ref().map_or(0, Vec::len);
    let fits = qr_rows > 0 && height > qr_rows && width >= side + 28;
    let mut y = 0;
    if as_text || !fits {
        let gap = usize::from(height >= 12);
        draw::put(buffer, screen, 0, y, "Your invite", theme.title());
        y = draw::paragraph(buffer, screen, 0, y + 1 + gap, &invite.invite, theme.key());
        draw::paragraph(buffer, screen, 0, y + gap, &about, theme.text());
    } else {
        let area = Rect::new(0, 0, screen.width, screen.height);
        for (row, line) in rows.iter().flatten().enumerate() {
            draw::put(buffer, area, 0, row, line, theme.qr());
        }
        let left = u16::try_from(side + 2).unwrap_or(0);
        let beside = Rect::new(left, 1, screen.width - left - 1, screen.height - 1);
        draw::put(buffer, beside, 0, 0, "Your invite", theme.title());
        y = draw::paragraph(buffer, beside, 0, 2, &invite.invite, theme.key());
        draw::paragraph(buffer, beside, 0, y + 1, &about, theme.text());
    }
    let hint = if fits {
        "t picture or text · l all invites · Esc close"
    } else {
        "too small here for the QR code · Esc"
    };
    draw::put(buffer, screen, 0, last, &wrap::fit(hint, width), theme.dim());
}

pub fn add(
    model: &Model,
    field: &Field,
    error: Option<&str>,
    screen: Rect,
    buffer: &mut Buffer,
) -> Option<Position> {
    let theme = model.theme;
    let area = draw::centred(screen, 76.min(screen.width - 2), 10);
    let inner = draw::boxed(buffer, area, "Enter an invite", theme);
    draw::paragraph(buffer, inner, 0, 0, "Paste what your friend sent: entrenous1…", theme.text());
    let cells = usize::from(inner.width);
    let cursor = draw::field(buffer, inner, (0, 2), cells, field, theme);
    if let Some(error) = error {
        draw::paragraph(buffer, inner, 0, 4, error, theme.error());
    }
    let last = usize::from(inner.height) - 1;
    draw::put(buffer, inner, 0, last, "Enter accept · Esc close", theme.dim());
    cursor
}

pub fn list(
    model: &Model,
    invites: Option<&[OpenInvite]>,
    chosen: usize,
    screen: Rect,
    buffer: &mut Buffer,
) {
    let theme = model.theme;
    let area = draw::centred(screen, 76.min(screen.width - 2), 16.min(screen.height));
    let inner = draw::boxed(buffer, area, "Open invites", theme);
    let height = usize::from(inner.height);
    let last = height - 1;
    match invites {
        None => _ = draw::put(buffer, inner, 0, 0, "…", theme.dim()),
        Some([]) => {
            let text = "There is none. A new one: n.";
            draw::put(buffer, inner, 0, 0, text, theme.dim());
        }
        Some(invites) => {
            let first = (chosen + 1).saturating_sub(last - 1);
            for (y, invite) in invites.iter().skip(first).take(last - 1).enumerate() {
                let what = if let Some(text) = &invite.invite {
                    let tail: String =
                        text.chars().skip(text.chars().count().saturating_sub(6)).collect();
                    let uses = invite.uses_left;
                    format!("yours …{tail}, for {uses}")
                } else {
                    let who: String = invite.issuer.to_string().chars().take(8).collect();
                    format!("accepted, of {who}; waiting to be connected")
                };
                let ends = when::until(invite.expires_at, model.now);
                let text = format!(" {what} · ends {ends}");
                let style = if first + y == chosen { theme.selected() } else { theme.text() };
                draw::put(buffer, inner, 0, y, &wrap::fit(&text, inner.width.into()), style);
            }
        }
    }
    draw::put(buffer, inner, 0, last, "d withdraw · n new · Esc close", theme.dim());
}
