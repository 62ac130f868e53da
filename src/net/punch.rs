//! Opening two NATs by sending from both sides, for one pair. Pure: `now` and what arrived come
//! in, packets and events come out.
//!
//! Call [`Punch::set_own`] and [`Punch::handle_record`] as either is learned,
//! [`Punch::handle_probe`] for what arrives, [`Punch::handle_timeout`] when
//! [`Punch::poll_timeout`] is due, and after any of these [`Punch::poll_transmit`] and
//! [`Punch::poll_event`] until they yield nothing.
//!
//! # How
//!
//! 1. *Openers.* Once the other's record is known, a packet leaves that opens the own NAT but
//!    dies before it reaches theirs: a router that sees a stranger's packet too early may take the
//!    port for it, and map the own packets to another one. Then the own record says that theirs
//!    was seen.
//! 2. *Probes* that go all the way start when theirs says the same, or when one of theirs arrives.
//! 3. The side that will dial decides: a probe arrives → it answers *select* → the other answers
//!    *done* → it dials QUIC on that very path. It is the one whose port can't be foreseen; else
//!    the [`Side::First`].
//! 4. Whose port can't be foreseen opens [`SOCKETS`] sockets that each send openers to the other's
//!    one port, while the other sprays over all ports of its address: by the birthday paradox two
//!    soon meet. If they do not, probes leave as well, for a NAT that lets in what it is sent.

mod aim;
mod probe;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::SocketAddr,
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use self::{
    aim::{Counted, Way, is_counting, is_unforeseeable, way},
    probe::{Keys, Kind},
};
use super::rendezvous::{Mapping, Record, Side};
use crate::identity::PairSecret;

pub use self::probe::{PROBE_LEN, Tag};

/// Sockets of the side whose port can't be foreseen, with the listening one. With as many, 400
/// probes a second meet one in 0.6 s on average.
pub const SOCKETS: usize = 256;

/// Hops after which an opener dies: beyond a carrier's NAT, and before the other's router.
pub const OPENER_TTL: u8 = 4;

/// Between openers, while the other has not answered yet.
const OPENER_PAUSE: Duration = Duration::from_secs(2);

/// For how long openers leave for a record: the program that wrote it may have ended.
const OPENERS_AT_MOST: Duration = Duration::from_secs(12);

/// Between two *select*s on one path, and how many are sent before it counts as one-way.
const SELECT_PAUSE: Duration = Duration::from_millis(60);
const MAX_SELECTS: u32 = 10;

/// Answers on one path, and paths that are answered: a flood of genuine probes costs no more. Each
/// of [`MAX_SELECTS`] is answered twice.
const MAX_PROBE_ANSWERS: u32 = 10;
const MAX_ANSWERS: u32 = MAX_PROBE_ANSWERS + 2 * MAX_SELECTS;
const MAX_PATHS: usize = 8;

/// How long all of it may take. The slowest of 350 measured runs took 14 s.
const PATIENCE: Duration = Duration::from_secs(45);

/// The same where both NATs count: 1,000 ports of each. A carrier's may give no more to one subscriber.
const COUNTING_PATIENCE: Duration = Duration::from_secs(20);

/// A packet to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// From which socket: 0 is the listening one, the others were opened for this punch.
    pub socket: usize,
    /// Where to.
    pub to: SocketAddr,
    /// After how many hops it is to die; none: the system's default.
    pub ttl: Option<u8>,
    /// What.
    pub bytes: [u8; PROBE_LEN],
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// So many sockets are wanted, the listening one included.
    Sockets(usize),
    /// The other's run is another one: the own record is to say so.
    Seen(u64),
    /// There is a way through.
    Open {
        /// The own socket.
        socket: usize,
        /// The other's address, as seen from it.
        remote: SocketAddr,
        /// Whether this side dials; else the other does.
        dials: bool,
    },
    /// There is none.
    Failed(Failure),
}

