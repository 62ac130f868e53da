//! A large file on its way, and what is done to those who send and fetch it.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    PATIENCE, figure,
    process::Process,
    profile::{Profile, conversation_with, history, id, pair},
};

pub const MIB: u64 = 1024 * 1024;

/// What can be verified by itself.
const GROUP: usize = 16 * 1024;

/// Bytes without a pattern, the same each time.
pub fn content(size: usize) -> Vec<u8> {
    let mut content = vec![0; size];
    blake3::Hasher::new().update(&size.to_be_bytes()).finalize_xof().fill(&mut content);
    content
}

/// A file that A sends and B fetches, both of which may end and start again.
pub struct Transfer {
    profiles: [Profile; 2],
    pub a: Process,
    pub b: Process,
    pub conversation: Value,
    pub entry: Value,
    content: Vec<u8>,
    from: PathBuf,
    /// Of this run of B: what had come before it, and how often since then something was cut off.
    before: u64,
    cuts: u64,
    /// Bytes beyond those that were missing, the most at one cut.
    worst: u64,
}

impl Transfer {
    /// Both are online, and B has begun to fetch.
    pub fn begin(profiles: [Profile; 2], size: u64) -> Self {
        let (a, b) = (profiles[0].start(), profiles[1].start());
        pair(&a, &b);
        let conversation = conversation_with(&a, &id(&b));
        let content = content(usize::try_from(size).unwrap());
        let from = profiles[0].outside().join("large.bin");
        fs::write(&from, &content).unwrap();
        let params = json!({ "conversation": conversation, "path": from });
        let entry = a.call("sendFile", params)["entry"].clone();
        b.event("fileOffered", |event| event["entry"] == entry);
        b.call("getFile", json!({ "conversation": conversation, "entry": entry }));
        let (before, cuts, worst) = (0, 0, 0);
        Self { profiles, a, b, conversation, entry, content, from, before, cuts, worst }
    }

