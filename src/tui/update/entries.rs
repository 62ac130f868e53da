//! Conversations and their entries: opening, writing, selecting.

use crate::{
    conversation::{ConversationId, EntryId},
    node::api::{Command, Conversation, EntryKind, EntryView},
    tui::{
        composer::Purpose,
        field::Field,
        keymap::Action,
        model::{Model, Pending, Tone},
        timeline::{Direction, PAGE, Timeline, UnreadLine},
        view::summary,
        window::{Confirmed, Window},
        wrap,
    },
};

/// The most that one request for history may ask for.
const MAX_PAGE: u32 = 1000;

impl Model {
    /// Opens a conversation.
    pub(super) fn open(&mut self, id: ConversationId) {
        self.window = None;
        self.is_selecting = false;
        if self.open == Some(id) {
            return;
        }
        // The conversation that is left has been read as far as it was: the line goes.
        if let Some(timeline) = self.timeline_mut() {
            timeline.deselect();
            timeline.mark_unread(UnreadLine::Nowhere);
        }
        self.open = Some(id);
        self.touch(id);
        self.place_unread(id);
        if !self.timelines.get(&id).is_some_and(Timeline::at_end) {
            self.load(id);
        } else if self.conversation(id).is_some_and(|c| c.unread > 0) {
            self.with_timeline(Timeline::show_unread);
        }
    }

    fn timeline_mut(&mut self) -> Option<&mut Timeline> {
        self.timelines.get_mut(&self.open?)
    }

    /// Puts the unread line where the unread entries begin now.
    pub(super) fn place_unread(&mut self, id: ConversationId) {
        let line = match self.conversation(id) {
            Some(Conversation { unread: 1.., read_up_to: Some(read), .. }) => {
                UnreadLine::After(*read)
            }
            Some(Conversation { unread: 1.., .. }) => UnreadLine::First,
            _ => UnreadLine::Nowhere,
        };
        if let Some(timeline) = self.timelines.get_mut(&id) {
            timeline.mark_unread(line);
        }
    }

    /// Asks for the newest page, long enough to reach what was read last.
    pub(super) fn load(&mut self, id: ConversationId) {
        let unread = self.conversation(id).map_or(0, |conversation| conversation.unread);
        let limit = unread.saturating_add(PAGE / 2).clamp(PAGE, MAX_PAGE);
        self.ask(
            Command::History { conversation: id, before: None, after: None, limit: Some(limit) },
            Pending::Open(id),
        );
    }

    /// Shows an entry, wherever it is.
    pub(super) fn jump(&mut self, conversation: ConversationId, entry: EntryId) {
        self.open(conversation);
        self.is_selecting = true;
        if self.with_timeline(|t, height, space| t.jump(entry, height, space)) == Some(true) {
            return;
        }
        self.ask(
            Command::History {
                conversation,
                before: None,
                after: Some(entry),
                limit: Some(PAGE / 2),
            },
            Pending::JumpAfter { conversation, entry },
        );
    }

    /// Writes a text, a reply or an edit.
    pub(super) fn write_text(
        &mut self,
        conversation: ConversationId,
        text: String,
        purpose: Purpose,
    ) {
        let command = match purpose {
            Purpose::New => Command::SendText { conversation, text: text.clone(), reply_to: None },
            Purpose::Reply(entry) => {
                Command::SendText { conversation, text: text.clone(), reply_to: Some(entry) }
            }
            Purpose::Edit(entry) => Command::Edit { conversation, entry, text: text.clone() },
        };
        self.ask(command, Pending::Text { conversation, text, purpose });
    }

    pub(super) fn begin_selecting(&mut self) {
        self.is_selecting = self
            .with_timeline(|t, height, space| t.select(Direction::Up, height, space))
            == Some(true);
        if !self.is_selecting {
            self.notify(Tone::Info, "There is no message to select.");
        }
    }

    fn stop_selecting(&mut self) {
        self.is_selecting = false;
        if let Some(timeline) = self.timeline_mut() {
            timeline.deselect();
        }
    }

