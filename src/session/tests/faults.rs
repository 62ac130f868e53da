//! Thousands of seeded runs over streams that lose, repeat, reorder, change and cut.

use std::{sync::Arc, time::Duration};

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

use super::pair::*;
use crate::{
    identity::Identity,
    session::{Acquaintance, Local, MAX_MESSAGE, SendError, Via, traffic::Limits},
};

/// Runs in total; each of the tests below does a quarter of them.
const RUNS: u64 = 10_000;

#[test]
fn whatever_happens_to_the_stream_what_arrives_is_what_was_sent_1() {
    runs(0);
}

#[test]
fn whatever_happens_to_the_stream_what_arrives_is_what_was_sent_2() {
    runs(1);
}

#[test]
fn whatever_happens_to_the_stream_what_arrives_is_what_was_sent_3() {
    runs(2);
}

#[test]
fn whatever_happens_to_the_stream_what_arrives_is_what_was_sent_4() {
    runs(3);
}

fn runs(quarter: u64) {
    let pairings = [Pairing::contacts(), Pairing::invite()];
    let mut tally = Tally::default();
    for seed in quarter * RUNS / 4..(quarter + 1) * RUNS / 4 {
        Run::new(&pairings, seed).go(&mut tally);
    }
    // A test that spoils nothing, or in which nothing is ever established, proves nothing.
    assert!(tally.spoilt > RUNS / 10, "{tally:?}");
    assert!(tally.established > RUNS / 6, "{tally:?}");
    assert!(tally.delivered > RUNS, "{tally:?}");
    assert!(tally.renewed > 10, "{tally:?}");
}

#[derive(Debug, Default)]
struct Tally {
    spoilt: u64,
    established: u64,
    delivered: u64,
    renewed: u64,
}

/// Two people and what they are to each other.
#[derive(Clone)]
struct Pairing {
    locals: [Arc<Local>; 2],
    expected: [(Identity, Via); 2],
}

impl Pairing {
    fn contacts() -> Self {
        let (a, b) = (Person::new(0), Person::new(1));
        let knows = (vec![a.contact(&b)], vec![b.contact(&a)]);
        Self::new(&a, &b, knows, [Via::Contact; 2])
    }

    fn invite() -> Self {
        let (a, b) = (Person::new(0), Person::new(1));
        let knows = (vec![issued(1, 1)], vec![accepted(2, 1, &a)]);
        Self::new(&a, &b, knows, [Via::Issued(1), Via::Accepted(2)])
    }

    fn new(
        a: &Person,
        b: &Person,
        (mut a_knows, mut b_knows): (Vec<Acquaintance>, Vec<Acquaintance>),
        via: [Via; 2],
    ) -> Self {
        // There are others that one of them knows.
        a_knows.insert(0, a.contact(&Person::new(2)));
        b_knows.push(issued(9, 9));
        let locals = [a.local(a_knows), b.local(b_knows)];
        Self { locals, expected: [(b.id(), via[0]), (a.id(), via[1])] }
    }
}

/// Two people, what they have to tell each other, and a bad line.
struct Run {
    seed: u64,
    rng: StdRng,
    /// Dialer, listener.
    locals: [Arc<Local>; 2],
    /// Whom each end may have a session with, and by what.
    expected: [(Identity, Via); 2],
    faults: Faults,
    renews: bool,
    /// What each end sends, and how much of it the other has.
    messages: [Vec<Vec<u8>>; 2],
    delivered: [usize; 2],
}

impl Run {
    fn new(pairings: &[Pairing; 2], seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let Pairing { mut locals, mut expected } =
            pairings[usize::from(seed.is_multiple_of(4))].clone();
        if rng.random() {
            locals.reverse();
            expected.reverse();
        }
        let mut faults = Faults::default();
        let chance = [10, 50, 200][rng.random_range(0..3)];
        match seed % 8 {
            0 => {}
            1 => faults.lose = chance,
            2 => faults.duplicate = chance,
            3 => faults.reorder = chance,
            4 => faults.corrupt = chance,
            5 => faults.cut = chance,
            _ => {
                let chance = chance / 4;
                faults = Faults {
                    lose: chance,
                    duplicate: chance,
                    reorder: chance,
                    corrupt: chance,
                    cut: chance,
                }
            }
        }
        let messages = [0, 1].map(|_| {
            let number = rng.random_range(0..8);
            (0..number).map(|_| message(&mut rng)).collect()
        });
        let renews = rng.random_ratio(1, 16);
        Self { seed, rng, locals, expected, faults, renews, messages, delivered: [0; 2] }
    }

