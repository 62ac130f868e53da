//! The JSON-RPC front end, to the letter, on the real program. Loopback or no network at all.

// A test that cannot go on has failed; `json!({})` is handed over as it is made.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::needless_pass_by_value)]

#[path = "support/support.rs"]
mod support;

#[path = "rpc/invites.rs"]
mod invites;
#[path = "rpc/lines.rs"]
mod lines;
#[path = "rpc/messages.rs"]
mod messages;
#[path = "rpc/profiles.rs"]
mod profiles;
