//! What the screen looks like: each main screen at three sizes, with and without colours, full of
//! wide characters, clusters and names that are too long.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use entrenous::{
    conversation::{ConversationId, EntryId},
    identity::Identity,
    node::api::{
        Answer, Command, Contact, ContactState, Conversation, ConversationKind, EntryKind,
        EntryState, EntryView, Event, Failure, FailureKind, FileState, FileView, Hit, Me, Nat,
        Network, NewInvite, OpenInvite, Path, Reaction, SafetyNumber, Scope, Written,
    },
    picture::Preview,
    tui::{
        ColourEnvironment, Config, Effect, Model, Msg, Options,
        config::ThemeName,
        disk::{Entry, Found, Listing, Look, Seen},
        graphics::Surroundings,
        paths::Places,
        picture::Picture,
        sound::Heard,
        update, view,
    },
    voice::Voice,
};
use jiff::tz::TimeZone;
use ratatui::{Terminal, backend::TestBackend, buffer::Buffer, style::Style};

#[path = "screens/files.rs"]
mod files;

/// 2026-11-14T14:05:09Z
const NOW: u64 = 1_794_665_109_000;
const MINUTE: u64 = 60_000;
const ME: Identity = Identity([0xa1; 32]);
const BERTRAND: Identity = Identity([0xb2; 32]);
const KEIKO: Identity = Identity([0xc3; 32]);
const LONG: Identity = Identity([0xd4; 32]);
const INVITE: &str = "entrenous1qyz3xsqwertyupasdfghjklzxcvnm023456789acdefghjklmnpqrstuvwxyz023456789acdefghjklmnpqrstuvwxyz0234";

fn conversation_id(number: u8) -> ConversationId {
    ConversationId([number; 32])
}

fn entry(number: u8, author: Identity, minutes_ago: u64, text: &str) -> EntryView {
    EntryView {
        entry: EntryId([number; 32]),
        author,
        sent_at: NOW - minutes_ago * MINUTE,
        kind: EntryKind::Text,
        text: Some(text.to_owned()),
        file: None,
        reply_to: None,
        edited: false,
        deleted: false,
        reactions: Vec::new(),
        state: if author == ME { EntryState::Read } else { EntryState::Delivered },
    }
}

fn history() -> Vec<EntryView> {
    let mut reply = entry(4, ME, 1443, "Ja! Am Kanal. 🚲");
    reply.reply_to = Some(EntryId([2; 32]));
    let mut reacted =
        entry(5, BERTRAND, 60, "日本語のテキストと、👨‍👩‍👧‍👦 family and e\u{301}\u{302} marks.");
    reacted.reactions = vec![
        Reaction { emoji: "👍".into(), by: vec![ME] },
        Reaction { emoji: "❤️".into(), by: vec![BERTRAND] },
    ];
    let mut edited = entry(6, BERTRAND, 59, "A corrected sentence.");
    edited.edited = true;
    let mut deleted = entry(7, ME, 58, "");
    (deleted.text, deleted.deleted) = (None, true);
    let mut unknown = entry(8, BERTRAND, 30, "");
    (unknown.text, unknown.kind) = (None, EntryKind::Unsupported);
    let mut delivered = entry(
        10,
        ME,
        6,
        "a\ttab and a_word_that_is_far_too_long_for_any_line_and_has_to_be_broken_somewhere_in_the_middle_of_it",
    );
    delivered.state = EntryState::Delivered;
    let mut queued = entry(11, ME, 1, "see you");
    queued.state = EntryState::Queued;
    vec![
        entry(1, BERTRAND, 1445, "Are we still on for Saturday?"),
        entry(
            2,
            BERTRAND,
            1445,
            "We could meet at the canal, walk up to the old lock and have lunch there if the weather holds.",
        ),
        reply,
        reacted,
        edited,
        deleted,
        unknown,
        entry(9, BERTRAND, 8, "Several\nlines\n\nof text"),
        delivered,
        queued,
    ]
}

fn contact(id: Identity, name: &str, state: ContactState) -> Contact {
    let path = (state == ContactState::Online).then_some(Path::Lan);
    Contact {
        id,
        name: name.to_owned(),
        verified: id == BERTRAND,
        state,
        path,
        last_seen: Some(NOW - 180 * MINUTE),
        unasked: None,
    }
}

fn conversation(number: u8, with: Identity, name: &str, unread: u32) -> Conversation {
    Conversation {
        id: conversation_id(number),
        kind: ConversationKind::Direct,
        name: name.to_owned(),
        members: vec![ME, with],
        unread,
        read_up_to: (unread > 0 && number == 1).then_some(EntryId([8; 32])),
        last_entry_at: Some(NOW - u64::from(number) * MINUTE),
        forked: false,
    }
}

