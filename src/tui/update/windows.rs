//! Windows: opening them, and what keys do in them.

use crate::{
    conversation::ConversationId,
    identity::Identity,
    node::api::{Command, Conversation},
    tui::{
        field::Field,
        keymap::Action,
        model::{Effect, Model, Pending},
        view::{help_rows, page_rows},
        window::{Confirmed, EMOJI, Window},
    },
};

/// What a search may find at once; more words find less.
const MAX_FOUND: u32 = 100;

impl Model {
    pub(super) fn new_invite(&mut self, expires_in_seconds: Option<u64>) {
        self.window = Some(Window::Invite { invite: None, as_text: false });
        self.ask(Command::CreateInvite { uses: None, expires_in_seconds }, Pending::NewInvite);
    }

    pub(super) fn add_invite(&mut self, text: &str) {
        self.window = Some(Window::AddInvite { field: Field::with(text), error: None });
        if !text.is_empty() {
            self.accept_invite();
        }
    }

    fn accept_invite(&mut self) {
        let Some(Window::AddInvite { field, error }) = &mut self.window else { return };
        // Mail programs break long lines, and a QR code is in capitals.
        let mut invite: String = field.text().split_whitespace().collect();
        if invite.is_empty() {
            *error = Some("Paste the invite that your friend gave you.".to_owned());
            return;
        }
        if !invite.chars().any(char::is_lowercase) {
            invite = invite.to_lowercase();
        }
        *error = None;
        self.ask(Command::AcceptInvite { invite: invite.into() }, Pending::AcceptInvite);
    }

    pub(super) fn list_invites(&mut self) {
        self.window = Some(Window::Invites { invites: None, chosen: 0 });
        self.ask(Command::ListInvites, Pending::Invites);
    }

    pub(super) fn open_switch(&mut self, typed: &str) {
        self.window = Some(Window::Switch { field: Field::with(typed), chosen: 0 });
    }

    pub(super) fn open_search(&mut self, words: &str) {
        self.window = Some(Window::Search {
            field: Field::with(words),
            within: None,
            found: None,
            chosen: 0,
        });
        self.field_changed();
    }

    pub(super) fn open_contact(&mut self, id: Identity) {
        self.window = Some(Window::Contact { id, safety: None });
        self.ask(Command::SafetyNumber { contact: id }, Pending::SafetyNumber);
    }

    /// The conversations whose name has the typed text in it, those that begin with it first.
    pub(in crate::tui) fn fitting(&self, typed: &str) -> Vec<&Conversation> {
        let typed = typed.trim().to_lowercase();
        let place = |c: &&Conversation| c.name.to_lowercase().find(&typed);
        let mut fitting: Vec<_> =
            self.conversations.iter().filter(|c| place(c).is_some()).collect();
        fitting.sort_by_key(|c| place(c) != Some(0));
        fitting
    }

    /// What was typed into a window's field has changed.
    pub(super) fn field_changed(&mut self) {
        match &mut self.window {
            Some(Window::Switch { chosen, .. } | Window::React { chosen, .. }) => *chosen = 0,
            Some(Window::AddInvite { error, .. }) => *error = None,
            Some(Window::Search { .. }) => self.search(),
            Some(Window::Picker(_)) => self.picker_typed(),
            _ => {}
        }
    }

    /// Searches for what is typed, one search at a time: the next begins with the answer.
    pub(super) fn search(&mut self) {
        if self.is_pending(|pending| matches!(pending, Pending::Search { .. })) {
            return;
        }
        let Some(Window::Search { field, within, found, chosen }) = &mut self.window else {
            return;
        };
        let query = field.text().trim().to_owned();
        if found.as_ref().is_some_and(|(of, _)| *of == query) {
            return;
        }
        *chosen = 0;
        if query.is_empty() {
            *found = None;
            return;
        }
        let command =
            Command::Search { query: query.clone(), conversation: *within, limit: Some(MAX_FOUND) };
        self.ask(command, Pending::Search { query });
    }

    /// An action in a window.
    pub(super) fn window_action(&mut self, action: Action) {
        match action {
            Action::Close => {
                self.window = None;
                return;
            }
            Action::Help if !matches!(self.window, Some(Window::Recording)) => {
                if let Some(Window::Confirm { then, .. }) = self.window.take() {
                    self.refused(then);
                }
                self.window = Some(Window::Help { row: 0 });
                return;
            }
            _ => {}
        }
        let Some(mut window) = self.window.take() else { return };
        let page = page_rows(self, &window);
        match (&mut window, action) {
            (Window::Confirm { then, .. }, Action::Yes) => {
                let then = then.clone();
                return self.confirmed(then);
            }
            (Window::Confirm { then, .. }, Action::No) => {
                let then = then.clone();
                return self.refused(then);
            }
            (Window::Recording, Action::Accept) => self.end_recording(true),
            (Window::Transfers { chosen }, action) => {
                *chosen = Self::list_step(action, *chosen, self.on_their_way().len());
                let chosen = *chosen;
                if self.transfers_action(chosen, action) {
                    return;
                }
            }
            (Window::Help { row }, action) => {
                *row = Self::list_step(action, *row, help_rows(self.size));
                if action == Action::Accept {
                    return;
                }
            }
            (Window::Invite { as_text, .. }, Action::ShowText) => *as_text = !*as_text,
            (Window::Invite { .. }, Action::ListInvites) => return self.list_invites(),
            (Window::Invites { .. }, Action::Invite) => return self.new_invite(None),
            (Window::Invites { invites: Some(invites), chosen }, action) => {
                *chosen = Self::list_step(action, *chosen, invites.len());
                if let (Action::Revoke, Some(invite)) = (action, invites.get(*chosen)) {
                    window = Window::Confirm {
                        question: if invite.invite.is_some() {
                            "Withdraw this invite? Nobody can use it any more.".to_owned()
                        } else {
                            "Forget this invite? You will not be connected by it.".to_owned()
                        },
                        then: Confirmed::Revoke(invite.number),
                    };
                }
            }
            (Window::Contact { id, .. }, action) => {
                let id = *id;
                if self.contact_action(id, action) {
                    return;
                }
            }
            (
                Window::Text { .. }
                | Window::Details { .. }
                | Window::Network { .. }
                | Window::Picture { .. }
                | Window::Invite { .. },
                Action::Accept,
            ) => return,
            (
                Window::Text { row, .. } | Window::Details { row, .. } | Window::Network { row },
                action,
            ) => *row = Self::list_step(action, *row, page),
            _ => {
                self.window = Some(window);
                self.field_window_action(action);
                return;
            }
        }
        self.window = Some(window);
    }

