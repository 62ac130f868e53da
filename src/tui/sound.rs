//! The microphone and the loudspeaker, as the screen needs them: a thread for what is recorded, one
//! for what is played; the loop goes on, and what they do comes back as messages.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io, iter,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use super::model::Msg;
use crate::voice::{Voice, device};

/// Messages that may wait for the loop. Of those that only say how far it is, more are dropped.
const MAX_MESSAGES: usize = 16;

/// How often it is said how far it is.
const TOLD: Duration = Duration::from_millis(100);

/// What a recording's name ends with until it is to be sent.
const UNFINISHED: &str = "part";

/// What it ends with then.
const EXTENSION: &str = "ogg";

/// Names that are tried for a recording: those of one second.
const MAX_NAMES: u32 = 100;

/// What is heard of a recording or of a voice note that is played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// The recording is so many milliseconds long, and so loud at the moment.
    Recording(u32, u8),
    /// It ended: where it lies, and what is said of it; none if it was dropped or is empty. Or why
    /// there is none.
    Recorded(Result<Option<(PathBuf, Voice)>, String>),
    /// The voice note is so many milliseconds far.
    Playing(u32),
    /// It ended, or why it did before.
    Played(Result<(), String>),
}

/// A thread that records or plays.
struct Running {
    /// It is to end.
    stop: Arc<AtomicBool>,
    /// What was recorded is to be kept.
    keep: Arc<AtomicBool>,
}

/// Records and plays for the screen.
pub struct Sound {
    messages: mpsc::Sender<Msg>,
    told: mpsc::Receiver<Msg>,
    /// What is recorded.
    recording: Option<Running>,
    /// What is played.
    playing: Option<Running>,
}

impl Default for Sound {
    /// Nothing is heard yet.
    fn default() -> Self {
        let (messages, told) = mpsc::channel(MAX_MESSAGES);
        Self { messages, told, recording: None, playing: None }
    }
}

impl Sound {
    /// The next message of a thread.
    pub async fn next(&mut self) -> Msg {
        match self.told.recv().await {
            Some(msg) => msg,
            // A sender is held here.
            None => std::future::pending().await,
        }
    }

    /// Records into a new file at this path, whose directory is made; [`Heard`] with this number
    /// tells how it goes. What was recorded before is dropped.
    pub fn record(&mut self, number: u64, path: PathBuf) {
        self.end_recording(false);
        self.recording = self.start(move |running, tell| {
            let (stop, keep) = (&running.stop, &running.keep);
            let unfinished = path.with_added_extension(format!("{number}.{UNFINISHED}"));
            let result = record((&unfinished, &path), stop, keep, |millis, level| {
                tell.now_and_then(number, Heard::Recording(millis, level));
            });
            tell.surely(number, Heard::Recorded(result));
        });
    }

    /// Ends the recording, to keep it or to drop it.
    pub fn end_recording(&mut self, keep: bool) {
        if let Some(running) = self.recording.take() {
            running.keep.store(keep, Ordering::Relaxed);
            running.stop.store(true, Ordering::Release);
        }
    }

    /// Removes a recording that was kept and is not to be sent after all.
    pub fn forget(&mut self, path: PathBuf) {
        self.start(move |_, _| {
            // It may be gone already.
            let _ = fs::remove_file(path);
        });
    }

    /// Plays a voice note instead of what is played; [`Heard`] with this number tells how it goes.
    pub fn play(&mut self, number: u64, path: PathBuf) {
        self.stop_playing();
        self.playing = self.start(move |running, tell| {
            let result = device::play(&path, &running.stop, |millis| {
                tell.now_and_then(number, Heard::Playing(millis));
            });
            tell.surely(number, Heard::Played(result));
        });
    }

    /// Stops what is played.
    pub fn stop_playing(&mut self) {
        if let Some(running) = self.playing.take() {
            running.stop.store(true, Ordering::Release);
        }
    }

    /// Without a thread nothing is said, as if it had ended at once.
    fn start(&self, work: impl FnOnce(&Running, &mut Teller) + Send + 'static) -> Option<Running> {
        let new = || Arc::new(AtomicBool::new(false));
        let (stop, keep) = (new(), new());
        let running = Running { stop: Arc::clone(&stop), keep: Arc::clone(&keep) };
        let mut tell = Teller { messages: self.messages.clone(), last: None };
        let work = move || work(&Running { stop, keep }, &mut tell);
        thread::Builder::new().name("sound".to_owned()).spawn(work).ok().map(|_| running)
    }
}

impl Drop for Sound {
    fn drop(&mut self) {
        self.end_recording(false);
        self.stop_playing();
    }
}

/// Tells the loop.
struct Teller {
    messages: mpsc::Sender<Msg>,
    last: Option<Instant>,
}

