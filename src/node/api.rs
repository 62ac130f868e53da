//! The whole product as data: what a front end may ask ([`Command`]) and what it is told
//! ([`Event`]). The screen and the JSON-RPC front end both speak exactly this.
//!
//! A front end holds a bounded sender of [`Request`]s and a bounded receiver of [`Event`]s. Every
//! request is answered by exactly one [`Event::Answered`] with its number; everything else that
//! happens comes as an event of its own, in order. Names of fields are those of the JSON-RPC
//! front end (camel case) and stable: a later version adds, never renames. All times are unix
//! milliseconds.

mod commands;
mod conversations;
mod events;
mod failure;
mod network;
mod people;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

pub use self::{
    commands::{Answer, Command, InviteText, Passphrase},
    conversations::{
        Conversation, ConversationKind, EntryKind, EntryState, EntryView, FileState, FileView, Hit,
        Offered, Reaction, Written,
    },
    events::Event,
    failure::{Failure, FailureKind},
    network::{Dht, Nat, Network, Scope},
    people::{Attempt, Contact, ContactState, Me, NewInvite, OpenInvite, Path, SafetyNumber, Why},
};

/// A front end's end of the channels to the node.
#[derive(Debug)]
pub struct Handle {
    /// Takes requests; bounded.
    pub requests: mpsc::Sender<Request>,
    /// Yields events until [`Event::Stopped`]; bounded.
    pub events: mpsc::Receiver<Event>,
}

/// A time: milliseconds since 1970-01-01T00:00:00Z.
pub type UnixMillis = u64;

/// A command and the number its answer will carry.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the front end; comes back in [`Event::Answered`].
    pub number: u64,
    /// What is asked.
    pub command: Command,
}