const LONG_NAME: &str = "Пан Тадеуш 👩🏽‍🚀 von und zu Wolkenkuckucksheim-Überlingen";

/// A model with a scripted node behind it.
struct Stage {
    model: Model,
    terminal: Terminal<TestBackend>,
    is_empty: bool,
    unread: u32,
}

impl Stage {
    fn new(size: (u16, u16), theme: ThemeName) -> Self {
        let options = Options {
            config: Config { theme: Some(theme), ..Config::default() },
            colours: ColourEnvironment::default(),
            surroundings: Surroundings::default(),
            voices: "/home/me/voice".into(),
            zone: TimeZone::UTC,
            places: Places { home: Some("/home/alice".into()), working: "/home/alice".into() },
            max_entries: None,
        };
        let model = Model::new(&options, NOW).unwrap();
        let terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
        let mut stage = Self { model, terminal, is_empty: false, unread: 0 };
        stage.tell(Msg::Resize(size.0, size.1));
        stage
    }

    fn opened(size: (u16, u16), theme: ThemeName) -> Self {
        let mut stage = Self::new(size, theme);
        stage.open();
        stage
    }

    fn open(&mut self) {
        let me = Me { id: ME, name: "Alice".to_owned() };
        self.tell(Msg::Node(Event::Ready { me, has_passphrase: false }));
    }

    /// One message, and all answers that follow from it.
    fn tell(&mut self, msg: Msg) {
        for effect in update(&mut self.model, msg) {
            match effect {
                Effect::Send(request) => {
                    let result = self.answer(&request.command);
                    self.tell(Msg::Node(Event::Answered { request: request.number, result }));
                }
                Effect::Look(number, look) => self.tell(Msg::Seen(number, Ok(see(look)))),
                // Both are well under way.
                Effect::Record(number, _) => {
                    for (tenth, level) in (0..74).zip([20, 90, 150, 210, 130, 60].iter().cycle()) {
                        self.tell(Msg::Heard(number, Heard::Recording(100 * tenth, *level)));
                    }
                }
                Effect::Play(number, _) => self.tell(Msg::Heard(number, Heard::Playing(15_000))),
                _ => {}
            }
        }
    }

    fn answer(&self, command: &Command) -> Result<Answer, Failure> {
        Ok(match *command {
            Command::ListContacts if self.is_empty => Answer::Contacts(Vec::new()),
            Command::ListConversations if self.is_empty => Answer::Conversations(Vec::new()),
            Command::ListContacts => Answer::Contacts(vec![
                contact(BERTRAND, "Bertrand", ContactState::Online),
                contact(KEIKO, "恵子さん 🎏", ContactState::Connecting),
                contact(LONG, LONG_NAME, ContactState::Offline),
            ]),
            Command::ListConversations => Answer::Conversations(vec![
                conversation(1, BERTRAND, "Bertrand", self.unread),
                conversation(2, KEIKO, "恵子さん 🎏", 3),
                conversation(3, LONG, LONG_NAME, 1000),
            ]),
            Command::History { conversation, before: None, after: None, .. }
                if conversation == conversation_id(1) =>
            {
                Answer::History(history())
            }
            Command::History { .. } => Answer::History(Vec::new()),
            Command::Network => Answer::Network(Box::new(Network {
                peer_id: "12D3KooWThrowaway".into(),
                listen: vec!["/ip4/192.168.1.4/udp/4242/quic-v1".into()],
                mapped: vec!["/ip4/203.0.113.7/udp/4242/quic-v1".into()],
                nat: Nat {
                    mapping: "endpoint-independent".into(),
                    filtering: "address-dependent".into(),
                    port_mapping: "UPnP".into(),
                },
                links: 1,
                scope: Scope::Everywhere,
                ..Network::default()
            })),
            Command::CreateInvite { .. } => Answer::Invite(NewInvite {
                invite: INVITE.to_owned().into(),
                expires_at: NOW + 7 * 24 * 60 * MINUTE,
            }),
            Command::ListInvites => Answer::Invites(vec![
                OpenInvite {
                    number: 1,
                    issuer: ME,
                    invite: Some(INVITE.to_owned().into()),
                    uses_left: 1,
                    expires_at: NOW + 60 * MINUTE,
                },
                OpenInvite {
                    number: 2,
                    issuer: KEIKO,
                    invite: None,
                    uses_left: 1,
                    expires_at: NOW + 48 * 60 * MINUTE,
                },
            ]),
            Command::AcceptInvite { .. } => {
                return Err(Failure {
                    kind: FailureKind::InviteChecksum,
                    text: "A character of this invite was mistyped or lost. Copy it again.".into(),
                });
            }
            Command::SafetyNumber { contact } => Answer::SafetyNumber(SafetyNumber {
                contact,
                number: (0..12)
                    .map(|n| format!("{:05}", 10_007 * n % 100_000))
                    .collect::<Vec<_>>()
                    .join(" "),
                verified: true,
            }),
            Command::Search { .. } => Answer::Found(vec![
                Hit {
                    conversation: conversation_id(1),
                    entry: EntryId([2; 32]),
                    snippet: "We could meet at the \u{2068}canal\u{2069}, walk up to".into(),
                },
                Hit {
                    conversation: conversation_id(2),
                    entry: EntryId([77; 32]),
                    snippet:
                        "運河 \u{2068}Canal\u{2069} Saint-Martin と日本語の長い文章がここに続きます"
                            .into(),
                },
            ]),
            Command::SendText { .. } => {
                Answer::Written(Written { entry: EntryId([99; 32]), sent_at: NOW })
            }
            _ => Answer::Done {},
        })
    }

