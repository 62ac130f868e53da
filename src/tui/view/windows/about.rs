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
        view::{
            conversation::path_words, draw, list::presence, status::network_words, timeline::state,
        },
        when,
        window::EMOJI,
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
    const LABEL: usize = 11;
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

pub fn details(model: &Model, entry: EntryId, screen: Rect, buffer: &mut Buffer) {
    let theme = model.theme;
    let area = draw::centred(screen, 66.min(screen.width), 12.min(screen.height));
    let inner = draw::boxed(buffer, area, "About this message", theme);
    let Some(view) = model.timeline().and_then(|timeline| timeline.entry(entry)) else {
        draw::put(buffer, inner, 0, 0, "it is not loaded any more", theme.dim());
        return;
    };
    let is_own = view.author == model.my_id();
    let mut y = fact(model, ("by", &model.name_of(view.author)), inner, 0, buffer);
    let time = when::full(view.sent_at, &model.zone);
    let clock = if is_own { "your" } else { "their" };
    y = fact(model, ("written", &format!("{time}, by {clock} clock")), inner, y, buffer);
    let words = if is_own { state(view.state).1 } else { "received: on this disk" };
    y = fact(model, ("state", words), inner, y, buffer);
    let changes = match (view.deleted, view.edited) {
        (true, _) => Some("deleted by its author"),
        (_, true) => Some("edited by its author"),
        _ => None,
    };
    if let Some(changes) = changes {
        y = fact(model, ("changes", changes), inner, y, buffer);
    }
    for reaction in &view.reactions {
        let names: Vec<String> = reaction.by.iter().map(|&by| model.name_of(by)).collect();
        y = fact(model, (&reaction.emoji, &names.join(", ")), inner, y, buffer);
    }
    fact(model, ("entry", &entry.to_string()), inner, y, buffer);
    footer(model, inner, "Esc close", buffer);
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

pub fn network(model: &Model, screen: Rect, buffer: &mut Buffer) {
    let theme = model.theme;
    let area = draw::centred(screen, 76.min(screen.width), 20.min(screen.height));
    let inner = draw::boxed(buffer, area, "Network", theme);
    let mut y = fact(model, ("state", &network_words(model.network.as_ref())), inner, 0, buffer);
    if let Some(network) = &model.network {
        let bytes = format!("{} bytes in, {} bytes out", network.bytes_in, network.bytes_out);
        y = fact(model, ("traffic", &bytes), inner, y, buffer);
        if network.scope == Scope::Everywhere {
            let dht = match (network.dht.own, network.dht.public) {
                (0, 0) => "no node answers: friends elsewhere can't be found".to_owned(),
                (own, public) => format!("connected to {own} nodes of our own, {public} public"),
            };
            y = fact(model, ("DHT", &dht), inner, y, buffer);
            let nat = match network.nat.mapping.as_str() {
                "unknown" => "not known yet",
                mapping => mapping,
            };
            y = fact(model, ("NAT", nat), inner, y, buffer);
            let router = match network.nat.port_mapping.as_str() {
                "unknown" | "not asked" => None,
                "none" => Some("maps no ports; with UPnP turned on it would".to_owned()),
                "behind another NAT" => Some("is behind another NAT: can't map ports".to_owned()),
                protocol => Some(format!("maps ports, by {protocol}")),
            };
            if let Some(router) = router {
                y = fact(model, ("router", &router), inner, y, buffer);
            }
            for address in &network.external {
                y = fact(model, ("seen as", address), inner, y, buffer);
            }
            for address in &network.mapped {
                y = fact(model, ("mapped at", address), inner, y, buffer);
            }
        }
        y = fact(model, ("key", &network.peer_id), inner, y, buffer);
        draw::put(buffer, inner, 11, y, "made for this start; it says nothing of you", theme.dim());
        y += 1;
        for address in &network.listen {
            y = fact(model, ("listening", address), inner, y, buffer);
        }
    }
    footer(model, inner, "Esc close", buffer);
}
