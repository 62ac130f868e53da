//! Keys and pastes.

use crate::{
    text::MAX_TEXT_BYTES,
    tui::{
        commands::{self, Completion, Input, Verb},
        composer::{MAX_COMPOSER_BYTES, Purpose},
        keymap::{Action, Key, Mode},
        model::{Effect, Model, Phase, Tone},
        timeline::{Direction, Timeline},
        window::Window,
    },
};

impl Model {
    /// A key was pressed.
    pub(super) fn key(&mut self, key: Key) {
        if matches!(self.phase, Phase::Stopped(_)) {
            self.start_action(Action::Close);
            return;
        }
        let mode = self.mode();
        match self.keymap.action(mode, key) {
            Some(Action::Quit) => self.quit(),
            Some(Action::Suspend) => self.effects.push(Effect::Suspend),
            Some(Action::Redraw) => {
                self.effects.push(Effect::Redraw);
                self.look_at_picture();
            }
            Some(action) => self.act(mode, action),
            None => {
                if let Some(letter) = key.letter() {
                    self.letter(mode, letter);
                }
            }
        }
    }

    fn act(&mut self, mode: Mode, action: Action) {
        match mode {
            _ if !matches!(self.phase, Phase::Open) => self.start_action(action),
            Mode::Compose | Mode::Edit | Mode::Global => self.compose(action),
            Mode::Select => self.select_action(action),
            _ => self.window_action(action),
        }
    }

    fn letter(&mut self, mode: Mode, letter: char) {
        let text = letter.encode_utf8(&mut [0; 4]).to_owned();
        if !matches!(self.phase, Phase::Open) {
            self.start_typed(&text);
        } else if mode == Mode::Compose {
            self.composer_mut().insert(letter);
        } else if let Some(field) = self.window.as_mut().and_then(Window::field) {
            field.insert(&text);
            self.field_changed();
        }
    }

    /// The terminal pasted a text: it goes where the cursor is, and does nothing by itself. Of one
    /// that is a file's path it is asked whether the file is meant.
    pub(super) fn paste(&mut self, text: &str) {
        if !matches!(self.phase, Phase::Open) {
            self.start_typed(text.trim_end_matches(['\r', '\n']));
            return;
        }
        if let Some(window) = &mut self.window {
            if let Some(field) = window.field() {
                field.insert(text);
                self.field_changed();
            }
            return;
        }
        self.is_selecting = false;
        if self.is_dropped(text) {
            return;
        }
        if !self.composer_mut().paste(text) {
            let most = MAX_COMPOSER_BYTES / 1024;
            self.notify(
                Tone::Bad,
                format!(
                    "That is more than {most} KiB, so nothing was pasted; one message holds 64 KiB."
                ),
            );
        }
    }

    /// An action while writing.
    fn compose(&mut self, action: Action) {
        match action {
            Action::Send => self.send(),
            Action::Complete => self.complete(),
            Action::Up | Action::Down => {
                let mut composer = std::mem::take(self.composer_mut());
                match action {
                    Action::Up => composer.up(&self.history),
                    _ => composer.down(&self.history),
                }
                *self.composer_mut() = composer;
            }
            Action::Select => self.begin_selecting(),
            Action::Cancel => self.cancel(),
            Action::PageUp => self.page(Direction::Up),
            Action::PageDown => self.page(Direction::Down),
            Action::First => _ = self.with_timeline(Timeline::go_to_oldest),
            Action::Last => self.go_to_newest(),
            Action::Next => self.step_conversation(1),
            Action::Previous => self.step_conversation(-1),
            Action::Conversation(number) => {
                let at = usize::from(number).saturating_sub(1);
                if let Some(conversation) = self.conversations.get(at) {
                    self.open(conversation.id);
                }
            }
            Action::Switch => self.open_switch(""),
            Action::Search => self.open_search(""),
            Action::Invite => self.new_invite(None),
            Action::AddInvite => self.add_invite(""),
            Action::Contact => self.command(Verb::Contact, ""),
            Action::SendFile => self.open_picker(None),
            Action::Transfers => self.open_transfers(None),
            Action::Help => self.window = Some(Window::Help { row: 0 }),
            action => _ = self.composer_mut().edit(action),
        }
    }

