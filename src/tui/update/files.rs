//! Files: sending, fetching, and what the node and the disk say of them.

use std::path::{Path, PathBuf};

use crate::{
    conversation::{ConversationId, EntryId},
    node::api::{
        Command, EntryKind, EntryState, EntryView, Event, Failure, FileState, FileView, Offered,
    },
    text,
    tui::{
        composer::Purpose,
        disk::{Found, Listing, Look, Seen},
        keymap::Action,
        model::{Effect, LookFor, Looking, Model, Pending, Phase, Tone},
        paths,
        timeline::{Timeline, UnreadLine},
        transfers::{self, Stage},
        window::{Confirmed, Window},
    },
};

/// How long the disk may take to say what lies at a path, in milliseconds. One that takes longer is
/// one that went to sleep, or a network's that is gone.
const LOOK_TIME: u64 = 3_000;

/// How many of the names that fit are shown.
const SHOWN_NAMES: usize = 20;

/// Extensions of files that show something, and are no programs.
const PLAIN: [&str; 22] = [
    "png", "jpg", "jpeg", "gif", "webp", "bmp", "txt", "log", "md", "csv", "pdf", "mp3", "ogg",
    "opus", "flac", "wav", "m4a", "mp4", "mkv", "webm", "avi", "mov",
];

impl Model {
    /// Looks at the disk. What the last look was for is given up.
    pub(super) fn look(&mut self, look: Look, purpose: LookFor) {
        self.give_up_looking();
        let number = self.next_request;
        self.next_request += 1;
        self.looking = Some(Looking { number, purpose, until: self.now + LOOK_TIME });
        self.effects.push(Effect::Look(number, look));
    }

    /// The last look is of no use any more; a pasted text is just a text then.
    fn give_up_looking(&mut self) {
        let looking = self.looking.take();
        if let Some(Looking { purpose: LookFor::Pasted { conversation, text }, .. }) = looking {
            self.insert_pasted(conversation, &text);
        }
    }

    /// Gives up a look that takes too long.
    pub(super) fn look_after_disk(&mut self) {
        let Some(looking) = self.looking.take_if(|looking| looking.until <= self.now) else {
            return;
        };
        self.saw(looking.purpose, Err("the disk does not answer".to_owned()));
    }

    /// What the disk says. What was not asked for, or is of no use any more, is passed over.
    pub(super) fn seen(&mut self, number: u64, seen: Result<Seen, String>) {
        if let Some(looking) = self.looking.take_if(|looking| looking.number == number) {
            self.saw(looking.purpose, seen);
        }
    }

    fn saw(&mut self, purpose: LookFor, seen: Result<Seen, String>) {
        match (purpose, seen) {
            (LookFor::Complete { line }, Ok(Seen::Directory(listing))) => {
                self.complete_path(&line, &listing);
            }
            (LookFor::Complete { .. }, _) => {}
            (LookFor::Send { conversation, .. }, Ok(Seen::Path(Some(found)))) => {
                if found.is_directory {
                    self.ask_send(conversation, found, None);
                } else {
                    self.send_file(conversation, &found.path);
                }
            }
            (LookFor::Send { conversation, typed }, seen) => {
                let why = match seen {
                    Err(why) => format!("{}: {why}.", text::line(&typed)),
                    Ok(_) => {
                        format!("There is no file {}: Tab completes names.", text::line(&typed))
                    }
                };
                let composer = self.composers.entry(Some(conversation)).or_default();
                if composer.is_empty() {
                    composer.set(&format!("/send {typed}"));
                }
                self.notify(Tone::Bad, why);
            }
            (LookFor::Pasted { conversation, text }, Ok(Seen::Path(Some(found))))
                if self.window.is_none() && self.open == Some(conversation) =>
            {
                self.ask_send(conversation, found, Some(text));
            }
            (LookFor::Pasted { conversation, text }, _) => self.insert_pasted(conversation, &text),
            (LookFor::Picker, seen) => self.listed(seen.and_then(|seen| match seen {
                Seen::Directory(listing) => Ok(listing),
                Seen::Path(_) => Err("it is no directory".to_owned()),
            })),
        }
    }

