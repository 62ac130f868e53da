//! What there is to know about a contact, a message, the network; and choosing a reaction.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
};

use crate::{
    conversation::EntryId,
    identity::Identity,
    node::api::{SafetyNumber, Scope},
    tui::{
        field::Field,
        model::Model,
        transfers,
        view::{
            conversation::path_words, draw, list::presence, status::network_words, timeline::state,
        },
        when,
        window::{EMOJI, Window},
        wrap,
    },
};

/// A label and what it stands for, over as many rows as it takes. Returns the row after it.
fn fact(
    model: &Model,
    (label, value): (&str, &str),
    area: Rect,
    y: usize,
    buffer: &mut Buffer,
) -> usize {
    draw::put(buffer, area, 0, y, label, model.theme.dim());
    let left = u16::try_from(LABEL).unwrap_or(0);
    let beside = Rect::new(area.x + left, area.y, area.width.saturating_sub(left), area.height);
    draw::paragraph(buffer, beside, 0, y, value, model.theme.text())
}

fn footer(model: &Model, area: Rect, hint: &str, buffer: &mut Buffer) {
    let last = usize::from(area.height).saturating_sub(1);
    draw::put(buffer, area, 0, last, &wrap::fit(hint, area.width.into()), model.theme.dim());
}

pub fn contact(
    model: &Model,
    id: Identity,
    safety: Option<&SafetyNumber>,
    screen: Rect,
    buffer: &mut Buffer,
) {
    let theme = model.theme;
    let area = draw::centred(screen, 70.min(screen.width), 16.min(screen.height));
    let name = model.name_of(id);
    let inner = draw::boxed(buffer, area, &name, theme);
    let Some(contact) = model.contact(id) else {
        draw::put(buffer, inner, 0, 0, "no longer a contact", theme.dim());
        return;
    };
    let is_low = inner.height < 13;
    let mut presence = presence(Some(contact.state)).1.to_owned();
    if let Some(path) = contact.path {
        presence = format!("{presence}, {}", path_words(path));
    } else if let Some(seen) = contact.last_seen {
        presence = format!("{presence}, last seen {}", when::ago(seen, model.now));
    }
    let mut y = fact(model, ("presence", &presence), inner, 0, buffer);
    let verified = if contact.verified {
        "verified: you compared the number below"
    } else {
        "not verified: compare the number below"
    };
    y = fact(model, ("safety", verified), inner, y, buffer);
    if !is_low {
        y = fact(model, ("identity", &id.to_string()), inner, y, buffer) + 1;
    }
    let number = safety.map_or("…", |safety| safety.number.as_str());
    // Four groups of five in a row: easy to read aloud.
    let gap = if inner.width < 40 { " " } else { "  " };
    let groups: Vec<&str> = number.split_whitespace().collect();
    for row in groups.chunks(4) {
        draw::put(buffer, inner, 11, y, &row.join(gap), theme.title());
        y += 1;
    }
    if !is_low {
        let text = format!(
            "Compare it with what {name} sees, in person or over the phone. If it is the same on \
             both screens, nobody stands between you."
        );
        draw::paragraph(buffer, inner, 0, y + 1, &text, theme.dim());
    }
    let verify = if contact.verified { "v not verified" } else { "v the same: verified" };
    let hint = format!("{verify} · r rename · d remove · Esc");
    footer(model, inner, &hint, buffer);
}

/// Columns of a label.
const LABEL: usize = 11;

/// What a window for reading holds.
struct Page {
    title: String,
    /// The widest that it gets.
    width: u16,
    /// Labels, and what they stand for; a text stands below an empty one.
    facts: Vec<(String, String)>,
    /// Whether there are labels at all.
    is_labelled: bool,
}

impl Page {
    /// Of a window for reading.
    fn of(model: &Model, window: &Window) -> Option<Self> {
        let (title, width, facts) = match window {
            Window::Text { title, text, .. } => {
                let facts = vec![(String::new(), text.clone())];
                return Some(Self { title: title.clone(), width: 72, facts, is_labelled: false });
            }
            Window::Details { entry, .. } => ("About this message", 66, details(model, *entry)),
            Window::Network { .. } => ("Network", 76, network(model)),
            _ => return None,
        };
        Some(Self { title: title.to_owned(), width, facts, is_labelled: true })
    }

    /// Its box's width on a screen this wide.
    fn width(&self, screen: u16) -> u16 {
        let margin = if self.is_labelled { 0 } else { 2 };
        self.width.min(screen.saturating_sub(margin))
    }

    /// Its rows in a box this wide.
    fn rows(&self, width: u16) -> Vec<(&str, &str)> {
        let column = if self.is_labelled { LABEL } else { 0 };
        let cells = usize::from(width).saturating_sub(4 + column);
        let mut rows = Vec::new();
        for (label, value) in &self.facts {
            let mut label = label.as_str();
            for part in wrap::rows(value, cells) {
                rows.push((label, value.get(part).unwrap_or_default()));
                label = "";
            }
        }
        rows
    }
}

/// How many rows a window for reading can begin with.
pub fn page_rows(model: &Model, window: &Window) -> usize {
    let Some(page) = Page::of(model, window) else { return 0 };
    let (width, height) = model.size;
    // The border, and the keys.
    let shown = usize::from(height).saturating_sub(3);
    (page.rows(page.width(width)).len() + 1).saturating_sub(shown)
}

