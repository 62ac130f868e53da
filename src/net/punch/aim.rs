//! Where probes go, tick by tick, by the mappings of the two NATs.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use rand::seq::SliceRandom;

use super::{Event, OPENER_TTL, Punch, SOCKETS, probe::Kind};
use crate::net::rendezvous::{Mapping, Side};

/// How often there is something to do while probes are sent.
const TICK: Duration = Duration::from_millis(10);

/// Ticks between two probes to a known address.
const DIRECT_TICKS: u64 = 5;

/// So long the other may begin later to send to ports that can be guessed.
const OPENERS_FIRST_TICKS: u64 = 150;

/// While it is not known how one of the two NATs maps, so long only the known addresses are tried:
/// a second observer is a little late, perhaps, and what many sockets or probes to many ports take
/// of a NAT that counts can't be foreseen any more.
const UNKNOWN_TICKS: u64 = 300;

/// Probes a tick over ports that are guessed: 400 a second, each of 25 bytes.
const SPRAY_PER_TICK: usize = 4;

/// Where both NATs count, so many probes leave to each port, one a tick: one that is lost before it
/// comes to the own NAT takes no port there.
const PROBES_PER_PORT: u64 = 2;

/// Where the first sweep begins and ends: others may have taken ports since the records were
/// written, and what is lost takes none. Each further one goes a quarter farther.
const SWEEP_FROM: i16 = -16;
const SWEEP_TO: i16 = 40;

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
    /// Both count: the same number of packets from each side.
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
        let mappings = [self.own.mapping, their.mapping];
        let way = if mappings.contains(&Mapping::Unknown) && self.ticks < UNKNOWN_TICKS {
            Some(Way::Direct)
        } else {
            way(self.own.mapping, their.mapping)
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

    /// The listening socket alone first, then more of them; each sends once, and again before its
    /// mapping is forgotten. Openers only: the other's probes come in by them.
    fn tick_many_sockets(&mut self, to: SocketAddr) {
        if self.ticks % 50 == 1 {
            // Where ports are counted theirs soon comes to this one. If this came first their
            // router may take the port, and from then on send everything from another one.
            let counts =
                matches!(self.own.mapping, Mapping::Dependent { step } if is_counting(step));
            let early = counts && self.ticks < OPENERS_FIRST_TICKS;
            self.send(0, to, early.then_some(OPENER_TTL), Kind::Probe);
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
    /// sides would meet, if nothing else had taken ports since the records were written. How many
    /// were taken on both sides together is guessed by the second side alone: the first aims at
    /// the other's n-th port with its n-th packet, the second sweeps over the guesses, one a
    /// packet. Whatever is right is met in one sweep, whoever began earlier, and however far apart
    /// they are.
    fn tick_counting(&mut self, last: SocketAddr, step: i16) {
        // A newer record would tell of ports that these packets took. They are numbered from here.
        let counted = self.counted.get_or_insert_with(|| Counted::from(last));
        if self.ticks % PROBES_PER_PORT == 1 {
            let guess = match self.side {
                Side::First => 0,
                Side::Second => counted.guess(),
            };
            let ahead = counted.sent.saturating_add(1).saturating_add(guess);
            let port = counted.last.port();
            let port = port.wrapping_add_signed(step.signum().saturating_mul(ahead));
            counted.sent = counted.sent.saturating_add(1);
            counted.to.set_port(port);
        }
        let to = counted.to;
        self.send(0, to, None, Kind::Probe);
    }
}

/// Where both NATs count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    /// The last port of theirs that was known when the probes began.
    last: SocketAddr,
    /// To how many ports probes left, and to which the last.
    sent: i16,
    to: SocketAddr,
    guess: i16,
    sweep: (i16, i16),
}

impl From<SocketAddr> for Counted {
    fn from(last: SocketAddr) -> Self {
        Self { last, sent: 0, to: last, guess: SWEEP_FROM, sweep: (SWEEP_FROM, SWEEP_TO) }
    }
}

impl Counted {
    /// Guesses, in ascending order, again and again, further each time. With one guess a port none
    /// is sent to twice, which would take no other port of the own NAT: within a sweep every
    /// second port is passed over, and the next sweep goes over the others.
    fn guess(&mut self) -> i16 {
        let guess = self.guess;
        self.guess = guess.saturating_add(1);
        let (from, to) = self.sweep;
        if guess >= to {
            // By even numbers: so the number of guesses stays odd, and the next sweep goes over
            // the other ports.
            let further = |end: i16| end.saturating_add(end / 8 * 2);
            self.sweep = (further(from), further(to));
            self.guess = self.sweep.0;
        }
        guess
    }
}

pub(super) fn is_unforeseeable(mapping: Mapping) -> bool {
    matches!(mapping, Mapping::Dependent { .. })
}

fn is_counting(step: i16) -> bool {
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
