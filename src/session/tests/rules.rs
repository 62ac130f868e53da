//! Which of two sessions stays.

use std::time::{Duration, Instant};

use crate::{
    identity::Identity,
    session::{CROSSING, Standing, keep_new},
};

#[test]
fn of_two_crossing_dials_both_ends_keep_the_same_one() {
    let (small, large) = (Identity([1; 32]), Identity([2; 32]));
    let now = Instant::now();
    // Each end sees one that it dialled and one that it did not, in either order.
    for small_sees_own_first in [true, false] {
        for large_sees_own_first in [true, false] {
            let kept = |own: &Identity, their: &Identity, own_first: bool| {
                let old = Standing { dialed: own_first, since: now };
                let new = Standing { dialed: !own_first, since: now };
                let keeps_dialed = if keep_new(&old, &new, own, their, now + CROSSING) {
                    new.dialed
                } else {
                    old.dialed
                };
                if keeps_dialed { *own } else { *their }
            };
            assert_eq!(kept(&small, &large, small_sees_own_first), small);
            assert_eq!(kept(&large, &small, large_sees_own_first), small);
        }
    }
}

#[test]
fn the_same_dialer_again_wins() {
    let (a, b) = (Identity([1; 32]), Identity([2; 32]));
    let now = Instant::now();
    for dialed in [true, false] {
        let (old, new) = (Standing { dialed, since: now }, Standing { dialed, since: now });
        assert!(keep_new(&old, &new, &a, &b, now) && keep_new(&old, &new, &b, &a, now));
    }
}

#[test]
fn what_stood_long_gives_way() {
    let (a, b) = (Identity([1; 32]), Identity([2; 32]));
    let since = Instant::now();
    let old = Standing { dialed: true, since };
    let later = since + CROSSING + Duration::from_millis(1);
    let new = Standing { dialed: false, since: later };
    assert!(keep_new(&old, &new, &a, &b, later));
    assert!(!keep_new(&old, &new, &a, &b, since + CROSSING));
    assert!(keep_new(&old, &new, &b, &a, later));
}
