//! What came of the requests.

use crate::{
    conversation::{ConversationId, EntryId},
    node::api::{
        Answer, Attempt, Command, EntryKind, EntryState, EntryView, Failure, Reaction, UnixMillis,
        Why, Written,
    },
    tui::{
        composer::Purpose,
        model::{Model, Pending, Tone},
        timeline::{PAGE, Timeline, UnreadLine},
        when,
        window::Window,
    },
};

fn is_short(page: &[EntryView], asked: u32) -> bool {
    u32::try_from(page.len()).is_ok_and(|got| got < asked)
}

/// The advice, and what was tried last: what was tried again and again is told once.
fn why_text(why: &Why, now: UnixMillis) -> String {
    // A window has room for some; the last ones tell most.
    const MOST: usize = 6;
    let mut told: Vec<&Attempt> = Vec::new();
    for attempt in why.attempts.iter().rev() {
        let is_same = |other: &&Attempt| {
            (&other.path, &other.address, &other.outcome)
                == (&attempt.path, &attempt.address, &attempt.outcome)
        };
        if told.len() < MOST && !told.iter().any(is_same) {
            told.push(attempt);
        }
    }
    let mut text = why.advice.clone();
    if !told.is_empty() {
        text.push_str("\n\nWhat was tried last:\n");
    }
    for Attempt { path, address, at, outcome } in told.into_iter().rev() {
        let to = if address.is_empty() { String::new() } else { format!(" {address}") };
        text.extend(["\n", path, &to, ", ", &when::ago(*at, now), ": ", outcome]);
    }
    text
}

impl Model {
    /// The answer to a request. One that was not asked for, or twice, is passed over.
    pub(super) fn answered(&mut self, number: u64, result: Result<Answer, Failure>) {
        let Some(pending) = self.pending.remove(&number) else { return };
        match result {
            Err(failure) => self.failed(pending, &failure),
            Ok(answer) => self.succeeded(pending, answer),
        }
    }

    fn succeeded(&mut self, pending: Pending, answer: Answer) {
        match (pending, answer) {
            (Pending::Contacts, Answer::Contacts(contacts)) => self.contacts = contacts,
            (Pending::Conversations, Answer::Conversations(conversations)) => {
                self.conversations = conversations;
                if let (None, Some(first)) = (self.open, self.conversations.first()) {
                    let (id, window) = (first.id, self.window.take());
                    self.open(id);
                    self.window = window;
                }
            }
            // What changes the list is not always known to be empty or not (untagged answers).
            (Pending::Contacts, _) => self.contacts.clear(),
            (Pending::Conversations, _) => self.conversations.clear(),
            (Pending::Network, Answer::Network(network)) => self.network = Some(*network),
            (Pending::Text { conversation, text, purpose }, Answer::Written(written)) => {
                self.written(conversation, text, purpose, written);
            }
            (Pending::SendFile { conversation, .. }, Answer::Offered(offered)) => {
                self.offered(conversation, offered);
            }
            (Pending::Forward { to, text }, answer) => self.forwarded(to, text, answer),
            (Pending::Delete { conversation, entry }, Answer::Written(_)) => {
                self.transfers.drop(entry);
                self.sends.drop(entry);
                if let Some(held) = self.held_mut(conversation, entry) {
                    (held.deleted, held.text) = (true, None);
                    held.reactions.clear();
                }
            }
            (Pending::React { conversation, entry, emoji }, Answer::Written(_)) => {
                let me = self.my_id();
                if let Some(held) = self.held_mut(conversation, entry) {
                    for reaction in &mut held.reactions {
                        reaction.by.retain(|&by| by != me);
                    }
                    match held.reactions.iter_mut().find(|reaction| reaction.emoji == emoji) {
                        Some(reaction) => reaction.by.push(me),
                        None if emoji.is_empty() => {}
                        None => held.reactions.push(Reaction { emoji, by: vec![me] }),
                    }
                    held.reactions.retain(|reaction| !reaction.by.is_empty());
                }
            }
            (Pending::NewInvite, Answer::Invite(new)) => {
                if let Some(Window::Invite { invite, .. }) = &mut self.window {
                    *invite = Some(new);
                }
            }
            (Pending::Invites, answer) => {
                if let Some(Window::Invites { invites, chosen }) = &mut self.window {
                    let open = match answer {
                        Answer::Invites(open) => open,
                        _ => Vec::new(),
                    };
                    *chosen = (*chosen).min(open.len().saturating_sub(1));
                    *invites = Some(open);
                }
            }
            (Pending::AcceptInvite, _) => {
                self.window.take_if(|window| matches!(window, Window::AddInvite { .. }));
                self.notify(
                    Tone::Good,
                    "The invite is good. As soon as you are both connected, your friend appears \
                     in the list; it needs nothing more from you.",
                );
            }
            (Pending::SafetyNumber, Answer::SafetyNumber(number)) => {
                if let Some(Window::Contact { id, safety }) = &mut self.window
                    && *id == number.contact
                {
                    *safety = Some(number);
                }
            }
            (Pending::Why { name }, Answer::Why(why)) => {
                let text = why_text(&why, self.now);
                self.window = Some(Window::Text { title: format!("Why: {name}"), text, row: 0 });
            }
            (Pending::Search { query }, answer) => {
                if let Some(Window::Search { found, chosen, .. }) = &mut self.window {
                    let hits = match answer {
                        Answer::Found(hits) => hits,
                        _ => Vec::new(),
                    };
                    *chosen = (*chosen).min(hits.len().saturating_sub(1));
                    *found = Some((query, hits));
                }
                self.search();
            }
            (pending, answer) => self.done(pending, answer),
        }
    }

