//! An established session: messages in frames, and new keys from time to time.

use std::time::{Duration, Instant};

use super::{
    Closed, Event, MAX_MESSAGE, Shared,
    frame::{self, HEADER_LEN, Kind, MAX_CONTENT, Opener, Sealer},
    hybrid::{Initiator, Responder, TrafficKeys, prologue},
};
use crate::{
    identity::DevicePublic,
    noise::{Keypair, Pattern, Role, Setup},
};

/// When keys are renewed, and when those that were not end the session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Age of keys at which the dialer begins a handshake for new ones.
    pub(super) renew_after: Duration,
    /// Bytes of frames, of both directions together, at which it does.
    pub(super) renew_bytes: u64,
}

impl Limits {
    /// 15 minutes and 1 GiB: who takes a key from memory reads so much and no more.
    pub(super) const PROTOCOL: Self =
        Self { renew_after: Duration::from_secs(15 * 60), renew_bytes: 1 << 30 };

    /// Twice the age: then the session ends, for a peer that will not renew keys is not to be
    /// spoken to with old ones. The margin is for links that are slow or full.
    fn end_after(&self) -> Duration {
        self.renew_after * 2
    }

    fn end_bytes(&self) -> u64 {
        self.renew_bytes * 2
    }

    /// Half of each: the listener refuses a renewal earlier than both, so that nobody can make it
    /// compute handshakes all day. Far enough from the whole that clocks may differ.
    fn too_early(&self, age: Duration, bytes: u64) -> bool {
        age < self.renew_after / 2 && bytes < self.renew_bytes / 2
    }
}

/// How far a renewal has come.
enum Renewal {
    /// None runs.
    Idle,
    /// The dialer waits for the listener's answer.
    Offered(Box<Initiator>),
    /// The listener sends under the new key already; the dialer does not yet.
    Answered { opener: Opener },
}

/// Both directions of an established session.
pub(super) struct Traffic {
    sealer: Sealer,
    opener: Opener,
    /// Whether this side opened the stream, and so renews the keys.
    dialed: bool,
    their_device: DevicePublic,
    peer_ids: Vec<u8>,
    handshake_hash: [u8; 32],
    renewal: Renewal,
    /// Since when both keys are in use.
    since: Instant,
    /// Bytes of frames sent and received, each under its present key. Counted apart, because
    /// the listener's two keys change at different times: so it never counts less than the
    /// dialer, and does not take a renewal for an early one.
    sent: u64,
    received: u64,
    /// The size of the frame whose header was read, without that.
    rest: Option<usize>,
    /// The parts of a message that have arrived.
    parts: Vec<u8>,
    #[cfg(test)]
    renewals: u32,
}

impl Traffic {
    pub(super) fn new(
        keys: TrafficKeys,
        role: Role,
        dialed: bool,
        their_device: DevicePublic,
        peer_ids: &[u8],
        now: Instant,
    ) -> Self {
        let handshake_hash = keys.handshake_hash;
        let (sealer, opener) = directions(keys, role);
        Self {
            sealer,
            opener,
            dialed,
            their_device,
            peer_ids: peer_ids.to_vec(),
            handshake_hash,
            renewal: Renewal::Idle,
            since: now,
            sent: 0,
            received: 0,
            rest: None,
            parts: Vec::new(),
            #[cfg(test)]
            renewals: 0,
        }
    }

    /// How many bytes the next step takes.
    pub(super) fn needs(&self) -> usize {
        self.rest.unwrap_or(HEADER_LEN)
    }

    /// Says that this side holds the keys.
    pub(super) fn confirm(&mut self, shared: &mut Shared) -> Result<(), Closed> {
        self.seal(shared, Kind::Confirm, &[])
    }

    /// Takes a header, or the rest of a frame; yields what the latter contains.
    pub(super) fn take(&mut self, bytes: Vec<u8>) -> Result<Option<(Kind, Vec<u8>)>, Closed> {
        if self.rest.take().is_none() {
            let header = bytes.try_into().map_err(|_| Closed::because("frame: header"))?;
            let rest = frame::rest_len(header).ok_or_else(|| Closed::because("frame: size"))?;
            self.rest = Some(rest);
            return Ok(None);
        }
        self.received += (bytes.len() + HEADER_LEN) as u64;
        self.opener.open(bytes).map(Some)
    }

    /// Acts on a frame.
    pub(super) fn handle(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        (kind, content): (Kind, Vec<u8>),
    ) -> Result<(), Closed> {
        match kind {
            Kind::More => {
                // All parts but the last are full, so a message is at most 9 frames.
                if content.len() != MAX_CONTENT || self.parts.len() + MAX_CONTENT > MAX_MESSAGE {
                    return Err(Closed::because("part of a message: size"));
                }
                self.parts.extend_from_slice(&content);
            }
            Kind::Last if self.parts.is_empty() => {
                shared.events.push_back(Event::Message(content));
            }
            Kind::Last => {
                if self.parts.len() + content.len() > MAX_MESSAGE {
                    return Err(Closed::because("message over the limit"));
                }
                let mut message = std::mem::take(&mut self.parts);
                message.extend_from_slice(&content);
                shared.events.push_back(Event::Message(message));
            }
            Kind::Renew => self.answer_renewal(shared, now, &content)?,
            Kind::Renewed => self.finish_renewal(shared, now, &content)?,
            Kind::Switch => {
                let idle = Renewal::Idle;
                let Renewal::Answered { opener } = std::mem::replace(&mut self.renewal, idle)
                else {
                    return Err(Closed::because("switch without renewal"));
                };
                self.replace_opener(opener, now);
            }
            Kind::Confirm => return Err(Closed::because("second confirmation")),
        }
        self.keep_fresh(shared, now)
    }

