//! The way to an established session, one type for each place on it.
//!
//! ```text
//! dialer:    DialerNonce → DialerAnswer ─┐              ┌─ Initiating ─────────────┐
//!                                        ├─ (a match) ─ ┤                          ├─ Confirming → Established
//! listener:  ListenerNonce → TagCount →  │              └─ Responding → Responded ─┘
//!            ListenerTags ───────────────┘
//!                 └─ (no match) ─ Decoy
//! ```
//!
//! Every step takes a number of bytes that is known before it, so nothing is ever allocated on a
//! stranger's word.

use std::time::Instant;

use super::{
    Closed, Event, Peer, Shared,
    frame::Kind,
    hail::{self, NONCE_LEN, Nonce, Sender, TAG_LEN, Transcript},
    hybrid::{self, Identification, Initiator, Mixed, Responder},
    local::{Known, Means},
    traffic::Traffic,
};
use crate::{
    identity::DevicePublic,
    noise::{Keypair, Pattern, Role, Setup},
};

/// Where a session stands.
pub(super) enum State {
    DialerNonce(DialerNonce),
    DialerAnswer(DialerAnswer),
    ListenerNonce(ListenerNonce),
    TagCount(TagCount),
    ListenerTags(ListenerTags),
    Decoy(Decoy),
    Initiating(Box<Initiating>),
    Responding(Box<Responding>),
    Responded(Box<Responded>),
    Confirming(Box<Confirming>),
    Established(Box<Traffic>),
}

impl State {
    /// How many bytes the next step takes; never 0.
    pub(super) fn needs(&self) -> usize {
        match self {
            Self::DialerNonce(_) | Self::ListenerNonce(_) => NONCE_LEN,
            Self::DialerAnswer(_) => TAG_LEN,
            Self::TagCount(_) => 1,
            Self::ListenerTags(state) => state.length,
            Self::Decoy(_) => hybrid::first_len(Pattern::KK),
            Self::Initiating(state) => hybrid::second_len(state.handshake.pattern),
            Self::Responding(state) => hybrid::first_len(state.handshake.pattern),
            Self::Responded(_) => hybrid::THIRD_LEN,
            Self::Confirming(state) => state.traffic.needs(),
            Self::Established(traffic) => traffic.needs(),
        }
    }

    /// Takes exactly [`Self::needs`] bytes.
    pub(super) fn step(
        self,
        shared: &mut Shared,
        now: Instant,
        bytes: Vec<u8>,
    ) -> Result<Self, Closed> {
        match self {
            Self::DialerNonce(state) => state.step(shared, &bytes),
            Self::DialerAnswer(state) => state.step(shared, &bytes),
            Self::ListenerNonce(ListenerNonce) => ListenerNonce::step(shared, &bytes),
            Self::TagCount(state) => state.step(&bytes),
            Self::ListenerTags(state) => state.step(shared, &bytes),
            Self::Decoy(Decoy) => Err(Closed::because("a stranger")),
            Self::Initiating(state) => state.step(shared, now, &bytes),
            Self::Responding(state) => state.step(shared, now, &bytes),
            Self::Responded(state) => state.step(shared, now, &bytes),
            Self::Confirming(state) => state.step(shared, bytes),
            Self::Established(mut traffic) => {
                if let Some(frame) = traffic.take(bytes)? {
                    traffic.handle(shared, now, frame)?;
                }
                Ok(Self::Established(traffic))
            }
        }
    }
}

fn nonce(bytes: &[u8]) -> Result<Nonce, Closed> {
    bytes.try_into().map_err(|_| Closed::because("nonce"))
}

/// Draws this side's nonce and sends it.
fn send_nonce(shared: &mut Shared) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    shared.rng.fill_bytes(&mut nonce);
    shared.out.extend_from_slice(&nonce);
    nonce
}

/// The dialer has sent its nonce and waits for the listener's.
pub(super) struct DialerNonce {
    nonce: Nonce,
}

impl DialerNonce {
    pub(super) fn start(shared: &mut Shared) -> State {
        State::DialerNonce(Self { nonce: send_nonce(shared) })
    }

    fn step(self, shared: &mut Shared, bytes: &[u8]) -> Result<State, Closed> {
        let transcript = Transcript::new(Sender::Dialer, &self.nonce, &nonce(bytes)?, &shared.ids);
        let tags = transcript.own_tags(&shared.local.known, &mut *shared.rng);
        shared.out.extend_from_slice(&tags);
        Ok(State::DialerAnswer(DialerAnswer { transcript }))
    }
}

/// The dialer has sent its tags and waits for the answer.
pub(super) struct DialerAnswer {
    transcript: Transcript,
}