    /// Answers with nothing to keep, and pages of history.
    fn done(&mut self, pending: Pending, answer: Answer) {
        match (pending, answer) {
            (Pending::Revoke, _) => self.notify(Tone::Good, "The invite is withdrawn."),
            (Pending::Verify { name, verified }, _) => {
                let text = if verified {
                    format!("{name} is verified now: you compared your safety number.")
                } else {
                    format!("{name} is not verified any more.")
                };
                self.notify(Tone::Good, text);
                self.refetch();
            }
            (Pending::Rename, _) => self.refetch(),
            (Pending::Remove { name }, _) => {
                self.notify(Tone::Good, format!("{name} is no longer a contact."));
                self.refetch();
            }
            (Pending::Name { name }, _) => {
                if let Some(me) = &mut self.me {
                    me.name.clone_from(&name);
                }
                self.notify(Tone::Good, format!("Your contacts will see you as {name}."));
                self.ask(Command::WhoAmI, Pending::Profile);
            }
            (Pending::Profile, Answer::Me(me)) if self.me.is_some() => self.me = Some(me),
            (pending, answer) => {
                // An empty list is an empty list, whatever it is of.
                let page = match answer {
                    Answer::History(page) => page,
                    _ => Vec::new(),
                };
                self.page_came(pending, page);
            }
        }
    }

    /// The lists are asked for again.
    pub(super) fn refetch(&mut self) {
        self.ask(Command::ListContacts, Pending::Contacts);
        self.ask(Command::ListConversations, Pending::Conversations);
    }

    fn page_came(&mut self, pending: Pending, page: Vec<EntryView>) {
        if let Some(conversation) = pending.page_of() {
            self.see_files(conversation, &page);
        }
        match pending {
            Pending::Open(id) => {
                let limit = self.limit;
                let timeline = self.timelines.entry(id).or_insert_with(|| Timeline::new(limit));
                let at_start = is_short(&page, PAGE);
                timeline.reset(page, at_start, true);
                self.touch(id);
                self.place_unread(id);
                if self.open == Some(id) {
                    self.with_timeline(Timeline::show_unread);
                }
            }
            Pending::Before(id) => {
                if let Some(timeline) = self.timelines.get_mut(&id) {
                    let is_last = is_short(&page, PAGE);
                    timeline.prepend(page, is_last);
                }
            }
            Pending::After(id) => {
                if let Some(timeline) = self.timelines.get_mut(&id) {
                    let is_last = is_short(&page, PAGE);
                    timeline.append(page, is_last);
                }
            }
            Pending::Refresh(id) => {
                if let Some(timeline) = self.timelines.get_mut(&id) {
                    let is_all = is_short(&page, PAGE);
                    timeline.refresh_newest(page, is_all);
                }
            }
            Pending::JumpAfter { conversation, entry } => {
                let is_last = is_short(&page, PAGE / 2);
                let before = page.first().map(|first| first.entry);
                self.ask(
                    Command::History { conversation, before, after: None, limit: Some(PAGE) },
                    Pending::JumpBefore { conversation, entry, after: page, is_last },
                );
            }
            Pending::JumpBefore { conversation, entry, after, is_last } => {
                let at_start = is_short(&page, PAGE);
                let limit = self.limit;
                let timeline =
                    self.timelines.entry(conversation).or_insert_with(|| Timeline::new(limit));
                timeline.reset(page.into_iter().chain(after).collect(), at_start, is_last);
                if self.open == Some(conversation) {
                    let is_there =
                        self.with_timeline(|t, height, space| t.jump(entry, height, space));
                    if is_there != Some(true) {
                        self.is_selecting = false;
                        self.notify(Tone::Bad, "That message is not there any more.");
                    }
                }
            }
            _ => {}
        }
    }

