//! Everything that the screen knows. It changes in [`update`](super::update) alone.

use std::{
    collections::{HashMap, VecDeque},
    path::PathBuf,
    sync::Arc,
};

use crossterm::event::KeyEvent;
use jiff::tz::TimeZone;

use super::{
    Options, commands,
    composer::{Composer, History, Purpose},
    config::ConfigError,
    disk::{Look, Seen},
    field::Field,
    graphics::Graphics,
    keymap::{Keymap, Mode},
    layout::{self, Areas},
    paths::Places,
    picture::{Picture, Previews},
    sound::Heard,
    theme::Theme,
    timeline::{MAX_ENTRIES, Space, Timeline},
    transfers::Transfers,
    window::Window,
};
use crate::{
    conversation::{ConversationId, EntryId},
    identity::Identity,
    node::api::{
        Command, Contact, Conversation, EntryView, Event, Failure, FailureKind, Me, Network,
        Request, UnixMillis,
    },
};

/// Requests that may wait for their answers. The node answers in milliseconds, so that many only
/// wait if it is stuck, and then more would not help.
pub const MAX_PENDING: usize = 256;

/// Conversations of which the entries are held. Others are loaded again when they are opened.
const MAX_TIMELINES: usize = 8;

/// What happens to the screen.
#[derive(Debug)]
pub enum Msg {
    /// A key was pressed.
    Key(KeyEvent),
    /// The terminal pasted a text (bracketed paste).
    Paste(String),
    /// The terminal has this many columns and rows now.
    Resize(u16, u16),
    /// The terminal got or lost the focus.
    Focus(bool),
    /// How the terminal is given pictures that are more than half blocks, if it knows how.
    Graphics(Option<Graphics>),
    /// Somebody else had the terminal, and may have emptied it.
    Resumed,
    /// Time has passed; see [`Model::deadline`].
    Tick,
    /// The last state was drawn, so what shows has been on the screen.
    Drawn,
    /// The node told something.
    Node(Event),
    /// A request could not be handed to the node.
    Refused(u64),
    /// The node is gone without a word.
    NodeGone,
    /// What an [`Effect::Look`] with this number has seen, or why it could not.
    Seen(u64, Result<Seen, String>),
    /// A file or directory could not be opened, and why.
    NotOpened(PathBuf, String),
    /// What the microphone or the loudspeaker does, by the number of what was asked of it.
    Heard(u64, Heard),
}

/// What the screen wants to be done. None of it is waited for.
#[derive(Debug)]
pub enum Effect {
    /// Hand a request to the node.
    Send(Request),
    /// Ring the terminal's bell.
    Bell,
    /// Set the terminal's title.
    Title(String),
    /// Look at the disk; [`Msg::Seen`] with this number answers, if the disk does.
    Look(u64, Look),
    /// Open a file or directory in the program that the desktop has for it.
    Open(PathBuf),
    /// Record into a new file; [`Msg::Heard`] with this number tells how it goes.
    Record(u64, PathBuf),
    /// End the recording, to keep it or to drop it.
    EndRecording(bool),
    /// Remove a recording that was kept and is not to be sent after all.
    ForgetRecording(PathBuf),
    /// Play a voice note; [`Msg::Heard`] with this number tells how it goes.
    Play(u64, PathBuf),
    /// Stop what is played.
    StopPlaying,
    /// Draw everything anew.
    Redraw,
    /// Stop this process, as Ctrl-Z does.
    Suspend,
    /// Leave; with a reason if it was not asked for.
    Quit(Option<String>),
}

/// Which of the screens.
#[derive(Debug)]
pub enum Phase {
    /// The profile is being opened.
    Opening,
    /// There is no profile yet: a name, and a passphrase twice.
    Welcome(Form<3>),
    /// The profile has a passphrase.
    Unlock(Form<1>),
    /// The conversations.
    Open,
    /// The node has ended; any key leaves.
    Stopped(String),
}

/// Fields to fill in.
pub struct Form<const N: usize> {
    /// The fields, from the top.
    pub fields: [Field; N],
    /// Which one has the cursor.
    pub focus: usize,
    /// What is wrong with what was sent.
    pub error: Option<String>,
    /// It was sent and the answer has not come.
    pub is_busy: bool,
}

// Not derived: fields hold passphrases.
impl<const N: usize> std::fmt::Debug for Form<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Form").field("focus", &self.focus).finish_non_exhaustive()
    }
}

impl<const N: usize> Form<N> {
    /// A form with empty fields.
    pub fn new(fields: [Field; N]) -> Self {
        Self { fields, focus: 0, error: None, is_busy: false }
    }

