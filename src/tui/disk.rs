//! The disk and other programs, as the screen needs them. A thread looks; the loop goes on, and
//! what was seen comes back as a message. A disk that does not answer holds up nothing.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    thread,
};

use tokio::sync::{Semaphore, mpsc};

use super::{graphics::Graphics, model::Msg, picture::Picture};
use crate::picture::guarded;

/// What a listing holds at most; typing finds the rest.
pub const MAX_ENTRIES: usize = 1000;

/// What is read of a directory at most.
const MAX_READ: usize = 100_000;

/// Threads that may look at the same time: when so many hang, more would hang too.
const MAX_LOOKS: usize = 4;

/// Messages that may wait for the loop.
const MAX_MESSAGES: usize = 16;

/// What opens a file in the program that the desktop has for it.
const OPENER: &str = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };

/// What is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// What lies in a directory.
    Directory {
        /// Where.
        path: PathBuf,
        /// Only names that begin so.
        begins: String,
    },
    /// The first of these paths that there is.
    Paths(Vec<PathBuf>),
    /// The picture in a file.
    Picture {
        /// Where.
        path: PathBuf,
        /// Into how many columns and rows it is to fit.
        cells: (u16, u16),
        /// By which protocol it is to be shown; none: in half blocks.
        graphics: Option<Graphics>,
    },
}

/// What was seen.
#[derive(Debug, Clone)]
pub enum Seen {
    /// In a directory.
    Directory(Listing),
    /// At one of the paths; none if at none of them.
    Path(Option<Found>),
    /// In a file.
    Picture(Arc<Picture>),
}

/// What lies in a directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// Directories first, each in the order of their names.
    pub entries: Vec<Entry>,
    /// There is more than fits.
    pub is_cut: bool,
}

/// A file or a directory in a listing. Names that cannot be typed (not UTF-8, or with control
/// characters) are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Whether it is a directory.
    pub is_directory: bool,
    /// The bytes of a file.
    pub size: u64,
}

/// A file or a directory at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where.
    pub path: PathBuf,
    /// Whether it is a directory.
    pub is_directory: bool,
    /// The bytes of a file.
    pub size: u64,
}

/// Looks for the screen.
pub struct Disk {
    messages: mpsc::Sender<Msg>,
    told: mpsc::Receiver<Msg>,
    looks: Arc<Semaphore>,
}

impl Default for Disk {
    /// Nothing is looked at yet.
    fn default() -> Self {
        let (messages, told) = mpsc::channel(MAX_MESSAGES);
        Self { messages, told, looks: Arc::new(Semaphore::new(MAX_LOOKS)) }
    }
}

impl Disk {
    /// The next message of a thread.
    pub async fn next(&mut self) -> Msg {
        match self.told.recv().await {
            Some(msg) => msg,
            // A sender is held here.
            None => std::future::pending().await,
        }
    }

    /// Looks; [`Msg::Seen`] with this number says what was seen. Not a task of the runtime: that
    /// would wait for it at the end.
    pub fn look(&self, number: u64, look: Look) {
        let messages = self.messages.clone();
        let Ok(permit) = Arc::clone(&self.looks).try_acquire_owned() else { return };
        let work = move || {
            let seen = guarded(|| see(&look));
            let seen = seen.unwrap_or_else(|| Err("it cannot be understood".to_owned()));
            // If the loop is gone there is nobody to tell.
            _ = messages.blocking_send(Msg::Seen(number, seen));
            drop(permit);
        };
        // If no thread can be had the look is given up, as one that takes too long.
        _ = thread::Builder::new().name("disk".to_owned()).spawn(work);
    }

    /// Opens a file or a directory in the program that the desktop has for it, which lives on
    /// when this one ends; [`Msg::NotOpened`] if there is none.
    pub fn open(&self, path: PathBuf) {
        let messages = self.messages.clone();
        tokio::spawn(async move {
            let opened = tokio::process::Command::new(OPENER)
                .arg(&path)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .process_group(0)
                .status()
                .await;
            let reason = match opened {
                Ok(status) if status.success() => return,
                Ok(status) => format!("{OPENER}: {status}"),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    format!("there is no {OPENER} here, which knows the program for it")
                }
                Err(error) => format!("{OPENER}: {error}"),
            };
            _ = messages.send(Msg::NotOpened(path, reason)).await;
        });
    }
}

