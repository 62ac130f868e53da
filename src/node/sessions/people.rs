//! Contacts come and go: who is known, who can be reached now, and what the front end is told of it.

use std::collections::VecDeque;

use super::{Person, Stage};
use crate::{
    identity::{Identity, PairSecret},
    net::dialer::Target,
    node::{
        api::{ContactState, Event, Path},
        run::Node,
    },
    store,
};

impl Node {
    /// Knows a contact from now on.
    pub(in crate::node) fn add_person(&mut self, contact: store::Contact) {
        let who = contact.identity;
        self.conversations.insert(contact.conversation, who);
        let mut targets = VecDeque::new();
        for text in &contact.addresses {
            if let Ok(address) = text.parse() {
                targets.push_back(Target::Address(address));
            }
            self.net.last_known(text);
        }
        let own = (&self.local.identity(), &self.profile.device_key);
        let their = (&who, &contact.certificate.device_public);
        let person = Person {
            pair_secret: PairSecret::of_devices(own, their).ok(),
            link: None,
            patience: 1,
            peer: None,
            shown: (ContactState::Offline, None),
            targets,
            contact,
        };
        self.people.insert(who, person);
    }

    /// What is known of a contact changed.
    pub(in crate::node) fn update_person(&mut self, contact: store::Contact) {
        let id = contact.identity;
        let view = self.view(&contact);
        if let Some(person) = self.people.get_mut(&id) {
            person.contact = contact;
        }
        self.tell(Event::ContactChanged { contact: Some(view), id });
    }

    /// Forgets a contact and ends the session with them.
    pub(in crate::node) fn remove_person(&mut self, id: Identity) {
        let Some(person) = self.people.remove(&id) else { return };
        self.stop_files_of(person.contact.conversation);
        self.conversations.retain(|_, who| *who != id);
        for target in &person.targets {
            self.net.forget(target);
        }
        if let Some(link) = person.link {
            self.links.remove(&link);
            self.forget_streams(link);
            self.net.close(link);
        }
        self.meet_again();
        self.tell(Event::ContactChanged { contact: None, id });
    }

    /// Whether a contact can be reached, and how.
    pub(in crate::node) fn presence(&self, who: Identity) -> (ContactState, Option<Path>) {
        let Some(person) = self.people.get(&who) else { return (ContactState::Offline, None) };
        if let Some(link) = person.link.and_then(|id| self.links.get(&id)) {
            return (ContactState::Online, Some(link.path));
        }
        let trying = person.targets.iter().any(|target| self.net.is_trying(target))
            || person.pair_secret.as_ref().is_some_and(|secret| {
                self.net.search(secret).is_some_and(|search| search.is_under_way)
            });
        (if trying { ContactState::Connecting } else { ContactState::Offline }, None)
    }

    /// Tells the front end if a contact's presence is other than what it was told.
    pub(super) fn show_presence(&mut self, id: Identity) {
        let (state, path) = self.presence(id);
        let Some(person) = self.people.get_mut(&id) else { return };
        // Of two links that cross one ends at once, perhaps before the other one stands here:
        // nobody has gone then.
        let crossing = person.shown.0 == ContactState::Online
            && self.links.values().any(|link| {
                let peer = Target::Peer(link.peer);
                matches!(link.stage, Stage::Hailing) && person.targets.contains(&peer)
            });
        if person.shown != (state, path) && (state == ContactState::Online || !crossing) {
            person.shown = (state, path);
            self.tell(Event::ContactState { id, state, path });
        }
    }

    /// The same as [`Self::show_presence`] for everyone without a link.
    pub(super) fn show_absent(&mut self) {
        let absent = self.people.iter().filter(|(_, person)| person.link.is_none());
        let absent: Vec<_> = absent.map(|(who, _)| *who).collect();
        for who in absent {
            self.show_presence(who);
        }
    }
}
