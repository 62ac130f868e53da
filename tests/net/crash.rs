//! `kill -9`, again and again.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use crate::support::{
    PATIENCE, figure,
    lab::{Addresses, Lab, wait_for},
    measured_or,
    process::Process,
    profile::{Profile, id, pair, texts_by},
};

/// Requests of one writer that may wait for their answers.
const WINDOW: usize = 32;
/// Between two messages of one writer.
const PACE: Duration = Duration::from_millis(2);

/// One of the two: its program, and what it wrote.
struct Side {
    name: &'static str,
    profile: Profile,
    process: Process,
    id: Value,
    ready: bool,
    next: u64,
    pending: HashMap<u64, u64>,
    /// Numbers whose `send` was answered.
    answered: Vec<u64>,
    last_write: Instant,
}

impl Side {
    fn new(name: &'static str, profile: Profile) -> Self {
        let process = profile.start();
        let id = id(&process);
        Self {
            name,
            profile,
            process,
            id,
            ready: true,
            next: 0,
            pending: HashMap::new(),
            answered: Vec::new(),
            last_write: Instant::now(),
        }
    }

    fn text(&self, number: u64) -> String {
        format!("{} {number:08}", self.name)
    }

    /// Notes the answers that came and writes one more.
    fn go_on(&mut self, conversation: &Value, write: bool) {
        self.note_answers();
        self.ready |= !self.process.drain_events("ready").is_empty();
        // Nothing here looks at these: don't let them pile up.
        self.process.drain_events("message");
        self.process.drain_events("entryState");
        if write && self.ready && self.pending.len() < WINDOW && self.last_write.elapsed() >= PACE {
            self.last_write = Instant::now();
            let text = self.text(self.next);
            let request =
                self.process.request("send", json!({ "conversation": conversation, "text": text }));
            self.pending.insert(request, self.next);
            self.next += 1;
        }
    }

    fn note_answers(&mut self) {
        for (request, answer) in self.process.drain_answers() {
            let Some(number) = self.pending.remove(&request) else { continue };
            assert!(answer["result"]["entry"].is_string(), "{} {number}: {answer}", self.name);
            self.answered.push(number);
        }
    }

    fn kill_and_restart(&mut self) {
        self.process.kill();
        self.note_answers();
        // What was asked and not answered may have been written or not.
        self.pending.clear();
        self.process = Process::start(&self.profile, &[]);
        self.ready = false;
    }
}

pub fn kill_at_random_moments() {
    let kills = measured_or(200, 20);
    let seed = rand::random();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let lab = Lab::new(2, Addresses::Both);
    let mut a = Side::new("a", Profile::in_namespace(&lab.hosts[0]));
    let mut b = Side::new("b", Profile::in_namespace(&lab.hosts[1]));
    let conversation = pair(&a.process, &b.process);
    for _ in 0..kills {
        // From within the start of the program to well after the two talk again.
        let moment = Instant::now() + Duration::from_millis(rng.random_range(0..1200));
        while Instant::now() < moment {
            a.go_on(&conversation, true);
            b.go_on(&conversation, true);
            std::thread::sleep(Duration::from_micros(500));
        }
        if rng.random() { a.kill_and_restart() } else { b.kill_and_restart() }
    }
    wait_for("the last requests are answered", || {
        a.go_on(&conversation, false);
        b.go_on(&conversation, false);
        a.ready && b.ready && a.pending.is_empty() && b.pending.is_empty()
    });
    figure("kill -9", kills);
    figure("messages answered under kill -9", a.answered.len() + b.answered.len());

    arrived_once(&mut a, &b, &conversation);
    arrived_once(&mut b, &a, &conversation);
    // After an unclean end the database is checked when it is opened.
    for side in [a, b] {
        drop(side.process);
        let process = side.profile.start();
        assert_eq!(process.events("trouble"), Vec::<Value>::new());
        process.shutdown();
    }
}

/// Everything that was answered to `from` is there, on both sides, once and in order.
fn arrived_once(from: &mut Side, to: &Side, conversation: &Value) {
    from.answered.sort_unstable();
    assert!(!from.answered.is_empty());
    // The last one to be written makes sure that all before it had their time.
    let text = json!({ "conversation": conversation, "text": from.text(from.next) });
    let entry = from.process.call("send", text)["entry"].clone();
    from.process.event_within(PATIENCE * 2, "entryState", |e| {
        e["entry"] == entry && e["state"] == "delivered"
    });
    let own = texts_by(&from.process, conversation, &from.id);
    let theirs = texts_by(&to.process, conversation, &from.id);
    assert!(own == theirs, "{}: the two don't show the same", from.name);
    assert!(theirs.is_sorted_by(|x, y| x < y), "{}: out of order, or twice", from.name);
    for &number in &from.answered {
        let text = from.text(number);
        assert!(theirs.binary_search(&text).is_ok(), "lost, though answered: {text}");
    }
}
