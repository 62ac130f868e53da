//! The harness: two ends, a fake clock, and a stream with latency that a test can spoil.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

use crate::{
    identity::{Certificate, DeviceKey, Identity, IdentityKey, InviteSecret, PairSecret},
    session::{Acquaintance, Closed, Event, LinkIds, Local, SendError, Session, state::State},
};

pub(super) fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

pub(super) fn random(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rng(seed).fill_bytes(&mut bytes);
    bytes
}

/// A person with one device.
pub(super) struct Person {
    pub(super) key: IdentityKey,
    pub(super) device_key: DeviceKey,
    pub(super) certificate: Certificate,
}

impl Person {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let key = IdentityKey::generate(&mut rng);
        let device_key = DeviceKey::generate(&mut rng);
        let certificate = Certificate::issue(&key, device_key.public(), 1, 1);
        Self { key, device_key, certificate }
    }

    pub(super) fn id(&self) -> Identity {
        self.key.public()
    }

    pub(super) fn pair_secret(&self, other: &Self) -> PairSecret {
        let own = (&self.id(), &self.device_key);
        PairSecret::of_devices(own, (&other.id(), &other.device_key.public())).unwrap()
    }

    /// The other as a contact of this one.
    pub(super) fn contact(&self, other: &Self) -> Acquaintance {
        Acquaintance::Contact {
            identity: other.id(),
            device_public: other.device_key.public(),
            pair_secret: self.pair_secret(other),
        }
    }

    pub(super) fn local(&self, acquaintances: Vec<Acquaintance>) -> Arc<Local> {
        let key = self.device_key.clone();
        Arc::new(Local::new(self.id(), key, self.certificate, acquaintances))
    }
}

pub(super) fn secret(byte: u8) -> InviteSecret {
    InviteSecret::from_bytes([byte; 16])
}

pub(super) fn issued(number: i64, byte: u8) -> Acquaintance {
    Acquaintance::Issued { number, secret: secret(byte) }
}

pub(super) fn accepted(number: i64, byte: u8, issuer: &Person) -> Acquaintance {
    let issuer = issuer.id();
    Acquaintance::Accepted { number, issuer, secret: secret(byte), issuer_device: None }
}

/// The PeerIds of the two ends of a link, from the dialer's side.
pub(super) fn ids() -> LinkIds {
    LinkIds { own_peer_id: b"the dialer's".to_vec(), their_peer_id: b"the listener's".to_vec() }
}

pub(super) fn reversed(ids: &LinkIds) -> LinkIds {
    LinkIds { own_peer_id: ids.their_peer_id.clone(), their_peer_id: ids.own_peer_id.clone() }
}

/// How a stream is spoilt: the chance of each fault for each piece, in thousandths.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults {
    pub(super) lose: u32,
    pub(super) duplicate: u32,
    pub(super) reorder: u32,
    pub(super) corrupt: u32,
    pub(super) cut: u32,
}

/// One direction of a stream.
#[derive(Default)]
struct Pipe {
    pieces: VecDeque<(Instant, Vec<u8>)>,
    /// All bytes that ever went in, for recordings.
    recorded: Vec<u8>,
}

/// A dialer (0) and a listener (1).
pub(super) struct Pair {
    pub(super) now: Instant,
    pub(super) ends: [Session; 2],
    pub(super) closed: [bool; 2],
    pub(super) events: [Vec<Event>; 2],
    pub(super) latency: Duration,
    faults: Faults,
    cut: bool,
    rng: StdRng,
    pipes: [Pipe; 2],
}

impl Pair {
    pub(super) fn new(dialer: Arc<Local>, listener: Arc<Local>, seed: u64) -> Self {
        let now = Instant::now();
        let [own, their] = Self::seeds(seed).map(StdRng::seed_from_u64);
        let rng = StdRng::seed_from_u64(!seed);
        let ends = [
            Session::dial(dialer, ids(), now, own),
            Session::listen(listener, reversed(&ids()), now, their),
        ];
        Self {
            now,
            ends,
            closed: [false; 2],
            events: [Vec::new(), Vec::new()],
            latency: Duration::from_millis(5),
            faults: Faults::default(),
            cut: false,
            rng,
            pipes: [Pipe::default(), Pipe::default()],
        }
    }

    /// The seeds of the two ends' randomness.
    pub(super) fn seeds(seed: u64) -> [u64; 2] {
        let mut rng = StdRng::seed_from_u64(seed);
        [rng.next_u64(), rng.next_u64()]
    }

    pub(super) fn with_faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Takes what the ends have to send and to say.
    pub(super) fn collect(&mut self) {
        for end in 0..2 {
            while let Some(bytes) = self.ends[end].poll_transmit() {
                self.pipes[end].recorded.extend_from_slice(&bytes);
                self.put(end, &bytes);
            }
            while let Some(event) = self.ends[end].poll_event() {
                self.events[end].push(event);
            }
        }
    }

