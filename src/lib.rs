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
//! | [`session`] *pure* | hail, handshake, post-quantum mix, frames |
//! | [`conversation`] *pure* | entries, feeds, causal order, and the fold to what a person sees |
//! | [`sync`] *pure* | what one member has that another lacks; the messages of a session |
//! | [`store`] | one encrypted database per profile, on its own thread |
//! | [`net`] | libp2p: links, streams, mDNS, limits |
//! | [`node`] | the networking task: `Command` in, `Event` out |
//! | [`tui`], [`rpc`] | the front ends; they know [`node::api`] and nothing beneath it |
//! | [`cli`] | the command line |
//!
//! The protocol is written down, byte by byte, in [`protocol`].

pub mod cli;
pub mod conversation;
pub mod identity;
pub mod labels;
pub mod net;
pub mod node;
pub mod noise;
#[doc = include_str!("protocol.md")]
pub mod protocol {}
pub mod rpc;
pub mod session;
pub mod store;
pub mod sync;
pub mod text;
pub mod tui;