/// Why there is no way through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Neither port can be foreseen.
    BothUnforeseeable,
    /// One side's network lets no UDP out.
    Blocked,
    /// Nothing came through within 45 s.
    TimedOut,
}

/// See the module's documentation.
pub struct Punch {
    secret: PairSecret,
    side: Side,
    run: u64,
    own: Own,
    their: Option<Record>,
    keys: Option<Keys>,
    stage: Stage,
    sockets: usize,
    /// Further ones could not be had.
    is_alone: bool,
    ticks: u64,
    /// Of these, in which a mapping that is not known was waited for.
    waited: u64,
    due: Option<Instant>,
    /// Ports to try, the next last.
    ports: Vec<u16>,
    counted: Option<Counted>,
    may_count: bool,
    /// Paths that a *select* was sent on: far away, its answer comes when it is given up already.
    /// One at a time, so some 75 at most.
    selected: HashSet<(usize, SocketAddr)>,
    answered: HashMap<(usize, SocketAddr), u32>,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    rng: StdRng,
}

/// What is known of the own NAT.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Own {
    external: Vec<SocketAddr>,
    mapping: Mapping,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// The other's record, or the own address, is not known.
    Waiting,
    /// Openers leave.
    Opening { since: Instant },
    /// Probes leave.
    Probing { since: Instant, chosen: Option<Chosen> },
    /// A way was found, or none. The other's *select* is still answered: the answer may be lost.
    Over { found: bool },
}

impl Stage {
    /// Whether something new may begin it again.
    fn is_idle(self) -> bool {
        matches!(self, Self::Waiting | Self::Opening { .. } | Self::Over { found: false })
    }
}

/// The path that the dialing side tries.
#[derive(Debug, Clone, Copy)]
struct Chosen {
    path: (usize, SocketAddr),
    selects: u32,
    due: Instant,
}