    fn key(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        self.tell(Msg::Key(KeyEvent::new(code, modifiers)));
    }

    fn press(&mut self, code: KeyCode) {
        self.key(code, KeyModifiers::NONE);
    }

    fn type_in(&mut self, text: &str) {
        for letter in text.chars() {
            self.press(KeyCode::Char(letter));
        }
    }

    fn draw(&mut self) -> String {
        let model = &self.model;
        let frame = self.terminal.draw(|frame| view(model, frame)).unwrap();
        picture(frame.buffer)
    }
}

/// What the disk says.
fn see(look: Look) -> Seen {
    let entry = |name: &str, is_directory, size| Entry { name: name.into(), is_directory, size };
    match look {
        Look::Paths(paths) => {
            let path = paths[0].clone();
            Seen::Path(Some(Found { path, is_directory: false, size: 2_400_000 }))
        }
        Look::Picture { cells, .. } => {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("a.png");
            // A red disc on nothing.
            let disc = image::RgbaImage::from_fn(160, 160, |x, y| {
                let is_within = x.abs_diff(80).pow(2) + y.abs_diff(80).pow(2) < 6000;
                image::Rgba([200, 0, 0, if is_within { 255 } else { 0 }])
            });
            disc.save(&path).unwrap();
            Seen::Picture(Arc::new(Picture::read(&path, cells, None).unwrap()))
        }
        Look::Directory { .. } => {
            let mut entries = vec![
                entry("Documents", true, 0),
                entry("日本語のフォルダー", true, 0),
                entry(LONG_NAME, false, 1_000),
                entry("写真.png", false, 2_400_000),
                entry("\u{202e}gnp.exe", false, 7),
            ];
            entries.extend((0..30).map(|n| entry(&format!("scan {n:02}.pdf"), false, n * 77_777)));
            Seen::Directory(Listing { entries, is_cut: false })
        }
    }
}

/// The screen's text, and the runs of styles on it.
fn picture(buffer: &Buffer) -> String {
    let (mut text, mut styles) = (String::new(), String::new());
    let mut legend: BTreeMap<String, char> = BTreeMap::new();
    for y in 0..buffer.area.height {
        let (mut line, mut marks) = (String::new(), String::new());
        let mut hidden = 0_u16;
        for x in 0..buffer.area.width {
            let cell = &buffer[(x, y)];
            if hidden > 0 {
                hidden -= 1;
                marks.push(marks.chars().last().unwrap_or('.'));
                continue;
            }
            line.push_str(cell.symbol());
            hidden = ratatui::buffer::CellWidth::cell_width(cell.symbol()).saturating_sub(1);
            let style = describe(cell.style());
            let count = u8::try_from(legend.len()).unwrap();
            let mark = if style.is_empty() {
                '.'
            } else {
                *legend.entry(style).or_insert(char::from(b'a' + count))
            };
            marks.push(mark);
        }
        let _ = writeln!(text, "{}", line.trim_end());
        let _ = writeln!(styles, "{}", marks.trim_end_matches('.'));
    }
    let legend: Vec<_> = legend.iter().map(|(style, mark)| format!("{mark} {style}")).collect();
    format!("{text}--- styles\n{styles}--- legend\n{}", legend.join("\n"))
}