    /// The field with the cursor.
    pub fn field(&mut self) -> Option<&mut Field> {
        self.fields.get_mut(self.focus)
    }
}

/// A sentence for a while, above the status line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The sentence.
    pub text: String,
    /// Its colour.
    pub tone: Tone,
    /// When it goes.
    pub until: UnixMillis,
    /// The line that it is about, if it is about what is typed: it goes with that.
    pub about: Option<String>,
}

/// Whether a sentence is good news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Something to know.
    Info,
    /// Something worked.
    Good,
    /// Something did not work.
    Bad,
}

/// What a request was for, until its answer comes.
#[derive(Debug)]
pub(super) enum Pending {
    Profile,
    Contacts,
    Conversations,
    Network,
    Open(ConversationId),
    Before(ConversationId),
    After(ConversationId),
    Refresh(ConversationId),
    JumpAfter {
        conversation: ConversationId,
        entry: EntryId,
    },
    JumpBefore {
        conversation: ConversationId,
        entry: EntryId,
        after: Vec<EntryView>,
        is_last: bool,
    },
    Text {
        conversation: ConversationId,
        text: String,
        purpose: Purpose,
    },
    Delete {
        conversation: ConversationId,
        entry: EntryId,
    },
    React {
        conversation: ConversationId,
        entry: EntryId,
        emoji: String,
    },
    Read,
    NewInvite,
    Invites,
    Revoke,
    AcceptInvite,
    SafetyNumber,
    Why {
        name: String,
    },
    Verify {
        name: String,
        verified: bool,
    },
    Rename,
    Remove {
        name: String,
    },
    Name {
        name: String,
    },
    Search {
        query: String,
    },
    SendFile {
        conversation: ConversationId,
        name: String,
    },
    /// Passing on a file, or this text.
    Forward {
        to: ConversationId,
        text: Option<String>,
    },
    /// Fetching, stopping, cancelling: what comes of it are events.
    File,
}

impl Pending {
    /// The conversation of whose history this asks for a page.
    pub fn page_of(&self) -> Option<ConversationId> {
        match self {
            Self::Open(id)
            | Self::Before(id)
            | Self::After(id)
            | Self::Refresh(id)
            | Self::JumpAfter { conversation: id, .. }
            | Self::JumpBefore { conversation: id, .. } => Some(*id),
            _ => None,
        }
    }
}

/// What the disk is looked at for. One look is enough: the next one takes its place.
#[derive(Debug)]
pub(super) struct Looking {
    pub number: u64,
    pub purpose: LookFor,
    /// When it is given up, in unix milliseconds.
    pub until: UnixMillis,
}

#[derive(Debug)]
pub(super) enum LookFor {
    /// To complete this line.
    Complete { line: String },
    /// To send what was typed after `/send`.
    Send { conversation: ConversationId, typed: String },
    /// To ask whether a file is meant by a pasted text.
    Pasted { conversation: ConversationId, text: String },
    /// To show it in the window that chooses a file.
    Picker,
    /// To show it in the window with a picture.
    Picture,
}

/// A voice note that is recorded: how long it is, in milliseconds, and how loud it was of late.
#[derive(Debug)]
pub(super) struct Recording {
    pub number: u64,
    pub conversation: ConversationId,
    pub millis: u32,
    pub levels: Vec<u8>,
}

/// A voice note that is played, and how far it is, in milliseconds.
#[derive(Debug)]
pub(super) struct Playing {
    pub number: u64,
    pub entry: EntryId,
    pub millis: u32,
}

/// The state of the screen.
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub struct Model {
    pub(super) now: UnixMillis,
    pub(super) zone: TimeZone,
    pub(super) size: (u16, u16),
    pub(super) focused: bool,
    pub(super) theme: Theme,
    pub(super) keymap: Keymap,
    pub(super) bell: bool,
    pub(super) limit: usize,
    pub(super) phase: Phase,
    pub(super) me: Option<Me>,
    pub(super) has_passphrase: bool,
    pub(super) network: Option<Network>,
    pub(super) contacts: Vec<Contact>,
    pub(super) conversations: Vec<Conversation>,
    pub(super) open: Option<ConversationId>,
    pub(super) timelines: HashMap<ConversationId, Timeline>,
    recent: VecDeque<ConversationId>,
    pub(super) composers: HashMap<Option<ConversationId>, Composer>,
    pub(super) blank: Composer,
    pub(super) history: History,
    pub(super) is_selecting: bool,
    pub(super) window: Option<Window>,
    pub(super) notice: Option<Notice>,
    pub(super) title: String,
    pub(super) pending: HashMap<u64, Pending>,
    pub(super) places: Places,
    pub(super) transfers: Transfers,
    /// Own files that others fetch.
    pub(super) sends: Transfers,
    /// Own files that came whole in this run, and to whom; bounded.
    pub(super) fetched: VecDeque<(EntryId, Identity)>,
    pub(super) looking: Option<Looking>,
    pub(super) graphics: Option<Graphics>,
    pub(super) previews: Previews,
    /// The directory for voice notes that are recorded.
    pub(super) voices: PathBuf,
    pub(super) recording: Option<Recording>,
    /// The voice note that is played.
    pub(super) playing: Option<Playing>,
    /// Where a file was chosen last.
    pub(super) last_directory: Option<PathBuf>,
    pub(super) next_request: u64,
    pub(super) effects: Vec<Effect>,
}