    /// Whether a pasted text may be a file that was dropped on the terminal: then it is looked
    /// for, and inserted if there is none.
    pub(super) fn is_dropped(&mut self, text: &str) -> bool {
        let is_edit = matches!(self.composer().purpose, Purpose::Edit(_));
        let Some(conversation) = self.open.filter(|_| !is_edit) else { return false };
        // After `/send` and `/get` it is meant as a path already.
        if paths::pasted(text).is_empty() || self.composer().text().starts_with('/') {
            return false;
        }
        let look = Look::Paths(paths::pasted(text));
        self.look(look, LookFor::Pasted { conversation, text: text.to_owned() });
        true
    }

    fn insert_pasted(&mut self, conversation: ConversationId, text: &str) {
        let composer = self.composers.entry(Some(conversation)).or_default();
        if !composer.paste(text) {
            self.notify(Tone::Bad, "There is no room for what was pasted.");
        }
    }

    fn ask_send(&mut self, conversation: ConversationId, found: Found, pasted: Option<String>) {
        let name = file_name(&found.path);
        let question = if found.is_directory {
            format!("Send the directory {name}, with all that is in it?")
        } else {
            format!("Send {name} ({})?", transfers::size(found.size))
        };
        let then = Confirmed::Send { conversation, path: found.path, pasted };
        self.window = Some(Window::Confirm { question, then });
    }

    /// A question about a file was answered with no.
    pub(super) fn refused(&mut self, then: Confirmed) {
        match then {
            Confirmed::Send { conversation, pasted: Some(text), .. } => {
                self.insert_pasted(conversation, &text);
            }
            Confirmed::Cancel { back: true, entry, .. } => self.open_transfers(Some(entry)),
            _ => {}
        }
    }

    /// `/send`
    pub(super) fn send_command(&mut self, typed: &str) {
        let Some(conversation) = self.open else {
            self.notify(Tone::Bad, "There is nobody to send this to yet: /invite a friend first.");
            return;
        };
        let path = self.places.resolve(typed);
        if typed.is_empty() {
            self.open_picker(None);
        } else if typed.ends_with('/') || typed == "~" {
            self.open_picker(Some(path));
        } else {
            let purpose = LookFor::Send { conversation, typed: typed.to_owned() };
            // It may be typed, completed, or dropped on the terminal.
            let paths = std::iter::once(path).chain(paths::pasted(typed)).collect();
            self.look(Look::Paths(paths), purpose);
        }
    }

    /// Offers a file; it shows once it is hashed and written.
    pub(super) fn send_file(&mut self, conversation: ConversationId, path: &Path) {
        let name = file_name(path);
        let Some(path) = path.to_str().map(str::to_owned) else { return };
        self.ask(
            Command::SendFile { conversation, path },
            Pending::SendFile { conversation, name },
        );
        self.go_to_newest();
    }

    /// An own file is offered: now it is shown.
    pub(super) fn offered(&mut self, conversation: ConversationId, offered: Offered) {
        let Offered { entry, sent_at, file, .. } = offered;
        let view = EntryView {
            entry,
            author: self.my_id(),
            sent_at,
            kind: EntryKind::File,
            text: None,
            file: Some(file),
            reply_to: None,
            edited: false,
            deleted: false,
            reactions: Vec::new(),
            state: EntryState::Queued,
        };
        if let Some(timeline) = self.timelines.get_mut(&conversation) {
            timeline.push(view, true);
            timeline.mark_unread(UnreadLine::Nowhere);
        }
        self.bring_forward(conversation, sent_at);
    }

    /// The file that a command is about: the selected entry's, else the newest here that fits.
    fn file_target(&self, fits: impl Fn(FileState) -> bool) -> Option<EntryId> {
        let me = self.my_id();
        self.target(|view| {
            let file = view.file.as_deref().filter(|_| !view.deleted);
            view.author != me && file.is_some_and(|file| fits(file.state))
        })
    }