impl Teller {
    fn now_and_then(&mut self, number: u64, heard: Heard) {
        if self.last.is_none_or(|last| last.elapsed() >= TOLD) {
            self.last = Some(Instant::now());
            // The loop is behind: it hears of the next.
            let _ = self.messages.try_send(Msg::Heard(number, heard));
        }
    }

    fn surely(&self, number: u64, heard: Heard) {
        // If the loop is gone there is nobody to tell.
        let _ = self.messages.blocking_send(Msg::Heard(number, heard));
    }
}

/// Records into the first of these paths, and gives it the other if it is to be kept.
fn record(
    (unfinished, path): (&Path, &Path),
    stop: &AtomicBool,
    keep: &AtomicBool,
    heard: impl FnMut(u32, u8),
) -> Result<Option<(PathBuf, Voice)>, String> {
    let unwritable = |error: io::Error| format!("The recording cannot be written: {error}.");
    let file = create(unfinished).map_err(unwritable)?;
    let recorded = device::record(file, stop, heard);
    // Asked once: what is kept is told, whatever becomes of it then.
    let is_kept = keep.load(Ordering::Relaxed);
    let kept = recorded.and_then(|voice| {
        let Some(voice) = voice.filter(|_| is_kept) else { return Ok(None) };
        let path = settle(unfinished, path).map_err(unwritable)?;
        Ok(Some((path, voice)))
    });
    // What cannot be removed now is with the next recording.
    let _ = fs::remove_file(unfinished);
    kept
}

/// Gives what was recorded its path, once it is on the disk: whoever is offered it may ask for it
/// after a power cut. If the path is taken, the next one: `name-2.ogg`.
fn settle(unfinished: &Path, path: &Path) -> io::Result<PathBuf> {
    File::open(unfinished)?.sync_all()?;
    let name = path.file_stem().unwrap_or_default().display();
    let numbered = |number| path.with_file_name(format!("{name}-{number}.{EXTENSION}"));
    for path in iter::once(path.to_owned()).chain((2..=MAX_NAMES).map(numbered)) {
        // Unlike a renaming, this takes the place of nothing.
        match fs::hard_link(unfinished, &path) {
            Ok(()) => {
                // Some file systems do not sync directories.
                let directory = path.parent().unwrap_or(&path);
                let _ = File::open(directory).and_then(|directory| directory.sync_all());
                return Ok(path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// A new file, in a directory that is made for it, for nobody else to read. What a crash left there
/// of other recordings goes.
fn create(path: &Path) -> io::Result<File> {
    let directory = path.parent().unwrap_or(path);
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    forget_unfinished(directory)?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn forget_unfinished(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == UNFINISHED) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_recording_is_for_nobody_else_to_read_and_takes_what_a_crash_left() {
        let outside = tempfile::tempdir().unwrap();
        let directory = outside.path().join("voice");
        let path = directory.join("a.ogg.part");
        create(&path).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&directory), mode(&path)), (0o700, 0o600));
        fs::write(directory.join("kept.ogg"), "").unwrap();
        create(&directory.join("b.ogg.part")).unwrap();
        let mut left: Vec<_> =
            fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["b.ogg.part", "kept.ogg"]);
        // Nothing is written over.
        assert!(create(&directory.join("kept.ogg")).is_err());
    }

    #[test]
    fn a_recording_whose_name_is_taken_has_the_next_one() {
        let outside = tempfile::tempdir().unwrap();
        let at = |name| outside.path().join(name);
        let mut kept = Vec::new();
        for said in ["one", "two", "three"] {
            fs::write(at("a.part"), said).unwrap();
            kept.push(settle(&at("a.part"), &at("a.ogg")).unwrap());
            fs::remove_file(at("a.part")).unwrap();
        }
        assert_eq!(kept, ["a.ogg", "a-2.ogg", "a-3.ogg"].map(at));
        let said: Vec<_> = kept.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        assert_eq!(said, ["one", "two", "three"]);
        assert!(settle(&at("none.part"), &at("b.ogg")).is_err());
    }

    #[cfg(not(feature = "voice"))]
    #[tokio::test]
    async fn without_the_feature_it_is_said_how_to_have_it_and_nothing_is_left() {
        let outside = tempfile::tempdir().unwrap();
        let mut sound = Sound::default();
        sound.record(7, outside.path().join("a.ogg"));
        let Msg::Heard(7, Heard::Recorded(Err(why))) = sound.next().await else { panic!() };
        assert!(why.contains("--features voice"), "{why}");
        sound.play(8, outside.path().join("a.ogg"));
        let Msg::Heard(8, Heard::Played(Err(why))) = sound.next().await else { panic!() };
        assert!(why.contains("--features voice"), "{why}");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
