//! What the slash commands do.

use crate::{
    identity::Identity,
    node::api::{Command, Contact, EntryView},
    text::MAX_NAME_BYTES,
    tui::{
        commands::{Command as Row, Verb},
        keymap::Action,
        model::{Model, Pending, Tone},
        timeline::Direction,
        window::{Confirmed, Window},
    },
};

/// The longest that an invite may be asked to be good for, in days.
const MAX_INVITE_DAYS: u64 = 365;

impl Model {
    /// Runs a command; its argument is trimmed, and there if it must be.
    pub(super) fn command(&mut self, verb: Verb, argument: &str) {
        match verb {
            Verb::Invite => match argument.parse() {
                Ok(days @ 1..=MAX_INVITE_DAYS) => self.new_invite(Some(days * 24 * 3600)),
                _ if argument.is_empty() => self.new_invite(None),
                _ => self.notify(
                    Tone::Bad,
                    format!("/invite takes a number of days, from 1 to {MAX_INVITE_DAYS}."),
                ),
            },
            Verb::Invites => self.list_invites(),
            Verb::Add => self.add_invite(argument),
            Verb::Open => self.open_named(argument),
            Verb::Contact => {
                if let Some(id) = self.named_contact(argument) {
                    self.open_contact(id);
                }
            }
            Verb::Verify | Verb::Unverify => {
                if let Some(id) = self.named_contact(argument) {
                    self.verify(id, verb == Verb::Verify);
                }
            }
            Verb::Rename => {
                if let Some(id) = self.named_contact("") {
                    self.rename(id, argument);
                }
            }
            Verb::Remove => {
                if let Some(id) = self.named_contact(argument) {
                    self.ask_remove(id);
                }
            }
            Verb::Name if argument.len() > MAX_NAME_BYTES => self.notify(
                Tone::Bad,
                format!("That name is too long: at most {MAX_NAME_BYTES} bytes."),
            ),
            Verb::Name => {
                let name = argument.to_owned();
                self.ask(Command::SetName { name: name.clone() }, Pending::Name { name });
            }
            Verb::Whoami => self.whoami(),
            Verb::Reply => self.reply_command(argument),
            Verb::Edit => self.on_own(Self::edit_entry),
            Verb::Delete => self.on_own(Self::ask_delete),
            Verb::React => self.react_command(argument),
            Verb::Details => {
                if let Some(entry) = self.target_or_say(|_| true, "There is no message yet.") {
                    self.window = Some(Window::Details { entry, row: 0 });
                }
            }
            Verb::Forward => self.forward_command(argument),
            Verb::Send => self.send_command(argument),
            Verb::Voice => self.record_voice(),
            Verb::Get => self.get_command(argument),
            Verb::Stop => self.stop_command(false),
            Verb::Cancel => self.stop_command(true),
            Verb::Transfers => self.open_transfers(None),
            Verb::Search => self.open_search(argument),
            Verb::Network => {
                self.window = Some(Window::Network { row: 0 });
                self.ask(Command::Network, Pending::Network);
            }
            Verb::Why => {
                if let Some(contact) = self.named_contact(argument) {
                    let name = self.name_of(contact);
                    self.ask(Command::Why { contact }, Pending::Why { name });
                }
            }
            Verb::Help => self.help_about(argument),
            Verb::Quit => self.quit(),
        }
    }

    fn whoami(&mut self) {
        let Some(me) = &self.me else { return };
        let key = if self.has_passphrase {
            "Your messages are encrypted on this disk with your passphrase."
        } else {
            "There is no passphrase: who can read this computer's disk as you can, can read your \
             messages."
        };
        self.window = Some(Window::Text {
            title: me.name.clone(),
            text: format!(
                "Your identity, the public half of your key:\n\n{}\n\nIt is not secret. To be \
                 found by somebody new, give them an invite: /invite.\n\n{key}",
                me.id
            ),
            row: 0,
        });
    }

    fn help_about(&mut self, argument: &str) {
        let name = argument.trim_start_matches('/');
        if name.is_empty() {
            self.window = Some(Window::Help { row: 0 });
        } else if let Some(row) = Row::find(name) {
            self.notify(Tone::Info, row.sentence());
        } else {
            self.notify(Tone::Bad, format!("There is no command /{name}: /help lists them all."));
        }
    }

    fn reply_command(&mut self, argument: &str) {
        let me = self.my_id();
        let fits = |entry: &EntryView| entry.author != me && !entry.deleted;
        let Some(entry) = self.target_or_say(fits, "There is no message to reply to yet.") else {
            return;
        };
        self.reply_to(entry);
        if !argument.is_empty() {
            self.composer_mut().set(argument);
            self.act_send();
        }
    }

