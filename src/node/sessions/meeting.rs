//! Whom to hold sessions with, and whom to seek: contacts, and those who may come with an invite.

use std::{cmp::Reverse, sync::Arc};

use crate::{
    identity::{Identity, PairSecret},
    net::{rendezvous::Side, seek::Sought},
    node::{api::Failure, now, run::Node},
    session::{Acquaintance, Local},
    store::{self, Direction, InviteState},
};

impl Node {
    /// Learns from the store whom to hold sessions with.
    pub(in crate::node) async fn meet(&mut self) -> Result<(), Failure> {
        self.invitations = self.store.open_invites(now()).await?;
        self.renew_local();
        Ok(())
    }

    /// The same when invites changed.
    pub(in crate::node) fn renew_invitations(&mut self) {
        let store = self.store.clone();
        let list = async move { store.open_invites(now()).await };
        self.when(list, |node, invitations| match invitations {
            Ok(invitations) => {
                node.invitations = invitations;
                node.renew_local();
            }
            Err(error) => node.trouble(error),
        });
    }

    /// The same when strangers may be acquaintances now. Contacts are recognised from here on:
    /// a new one may come back over another link at any moment.
    pub(in crate::node) fn meet_again(&mut self) {
        self.renew_local();
        self.renew_invitations();
        self.when(std::future::ready(()), |node, ()| node.net.reconsider());
    }

    fn renew_local(&mut self) {
        let key = &self.profile.device_key;
        let mut acquaintances = Vec::new();
        // A hail has only so many tags: those seen last come first.
        let mut people: Vec<_> = self.people.values().collect();
        people.sort_by_key(|person| Reverse(person.contact.last_seen));
        for person in people {
            let device_public = person.contact.certificate.device_public;
            let identity = person.contact.identity;
            if let Some(pair_secret) = person.pair_secret.clone() {
                acquaintances.push(Acquaintance::Contact { identity, device_public, pair_secret });
            }
        }
        for invitation in &self.invitations {
            let store::Invitation { number, direction, invite, certificate, .. } = invitation;
            let (number, secret) = (*number, invite.secret.clone());
            acquaintances.push(match direction {
                Direction::Issued => Acquaintance::Issued { number, secret },
                Direction::Accepted => {
                    let issuer = invite.identity;
                    let me = self.local.identity();
                    let issuer_device = certificate.as_ref().and_then(|certificate| {
                        let device = certificate.device_public;
                        let secret = PairSecret::of_devices((&me, key), (&issuer, &device)).ok()?;
                        Some((device, secret))
                    });
                    Acquaintance::Accepted { number, issuer, secret, issuer_device }
                }
            });
        }
        let (me, certificate) = (self.local.identity(), self.profile.certificate);
        self.local = Arc::new(Local::new(me, key.clone(), certificate, acquaintances));
        self.seek();
    }

    /// Seeks everyone who has no link, and those who may come with an invite.
    pub(super) fn seek(&mut self) {
        let me = self.local.identity();
        let side = |other: &Identity| if me < *other { Side::First } else { Side::Second };
        let absent = self.people.values().filter(|person| person.link.is_none());
        let mut absent: Vec<_> = absent.collect();
        absent.sort_by_key(|person| Reverse(person.contact.last_seen));
        let contacts = absent.into_iter().filter_map(|person| {
            let secret = person.pair_secret.clone()?;
            Some(Sought { secret, side: side(&person.contact.identity) })
        });
        // Those that are used up are known only to be refused.
        let open = self.invitations.iter().filter(|invitation| {
            invitation.state == InviteState::Open || invitation.direction == Direction::Accepted
        });
        let invitations = open.flat_map(|invitation| {
            let store::Invitation { direction, invite, certificate, .. } = invitation;
            let secret = PairSecret::of_invite(&invite.secret, &invite.identity);
            if *direction == Direction::Issued {
                return vec![Sought { secret, side: Side::First }];
            }
            let mut sought = vec![Sought { secret, side: Side::Second }];
            // A crash in the midst of pairing may have left the issuer with a contact already.
            if let Some(certificate) = certificate {
                let own = (&me, &self.profile.device_key);
                let their = (&invite.identity, &certificate.device_public);
                let secret = PairSecret::of_devices(own, their);
                let side = side(&invite.identity);
                sought.extend(secret.ok().map(|secret| Sought { secret, side }));
            }
            sought
        });
        self.net.seek(contacts.chain(invitations).collect());
    }
}
