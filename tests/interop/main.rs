//! Our records and our DHT against another implementation: js-libp2p, and the `ipns` package.
//!
//! Needs what `support/lab.rs` says, Node.js, and the packages of `package.json` beside this file,
//! which `npm ci --ignore-scripts --prefix tests/interop` gets; without, every test here is counted
//! as ignored, or failed under `ENTRENOUS_TESTS=require`.

// A test that cannot go on has failed; `json!({})` is handed over as it is made.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::needless_pass_by_value)]

#[path = "../support/support.rs"]
mod support;

mod dht;
mod javascript;
mod records;

use std::process::ExitCode;

const TESTS: &[support::trials::Test] = &[
    ("records::ours_are_valid_there", records::ours_are_valid_there),
    ("records::theirs_are_read_here", records::theirs_are_read_here),
    ("records::of_two_they_select_the_newer", records::of_two_they_select_the_newer),
    ("dht::our_node_serves_them", dht::our_node_serves_them),
    ("dht::their_nodes_serve_us", dht::their_nodes_serve_us),
    ("dht::the_public_dht_serves_us", dht::the_public_dht_serves_us),
];

fn main() -> ExitCode {
    support::trials::run(TESTS, &[("", support::lab::enter), ("", javascript::can_run)])
}