impl Punch {
    /// A punch of a pair. `run` is this run of the program, by a random number other than 0.
    pub fn new(secret: PairSecret, side: Side, run: u64, seed: u64) -> Self {
        Self {
            secret,
            side,
            run,
            own: Own::default(),
            their: None,
            keys: None,
            stage: Stage::Waiting,
            sockets: 1,
            is_alone: false,
            ticks: 0,
            waited: 0,
            due: None,
            ports: Vec::new(),
            counted: None,
            may_count: true,
            selected: HashSet::new(),
            answered: HashMap::new(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            rng: StdRng::seed_from_u64(seed),
        }
    }

    /// What is known of the own NAT now.
    pub fn set_own(&mut self, now: Instant, external: &[SocketAddr], mapping: Mapping) {
        let own = Own { external: external.to_vec(), mapping };
        let before = std::mem::replace(&mut self.own, own);
        let moved =
            has_moved((before.mapping, &before.external), (self.own.mapping, &self.own.external));
        if moved && self.stage.is_idle() {
            self.begin(now);
        }
    }

    /// Whether packets are sent to open a way.
    pub fn is_under_way(&self) -> bool {
        matches!(self.stage, Stage::Opening { .. } | Stage::Probing { .. })
    }

    /// Whether the own NAT's ports may be counted along now. Two punches at a time would put each
    /// other out.
    pub fn may_count(&mut self, may: bool) {
        self.may_count = may;
    }

    /// Whether ports are counted along.
    pub fn is_counting(&self) -> bool {
        self.counted.is_some() && matches!(self.stage, Stage::Probing { .. })
    }

    /// There is but the listening socket, whatever was wanted.
    pub fn stay_alone(&mut self) {
        self.is_alone = true;
    }

    /// How many ports this took of an own NAT that counts.
    pub fn ports_taken(&self) -> i16 {
        self.counted.as_ref().map_or(0, |counted| counted.ports)
    }

    /// The other's newest record.
    pub fn handle_record(&mut self, now: Instant, record: Record) {
        let other_run = self.their.as_ref().is_none_or(|their| their.run != record.run);
        let counts = self.is_counting();
        let moved = self.their.as_ref().is_some_and(|their| {
            // What they hear of their mapping while ports are counted comes of the probes.
            let mapping = if counts { their.mapping } else { record.mapping };
            has_moved((their.mapping, &their.external), (mapping, &record.external))
        });
        if other_run {
            // Their program was started anew: nothing before counts.
            self.keys = Some(Keys::new(&self.secret, self.side, self.run, record.run));
            self.answered.clear();
            self.events.push_back(Event::Seen(record.run));
        }
        let mutual = record.seen == self.run;
        self.their = Some(record);
        match self.stage {
            _ if other_run || moved => self.begin(now),
            Stage::Waiting | Stage::Over { found: false } => self.begin(now),
            Stage::Opening { .. } if mutual => self.start_probing(now),
            _ => {}
        }
    }

    /// What all probes for this punch begin with; none before there can be any.
    pub fn tag(&self) -> Option<Tag> {
        self.keys.as_ref().map(Keys::their_tag)
    }

    /// Something arrived on a socket. Returns whether it was a genuine probe.
    pub fn handle_probe(
        &mut self,
        now: Instant,
        socket: usize,
        from: SocketAddr,
        bytes: &[u8],
    ) -> bool {
        let Some(kind) = self.keys.as_ref().and_then(|keys| keys.open(bytes)) else {
            return false;
        };
        // It proves the same as their record: they know this run, and are open for it.
        if matches!(self.stage, Stage::Waiting | Stage::Opening { .. }) {
            self.start_probing(now);
        }
        let path = (socket, from);
        match (kind, self.dials()) {
            (Kind::Probe, true) => {
                if let Stage::Probing { chosen: chosen @ None, .. } = &mut self.stage {
                    *chosen = Some(Chosen { path, selects: 0, due: now });
                    self.due = Some(now);
                }
            }
            // Both answers twice: a lost one would cost the other a whole pause, or the only path.
            (Kind::Probe, false) => {
                for _ in 0..2 {
                    self.answer(path, Kind::Probe);
                }
            }
            (Kind::Select, false) => {
                for _ in 0..2 {
                    self.answer(path, Kind::Done);
                }
                if matches!(self.stage, Stage::Probing { .. }) {
                    self.found(path, false);
                }
            }
            (Kind::Done, true) => {
                if matches!(self.stage, Stage::Probing { .. }) && self.selected.contains(&path) {
                    self.found(path, true);
                }
            }
            (Kind::Select, true) | (Kind::Done, false) => {}
        }
        true
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Something may be due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        match self.stage {
            Stage::Waiting | Stage::Over { .. } => self.due = None,
            Stage::Opening { since } => {
                if now - since >= OPENERS_AT_MOST {
                    // Their next record tells whether they are there.
                    self.stage = Stage::Waiting;
                    self.due = None;
                } else {
                    self.send_openers();
                    self.due = Some(now + OPENER_PAUSE);
                }
            }
            Stage::Probing { since, .. } if now - since >= self.patience() => {
                self.fail(Failure::TimedOut);
            }
            Stage::Probing { .. } => self.tick(now),
        }
    }

    /// The next packet to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn patience(&self) -> Duration {
        let their = self.their.as_ref().map(|their| their.mapping).unwrap_or_default();
        let counts = self.counted.is_some() || way(self.own.mapping, their) == Some(Way::Counting);
        if counts { COUNTING_PATIENCE } else { PATIENCE }
    }

    /// Whether this side is the one to dial.
    fn dials(&self) -> bool {
        let their = self.their.as_ref().map(|their| their.mapping).unwrap_or_default();
        match (is_unforeseeable(self.own.mapping), is_unforeseeable(their)) {
            (true, false) => true,
            (false, true) => false,
            _ => self.side == Side::First,
        }
    }