    fn put(&mut self, end: usize, mut bytes: &[u8]) {
        let arrival = self.now + self.latency;
        let faulty = self.faults;
        while !bytes.is_empty() && !self.cut {
            // Streams keep no boundaries: pieces of any size, whole frames most of the time.
            let length = if self.rng.random_ratio(1, 3) {
                self.rng.random_range(1..=bytes.len())
            } else {
                bytes.len()
            };
            let (piece, rest) = bytes.split_at(length);
            bytes = rest;
            let mut piece = piece.to_vec();
            let mut happens = |thousandths| self.rng.random_ratio(thousandths, 1000);
            if happens(faulty.cut) {
                self.cut = true;
            }
            if happens(faulty.lose) {
                continue;
            }
            if happens(faulty.corrupt) {
                let bit = self.rng.random_range(0..piece.len() * 8);
                piece[bit / 8] ^= 1 << (bit % 8);
            }
            let mut happens = |thousandths| self.rng.random_ratio(thousandths, 1000);
            let (twice, early) = (happens(faulty.duplicate), happens(faulty.reorder));
            let pieces = &mut self.pipes[end].pieces;
            if twice {
                pieces.push_back((arrival, piece.clone()));
            }
            pieces.push_back((arrival, piece));
            if early && pieces.len() > 1 {
                let last = pieces.len() - 1;
                pieces.swap(last, last - 1);
            }
        }
    }

    /// Lets the next thing happen: a piece arrives or a timeout comes. False if nothing will, or
    /// not before `until`.
    pub(super) fn step(&mut self, until: Instant) -> bool {
        self.collect();
        let arrival = |pipe: &Pipe| pipe.pieces.front().map(|(at, _)| *at);
        let timeout = |session: &Session| session.poll_timeout();
        let next = [
            (0, arrival(&self.pipes[0]).map(|at| (at, true))),
            (1, arrival(&self.pipes[1]).map(|at| (at, true))),
            (0, timeout(&self.ends[0]).map(|at| (at, false))),
            (1, timeout(&self.ends[1]).map(|at| (at, false))),
        ];
        let Some((end, (at, arrives))) = next
            .into_iter()
            .filter_map(|(end, next)| next.map(|next| (end, next)))
            .min_by_key(|(_, (at, _))| *at)
        else {
            return false;
        };
        if at > until {
            self.now = until;
            return false;
        }
        self.now = self.now.max(at);
        let (end, result) = if arrives {
            let (_, piece) = self.pipes[end].pieces.pop_front().unwrap();
            (1 - end, self.ends[1 - end].handle_input(self.now, &piece))
        } else {
            (end, self.ends[end].handle_timeout(self.now))
        };
        self.note(end, result);
        self.collect();
        true
    }

    fn note(&mut self, end: usize, result: Result<(), Closed>) {
        if result.is_err() {
            self.closed[end] = true;
            // What this end has sent still arrives; then the other sees the stream's end.
        }
    }

    /// Runs for a time.
    pub(super) fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.step(until) {}
    }

    /// Runs until both ends are established, or panics.
    pub(super) fn establish(&mut self) {
        self.run(Duration::from_secs(1));
        for end in 0..2 {
            assert!(matches!(self.events[end][..], [Event::Established { .. }]), "end {end}");
        }
    }

    /// Whether the link is of no more use to either end.
    pub(super) fn is_dead(&self) -> bool {
        self.cut || self.closed.contains(&true)
    }

    pub(super) fn send(&mut self, end: usize, message: &[u8]) -> Result<(), SendError> {
        self.ends[end].send(self.now, message)
    }

    /// Messages that arrived at an end.
    pub(super) fn messages(&self, end: usize) -> Vec<Vec<u8>> {
        let message = |event: &Event| match event {
            Event::Message(message) => Some(message.clone()),
            Event::Established { .. } => None,
        };
        self.events[end].iter().filter_map(message).collect()
    }

    /// Whom an end has established a session with, if any.
    pub(super) fn with(&self, end: usize) -> Option<crate::session::Peer> {
        self.events[end].iter().find_map(|event| match event {
            Event::Established { with } => Some(*with),
            Event::Message(_) => None,
        })
    }

    /// How often the listener's keys were renewed.
    pub(super) fn renewals(&self) -> u32 {
        match &self.ends[1].state {
            Some(State::Established(traffic)) => traffic.renewals(),
            _ => 0,
        }
    }

    /// All that an end has sent.
    pub(super) fn recorded(&self, end: usize) -> &[u8] {
        &self.pipes[end].recorded
    }
}