impl DialerAnswer {
    fn step(self, shared: &mut Shared, bytes: &[u8]) -> Result<State, Closed> {
        let found = self
            .transcript
            .find(&shared.local.known, bytes)
            .ok_or_else(|| Closed::because("a stranger"))?;
        Handshake::begin(shared, self.transcript, found, true)
    }
}

/// The listener waits for the dialer's nonce.
pub(super) struct ListenerNonce;

impl ListenerNonce {
    fn step(shared: &mut Shared, bytes: &[u8]) -> Result<State, Closed> {
        let their = nonce(bytes)?;
        let own = send_nonce(shared);
        let transcript = Transcript::new(Sender::Listener, &own, &their, &shared.ids);
        Ok(State::TagCount(TagCount { transcript }))
    }
}

/// The listener has sent its nonce and waits for the number of the dialer's tags.
pub(super) struct TagCount {
    transcript: Transcript,
}

impl TagCount {
    fn step(self, bytes: &[u8]) -> Result<State, Closed> {
        let length = bytes
            .first()
            .and_then(|&blocks| hail::tags_len(blocks))
            .ok_or_else(|| Closed::because("hail: number of tags"))?;
        Ok(State::ListenerTags(ListenerTags { transcript: self.transcript, length }))
    }
}

/// The listener waits for the dialer's tags.
pub(super) struct ListenerTags {
    transcript: Transcript,
    length: usize,
}

impl ListenerTags {
    fn step(self, shared: &mut Shared, bytes: &[u8]) -> Result<State, Closed> {
        let local = shared.local.clone();
        let found = self.transcript.find(&local.known, bytes);
        if let Some(index) = found
            && let Some(known) = local.known.get(index)
        {
            shared.out.extend_from_slice(&self.transcript.own_tag(known));
            Handshake::begin(shared, self.transcript, index, false)
        } else {
            shared.out.extend_from_slice(&hail::random_tag(&mut *shared.rng));
            Ok(State::Decoy(Decoy))
        }
    }
}

/// The listener knows nobody here, and behaves as if it waited for the first message of a
/// handshake and then could not read it. So nobody can tell from how it ends.
pub(super) struct Decoy;

/// What a handshake is about.
struct Handshake {
    pattern: &'static Pattern,
    role: Role,
    /// Whether this side opened the stream.
    dialed: bool,
    /// Whom the hail has found: an index into the acquaintances.
    found: usize,
    transcript: Transcript,
}

impl Handshake {
    /// After a match: both know which handshake it is and who begins. Of a known pair, the dialer;
    /// of an invite, its holder. So the issuer, whose identity the invite names anyway, shows its
    /// certificate first, and the holder's goes to nobody else.
    fn begin(
        shared: &mut Shared,
        transcript: Transcript,
        found: usize,
        dialed: bool,
    ) -> Result<State, Closed> {
        let local = shared.local.clone();
        let known = local.known.get(found).ok_or_else(|| Closed::because("nobody"))?;
        let (pattern, initiates) = match &known.means {
            Means::Device { .. } => (Pattern::KK, dialed),
            Means::Issued { .. } => (Pattern::XX_PSK3, false),
            Means::Accepted { .. } => (Pattern::XX_PSK3, true),
        };
        let role = if initiates { Role::Initiator } else { Role::Responder };
        let handshake = Self { pattern, role, dialed, found, transcript };
        let remote_static = match &known.means {
            Means::Device { device_public, .. } => Some(device_public.0),
            Means::Issued { .. } | Means::Accepted { .. } => None,
        };
        let psk = match &known.means {
            Means::Device { .. } => None,
            Means::Issued { secret } | Means::Accepted { secret, .. } => Some(secret.psk()),
        };
        let psk = psk.as_ref().map(|psk| std::slice::from_ref(&**psk)).unwrap_or_default();
        let prologue = hybrid::prologue(
            pattern,
            handshake.transcript.peer_ids(),
            handshake.transcript.nonces(),
        );
        let setup = Setup {
            pattern,
            role,
            prologue: &prologue,
            local_static: Some(Keypair::from_secret(&local.device_key.to_bytes())),
            remote_static,
            psks: psk,
        };
        Ok(match role {
            Role::Initiator => {
                let initiator = Initiator::start(setup, &mut *shared.rng, &mut shared.out)?;
                State::Initiating(Box::new(Initiating { handshake, initiator }))
            }
            Role::Responder => {
                let responder = Responder::new(setup)?;
                State::Responding(Box::new(Responding { handshake, responder }))
            }
        })
    }

    /// Whether the pattern has a third message, and both identify themselves.
    fn is_long(&self) -> bool {
        self.pattern.messages.len() == 3
    }

