//! entrenous: an encrypted peer-to-peer messenger for the terminal.
//!
//! # The map
//!
//! Each module knows only those above it in this table. *Pure* modules do no I/O, know no
//! runtime and read no clock: bytes and `now` in, bytes and actions out.
//!
//! | module | what it is for |
//! |---|---|
//! | [`labels`] | every domain-separation label, in one place |
//! | [`text`] *pure* | sanitising of everything remote, once, where it enters; limits of text |
//! | [`identity`] | keys, certificates, invites, pair secrets, safety numbers |
//! | [`noise`] *pure* | the Noise Protocol Framework, revision 34 |
//! | [`blob`] *pure* | files: verified groups, what to ask of whom |
//! | [`picture`] | pictures: decoded within limits; previews |
//! | [`voice`] | voice notes: how long, how loud; with the feature `voice`, recorded and played |
//! | [`session`] *pure* | hail, handshake, post-quantum mix, frames |
//! | [`conversation`] *pure* | entries, feeds, causal order, and the fold to what a person sees |
//! | [`sync`] *pure* | what one member has that another lacks; the messages of a session |
//! | [`node::api`] | the product as data: `Command` in, `Event` out |
//! | [`store`] | one encrypted database per profile, on its own thread |
//! | [`net`] | libp2p: links, streams, mDNS, limits; our QUIC transport; across NATs: [`net::seek`] finds people by records in DHTs, our own and the public one ([`net::dht`], [`net::rendezvous`] *pure*), and opens ways ([`net::punch`], *pure*; [`net::portmap`]) |
//! | [`node`] | the networking task: owns the store, the network and the sessions |
//! | [`tui`], [`rpc`] | the front ends; they know [`node::api`] with the identifiers that it names, [`text`], [`picture`] and [`voice`], and nothing between |
//! | [`cli`] | the command line: which front end on which profile |
//!
//! The protocol is written down, byte by byte, in [`protocol`].
//!
//! # The way of a message
//!
//! ```text
//! key ─▶ tui ─ Command::SendText ─▶ node ─ write ─▶ store ─ commit (fsync)
//!                                    │ ◀──────────── entry ──┘
//!   Event::Answered ◀────────────────┤
//!                                    └─ Message::Entries ─▶ link task ─ Session ─▶ stream ─▶ …
//! … ─▶ stream ─ Session ─▶ link task ─ Message::Entries ─▶ node ─ receive ─▶ store ─ commit
//!   Event::Message ◀────────────────────────────────────────┤ ◀───────────────────────┘
//!                                    Message::Have ─▶ … ─▶ "delivered" at the sender
//! ```
//!
//! # Invariants
//!
//! - Nothing is shown as written, answered as sent, or acknowledged to a peer before the commit
//!   that holds it. A crash at any moment loses nothing that was said to be there.
//! - The store's thread alone decides what enters a log. Sessions are never stored: a restored or
//!   copied profile can't break a key.
//! - Whatever a peer sends is bounded before it is allocated, checked before it is used, and
//!   sanitised where it is decoded ([`text`]); behind that, text is just text.
//! - A peer is refused in silence, the same way whatever was wrong. People get a sentence.
//! - Every collection that a peer can make grow has a constant that bounds it, a rule for what
//!   goes, and a test that goes over it.
//! - Nothing in the screen waits for the network or the disk, and the node waits for nothing but
//!   its `select!`.
//! - Secrets are wiped when dropped, have no derived `Debug`, and never reach logs or arguments.
//!
//! # What is deliberately absent
//!
//! Servers, relays (libp2p's circuit relay included), accounts, gossip, identity in the transport
//! (its key is thrown away at each end), forward secrecy by ratchet on stored state (sessions live
//! only as long as their link and rekey after each frame), and `unsafe`.

pub mod blob;
pub mod cli;
pub mod conversation;
pub mod identity;
pub mod labels;
pub mod net;
pub mod node;
pub mod noise;
pub mod picture;
#[doc = include_str!("protocol.md")]
pub mod protocol {}
pub mod rpc;
pub mod session;
pub mod store;
pub mod sync;
pub mod text;
pub mod tui;
pub mod voice;
