//! What a front end asks.

use std::future::Future;

use super::{
    api::{
        Answer, Command, Contact, Dht, Failure, FailureKind, Nat, Network, NewInvite, OpenInvite,
        Request, SafetyNumber, Written,
    },
    failure, now,
    run::Node,
};
use crate::{
    conversation::{Body, ConversationId},
    identity::{self, Identity, Invite, InviteError, InviteSecret},
    net::{filtering::Filtering, quic::multiaddress, rendezvous::Mapping},
    store::{self, StoreError, WrittenEntry},
    text,
};

/// An invite lasts a week unless said otherwise: long enough to be read, short enough to be
/// forgotten.
const INVITE_SECONDS: u64 = 7 * 24 * 60 * 60;

/// An invite lasts at most a year.
const MAX_INVITE_SECONDS: u64 = 366 * 24 * 60 * 60;

/// An invite can be used by so many at most.
const MAX_INVITE_USES: u32 = 1000;

/// Entries in an answer, unless said otherwise.
const PAGE: u32 = 50;

/// Entries in an answer at most.
const MAX_PAGE: u32 = 1000;

impl Node {
    /// Begins to do what is asked. It is answered when it is done.
    #[expect(clippy::too_many_lines, reason = "one arm a command")]
    pub(super) fn handle_request(&mut self, request: Request) {
        let Request { number, command } = request;
        let store = self.store.clone();
        match command {
            Command::CreateProfile { .. } | Command::Unlock { .. } => {
                let text = "The profile is open already.";
                self.answer(number, Err(failure(FailureKind::InvalidInput, text)));
            }
            // After a change of name that was asked for before.
            Command::WhoAmI => self.when(std::future::ready(()), move |node, ()| {
                let me = node.me();
                node.answer(number, Ok(Answer::Me(me)));
            }),
            Command::SetName { name } => self.set_name(number, &name),
            Command::CreateInvite { uses, expires_in_seconds } => {
                self.create_invite(number, uses, expires_in_seconds);
            }
            Command::ListInvites => {
                let list = async move { store.list_invites(now()).await };
                self.answer_with(number, list, |invites| {
                    Answer::Invites(invites.iter().map(open_invite).collect())
                });
            }
            Command::RevokeInvite { invite } => {
                let revoke = async move { store.revoke_invite(invite, now()).await };
                self.when(revoke, move |node, result| {
                    node.meet_again();
                    node.answer_done(number, result);
                });
            }
            Command::AcceptInvite { invite } => self.accept_invite(number, &invite),
            Command::ListContacts => {
                let list = async move { store.contacts().await };
                self.when(list, move |node, result| {
                    let view = |contacts: Vec<store::Contact>| {
                        Answer::Contacts(contacts.iter().map(|one| node.view(one)).collect())
                    };
                    let answer = result.map(view).map_err(Failure::from);
                    node.answer(number, answer);
                });
            }
            Command::RenameContact { contact, name } => self.rename_contact(number, contact, &name),
            Command::RemoveContact { contact } => {
                let remove = async move { store.remove_contact(contact).await };
                self.when(remove, move |node, result| {
                    if result.is_ok() {
                        node.remove_person(contact);
                    }
                    node.answer_done(number, result);
                });
            }
            Command::SafetyNumber { contact } => {
                let answer = self.safety_number(contact);
                self.answer(number, answer);
            }
            Command::SetVerified { contact, verified } => {
                let set = async move { store.set_verified(contact, verified).await };
                self.changed_contact(number, set);
            }
            Command::SetUnasked { contact, bytes } => {
                let set = async move { store.set_unasked(contact, bytes).await };
                self.changed_contact(number, set);
            }
            Command::ListConversations => {
                let list = async move { store.conversations().await };
                self.answer_with(number, list, Answer::Conversations);
            }
            Command::SendText { conversation, text, reply_to } => {
                let body = match reply_to {
                    Some(target) => Body::Reply { target, text },
                    None => Body::Text { text },
                };
                self.write(number, conversation, body);
            }
            Command::Edit { conversation, entry: target, text } => {
                self.write(number, conversation, Body::Edit { target, text });
            }
            Command::Delete { conversation, entry: target } => {
                self.write(number, conversation, Body::Delete { target });
            }
            Command::React { conversation, entry: target, emoji } => {
                self.write(number, conversation, Body::Reaction { target, emoji });
            }
            Command::MarkRead { conversation, entry } => {
                let mark = async move { store.mark_read(conversation, entry, now()).await };
                self.when(mark, move |node, result| match result {
                    Ok(written) => {
                        if let Some(written) = written {
                            node.push_written(conversation, written.entry);
                        }
                        node.answer(number, Ok(Answer::Done {}));
                    }
                    Err(error) => node.answer(number, Err(error.into())),
                });
            }
            Command::History { conversation, before, after, limit } => {
                let limit = limit.unwrap_or(PAGE).min(MAX_PAGE);
                let page = async move { store.history(conversation, before, after, limit).await };
                self.answer_with(number, page, Answer::History);
            }
            Command::Search { query, conversation, limit } => {
                let limit = limit.unwrap_or(PAGE).min(MAX_PAGE);
                let search = async move { store.search(query, conversation, limit).await };
                self.answer_with(number, search, Answer::Found);
            }
            Command::SendFile { conversation, path, voice } => {
                self.send_file(number, conversation, path, voice);
            }
            Command::ForwardFile { conversation, entry, to } => {
                self.forward_file(number, conversation, entry, to);
            }
            Command::GetFile { conversation, entry, to } => {
                self.get_file(number, conversation, entry, to);
            }
            Command::StopFile { conversation, entry } => {
                self.stop_file(number, conversation, entry, false);
            }
            Command::CancelFile { conversation, entry } => {
                self.stop_file(number, conversation, entry, true);
            }
            Command::Network => {
                let network = Box::new(self.network());
                self.answer(number, Ok(Answer::Network(network)));
            }
            Command::Why { contact } => {
                let why = self.why(contact);
                self.answer(number, why.map(|why| Answer::Why(Box::new(why))));
            }
            Command::Shutdown => {
                // After everything that was accepted before it.
                self.when(std::future::ready(()), move |node, ()| {
                    node.answer(number, Ok(Answer::Done {}));
                });
                self.stopping = true;
            }
        }
    }