    /// Seals a message into frames.
    pub(super) fn send(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        message: &[u8],
    ) -> Result<(), Closed> {
        let mut rest = message;
        while let Some((part, after)) =
            rest.split_at_checked(MAX_CONTENT).filter(|(_, after)| !after.is_empty())
        {
            self.seal(shared, Kind::More, part)?;
            rest = after;
        }
        self.seal(shared, Kind::Last, rest)?;
        self.keep_fresh(shared, now)
    }

    /// Whether the keys carried so much that nothing more may be sent before they are renewed.
    pub(super) fn exhausted(&self, shared: &Shared) -> bool {
        self.bytes() >= shared.limits.end_bytes()
    }

    /// When [`Self::keep_fresh`] has something to do.
    pub(super) fn timeout(&self, shared: &Shared) -> Instant {
        if self.dialed && matches!(self.renewal, Renewal::Idle) {
            self.since + shared.limits.renew_after
        } else {
            self.since + shared.limits.end_after()
        }
    }

    /// Begins a renewal if this side dialled and it is time; ends the session if that came to
    /// nothing.
    pub(super) fn keep_fresh(&mut self, shared: &mut Shared, now: Instant) -> Result<(), Closed> {
        let age = now.saturating_duration_since(self.since);
        if age >= shared.limits.end_after() {
            return Err(Closed::because("keys too old"));
        }
        let due = age >= shared.limits.renew_after || self.bytes() >= shared.limits.renew_bytes;
        if due && self.dialed && matches!(self.renewal, Renewal::Idle) {
            let prologue = self.prologue();
            let setup = self.setup(shared, &prologue);
            let mut message = Vec::new();
            let initiator = Initiator::start(setup, &mut *shared.rng, &mut message)?;
            self.renewal = Renewal::Offered(Box::new(initiator));
            self.seal(shared, Kind::Renew, &message)?;
        }
        Ok(())
    }

    /// Of the newest keys; for tests.
    #[cfg(test)]
    pub(super) fn handshake_hash(&self) -> [u8; 32] {
        self.handshake_hash
    }

    /// How often the keys were renewed; for tests.
    #[cfg(test)]
    pub(super) fn renewals(&self) -> u32 {
        self.renewals
    }

    fn answer_renewal(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        message: &[u8],
    ) -> Result<(), Closed> {
        let age = now.saturating_duration_since(self.since);
        let idle = matches!(self.renewal, Renewal::Idle);
        if self.dialed || !idle || shared.limits.too_early(age, self.bytes()) {
            return Err(Closed::because("renewal out of turn"));
        }
        let prologue = self.prologue();
        let responder = Responder::new(self.setup(shared, &prologue))?;
        let mut answer = Vec::new();
        let mixed = responder.answer(message, &[], &mut *shared.rng, &mut answer)?;
        self.seal(shared, Kind::Renewed, &answer)?;
        let keys = mixed.finish()?;
        self.handshake_hash = keys.handshake_hash;
        let (sealer, opener) = directions(keys, Role::Responder);
        self.replace_sealer(sealer);
        self.renewal = Renewal::Answered { opener };
        Ok(())
    }

    fn finish_renewal(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        message: &[u8],
    ) -> Result<(), Closed> {
        let Renewal::Offered(initiator) = std::mem::replace(&mut self.renewal, Renewal::Idle)
        else {
            return Err(Closed::because("renewal not asked for"));
        };
        let (mixed, rest) = initiator.read(message)?;
        if !rest.is_empty() {
            return Err(Closed::because("renewal: payload"));
        }
        let keys = mixed.finish()?;
        self.seal(shared, Kind::Switch, &[])?;
        self.handshake_hash = keys.handshake_hash;
        let (sealer, opener) = directions(keys, Role::Initiator);
        self.replace_sealer(sealer);
        self.replace_opener(opener, now);
        Ok(())
    }

    fn replace_sealer(&mut self, sealer: Sealer) {
        self.sealer = sealer;
        self.sent = 0;
    }

    /// Always the second of the two.
    fn replace_opener(&mut self, opener: Opener, now: Instant) {
        self.opener = opener;
        self.received = 0;
        self.since = now;
        #[cfg(test)]
        {
            self.renewals += 1;
        }
    }

    fn bytes(&self) -> u64 {
        self.sent + self.received
    }

    pub(super) fn seal(
        &mut self,
        shared: &mut Shared,
        kind: Kind,
        content: &[u8],
    ) -> Result<(), Closed> {
        self.sent += self.sealer.seal(kind, content, &mut shared.out)?;
        Ok(())
    }

    fn prologue(&self) -> Vec<u8> {
        prologue(Pattern::KK, &self.peer_ids, &self.handshake_hash)
    }

    fn setup<'a>(&self, shared: &Shared, prologue: &'a [u8]) -> Setup<'a> {
        Setup {
            pattern: Pattern::KK,
            role: Role::Initiator,
            prologue,
            local_static: Some(Keypair::from_secret(&shared.local.device_key.to_bytes())),
            remote_static: Some(self.their_device.0),
            psks: &[],
        }
    }
}

/// What this side seals and opens with.
fn directions(keys: TrafficKeys, role: Role) -> (Sealer, Opener) {
    match role {
        Role::Initiator => (Sealer::new(keys.initiator), Opener::new(keys.responder)),
        Role::Responder => (Sealer::new(keys.responder), Opener::new(keys.initiator)),
    }
}
