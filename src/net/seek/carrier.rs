//! One DHT as the carrier of word between two: what was left and looked for there, and when that
//! is due again.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::{epochs, public::LOOK_UP_EACH, wall_clock};
use crate::{
    net::{
        dht::Dht,
        rendezvous::{EPOCH_SECONDS, Record},
    },
    node::api::UnixMillis,
};

/// How often a DHT is asked and written to.
pub struct Pace {
    /// Between two looks for those who may be waiting, all together, counted from the answer to
    /// the last; and for one of them at least.
    fast_each: Duration,
    fast: Duration,
    /// Between two looks for anybody else, all together: so many contacts cost no more than some …
    slow_each: Duration,
    /// … but one is not looked for more often than this, nor less.
    slow: Duration,
    slowest: Duration,
    /// Between two writings of one record, to somebody who may be waiting and to anybody else:
    /// addresses are learned one after the other, and some NATs never show the same one twice.
    write_fast: Duration,
    write_slow: Duration,
    /// An unchanged record is written anew after this: nodes that keep it come and go.
    write_again: Duration,
    /// The same for one who may be waiting, for the first time; then after twice as long each time.
    /// Those who were known at first may all have been liars, who keep nothing.
    write_again_fast: Duration,
    /// Between two writings when an epoch begins, of all together, but for those who may be waiting.
    turn_each: Duration,
}

/// Our own nodes are few and stay connected: a question is a few hundred bytes.
const OWN: Pace = Pace {
    fast_each: Duration::from_millis(50),
    fast: Duration::from_millis(400),
    slow_each: Duration::from_secs(4),
    slow: Duration::from_secs(30),
    slowest: Duration::from_secs(300),
    write_fast: Duration::from_millis(150),
    write_slow: Duration::from_secs(2),
    write_again: Duration::from_secs(1200),
    write_again_fast: Duration::from_secs(2),
    turn_each: Duration::ZERO,
};

/// The public DHT's nodes are thousands. Those that are asked often stay connected, others must be
/// connected with first, which costs some 18 KB both ways: a handshake with keys against quantum
/// computers, packets by which each side finds out how long they may be, and 20 other nodes in the
/// answer. They keep a record for longer than its name is in use.
///
/// Ten who are not there cost 1.1 KB a second when each was looked for every 300 s, and the look-ups of
/// their names 3.5 MB an hour, 1 KB a second: a little more than the 2 KiB that both together may be.
const PUBLIC: Pace = Pace {
    fast_each: Duration::from_secs(1),
    fast: Duration::from_secs(1),
    slow_each: Duration::from_secs(40),
    slow: Duration::from_secs(60),
    slowest: Duration::from_secs(1800),
    write_fast: Duration::from_secs(1),
    write_slow: Duration::from_secs(300),
    write_again: Duration::from_secs(3600),
    // Who keeps a record there is looked up anew by itself.
    write_again_fast: Duration::from_secs(3600),
    // A name is looked up for each: of more than sixty not all have their turn in each epoch.
    turn_each: LOOK_UP_EACH,
};

impl Pace {
    /// That of a DHT.
    pub fn of(dht: Dht) -> &'static Self {
        match dht {
            Dht::Own => &OWN,
            Dht::Public => &PUBLIC,
        }
    }

    /// The pauses between two looks for one, with so many who may be waiting of so many.
    pub fn pauses(&self, waiting: u32, all: u32) -> (Duration, Duration) {
        let fast = self.fast_each.saturating_mul(waiting).clamp(self.fast, self.slow);
        let slow = self.slow_each.saturating_mul(all).clamp(self.slow, self.slowest);
        (fast, slow)
    }

    /// The longest that one who is put off waits for the next look.
    pub fn put_off(&self, within: Duration) -> Duration {
        within.min(self.slowest)
    }

    /// Within which time so many have their turn when an epoch begins.
    pub fn turns(&self, all: u32) -> Duration {
        if all <= AT_ONCE { Duration::ZERO } else { self.turn_each.saturating_mul(all) }
    }
}

/// So few are looked for, and written to, at the same time: what is looked up together is asked of
/// nodes that are connected already.
pub const AT_ONCE: u32 = 16;

/// A record that was written.
struct Written {
    record: Record,
    /// When it was last.
    at: Instant,
    /// How often it was.
    times: u32,
}

