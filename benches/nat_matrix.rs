//! Which kinds of NAT meet, and how fast:
//! `cargo bench --bench nat_matrix [-- [RUNS] [loss=PERCENT] [delay=MS] [jitter=MS] [KIND…]]`. With
//! kinds, only pairs of these; with a loss, each router drops so many packets, either way; with a
//! delay, every packet between two sites takes so long, with a jitter up to that more or less.
//!
//! Each pair of kinds is a small internet of network namespaces with real `entrenous rpc`
//! processes and two nodes of the DHT. Two people pair by an invite and start anew 5 times (unless
//! told otherwise); counted is from both running until both are online. Needs what
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
    world::{Outcome, World},
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
    let (delay, jitter) = (millis("delay="), millis("jitter=").unwrap_or_default());
    if jitter > delay.unwrap_or_default() {
        println!("cannot run: a jitter is at most as long as the delay");
        return ExitCode::FAILURE;
    }
    let named: Vec<Nat> =
        Nat::ALL.into_iter().filter(|nat| words.contains(&nat.to_string())).collect();
    let mut worst = Vec::new();
    println!("| pair | online | median s | worst s | path |\n|---|---|---|---|---|");
    for (index, a) in Nat::ALL.into_iter().enumerate() {
        for b in Nat::ALL.into_iter().skip(index) {
            let wanted = named.is_empty() || (named.contains(&a) && named.contains(&b));
            if !wanted {
                continue;
            }
            // Random ports on one side need foreseeable ones, and UDP, on the other.
            let no_help =
                |nat: Nat| nat.is_symmetric() || matches!(nat, Nat::Counting | Nat::UdpBlocked);
            let impossible = !(a.has_ipv6() && b.has_ipv6())
                && ((a.is_symmetric() && no_help(b)) || (b.is_symmetric() && no_help(a)));
            let mut world = World::new(a, b);
            if let Some(delay) = delay {
                world.internet.delay_with_jitter(delay, jitter);
            }
            for (site, nat) in [a, b].into_iter().enumerate() {
                if nat != Nat::None && loss > 0 {
                    world.internet.lose(site, loss);
                }
            }
            // Those who do not even become contacts, or are not told that they cannot, have failed,
            // and the others are still measured.
            let met = catch_unwind(AssertUnwindSafe(|| world.meet(runs, impossible)));
            let panicked = met.is_err();
            let outcome = met.unwrap_or_default();
            println!("{}", row(a, b, runs, &outcome));
            if panicked || (outcome.met.len() < runs && !impossible) {
                worst.push(format!("{a} × {b}"));
            }
        }
    }
    println!("failed: {worst:?}");
    if worst.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn row(a: Nat, b: Nat, runs: usize, outcome: &Outcome) -> String {
    let mut met = outcome.met.clone();
    met.sort_unstable();
    let seconds = |time: Option<&Duration>| {
        time.map_or_else(|| "–".to_owned(), |time| format!("{:.1}", time.as_secs_f64()))
    };
    format!(
        "| {a} × {b} | {} of {runs} | {} | {} | {} |",
        met.len(),
        seconds(met.get(met.len() / 2)),
        seconds(met.last()),
        if outcome.path.is_empty() { "–" } else { &outcome.path },
    )
}
