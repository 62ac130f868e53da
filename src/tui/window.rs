//! The windows that lie over the conversation, one at a time.

use std::{path::PathBuf, sync::Arc};

use super::{
    disk::{Entry, Listing},
    field::Field,
    keymap::Mode,
    picture::Picture,
};
use crate::{
    conversation::{ConversationId, EntryId},
    identity::Identity,
    node::api::{Hit, NewInvite, OpenInvite, SafetyNumber},
};

/// What the emoji window offers first.
pub const EMOJI: [&str; 12] =
    ["👍", "❤️", "😂", "😮", "😢", "🙏", "🎉", "🔥", "👀", "✅", "🤔", "👎"];

/// A window.
#[derive(Clone)]
pub enum Window {
    /// Commands and keys, from this row.
    Help {
        /// The first row shown.
        row: usize,
    },
    /// A new invite; none until it is made.
    Invite {
        /// The invite.
        invite: Option<NewInvite>,
        /// The bare text rather than the picture.
        as_text: bool,
    },
    /// To enter an invite.
    AddInvite {
        /// What was typed or pasted.
        field: Field,
        /// What was wrong with it.
        error: Option<String>,
    },
    /// The open invites; none until they are known.
    Invites {
        /// The invites.
        invites: Option<Vec<OpenInvite>>,
        /// The selected one.
        chosen: usize,
    },
    /// Choosing a conversation.
    Switch {
        /// A part of the name.
        field: Field,
        /// The selected one of those that fit.
        chosen: usize,
    },
    /// About a contact.
    Contact {
        /// Who.
        id: Identity,
        /// The safety number, once it is known.
        safety: Option<SafetyNumber>,
    },
    /// To call a contact by another name.
    Rename {
        /// Who.
        id: Identity,
        /// The name.
        field: Field,
    },
    /// Searching.
    Search {
        /// The words.
        field: Field,
        /// Only in this conversation.
        within: Option<ConversationId>,
        /// What was found, and for which words.
        found: Option<(String, Vec<Hit>)>,
        /// The selected one.
        chosen: usize,
    },
    /// About an entry.
    Details {
        /// Which.
        entry: EntryId,
        /// The first row shown.
        row: usize,
    },
    /// Choosing a reaction.
    React {
        /// To which entry.
        entry: EntryId,
        /// An emoji that is typed.
        field: Field,
        /// The selected one of [`EMOJI`].
        chosen: usize,
    },
    /// The state of the network.
    Network {
        /// The first row shown.
        row: usize,
    },
    /// Something to read.
    Text {
        /// The heading.
        title: String,
        /// The text.
        text: String,
        /// The first row shown.
        row: usize,
    },
    /// The files on their way.
    Transfers {
        /// The selected one.
        chosen: usize,
    },
    /// A picture.
    Picture {
        /// Its file's name.
        name: String,
        /// Where it lies.
        path: PathBuf,
        /// The picture, or why there is none; none until it is known.
        picture: Option<Result<Arc<Picture>, String>>,
    },
    /// A voice note that is recorded.
    Recording,
    /// Choosing a file to send.
    Picker(Picker),
    /// A question.
    Confirm {
        /// The question.
        question: String,
        /// What yes means.
        then: Confirmed,
    },
}

/// Choosing a file to send.
#[derive(Clone)]
pub struct Picker {
    /// To whom.
    pub conversation: ConversationId,
    /// The directory that is shown; absolute.
    pub directory: PathBuf,
    /// What lies in it, or why that cannot be known; none until it was looked at.
    pub listing: Option<Result<Listing, String>>,
    /// A part of the name.
    pub field: Field,
    /// The selected one of those that fit.
    pub chosen: usize,
    /// Only names that begin with what is typed were looked for, as there are too many.
    pub is_narrowed: bool,
    /// The name to select once the listing is there: the directory that was left.
    pub select: Option<String>,
}

impl Picker {
    /// What has the typed text in its name, what begins with it first. Names with a dot before
    /// them are for those who type it.
    pub fn fitting(&self) -> Vec<&Entry> {
        let Some(Ok(listing)) = &self.listing else { return Vec::new() };
        let typed = self.field.text().to_lowercase();
        let place = |entry: &&Entry| entry.name.to_lowercase().find(&typed);
        let is_meant = |entry: &&Entry| typed.starts_with('.') || !entry.name.starts_with('.');
        let entries = listing.entries.iter().filter(is_meant);
        let mut fitting: Vec<_> = entries.filter(|entry| place(entry).is_some()).collect();
        fitting.sort_by_key(|entry| place(entry) != Some(0));
        fitting
    }
}

/// What was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirmed {
    /// Remove a contact.
    Remove(Identity),
    /// Delete an entry.
    Delete(EntryId),
    /// Withdraw an invite.
    Revoke(i64),
    /// Send a file or a directory.
    Send {
        /// Where.
        conversation: ConversationId,
        /// Which.
        path: PathBuf,
        /// The pasted text that may have meant it: what no inserts.
        pasted: Option<String>,
    },
    /// Open a file.
    Open(PathBuf),
    /// Forget what has come of a file.
    Cancel {
        /// Where.
        conversation: ConversationId,
        /// Which entry.
        entry: EntryId,
        /// The window with the files on their way was open, and is to be again.
        back: bool,
    },
    /// Leave, though something is written and not sent.
    Quit,
}

impl Confirmed {
    /// The question's heading, and what the keys are for.
    pub fn words(&self) -> (&'static str, &'static str) {
        match self {
            Self::Send { pasted: Some(_), .. } => ("Send this?", "y send · n insert the text"),
            Self::Send { .. } => ("Send this?", "y send · n no"),
            _ => ("Are you sure?", "y yes · n no"),
        }
    }
}

impl Window {
    /// What the keyboard is for in this window.
    pub fn mode(&self) -> Mode {
        match self {
            Self::Invite { .. } => Mode::Invite,
            Self::Invites { .. } => Mode::Invites,
            Self::Contact { .. } => Mode::Contact,
            Self::Transfers { .. } => Mode::Transfers,
            Self::Picker(_) => Mode::Picker,
            Self::Confirm { .. } => Mode::Confirm,
            _ => Mode::Window,
        }
    }

    /// The field to type into, if there is one.
    pub fn field(&mut self) -> Option<&mut Field> {
        match self {
            Self::AddInvite { field, .. }
            | Self::Switch { field, .. }
            | Self::Rename { field, .. }
            | Self::Search { field, .. }
            | Self::React { field, .. }
            | Self::Picker(Picker { field, .. }) => Some(field),
            _ => None,
        }
    }
}