    fn answer_with<T: Send + 'static>(
        &mut self,
        number: u64,
        operation: impl Future<Output = Result<T, StoreError>> + Send + 'static,
        answer: impl FnOnce(T) -> Answer + Send + 'static,
    ) {
        self.when(operation, move |node, result| {
            node.answer(number, result.map(answer).map_err(Failure::from));
        });
    }

    fn answer_done(&mut self, number: u64, result: Result<(), StoreError>) {
        self.answer(number, result.map(|()| Answer::Done {}).map_err(Failure::from));
    }

    fn write(&mut self, number: u64, conversation: ConversationId, body: Body) {
        let store = self.store.clone();
        let write = async move { store.write(conversation, body, now()).await };
        self.when(write, move |node, result| match result {
            Ok(WrittenEntry { entry, changed, .. }) => {
                let written = Written { entry: entry.id, sent_at: entry.header.time };
                node.answer(number, Ok(Answer::Written(written)));
                if let Some(message) = changed {
                    node.entry_changed(conversation, message);
                }
                node.push_written(conversation, entry);
            }
            Err(error) => node.answer(number, Err(error.into())),
        });
    }

    fn set_name(&mut self, number: u64, name: &str) {
        let Some(name) = text::name(name) else {
            return self.answer(number, Err(unusable_name()));
        };
        let store = self.store.clone();
        let set = async move { store.set_name(name).await };
        self.when(set, move |node, result| {
            let done = result.map(|name| {
                node.profile.name = name;
                node.greet_everyone();
            });
            node.answer_done(number, done);
        });
    }

    fn rename_contact(&mut self, number: u64, contact: Identity, name: &str) {
        let own_name = text::name(name);
        if own_name.is_none() && !name.is_empty() {
            return self.answer(number, Err(unusable_name()));
        }
        let (store, own_name) = (self.store.clone(), own_name.unwrap_or_default());
        let rename = async move { store.rename_contact(contact, own_name).await };
        self.changed_contact(number, rename);
    }

    fn changed_contact(
        &mut self,
        number: u64,
        operation: impl Future<Output = Result<store::Contact, StoreError>> + Send + 'static,
    ) {
        self.when(operation, move |node, result| match result {
            Ok(contact) => {
                node.update_person(contact);
                node.answer(number, Ok(Answer::Done {}));
            }
            Err(error) => node.answer(number, Err(error.into())),
        });
    }

    fn create_invite(&mut self, number: u64, uses: Option<u32>, seconds: Option<u64>) {
        let uses = uses.unwrap_or(1);
        let seconds = seconds.unwrap_or(INVITE_SECONDS);
        if !(1..=MAX_INVITE_USES).contains(&uses) || !(1..=MAX_INVITE_SECONDS).contains(&seconds) {
            let text = "An invite is for 1 to 1000 people and lasts from a second to a year.";
            return self.answer(number, Err(failure(FailureKind::InvalidInput, text)));
        }
        let secret = InviteSecret::generate(&mut rand::rng());
        let expires_at = now() / 1000 + seconds;
        let invite = Invite::new(self.me().id, secret, expires_at);
        let new = NewInvite { invite: invite.to_text().into(), expires_at: expires_at * 1000 };
        let store = self.store.clone();
        let issue = async move { store.issue_invite(invite, uses, now()).await };
        self.when(issue, move |node, result| {
            node.meet_again();
            node.answer(number, result.map(|_| Answer::Invite(new)).map_err(Failure::from));
        });
    }

    fn accept_invite(&mut self, number: u64, invite: &str) {
        let invite = match Invite::parse(invite) {
            Ok(invite) => invite,
            Err(error) => return self.answer(number, Err(unusable_invite(error))),
        };
        let store = self.store.clone();
        let accept = async move { store.accept_invite(invite, now()).await };
        self.when(accept, move |node, result| {
            node.meet_again();
            node.answer(number, result.map(|_| Answer::Done {}).map_err(Failure::from));
        });
    }

    fn safety_number(&self, contact: Identity) -> Result<Answer, Failure> {
        let person = self.people.get(&contact).ok_or(StoreError::UnknownContact)?;
        Ok(Answer::SafetyNumber(SafetyNumber {
            contact,
            number: identity::safety_number(&self.me().id, &contact),
            verified: person.contact.verified,
        }))
    }

    pub(super) fn network(&self) -> Network {
        use std::sync::atomic::Ordering::Relaxed;
        let mapped = self.net.mapped();
        Network {
            peer_id: self.net.peer_id().to_string(),
            listen: self.net.listen_addresses(),
            links: self.net.links(),
            bytes_in: self.counters.bytes_in.load(Relaxed),
            bytes_out: self.counters.bytes_out.load(Relaxed),
            scope: self.scope,
            external: self
                .net
                .external()
                .into_iter()
                .map(|a| multiaddress(a).to_string())
                .collect(),
            mapped: mapped.ways_in.multiaddresses().map(|address| address.to_string()).collect(),
            nat: Nat {
                mapping: mapping_word(self.net.mapping()),
                filtering: filtering_word(self.net.filtering()),
                port_mapping: mapped.state.to_string(),
            },
            dht: Dht {
                own: self.net.dht_nodes(crate::net::dht::Dht::Own),
                public: self.net.dht_nodes(crate::net::dht::Dht::Public),
                serves: self.net.serves_dht(),
            },
        }
    }

    /// A contact as the front end sees it.
    pub(super) fn view(&self, contact: &store::Contact) -> Contact {
        let (state, path) = self.presence(contact.identity);
        Contact {
            id: contact.identity,
            name: contact.name.clone(),
            verified: contact.verified,
            state,
            path,
            last_seen: contact.last_seen,
            unasked: contact.unasked,
        }
    }
}