/// See the module's documentation.
pub struct Carrier {
    pace: &'static Pace,
    /// What was written in each epoch.
    written: HashMap<u64, Written>,
    /// The newest epoch when all began: in it all are written to at once.
    pub first: Option<u64>,
    /// When the record is to be written in an epoch that has just begun.
    turn: Option<(u64, Instant)>,
    write_after: Instant,
    /// When to look next.
    pub read_due: Instant,
    /// A look is under way.
    pub is_reading: bool,
    /// When word was last left, and looked for.
    pub last_write: UnixMillis,
    pub last_read: UnixMillis,
}

impl Carrier {
    /// Everything is due.
    pub fn new(dht: Dht, now: Instant) -> Self {
        Self {
            pace: Pace::of(dht),
            written: HashMap::new(),
            first: epochs(wall_clock()).into_iter().max(),
            turn: None,
            write_after: now,
            read_due: now,
            is_reading: false,
            last_write: 0,
            last_read: 0,
        }
    }

    /// When something is due.
    pub fn poll_timeout(&self) -> Instant {
        // That of an hour that is over is not written again.
        let newest = self.written.iter().max_by_key(|(epoch, _)| **epoch);
        let again = newest.map(|(_, written)| written.at + self.pace.write_again);
        let turn = self.turn.filter(|(epoch, _)| !self.written.contains_key(epoch));
        let again = again.into_iter().chain(turn.map(|(_, at)| at)).min();
        let write = again.map_or(self.write_after, |again| again.max(self.write_after));
        write.min(self.read_due)
    }

    /// Of many the records are not written all at once when an epoch begins: it is this one's turn
    /// within such a time, or what is left of the epoch if there is time for all in one.
    pub fn draw_turn(&mut self, time: UnixMillis, within: Duration, now: Instant) {
        let Some(newest) = epochs(time).into_iter().max() else { return };
        let is_new = self.first != Some(newest) && !self.written.contains_key(&newest);
        if is_new && self.turn.is_none_or(|(epoch, _)| epoch != newest) {
            let left =
                Duration::from_millis(((newest + 1) * 1000 * EPOCH_SECONDS).saturating_sub(time));
            let all = Duration::from_secs(EPOCH_SECONDS);
            let within = if within <= all { within.min(left) } else { within };
            let turn = now + within.mul_f64(rand::random());
            self.turn = Some((newest, turn));
            // What was in vain under the last name may not be so under this one.
            self.write_after = self.write_after.min(turn);
        }
    }

    /// In which of these epochs the record is to be written now. One whose turn has not come, or did
    /// not come while it was the newest, is left out but for somebody who may be waiting.
    pub fn epoch_to_write(
        &self,
        epochs: &[u64],
        record: &Record,
        fast: bool,
        now: Instant,
    ) -> Option<u64> {
        if self.write_after > now {
            return None;
        }
        let newest = epochs.iter().max();
        let waits = |epoch| {
            let turn = self.turn.filter(|(of, at)| *of == epoch && now < *at);
            let was_left_out = Some(&epoch) != newest && !self.written.contains_key(&epoch);
            !fast && (turn.is_some() || was_left_out)
        };
        epochs.iter().copied().filter(|epoch| !waits(*epoch)).find(|epoch| {
            self.written.get(epoch).is_none_or(|known| {
                !known.record.says_the_same(record)
                    || now.saturating_duration_since(known.at) >= self.again(known.times, fast)
            })
        })
    }

    /// After which time a record that was written so often is written anew.
    fn again(&self, times: u32, fast: bool) -> Duration {
        let doubled = 1_u32.checked_shl(times.saturating_sub(1)).unwrap_or(u32::MAX);
        let again = self.pace.write_again_fast.saturating_mul(doubled);
        if fast { again.min(self.pace.write_again) } else { self.pace.write_again }
    }

    /// The record was written, to somebody who may be waiting or not.
    pub fn wrote(
        &mut self,
        epochs: &[u64],
        (epoch, record): (u64, Record),
        fast: bool,
        now: Instant,
    ) {
        self.written.retain(|known, _| epochs.contains(known));
        let before =
            self.written.remove(&epoch).filter(|known| known.record.says_the_same(&record));
        let times = before.map_or(1, |known| known.times.saturating_add(1));
        self.written.insert(epoch, Written { record, at: now, times });
        self.write_after = now + if fast { self.pace.write_fast } else { self.pace.write_slow };
        self.last_write = wall_clock();
    }

    /// The record is not written before this.
    pub fn write_later(&mut self, at: Instant) {
        self.write_after = at;
    }