    /// An action in a window with a field.
    fn field_window_action(&mut self, action: Action) {
        if matches!(self.window, Some(Window::Picker(_))) {
            return self.picker_action(action);
        }
        let fitting: Vec<ConversationId> = match &self.window {
            Some(Window::Switch { field, .. }) => {
                self.fitting(field.text()).iter().map(|c| c.id).collect()
            }
            _ => Vec::new(),
        };
        let here = self.open;
        match (&mut self.window, action) {
            (Some(Window::AddInvite { .. }), Action::Accept) => self.accept_invite(),
            (Some(Window::Rename { id, field }), Action::Accept) => {
                let (id, name) = (*id, field.text().to_owned());
                self.window = None;
                self.rename(id, &name);
            }
            (Some(Window::Switch { chosen, .. }), Action::Accept) => {
                // If nothing fits, the window says so.
                if let Some(&id) = fitting.get(*chosen) {
                    self.open(id);
                }
            }
            (Some(Window::Switch { chosen, .. }), action) if Self::direction(action).is_some() => {
                *chosen = Self::list_step(action, *chosen, fitting.len());
            }
            (Some(Window::Search { found, chosen, .. }), Action::Accept) => {
                let hit = found.as_ref().and_then(|(_, hits)| hits.get(*chosen));
                if let Some((conversation, entry)) = hit.map(|hit| (hit.conversation, hit.entry)) {
                    self.jump(conversation, entry);
                }
            }
            (Some(Window::Search { found, chosen, .. }), action)
                if Self::direction(action).is_some() =>
            {
                let count = found.as_ref().map_or(0, |(_, hits)| hits.len());
                *chosen = Self::list_step(action, *chosen, count);
            }
            (
                Some(Window::Search { within, found, .. }),
                Action::NextField | Action::PreviousField,
            ) => {
                *within = if within.is_none() { here } else { None };
                *found = None;
                self.search();
            }
            (Some(Window::React { entry, field, chosen }), Action::Accept) => {
                let typed = field.text().trim();
                let emoji = if typed.is_empty() { EMOJI[*chosen % EMOJI.len()] } else { typed };
                let (entry, emoji) = (*entry, emoji.to_owned());
                self.window = None;
                self.react(entry, &emoji);
            }
            (
                Some(Window::React { field, chosen, .. }),
                Action::CharForward | Action::Down | Action::NextField,
            ) if field.text().is_empty() => *chosen = (*chosen + 1) % EMOJI.len(),
            (
                Some(Window::React { field, chosen, .. }),
                Action::CharBack | Action::Up | Action::PreviousField,
            ) if field.text().is_empty() => {
                *chosen = (*chosen + EMOJI.len() - 1) % EMOJI.len();
            }
            (Some(window), action) => {
                if window.field().is_some_and(|field| field.edit(action)) {
                    self.field_changed();
                }
            }
            (None, _) => {}
        }
    }

    /// An action in the window about a contact. True if it has opened another window or closed
    /// this one.
    fn contact_action(&mut self, id: Identity, action: Action) -> bool {
        match action {
            Action::Verify => {
                let verified = self.contact(id).is_some_and(|contact| contact.verified);
                self.verify(id, !verified);
                false
            }
            Action::Rename => {
                let name = self.name_of(id);
                self.window = Some(Window::Rename { id, field: Field::with(&name) });
                true
            }
            Action::Remove => {
                self.ask_remove(id);
                true
            }
            Action::Accept => true,
            _ => false,
        }
    }

    /// A question was answered with yes.
    fn confirmed(&mut self, then: Confirmed) {
        match then {
            Confirmed::Quit => self.effects.push(Effect::Quit(None)),
            Confirmed::Remove(id) => {
                let name = self.name_of(id);
                self.ask(Command::RemoveContact { contact: id }, Pending::Remove { name });
            }
            Confirmed::Revoke(invite) => {
                self.ask(Command::RevokeInvite { invite }, Pending::Revoke);
                self.list_invites();
            }
            Confirmed::Send { conversation, path, .. } => self.send_file(conversation, &path),
            Confirmed::Open(path) => self.effects.push(Effect::Open(path)),
            Confirmed::Cancel { conversation, entry, back } => {
                self.ask(Command::CancelFile { conversation, entry }, Pending::File);
                if back {
                    self.open_transfers(Some(entry));
                }
            }
            Confirmed::Delete(entry) => {
                if let Some(conversation) = self.open {
                    self.ask(
                        Command::Delete { conversation, entry },
                        Pending::Delete { conversation, entry },
                    );
                }
            }
        }
    }
}
