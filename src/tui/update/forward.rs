//! `/forward`: a text or a file is passed on to another conversation.

use super::commands::same_name;
use crate::{
    conversation::ConversationId,
    node::api::{Answer, Command, EntryView, FileState},
    tui::{
        composer::Purpose,
        model::{Model, Pending, Tone},
    },
};

/// Whether there is something to pass on.
fn is_here(view: &EntryView) -> bool {
    let file_is_here = view.file.as_ref().is_some_and(|file| file.state == FileState::Here);
    !view.deleted && (view.text.is_some() || file_is_here)
}

impl Model {
    pub(super) fn forward_command(&mut self, name: &str) {
        let Some(conversation) = self.open else {
            return self.notify(Tone::Bad, "No conversation is open: /open one first.");
        };
        let found = self.conversations.iter().find(|found| same_name(&found.name, name));
        let Some(to) = found.map(|found| found.id) else {
            let sentence = format!("There is no conversation called {name}: Tab completes names.");
            return self.notify(Tone::Bad, sentence);
        };
        let target = self.target(is_here);
        let view = target.and_then(|entry| self.timeline()?.entry(entry));
        let Some(view) = view else {
            return self.notify(Tone::Bad, "There is nothing here to pass on.");
        };
        if let Some(file) = view.file.as_ref().filter(|_| !view.deleted) {
            if file.state != FileState::Here {
                let sentence = "The file is not here: /get it first, then /forward it.";
                return self.notify(Tone::Bad, sentence);
            }
            let command = Command::ForwardFile { conversation, entry: view.entry, to };
            self.ask(command, Pending::Forward { to, text: None });
        } else if let Some(text) = view.text.clone().filter(|_| !view.deleted) {
            let command =
                Command::SendText { conversation: to, text: text.clone(), reply_to: None };
            self.ask(command, Pending::Forward { to, text: Some(text) });
        } else {
            self.notify(Tone::Bad, "There is nothing left of this message to pass on.");
        }
    }

    /// It is on the disk: it will get there.
    pub(super) fn forwarded(&mut self, to: ConversationId, text: Option<String>, answer: Answer) {
        match (answer, text) {
            (Answer::Offered(offered), _) => self.offered(to, offered),
            (Answer::Written(written), Some(text)) => {
                self.written(to, text, Purpose::New, written);
            }
            _ => return,
        }
        let found = self.conversations.iter().find(|conversation| conversation.id == to);
        let name = found.map_or("another conversation", |found| &found.name);
        self.notify(Tone::Good, format!("Passed on to {name}."));
    }
}