fn describe(style: Style) -> String {
    let colour = |name: &str, colour: Option<ratatui::style::Color>| match colour {
        None | Some(ratatui::style::Color::Reset) => String::new(),
        Some(colour) => format!("{name}={colour} "),
    };
    let modifiers = format!("{:?}", style.add_modifier);
    let modifiers = modifiers.trim_start_matches("NONE");
    format!("{}{}{modifiers}", colour("fg", style.fg), colour("bg", style.bg)).trim_end().to_owned()
}

const SIZES: [(u16, u16); 3] = [(80, 24), (40, 12), (120, 40)];

/// Snapshots a screen at all sizes, without colours and with the 16.
fn snapshot(name: &str, prepare: impl Fn(&mut Stage), is_open: bool) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("screens/snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for size in SIZES {
            for (theme, word) in [(ThemeName::Mono, "mono"), (ThemeName::Ansi, "colour")] {
                let mut stage = Stage::new(size, theme);
                if is_open {
                    stage.open();
                }
                prepare(&mut stage);
                let picture = stage.draw();
                if theme == ThemeName::Mono && !name.starts_with("invite") {
                    assert!(!picture.contains("fg=") && !picture.contains("bg="), "colour in mono");
                }
                insta::assert_snapshot!(format!("{name}-{}x{}-{word}", size.0, size.1), picture);
            }
        }
    });
}

#[test]
fn opening() {
    snapshot("opening", |_| {}, false);
}

#[test]
fn welcome() {
    let prepare = |stage: &mut Stage| {
        stage.tell(Msg::Node(Event::ProfileNeeded));
        stage.type_in("Алиса 👩‍🚀");
        stage.press(KeyCode::Enter);
        stage.type_in("secret");
        stage.press(KeyCode::Enter);
        stage.type_in("secreT");
        stage.press(KeyCode::Enter);
    };
    snapshot("welcome", prepare, false);
    let prepare = |stage: &mut Stage| {
        stage.tell(Msg::Node(Event::ProfileNeeded));
        stage.type_in("Ann");
        stage.press(KeyCode::Enter);
    };
    snapshot("welcome-passphrase", prepare, false);
}

#[test]
fn passphrase() {
    let prepare = |stage: &mut Stage| {
        stage.tell(Msg::Node(Event::PassphraseNeeded));
        stage.type_in("hunter2");
    };
    snapshot("passphrase", prepare, false);
}

#[test]
fn nobody_yet() {
    let prepare = |stage: &mut Stage| {
        stage.is_empty = true;
        stage.open();
    };
    snapshot("nobody-yet", prepare, false);
}

#[test]
fn at_the_smallest_size_nothing_is_missing_at_the_first_start() {
    let mut stage = Stage::new((40, 10), ThemeName::Mono);
    stage.is_empty = true;
    stage.tell(Msg::Node(Event::ProfileNeeded));
    let picture = stage.draw();
    assert!(picture.contains("Welcome") && picture.contains("any time."), "{picture}");
    stage.type_in("Ann");
    stage.press(KeyCode::Enter);
    let picture = stage.draw();
    assert!(picture.contains("Without one") && picture.contains("recovered."), "{picture}");
    stage.open();
    let picture = stage.draw();
    assert!(["F1  ", "F2  ", "F3  "].iter().all(|key| picture.contains(key)), "{picture}");
    stage.press(KeyCode::F(2));
    let picture = stage.draw();
    assert!(picture.contains("becomes your contact."), "{picture}");
}

#[test]
fn conversation_screen() {
    snapshot("conversation", |_| {}, true);
}

#[test]
fn unread_messages() {
    let prepare = |stage: &mut Stage| {
        stage.unread = 1;
        stage.open();
    };
    snapshot("unread", prepare, false);
}

#[test]
fn writing_a_reply() {
    let prepare = |stage: &mut Stage| {
        stage.key(KeyCode::Up, KeyModifiers::ALT);
        for _ in 0..2 {
            stage.press(KeyCode::Char('k'));
        }
        stage.press(KeyCode::Char('r'));
        stage.tell(Msg::Paste("two lines\nof 日本語 and 👨‍👩‍👧‍👦".into()));
    };
    snapshot("reply", prepare, true);
}

#[test]
fn selecting_scrolled_up() {
    let prepare = |stage: &mut Stage| {
        stage.key(KeyCode::Up, KeyModifiers::ALT);
        for _ in 0..5 {
            stage.press(KeyCode::Char('k'));
        }
        let message = entry(50, BERTRAND, 0, "while you looked away");
        stage.tell(Msg::Node(Event::Message { conversation: conversation_id(1), message }));
    };
    snapshot("select", prepare, true);
}

#[test]
fn long_name_and_empty_conversation() {
    snapshot("long-name", |stage| stage.key(KeyCode::Char('3'), KeyModifiers::ALT), true);
}

