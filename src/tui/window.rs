//! The windows that lie over the conversation, one at a time.

use super::{field::Field, keymap::Mode};
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
    /// A question.
    Confirm {
        /// The question.
        question: String,
        /// What yes means.
        then: Confirmed,
    },
}

/// What was asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmed {
    /// Remove a contact.
    Remove(Identity),
    /// Delete an entry.
    Delete(EntryId),
    /// Withdraw an invite.
    Revoke(i64),
    /// Leave, though something is written and not sent.
    Quit,
}

impl Window {
    /// What the keyboard is for in this window.
    pub fn mode(&self) -> Mode {
        match self {
            Self::Invite { .. } => Mode::Invite,
            Self::Invites { .. } => Mode::Invites,
            Self::Contact { .. } => Mode::Contact,
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
            | Self::React { field, .. } => Some(field),
            _ => None,
        }
    }
}