/// The word for how ports are chosen (RFC 4787, section 4.1).
fn mapping_word(mapping: Mapping) -> String {
    match mapping {
        Mapping::Unknown => "unknown",
        Mapping::None => "none",
        Mapping::Independent => "endpoint-independent",
        Mapping::Dependent { step: 0 } => "symmetric",
        Mapping::Dependent { .. } => "symmetric, counting",
        Mapping::Blocked => "UDP blocked",
    }
    .to_owned()
}

fn filtering_word(filtering: Filtering) -> String {
    match filtering {
        Filtering::Unknown => "unknown",
        Filtering::AddressDependent => "address-dependent",
        Filtering::EndpointIndependent => "endpoint-independent",
    }
    .to_owned()
}

fn open_invite(invitation: &store::Invitation) -> OpenInvite {
    let store::Invitation { number, direction, invite, uses_left, .. } = invitation;
    OpenInvite {
        number: *number,
        issuer: invite.identity,
        invite: (*direction == store::Direction::Issued).then(|| invite.to_text().into()),
        uses_left: *uses_left,
        expires_at: invite.expires_at * 1000,
    }
}

fn unusable_invite(error: InviteError) -> Failure {
    let kind = match error {
        InviteError::Checksum => FailureKind::InviteChecksum,
        InviteError::Version(_) => FailureKind::InviteVersion,
        _ => FailureKind::InviteMalformed,
    };
    failure(kind, error.to_string())
}

fn unusable_name() -> Failure {
    let text = "A name has at least one visible character and at most 128 bytes.";
    failure(FailureKind::InvalidInput, text)
}
