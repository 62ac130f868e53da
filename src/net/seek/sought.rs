//! One who is sought: what was written and read, and when to write, read and begin anew.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::{Extra, SLOWEST_READ, tcp, wall_clock};
use crate::{
    identity::PairSecret,
    net::{
        punch::{Failure, Punch},
        rendezvous::{Mapping, Record, Side},
    },
    node::api::{Attempt, UnixMillis},
};

/// How long somebody may be waiting: after the own start, and after each newer word of theirs.
pub const FAST_FOR: Duration = Duration::from_secs(60);

/// An unchanged record is written anew after this: nodes that keep it come and go.
const WRITE_AGAIN: Duration = Duration::from_secs(1200);

/// Between two writings of one record: addresses are learned one after the other.
const WRITE_PAUSE: Duration = Duration::from_millis(150);

/// After a way was found, or none, all begins anew if there is still no link; doubling to
/// [`SLOWEST_READ`].
pub const AGAIN: Duration = Duration::from_secs(15);

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
    /// Why there is no way through, if that is known.
    pub failure: Option<Failure>,
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
    /// What was written in each epoch, and when.
    pub written: HashMap<u64, (Record, Instant)>,
    pub write_after: Instant,
    pub read_due: Instant,
    /// A look is under way.
    pub is_reading: bool,
    pub fast_until: Instant,
    /// Opened for the punch; the first one has number 1 there.
    pub sockets: Vec<Extra>,
    /// Where UDP does not lead there.
    pub tcp: Option<tcp::Opening>,
    pub again: Option<Instant>,
    pub again_pause: Duration,
    /// Why the last punch was in vain.
    pub failure: Option<Failure>,
    /// When word was last left, looked for, and a way tried.
    pub last_write: UnixMillis,
    pub last_read: UnixMillis,
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
            written: HashMap::new(),
            write_after: now,
            read_due: now,
            is_reading: false,
            fast_until: now + FAST_FOR,
            sockets: Vec::new(),
            tcp: None,
            again: None,
            again_pause: AGAIN,
            failure: None,
            last_write: 0,
            last_read: 0,
            last_punch: 0,
        }
    }

    pub fn search(&self) -> Search {
        let mut attempts = Vec::new();
        let mut attempt = |path: &str, address: String, at, outcome: &str| {
            if at > 0 {
                let (path, outcome) = (path.to_owned(), outcome.to_owned());
                attempts.push(Attempt { path, address, at, outcome });
            }
        };
        attempt("dht", String::new(), self.last_write, "left word for them");
        let found = if self.their.is_some() { "found their word" } else { "found no word of them" };
        attempt("dht", String::new(), self.last_read, found);
        let outcome = match self.failure {
            _ if self.punch.is_under_way() => "under way",
            Some(Failure::BothUnforeseeable) => "impossible: neither port can be foreseen",
            Some(Failure::Blocked) if self.tcp.is_some() => "no UDP: trying TCP",
            Some(Failure::Blocked) => "impossible: no UDP, and no way in by TCP",
            Some(Failure::TimedOut) => "nothing came through",
            None => "a way is open",
        };
        let to = self.their.iter().flat_map(|their| &their.external);
        let to: Vec<_> = to.map(ToString::to_string).collect();
        attempt("punch", to.join(", "), self.last_punch, outcome);
        Search {
            their: self.their.as_ref().map(|their| their.mapping),
            failure: self.failure.filter(|_| self.tcp.is_none()),
            is_under_way: self.punch.is_under_way() || self.tcp.is_some(),
            attempts,
        }
    }

    pub fn poll_timeout(&self, may_ask: bool) -> Option<Instant> {
        // That of an hour that is over is not written again.
        let newest = self.written.iter().max_by_key(|(epoch, _)| **epoch);
        let again = newest.map(|(_, (_, at))| *at + WRITE_AGAIN);
        let write = again.map_or(self.write_after, |again| again.max(self.write_after));
        let asks = [Some(self.read_due), Some(write)].into_iter().flatten().filter(|_| may_ask);
        let tcp = self.tcp.map(|tcp| tcp.due);
        asks.chain(self.punch.poll_timeout()).chain(tcp).chain(self.again).min()
    }

    /// In which of these epochs the record is to be written now.
    pub fn epoch_to_write(&self, epochs: &[u64], record: &Record, now: Instant) -> Option<u64> {
        if self.write_after > now {
            return None;
        }
        epochs.iter().copied().find(|epoch| {
            self.written.get(epoch).is_none_or(|(known, at)| {
                known != record || now.saturating_duration_since(*at) >= WRITE_AGAIN
            })
        })
    }

    pub fn wrote(&mut self, epochs: &[u64], epoch: u64, record: Record, now: Instant) {
        self.written.retain(|known, _| epochs.contains(known));
        self.written.insert(epoch, (record, now));
        self.write_after = now + WRITE_PAUSE;
        self.last_write = wall_clock();
    }

    /// The record is to be written even if it is the same.
    pub fn write_anew(&mut self, at: Instant) {
        self.written.clear();
        self.write_after = self.write_after.max(at);
    }

    /// A look is over.
    pub fn has_read(&mut self, now: Instant, (fast, slow): (Duration, Duration)) {
        let pause = if now < self.fast_until { fast } else { slow };
        self.read_due = now + pause;
        self.is_reading = false;
        self.last_read = wall_clock();
    }

    /// Begins anew: from now on, a word counts that the punch before did not have.
    pub fn begin_anew(&mut self, run: u64, now: Instant) {
        self.punch = Punch::new(self.secret.clone(), self.side, run, rand::random());
        self.sockets.clear();
        self.tcp = None;
        self.write_anew(now);
        self.fast_until = now + FAST_FOR;
        self.read_due = now;
        match self.their.take() {
            Some(their) if their.time > self.after => self.punch.handle_record(now, their),
            _ => {}
        }
    }

    /// The punch is over: what was known until now is used up.
    pub fn is_over(&mut self, now: Instant) {
        self.after = self.their.as_ref().map_or(self.after, |their| their.time);
        self.again = Some(now + self.again_pause);
        self.again_pause = (self.again_pause * 2).min(SLOWEST_READ);
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn seek(now: Instant) -> Seek {
        let secret = PairSecret::from_bytes([1; 32]);
        Seek::new(Sought { secret, side: Side::First }, 7, 0, now)
    }

    fn record() -> Record {
        Record {
            time: 0,
            run: 7,
            seen: 0,
            peer: [0; 32],
            external: Vec::new(),
            local: Vec::new(),
            tcp: Vec::new(),
            mapping: Mapping::Unknown,
        }
    }

    #[test]
    fn a_record_is_written_once_until_it_changes_or_is_old() {
        let (now, pause) = (Instant::now(), Duration::from_secs(1));
        let mut seek = seek(now);
        assert_eq!(seek.epoch_to_write(&[5], &record(), now), Some(5));
        seek.wrote(&[5], 5, record(), now);
        assert_eq!(seek.epoch_to_write(&[5], &record(), now + pause), None);
        let changed = Record { seen: 9, ..record() };
        assert_eq!(seek.epoch_to_write(&[5], &changed, now), None, "not at once");
        assert_eq!(seek.epoch_to_write(&[5], &changed, now + pause), Some(5));
        assert_eq!(seek.epoch_to_write(&[5], &record(), now + WRITE_AGAIN), Some(5));
        assert_eq!(seek.epoch_to_write(&[5, 6], &record(), now + pause), Some(6));
        seek.write_anew(now);
        assert_eq!(seek.epoch_to_write(&[5], &record(), now + pause), Some(5));
    }

    #[test]
    fn nothing_is_due_for_an_hour_that_is_over() {
        let now = Instant::now();
        let mut seek = seek(now);
        seek.wrote(&[5], 5, record(), now);
        let later = now + Duration::from_secs(600);
        seek.wrote(&[5, 6], 6, record(), later);
        seek.read_due = later + WRITE_AGAIN * 2;
        let due = seek.poll_timeout(true).unwrap();
        assert_eq!(due, later + WRITE_AGAIN);
        assert_eq!(seek.epoch_to_write(&[6], &record(), due), Some(6), "or it would stay due");
    }
}