    /// The file that `/get` fetches.
    pub(in crate::tui) fn get_target(&self) -> Option<EntryId> {
        self.file_target(|state| !matches!(state, FileState::Here | FileState::Fetching))
    }

    /// `/get`
    pub(super) fn get_command(&mut self, typed: &str) {
        let to = (!typed.is_empty()).then(|| self.places.resolve(typed));
        match self.get_target() {
            Some(entry) => self.fetch_file(entry, to),
            None => self.notify(Tone::Bad, "No file is offered here."),
        }
    }

    /// `/stop` and `/cancel`: a file of this conversation, else the one that was begun last.
    pub(super) fn stop_command(&mut self, forget: bool) {
        let fits = |state| state == FileState::Fetching || forget && state == FileState::Stopped;
        let here = self.open.zip(self.file_target(fits));
        let last = self
            .transfers
            .all()
            .iter()
            .rev()
            .find(|transfer| transfer.stage == Stage::Running || forget);
        match here.or_else(|| last.map(|transfer| (transfer.conversation, transfer.entry))) {
            Some((conversation, entry)) if forget => self.ask_cancel(conversation, entry, false),
            Some((conversation, entry)) => self.stop_file(conversation, entry),
            None => self.notify(Tone::Info, "No file is being fetched."),
        }
    }

    /// An action on the file of the selected entry.
    pub(super) fn file_action(&mut self, entry: EntryId, action: Action) {
        let Some(conversation) = self.open else { return };
        let Some(file) = self.file_of(entry).cloned() else {
            self.notify(Tone::Bad, "This message offers no file.");
            return;
        };
        match action {
            Action::FetchFile => self.fetch_file(entry, None),
            Action::StopFile => self.stop_file(conversation, entry),
            Action::CancelFile => self.ask_cancel(conversation, entry, false),
            Action::OpenFile | Action::RevealFile => {
                let path = file.path.filter(|_| file.state == FileState::Here);
                let Some(path) = path.map(PathBuf::from).filter(|path| path.is_absolute()) else {
                    self.notify(Tone::Bad, "The file is not here.");
                    return;
                };
                if action == Action::RevealFile {
                    let directory = path.parent().unwrap_or(&path).to_owned();
                    self.effects.push(Effect::Open(directory));
                } else if is_plain(&path) {
                    self.effects.push(Effect::Open(path));
                } else {
                    self.window = Some(Window::Confirm {
                        question: format!(
                            "{} may be a program, or make one run. Open it?",
                            file_name(&path)
                        ),
                        then: Confirmed::Open(path),
                    });
                }
            }
            _ => {}
        }
    }

    /// The file that an entry of the open conversation offers.
    pub(in crate::tui) fn file_of(&self, entry: EntryId) -> Option<&FileView> {
        let view = self.timeline().and_then(|timeline| timeline.entry(entry))?;
        view.file.as_deref().filter(|_| !view.deleted)
    }

    /// What Enter does with a selected entry: true if that is to fetch its file.
    pub(in crate::tui) fn enter_fetches(&self, view: &EntryView) -> bool {
        let file = view.file.as_ref().filter(|_| !view.deleted && view.author != self.my_id());
        file.is_some_and(|file| {
            matches!(file.state, FileState::Offered | FileState::Stopped | FileState::Gone)
        })
    }

    fn fetch_file(&mut self, entry: EntryId, to: Option<PathBuf>) {
        let me = self.my_id();
        let view = self.timeline().and_then(|timeline| timeline.entry(entry));
        let (is_own, has_file) = view.map_or((false, false), |view| {
            (view.author == me, view.file.is_some() && !view.deleted)
        });
        let Some(conversation) = self.open.filter(|_| has_file) else {
            self.notify(Tone::Bad, "This message offers no file.");
            return;
        };
        if is_own {
            self.notify(Tone::Info, "This file is your own: it stays where it is.");
            return;
        }
        // Paths are typed or listed here, so they are text.
        let to = to.and_then(|to| to.to_str().map(str::to_owned));
        self.get_file(conversation, entry, to);
    }