    fn cancel(&mut self) {
        if let Some(text) = self.composer_mut().cancel() {
            self.history.push(&text);
        } else {
            self.notice = None;
        }
    }

    fn page(&mut self, direction: Direction) {
        self.with_timeline(|timeline, height, space| {
            // Two rows stay, so that the eye finds its place.
            timeline.scroll(direction, height.saturating_sub(2).max(1), height, space);
        });
    }

    /// Sends what was written, or runs it.
    fn send(&mut self) {
        let composer = self.composer_mut();
        let text = composer.text();
        let is_edit = matches!(composer.purpose, Purpose::Edit(_));
        if text.trim().is_empty() {
            if is_edit {
                let sentence = "Nothing is left of it. To delete the message: Esc, then /delete.";
                self.notify_of_line(Tone::Bad, sentence);
            }
            return;
        }
        // What was wrong before is not wrong with this.
        self.notice.take_if(|notice| notice.tone == Tone::Bad);
        if is_edit {
            return self.send_text(text);
        }
        match commands::parse(&text) {
            Input::Text(text) => self.send_text(text),
            Input::Command(verb, argument) => {
                let purpose = self.composer_mut().take().1;
                self.composer_mut().purpose = purpose;
                self.history.push(&text);
                self.command(verb, &argument);
            }
            Input::Wrong(sentence) => self.notify_of_line(Tone::Bad, sentence),
        }
    }

    /// Sends a text with the composer's purpose; the composer is emptied if it could be.
    fn send_text(&mut self, text: String) {
        if text.len() > MAX_TEXT_BYTES {
            let over = text.len() - MAX_TEXT_BYTES;
            self.notify(
                Tone::Bad,
                format!(
                    "This message is {over} bytes too long: at most 64 KiB can be sent at once. \
                     Nothing was sent; shorten it or send it in parts."
                ),
            );
            return;
        }
        let Some(conversation) = self.open else {
            self.notify(
                Tone::Bad,
                "There is nobody to send this to yet: /invite a friend, or /add a friend's invite.",
            );
            return;
        };
        let (typed, purpose) = self.composer_mut().take();
        self.history.push(&typed);
        self.write_text(conversation, text, purpose);
        self.go_to_newest();
    }

    fn complete(&mut self) {
        let line = self.composer().text();
        if let Some((_, typed)) = commands::path_argument(&line) {
            let typed = typed.to_owned();
            return self.look_for_paths(&line, &typed);
        }
        let contacts: Vec<&str> = self.contacts.iter().map(|c| c.name.as_str()).collect();
        let names: Vec<&str> = self.conversations.iter().map(|c| c.name.as_str()).collect();
        match commands::complete(&line, &contacts, &names) {
            Completion::Nothing => {}
            Completion::Line(line) => self.composer_mut().set(&line),
            Completion::Several(line, words) => {
                self.composer_mut().set(&line);
                self.notify_of_line(Tone::Info, words.join("  "));
            }
        }
    }

    fn step_conversation(&mut self, step: isize) {
        let count = self.conversations.len();
        if count == 0 {
            return;
        }
        let here = self.conversations.iter().position(|c| Some(c.id) == self.open);
        let at = match (here, step) {
            (None, _) => 0,
            (Some(at), 1) => (at + 1) % count,
            (Some(at), _) => (at + count - 1) % count,
        };
        self.open(self.conversations[at].id);
    }

    /// To the newest entry, asking for it if it is not held.
    pub(super) fn go_to_newest(&mut self) {
        let Some(id) = self.open else { return };
        if self.with_timeline(|timeline, _, _| timeline.go_to_newest()) == Some(false) {
            self.load(id);
        }
    }
}
