//! What the node tells without being asked.

use crate::{
    conversation::ConversationId,
    identity::Identity,
    node::api::{Command, Contact, ContactState, EntryView, Event, UnixMillis},
    tui::{
        model::{Effect, Model, Pending, Phase, Tone},
        timeline::{PAGE, Placement},
        window::Window,
    },
};

impl Model {
    /// Something happened.
    pub(super) fn event(&mut self, event: Event) {
        match event {
            Event::ProfileNeeded => self.begin_welcome(),
            Event::PassphraseNeeded => self.begin_unlock(),
            Event::Ready { me, has_passphrase } => {
                self.me = Some(me);
                self.has_passphrase = has_passphrase;
                self.phase = Phase::Open;
                self.refetch();
                self.ask(Command::Network, Pending::Network);
            }
            Event::Answered { request, result } => self.answered(request, result),
            Event::ContactAdded { contact } => self.contact_added(contact),
            Event::ContactState { id, state, path } => {
                let now = self.now;
                if let Some(contact) = self.contacts.iter_mut().find(|contact| contact.id == id) {
                    if contact.state == ContactState::Online || state == ContactState::Online {
                        contact.last_seen = Some(now);
                    }
                    (contact.state, contact.path) = (state, path);
                }
                // The status line counts links; with a contact's state their number changes.
                if !self.is_pending(|pending| matches!(pending, Pending::Network)) {
                    self.ask(Command::Network, Pending::Network);
                }
            }
            Event::ContactChanged { contact, id } => self.contact_changed(id, contact),
            Event::InviteFailed { failure, .. } => {
                self.notify(Tone::Bad, format!("An invite did not work: {}", failure.text));
            }
            Event::Message { conversation, message }
            | Event::FileOffered { conversation, message } => self.message(conversation, message),
            event @ (Event::FileProgress { .. }
            | Event::FileDone { .. }
            | Event::FileSent { .. }
            | Event::FileFetched { .. }
            | Event::FileFailed { .. }) => self.file_event(event),
            Event::EntryChanged { conversation, message } => {
                self.transfers.see(conversation, &message);
                if let Some(timeline) = self.timelines.get_mut(&conversation) {
                    timeline.replace(message);
                }
            }
            Event::EntryState { conversation, entry, state } => {
                if let Some(timeline) = self.timelines.get_mut(&conversation) {
                    timeline.set_state(entry, state);
                }
            }
            Event::Network { network } => self.network = Some(network),
            Event::Trouble { failure } => self.trouble(&failure),
            Event::Stopped { failure } => self.stopped(failure.map(|failure| failure.text)),
        }
    }

    /// The node has ended. What goes wrong before anything was shown is said in the shell.
    fn stopped(&mut self, reason: Option<String>) {
        match (&self.phase, reason) {
            (Phase::Stopped(_), _) => {}
            (Phase::Open, Some(reason)) => {
                self.window = None;
                self.phase = Phase::Stopped(reason);
            }
            (_, reason) => self.effects.push(Effect::Quit(reason)),
        }
    }

    fn contact_added(&mut self, contact: Contact) {
        self.notify(
            Tone::Good,
            format!(
                "{} is a contact now. Compare your safety number when you can: F4.",
                contact.name
            ),
        );
        // The invite was for this one; it is used up.
        self.window.take_if(|window| matches!(window, Window::Invite { .. }));
        self.contacts.retain(|known| known.id != contact.id);
        self.contacts.push(contact);
        self.refetch();
    }

    fn contact_changed(&mut self, id: Identity, contact: Option<Contact>) {
        match contact {
            None => {
                self.contacts.retain(|known| known.id != id);
                self.window.take_if(
                    |window| matches!(window, Window::Contact { id: about, .. } if *about == id),
                );
            }
            Some(contact) => match self.contacts.iter_mut().find(|known| known.id == id) {
                Some(known) => *known = contact,
                None => self.contacts.push(contact),
            },
        }
        // A direct conversation has the contact's name.
        self.ask(Command::ListConversations, Pending::Conversations);
    }

    fn message(&mut self, id: ConversationId, message: EntryView) {
        let is_own = message.author == self.my_id();
        self.transfers.see(id, &message);
        let sent_at = message.sent_at;
        if let Some(timeline) = self.timelines.get_mut(&id)
            && timeline.push(message, false) == Placement::OutOfOrder
        {
            self.refresh(id);
        }
        self.bring_forward(id, sent_at);
        match self.conversation_mut(id) {
            Some(conversation) => {
                conversation.unread = conversation.unread.saturating_add(u32::from(!is_own));
            }
            None => {
                if !self.is_pending(|pending| matches!(pending, Pending::Conversations)) {
                    self.ask(Command::ListConversations, Pending::Conversations);
                }
            }
        }
        if !self.focused && !is_own && self.bell {
            let is_rung = self.effects.iter().any(|effect| matches!(effect, Effect::Bell));
            if !is_rung {
                self.effects.push(Effect::Bell);
            }
        }
    }

    /// Asks for the newest page again, whose order is right; once for many reasons.
    fn refresh(&mut self, id: ConversationId) {
        let is_asked =
            self.is_pending(|pending| matches!(pending, Pending::Refresh(at) if *at == id));
        if !is_asked {
            self.ask(
                Command::History { conversation: id, before: None, after: None, limit: Some(PAGE) },
                Pending::Refresh(id),
            );
        }
    }

    /// The conversation in which something came last is the first; a clock that is ahead keeps
    /// nobody there.
    pub(super) fn bring_forward(&mut self, id: ConversationId, sent_at: UnixMillis) {
        if let Some(at) = self.conversations.iter().position(|c| c.id == id) {
            self.conversations[at].last_entry_at = Some(sent_at);
            self.conversations[..=at].rotate_right(1);
        }
    }
}
