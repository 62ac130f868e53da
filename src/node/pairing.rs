//! From an invite to a contact, on both sides, whatever crashes in between.
//!
//! ```text
//! invitee                                   issuer
//!   disk: invite accepted                     disk: invite issued
//!   ──────────── XXpsk3 handshake ────────────
//!   disk: the issuer's certificate
//!   ── Hello ────────────────────────────────▶
//!                                             disk: contact, invite used up (one transaction)
//!   ◀──────────────────────────────── Hello ──
//!   disk: contact (one transaction)
//! ```
//!
//! A crash before the issuer's transaction leaves an invite that still works. A crash after it
//! leaves the invitee with the issuer's certificate, so the two recognise each other as a pair
//! and the invitee learns from the issuer's `Hello` that it is a contact.

use tokio::sync::OwnedSemaphorePermit;

use super::{
    api::{Event, Failure, FailureKind},
    failure, now,
    run::Node,
    sessions::Stage,
};
use crate::{
    identity::Identity,
    net::LinkId,
    session::{Peer, Via},
    store::{self, StoreError},
    sync::{Message, RefusedReason},
};

impl Node {
    /// Somebody with an invite is at the other end.
    pub(super) fn begin_pairing(&mut self, id: LinkId, peer: Peer) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.stage = Stage::Pairing(peer);
        if let Via::Accepted(number) = peer.via {
            let Some(certificate) = peer.certificate else { return self.greet(id) };
            let store = self.store.clone();
            let note = async move { store.note_issuer(number, certificate).await };
            self.when(note, move |node, result| match result {
                Ok(()) => {
                    node.greet(id);
                    node.renew_invitations();
                }
                Err(error) => {
                    node.trouble(error);
                    node.close_link(id);
                }
            });
        }
    }

    /// A message of somebody who is no contact yet.
    pub(super) fn handle_pairing(
        &mut self,
        id: LinkId,
        peer: Peer,
        message: Message,
        permit: OwnedSemaphorePermit,
    ) {
        match (message, peer.via) {
            (Message::Hello { name, .. }, Via::Issued(number)) => {
                self.complete_issued(id, number, peer, name);
            }
            (Message::Hello { name, .. }, Via::Accepted(number)) => {
                let (store, issuer) = (self.store.clone(), peer.identity);
                let complete = async move { store.complete_accepted(number, name, now()).await };
                self.when(complete, move |node, result| node.paired(id, issuer, result));
            }
            (Message::Refused { reason }, Via::Accepted(number)) => {
                self.invite_refused(id, number, peer.identity, reason);
            }
            // What follows a Hello: its turn comes when the contact is on disk.
            (message, _) => self.when(std::future::ready(()), move |node, ()| {
                let stage = node.links.get(&id).map(|link| &link.stage);
                if matches!(stage, Some(Stage::Standing(_))) {
                    node.handle_message(id, message, permit);
                }
            }),
        }
    }

    fn complete_issued(&mut self, id: LinkId, number: i64, peer: Peer, name: String) {
        let Some(certificate) = peer.certificate else { return self.close_link(id) };
        let (store, who) = (self.store.clone(), peer.identity);
        let complete =
            async move { store.complete_issued(number, who, certificate, name, now()).await };
        self.when(complete, move |node, result| {
            let reason = match &result {
                Err(StoreError::InviteUsed) => RefusedReason::InviteUsed,
                Err(StoreError::InviteExpired) => RefusedReason::InviteExpired,
                Err(StoreError::InviteRevoked) => RefusedReason::InviteRevoked,
                _ => return node.paired(id, who, result),
            };
            node.send(id, Message::Refused { reason });
            // Dropping the link's handle lets this last message leave.
            node.links.remove(&id);
        });
    }

    fn paired(&mut self, id: LinkId, who: Identity, result: Result<store::Contact, StoreError>) {
        match result {
            Ok(contact) => {
                if !self.people.contains_key(&who) {
                    self.add_person(contact.clone());
                    let contact = self.view(&contact);
                    self.tell(Event::ContactAdded { contact });
                    self.meet_again();
                }
                self.stand(id, who);
            }
            Err(error) => {
                self.trouble(error);
                self.close_link(id);
            }
        }
    }

    fn invite_refused(&mut self, id: LinkId, number: i64, who: Identity, reason: RefusedReason) {
        let failure = match reason {
            RefusedReason::InviteUsed => Failure::from(StoreError::InviteUsed),
            RefusedReason::InviteExpired => StoreError::InviteExpired.into(),
            RefusedReason::InviteRevoked => StoreError::InviteRevoked.into(),
            RefusedReason::Unknown(_) => {
                let text = "The invite was refused for a reason that this version does not know. \
                            Ask for a new one.";
                failure(FailureKind::InviteUsed, text)
            }
        };
        self.close_link(id);
        let store = self.store.clone();
        let fail = async move { store.fail_accepted(number).await };
        self.when(fail, move |node, result| {
            if let Err(error) = result {
                node.trouble(error);
            }
            node.meet_again();
            node.tell(Event::InviteFailed { id: who, failure });
        });
    }
}
