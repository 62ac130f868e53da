//! A transfer that is broken off, whoever it is that ends, and how: it goes on from where it was.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::support::{
    fetch::{MIB, Transfer},
    figure, measured_or,
    process::Process,
    profile::Profile,
};

fn begin(size: u64) -> Transfer {
    let (a, b) = Profile::loopback_pair();
    Transfer::begin([a, b], size)
}

/// An orderly end.
fn shut_down(process: &mut Process) {
    process.call("shutdown", serde_json::json!({}));
    assert!(process.wait_exit().success());
}

#[test]
fn kill_at_random_points() {
    let (size, kills) = measured_or((256 * MIB, 50), (64 * MIB, 6));
    let seed = rand::random();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut points: Vec<_> = (0..kills).map(|_| rng.random_range(0..size * 9 / 10)).collect();
    points.sort_unstable();
    let mut transfer = begin(size);
    let mut killed = [0, 0];
    for point in points {
        // Sometimes while it starts, whatever has come.
        if rng.random_ratio(1, 4) {
            std::thread::sleep(Duration::from_millis(rng.random_range(0..200)));
        } else if transfer.wait(point) {
            break;
        }
        let receiver: bool = rng.random();
        println!("at {point}: the {}", if receiver { "receiver" } else { "sender" });
        killed[usize::from(receiver)] += 1;
        if receiver {
            transfer.restart_receiver(Process::kill);
        } else {
            transfer.restart_sender(Process::kill);
        }
    }
    figure("kill -9 of the sender and the receiver of a file", format!("{killed:?}"));
    assert!(killed[0] + killed[1] >= kills / 2, "it came too fast to be broken off");
    transfer.ends_well("kill -9");
}

#[test]
fn an_orderly_end_of_either_side_is_gone_on_from() {
    let mut transfer = begin(32 * MIB);
    for part in 1..4 {
        assert!(!transfer.wait(part * 8 * MIB));
        if part == 2 {
            transfer.restart_sender(shut_down);
        } else {
            transfer.restart_receiver(shut_down);
        }
    }
    transfer.ends_well("orderly ends");
}