    /// The record is to be written even if it is the same.
    pub fn write_anew(&mut self, at: Instant) {
        self.written.clear();
        self.write_after = self.write_after.max(at);
    }

    /// Somebody may be waiting.
    pub fn write_soon(&mut self, now: Instant) {
        self.write_after = self.write_after.min(now + self.pace.write_fast);
    }

    /// A look is over; the next is due after this.
    pub fn has_read(&mut self, now: Instant, pause: Duration) {
        self.read_due = now + pause;
        self.is_reading = false;
        self.last_read = wall_clock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::rendezvous::Mapping;

    fn record() -> Record {
        Record { run: 7, ..Record::default() }
    }

    #[test]
    fn a_record_is_written_once_until_it_changes_or_is_old() {
        let (now, pause) = (Instant::now(), Duration::from_secs(1));
        let mut carrier = Carrier::new(Dht::Own, now);
        assert_eq!(carrier.epoch_to_write(&[5], &record(), true, now), Some(5));
        carrier.wrote(&[5], (5, record()), true, now);
        assert_eq!(carrier.epoch_to_write(&[5], &record(), true, now + pause), None);
        assert_eq!(carrier.epoch_to_write(&[5], &record(), false, now + pause * 2), None);
        let changed = Record { seen: 9, ..record() };
        let ports = |port| Record {
            external: vec![([203, 0, 113, 1], port).into()],
            mapping: Mapping::Dependent { step: 0 },
            ..record()
        };
        assert!(ports(1).says_the_same(&ports(2)));
        assert!(!ports(1).says_the_same(&Record { seen: 9, ..ports(1) }));
        assert!(!ports(1).says_the_same(&Record { mapping: Mapping::Independent, ..ports(2) }));
        assert_eq!(carrier.epoch_to_write(&[5], &changed, true, now), None, "not at once");
        assert_eq!(carrier.epoch_to_write(&[5], &changed, true, now + pause), Some(5));
        assert_eq!(carrier.epoch_to_write(&[5], &record(), true, now + OWN.write_again), Some(5));
        assert_eq!(carrier.epoch_to_write(&[5, 6], &record(), true, now + pause), Some(6));
        carrier.write_anew(now);
        assert_eq!(carrier.epoch_to_write(&[5], &record(), true, now + pause), Some(5));
        carrier.wrote(&[5], (5, record()), false, now);
        assert_eq!(carrier.epoch_to_write(&[5], &changed, true, now + pause), None, "nobody waits");
        carrier.read_due = now;
        carrier.write_soon(now);
        assert_eq!(carrier.epoch_to_write(&[5], &changed, true, now + pause), Some(5));
    }

    #[test]
    fn a_record_for_one_who_may_be_waiting_is_written_again_ever_more_seldom() {
        let began = Instant::now();
        for (dht, most) in [(Dht::Own, 6), (Dht::Public, 1)] {
            let mut carrier = Carrier::new(dht, began);
            let mut times = 0;
            for second in 0..120 {
                let now = began + Duration::from_secs(second);
                if carrier.epoch_to_write(&[5], &record(), true, now).is_some() {
                    carrier.wrote(&[5], (5, record()), true, now);
                    times += 1;
                }
            }
            assert_eq!(times, most);
            assert_eq!(carrier.again(u32::MAX, true), carrier.pace.write_again);
        }
    }

    #[test]
    fn nothing_is_due_for_an_hour_that_is_over() {
        let now = Instant::now();
        let mut carrier = Carrier::new(Dht::Own, now);
        carrier.wrote(&[5], (5, record()), true, now);
        let later = now + Duration::from_secs(600);
        carrier.wrote(&[5, 6], (6, record()), true, later);
        carrier.read_due = later + OWN.write_again * 2;
        let due = carrier.poll_timeout();
        assert_eq!(due, later + OWN.write_again);
        assert_eq!(
            carrier.epoch_to_write(&[6], &record(), true, due),
            Some(6),
            "or it would stay due"
        );
    }

    /// A minute before epoch 6, whose names are in use already.
    const BEFORE_6: UnixMillis = 6 * 1000 * EPOCH_SECONDS - 60_000;

    #[test]
    fn a_new_hours_records_are_written_one_after_the_other() {
        let now = Instant::now();
        assert_eq!(PUBLIC.turns(AT_ONCE), Duration::ZERO);
        for count in [AT_ONCE + 1, 35, 55] {
            let within = PUBLIC.turns(count);
            let carriers = (0..count).map(|_| {
                let mut carrier = Carrier::new(Dht::Public, now);
                carrier.wrote(&[5], (5, record()), false, now);
                carrier.read_due = now + within * 2;
                carrier.write_after = now;
                for _ in 0..2 {
                    carrier.draw_turn(BEFORE_6, within, now);
                }
                carrier
            });
            let mut carriers: Vec<_> = carriers.collect();
            let mut most = 0;
            for minute in 0..=within.as_secs() / 60 {
                let later = now + Duration::from_secs(60 * (minute + 1));
                let mut written = 0;
                for carrier in &mut carriers {
                    let due = carrier.poll_timeout() <= later;
                    let epoch = carrier.epoch_to_write(&[6], &record(), false, later);
                    assert_eq!(due && !carrier.written.contains_key(&6), epoch.is_some());
                    if let Some(epoch) = epoch {
                        carrier.wrote(&[5, 6], (epoch, record()), false, later);
                        carrier.write_after = now;
                        written += 1;
                    }
                }
                most = most.max(written);
            }
            assert!(carriers.iter().all(|carrier| carrier.written.contains_key(&6)));
            // One in a minute, but for chance.
            assert!((1..=9).contains(&most), "{most} of {count} in a minute");
        }
        let mut carrier = Carrier::new(Dht::Public, now);
        assert_eq!(carrier.epoch_to_write(&[5], &record(), false, now), Some(5), "the first");
        carrier.wrote(&[5], (5, record()), false, now);
        carrier.write_after = now;
        carrier.draw_turn(BEFORE_6, Duration::from_secs(1 << 40), now);
        assert_eq!(carrier.epoch_to_write(&[6], &record(), false, now), None);
        assert_eq!(carrier.epoch_to_write(&[6], &record(), true, now), Some(6), "one may wait");
    }

    #[test]
    fn whose_turn_did_not_come_in_an_hour_is_left_out_of_it() {
        let now = Instant::now();
        let mut carrier = Carrier::new(Dht::Public, now);
        carrier.draw_turn(BEFORE_6, Duration::from_secs(1 << 40), now);
        assert_eq!(carrier.epoch_to_write(&[5, 6], &record(), false, now), None);
        assert_eq!(carrier.epoch_to_write(&[5, 6], &record(), true, now), Some(5), "one may wait");
        carrier.wrote(&[5, 6], (5, record()), false, now);
        carrier.write_after = now;
        let changed = Record { seen: 9, ..record() };
        assert_eq!(carrier.epoch_to_write(&[5, 6], &changed, false, now), Some(5), "it is in it");
    }

    #[test]
    fn nobodys_turn_is_past_the_hour_nor_in_that_in_which_all_began() {
        let (now, within) = (Instant::now(), PUBLIC.turns(55));
        for _ in 0..100 {
            let mut carrier = Carrier::new(Dht::Public, now);
            carrier.first = Some(5);
            carrier.draw_turn(BEFORE_6 - 1000 * EPOCH_SECONDS + 600_000, within, now);
            assert_eq!(carrier.turn, None, "it began in this one");
            // The computer slept meanwhile.
            let minute = 60_000;
            carrier.draw_turn(BEFORE_6 + 51 * minute, within, now);
            let (epoch, at) = carrier.turn.unwrap();
            assert!(epoch == 6 && at <= now + Duration::from_secs(600), "{:?}", at - now);
            // What was in vain in the hour before holds up nothing in this one.
            let mut carrier = Carrier::new(Dht::Public, now);
            carrier.wrote(&[5], (5, record()), false, now);
            carrier.first = Some(5);
            carrier.read_due = now + 2 * within;
            carrier.write_later(now + 2 * within);
            carrier.draw_turn(BEFORE_6, within, now);
            assert!(carrier.poll_timeout() <= now + within);
        }
        assert_eq!(PUBLIC.put_off(PUBLIC.turns(25)), Duration::from_secs(1500));
        assert_eq!(PUBLIC.put_off(PUBLIC.turns(1024)), PUBLIC.slowest);
    }

    #[test]
    fn many_cost_no_more_looks_than_some() {
        let millis = Duration::from_millis;
        for (count, fast, slow) in [(1, 400, 30_000), (20, 1000, 80_000), (1000, 30_000, 300_000)] {
            assert_eq!(OWN.pauses(count, count), (millis(fast), millis(slow)));
        }
        assert_eq!(PUBLIC.pauses(1000, 1000), (millis(60_000), millis(1_800_000)));
    }
}