    /// Sends what the composer holds, as Enter does, but never as a command.
    fn act_send(&mut self) {
        let text = self.composer().text();
        let Some(conversation) = self.open else { return };
        if text.len() > crate::text::MAX_TEXT_BYTES {
            self.notify(Tone::Bad, "This message is too long: at most 64 KiB can be sent at once.");
            return;
        }
        let (text, purpose) = self.composer_mut().take();
        self.write_text(conversation, text, purpose);
        self.go_to_newest();
    }

    fn react_command(&mut self, argument: &str) {
        let me = self.my_id();
        let fits = |entry: &EntryView| entry.author != me && !entry.deleted;
        let Some(entry) = self.target_or_say(fits, "There is no message to react to yet.") else {
            return;
        };
        if argument.is_empty() {
            self.open_react(entry);
        } else {
            self.react(entry, argument);
        }
    }

    fn on_own(&mut self, act: impl Fn(&mut Self, crate::conversation::EntryId)) {
        let me = self.my_id();
        let fits = |entry: &EntryView| entry.author == me && !entry.deleted;
        if let Some(entry) = self.target_or_say(fits, "You have written nothing here yet.") {
            act(self, entry);
        }
    }

    fn target_or_say(
        &mut self,
        fits: impl Fn(&EntryView) -> bool,
        nothing: &str,
    ) -> Option<crate::conversation::EntryId> {
        let target = self.target(fits);
        if target.is_none() {
            self.notify(Tone::Bad, nothing);
        }
        target
    }

    /// The contact of this name, or of the open conversation; a sentence if there is none.
    fn named_contact(&mut self, name: &str) -> Option<Identity> {
        let is_it = |contact: &&Contact| same_name(&contact.name, name);
        let found = if name.is_empty() {
            self.current_contact().map(|contact| contact.id)
        } else {
            self.contacts.iter().find(is_it).map(|contact| contact.id)
        };
        if found.is_none() {
            let sentence = if name.is_empty() && self.open.is_some() {
                "Whoever this conversation was with is no contact any more.".to_owned()
            } else if name.is_empty() {
                "No conversation is open: name the contact, or /open a conversation first."
                    .to_owned()
            } else {
                format!("There is no contact called {name}: Tab completes the names.")
            };
            self.notify(Tone::Bad, sentence);
        }
        found
    }

    fn open_named(&mut self, name: &str) {
        if name.is_empty() {
            self.open_switch("");
            return;
        }
        match self.conversations.iter().find(|c| same_name(&c.name, name)).map(|c| c.id) {
            Some(id) => self.open(id),
            // A part of a name: choose among those that have it.
            None => self.open_switch(name),
        }
    }

    pub(super) fn verify(&mut self, id: Identity, verified: bool) {
        let name = self.name_of(id);
        self.ask(
            Command::SetVerified { contact: id, verified },
            Pending::Verify { name, verified },
        );
    }

    pub(super) fn rename(&mut self, id: Identity, name: &str) {
        if name.len() > MAX_NAME_BYTES {
            self.notify(
                Tone::Bad,
                format!("That name is too long: at most {MAX_NAME_BYTES} bytes."),
            );
            return;
        }
        self.ask(
            Command::RenameContact { contact: id, name: name.trim().to_owned() },
            Pending::Rename,
        );
    }

    pub(super) fn ask_remove(&mut self, id: Identity) {
        let name = self.name_of(id);
        self.window = Some(Window::Confirm {
            question: format!(
                "Remove {name}? You will not be connected any more; the conversation stays \
                 readable. To talk again, one of you needs a new invite of the other."
            ),
            then: Confirmed::Remove(id),
        });
    }

    /// Scrolls a window's list.
    pub(super) fn list_step(action: Action, chosen: usize, count: usize) -> usize {
        let last = count.saturating_sub(1);
        match action {
            Action::Up => chosen.saturating_sub(1),
            Action::Down => (chosen + 1).min(last),
            Action::PageUp => chosen.saturating_sub(10),
            Action::PageDown => (chosen + 10).min(last),
            _ => chosen.min(last),
        }
    }

    /// The direction that an action goes.
    pub(super) fn direction(action: Action) -> Option<Direction> {
        match action {
            Action::Up | Action::PageUp => Some(Direction::Up),
            Action::Down | Action::PageDown => Some(Direction::Down),
            _ => None,
        }
    }
}

pub(super) fn same_name(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.trim().to_lowercase()
}
