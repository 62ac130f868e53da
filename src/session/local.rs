//! What one end of a session knows beforehand: itself, and whom it may meet.

use std::fmt;

use zeroize::Zeroizing;

use crate::identity::{Certificate, DeviceKey, DevicePublic, Identity, InviteSecret, PairSecret};
use crate::labels;

/// The two ends of a link, as the transport authenticated them: binary PeerIds (multihashes).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkIds {
    /// This end's.
    pub own_peer_id: Vec<u8>,
    /// The other end's.
    pub their_peer_id: Vec<u8>,
}

/// Somebody whom this side will have a session with.
#[derive(Debug, Clone)]
pub enum Acquaintance {
    /// A contact.
    Contact {
        /// Who.
        identity: Identity,
        /// Their device.
        device_public: DevicePublic,
        /// [`PairSecret::of_devices`] with it.
        pair_secret: PairSecret,
    },
    /// Whoever brings this invite, made here.
    Issued {
        /// Its number in the store; comes back in [`Via`].
        number: i64,
        /// Its secret.
        secret: InviteSecret,
    },
    /// The issuer of an invite that was accepted here.
    Accepted {
        /// Its number in the store; comes back in [`Via`].
        number: i64,
        /// Who made it.
        issuer: Identity,
        /// Its secret.
        secret: InviteSecret,
        /// The issuer's device and the pair secret with it, once a first session has shown them.
        /// The issuer may by then have turned the invite into a contact while this side has not,
        /// so the contact's hail is tried as well.
        issuer_device: Option<(DevicePublic, PairSecret)>,
    },
}

/// By which acquaintance a session came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Via {
    /// [`Acquaintance::Contact`].
    Contact,
    /// [`Acquaintance::Issued`] with this number.
    Issued(i64),
    /// [`Acquaintance::Accepted`] with this number.
    Accepted(i64),
}

/// Who is at the other end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Who.
    pub identity: Identity,
    /// Which device.
    pub device_public: DevicePublic,
    /// Its certificate, verified. Only invites' handshakes carry it; a known pair has it on disk.
    pub certificate: Option<Certificate>,
    /// By which acquaintance.
    pub via: Via,
}

/// This side: who it is and whom it may meet. Shared by all sessions; made anew when either
/// changes (a session keeps the one it began with).
pub struct Local {
    pub(super) identity: Identity,
    pub(super) device_key: DeviceKey,
    pub(super) certificate: Certificate,
    /// In the order of preference: contacts first.
    pub(super) known: Vec<Known>,
}

/// One way to recognise an acquaintance.
pub(super) struct Known {
    pub(super) hail_key: Zeroizing<[u8; 32]>,
    pub(super) means: Means,
    pub(super) via: Via,
}

/// What proves that it is them.
pub(super) enum Means {
    /// Their device's key.
    Device { identity: Identity, device_public: DevicePublic },
    /// An invite made here.
    Issued { secret: InviteSecret },
    /// An invite made by them.
    Accepted { issuer: Identity, secret: InviteSecret },
}

impl Local {
    /// This person's device, certified, and everybody whom it may meet. Of more than
    /// [`super::MAX_TAGS`] ways to recognise somebody, only the first are used: contacts before
    /// invites, each in the order given.
    pub fn new(
        identity: Identity,
        device_key: DeviceKey,
        certificate: Certificate,
        acquaintances: Vec<Acquaintance>,
    ) -> Self {
        let mut contacts = Vec::new();
        let mut invites = Vec::new();
        for acquaintance in acquaintances {
            match acquaintance {
                Acquaintance::Contact { identity, device_public, pair_secret } => {
                    contacts.push(Known {
                        hail_key: hail_key(&pair_secret),
                        means: Means::Device { identity, device_public },
                        via: Via::Contact,
                    });
                }
                Acquaintance::Issued { number, secret } => invites.push(Known {
                    hail_key: hail_key(&PairSecret::of_invite(&secret, &identity)),
                    means: Means::Issued { secret },
                    via: Via::Issued(number),
                }),
                Acquaintance::Accepted { number, issuer, secret, issuer_device } => {
                    let via = Via::Accepted(number);
                    if let Some((device_public, pair_secret)) = issuer_device {
                        contacts.push(Known {
                            hail_key: hail_key(&pair_secret),
                            means: Means::Device { identity: issuer, device_public },
                            via,
                        });
                    }
                    invites.push(Known {
                        hail_key: hail_key(&PairSecret::of_invite(&secret, &issuer)),
                        means: Means::Accepted { issuer, secret },
                        via,
                    });
                }
            }
        }
        let mut known = contacts;
        known.append(&mut invites);
        known.truncate(super::MAX_TAGS);
        Self { identity, device_key, certificate, known }
    }

    /// Who this side is.
    pub fn identity(&self) -> Identity {
        self.identity
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// `derive_key(HAIL_KEY, pair secret)`.
pub(super) fn hail_key(pair_secret: &PairSecret) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(blake3::derive_key(labels::HAIL_KEY, pair_secret.as_bytes()))
}