impl Model {
    /// The screen at the start, before anything is known.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a key of the configuration cannot be understood.
    pub fn new(options: &Options, now: UnixMillis) -> Result<Self, ConfigError> {
        Ok(Self {
            now,
            zone: options.zone.clone(),
            size: (80, 24),
            focused: true,
            theme: Theme::choose(options.config.theme, &options.colours),
            keymap: Keymap::new(&options.config)?,
            bell: options.config.bell,
            limit: options.max_entries.unwrap_or(MAX_ENTRIES),
            phase: Phase::Opening,
            me: None,
            has_passphrase: true,
            network: None,
            contacts: Vec::new(),
            conversations: Vec::new(),
            open: None,
            timelines: HashMap::new(),
            recent: VecDeque::new(),
            composers: HashMap::new(),
            blank: Composer::default(),
            history: History::default(),
            is_selecting: false,
            window: None,
            notice: None,
            title: String::new(),
            pending: HashMap::new(),
            places: options.places.clone(),
            transfers: Transfers::default(),
            sends: Transfers::default(),
            fetched: VecDeque::new(),
            looking: None,
            graphics: None,
            previews: Previews::default(),
            voices: options.voices.clone(),
            recording: None,
            playing: None,
            last_directory: None,
            next_request: 1,
            effects: Vec::new(),
        })
    }

    /// Tells the time, in unix milliseconds; the model reads no clock.
    pub fn set_now(&mut self, now: UnixMillis) {
        self.now = now;
    }

    /// When [`Msg::Tick`] is next needed: a notice goes, a file has come no further for a while, the
    /// disk does not answer, or a minute ends and times in words change.
    pub fn deadline(&self) -> UnixMillis {
        let minute = (self.now / 60_000 + 1) * 60_000;
        let notice = self.notice.as_ref().map(|notice| notice.until);
        let looking = self.looking.as_ref().map(|looking| looking.until);
        let transfers = self.transfers.deadline(self.now);
        let sends = self.sends.deadline(self.now);
        [notice, looking, transfers, sends].into_iter().flatten().fold(minute, UnixMillis::min)
    }

    /// The picture that is shown, if it covers what is written over it.
    pub(super) fn covering(&self) -> Option<&Arc<Picture>> {
        match &self.window {
            Some(Window::Picture { picture: Some(Ok(picture)), .. }) => {
                Some(picture).filter(|picture| picture.covers())
            }
            _ => None,
        }
    }

    /// What the keyboard is for.
    pub fn mode(&self) -> Mode {
        match (&self.phase, &self.window) {
            (Phase::Open, Some(window)) => window.mode(),
            (Phase::Open, None) if self.is_selecting => Mode::Select,
            (Phase::Open, None) => Mode::Compose,
            _ => Mode::Window,
        }
    }

    /// Where everything is on the screen.
    pub(super) fn areas(&self) -> Areas {
        layout::areas(self)
    }

    /// The timeline's rows and text columns.
    pub(super) fn timeline_space(&self) -> (usize, Space<'_>) {
        let area = self.areas().timeline;
        let cells = usize::from(area.width).saturating_sub(layout::GUTTER + 1);
        (area.height.into(), Space { cells, zone: &self.zone, previews: self.theme.has_colours() })
    }

    pub(super) fn my_id(&self) -> Identity {
        self.me.as_ref().map_or(Identity([0; 32]), |me| me.id)
    }

    /// Asks the node; the answer finds its way back by `pending`.
    pub(super) fn ask(&mut self, command: Command, pending: Pending) {
        if self.pending.len() >= MAX_PENDING {
            self.failed(
                pending,
                &Failure {
                    kind: FailureKind::Internal,
                    text: "entrenous is busy and could not take this; try again in a moment."
                        .to_owned(),
                },
            );
            return;
        }
        let number = self.next_request;
        self.next_request += 1;
        self.pending.insert(number, pending);
        self.effects.push(Effect::Send(Request { number, command }));
    }

