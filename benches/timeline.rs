//! A frame of a tall terminal over conversations of very different length: it must cost the same.
//!
//! The model holds every message (the window's bound is lifted), which is the worst case: in
//! ordinary use it holds a few thousand of them at most.

#![allow(clippy::expect_used, reason = "a bench may end by a panic")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use entrenous::{
    conversation::{ConversationId, EntryId},
    identity::Identity,
    node::api::{
        Answer, Command, Conversation, ConversationKind, EntryKind, EntryState, EntryView, Event,
        Me,
    },
    tui::{
        ColourEnvironment, Config, Effect, Model, Msg, Options, graphics::Surroundings, update,
        view,
    },
};
use jiff::tz::TimeZone;
use ratatui::{Terminal, backend::TestBackend};

const NOW: u64 = 1_794_665_109_000;
const ME: Identity = Identity([1; 32]);
const CONVERSATION: ConversationId = ConversationId([7; 32]);

/// Every third message is a reply, every fifth is not in ASCII.
fn message(number: u64) -> EntryView {
    let id = |number: u64| {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        EntryId(bytes)
    };
    let text = if number.is_multiple_of(5) {
        format!("{number} こんにちは、世界。👨‍👩‍👧‍👦 Voilà une phrase assez longue pour être coupée.")
    } else {
        format!(
            "{number} A message of an ordinary length, as people write them in a chat, that may well need a second row."
        )
    };
    EntryView {
        entry: id(number),
        author: if number % 4 < 2 { ME } else { Identity([2; 32]) },
        sent_at: NOW - 100_000_000_000 + number * 90_000,
        kind: EntryKind::Text,
        text: Some(text),
        file: None,
        reply_to: number.is_multiple_of(3).then(|| id(number.saturating_sub(7))),
        edited: false,
        deleted: false,
        reactions: Vec::new(),
        state: EntryState::Delivered,
    }
}

fn model(count: u64) -> Model {
    let options = Options {
        config: Config::default(),
        colours: ColourEnvironment::default(),
        surroundings: Surroundings::default(),
        voices: "/home/me/voice".into(),
        places: entrenous::tui::paths::Places::default(),
        zone: TimeZone::UTC,
        max_entries: Some(usize::MAX),
    };
    let mut model = Model::new(&options, NOW).expect("the built-in keys");
    let mut messages = vec![
        Msg::Resize(200, 60),
        Msg::Node(Event::Ready { me: Me { id: ME, name: "Me".into() }, has_passphrase: true }),
    ];
    while let Some(msg) = messages.pop() {
        for effect in update(&mut model, msg) {
            let Effect::Send(request) = effect else { continue };
            let answer = match request.command {
                Command::ListConversations => Answer::Conversations(vec![Conversation {
                    id: CONVERSATION,
                    kind: ConversationKind::Direct,
                    name: "Somebody".into(),
                    members: vec![ME, Identity([2; 32])],
                    unread: 0,
                    read_up_to: None,
                    last_entry_at: Some(NOW),
                    forked: false,
                }]),
                Command::ListContacts => Answer::Contacts(Vec::new()),
                Command::History { .. } => Answer::History((0..count).map(message).collect()),
                _ => Answer::Done {},
            };
            messages
                .push(Msg::Node(Event::Answered { request: request.number, result: Ok(answer) }));
        }
    }
    model
}

fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame 200x60");
    for count in [10_000, 100_000, 1_000_000] {
        let mut model = model(count);
        let mut terminal = Terminal::new(TestBackend::new(200, 60)).expect("a buffer");
        group.bench_function(BenchmarkId::new("draw", count), |bencher| {
            bencher.iter(|| {
                terminal.draw(|frame| view(black_box(&model), frame)).expect("a buffer");
            });
        });
        group.bench_function(BenchmarkId::new("scroll and draw", count), |bencher| {
            let mut keys = [KeyCode::PageUp, KeyCode::PageUp, KeyCode::PageDown].iter().cycle();
            bencher.iter(|| {
                let key = *keys.next().unwrap_or(&KeyCode::PageUp);
                update(&mut model, Msg::Key(KeyEvent::new(key, KeyModifiers::NONE)));
                terminal.draw(|frame| view(black_box(&model), frame)).expect("a buffer");
            });
        });
    }
    group.finish();
}

criterion_group!(benches, frames);
criterion_main!(benches);