    pub(super) fn get_file(
        &mut self,
        conversation: ConversationId,
        entry: EntryId,
        to: Option<String>,
    ) {
        self.ask(Command::GetFile { conversation, entry, to }, Pending::File);
    }

    pub(super) fn stop_file(&mut self, conversation: ConversationId, entry: EntryId) {
        self.ask(Command::StopFile { conversation, entry }, Pending::File);
    }

    /// Cancels a file; asks first if something of it is lost by that.
    pub(super) fn ask_cancel(&mut self, conversation: ConversationId, entry: EntryId, back: bool) {
        let done = self.transfers.get(entry).map_or(0, |transfer| transfer.done);
        if done == 0 {
            self.ask(Command::CancelFile { conversation, entry }, Pending::File);
            return;
        }
        let name = self.transfer_name(entry);
        self.window = Some(Window::Confirm {
            question: format!("Forget {name}, of which {} are here?", transfers::size(done)),
            then: Confirmed::Cancel { conversation, entry, back },
        });
    }

    /// What to call a file that is on its way.
    pub(in crate::tui) fn transfer_name(&self, entry: EntryId) -> String {
        let known = self.transfers.get(entry).and_then(|transfer| transfer.name.clone());
        let seen = || self.file_of(entry).map(|file| file.name.clone());
        known.or_else(seen).unwrap_or_else(|| "a file".to_owned())
    }

    /// What the node tells of a file.
    pub(super) fn file_event(&mut self, event: Event) {
        match event {
            Event::FileProgress { conversation, entry, done, total, bytes_per_second, holders } => {
                let seen = self.timelines.get(&conversation).and_then(|t| t.entry(entry));
                let name = seen.and_then(|view| view.file.as_ref()).map(|file| file.name.clone());
                let now = self.now;
                let transfer = self.transfers.at(conversation, entry);
                transfer.name = transfer.name.take().or(name);
                transfer.stage = Stage::Running;
                (transfer.done, transfer.total, transfer.at) = (done, total, now);
                (transfer.rate, transfer.holders) = (bytes_per_second, holders);
            }
            Event::FileDone { conversation, entry, path } => {
                let name = self.name_of_file(conversation, entry);
                if let Some(file) = self.held_file(conversation, entry) {
                    (file.state, file.path) = (FileState::Here, Some(path.clone()));
                }
                self.transfers.drop(entry);
                let shown = self.shown_path(&path);
                self.notify(Tone::Good, format!("{name} is here: {shown}"));
            }
            Event::FileFailed { conversation, entry, text, .. } => {
                let name = self.name_of_file(conversation, entry);
                let me = self.my_id();
                let seen = self.timelines.get(&conversation).and_then(|t| t.entry(entry));
                let is_others = seen.is_some_and(|view| view.author != me);
                if is_others || self.transfers.get(entry).is_some() {
                    let transfer = self.transfers.at(conversation, entry);
                    transfer.stage = Stage::Failed(text.clone());
                    transfer.name = Some(name.clone());
                }
                self.notify(Tone::Bad, format!("{name}: {text}"));
            }
            _ => {}
        }
    }

    fn held_file(&mut self, conversation: ConversationId, entry: EntryId) -> Option<&mut FileView> {
        self.timelines.get_mut(&conversation)?.held(entry)?.file.as_deref_mut()
    }

    fn name_of_file(&self, conversation: ConversationId, entry: EntryId) -> String {
        let seen = self.timelines.get(&conversation).and_then(|t| t.entry(entry));
        let seen = seen.and_then(|view| view.file.as_ref()).map(|file| file.name.clone());
        seen.unwrap_or_else(|| self.transfer_name(entry))
    }

    /// A file could not be sent.
    pub(super) fn not_offered(&mut self, name: &str, failure: &Failure) {
        self.notify(Tone::Bad, format!("{name} was not sent: {}", failure.text));
    }

    /// Another program could not be started.
    pub(super) fn not_opened(&mut self, path: &Path, reason: &str) {
        let path = self.shown_path(&path.to_string_lossy());
        self.notify(Tone::Bad, format!("{path} could not be opened ({reason})."));
    }

