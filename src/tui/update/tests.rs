//! A scripted node drives the model: every command and every mode, with what goes wrong.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::tz::TimeZone;

use super::*;
use crate::{
    conversation::{ConversationId, EntryId},
    identity::Identity,
    node::api::{
        Answer, Attempt, Contact, ContactState, Conversation, ConversationKind, EntryKind,
        EntryState, EntryView, Hit, Me, Network, NewInvite, OpenInvite, Passphrase, Reaction,
        Request, SafetyNumber, Why, Written,
    },
    text::MAX_TEXT_BYTES,
    tui::{
        ColourEnvironment, Config, Options,
        composer::Purpose,
        graphics::Surroundings,
        keymap::Mode,
        model::MAX_PENDING,
        paths::Places,
        window::{Confirmed, Window},
    },
};

mod commands;
mod conversation;
mod files;
mod forward;
mod sending;
mod start;
mod voice;

const NOW: u64 = 1_794_665_109_000;
const ME: Identity = Identity([1; 32]);
const BOB: Identity = Identity([2; 32]);
const EVE: Identity = Identity([3; 32]);
const WITH_BOB: ConversationId = ConversationId([10; 32]);
const WITH_EVE: ConversationId = ConversationId([11; 32]);

fn id(number: u8) -> EntryId {
    EntryId([number; 32])
}

fn entry(number: u8, author: Identity) -> EntryView {
    EntryView {
        entry: id(number),
        author,
        sent_at: NOW - 100_000 + u64::from(number) * 1_000,
        kind: EntryKind::Text,
        text: Some(format!("text {number}")),
        file: None,
        reply_to: None,
        edited: false,
        deleted: false,
        reactions: Vec::new(),
        state: EntryState::Delivered,
    }
}

fn conversation(id: ConversationId, with: Identity, name: &str, unread: u32) -> Conversation {
    Conversation {
        id,
        kind: ConversationKind::Direct,
        name: name.into(),
        members: vec![ME, with],
        unread,
        read_up_to: None,
        last_entry_at: Some(NOW - u64::from(id.0[0])),
        forked: false,
    }
}

fn contact(id: Identity, name: &str) -> Contact {
    Contact {
        id,
        name: name.into(),
        verified: false,
        state: ContactState::Offline,
        path: None,
        last_seen: None,
        unasked: None,
    }
}

fn failure(kind: FailureKind, text: &str) -> Failure {
    Failure { kind, text: text.into() }
}

/// A model, what it asked for, and what it wanted done beside that.
struct Stage {
    model: Model,
    asked: Vec<Request>,
    other: Vec<Effect>,
}

impl Stage {
    /// Just started.
    fn new() -> Self {
        let options = Options {
            config: Config::default(),
            colours: ColourEnvironment::default(),
            surroundings: Surroundings::default(),
            voices: "/home/me/voice".into(),
            zone: TimeZone::UTC,
            places: Places { home: Some("/home/me".into()), working: "/desk".into() },
            max_entries: None,
        };
        let model = Model::new(&options, NOW).unwrap();
        let mut stage = Self { model, asked: Vec::new(), other: Vec::new() };
        stage.tell(Msg::Resize(100, 30));
        stage
    }

    /// Open, with two contacts; the conversation with Bob is open and holds these entries.
    fn open(entries: Vec<EntryView>) -> Self {
        Self::open_with(entries, 0)
    }

    fn open_with(entries: Vec<EntryView>, unread: u32) -> Self {
        let mut stage = Self::new();
        let me = Me { id: ME, name: "Me".into() };
        stage.event(Event::Ready { me, has_passphrase: true });
        stage.answer(Answer::Contacts(vec![contact(BOB, "Bob"), contact(EVE, "Eve")]));
        stage.answer(Answer::Conversations(vec![
            conversation(WITH_BOB, BOB, "Bob", unread),
            conversation(WITH_EVE, EVE, "Eve", 0),
        ]));
        stage.answer(Answer::Network(Box::default()));
        stage.answer(Answer::History(entries));
        assert!(stage.asked.is_empty());
        stage.other.clear();
        stage
    }

    fn tell(&mut self, msg: Msg) {
        for effect in update(&mut self.model, msg) {
            match effect {
                Effect::Send(request) => self.asked.push(request),
                other => self.other.push(other),
            }
        }
    }

    fn event(&mut self, event: Event) {
        self.tell(Msg::Node(event));
    }

    /// Answers the oldest request.
    fn answer(&mut self, answer: Answer) {
        let request = self.asked.remove(0);
        self.event(Event::Answered { request: request.number, result: Ok(answer) });
    }

    fn fail(&mut self, text: &str) {
        let request = self.asked.remove(0);
        let result = Err(failure(FailureKind::Storage, text));
        self.event(Event::Answered { request: request.number, result });
    }

    fn key(&mut self, name: &str) {
        let mut parts: Vec<&str> = name.split('-').collect();
        let code = match parts.pop().unwrap() {
            "enter" => KeyCode::Enter,
            "esc" => KeyCode::Esc,
            "tab" => KeyCode::Tab,
            "up" => KeyCode::Up,
            "down" => KeyCode::Down,
            "left" => KeyCode::Left,
            "right" => KeyCode::Right,
            "end" => KeyCode::End,
            "pageup" => KeyCode::PageUp,
            "backspace" => KeyCode::Backspace,
            "f1" => KeyCode::F(1),
            "f2" => KeyCode::F(2),
            "f3" => KeyCode::F(3),
            "f4" => KeyCode::F(4),
            "f5" => KeyCode::F(5),
            "f6" => KeyCode::F(6),
            letter => KeyCode::Char(letter.chars().next().unwrap()),
        };
        let mut modifiers = KeyModifiers::NONE;
        for part in parts {
            modifiers |= if part == "ctrl" { KeyModifiers::CONTROL } else { KeyModifiers::ALT };
        }
        self.tell(Msg::Key(KeyEvent::new(code, modifiers)));
    }

    fn type_in(&mut self, text: &str) {
        for letter in text.chars() {
            self.tell(Msg::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE)));
        }
    }

    /// Types a line and Enter.
    fn enter(&mut self, line: &str) {
        self.type_in(line);
        self.key("enter");
    }

    /// The only request that was made since, taken.
    fn command(&mut self) -> Command {
        assert_eq!(self.asked.len(), 1, "{:?}", self.asked);
        self.asked.remove(0).command
    }

    fn nothing(&self) {
        assert!(self.asked.is_empty(), "{:?}", self.asked);
    }

    fn notice(&self) -> &str {
        self.model.notice.as_ref().map_or("", |notice| &notice.text)
    }

    fn composed(&self) -> String {
        self.model.composer().text()
    }

    fn shown(&self, number: u8) -> &EntryView {
        self.model.timeline().unwrap().entry(id(number)).unwrap()
    }

    fn quits(&self) -> bool {
        self.other.iter().any(|effect| matches!(effect, Effect::Quit(_)))
    }
}
