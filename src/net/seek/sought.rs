//! One who is sought: what was written and read, and when to write, read and begin anew.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use libp2p::PeerId;

use super::{Extra, carrier::Carrier, name::Name, tcp};
use crate::{
    identity::PairSecret,
    net::{
        dht::Dht,
        punch::{Failure, Punch},
        rendezvous::{Mapping, Record, Side},
    },
    node::api::{Attempt, UnixMillis},
};

/// How long somebody may be waiting: after the own start, and after each newer word of theirs.
const FAST_FOR: Duration = Duration::from_secs(60);

/// After a way was found, or none, all begins anew if there is still no link; doubling to
/// [`AGAIN_AT_LAST`].
pub const AGAIN: Duration = Duration::from_secs(15);
const AGAIN_AT_LAST: Duration = Duration::from_secs(300);

/// Somebody to find.
pub struct Sought {
    /// What the two share.
    pub secret: PairSecret,
    /// Which of the two is here.
    pub side: Side,
}

/// How the search for somebody goes.
#[derive(Debug, Clone)]
pub struct Search {
    /// How their NAT maps, if they have left word lately.
    pub their: Option<Mapping>,
    /// Whether their word names this run: they were there since it began.
    pub knows_us: bool,
    /// Why there is no way through, if that is known.
    pub failure: Option<Failure>,
    /// Whether the router of one of the two lets the other in.
    pub is_mapped: bool,
    /// Whether packets are sent to open one.
    pub is_under_way: bool,
    /// What was done.
    pub attempts: Vec<Attempt>,
}

/// One who is sought.
pub struct Seek {
    pub secret: PairSecret,
    pub side: Side,
    pub punch: Punch,
    pub their: Option<Record>,
    /// Of their words, only later ones count.
    pub after: UnixMillis,
    /// The run of theirs that the own record is to name.
    pub seen: u64,
    /// What each DHT carries.
    carriers: [Carrier; 2],
    /// Who keeps what is written under the names of each side, in the public DHT.
    pub names: HashMap<(Side, u64), Name>,
    pub fast_until: Instant,
    /// Opened for the punch; the first one has number 1 there.
    pub sockets: Vec<Extra>,
    /// Where UDP does not lead there.
    pub tcp: Option<tcp::Opening>,
    pub again: Option<Instant>,
    pub again_pause: Duration,
    /// Why the last punch was in vain.
    pub failure: Option<Failure>,
    /// When a way was last tried.
    pub last_punch: UnixMillis,
}

impl Seek {
    pub fn new(sought: Sought, run: u64, after: UnixMillis, now: Instant) -> Self {
        let Sought { secret, side } = sought;
        Self {
            punch: Punch::new(secret.clone(), side, run, rand::random()),
            secret,
            side,
            their: None,
            after,
            seen: 0,
            carriers: Dht::ALL.map(|dht| Carrier::new(dht, now)),
            names: HashMap::new(),
            fast_until: now + FAST_FOR,
            sockets: Vec::new(),
            tcp: None,
            again: None,
            again_pause: AGAIN,
            failure: None,
            last_punch: 0,
        }
    }

    /// How it goes for this run of ours.
    pub fn search(&self, run: u64) -> Search {
        let knows_us = self.their.as_ref().is_some_and(|their| their.seen == run);
        let mut attempts = Vec::new();
        let mut attempt = |path: &str, address: String, at, outcome: &str| {
            if at > 0 {
                let (path, outcome) = (path.to_owned(), outcome.to_owned());
                attempts.push(Attempt { path, address, at, outcome });
            }
        };
        let found = if self.their.is_some() { "found their word" } else { "found no word of them" };
        for (carrier, path) in self.carriers.iter().zip(["dht", "public dht"]) {
            attempt(path, String::new(), carrier.last_write, "left word for them");
            attempt(path, String::new(), carrier.last_read, found);
        }
        let outcome = match self.failure {
            _ if self.punch.is_under_way() => "under way",
            Some(Failure::BothUnforeseeable) => "impossible: neither port can be foreseen",
            Some(Failure::Blocked) if self.tcp.is_some() => "no UDP: trying TCP",
            Some(Failure::Blocked) if knows_us => "impossible: no UDP, and no way in by TCP",
            Some(Failure::Blocked) => "no UDP: TCP waits for their answer",
            Some(Failure::TimedOut) => "nothing came through",
            None => "a way is open",
        };
        let to = self.their.iter().flat_map(|their| &their.external);
        let to: Vec<_> = to.map(ToString::to_string).collect();
        attempt("punch", to.join(", "), self.last_punch, outcome);
        Search {
            their: self.their.as_ref().map(|their| their.mapping),
            knows_us,
            failure: self.failure.filter(|_| self.tcp.is_none()),
            is_mapped: self.their.as_ref().is_some_and(|their| their.ways_in.is_any()),
            is_under_way: self.punch.is_under_way() || self.tcp.is_some(),
            attempts,
        }
    }

