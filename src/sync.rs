//! What one member has that another lacks, and the messages of a session. Pure: no I/O, no clock.
//!
//! # How two replicas become alike
//!
//! When a session stands, both send [`Message::Have`] with the leaves of their log. Each compares
//! the other's leaves with its own log ([`Known`]), and pushes what the other lacks, in the order
//! shown ([`missing`]), then every own entry as it is written. What was received is acknowledged
//! by a newer `Have`, sent after the commit. That is all: retry, reconnect, crash and long absence
//! are the same code.
//!
//! [`Exchange`] is one side's memory of one conversation in one session. It reads no log, so the
//! networking task may hold it, while [`Known`], [`missing`] and [`locate`] run where the log is.

pub mod exchange;
pub mod file_request;
pub mod known;
pub mod message;

pub use exchange::Exchange;
pub use file_request::{FileRefusal, FileRequest};
pub use known::{Batch, Known, View, holding, locate, missing};
pub use message::{Holding, Leaf, MAX_MESSAGE_BYTES, Message, RefusedReason};

#[cfg(test)]
mod tests;
