//! Random lives: whatever happened, two replicas become alike.

use std::collections::BTreeSet;

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::replica::Pair;
use crate::conversation::Budget;

/// Who is restored from older copies in a life.
#[derive(Clone, Copy, PartialEq)]
enum Restored {
    Nobody,
    /// An entry that the other has acknowledged is safe.
    One,
    /// What both have forgotten is lost; what one of them has, both will have.
    Both,
}

/// One random life of a pair.
fn run(seed: u64, restored: Restored) {
    let rng = &mut StdRng::seed_from_u64(seed);
    let mut pair = Pair::new();
    pair.a.now += rng.random_range(0..2000);
    let (mut copies, mut copies_of_b) = (Vec::new(), Vec::new());
    let mut acknowledged_by_b = BTreeSet::new();
    for _ in 0..rng.random_range(1..120) {
        let (one, other) =
            if rng.random() { (&mut pair.a, &mut pair.b) } else { (&mut pair.b, &mut pair.a) };
        match rng.random_range(0..100) {
            0..40 => one.random_write(rng),
            40..75 => {
                for _ in 0..rng.random_range(1..6) {
                    if let Some(bytes) = one.out.pop_front() {
                        other.handle(&bytes);
                    }
                }
            }
            75..79 => drop(one.out.pop_front()),
            79..82 => {
                if let Some(bytes) = one.out.front().cloned() {
                    one.out.push_back(bytes);
                }
            }
            82..84 => one.out.make_contiguous().reverse(),
            84..89 => {
                one.cut();
                other.cut();
            }
            89..94 => pair.connect(),
            94..96 => {
                other.cut();
                one.start_from(one.log.clone());
            }
            96..98 => {
                copies.push(pair.a.log.clone());
                copies_of_b.push(pair.b.log.clone());
            }
            98 if restored == Restored::Both => {
                if let Some(copy) = copies_of_b.choose(rng) {
                    pair.a.cut();
                    pair.b.start_from(copy.clone());
                }
            }
            _ => {
                if let Some(copy) = copies.choose(rng).filter(|_| restored != Restored::Nobody) {
                    acknowledged_by_b.extend(std::mem::take(&mut pair.a.delivered));
                    pair.b.cut();
                    pair.a.start_from(copy.clone());
                }
            }
        }
        one_budget(&mut pair, rng);
    }
    acknowledged_by_b.extend(pair.a.delivered.iter().copied());
    let before: BTreeSet<_> = pair.a.ids().union(&pair.b.ids()).copied().collect();
    pair.connect();
    let rounds = pair.settle();
    assert!(rounds <= 12, "{rounds} rounds");
    if restored == Restored::Both {
        // One that was held since an earlier session may be taken for the other's, though the
        // other was restored since. That lasts until the other repeats itself.
        pair.repeat();
        pair.settle();
    }
    // And perhaps more: what one only held.
    assert!(before.is_subset(&pair.a.ids()), "what one had, both have");
    if restored != Restored::Both {
        assert!(acknowledged_by_b.is_subset(&before), "an acknowledged entry was lost");
    }
    pair.assert_alike();
}

fn one_budget(pair: &mut Pair, rng: &mut StdRng) {
    pair.a.budget = Budget { entries: rng.random_range(1..9), bytes: rng.random_range(1..4000) };
    pair.b.budget = Budget { entries: rng.random_range(1..9), bytes: rng.random_range(1..4000) };
}

fn lives(restored: Restored) {
    for seed in 0..1500 {
        let outcome = std::panic::catch_unwind(|| run(seed, restored));
        assert!(outcome.is_ok(), "seed {seed}");
    }
}

#[test]
fn whatever_happens_two_replicas_become_alike() {
    lives(Restored::Nobody);
}

#[test]
fn also_when_one_is_restored_from_older_copies() {
    lives(Restored::One);
}

#[test]
fn also_when_both_are_restored_from_older_copies() {
    lives(Restored::Both);
}
