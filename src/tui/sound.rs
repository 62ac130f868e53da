//! The microphone and the loudspeaker, as the screen needs them: a thread for what is recorded, one
//! for what is played; the loop goes on, and what they do comes back as messages.

use std::{
    convert::Infallible,
    fs::{self, DirBuilder, File, OpenOptions},
    io, iter,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{
    Semaphore,
    mpsc::{self, error::SendError},
};

use super::model::Msg;
use crate::voice::{Voice, device};

/// Messages that may wait for the loop. Of those that only say how far it is, more are dropped.
const MAX_MESSAGES: usize = 16;

/// How often it is said how far it is.
const TOLD: Duration = Duration::from_millis(100);

/// Threads at the same time: when so many hang or wait for one that hangs, more would as well.
const MAX_THREADS: usize = 8;

/// How long the end of the program waits for a thread that removes what nobody is to hear.
const ENDING: Duration = Duration::from_secs(1);

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

/// What a thread is told to do.
#[derive(Default)]
struct Orders {
    /// It is to end.
    stop: AtomicBool,
    /// What was recorded is to be kept.
    keep: AtomicBool,
}

/// A thread, which may have ended.
struct Running {
    orders: Arc<Orders>,
    /// Nothing comes; the other side goes with the thread.
    ended: Receiver<Infallible>,
}

/// Records and plays for the screen.
pub struct Sound {
    messages: mpsc::Sender<Msg>,
    told: mpsc::Receiver<Msg>,
    threads: Arc<Semaphore>,
    /// What records.
    recording: Option<Running>,
    /// What plays.
    playing: Option<Running>,
    /// What removes recordings.
    forgetting: Option<Running>,
}

impl Default for Sound {
    /// Nothing is heard yet.
    fn default() -> Self {
        let (messages, told) = mpsc::channel(MAX_MESSAGES);
        let threads = Arc::new(Semaphore::new(MAX_THREADS));
        Self { messages, told, threads, recording: None, playing: None, forgetting: None }
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
    /// tells how it goes. What was recorded before is dropped. If it cannot begin, that is said.
    pub fn record(&mut self, number: u64, path: PathBuf) -> Option<Msg> {
        self.end_recording(false);
        let before = self.recording.take();
        self.recording = self.start(before, move |orders, tell| {
            let unfinished = path.with_added_extension(format!("{number}.{UNFINISHED}"));
            let result = record((&unfinished, &path), orders, |millis, level| {
                tell.now_and_then(number, Heard::Recording(millis, level));
            });
            tell.surely(number, Heard::Recorded(result));
        });
        let failed = || Msg::Heard(number, Heard::Recorded(Err(busy("microphone"))));
        self.recording.is_none().then(failed)
    }

    /// Ends the recording, to keep it or to drop it.
    pub fn end_recording(&mut self, keep: bool) {
        if let Some(running) = &self.recording {
            running.orders.keep.store(keep, Ordering::Relaxed);
            running.orders.stop.store(true, Ordering::Release);
        }
    }

    /// Removes a recording that was kept and is not to be sent after all.
    pub fn forget(&mut self, path: PathBuf) {
        let before = self.forgetting.take();
        self.forgetting = self.start(before, move |_, _| remove(&path));
    }

    /// Plays a voice note instead of what is played; [`Heard`] with this number tells how it goes.
    /// If it cannot begin, that is said.
    pub fn play(&mut self, number: u64, path: PathBuf) -> Option<Msg> {
        self.stop_playing();
        let before = self.playing.take();
        self.playing = self.start(before, move |orders, tell| {
            let result = device::play(&path, &orders.stop, |millis| {
                tell.now_and_then(number, Heard::Playing(millis));
            });
            tell.surely(number, Heard::Played(result));
        });
        let failed = || Msg::Heard(number, Heard::Played(Err(busy("loudspeaker"))));
        self.playing.is_none().then(failed)
    }

    /// Stops what is played.
    pub fn stop_playing(&mut self) {
        if let Some(running) = &self.playing {
            running.orders.stop.store(true, Ordering::Release);
        }
    }

    /// Does this on a thread once the one before has ended: a device is used by one at a time. None
    /// if there are too many, or none can be had.
    fn start(
        &self,
        before: Option<Running>,
        work: impl FnOnce(&Orders, &mut Teller) + Send + 'static,
    ) -> Option<Running> {
        let permit = Arc::clone(&self.threads).try_acquire_owned().ok()?;
        let orders = Arc::new(Orders::default());
        let (ending, ended) = channel();
        let running = Running { orders: Arc::clone(&orders), ended };
        let mut tell = Teller { messages: self.messages.clone(), last: None };
        let work = move || {
            // Both go with the thread, however it ends.
            let _held = (permit, ending);
            if let Some(before) = before {
                let _ = before.ended.recv();
            }
            work(&orders, &mut tell);
        };
        thread::Builder::new().name("sound".to_owned()).spawn(work).ok().map(|_| running)
    }
}

impl Drop for Sound {
    /// What is recorded is dropped, and removed before the program ends, unless the disk or the
    /// microphone hangs.
    fn drop(&mut self) {
        self.end_recording(false);
        self.stop_playing();
        // A thread that waits to tell something learns that nobody listens.
        self.told.close();
        for running in [self.recording.take(), self.forgetting.take()].into_iter().flatten() {
            let _ = running.ended.recv_timeout(ENDING);
        }
        while let Ok(msg) = self.told.try_recv() {
            unheard(&msg);
        }
    }
}

fn busy(what: &str) -> String {
    format!("The {what} is still busy.")
}

/// A recording that nobody heard of would lie there unseen.
fn unheard(msg: &Msg) {
    if let Msg::Heard(_, Heard::Recorded(Ok(Some((path, _))))) = msg {
        remove(path);
    }
}

fn remove(path: &Path) {
    // It may be gone already.
    let _ = fs::remove_file(path);
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
        if let Err(SendError(msg)) = self.messages.blocking_send(Msg::Heard(number, heard)) {
            unheard(&msg);
        }
    }
}

/// Records into the first of these paths, and gives it the other if it is to be kept.
fn record(
    (unfinished, path): (&Path, &Path),
    orders: &Orders,
    heard: impl FnMut(u32, u8),
) -> Result<Option<(PathBuf, Voice)>, String> {
    let unwritable = |error: io::Error| format!("The recording cannot be written: {error}.");
    let file = create(unfinished).map_err(unwritable)?;
    let recorded = device::record(file, &orders.stop, heard);
    // Asked once: what is kept is told, whatever becomes of it then.
    let is_kept = orders.keep.load(Ordering::Relaxed);
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

    #[test]
    fn threads_of_one_device_do_not_overlap() {
        let sound = Sound::default();
        let (go_on, goes_on) = channel::<()>();
        let (say, said) = channel();
        let first = sound.start(None, {
            let say = say.clone();
            move |_, _| {
                goes_on.recv().unwrap();
                say.send(1).unwrap();
            }
        });
        let second = sound.start(first, move |_, _| say.send(2).unwrap());
        assert!(said.recv_timeout(Duration::from_millis(100)).is_err());
        go_on.send(()).unwrap();
        assert_eq!(said.iter().collect::<Vec<_>>(), [1, 2]);
        assert!(second.unwrap().ended.recv().is_err());
    }

    #[test]
    fn when_too_many_threads_hang_it_is_said() {
        let mut sound = Sound::default();
        let (_go_on, goes_on) = channel::<()>();
        let goes_on = Arc::new(std::sync::Mutex::new(goes_on));
        for _ in 0..MAX_THREADS {
            let goes_on = Arc::clone(&goes_on);
            let hangs = move |_: &Orders, _: &mut Teller| {
                let _ = goes_on.lock().unwrap().recv();
            };
            assert!(sound.start(None, hangs).is_some());
        }
        let microphone = Heard::Recorded(Err("The microphone is still busy.".into()));
        let loudspeaker = Heard::Played(Err("The loudspeaker is still busy.".into()));
        let said = [sound.record(7, "/nowhere/a.ogg".into()), sound.play(8, "/a.ogg".into())];
        let [Some(Msg::Heard(7, record)), Some(Msg::Heard(8, play))] = said else { panic!() };
        assert_eq!((record, play), (microphone, loudspeaker));
    }

    #[test]
    fn a_recording_that_nobody_hears_of_is_gone_at_the_end() {
        let outside = tempfile::tempdir().unwrap();
        let at = |name| outside.path().join(name);
        let recorded = |path: &Path| {
            fs::write(path, "said").unwrap();
            Heard::Recorded(Ok(Some((path.to_owned(), Voice::new(9, vec![1]).unwrap()))))
        };
        let mut sound = Sound::default();
        // One was told and not taken, one is to be removed, one ends when it has to.
        sound.messages.try_send(Msg::Heard(1, recorded(&at("told.ogg")))).unwrap();
        fs::write(at("dropped.ogg"), "said").unwrap();
        sound.forget(at("dropped.ogg"));
        let path = at("late.ogg");
        sound.recording = sound.start(None, move |orders, tell| {
            while !orders.stop.load(Ordering::Acquire) {
                thread::yield_now();
            }
            tell.surely(2, recorded(&path));
        });
        drop(sound);
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[cfg(not(feature = "voice"))]
    #[tokio::test]
    async fn without_the_feature_it_is_said_how_to_have_it_and_nothing_is_left() {
        let outside = tempfile::tempdir().unwrap();
        let mut sound = Sound::default();
        assert!(sound.record(7, outside.path().join("a.ogg")).is_none());
        let Msg::Heard(7, Heard::Recorded(Err(why))) = sound.next().await else { panic!() };
        assert!(why.contains("--features voice"), "{why}");
        assert!(sound.play(8, outside.path().join("a.ogg")).is_none());
        let Msg::Heard(8, Heard::Played(Err(why))) = sound.next().await else { panic!() };
        assert!(why.contains("--features voice"), "{why}");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
