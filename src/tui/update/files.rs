//! Files that are fetched, and what the node says of them; opening those that are here.

use std::path::{Path, PathBuf};

use crate::{
    conversation::{ConversationId, EntryId},
    node::api::{Command, EntryKind, EntryView, Event, FileState, FileView},
    picture, text,
    tui::{
        disk::Look,
        graphics::Graphics,
        keymap::Action,
        model::{Effect, LookFor, Model, Pending, Tone},
        timeline::Timeline,
        transfers::{self, Stage, Transfer, Transfers},
        view::picture_cells,
        window::{Confirmed, Window},
    },
};

/// Extensions of files that show something, and are no programs.
const PLAIN: [&str; 22] = [
    "png", "jpg", "jpeg", "gif", "webp", "bmp", "txt", "log", "md", "csv", "pdf", "mp3", "ogg",
    "opus", "flac", "wav", "m4a", "mp4", "mkv", "webm", "avi", "mov",
];

impl Model {
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
            Action::ShowPicture if !picture::is_shown(&file.media_type) => {
                self.notify(Tone::Bad, "This file is no picture that is shown here.");
            }
            Action::OpenFile | Action::RevealFile | Action::ShowPicture => {
                let path = file.path.filter(|_| file.state == FileState::Here);
                let Some(path) = path.map(PathBuf::from).filter(|path| path.is_absolute()) else {
                    self.notify(Tone::Bad, "The file is not here.");
                    return;
                };
                if action == Action::ShowPicture {
                    self.window = Some(Window::Picture { name: file.name, path, picture: None });
                    self.look_at_picture();
                } else if action == Action::RevealFile {
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

    /// Whether an entry has a picture that can be shown.
    pub(in crate::tui) fn is_picture(view: &EntryView) -> bool {
        let file = view.file.as_ref().filter(|_| !view.deleted);
        file.is_some_and(|file| {
            file.state == FileState::Here && picture::is_shown(&file.media_type)
        })
    }

    /// Has the picture of the open window made for this terminal, in its size. Made anew it is
    /// also handed to the terminal anew, which may have forgotten it.
    pub(super) fn look_at_picture(&mut self) {
        let (cells, graphics) = (picture_cells(self.size), self.graphics);
        let Some(Window::Picture { path, .. }) = &self.window else { return };
        let look = Look::Picture { path: path.clone(), cells, graphics };
        self.look(look, LookFor::Picture);
    }

    /// The terminal is given pictures in another way now.
    pub(super) fn graphics_changed(&mut self, graphics: Option<Graphics>) {
        if std::mem::replace(&mut self.graphics, graphics) != graphics {
            self.look_at_picture();
        }
    }

    /// The terminal has another size.
    pub(super) fn resized(&mut self, size: (u16, u16)) {
        if std::mem::replace(&mut self.size, size) != size {
            self.look_at_picture();
        }
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
        let of = |transfers: &Transfers| transfers.get(entry)?.name.clone();
        let known = of(&self.transfers).or_else(|| of(&self.sends));
        let seen = || self.file_of(entry).map(|file| file.name.clone());
        known.or_else(seen).unwrap_or_else(|| "a file".to_owned())
    }

    /// The files on their way: those that come, came in part or failed, then those that go.
    pub(in crate::tui) fn on_their_way(&self) -> Vec<&Transfer> {
        let going = self.sends.all().iter().filter(|transfer| transfer.moves(self.now));
        self.transfers.all().iter().chain(going).collect()
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
            Event::FileSent { conversation, entry, bytes, .. } => {
                let now = self.now;
                // Without its entry nothing is known to measure it by.
                if let Some(file) = self.held_file(conversation, entry) {
                    let (name, total) = (file.name.clone(), file.size);
                    self.sends.sent((conversation, entry), total, bytes, now);
                    self.sends.at(conversation, entry).name = Some(name);
                }
            }
            Event::FileFetched { entry, by, .. } => {
                self.sends.drop(entry);
                self.fetched.retain(|&(of, _)| of != entry);
                if self.fetched.len() == transfers::MAX_TRANSFERS {
                    self.fetched.pop_front();
                }
                self.fetched.push_back((entry, by));
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
                let is_named = text.starts_with(&name);
                let sentence = if is_named { text } else { format!("{name}: {text}") };
                self.notify(Tone::Bad, sentence);
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

    /// Another program could not be started.
    pub(super) fn not_opened(&mut self, path: &Path, reason: &str) {
        let path = self.shown_path(&path.to_string_lossy());
        self.notify(Tone::Bad, format!("{path} could not be opened ({reason})."));
    }

    /// Opens the window with the files on their way; this one, or else the first, is selected.
    pub(super) fn open_transfers(&mut self, selected: Option<EntryId>) {
        let all = self.on_their_way();
        let chosen = all.iter().position(|transfer| Some(transfer.entry) == selected).unwrap_or(0);
        self.window = Some(Window::Transfers { chosen });
    }

    /// An action in the window with the files on their way. True if it is another window now, or
    /// none.
    pub(super) fn transfers_action(&mut self, chosen: usize, action: Action) -> bool {
        let Some(transfer) = self.on_their_way().get(chosen).copied() else {
            return action == Action::Accept;
        };
        let (conversation, entry) = (transfer.conversation, transfer.entry);
        let goes = self.transfers.get(entry).is_none();
        match action {
            Action::FetchFile | Action::StopFile | Action::CancelFile if goes => {
                let text = "It is being sent: to end that, delete the message that offers it.";
                self.notify(Tone::Info, text.to_owned());
            }
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
pub(super) fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    text::line(&name.to_string_lossy())
}

/// Whether a file shows something and is no program, by its extension.
fn is_plain(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    PLAIN.contains(&extension.to_lowercase().as_str())
}