    /// An action while an entry is selected.
    pub(super) fn select_action(&mut self, action: Action) {
        let Some(entry) = self.timeline().and_then(Timeline::selected) else {
            self.stop_selecting();
            return;
        };
        match action {
            Action::Up => {
                self.with_timeline(|t, height, space| t.select(Direction::Up, height, space));
            }
            Action::Down => {
                let moved =
                    self.with_timeline(|t, height, space| t.select(Direction::Down, height, space));
                if moved == Some(false) {
                    self.stop_selecting();
                }
            }
            Action::PageUp | Action::PageDown => {
                let direction =
                    if action == Action::PageUp { Direction::Up } else { Direction::Down };
                self.with_timeline(|timeline, height, space| {
                    let rows = height.saturating_sub(2).max(1);
                    timeline.scroll(direction, rows, height, space);
                    timeline.select_shown(direction, height, space);
                });
            }
            Action::First => {
                self.with_timeline(|timeline, height, space| {
                    timeline.go_to_oldest(height, space);
                    timeline.select_shown(Direction::Up, height, space);
                });
            }
            Action::Last => {
                self.go_to_newest();
                self.with_timeline(|t, height, space| {
                    t.select_shown(Direction::Down, height, space);
                });
            }
            Action::Reply => self.reply_to(entry),
            Action::Edit => self.edit_entry(entry),
            Action::Delete => self.ask_delete(entry),
            Action::React => self.open_react(entry),
            Action::FetchFile
            | Action::StopFile
            | Action::CancelFile
            | Action::OpenFile
            | Action::RevealFile
            | Action::ShowPicture => self.file_action(entry, action),
            Action::Accept if self.held(entry).is_some_and(Self::is_picture) => {
                self.file_action(entry, Action::ShowPicture);
            }
            Action::PlayVoice => self.play_voice(entry),
            Action::Accept if self.held(entry).is_some_and(Self::is_voice_note) => {
                self.play_voice(entry);
            }
            Action::Accept if self.held(entry).is_some_and(|held| self.enter_fetches(held)) => {
                self.file_action(entry, Action::FetchFile);
            }
            Action::Details | Action::Accept => {
                self.window = Some(Window::Details { entry, row: 0 });
            }
            Action::Search => self.open_search(""),
            Action::Transfers => self.open_transfers(None),
            Action::Help => self.window = Some(Window::Help { row: 0 }),
            Action::Back => self.stop_selecting(),
            _ => {}
        }
    }

    fn held(&self, entry: EntryId) -> Option<&EntryView> {
        self.timeline()?.entry(entry)
    }

    pub(super) fn reply_to(&mut self, entry: EntryId) {
        let Some(held) = self.held(entry) else { return };
        if held.deleted {
            self.notify(Tone::Bad, "This message was deleted: there is nothing to reply to.");
            return;
        }
        self.stop_selecting();
        let composer = self.composer_mut();
        if matches!(composer.purpose, Purpose::Edit(_)) {
            composer.cancel();
        }
        composer.purpose = Purpose::Reply(entry);
    }

    pub(super) fn edit_entry(&mut self, entry: EntryId) {
        let me = self.my_id();
        let Some(held) = self.held(entry) else { return };
        let text = match &held.text {
            _ if held.author != me => Err("Only your own messages can be edited."),
            Some(text) if held.kind == EntryKind::Text && !held.deleted => Ok(text.clone()),
            _ => Err("This message has no text to edit."),
        };
        match text {
            Ok(text) => {
                self.stop_selecting();
                self.composer_mut().begin_edit(entry, &text);
            }
            Err(sentence) => self.notify(Tone::Bad, sentence),
        }
    }

    pub(super) fn ask_delete(&mut self, entry: EntryId) {
        let me = self.my_id();
        let Some(held) = self.held(entry) else { return };
        if held.author != me {
            self.notify(Tone::Bad, "Only your own messages can be deleted.");
        } else if held.deleted {
            self.notify(Tone::Info, "This message is deleted already.");
        } else {
            let words = summary(held);
            let words: Vec<&str> = words.split_whitespace().take(10).collect();
            self.window = Some(Window::Confirm {
                question: format!(
                    "Delete “{}” here and at the others? Who has read it has read it, and a copy \
                     may be kept.",
                    wrap::truncate(&words.join(" "), 40)
                ),
                then: Confirmed::Delete(entry),
            });
        }
    }

    pub(super) fn open_react(&mut self, entry: EntryId) {
        match self.held(entry) {
            Some(held) if held.deleted => {
                self.notify(Tone::Bad, "This message was deleted: there is nothing to react to.");
            }
            Some(_) => {
                self.window = Some(Window::React { entry, field: Field::new(), chosen: 0 });
            }
            None => {}
        }
    }

    /// Sets the own reaction; the same again takes it back.
    pub(super) fn react(&mut self, entry: EntryId, emoji: &str) {
        let me = self.my_id();
        let (Some(conversation), Some(held)) = (self.open, self.held(entry)) else { return };
        let is_same = held.reactions.iter().any(|r| r.emoji == emoji && r.by.contains(&me));
        let emoji = if is_same { String::new() } else { emoji.to_owned() };
        self.ask(
            Command::React { conversation, entry, emoji: emoji.clone() },
            Pending::React { conversation, entry, emoji },
        );
        self.stop_selecting();
    }

    /// The selected entry, else the newest that fits.
    pub(super) fn target(&self, fits: impl Fn(&EntryView) -> bool) -> Option<EntryId> {
        let timeline = self.timeline()?;
        timeline.selected().or_else(|| timeline.newest(fits).map(|entry| entry.entry))
    }
}
