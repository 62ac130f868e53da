//! Looking at the disk, and sending what lies there: `/send`, Tab, a file that was dropped.

use std::path::{Path, PathBuf};

use super::files::file_name;
use crate::{
    conversation::ConversationId,
    node::api::{Command, EntryKind, EntryView, Failure, Offered},
    text,
    tui::{
        commands::path_argument,
        composer::Purpose,
        disk::{Found, Listing, Look, Seen},
        model::{Effect, LookFor, Looking, Model, Pending, Phase, Tone},
        paths, transfers,
        window::{Confirmed, Window},
    },
    voice::Voice,
};

/// How long the disk may take to say what lies at a path, in milliseconds. One that takes longer is
/// one that went to sleep, or a network's that is gone.
const LOOK_TIME: u64 = 3_000;

/// How long a picture may take to be decoded, in milliseconds: a large one, on a slow computer.
const DECODE_TIME: u64 = 20_000;

/// How many of the names that fit are shown.
const SHOWN_NAMES: usize = 20;

impl Model {
    /// Looks at the disk. What the last look was for is given up.
    pub(super) fn look(&mut self, look: Look, purpose: LookFor) {
        self.give_up_looking();
        let number = self.next_request;
        self.next_request += 1;
        let time = if matches!(purpose, LookFor::Picture) { DECODE_TIME } else { LOOK_TIME };
        self.looking = Some(Looking { number, purpose, until: self.now + time });
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
                Seen::Path(_) | Seen::Picture(_) => Err("it is no directory".to_owned()),
            })),
            (LookFor::Picture, seen) => {
                if let Some(Window::Picture { picture, .. }) = &mut self.window {
                    *picture = Some(seen.and_then(|seen| match seen {
                        Seen::Picture(picture) => Ok(picture),
                        _ => Err("it is no picture".to_owned()),
                    }));
                }
            }
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

    /// Offers a file.
    pub(super) fn send_file(&mut self, conversation: ConversationId, path: &Path) {
        self.offer(conversation, path, None);
    }

    /// Offers a file, or a voice note; it shows once it is hashed and written.
    pub(super) fn offer(
        &mut self,
        conversation: ConversationId,
        path: &Path,
        voice: Option<Voice>,
    ) {
        let name = file_name(path);
        let Some(path) = path.to_str().map(str::to_owned) else {
            self.notify(Tone::Bad, format!("{name} was not sent: its path is not UTF-8."));
            return;
        };
        self.ask(
            Command::SendFile { conversation, path, voice },
            Pending::SendFile { conversation, name },
        );
        self.go_to_newest();
    }

    /// An own file is offered: now it is shown.
    pub(super) fn offered(&mut self, conversation: ConversationId, offered: Offered) {
        let Offered { entry, sent_at, file, .. } = offered;
        let view = self.own_entry(entry, sent_at, EntryKind::File);
        self.show_own(conversation, EntryView { file: Some(file), ..view });
    }

    /// A file could not be sent.
    pub(super) fn not_offered(&mut self, name: &str, failure: &Failure) {
        // The path is often said already.
        let what = if failure.text.contains(name) {
            "Not sent".to_owned()
        } else {
            format!("{name} was not sent")
        };
        self.notify(Tone::Bad, format!("{what}: {}", failure.text));
    }

    /// Tab in a line whose command takes a path: the disk is asked.
    pub(super) fn look_for_paths(&mut self, line: &str, typed: &str) {
        let (directory, begins) = paths::split(typed);
        let path = self.places.resolve(if directory.is_empty() { "." } else { directory });
        let look = Look::Directory { path, begins: begins.to_owned() };
        self.look(look, LookFor::Complete { line: line.to_owned() });
    }

    fn complete_path(&mut self, line: &str, listing: &Listing) {
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
            self.notify_of_line(Tone::Info, "No name begins so.");
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
            self.notify_of_line(Tone::Info, names.join("  "));
        }
    }

    pub(super) fn ask_send_directory(&mut self, conversation: ConversationId, path: PathBuf) {
        self.ask_send(conversation, Found { path, is_directory: true, size: 0 }, None);
    }
}
