//! One message changes the model and says what is to be done. Pure: no clock, no I/O.

use super::{
    model::{Effect, Model, Msg, Pending, Phase, Tone},
    timeline::{PAGE, Wanted},
};
use crate::node::api::{Command, Event, Failure, FailureKind};

mod answers;
mod commands;
mod entries;
mod events;
mod files;
mod forward;
mod keys;
mod picker;
mod sending;
mod start;
mod voice;
mod windows;

pub(super) use voice::SHOWN_LEVELS;

/// Changes the model for one message. The effects are to be carried out in their order.
pub fn update(model: &mut Model, msg: Msg) -> Vec<Effect> {
    match msg {
        Msg::Key(key) => model.key(key.into()),
        Msg::Paste(text) => model.paste(&text),
        Msg::Resize(columns, rows) => model.resized((columns, rows)),
        Msg::Graphics(graphics) => model.graphics_changed(graphics),
        Msg::Resumed => model.look_at_picture(),
        Msg::Focus(focused) => model.focused = focused,
        Msg::Tick => {
            let now = model.now;
            model.notice.take_if(|notice| notice.until <= now);
            model.look_after_disk();
        }
        Msg::Drawn => {
            model.mark_read();
            model.load_more();
        }
        Msg::Node(event) => model.event(event),
        Msg::Seen(number, seen) => model.seen(number, seen),
        Msg::Heard(number, heard) => model.heard(number, heard),
        Msg::NotOpened(path, reason) => model.not_opened(&path, &reason),
        Msg::Refused(number) => model.answered(
            number,
            Err(Failure {
                kind: FailureKind::Internal,
                text: "entrenous is busy and could not take this; try again in a moment."
                    .to_owned(),
            }),
        ),
        Msg::NodeGone => model.event(Event::Stopped {
            failure: Some(Failure {
                kind: FailureKind::Internal,
                text: "The networking part of entrenous ended unexpectedly. What was shown as \
                       written is on the disk. Start entrenous again."
                    .to_owned(),
            }),
        }),
    }
    model.watch_recording();
    model.forget_notice_of_line();
    model.hint_at_command();
    model.name_title();
    std::mem::take(&mut model.effects)
}

impl Model {
    /// The terminal's title follows the number of unread messages.
    fn name_title(&mut self) {
        let title = match self.unread() {
            0 => "entrenous".to_owned(),
            unread => format!("({unread}) entrenous"),
        };
        if title != self.title {
            self.effects.push(Effect::Title(title.clone()));
            self.title = title;
        }
    }

    /// What was on the screen, with nothing over it and somebody there, was read.
    fn mark_read(&mut self) {
        let is_seen = self.focused
            && self.window.is_none()
            && matches!(self.phase, Phase::Open)
            && !super::layout::is_too_small(self.size);
        let Some(id) = self.open.filter(|_| is_seen) else { return };
        let (height, space) = self.timeline_space();
        let me = self.my_id();
        let Some(timeline) = self.timelines.get(&id) else { return };
        let Some(last) = timeline.last_complete(height, space) else { return };
        // The last one by somebody else: own entries are not read.
        let Some(entry) =
            (0..=last).rev().filter_map(|at| timeline.get(at)).find(|entry| entry.author != me)
        else {
            return;
        };
        let (entry, at) = (entry.entry, timeline.position(entry.entry));
        let unread = timeline.unread_since(entry, me);
        let is_counted = timeline.at_end();
        let read = self.conversation(id).and_then(|conversation| conversation.read_up_to);
        if read.is_some_and(|read| timeline.position(read) >= at) {
            return;
        }
        let Some(conversation) = self.conversation_mut(id) else { return };
        conversation.read_up_to = Some(entry);
        if is_counted {
            conversation.unread = u32::try_from(unread).unwrap_or(u32::MAX);
        }
        self.ask(Command::MarkRead { conversation: id, entry }, Pending::Read);
    }

    /// Asks for the history near the view, one page at a time.
    fn load_more(&mut self) {
        let Some(id) = self.open else { return };
        let (height, space) = self.timeline_space();
        let wanted = self.timelines.get(&id).and_then(|timeline| timeline.wanted(height, space));
        let Some(wanted) = wanted else { return };
        if height == 0 || self.is_loading(id) {
            return;
        }
        let (before, after, pending) = match wanted {
            Wanted::Before(entry) => (Some(entry), None, Pending::Before(id)),
            Wanted::After(entry) => (None, Some(entry), Pending::After(id)),
        };
        self.ask(Command::History { conversation: id, before, after, limit: Some(PAGE) }, pending);
    }

    /// Whether a page of this conversation is under way.
    fn is_loading(&self, id: crate::conversation::ConversationId) -> bool {
        self.is_pending(|pending| pending.page_of() == Some(id))
    }

    /// Leaves, unless something is written and not sent.
    pub(super) fn quit(&mut self) {
        let drafts = self.composers.values().filter(|composer| !composer.is_empty()).count();
        if drafts == 0 || !matches!(self.phase, Phase::Open) {
            self.effects.push(Effect::Quit(None));
            return;
        }
        let what = if drafts == 1 { "A message is" } else { "Messages are" };
        self.window = Some(super::window::Window::Confirm {
            question: format!("{what} written but not sent, and would be lost. Leave anyway?"),
            then: super::window::Confirmed::Quit,
        });
    }

    /// Something did not work: a sentence.
    pub(super) fn trouble(&mut self, failure: &Failure) {
        self.notify(Tone::Bad, failure.text.clone());
    }
}

#[cfg(test)]
mod tests;