    fn go(mut self, tally: &mut Tally) {
        let clean = self.seed.is_multiple_of(8);
        for _ in 0..2 {
            let spoilt = self.link(self.faults, tally);
            assert!(!(clean && spoilt), "seed {}: closed without a fault", self.seed);
            tally.spoilt += u64::from(spoilt);
            if self.is_done() {
                break;
            }
        }
        // The line gets better: now everything arrives.
        if !self.is_done() {
            self.link(Faults::default(), tally);
        }
        assert!(self.is_done(), "seed {}: not everything arrived", self.seed);
    }

    fn is_done(&self) -> bool {
        (0..2).all(|end| self.delivered[end] == self.messages[end].len())
    }

    /// One link and the session on it, until all is said, it is dead, or time is up. Whether
    /// it was spoilt.
    fn link(&mut self, faults: Faults, tally: &mut Tally) -> bool {
        let [dialer, listener] = &self.locals;
        let mut pair =
            Pair::new(dialer.clone(), listener.clone(), self.rng.next_u64()).with_faults(faults);
        pair.latency = Duration::from_millis(self.rng.random_range(0..100));
        if self.renews {
            for end in &mut pair.ends {
                let renew_after = Duration::from_millis(400);
                end.shared.limits = Limits { renew_after, renew_bytes: 4_000 };
            }
        }
        // A new session goes on where the last one's deliveries ended, as sync would.
        let first = self.delivered;
        let mut sent = first;
        let until = pair.now + Duration::from_secs(12);
        // Where keys are renewed, messages take their time, so that some cross a renewal.
        let pace = Duration::from_millis(if self.renews { 150 } else { 0 });
        let start = pair.now;
        let due = |count: usize| start + pace * u32::try_from(count).unwrap();
        while !pair.is_dead() && !self.is_done() {
            let mut next = until;
            for (end, sent) in sent.iter_mut().enumerate() {
                while let Some(message) = self.messages[end].get(*sent) {
                    if due(*sent) > pair.now {
                        next = next.min(due(*sent));
                        break;
                    }
                    match pair.send(end, message) {
                        Ok(()) => *sent += 1,
                        Err(SendError::NotEstablished | SendError::Full) => break,
                        Err(SendError::TooLong) => panic!("a message is too long"),
                    }
                }
            }
            if !pair.step(next) && next == until {
                break;
            }
            self.check(&pair, first);
        }
        pair.collect();
        self.check(&pair, first);
        tally.established += u64::from(pair.with(0).is_some() && pair.with(1).is_some());
        tally.renewed += u64::from(pair.renewals() > 0);
        tally.delivered += (0..2).map(|end| (self.delivered[end] - first[end]) as u64).sum::<u64>();
        !self.is_done()
    }

    /// Nobody but the right one is ever announced, and what has arrived is a prefix of what was
    /// sent.
    fn check(&mut self, pair: &Pair, first: [usize; 2]) {
        for end in 0..2 {
            if let Some(with) = pair.with(end) {
                assert_eq!((with.identity, with.via), self.expected[end], "seed {}", self.seed);
            }
            let from = 1 - end;
            let arrived = pair.messages(end);
            let sent = &self.messages[from][first[from]..];
            assert!(sent.starts_with(&arrived), "seed {}: not a prefix", self.seed);
            self.delivered[from] = first[from] + arrived.len();
        }
    }
}

/// Short ones mostly; sometimes one of several frames.
fn message(rng: &mut StdRng) -> Vec<u8> {
    let length = match rng.random_range(0..400) {
        0 => rng.random_range(60_000..140_000),
        1..20 => rng.random_range(0..4_000),
        _ => rng.random_range(0..300),
    };
    assert!(length <= MAX_MESSAGE);
    let mut message = vec![0; length];
    rng.fill_bytes(&mut message);
    message
}