    /// Begins, or begins again, if enough is known.
    fn begin(&mut self, now: Instant) {
        self.stage = Stage::Waiting;
        self.due = None;
        self.ports.clear();
        self.selected.clear();
        self.sockets = 1;
        self.is_alone = false;
        let Some(their) = &self.their else { return };
        if their.mapping == Mapping::Blocked || self.own.mapping == Mapping::Blocked {
            return self.fail(Failure::Blocked);
        }
        if self.own.external.is_empty() || their.external.is_empty() {
            return;
        }
        let mutual = their.seen == self.run;
        if way(self.own.mapping, their.mapping).is_none() && !self.have_ipv6() {
            return self.fail(Failure::BothUnforeseeable);
        }
        self.send_openers();
        if mutual {
            self.start_probing(now);
        } else {
            self.stage = Stage::Opening { since: now };
            self.due = Some(now + OPENER_PAUSE);
        }
    }

    fn send_openers(&mut self) {
        // From a NAT that gives each destination another port it would only use one up.
        if is_unforeseeable(self.own.mapping) {
            return;
        }
        for to in self.their.iter().flat_map(|their| their.external.clone()).collect::<Vec<_>>() {
            self.send(0, to, Some(OPENER_TTL), Kind::Probe);
        }
    }

    fn start_probing(&mut self, now: Instant) {
        self.stage = Stage::Probing { since: now, chosen: None };
        self.counted = None;
        (self.ticks, self.waited) = (0, 0);
        self.due = Some(now);
    }

    /// Whether a path is being tried; then nothing else is sent.
    fn go_on_selecting(&mut self, now: Instant) -> bool {
        let Stage::Probing { chosen, .. } = &mut self.stage else { return false };
        let Some(trying) = chosen else { return false };
        if trying.due > now {
            return true;
        }
        if trying.selects >= MAX_SELECTS {
            *chosen = None;
            return false;
        }
        trying.selects += 1;
        trying.due = now + SELECT_PAUSE;
        let (socket, to) = trying.path;
        self.selected.insert(trying.path);
        self.send(socket, to, None, Kind::Select);
        true
    }

    /// The way in works; the dialing side learns so from an answer, and can choose it.
    fn answer(&mut self, path: (usize, SocketAddr), kind: Kind) {
        if self.answered.len() >= MAX_PATHS && !self.answered.contains_key(&path) {
            return;
        }
        let most = if kind == Kind::Probe { MAX_PROBE_ANSWERS } else { MAX_ANSWERS };
        let answers = self.answered.entry(path).or_default();
        if *answers < most {
            *answers += 1;
            self.send(path.0, path.1, None, kind);
        }
    }

    fn found(&mut self, path: (usize, SocketAddr), dials: bool) {
        self.stage = Stage::Over { found: true };
        self.due = None;
        self.events.push_back(Event::Open { socket: path.0, remote: path.1, dials });
    }

    fn fail(&mut self, failure: Failure) {
        self.stage = Stage::Over { found: false };
        self.due = None;
        self.events.push_back(Event::Failed(failure));
    }

    fn send(&mut self, socket: usize, to: SocketAddr, ttl: Option<u8>, kind: Kind) {
        if let Some(keys) = &self.keys {
            let bytes = keys.seal(kind, self.rng.random());
            self.transmits.push_back(Transmit { socket, to, ttl, bytes });
        }
    }
}

/// Whether what is sent to the one address does not reach the other. Where each destination gets
/// another port, only the IP address is one.
fn has_moved(before: (Mapping, &[SocketAddr]), after: (Mapping, &[SocketAddr])) -> bool {
    let ips = |external: &[SocketAddr]| external.iter().map(SocketAddr::ip).collect::<HashSet<_>>();
    let counts = |mapping| matches!(mapping, Mapping::Dependent { step } if is_counting(step));
    let same = is_unforeseeable(before.0)
        && is_unforeseeable(after.0)
        && counts(before.0) == counts(after.0);
    (before.0 != after.0 && !same)
        || ips(before.1) != ips(after.1)
        || (!is_unforeseeable(after.0) && before.1 != after.1)
}

#[cfg(test)]
mod tests;