    /// When something is due; the DHTs that may be asked count.
    pub fn poll_timeout(&self, may_ask: [bool; 2]) -> Option<Instant> {
        let carriers = self.carriers.iter().zip(may_ask).filter(|(_, may)| *may);
        let asks = carriers.map(|(carrier, _)| carrier.poll_timeout());
        let tcp = self.tcp.map(|tcp| tcp.due);
        asks.chain(self.punch.poll_timeout()).chain(tcp).chain(self.again).min()
    }

    pub fn carrier(&mut self, dht: Dht) -> &mut Carrier {
        &mut self.carriers[dht as usize]
    }

    /// Everywhere, the record is to be written even if it is the same.
    pub fn write_anew(&mut self, at: Instant) {
        for carrier in &mut self.carriers {
            carrier.write_anew(at);
        }
    }

    /// From now on they may be waiting: what was good enough before is so no more.
    pub fn may_wait(&mut self, now: Instant) {
        if now >= self.fast_until {
            self.names.values_mut().for_each(|name| name.ends(now));
        }
        self.fast_until = now + FAST_FOR;
        for carrier in &mut self.carriers {
            carrier.write_soon(now);
        }
    }

    /// To be looked for at once, and often.
    pub fn hurry(&mut self, now: Instant) {
        self.may_wait(now);
        for carrier in &mut self.carriers {
            carrier.read_due = now;
        }
    }

    /// When to look next, where one may.
    pub fn read_due(&self, may_ask: [bool; 2]) -> Option<Instant> {
        let carriers = self.carriers.iter().zip(may_ask).filter(|(_, may)| *may);
        carriers.map(|(carrier, _)| carrier.read_due).min()
    }

    /// The own record was written.
    pub fn wrote(&mut self, dht: Dht, epochs: &[u64], written: (u64, Record), now: Instant) {
        let fast = now < self.fast_until;
        self.carrier(dht).wrote(epochs, written, fast, now);
    }

    /// A look is over.
    pub fn has_read(&mut self, dht: Dht, now: Instant, (fast, slow): (Duration, Duration)) {
        let pause = if now < self.fast_until { fast } else { slow };
        self.carrier(dht).has_read(now, pause);
    }

    /// A node of a name does not answer; when none is left they are looked up anew. Returns whether
    /// another is to be asked at once.
    pub fn lost_node(&mut self, epoch: u64, node: PeerId) -> bool {
        let name = (self.side.other(), epoch);
        let Some(nodes) = self.names.get_mut(&name) else { return false };
        let ask_again = nodes.lose(node);
        if nodes.nodes.is_empty() {
            self.names.remove(&name);
        }
        ask_again
    }

    /// Begins anew: from now on, a word counts that the punch before did not have.
    pub fn begin_anew(&mut self, run: u64, now: Instant) {
        self.punch = Punch::new(self.secret.clone(), self.side, run, rand::random());
        self.sockets.clear();
        self.tcp = None;
        self.write_anew(now);
        self.hurry(now);
        match self.their.take() {
            Some(their) if their.time > self.after => self.punch.handle_record(now, their),
            _ => {}
        }
    }

    /// The punch is over: what was known until now is used up.
    pub fn is_over(&mut self, now: Instant) {
        self.after = self.their.as_ref().map_or(self.after, |their| their.time);
        self.again = Some(now + self.again_pause);
        self.again_pause = (self.again_pause * 2).min(AGAIN_AT_LAST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_all_nodes_of_a_name_are_lost_others_are_looked_up() {
        let nodes: Vec<_> = (0..5).map(|_| PeerId::random()).collect();
        let sought = Sought { secret: PairSecret::from_bytes([7; 32]), side: Side::First };
        let mut seek = Seek::new(sought, 1, 0, Instant::now());
        seek.names.insert((Side::Second, 5), Name::of(nodes.clone()));
        let mut lost = |n: usize| seek.lost_node(5, nodes[n]);
        assert_eq!([0, 1, 2, 3, 4].map(&mut lost), [true, false, true, false, false]);
        assert!(seek.names.is_empty(), "others are looked up");
    }

    #[test]
    fn who_may_be_waiting_is_held_up_by_nothing_that_was_in_vain() {
        let (now, hour) = (Instant::now(), Duration::from_secs(3600));
        let sought = Sought { secret: PairSecret::from_bytes([7; 32]), side: Side::First };
        let mut seek = Seek::new(sought, 1, 0, now);
        seek.fast_until = now;
        let mut name = Name::of(vec![PeerId::random()]);
        name.wait(now, hour);
        seek.names.insert((Side::First, 5), name);
        for carrier in &mut seek.carriers {
            carrier.read_due = now + hour;
            carrier.write_later(now + hour);
        }
        seek.may_wait(now);
        assert!(seek.names[&(Side::First, 5)].wants_others(now));
        let second = now + Duration::from_secs(1);
        assert!(seek.carriers.iter().all(|carrier| carrier.poll_timeout() <= second));
        assert!(seek.fast_until >= now + FAST_FOR);
        // Of what is found while they may be waiting, each is good enough for its time.
        seek.names.get_mut(&(Side::First, 5)).unwrap().wait(now, hour);
        seek.may_wait(now);
        assert!(!seek.names[&(Side::First, 5)].wants_others(now));
    }
}
