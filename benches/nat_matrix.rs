//! Which kinds of NAT meet, and how fast:
//! `cargo bench --bench nat_matrix [-- [RUNS] [loss=PERCENT] [delay=MS] [jitter=MS] [KIND…]]`. With
//! kinds, only pairs of these; with a loss, each router drops so many packets, either way; with a
//! delay, every packet between two sites takes so long, with a jitter up to that more or less.
//!
//! Each pair of kinds is a small internet of network namespaces with real `entrenous rpc`
//! processes and two nodes of the DHT. Two people pair by an invite and start anew 5 times (unless
//! told otherwise); counted is from both running until both are online. Those who cannot meet pair
//! at the home of one, and counted is until both are told why (`/why`), within 20 s. Needs what
//! `tests/support/lab.rs` says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    missing_docs,
    reason = "a bench that fails is to stop"
)]

#[path = "../tests/support/support.rs"]
mod support;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    time::Duration,
};

use support::{
    nat::Nat,
    world::{Outcome, World, time_to_online, time_to_told},
};

fn main() -> ExitCode {
    if support::nat::probe::run_if_probe() {
        return ExitCode::SUCCESS;
    }
    // `cargo test` runs benches too; only `cargo bench` passes this.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    if let Err(reason) = support::lab::enter() {
        println!("cannot run: {reason}");
        return ExitCode::FAILURE;
    }
    let words: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let runs = words.iter().find_map(|word| word.parse().ok()).unwrap_or(5);
    let loss = words.iter().find_map(|word| word.strip_prefix("loss=")?.parse().ok()).unwrap_or(0);
    let millis = |name: &str| {
        let number = words.iter().find_map(|word| word.strip_prefix(name)?.parse().ok());
        number.map(Duration::from_millis)
    };
    let way = Way {
        loss,
        delay: millis("delay=").unwrap_or_default(),
        jitter: millis("jitter=").unwrap_or_default(),
    };
    if way.jitter > way.delay {
        println!("cannot run: a jitter is at most as long as the delay");
        return ExitCode::FAILURE;
    }
    let named: Vec<Nat> =
        Nat::ALL.into_iter().filter(|nat| words.contains(&nat.to_string())).collect();
    let mut worst = Vec::new();
    println!("| pair | outcome | median s | worst s | path |\n|---|---|---|---|---|");
    for (index, a) in Nat::ALL.into_iter().enumerate() {
        for b in Nat::ALL.into_iter().skip(index) {
            let wanted = named.is_empty() || (named.contains(&a) && named.contains(&b));
            if !wanted {
                continue;
            }
            // Those who do not even become contacts have failed, and the others are still measured.
            let outcome = catch_unwind(AssertUnwindSafe(|| start_anew(a, b, &way, runs)));
            let outcome = outcome.unwrap_or_default();
            println!("{}", row(a, b, runs, &outcome));
            if outcome.took.len() < runs {
                worst.push(format!("{a} × {b}"));
            }
        }
    }
    println!("failed: {worst:?}");
    if worst.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What happens to packets on the way.
struct Way {
    /// So many of a hundred are lost in each router, either way.
    loss: u8,
    delay: Duration,
    jitter: Duration,
}

/// Has two start anew so often, until they have met, or been told that they cannot.
fn start_anew(a: Nat, b: Nat, way: &Way, runs: usize) -> Outcome {
    if can_meet(a, b) {
        let mut world = World::new(a, b);
        way.lay(&mut world, [a, b]);
        let ids = world.get_acquainted();
        return world.start_anew(runs, |a, b| time_to_online(a, b, &ids));
    }
    let (mut world, ids) = World::apart(a, b);
    way.lay(&mut world, [a, b]);
    let reason = if [a, b].contains(&Nat::UdpBlocked) {
        "no UDP out, and by TCP there is no way in on either side"
    } else {
        "both use another port for each connection"
    };
    world.start_anew(runs, |a, b| time_to_told(a, b, &ids, reason))
}

/// Random ports on one side need foreseeable ones, and UDP, on the other.
fn can_meet(a: Nat, b: Nat) -> bool {
    let no_help = |nat: Nat| nat.is_symmetric() || matches!(nat, Nat::Counting | Nat::UdpBlocked);
    let apart = (a.is_symmetric() && no_help(b)) || (b.is_symmetric() && no_help(a));
    !apart || (a.has_ipv6() && b.has_ipv6())
}

impl Way {
    fn lay(&self, world: &mut World, nats: [Nat; 2]) {
        if !self.delay.is_zero() {
            world.internet.delay_with_jitter(self.delay, self.jitter);
        }
        for (site, nat) in nats.into_iter().enumerate() {
            if nat != Nat::None && self.loss > 0 {
                world.internet.lose(site, self.loss);
            }
        }
    }
}

fn row(a: Nat, b: Nat, runs: usize, outcome: &Outcome) -> String {
    let mut took = outcome.took.clone();
    took.sort_unstable();
    let seconds = |time: Option<&Duration>| {
        time.map_or_else(|| "–".to_owned(), |time| format!("{:.1}", time.as_secs_f64()))
    };
    format!(
        "| {a} × {b} | {} {} of {runs} | {} | {} | {} |",
        if can_meet(a, b) { "online" } else { "told why" },
        took.len(),
        seconds(took.get(took.len() / 2)),
        seconds(took.last()),
        if outcome.path.is_empty() { "–" } else { &outcome.path },
    )
}
