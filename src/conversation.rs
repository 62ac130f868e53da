//! Conversations as replicated logs: entries, feeds, causal order, and the fold from entries to
//! what a person sees. Pure: no I/O, no clock.

pub mod entry;

pub use entry::{ConversationId, EntryId};
