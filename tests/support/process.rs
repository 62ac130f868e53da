//! One running `entrenous rpc`: requests in, answers and events out.

use std::{
    collections::{HashMap, VecDeque},
    fmt::Write as _,
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    path::PathBuf,
    process::{Child, ChildStdin, ExitStatus, Stdio},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{PATIENCE, profile::Profile};

/// What came out of the process so far.
#[derive(Default)]
struct Inbox {
    answers: HashMap<u64, (Instant, Value)>,
    /// Answers with `id: null`, or to a batch.
    others: VecDeque<Value>,
    events: VecDeque<(Instant, Value)>,
    /// Lines that were no JSON-RPC message: there must never be any.
    garbage: Vec<Vec<u8>>,
    ended: bool,
}

struct Shared {
    inbox: Mutex<Inbox>,
    arrived: Condvar,
}

/// A running `entrenous rpc`. Dropping it kills it.
pub struct Process {
    child: Child,
    stdin: Mutex<Option<ChildStdin>>,
    shared: Arc<Shared>,
    reader: Option<JoinHandle<()>>,
    next: AtomicU64,
    profile_dir: PathBuf,
    stderr: PathBuf,
    pub started: Instant,
}

/// An error answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    pub code: i64,
    /// `data.kind`, empty for the errors of JSON-RPC itself.
    pub kind: String,
    pub message: String,
}

