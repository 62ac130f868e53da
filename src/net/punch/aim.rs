//! Where probes go, tick by tick, by the mappings of the two NATs.

use std::{
    collections::HashSet,
    net::SocketAddr,
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use rand::{RngExt, rngs::StdRng, seq::SliceRandom};

use super::{Event, OPENER_TTL, Punch, SOCKETS, probe::Kind};
use crate::net::rendezvous::{Mapping, Side};

/// How often there is something to do while probes are sent.
const TICK: Duration = Duration::from_millis(10);

/// Ticks between two probes to a known address.
const DIRECT_TICKS: u64 = 5;

/// For so long the side with many sockets sends openers alone: nearly all have met by then, though
/// the other began seconds later.
const OPENERS_FIRST_TICKS: u64 = 1_000;

/// One mapping is not known, and the other depends on the destination: for so long the unknown one
/// is waited for, as a second observer may only be late. What many sockets, or probes to many
/// ports, take of a NAT that counts could not be foreseen any more.
const UNKNOWN_TICKS: u64 = 500;

/// Probes a tick over ports that are guessed: 400 a second, each of 25 bytes.
const SPRAY_PER_TICK: usize = 4;

/// Where both NATs count, so many probes leave to each port, one a tick: one that is lost before it
/// comes to the own NAT takes no port there.
const PROBES_PER_PORT: u64 = 2;

/// How many ports others have taken since the records were written, less what was lost before it
/// came to a NAT, is guessed in turn from the least to the most. Losses go on: the least is one less
/// for so many ports.
const LEAST: i16 = -16;
const MOST: i16 = 40;
const LEAST_BY_PORTS: i16 = 10;

/// Between two turns, so many guesses beyond the most, at random: others may go on taking ports. They
/// reach one further for so many ports.
const BEYOND: u16 = 57;
const BEYOND_BY_PORTS: i16 = 2;

/// Sockets opened a tick, so that a router's table is not filled at once.
const OPEN_PER_TICK: usize = 8;

/// Ports tried first after the last known one, where a NAT counts upwards or downwards.
const PREDICTED: u16 = 600;

/// A step between two ports that still is counting.
const MAX_STEP: u16 = 16;

/// The mappings of the many sockets are renewed within this: NATs keep silent ones 30 s or more.
const REFRESH_TICKS: usize = 1000;

/// What is sent where, by the two mappings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// To the other's addresses.
    Direct,
    /// From many sockets to the other's one port.
    ManySockets,
    /// To many ports of the other.
    ManyPorts,
    /// Both count: to the other's ports, one after the other.
    Counting,
}

impl Punch {
    pub(super) fn tick(&mut self, now: Instant) {
        self.due = Some(now + TICK);
        self.ticks += 1;
        if self.go_on_selecting(now) {
            return;
        }
        let Some(their) = &self.their else { return };
        let way = match way(self.own.mapping, their.mapping) {
            // What is heard of the mappings meanwhile comes of these very packets.
            _ if self.counted.is_some() => Some(Way::Counting),
            Some(Way::ManySockets | Way::ManyPorts)
                if [self.own.mapping, their.mapping].contains(&Mapping::Unknown)
                    && self.ticks < UNKNOWN_TICKS =>
            {
                self.waited = self.ticks;
                None
            }
            way => way,
        };
        // What is known of ports is known of IPv4.
        let ipv4 = their.external.iter().rev().find(|address| address.is_ipv4());
        let Some(first) = ipv4.or(their.external.last()).copied() else { return };
        let step = match their.mapping {
            Mapping::Dependent { step } => step,
            _ => 0,
        };
        match way {
            Some(Way::Direct) => self.tick_direct(),
            Some(Way::ManySockets) => self.tick_many_sockets(first),
            Some(Way::ManyPorts) => self.tick_many_ports(first, step),
            Some(Way::Counting) => self.tick_counting(first, step),
            None => {}
        }
        if way != Some(Way::Direct) && self.have_ipv6() {
            self.tick_ipv6();
        }
    }

    /// Whether both have addresses of IPv6, which no NAT stands before.
    pub(super) fn have_ipv6(&self) -> bool {
        let their = self.their.iter().flat_map(|their| &their.external);
        self.own.external.iter().any(SocketAddr::is_ipv6) && { their }.any(SocketAddr::is_ipv6)
    }

    fn tick_ipv6(&mut self) {
        if self.ticks % DIRECT_TICKS != 1 {
            return;
        }
        let their = self.their.iter().flat_map(|their| their.external.clone());
        for to in their.filter(SocketAddr::is_ipv6).collect::<Vec<_>>() {
            self.send(0, to, None, Kind::Probe);
        }
    }

    fn tick_direct(&mut self) {
        if self.ticks % DIRECT_TICKS != 1 {
            return;
        }
        let Some(their) = &self.their else { return };
        let mut to = their.external.clone();
        // Behind one NAT they are in one network, perhaps.
        let same = to.iter().any(|their| self.own.external.iter().any(|o| o.ip() == their.ip()));
        if same {
            to.extend(their.local.iter().copied());
        }
        for to in to {
            self.send(0, to, None, Kind::Probe);
        }
    }