    fn known<'a>(&self, shared: &'a Shared) -> Result<&'a Known, Closed> {
        shared.local.known.get(self.found).ok_or_else(|| Closed::because("nobody"))
    }

    /// The peer of a known pair.
    fn known_peer(&self, shared: &Shared) -> Result<Peer, Closed> {
        let known = self.known(shared)?;
        match known.means {
            Means::Device { identity, device_public } => {
                Ok(Peer { identity, device_public, certificate: None, via: known.via })
            }
            _ => Err(Closed::because("nobody")),
        }
    }

    /// The peer that has identified itself, if it is one that this invite allows.
    fn identified_peer(
        &self,
        shared: &Shared,
        payload: &[u8],
        device: Option<[u8; 32]>,
    ) -> Result<Peer, Closed> {
        let known = self.known(shared)?;
        let Identification { identity, certificate } = Identification::verify(payload, device)?;
        let expected = match &known.means {
            Means::Accepted { issuer, .. } => identity == *issuer,
            // Anybody but oneself: the own invite.
            Means::Issued { .. } => identity != shared.local.identity,
            Means::Device { .. } => false,
        };
        if !expected {
            return Err(Closed::because("certificate of another identity"));
        }
        Ok(Peer {
            identity,
            device_public: certificate.device_public,
            certificate: Some(certificate),
            via: known.via,
        })
    }

    /// The handshake is complete: proves to hold the keys, and waits for the other's proof.
    fn finish(
        self,
        shared: &mut Shared,
        now: Instant,
        mixed: Mixed,
        peer: Peer,
    ) -> Result<State, Closed> {
        let mut traffic = Traffic::new(
            mixed.finish()?,
            self.role,
            self.dialed,
            DevicePublic(peer.device_public.0),
            self.transcript.peer_ids(),
            now,
        );
        traffic.confirm(shared)?;
        Ok(State::Confirming(Box::new(Confirming { traffic, peer })))
    }
}

fn own_identification(shared: &Shared) -> [u8; Identification::LEN] {
    let local = &shared.local;
    Identification { identity: local.identity, certificate: local.certificate }.encode()
}

/// Has sent message 1 and waits for message 2.
pub(super) struct Initiating {
    handshake: Handshake,
    initiator: Initiator,
}

impl Initiating {
    fn step(self, shared: &mut Shared, now: Instant, bytes: &[u8]) -> Result<State, Closed> {
        let Self { handshake, initiator } = self;
        let (mut mixed, rest) = initiator.read(bytes)?;
        let peer = if handshake.is_long() {
            // The issuer is checked before the own identity is shown.
            let peer = handshake.identified_peer(shared, &rest, mixed.remote_static())?;
            let own = own_identification(shared);
            mixed.write(&own, &mut *shared.rng, &mut shared.out)?;
            peer
        } else {
            handshake.known_peer(shared)?
        };
        handshake.finish(shared, now, mixed, peer)
    }
}

/// Waits for message 1.
pub(super) struct Responding {
    handshake: Handshake,
    responder: Responder,
}

impl Responding {
    fn step(self, shared: &mut Shared, now: Instant, bytes: &[u8]) -> Result<State, Closed> {
        let Self { handshake, responder } = self;
        let own = own_identification(shared);
        let rest: &[u8] = if handshake.is_long() { &own } else { &[] };
        let mixed = responder.answer(bytes, rest, &mut *shared.rng, &mut shared.out)?;
        if handshake.is_long() {
            return Ok(State::Responded(Box::new(Responded { handshake, mixed })));
        }
        let peer = handshake.known_peer(shared)?;
        handshake.finish(shared, now, mixed, peer)
    }
}

/// Has sent message 2 and waits for message 3.
pub(super) struct Responded {
    handshake: Handshake,
    mixed: Mixed,
}

impl Responded {
    fn step(self, shared: &mut Shared, now: Instant, bytes: &[u8]) -> Result<State, Closed> {
        let Self { handshake, mut mixed } = self;
        let payload = mixed.read(bytes)?;
        let peer = handshake.identified_peer(shared, &payload, mixed.remote_static())?;
        handshake.finish(shared, now, mixed, peer)
    }
}

/// Has the traffic keys and waits for the proof that the peer has them. Until then, the peer may
/// be a recording, or hold an invite's name without its secret.
pub(super) struct Confirming {
    traffic: Traffic,
    peer: Peer,
}

impl Confirming {
    fn step(mut self: Box<Self>, shared: &mut Shared, bytes: Vec<u8>) -> Result<State, Closed> {
        match self.traffic.take(bytes)? {
            None => Ok(State::Confirming(self)),
            Some((Kind::Confirm, content)) if content.is_empty() => {
                let Self { traffic, peer } = *self;
                shared.events.push_back(Event::Established { with: peer });
                Ok(State::Established(Box::new(traffic)))
            }
            Some(_) => Err(Closed::because("no confirmation")),
        }
    }
}
