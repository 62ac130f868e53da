//! Files between two real programs over loopback: whole or not at all.

// A test that cannot go on has failed; `json!({})` is handed over as it is made.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::needless_pass_by_value)]

#[path = "support/support.rs"]
mod support;

#[path = "files/broken.rs"]
mod broken;
#[path = "files/chat.rs"]
mod chat;
#[path = "files/consent.rs"]
mod consent;
#[path = "files/copies.rs"]
mod copies;
#[path = "files/holders.rs"]
mod holders;
#[path = "files/left.rs"]
mod left;
#[path = "files/places.rs"]
mod places;
#[path = "files/sources.rs"]
mod sources;
#[path = "files/transfer.rs"]
mod transfer;
