//! The log as the pure logic sees it, whether it lies in memory or in a database.

use std::fmt;

use super::{ConversationId, Entry, EntryId, FeedId, Kind, WireEntry};

/// Where an entry of the log stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Its feed.
    pub feed: FeedId,
    /// Its branch: [`Branch::number`].
    pub branch: u32,
    /// Its number in the feed.
    pub seq: u64,
    /// Its clamped time: the later of the author's clock and one more than the placed times of
    /// everything that it names. Unix milliseconds, below 2⁴⁹.
    pub time: u64,
    /// What it is.
    pub kind: Kind,
    /// Its body is gone.
    pub pruned: bool,
}

impl Placed {
    /// Its position in the order shown.
    pub fn position(&self, id: EntryId) -> Position {
        Position { time: self.time, id }
    }
}

/// A position in the order shown, the same on all replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// [`Placed::time`].
    pub time: u64,
    /// Decides between equal times.
    pub id: EntryId,
}

/// A place in a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Point {
    /// [`Branch::number`].
    pub branch: u32,
    /// The entry's number in the feed.
    pub seq: u64,
}

/// A run of entries of one feed, each following the one before: the whole feed, unless the feed
/// forked. The entries of a branch have the numbers from `parent.seq + 1` (1 without a parent) to
/// `tip.seq`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Branch {
    /// Numbers the branches of a conversation in the order in which this replica met them, from
    /// 0. Means nothing on another replica.
    pub number: u32,
    /// Whose entries these are.
    pub feed: FeedId,
    /// The entry that the first of this branch follows; none if that has number 1.
    pub parent: Option<Point>,
    /// Its last entry.
    pub tip: Tip,
}

/// The last entry of a branch: a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// Its number in the feed.
    pub seq: u64,
    /// Its name.
    pub id: EntryId,
    /// [`Placed::time`].
    pub time: u64,
    /// How many entries the conversation's log held when this one was added, itself included.
    pub arrival: u64,
}

/// An entry of the log with its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its name.
    pub id: EntryId,
    /// Where it stands.
    pub placed: Placed,
    /// Its bytes.
    pub wire: WireEntry,
}

/// How much is read, or sent, at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// So many entries at most.
    pub entries: usize,
    /// So many bytes of headers and bodies at most, but always one entry.
    pub bytes: usize,
}

/// The logs of all conversations.
///
/// An implementation only keeps and finds; what may enter is decided by [`write()`](super::write())
/// and [`accept()`](super::accept()), which call it inside one transaction.
pub trait Log {
    /// Why it could not be read or written.
    type Error: fmt::Debug;

    /// The branches of a conversation, by number; empty if there is none. Asked for with every
    /// entry, so an implementation keeps them at hand.
    ///
    /// # Errors
    /// The log could not be read.
    fn branches(&self, conversation: &ConversationId) -> Result<Vec<Branch>, Self::Error>;

    /// Where an entry stands.
    ///
    /// # Errors
    /// The log could not be read.
    fn find(
        &self,
        conversation: &ConversationId,
        id: &EntryId,
    ) -> Result<Option<Placed>, Self::Error>;

    /// An entry with its bytes.
    ///
    /// # Errors
    /// The log could not be read.
    fn entry(
        &self,
        conversation: &ConversationId,
        id: &EntryId,
    ) -> Result<Option<Stored>, Self::Error>;

    /// The name of the entry at a place, if the branch has it.
    ///
    /// # Errors
    /// The log could not be read.
    fn at(
        &self,
        conversation: &ConversationId,
        point: Point,
    ) -> Result<Option<EntryId>, Self::Error>;

    /// Entries of a branch after the number `after`, ascending, until the budget is reached; at
    /// least one if there is one.
    ///
    /// # Errors
    /// The log could not be read.
    fn read(
        &self,
        conversation: &ConversationId,
        branch: u32,
        after: u64,
        budget: Budget,
    ) -> Result<Vec<Stored>, Self::Error>;

    /// The edits, deletes and reactions ([`Kind::modifies`]) whose target is this entry, in any
    /// order. Only the last in the order shown of each kind and author count; the others may be
    /// left out, and should be: a peer can write any number of them.
    ///
    /// # Errors
    /// The log could not be read.
    fn modifiers(
        &self,
        conversation: &ConversationId,
        target: &EntryId,
    ) -> Result<Vec<Stored>, Self::Error>;

    /// Adds an entry. `branch` is its branch as it is from now on, with this entry as its tip; a
    /// number not met before is a new branch.
    ///
    /// # Errors
    /// The log could not be written.
    fn insert(
        &mut self,
        entry: &Entry,
        placed: &Placed,
        branch: &Branch,
    ) -> Result<(), Self::Error>;

    /// Forgets the content of an entry: its body, and those of all edits whose target it is. If
    /// it was forgotten before, those of edits that came since may stay: each is pruned itself.
    ///
    /// # Errors
    /// The log could not be written.
    fn prune(&mut self, conversation: &ConversationId, id: &EntryId) -> Result<(), Self::Error>;

    /// Up to `most` entries that came without their body and were not pruned here since: their
    /// author had deleted them, but the delete has not come yet, or was lost with a device that
    /// was restored from an older copy. Nearly always none.
    ///
    /// # Errors
    /// The log could not be read.
    fn lacking(
        &self,
        conversation: &ConversationId,
        most: usize,
    ) -> Result<Vec<EntryId>, Self::Error>;

    /// Gives an entry its body back.
    ///
    /// # Errors
    /// The log could not be written.
    fn restore(
        &mut self,
        conversation: &ConversationId,
        id: &EntryId,
        body: &[u8],
    ) -> Result<(), Self::Error>;
}