#[test]
fn too_long_and_a_sentence() {
    let prepare = |stage: &mut Stage| {
        stage.tell(Msg::Paste("x".repeat(70_000)));
        stage.press(KeyCode::Enter);
    };
    snapshot("too-long", prepare, true);
}

#[test]
fn windows() {
    let control = |letter| {
        move |stage: &mut Stage| {
            stage.key(KeyCode::Char(letter), KeyModifiers::CONTROL);
        }
    };
    snapshot("invite", |stage| stage.press(KeyCode::F(2)), true);
    let prepare = |stage: &mut Stage| {
        stage.press(KeyCode::F(3));
        stage.tell(Msg::Paste(format!("{}\n{}", &INVITE[..40], &INVITE[40..])));
        stage.press(KeyCode::Enter);
    };
    snapshot("add-invite", prepare, true);
    let prepare = |stage: &mut Stage| {
        stage.type_in("/invites");
        stage.press(KeyCode::Enter);
    };
    snapshot("invites", prepare, true);
    snapshot("contact", |stage| stage.press(KeyCode::F(4)), true);
    snapshot("help", |stage| stage.press(KeyCode::F(1)), true);
    snapshot("switch", control('o'), true);
    let prepare = |stage: &mut Stage| {
        stage.key(KeyCode::Char('f'), KeyModifiers::CONTROL);
        stage.type_in("canal");
    };
    snapshot("search", prepare, true);
    let prepare = |stage: &mut Stage| {
        stage.key(KeyCode::Up, KeyModifiers::ALT);
        stage.press(KeyCode::Enter);
    };
    snapshot("details", prepare, true);
    let prepare = |stage: &mut Stage| {
        stage.key(KeyCode::Up, KeyModifiers::ALT);
        stage.press(KeyCode::Char('+'));
    };
    snapshot("react", prepare, true);
    let prepare = |stage: &mut Stage| {
        stage.type_in("/remove");
        stage.press(KeyCode::Enter);
    };
    snapshot("remove", prepare, true);
    let prepare = |stage: &mut Stage| {
        stage.type_in("/network");
        stage.press(KeyCode::Enter);
    };
    snapshot("network", prepare, true);
    let prepare = |stage: &mut Stage| {
        stage.type_in("/whoami");
        stage.press(KeyCode::Enter);
        stage.press(KeyCode::PageDown);
    };
    snapshot("whoami", prepare, true);
}

#[test]
fn stopped() {
    let prepare = |stage: &mut Stage| {
        stage.tell(Msg::Node(Event::Stopped {
            failure: Some(Failure {
                kind: FailureKind::DiskFull,
                text: "The disk is full. What was shown as written is safe; make room and start \
                       entrenous again."
                    .into(),
            }),
        }));
    };
    snapshot("stopped", prepare, true);
}

#[test]
fn no_size_makes_it_panic_or_leaves_the_frame() {
    for (width, height) in
        [(1, 1), (2, 40), (39, 9), (40, 10), (41, 11), (71, 10), (72, 10), (300, 12), (40, 200)]
    {
        let mut stage = Stage::opened((width, height), ThemeName::TrueColor);
        files::offer_files(&mut stage);
        for keys in [
            "",
            "/invites\n",
            "/contact\n",
            "/whoami\n",
            "/network\n",
            "/help\n",
            "/search x\n",
            "/open\n",
            "/invite\n",
            "/add x\n",
            "/react\n",
            "/details\n",
            "/remove\n",
            "/transfers\n",
            "/send\n",
        ] {
            for letter in keys.chars() {
                match letter {
                    '\n' => stage.press(KeyCode::Enter),
                    letter => stage.press(KeyCode::Char(letter)),
                }
            }
            stage.draw();
            stage.press(KeyCode::Esc);
            stage.tell(Msg::Drawn);
        }
    }
}

#[test]
fn below_the_smallest_size_there_is_one_sentence() {
    let mut stage = Stage::opened((39, 12), ThemeName::Mono);
    let picture = stage.draw();
    assert!(picture.contains("needs 40×10"), "{picture}");
    let mut stage = Stage::opened((40, 10), ThemeName::Mono);
    assert!(!stage.draw().contains("needs 40×10"));
}

#[test]
fn a_frame_of_another_size_than_the_model_knows_is_left_empty() {
    let mut stage = Stage::opened((80, 24), ThemeName::Mono);
    stage.terminal.backend_mut().resize(60, 20);
    stage.terminal.autoresize().unwrap();
    assert!(stage.draw().starts_with('\n'));
}