fn see(look: &Look) -> Result<Seen, String> {
    let words = |error: io::Error| error.to_string();
    match look {
        Look::Directory { path, begins } => list(path, begins).map(Seen::Directory).map_err(words),
        Look::Picture { path, cells, graphics } => {
            let picture =
                Picture::read(path, *cells, *graphics).map_err(|error| error.to_string())?;
            Ok(Seen::Picture(Arc::new(picture)))
        }
        Look::Paths(paths) => {
            let mut result = Ok(Seen::Path(None));
            for path in paths {
                match fs::metadata(path) {
                    Ok(metadata) if metadata.is_file() || metadata.is_dir() => {
                        let is_directory = metadata.is_dir();
                        let size = if is_directory { 0 } else { metadata.len() };
                        let path = path.clone();
                        return Ok(Seen::Path(Some(Found { path, is_directory, size })));
                    }
                    Err(error) if !is_absence(&error) => result = Err(words(error)),
                    _ => {}
                }
            }
            result
        }
    }
}

/// A path that is none leads nowhere, as one does that nothing lies at.
fn is_absence(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | InvalidFilename | InvalidInput)
}

fn list(path: &Path, begins: &str) -> io::Result<Listing> {
    let mut listing = Listing::default();
    for (read, entry) in fs::read_dir(path)?.enumerate() {
        if listing.entries.len() == MAX_ENTRIES || read == MAX_READ {
            listing.is_cut = true;
            break;
        }
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !name.starts_with(begins) || name.contains(char::is_control) {
            continue;
        }
        // A link counts as what it leads to.
        let Ok(metadata) = fs::metadata(entry.path()) else { continue };
        if metadata.is_file() || metadata.is_dir() {
            let is_directory = metadata.is_dir();
            let size = if is_directory { 0 } else { metadata.len() };
            listing.entries.push(Entry { name, is_directory, size });
        }
    }
    listing.entries.sort_by_cached_key(|entry| (!entry.is_directory, entry.name.to_lowercase()));
    Ok(listing)
}

#[cfg(test)]
mod tests {
    use std::os::unix::{ffi::OsStrExt as _, fs::symlink, net::UnixListener};

    use super::*;

    fn names(listing: &Listing) -> Vec<&str> {
        listing.entries.iter().map(|entry| entry.name.as_str()).collect()
    }

    #[test]
    fn a_listing_has_directories_first_and_nothing_strange() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("b.txt"), "12345").unwrap();
        fs::write(at("A.txt"), "").unwrap();
        fs::write(at("with\nbreak"), "").unwrap();
        fs::write(directory.path().join(std::ffi::OsStr::from_bytes(b"\xff")), "").unwrap();
        fs::create_dir(at("zoo")).unwrap();
        symlink(at("b.txt"), at("link")).unwrap();
        symlink(at("nowhere"), at("dangling")).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        let listing = list(directory.path(), "").unwrap();
        assert_eq!(names(&listing), ["zoo", "A.txt", "b.txt", "link"]);
        assert_eq!((listing.entries[2].size, listing.entries[3].size), (5, 5));
        assert_eq!(names(&list(directory.path(), "b").unwrap()), ["b.txt"]);
        assert!(list(&at("nowhere"), "").is_err() && list(&at("b.txt"), "").is_err());
    }

    #[test]
    fn a_listing_is_bounded() {
        let directory = tempfile::tempdir().unwrap();
        for number in 0..=MAX_ENTRIES {
            fs::write(directory.path().join(number.to_string()), "").unwrap();
        }
        let listing = list(directory.path(), "").unwrap();
        assert!(listing.is_cut && listing.entries.len() == MAX_ENTRIES);
        let listing = list(directory.path(), "99").unwrap();
        assert!(!listing.is_cut && listing.entries.len() == 11);
    }

    #[test]
    fn the_first_path_that_there_is() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a b");
        fs::write(&file, "123").unwrap();
        let look = |paths: &[&Path]| match see(&Look::Paths(
            paths.iter().map(|&path| path.to_owned()).collect(),
        )) {
            Ok(Seen::Path(found)) => found,
            other => panic!("{other:?}"),
        };
        let nowhere = directory.path().join("c");
        let found = Found { path: file.clone(), is_directory: false, size: 3 };
        assert_eq!(look(&[&nowhere, &file, directory.path()]), Some(found));
        let within_a_file = file.join("x");
        let too_long = PathBuf::from(format!("/{}", "x".repeat(10_000)));
        let with_nul = PathBuf::from("/a\0b");
        assert_eq!(look(&[&nowhere, &within_a_file, &too_long, &with_nul]), None);
        assert!(look(&[directory.path()]).unwrap().is_directory);
    }

    #[tokio::test]
    async fn what_was_seen_comes_as_a_message() {
        let mut disk = Disk::default();
        disk.look(7, Look::Directory { path: "/nowhere/at/all".into(), begins: String::new() });
        assert!(matches!(disk.next().await, Msg::Seen(7, Err(_))));
    }
}