/// Draws a window for reading, from this row.
pub fn page(model: &Model, window: &Window, row: usize, screen: Rect, buffer: &mut Buffer) {
    let theme = model.theme;
    let Some(page) = Page::of(model, window) else { return };
    let width = page.width(screen.width);
    let rows = page.rows(width);
    let height = u16::try_from(rows.len()).unwrap_or(u16::MAX).saturating_add(4);
    let inner = draw::boxed(buffer, draw::centred(screen, width, height), &page.title, theme);
    let shown = usize::from(inner.height).saturating_sub(1);
    let most = rows.len().saturating_sub(shown);
    let column = if page.is_labelled { LABEL } else { 0 };
    for (y, (label, value)) in rows.iter().skip(row.min(most)).take(shown).enumerate() {
        draw::put(buffer, inner, 0, y, &wrap::truncate(label, column), theme.dim());
        draw::put(buffer, inner, column, y, value, theme.text());
    }
    footer(model, inner, if most > 0 { "↑ ↓ scroll · Esc close" } else { "Esc close" }, buffer);
}

fn details(model: &Model, entry: EntryId) -> Vec<(String, String)> {
    let Some(view) = model.timeline().and_then(|timeline| timeline.entry(entry)) else {
        return vec![(String::new(), "it is not loaded any more".to_owned())];
    };
    let is_own = view.author == model.my_id();
    let time = when::full(view.sent_at, &model.zone);
    let clock = if is_own { "your" } else { "their" };
    let words = if is_own { state(view.state).1 } else { "received: on this disk" };
    let mut facts = vec![
        ("by".to_owned(), model.name_of(view.author)),
        ("written".to_owned(), format!("{time}, by {clock} clock")),
        ("state".to_owned(), words.to_owned()),
    ];
    let changes = match (view.deleted, view.edited) {
        (true, _) => Some("deleted by its author"),
        (_, true) => Some("edited by its author"),
        _ => None,
    };
    facts.extend(changes.map(|changes| ("changes".to_owned(), changes.to_owned())));
    if let Some(file) = view.file.as_ref().filter(|_| !view.deleted) {
        let size = format!("{} ({} bytes)", transfers::size(file.size), file.size);
        facts.extend([("file".to_owned(), file.name.clone()), ("size".to_owned(), size)]);
        facts.extend(file.path.as_ref().map(|path| ("lies at".to_owned(), model.shown_path(path))));
        facts.push(("blob".to_owned(), file.blob.clone()));
    }
    for reaction in &view.reactions {
        let names: Vec<String> = reaction.by.iter().map(|&by| model.name_of(by)).collect();
        facts.push((reaction.emoji.clone(), names.join(", ")));
    }
    facts.push(("entry".to_owned(), entry.to_string()));
    facts
}

pub fn react(
    model: &Model,
    field: &Field,
    chosen: usize,
    screen: Rect,
    buffer: &mut Buffer,
) -> Option<Position> {
    let theme = model.theme;
    let area = draw::centred(screen, 40.min(screen.width), 8.min(screen.height));
    let inner = draw::boxed(buffer, area, "React", theme);
    for (at, emoji) in EMOJI.iter().enumerate() {
        let (x, y) = (at % 6 * 6, at / 6);
        let is_chosen = at == chosen && field.text().is_empty();
        let text = if is_chosen { format!("[{emoji}]") } else { format!(" {emoji} ") };
        let style = if is_chosen { theme.accent() } else { theme.text() };
        draw::put(buffer, inner, x, y, &text, style);
    }
    let x = draw::put(buffer, inner, 0, 3, "or type one ", theme.dim());
    let cursor = draw::field(buffer, inner, (x, 3), 12, field, theme);
    footer(model, inner, "← → · Enter · the same again: off", buffer);
    cursor
}

fn network(model: &Model) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    let mut fact = |label: &str, value: String| facts.push((label.to_owned(), value));
    fact("state", network_words(model.network.as_ref()));
    if let Some(network) = &model.network {
        let [came, went] = [network.bytes_in, network.bytes_out].map(transfers::size);
        fact("traffic", format!("{came} in, {went} out"));
        if network.scope == Scope::Everywhere {
            fact(
                "DHT",
                match (network.dht.own, network.dht.public) {
                    (0, 0) => "no node answers: friends elsewhere can't be found".to_owned(),
                    (own, public) => {
                        format!("nodes that answer: {own} of our own, {public} public")
                    }
                },
            );
            if network.dht.serves {
                fact("", "is served from here too: records of others are kept".to_owned());
            }
            let nat = match network.nat.mapping.as_str() {
                "unknown" => "not known yet",
                mapping => mapping,
            };
            fact("NAT", nat.to_owned());
            match network.nat.filtering.as_str() {
                "endpoint-independent" => fact("", "lets in whoever comes".to_owned()),
                "address-dependent" => {
                    fact("", "lets in any port of whoever was sent to".to_owned());
                }
                _ => {}
            }
            let router = match network.nat.port_mapping.as_str() {
                "unknown" | "not asked" => None,
                "none" => Some("maps no ports; with UPnP turned on it would".to_owned()),
                "behind another NAT" => Some("is behind another NAT: can't map ports".to_owned()),
                protocol => Some(format!("maps ports, by {protocol}")),
            };
            if let Some(router) = router {
                fact("router", router);
            }
            for address in &network.external {
                fact("seen as", address.clone());
            }
            for address in &network.mapped {
                fact("mapped at", address.clone());
            }
        }
        fact("key", network.peer_id.clone());
        fact("", "made for this start; it says nothing of you".to_owned());
        for address in &network.listen {
            fact("listening", address.clone());
        }
    }
    facts
}
