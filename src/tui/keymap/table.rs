//! The table of keys: the only place where a key is written down.

use super::{Action as A, Binding, Mode};
use Mode::{
    Compose, Confirm, Contact, Edit, Global, Invite, Invites, Picker, Select, Transfers, Window,
};

const fn row(
    mode: Mode,
    action: A,
    name: &'static str,
    keys: &'static [&'static str],
    doc: &'static str,
) -> Binding {
    Binding { mode, action, name, keys, doc }
}

/// Every key of the program.
#[rustfmt::skip]
pub const BINDINGS: &[Binding] = &[
    row(Compose, A::Send, "send", &["enter"], "send the message, or run the /command"),
    row(Compose, A::Newline, "newline", &["alt-enter", "ctrl-j"], "start a new line"),
    row(Compose, A::Complete, "complete", &["tab"], "complete a command or a name"),
    row(Compose, A::Up, "up", &["up"], "line up; on the first line, an earlier message of yours"),
    row(Compose, A::Down, "down", &["down"], "line down; on the last line, a later message of yours"),
    row(Compose, A::Select, "select", &["alt-up", "ctrl-up"], "select a message: to reply, react, edit …"),
    row(Compose, A::Cancel, "cancel", &["esc", "ctrl-c"], "give up a reply or an edit; else clear the line (up brings it back)"),
    row(Compose, A::PageUp, "page-up", &["pageup"], "scroll up"),
    row(Compose, A::PageDown, "page-down", &["pagedown"], "scroll down"),
    row(Compose, A::First, "first", &["ctrl-home"], "to the oldest messages that are loaded"),
    row(Compose, A::Last, "last", &["ctrl-end", "alt-end"], "to the newest message"),
    row(Compose, A::Next, "next", &["ctrl-n", "alt-n"], "next conversation"),
    row(Compose, A::Previous, "previous", &["ctrl-p", "alt-p"], "previous conversation"),
    row(Compose, A::Switch, "switch", &["ctrl-o", "ctrl-t"], "go to a conversation by its name"),
    row(Compose, A::Conversation(1), "conversation-1", &["alt-1"], "first conversation"),
    row(Compose, A::Conversation(2), "conversation-2", &["alt-2"], "second conversation"),
    row(Compose, A::Conversation(3), "conversation-3", &["alt-3"], "third conversation"),
    row(Compose, A::Conversation(4), "conversation-4", &["alt-4"], "fourth conversation"),
    row(Compose, A::Conversation(5), "conversation-5", &["alt-5"], "fifth conversation"),
    row(Compose, A::Conversation(6), "conversation-6", &["alt-6"], "sixth conversation"),
    row(Compose, A::Conversation(7), "conversation-7", &["alt-7"], "seventh conversation"),
    row(Compose, A::Conversation(8), "conversation-8", &["alt-8"], "eighth conversation"),
    row(Compose, A::Conversation(9), "conversation-9", &["alt-9"], "ninth conversation"),
    row(Compose, A::Search, "search", &["ctrl-f"], "search"),
    row(Compose, A::Invite, "invite", &["f2"], "invite a friend"),
    row(Compose, A::AddInvite, "add-invite", &["f3"], "enter an invite"),
    row(Compose, A::Contact, "contact", &["f4"], "about the contact: safety number, name"),
    row(Compose, A::SendFile, "send-file", &["f5"], "choose a file to send"),
    row(Compose, A::Transfers, "transfers", &["f6"], "the files on their way"),

    row(Select, A::Up, "up", &["up", "k", "alt-up", "ctrl-up"], "one message up"),
    row(Select, A::Down, "down", &["down", "j", "alt-down", "ctrl-down"], "one message down; after the last, back to writing"),
    row(Select, A::PageUp, "page-up", &["pageup"], "scroll up"),
    row(Select, A::PageDown, "page-down", &["pagedown"], "scroll down"),
    row(Select, A::First, "first", &["home", "g"], "to the oldest message that is loaded"),
    row(Select, A::Last, "last", &["end", "G"], "to the newest message"),
    row(Select, A::Reply, "reply", &["r"], "reply"),
    row(Select, A::Edit, "edit", &["e"], "edit (your own)"),
    row(Select, A::Delete, "delete", &["d", "delete"], "delete for everybody (your own)"),
    row(Select, A::React, "react", &["+", "a"], "react with an emoji"),
    row(Select, A::Accept, "accept", &["enter"], "fetch the file, or go on with it; show the picture, play the voice note; else as `i`"),
    row(Select, A::Details, "details", &["i"], "when it was written, how far it has come"),
    row(Select, A::FetchFile, "fetch", &["f"], "fetch the file, or go on with it"),
    row(Select, A::StopFile, "stop", &["s"], "stop fetching the file"),
    row(Select, A::CancelFile, "cancel", &["c"], "stop fetching the file, and forget what has come of it"),
    row(Select, A::ShowPicture, "picture", &["p"], "show the picture (PNG, JPEG, GIF, WebP)"),
    row(Select, A::PlayVoice, "play", &["l"], "listen to the voice note; again: stop"),
    row(Select, A::OpenFile, "open", &["o"], "open the file in another program"),
    row(Select, A::RevealFile, "reveal", &["v"], "open the directory that the file lies in"),
    row(Select, A::Transfers, "transfers", &["f6"], "the files on their way"),
    row(Select, A::Search, "search", &["/", "ctrl-f"], "search"),
    row(Select, A::Back, "back", &["esc", "q", "ctrl-c"], "back to writing"),

    row(Edit, A::CharBack, "char-back", &["left", "ctrl-b"], "one character back"),
    row(Edit, A::CharForward, "char-forward", &["right"], "one character forward"),
    row(Edit, A::WordBack, "word-back", &["alt-b", "ctrl-left", "alt-left"], "one word back"),
    row(Edit, A::WordForward, "word-forward", &["alt-f", "ctrl-right", "alt-right"], "one word forward"),
    row(Edit, A::LineStart, "line-start", &["ctrl-a", "home"], "to the start of the line"),
    row(Edit, A::LineEnd, "line-end", &["ctrl-e", "end"], "to the end of the line"),
    row(Edit, A::DeleteBack, "delete-back", &["backspace", "ctrl-h"], "delete the character before"),
    row(Edit, A::DeleteForward, "delete-forward", &["delete", "ctrl-d"], "delete the character under the cursor"),
    row(Edit, A::DeleteWordBack, "delete-word-back", &["ctrl-w", "alt-backspace"], "delete the word before"),
    row(Edit, A::DeleteWordForward, "delete-word-forward", &["alt-d"], "delete the word after"),
    row(Edit, A::DeleteToStart, "delete-to-start", &["ctrl-u"], "delete to the start of the line"),
    row(Edit, A::DeleteToEnd, "delete-to-end", &["ctrl-k"], "delete to the end of the line"),
    row(Edit, A::Yank, "yank", &["ctrl-y"], "bring back what was deleted last"),
    row(Edit, A::Undo, "undo", &["ctrl-_", "ctrl-7"], "undo"),

    row(Window, A::Close, "close", &["esc", "ctrl-c"], "close the window"),
    row(Window, A::Accept, "accept", &["enter"], "accept"),
    row(Window, A::NextField, "next-field", &["tab"], "next field; in a search, here or everywhere"),
    row(Window, A::PreviousField, "previous-field", &["shift-tab"], "previous field; in a search, here or everywhere"),
    row(Window, A::Up, "up", &["up", "ctrl-p"], "up"),
    row(Window, A::Down, "down", &["down", "ctrl-n"], "down"),
    row(Window, A::PageUp, "page-up", &["pageup"], "a page up"),
    row(Window, A::PageDown, "page-down", &["pagedown"], "a page down"),

    row(Invite, A::ShowText, "show-text", &["t", "tab"], "between the picture and the bare text"),
    row(Invite, A::ListInvites, "list", &["l"], "all open invites"),

    row(Invites, A::Revoke, "revoke", &["d", "delete"], "withdraw the selected invite"),
    row(Invites, A::Invite, "new", &["n", "f2"], "a new invite"),

    row(Contact, A::Verify, "verify", &["v"], "the safety number was compared and is the same; again: take that back"),
    row(Contact, A::Rename, "rename", &["r"], "call them by another name"),
    row(Contact, A::Remove, "remove", &["d", "delete"], "remove the contact"),

    row(Transfers, A::FetchFile, "fetch", &["f"], "go on with the selected file"),
    row(Transfers, A::StopFile, "stop", &["s"], "stop fetching the selected file"),
    row(Transfers, A::CancelFile, "cancel", &["c", "delete"], "stop fetching the selected file, and forget what has come of it"),

    row(Picker, A::Parent, "parent", &["left"], "to the directory above; so does `backspace` where nothing is typed"),
    row(Picker, A::Accept, "accept", &["enter", "right"], "into the directory; or send the file"),
    row(Picker, A::SendFile, "send", &["alt-enter"], "send the directory with all that is in it"),

    row(Confirm, A::Yes, "yes", &["y"], "yes"),
    row(Confirm, A::No, "no", &["n", "esc", "ctrl-c"], "no"),

    row(Global, A::Help, "help", &["f1"], "this help"),
    row(Global, A::Redraw, "redraw", &["ctrl-l"], "draw the screen anew"),
    row(Global, A::Suspend, "suspend", &["ctrl-z"], "suspend; the shell's `fg` comes back"),
    row(Global, A::Quit, "quit", &["ctrl-q"], "leave entrenous"),
];