    /// Tab in a line whose command takes a path: the disk is asked.
    pub(super) fn look_for_paths(&mut self, line: &str, typed: &str) {
        let (directory, begins) = paths::split(typed);
        let path = self.places.resolve(if directory.is_empty() { "." } else { directory });
        let look = Look::Directory { path, begins: begins.to_owned() };
        self.look(look, LookFor::Complete { line: line.to_owned() });
    }

    fn complete_path(&mut self, line: &str, listing: &Listing) {
        use crate::tui::commands::path_argument;
        if self.composer().text() != line || !matches!(self.phase, Phase::Open) {
            return;
        }
        let Some((before, typed)) = path_argument(line) else { return };
        let (directory, begins) = paths::split(typed);
        let is_meant = |name: &str| begins.starts_with('.') || !name.starts_with('.');
        let fitting: Vec<String> = listing
            .entries
            .iter()
            .filter(|entry| is_meant(&entry.name))
            .map(|entry| format!("{}{}", entry.name, if entry.is_directory { "/" } else { "" }))
            .collect();
        let Some(first) = fitting.first() else {
            self.notify(Tone::Info, "No name begins so.");
            return;
        };
        let agreed = fitting.iter().skip(1).fold(first.chars().count(), |agreed, name| {
            first.chars().zip(name.chars()).take_while(|(a, b)| a == b).count().min(agreed)
        });
        let common: String = first.chars().take(agreed).collect();
        let slash = if directory == "~" { "/" } else { "" };
        self.composer_mut().set(&format!("{before}{directory}{slash}{common}"));
        if fitting.len() > 1 {
            let mut names: Vec<String> =
                fitting.iter().take(SHOWN_NAMES).map(|name| text::line(name)).collect();
            if fitting.len() > SHOWN_NAMES || listing.is_cut {
                names.push("…".to_owned());
            }
            self.notify(Tone::Info, names.join("  "));
        }
    }

    pub(super) fn ask_send_directory(&mut self, conversation: ConversationId, path: PathBuf) {
        self.ask_send(conversation, Found { path, is_directory: true, size: 0 }, None);
    }

    /// Opens the window with the files on their way; this one, or else the first, is selected.
    pub(super) fn open_transfers(&mut self, selected: Option<EntryId>) {
        let all = self.transfers.all();
        let chosen = all.iter().position(|transfer| Some(transfer.entry) == selected).unwrap_or(0);
        self.window = Some(Window::Transfers { chosen });
    }

    /// An action in the window with the files on their way. True if it is another window now, or
    /// none.
    pub(super) fn transfers_action(&mut self, chosen: usize, action: Action) -> bool {
        let Some(transfer) = self.transfers.all().get(chosen) else {
            return action == Action::Accept;
        };
        let (conversation, entry) = (transfer.conversation, transfer.entry);
        match action {
            Action::FetchFile => self.get_file(conversation, entry, None),
            Action::StopFile => self.stop_file(conversation, entry),
            Action::CancelFile => {
                self.ask_cancel(conversation, entry, true);
                return self.window.is_some();
            }
            Action::Accept => {
                self.jump(conversation, entry);
                return true;
            }
            _ => {}
        }
        false
    }

    /// The file's state as the entries of a page tell it.
    pub(super) fn see_files(&mut self, conversation: ConversationId, page: &[EntryView]) {
        for view in page.iter().filter(|view| view.kind == EntryKind::File) {
            self.transfers.see(conversation, view);
        }
    }

    /// The selected entry of the open conversation.
    pub(in crate::tui) fn selected(&self) -> Option<&EntryView> {
        let timeline = self.timeline().filter(|_| self.is_selecting)?;
        timeline.selected().and_then(|entry| Timeline::entry(timeline, entry))
    }
}

/// A path's last part, as it is shown.
fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    text::line(&name.to_string_lossy())
}

/// Whether a file shows something and is no program, by its extension.
fn is_plain(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    PLAIN.contains(&extension.to_lowercase().as_str())
}