    /// Waits until so many bytes are there, or all. Returns whether all are.
    #[track_caller]
    pub fn wait(&self, point: u64) -> bool {
        let deadline = Instant::now() + PATIENCE * 2;
        loop {
            if self.before + received(&self.b) >= point {
                return false;
            }
            if self.is_done() {
                return true;
            }
            if Instant::now() > deadline {
                let logs = self.a.log_tail();
                self.b.fail(&format!("{point} bytes never came\n-- the sender's:\n{logs}"));
            }
            // Polling, not hoping: the deadline above decides.
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn is_done(&self) -> bool {
        self.b.events("fileDone").iter().any(|event| event["entry"] == self.entry)
    }

    /// A's program ends by this, and starts again.
    pub fn restart_sender(&mut self, end: impl FnOnce(&mut Process)) {
        end(&mut self.a);
        self.cuts += 1;
        self.a = Process::start(&self.profiles[0], &[]);
    }

    /// Something came between the two.
    pub fn was_cut(&mut self) {
        self.cuts += 1;
    }

    /// B's program ends by this, and starts again. Nothing was fetched twice until then but what
    /// was cut off.
    #[track_caller]
    pub fn restart_receiver(&mut self, end: impl FnOnce(&mut Process)) {
        let began = !self.b.events("ready").is_empty() || self.before == 0;
        let received = if began { received(&self.b) } else { 0 };
        end(&mut self.b);
        let here = self.here();
        self.account(received, here);
        (self.before, self.cuts) = (here, 0);
        self.b = Process::start(&self.profiles[1], &[]);
    }

    /// B's program is killed and starts again, whatever became of what had come.
    pub fn restart_receiver_anyhow(&mut self) {
        self.restart_receiver_with(|| {});
    }

    /// The same, and something is done while it is not there.
    pub fn restart_receiver_with(&mut self, meanwhile: impl FnOnce()) {
        self.b.kill();
        (self.before, self.cuts) = (self.here(), 0);
        meanwhile();
        self.b = self.profiles[1].start();
    }

    /// Of the bytes that B received, those that it did not keep, or had already, are at most 1 MiB
    /// for each time that it was cut off.
    #[track_caller]
    fn account(&mut self, received: u64, here: u64) {
        let cuts = self.cuts + 1;
        let new = here.saturating_sub(self.before);
        // The hashes, and what the session says.
        let beside = new / 200 + MIB / 16;
        let again = received.saturating_sub(new + beside);
        self.worst = self.worst.max(again / cuts);
        assert!(again <= cuts * MIB, "{received} bytes for {new} new ones, with {cuts} cuts");
    }

    /// Bytes of whole groups that lie on B's disk as they should be.
    pub fn here(&self) -> u64 {
        let Some(path) = self.part() else {
            return if self.is_done() { self.content.len() as u64 } else { 0 };
        };
        let part = File::open(path).unwrap();
        let groups = self.content.chunks(GROUP).enumerate();
        let right = groups.filter(|(number, group)| {
            let mut there = vec![0; group.len()];
            let offset = (number * GROUP) as u64;
            part.read_exact_at(&mut there, offset).is_ok() && there == *group
        });
        right.map(|(_, group)| group.len() as u64).sum()
    }

    pub fn params(&self) -> Value {
        json!({ "conversation": self.conversation, "entry": self.entry })
    }

    /// B asks for it again.
    #[track_caller]
    pub fn get(&self) {
        self.b.call("getFile", self.params());
    }

    /// B does not want it any more.
    #[track_caller]
    pub fn cancel(&self) {
        self.b.call("cancelFile", self.params());
    }

    /// The entry as B's history shows it.
    #[track_caller]
    pub fn shown(&self) -> Value {
        let shown = history(&self.b, &self.conversation);
        shown.into_iter().find(|shown| shown["entry"] == self.entry).unwrap()
    }

    /// What hashes of files B keeps.
    pub fn hashes(&self) -> Vec<PathBuf> {
        let all = fs::read_dir(self.profiles[1].dir().join("blobs")).into_iter().flatten();
        all.flatten().map(|entry| entry.path()).collect()
    }

    /// Where it is gathered.
    pub fn part(&self) -> Option<PathBuf> {
        parts(&self.profiles[1].dir().join("downloads")).pop()
    }

    /// In the end B has it, once, as it was.
    #[track_caller]
    pub fn ends_well(mut self, what: &str) {
        if self.shown()["file"]["state"] == "here" && !self.is_done() {
            // All of it had come, and was said to be there, when the program was ended.
            self.get();
        } else if self.before > 0 {
            // What was there already is found again, before anything else comes.
            let progress = self.b.event("fileProgress", |event| event["entry"] == self.entry);
            let done = progress["done"].as_u64().unwrap();
            assert!(done >= self.before, "{done} of {} are known", self.before);
        }
        let patience = PATIENCE * 4;
        let done = self.b.event_within(patience, "fileDone", |event| event["entry"] == self.entry);
        let path = Path::new(done.1["path"].as_str().unwrap()).to_owned();
        assert!(fs::read(&path).unwrap() == self.content, "it arrived otherwise than it was");
        assert_eq!(self.b.events("fileFailed"), Vec::<Value>::new());
        let others = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(others, 1, "nothing else is left there");
        self.account(received(&self.b), self.content.len() as u64);
        figure(&format!("{what}: fetched in vain, KiB a cut at most"), self.worst / 1024);
        assert!(fs::read(&self.from).unwrap() == self.content, "the sender's own was changed");
    }
}

/// What is being gathered in this directory.
pub fn parts(directory: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    all.filter(|path| path.extension().is_some_and(|extension| extension == "part")).collect()
}

/// Bytes that this run of the program received.
#[track_caller]
fn received(process: &Process) -> u64 {
    process.call("network", json!({}))["bytesIn"].as_u64().unwrap()
}

/// The names of what lies there.
pub fn names(directory: &Path) -> Vec<String> {
    let all = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        all.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