    /// The listening socket first, then more of them; each sends once, and again before its mapping
    /// is forgotten. Openers only: the other's probes come in by them. From the first probes leave
    /// later, for a NAT that lets in what it is sent; at once if it is the only one.
    fn tick_many_sockets(&mut self, to: SocketAddr) {
        if self.ticks % 50 == 1 {
            // A router that takes what it is sent for its own, as Linux does whose input is open,
            // gives them another port outside once they send to this one, and from then on
            // whatever they send: nothing would meet.
            let their = self.their.as_ref().map(|their| their.mapping);
            let early = self.ticks - self.waited < OPENERS_FIRST_TICKS;
            let careful = early && !self.is_alone && their != Some(Mapping::None);
            self.send(0, to, careful.then_some(OPENER_TTL), Kind::Probe);
        }
        if self.sockets < SOCKETS {
            let before = self.sockets;
            self.sockets = (before + OPEN_PER_TICK).min(SOCKETS);
            self.events.push_back(Event::Sockets(self.sockets));
            for socket in before..self.sockets {
                self.send(socket, to, Some(OPENER_TTL), Kind::Probe);
            }
        } else {
            let slot = usize::try_from(self.ticks).unwrap_or_default() % REFRESH_TICKS;
            if (1..self.sockets).contains(&slot) {
                self.send(slot, to, Some(OPENER_TTL), Kind::Probe);
            }
        }
    }

    fn tick_many_ports(&mut self, last: SocketAddr, step: i16) {
        for _ in 0..SPRAY_PER_TICK {
            if self.ports.is_empty() {
                self.ports = (1024..=u16::MAX).collect();
                self.ports.shuffle(&mut self.rng);
                if is_counting(step) {
                    let next = (1..=PREDICTED).rev();
                    self.ports.extend(
                        next.map(|n| {
                            last.port().wrapping_add_signed(step.signum() * n.cast_signed())
                        }),
                    );
                }
            }
            if let Some(port) = self.ports.pop() {
                self.send(0, SocketAddr::new(last.ip(), port), None, Kind::Probe);
            }
        }
    }

    /// Each packet to another port takes the next port of the own NAT, so the n-th packets of both
    /// sides would meet, if nothing else took ports since the records were written. How many were
    /// taken on both sides together is guessed by the second side alone: the first aims at the
    /// other's n-th port with its n-th packet, the second at that and the guess. So it matters
    /// neither who began earlier, nor how far apart they are.
    fn tick_counting(&mut self, last: SocketAddr, step: i16) {
        let guesses = self.side == Side::Second;
        if self.counted.is_none() && !self.may_count {
            return;
        }
        // A newer record would tell of ports that these packets took. They are numbered from here.
        let counted = self.counted.get_or_insert_with(|| Counted::new(last, step));
        if counted.ticks.is_multiple_of(PROBES_PER_PORT) {
            counted.aim(guesses.then_some(&mut self.rng));
        }
        counted.ticks += 1;
        let to = counted.to;
        self.send(0, to, None, Kind::Probe);
    }
}

/// Where both NATs count.
#[derive(Debug)]
pub(super) struct Counted {
    /// The last port of theirs that was known when the probes began, and which way it counts.
    last: SocketAddr,
    direction: i16,
    ticks: u64,
    /// To how many ports probes left.
    pub(super) ports: i16,
    /// How far from `last` those are: another packet to one takes no other port of the own NAT.
    aimed: HashSet<i16>,
    to: SocketAddr,
    /// What is left of the guesses in turn, and how many others were made since.
    turn: RangeInclusive<i16>,
    beyond: u16,
}

impl Counted {
    pub(super) fn new(last: SocketAddr, step: i16) -> Self {
        Self {
            last,
            direction: step.signum(),
            ticks: 0,
            ports: 0,
            aimed: HashSet::new(),
            to: last,
            turn: LEAST..=MOST,
            beyond: 0,
        }
    }

    /// Aims at the next port, with a guess or without.
    pub(super) fn aim(&mut self, mut guessing: Option<&mut StdRng>) -> SocketAddr {
        /// More than half of the ports are free.
        const TRIES: u32 = 50;
        self.ports = self.ports.saturating_add(1);
        for _ in 0..TRIES {
            let guess = guessing.as_mut().map_or(0, |rng| self.guess(rng));
            let ahead = self.ports.saturating_add(guess);
            if self.aimed.insert(ahead) {
                let port = self.last.port();
                let port = port.wrapping_add_signed(self.direction.saturating_mul(ahead));
                self.to.set_port(port);
                break;
            }
        }
        self.to
    }

    fn guess(&mut self, rng: &mut StdRng) -> i16 {
        if let Some(guess) = self.turn.next() {
            return guess;
        }
        self.beyond += 1;
        if self.beyond == BEYOND {
            self.beyond = 0;
            self.turn = LEAST.saturating_sub(self.ports / LEAST_BY_PORTS)..=MOST;
        }
        rng.random_range(MOST..=MOST.saturating_add(self.ports / BEYOND_BY_PORTS))
    }
}

pub(super) fn is_unforeseeable(mapping: Mapping) -> bool {
    matches!(mapping, Mapping::Dependent { .. })
}

pub(super) fn is_counting(step: i16) -> bool {
    (1..=MAX_STEP).contains(&step.unsigned_abs())
}

/// How two mappings are got through, from the first one's side.
pub(super) fn way(own: Mapping, their: Mapping) -> Option<Way> {
    match (own, their) {
        (Mapping::Blocked, _) | (_, Mapping::Blocked) => None,
        (Mapping::Dependent { step: a }, Mapping::Dependent { step: b }) => {
            (is_counting(a) && is_counting(b)).then_some(Way::Counting)
        }
        (Mapping::Dependent { .. }, _) => Some(Way::ManySockets),
        (_, Mapping::Dependent { .. }) => Some(Way::ManyPorts),
        _ => Some(Way::Direct),
    }
}