impl Process {
    /// Starts the profile's `entrenous rpc` with these arguments after its own.
    pub fn start(profile: &Profile, extra: &[&str]) -> Self {
        let mut command = profile.command();
        command.arg("rpc").args(profile.arguments()).args(extra);
        let stderr = profile.outside().join("stderr");
        let log = File::options().create(true).append(true).open(&stderr).unwrap();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let started = Instant::now();
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let stdin = child.stdin.take().unwrap();
        let stdout = child.stdout.take().unwrap();
        let shared = Arc::new(Shared { inbox: Mutex::default(), arrived: Condvar::new() });
        let reader = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || read(stdout, &shared)
        });
        Self {
            child,
            stdin: Mutex::new(Some(stdin)),
            shared,
            reader: Some(reader),
            next: AtomicU64::new(1),
            profile_dir: profile.dir(),
            stderr,
            started,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes these bytes to the program's standard input as they are. A program that is gone is
    /// no failure: that shows in what is waited for.
    pub fn write(&self, bytes: &[u8]) {
        if let Some(stdin) = self.stdin.lock().unwrap().as_mut() {
            let _ = stdin.write_all(bytes).and_then(|()| stdin.flush());
        }
    }

    /// Asks, and doesn't wait.
    pub fn request(&self, method: &str, params: Value) -> u64 {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let line = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.write(format!("{line}\n").as_bytes());
        id
    }

    /// The answer to [`Self::request`], and when it came.
    #[track_caller]
    pub fn answer_at(&self, id: u64) -> (Instant, Result<Value, Refusal>) {
        let found = self.wait(PATIENCE, |inbox| inbox.answers.remove(&id));
        let Some((at, answer)) = found else { self.fail(&format!("no answer to request {id}")) };
        assert_eq!(answer["jsonrpc"], "2.0", "{answer}");
        let result = match (answer.get("result"), answer.get("error")) {
            (Some(result), None) => Ok(result.clone()),
            (None, Some(error)) => Err(refusal(error)),
            _ => panic!("neither a result nor an error: {answer}"),
        };
        (at, result)
    }

    #[track_caller]
    pub fn answer(&self, id: u64) -> Result<Value, Refusal> {
        self.answer_at(id).1
    }

    /// Asks and waits for the result.
    #[track_caller]
    pub fn call(&self, method: &str, params: Value) -> Value {
        let what = format!("{method} {params}");
        let id = self.request(method, params);
        match self.answer(id) {
            Ok(result) => result,
            Err(refusal) => self.fail(&format!("{what}: {refusal:?}")),
        }
    }

    /// Asks and waits for the refusal.
    #[track_caller]
    pub fn refused(&self, method: &str, params: Value) -> Refusal {
        let what = format!("{method} {params}");
        let id = self.request(method, params);
        match self.answer(id) {
            Ok(result) => self.fail(&format!("{what} was not refused but answered {result}")),
            Err(refusal) => refusal,
        }
    }

    /// The same as [`Self::event_within`], but it may not come.
    pub fn try_event(
        &self,
        patience: Duration,
        kind: &str,
        mut accept: impl FnMut(&Value) -> bool,
    ) -> Option<(Instant, Value)> {
        self.wait(patience, |inbox| {
            let position = inbox.events.iter().position(|(_, e)| e["type"] == kind && accept(e))?;
            inbox.events.remove(position)
        })
    }

    /// Takes the first event of this type that the function accepts out of those that came, or
    /// waits for one, and says when it came.
    #[track_caller]
    pub fn event_within(
        &self,
        patience: Duration,
        kind: &str,
        accept: impl FnMut(&Value) -> bool,
    ) -> (Instant, Value) {
        let found = self.try_event(patience, kind, accept);
        found.unwrap_or_else(|| self.fail(&format!("no event `{kind}` within {patience:?}")))
    }

    #[track_caller]
    pub fn event(&self, kind: &str, accept: impl FnMut(&Value) -> bool) -> Value {
        self.event_within(PATIENCE, kind, accept).1
    }

    /// All events of this type that came and weren't taken yet.
    pub fn events(&self, kind: &str) -> Vec<Value> {
        let inbox = self.shared.inbox.lock().unwrap();
        inbox.events.iter().filter(|(_, e)| e["type"] == kind).map(|(_, e)| e.clone()).collect()
    }

    /// Waits until this many events of the type came, then takes them all in their order.
    #[track_caller]
    pub fn take_events(
        &self,
        patience: Duration,
        kind: &str,
        count: usize,
    ) -> Vec<(Instant, Value)> {
        let mut taken: Vec<(Instant, Value)> = Vec::new();
        let done = self.wait(patience, |inbox| {
            for event in std::mem::take(&mut inbox.events) {
                if event.1["type"] == kind {
                    taken.push(event);
                }
            }
            (taken.len() >= count).then_some(())
        });
        if done.is_none() {
            self.fail(&format!("{} of {count} events `{kind}` within {patience:?}", taken.len()));
        }
        taken
    }

    /// The next answer with `id: null`, or to a batch.
    #[track_caller]
    pub fn other(&self) -> Value {
        let found = self.wait(PATIENCE, |inbox| inbox.others.pop_front());
        found.unwrap_or_else(|| self.fail("no answer without a number"))
    }

    /// How many answers without a number wait to be taken.
    pub fn others_waiting(&self) -> usize {
        self.shared.inbox.lock().unwrap().others.len()
    }

    #[track_caller]
    pub fn ready(self) -> Self {
        self.event("ready", |_| true);
        self
    }

    /// Waits until the contact's session stands, and says when it did.
    #[track_caller]
    pub fn online(&self, who: &Value) -> Instant {
        self.event_within(PATIENCE, "contactState", |e| &e["id"] == who && e["state"] == "online").0
    }

    /// Ends the input; the program must end by itself.
    #[track_caller]
    pub fn close_input(&mut self) -> ExitStatus {
        self.stdin.lock().unwrap().take();
        self.wait_exit()
    }

    /// An orderly end.
    #[track_caller]
    pub fn shutdown(mut self) {
        self.call("shutdown", json!({}));
        let status = self.wait_exit();
        if !status.success() {
            self.fail(&format!("after shutdown: {status}"));
        }
    }

    #[track_caller]
    pub fn wait_exit(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.join();
                return status;
            }
            if Instant::now() > deadline {
                self.fail("the program does not end");
            }
            // Polling, not hoping: the deadline above decides.
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// `kill -9`; afterwards everything that the program had written has been read.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.join();
    }

    /// All answers that came and weren't taken yet. After [`Self::kill`]: all there will ever be.
    pub fn drain_answers(&self) -> HashMap<u64, Value> {
        let mut inbox = self.shared.inbox.lock().unwrap();
        inbox.answers.drain().map(|(id, (_, answer))| (id, answer)).collect()
    }

    /// All events that came and weren't taken yet, of this type.
    pub fn drain_events(&self, kind: &str) -> Vec<Value> {
        let mut inbox = self.shared.inbox.lock().unwrap();
        let all = std::mem::take(&mut inbox.events);
        let (these, rest): (VecDeque<_>, VecDeque<_>) =
            all.into_iter().partition(|(_, e)| e["type"] == kind);
        inbox.events = rest;
        these.into_iter().map(|(_, e)| e).collect()
    }

    fn join(&mut self) {
        self.stdin.lock().unwrap().take();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }

    /// Polls the inbox until the function finds something, the deadline passes or the program ends.
    fn wait<T>(
        &self,
        patience: Duration,
        mut find: impl FnMut(&mut Inbox) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + patience;
        let mut inbox = self.shared.inbox.lock().unwrap();
        loop {
            if let Some(found) = find(&mut inbox) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || inbox.ended {
                return None;
            }
            inbox = self.shared.arrived.wait_timeout(inbox, left).unwrap().0;
        }
    }

    /// Fails with all that may explain it.
    #[track_caller]
    pub fn fail(&self, what: &str) -> ! {
        let inbox = self.shared.inbox.lock().unwrap();
        let last: Vec<_> = inbox.events.iter().rev().take(5).map(|(_, e)| e.to_string()).collect();
        let ended = if inbox.ended { "; the program has ended" } else { "" };
        drop(inbox);
        panic!(
            "{what}{ended}\n-- last events, newest first:\n{}\n{}",
            last.join("\n"),
            self.log_tail()
        );
    }

    /// How many lines of the log have these words.
    pub fn logged(&self, words: &str) -> usize {
        let log = std::fs::read_to_string(self.profile_dir.join("entrenous.log")).unwrap();
        log.lines().filter(|line| line.contains(words)).count()
    }

    /// The last lines of standard error and of the logs.
    pub fn log_tail(&self) -> String {
        let mut files = vec![self.stderr.clone()];
        for entry in std::fs::read_dir(&self.profile_dir).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|e| e == "log") {
                files.push(entry.path());
            }
        }
        let mut all = String::new();
        for file in files {
            let text = std::fs::read(&file).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lines: Vec<_> = text.lines().collect();
            let name = file.file_name().unwrap_or_default().display();
            let tail = lines[lines.len().saturating_sub(400)..].join("\n");
            writeln!(all, "-- {name}:\n{tail}").unwrap();
        }
        all
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            return;
        }
        let inbox = self.shared.inbox.lock().unwrap();
        let garbage: Vec<_> =
            inbox.garbage.iter().map(|line| String::from_utf8_lossy(line)).collect();
        assert!(garbage.is_empty(), "standard output had other than JSON-RPC: {garbage:?}");
    }
}

