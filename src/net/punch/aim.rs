//! Where probes go, tick by tick, by the mappings of the two NATs.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use rand::{RngExt, seq::SliceRandom};

use super::{Event, OPENER_TTL, Punch, SOCKETS, probe::Kind};
use crate::net::rendezvous::Mapping;

/// How often there is something to do while probes are sent.
const TICK: Duration = Duration::from_millis(10);

/// Ticks between two probes to a known address.
const DIRECT_TICKS: u64 = 5;

/// So long the other may begin later to send to ports that can be guessed.
const OPENERS_FIRST_TICKS: u64 = 150;

/// Probes a tick over ports that are guessed: 400 a second, each of 25 bytes.
const SPRAY_PER_TICK: usize = 4;

/// Ticks between two probes where both NATs count: slow enough that two who begin half a second
/// apart are not far apart.
const COUNTING_TICKS: u64 = 3;

/// How far from the expected port those probes go: twice as many packets until two meet.
const COUNTING_SPREAD: i16 = 24;

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
        let way = way(self.own.mapping, their.mapping);
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

    /// Each packet to another port takes the next port of the own NAT. Which one the other's NAT
    /// has come to is known but for what either side has sent elsewhere, or sent earlier, so the
    /// aim is spread a little: after as many packets as the spread is wide two meet.
    fn tick_counting(&mut self, last: SocketAddr, step: i16) {
        if self.ticks % COUNTING_TICKS != 1 {
            return;
        }
        // No port twice: a packet to the same takes no other port of the own NAT.
        let sent = i16::try_from(self.ticks / COUNTING_TICKS).unwrap_or(i16::MAX);
        self.aims.retain(|aim| *aim >= sent.saturating_sub(COUNTING_SPREAD));
        let nearest = if sent == 0 { -COUNTING_SPREAD } else { COUNTING_SPREAD };
        self.aims.extend((nearest..=COUNTING_SPREAD).map(|aim| aim.saturating_add(sent + 1)));
        let ahead = self.aims.swap_remove(self.rng.random_range(..self.aims.len()));
        let port = last.port().wrapping_add_signed(step.signum().saturating_mul(ahead));
        self.send(0, SocketAddr::new(last.ip(), port), None, Kind::Probe);
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
