//! What the tests with real processes stand on: profiles, a driver of the JSON-RPC front end, and
//! networks made of namespaces.
//!
//! Nothing here sleeps and hopes: every wait is for a condition, with a deadline and, when that
//! passes, the tails of the logs.

// Each test binary uses its own part of this module.
#![allow(dead_code)]

pub mod dht_nodes;
pub mod fetch;
pub mod flood;
pub mod lab;
pub mod load;
pub mod nat;
pub mod process;
pub mod profile;
pub mod pty;
pub mod trials;
pub mod two;
pub mod upnp;
pub mod world;

use std::time::Duration;

/// Long enough for anything on a busy machine: a wait that reaches it has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// `ENTRENOUS_MEASURE=1`: full sizes and the strict bounds; for release builds on a quiet machine.
pub fn measuring() -> bool {
    std::env::var_os("ENTRENOUS_MEASURE").is_some_and(|v| v == "1")
}

/// `ENTRENOUS_TESTS=require`: what is missing here is a failure, not a skipped test.
pub fn required() -> bool {
    std::env::var_os("ENTRENOUS_TESTS").is_some_and(|v| v == "require")
}

/// The first where it is measured, the second in everyday tests.
pub fn measured_or<T>(measured: T, everyday: T) -> T {
    if measuring() { measured } else { everyday }
}

/// Prints a figure, on a line of its own that is easily found: `figure: NAME: VALUE`.
pub fn figure(name: &str, value: impl std::fmt::Display) {
    let debug = match std::env::var("ENTRENOUS_PROGRAM") {
        Ok(program) => !program.contains("release"),
        Err(_) => cfg!(debug_assertions),
    };
    let build = if debug { "debug" } else { "release" };
    println!("figure: {name}: {value} ({build} build)");
}

/// Fails over the bound: the strict one where it is measured, the generous one elsewhere.
#[track_caller]
pub fn at_most<T: PartialOrd + std::fmt::Debug>(what: &str, value: T, strict: T, generous: T) {
    let bound = measured_or(strict, generous);
    assert!(value <= bound, "{what}: {value:?}, more than {bound:?}");
}