fn refusal(error: &Value) -> Refusal {
    Refusal {
        code: error["code"].as_i64().unwrap_or_else(|| panic!("no code: {error}")),
        kind: error["data"]["kind"].as_str().unwrap_or_default().to_owned(),
        message: error["message"].as_str().unwrap_or_else(|| panic!("no text: {error}")).to_owned(),
    }
}

fn read(stdout: impl Read, shared: &Shared) {
    let mut stdout = BufReader::with_capacity(1 << 20, stdout);
    loop {
        let mut line = Vec::new();
        // A line without its end is what a killed program was just writing: never answered.
        let whole = stdout.read_until(b'\n', &mut line).unwrap_or(0) > 0 && line.ends_with(b"\n");
        let at = Instant::now();
        let mut inbox = shared.inbox.lock().unwrap();
        if !whole {
            inbox.ended = true;
            shared.arrived.notify_all();
            return;
        }
        match serde_json::from_slice::<Value>(&line) {
            Ok(mut message) if message["method"] == "event" => {
                inbox.events.push_back((at, message["params"].take()));
            }
            Ok(message) if message["id"].is_u64() => {
                let id = message["id"].as_u64().unwrap_or_default();
                inbox.answers.insert(id, (at, message));
            }
            Ok(message) if message.is_array() || message["jsonrpc"] == "2.0" => {
                inbox.others.push_back(message);
            }
            _ => inbox.garbage.push(line),
        }
        shared.arrived.notify_all();
    }
}