    fn held_mut(&mut self, conversation: ConversationId, entry: EntryId) -> Option<&mut EntryView> {
        self.timelines.get_mut(&conversation)?.held(entry)
    }

    /// An own text, reply or edit is on the disk: now it is shown.
    pub(super) fn written(
        &mut self,
        id: ConversationId,
        text: String,
        purpose: Purpose,
        Written { entry, sent_at }: Written,
    ) {
        let reply_to = match purpose {
            Purpose::Edit(edited) => {
                if let Some(held) = self.held_mut(id, edited) {
                    (held.text, held.edited) = (Some(text), true);
                }
                return;
            }
            Purpose::Reply(to) => Some(to),
            Purpose::New => None,
        };
        let view = self.own_entry(entry, sent_at, EntryKind::Text);
        self.show_own(id, EntryView { text: Some(text), reply_to, ..view });
    }

    /// An entry that was just written here, of this kind, without its content.
    pub(super) fn own_entry(
        &self,
        entry: EntryId,
        sent_at: UnixMillis,
        kind: EntryKind,
    ) -> EntryView {
        EntryView {
            entry,
            author: self.my_id(),
            sent_at,
            kind,
            text: None,
            file: None,
            reply_to: None,
            edited: false,
            deleted: false,
            reactions: Vec::new(),
            state: EntryState::Queued,
        }
    }

    /// Shows an entry that was just written here.
    pub(super) fn show_own(&mut self, conversation: ConversationId, view: EntryView) {
        let sent_at = view.sent_at;
        if let Some(timeline) = self.timelines.get_mut(&conversation) {
            timeline.push(view, true);
            timeline.mark_unread(UnreadLine::Nowhere);
        }
        self.bring_forward(conversation, sent_at);
    }

    /// A request did not work.
    pub(in crate::tui) fn failed(&mut self, pending: Pending, failure: &Failure) {
        match pending {
            Pending::Profile => self.start_failed(failure),
            Pending::Text { conversation, text, purpose } => {
                let text = if text.starts_with('/') && !matches!(purpose, Purpose::Edit(_)) {
                    format!("/{text}")
                } else {
                    text
                };
                let composer = self.composers.entry(Some(conversation)).or_default();
                composer.restore(&text, purpose);
                self.notify(Tone::Bad, format!("Not sent: {}", failure.text));
            }
            Pending::SendFile { name, .. } => self.not_offered(&name, failure),
            Pending::Forward { .. } => {
                self.notify(Tone::Bad, format!("Not passed on: {}", failure.text));
            }
            Pending::AcceptInvite => match &mut self.window {
                Some(Window::AddInvite { error, .. }) => *error = Some(failure.text.clone()),
                _ => self.trouble(failure),
            },
            Pending::NewInvite => {
                self.window.take_if(|window| matches!(window, Window::Invite { .. }));
                self.trouble(failure);
            }
            Pending::Search { query } => {
                if let Some(Window::Search { found, .. }) = &mut self.window {
                    *found = Some((query, Vec::new()));
                }
                self.trouble(failure);
            }
            // Reading marks and pages are asked for again by the next frame or not needed.
            Pending::Read => {}
            _ => self.trouble(failure),
        }
    }
}