    /// Shows a sentence, long enough to be read.
    pub(super) fn notify(&mut self, tone: Tone, text: impl Into<String>) {
        let text = text.into();
        let reading = 60 * text.chars().count() as UnixMillis;
        let least = if tone == Tone::Bad { 8_000 } else { 4_000 };
        self.notice = Some(Notice { text, tone, until: self.now + least + reading, about: None });
    }

    /// Shows a sentence about what is typed: when that changes, it goes.
    pub(super) fn notify_of_line(&mut self, tone: Tone, text: impl Into<String>) {
        self.notify(tone, text);
        let line = self.composer().text();
        if let Some(notice) = &mut self.notice {
            notice.about = Some(line);
        }
    }

    /// Takes away a sentence about what is not typed any more.
    pub(super) fn forget_notice_of_line(&mut self) {
        let Some(about) = self.notice.as_ref().and_then(|notice| notice.about.as_ref()) else {
            return;
        };
        if *about != self.composer().text() {
            self.notice = None;
        }
    }

    /// Says what may become of the command that is typed, unless there is something else to say.
    pub(super) fn hint_at_command(&mut self) {
        if self.notice.is_none()
            && self.mode() == Mode::Compose
            && let Some(hint) = self.composer().command().and_then(commands::hint)
        {
            self.notify_of_line(Tone::Info, hint);
            if let Some(notice) = &mut self.notice {
                // It goes with the line.
                notice.until = UnixMillis::MAX;
            }
        }
    }

    pub(super) fn contact(&self, id: Identity) -> Option<&Contact> {
        self.contacts.iter().find(|contact| contact.id == id)
    }

    pub(super) fn conversation(&self, id: ConversationId) -> Option<&Conversation> {
        self.conversations.iter().find(|conversation| conversation.id == id)
    }

    pub(super) fn conversation_mut(&mut self, id: ConversationId) -> Option<&mut Conversation> {
        self.conversations.iter_mut().find(|conversation| conversation.id == id)
    }

    /// The conversation that is open.
    pub(super) fn current(&self) -> Option<&Conversation> {
        self.conversation(self.open?)
    }

    /// The other one of a direct conversation.
    pub(super) fn partner(&self, conversation: &Conversation) -> Option<&Contact> {
        let other = conversation.members.iter().find(|&&member| member != self.my_id())?;
        self.contact(*other)
    }

    /// A path as it is shown, on one line.
    pub(super) fn shown_path(&self, path: &str) -> String {
        crate::text::line(&self.places.shown(path))
    }

    /// The contact of the open conversation.
    pub(super) fn current_contact(&self) -> Option<&Contact> {
        self.partner(self.current()?)
    }

    /// A name for somebody; never empty.
    pub(super) fn name_of(&self, id: Identity) -> String {
        if let Some(me) = self.me.as_ref().filter(|me| me.id == id) {
            return me.name.clone();
        }
        match self.contact(id) {
            Some(contact) if !contact.name.trim().is_empty() => contact.name.clone(),
            _ => id.to_string().chars().take(8).collect(),
        }
    }

    pub(super) fn timeline(&self) -> Option<&Timeline> {
        self.timelines.get(&self.open?)
    }

    /// The open timeline, with its space: rows, and columns for the text.
    pub(super) fn with_timeline<T>(
        &mut self,
        act: impl FnOnce(&mut Timeline, usize, Space<'_>) -> T,
    ) -> Option<T> {
        let (height, space) = self.timeline_space();
        let (cells, previews, zone) = (space.cells, space.previews, self.zone.clone());
        let timeline = self.timelines.get_mut(&self.open?)?;
        Some(act(timeline, height, Space { cells, zone: &zone, previews }))
    }

    /// A conversation is used: its entries are held, those of the one unused longest go.
    pub(super) fn touch(&mut self, id: ConversationId) {
        self.recent.retain(|&recent| recent != id);
        self.recent.push_back(id);
        while self.recent.len() > MAX_TIMELINES {
            if let Some(gone) = self.recent.pop_front() {
                self.timelines.remove(&gone);
            }
        }
    }

    pub(super) fn composer(&self) -> &Composer {
        self.composers.get(&self.open).unwrap_or(&self.blank)
    }

    pub(super) fn composer_mut(&mut self) -> &mut Composer {
        self.composers.entry(self.open).or_default()
    }

    /// Messages that were not read, in all conversations.
    pub(super) fn unread(&self) -> u32 {
        self.conversations.iter().fold(0, |sum, c| sum.saturating_add(c.unread))
    }

    /// A request of this kind is under way.
    pub(super) fn is_pending(&self, is_it: impl Fn(&Pending) -> bool) -> bool {
        self.pending.values().any(is_it)
    }
}
