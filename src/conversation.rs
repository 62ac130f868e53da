//! Conversations as replicated logs: entries, feeds, causal order, and the fold from entries to
//! what a person sees. Pure: no I/O, no clock.
//!
//! # The log
//!
//! A member's device writes its entries into its own *feed*, numbered 1, 2, 3 … ([`Header::seq`]);
//! each names the one before it ([`Header::previous`]) and the newest entries of other feeds that
//! its author had seen ([`Header::deps`]). An entry enters the log only after all that it names,
//! so a log is always causally closed, and its *leaves* (entries without a successor in their
//! feed) say all about what it holds.
//!
//! Two entries with one (author, device, number) are a *fork*: a device was restored from an
//! older copy and wrote before it learned what it had written. Both are kept. A feed is
//! therefore a tree, held as [`Branch`]es: the first entry to follow another continues its
//! branch, a second one begins a new branch. Each branch ends in exactly one leaf.
//!
//! # Order shown
//!
//! By ([`Placed::time`], [`EntryId`]), where the placed time is the later of the author's clock
//! and one millisecond after everything that the entry names. It is the same on all replicas and
//! never shows an effect before its cause.
//!
//! # Who calls what
//!
//! The store's thread owns the log. Inside one transaction it calls [`write()`] for own entries
//! and [`accept()`] for those of others, acts on the [`Effect`] and keeps early entries in
//! [`Held`]. Both work over the [`Log`] trait: [`MemoryLog`] here, SQL in the store.

pub mod accept;
pub mod body;
pub(crate) mod cbor;
pub mod entry;
pub mod file;
pub mod fold;
pub mod header;
pub mod held;
pub mod log;
pub mod memory;
pub mod write;

pub use accept::{Accepting, Added, Effect, Outcome, Refusal, accept};
pub use body::{Body, Kind, MAX_BODY_BYTES, MAX_SMALL_BODY_BYTES};
pub use entry::{ConversationId, Entry, EntryId, FeedId, Malformed};
pub use file::{File, MAX_MANIFEST_BYTES};
pub use fold::{Item, ItemReaction, Modifier, fold, refold};
pub use header::{Header, MAX_DEPS, MAX_HEADER_BYTES, MarkKey, WireEntry};
pub use held::Held;
pub use log::{Branch, Budget, Log, Placed, Point, Position, Stored, Tip};
pub use memory::MemoryLog;
pub use write::{WriteError, write};

#[cfg(test)]
mod tests;
