//! `entrenous send` and `entrenous get`, as a shell runs them: two real programs on loopback.

// A test that cannot go on has failed; `json!({})` is handed over as it is made.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::needless_pass_by_value)]

#[path = "support/support.rs"]
mod support;

use std::{
    fs,
    io::Write,
    process::{Child, Command, ExitCode, Stdio},
};

use serde_json::json;
use support::{
    fetch::content,
    lab::wait_for,
    profile::{Profile, id, pair},
    pty::Screen,
    trials::{self, Test},
};

const TESTS: &[Test] = &[
    ("a_text_and_files_are_sent_listed_and_fetched", a_text_and_files_are_sent_listed_and_fetched),
    ("a_text_from_standard_input_arrives", a_text_from_standard_input_arrives),
    ("exit_codes_are_those_that_help_names", exit_codes_are_those_that_help_names),
    ("interrupted_it_says_what_becomes_of_it", interrupted_it_says_what_becomes_of_it),
    ("what_can_not_be_sent_or_fetched_fails", what_can_not_be_sent_or_fetched_fails),
    ("on_a_terminal_there_are_bars", on_a_terminal_there_are_bars),
];

fn main() -> ExitCode {
    trials::run(TESTS, &[("on_a_terminal", Screen::can_run)])
}

/// Ann and Bob, who are contacts; neither runs.
struct Pair {
    ann: Profile,
    bob: Profile,
    /// The beginning of Bob's identity.
    bobs_id: String,
}

impl Pair {
    fn new() -> Self {
        let (ann, bob) = Profile::loopback_pair();
        let (a, b) = (ann.start(), bob.start());
        a.call("setName", json!({ "name": "Ann" }));
        b.call("setName", json!({ "name": "Bob" }));
        pair(&a, &b);
        let named = |of: &support::process::Process, name: &str| {
            wait_for("the name is known", || of.call("contacts", json!({}))[0]["name"] == name);
        };
        named(&a, "Bob");
        named(&b, "Ann");
        let bobs_id = id(&b).as_str().unwrap()[..8].to_owned();
        a.shutdown();
        b.shutdown();
        Self { ann, bob, bobs_id }
    }
}

/// What a command has printed, and its exit code.
#[derive(Debug)]
struct Done {
    code: i32,
    out: String,
    err: String,
}

fn start(profile: &Profile, arguments: &[&str]) -> Child {
    let mut command = profile.command();
    command.args(arguments).args(profile.arguments()).current_dir(profile.outside());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn end(mut child: Child) -> Done {
    // What is printed fits into the pipes, so that it can be read when all is over.
    wait_for_exit(&mut child);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().expect("no signal");
    Done { code, out: text(output.stdout), err: text(output.stderr) }
}

#[track_caller]
fn wait_for_exit(child: &mut Child) {
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        wait_for("the command ends", || child.try_wait().unwrap().is_some());
    }));
    if ended.is_err() {
        let _ = child.kill();
        panic!("the command does not end");
    }
}

fn run(profile: &Profile, arguments: &[&str]) -> Done {
    end(start(profile, arguments))
}

fn a_text_and_files_are_sent_listed_and_fetched() {
    let Pair { ann, bob, bobs_id } = Pair::new();
    fs::write(ann.outside().join("small.txt"), "small").unwrap();
    fs::write(ann.outside().join("large.bin"), content(20_000_000)).unwrap();
    // Relative paths, from where it is run.
    let words = ["send", "bob", "--file", "small.txt", "--file", "large.bin", "--text", "hello"];
    let sending = start(&ann, &words);
    // Bob was away when they were offered, and hears of them by asking.
    let listed = run(&bob, &["get"]);
    assert_eq!(listed.code, 0, "{listed:?}");
    let lines: Vec<Vec<&str>> =
        listed.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0][1..], ["offered", "5", "B", "Ann", "small.txt"]);
    assert_eq!(lines[1][1..], ["offered", "19.07", "MiB", "Ann", "large.bin"]);
    assert_eq!(lines.len(), 2);
    let (small, large) = (lines[0][0], lines[1][0]);
    let to = bob.outside().join("here");
    let got = run(&bob, &["get", "Ann", large, small, "--to", "here"]);
    assert_eq!(got.code, 0, "{got:?}");
    let mut paths: Vec<_> = got.out.lines().collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        [to.join("large.bin").to_str().unwrap(), to.join("small.txt").to_str().unwrap()]
    );
    assert!(fs::read(to.join("large.bin")).unwrap() == content(20_000_000));
    let sent = end(sending);
    assert_eq!(sent.code, 0, "{sent:?}");
    let mut said: Vec<_> = sent.out.lines().collect();
    said.sort_unstable();
    assert_eq!(said, ["Bob has large.bin.", "Bob has small.txt.", "Bob has the text."]);
    for words in ["Offering large.bin, 19.07 MiB.", "Waiting for Bob", "Bob is online."] {
        assert!(sent.err.contains(words), "{sent:?}");
    }
    // Lines, no bars, where there is no terminal.
    assert!(!sent.err.contains('\u{1b}') && !got.err.contains('\u{1b}'), "{sent:?} {got:?}");
    // A folder is one of them.
    fs::create_dir_all(ann.outside().join("things/inner")).unwrap();
    fs::write(ann.outside().join("things/inner/a.txt"), "inner").unwrap();
    let sending = start(&ann, &["send", "Bob", "--file", "things"]);
    let listed = run(&bob, &["get", "Ann"]);
    assert!(listed.out.lines().nth(2).unwrap().ends_with("Ann  things/"), "{listed:?}");
    let things = listed.out.lines().nth(2).and_then(|line| line.split(' ').next()).unwrap();
    let got = run(&bob, &["get", things, "--to", "here/"]);
    assert_eq!((got.code, got.out.trim()), (0, to.join("things").to_str().unwrap()), "{got:?}");
    assert_eq!(fs::read_to_string(to.join("things/inner/a.txt")).unwrap(), "inner");
    let sent = end(sending);
    assert_eq!((sent.code, sent.out.trim()), (0, "Bob has things."), "{sent:?}");
    // What is here is said to be, and where; by the beginning of an identity too, and offline.
    let listed = run_offline(&bob, &["get"]);
    assert!(listed.out.contains("here") && listed.out.contains(to.to_str().unwrap()), "{listed:?}");
    let again = run_offline(&bob, &["get", small]);
    assert_eq!((again.code, again.out.trim()), (0, to.join("small.txt").to_str().unwrap()));
    let queued = run(&ann, &["send", &bobs_id, "--text", "later", "--no-wait"]);
    assert_eq!(queued.code, 0, "{queued:?}");
    assert!(queued.out.contains("It is queued: Bob gets it when"), "{queued:?}");
}

/// The same with `--offline` instead of an address on loopback.
fn run_offline(profile: &Profile, arguments: &[&str]) -> Done {
    let data_dir = profile.data_dir().display().to_string();
    let mut command = profile.command();
    command.args(arguments).args(["--data-dir", &data_dir, "--offline"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    end(command.spawn().unwrap())
}

fn a_text_from_standard_input_arrives() {
    let Pair { ann, bob, .. } = Pair::new();
    let b = bob.start();
    let mut sending = start(&ann, &["send", "Bob", "--text", "-"]);
    sending.stdin.take().unwrap().write_all("for nobody else\nto see\n".as_bytes()).unwrap();
    b.event("message", |event| event["text"] == "for nobody else\nto see");
    let sent = end(sending);
    assert_eq!((sent.code, sent.out.trim()), (0, "Bob has the text."), "{sent:?}");
}

fn exit_codes_are_those_that_help_names() {
    let Pair { ann, bob, .. } = Pair::new();
    let said = |done: &Done, code: i32, words: &str| {
        assert_eq!(done.code, code, "{done:?}");
        assert!(done.err.contains(words) && !done.err.contains("src/"), "{done:?}");
    };
    for (words, code, said_words) in [
        (&["send"][..], 2, "<WHO>"),
        (&["send", "Bob"], 2, "--file"),
        (&["send", "Bob", "--text", "x", "--wait", "1", "--no-wait"], 2, "--no-wait"),
        (&["send", "Cleo", "--text", "x"], 2, "there are: Bob"),
        (&["send", "Bob", "--file", "absent"], 1, "No such file"),
        (&["send", "Bob", "--file", ""], 2, "value is required"),
        (&["send", "Bob", "--text", ""], 1, "nothing to see"),
        (&["send", "Bob", "--text", "x", "--wait", "1"], 4, "It is queued"),
        (&["get", "Cleo"], 2, "there are: Bob"),
        (&["get", "Bob", "x"], 2, "is no file"),
        (&["get", "Bob", "7"], 2, "is no file"),
        (&["get", "Bob", "7a7a7a", "--wait", "0"], 2, "no file 7a7a7a"),
        (&["get", "7a7a7a", "--wait", "0"], 2, "no file 7a7a7a"),
        (&["get", "--to", "/tmp", "--wait", "0"], 2, "--to"),
        (&["get", "--wait", "0"], 0, "No files are offered."),
    ] {
        let done = run(&ann, words);
        said(&done, code, said_words);
    }
    said(&run_offline(&ann, &["send", "Bob", "--text", "x"]), 2, "--no-wait");
    said(&run_offline(&Profile::offline(), &["get"]), 1, "no profile yet");
    // What was not waited for to the end arrives all the same.
    let b = bob.start();
    let a = ann.start();
    b.event("message", |event| event["text"] == "x");
    for words in [
        &["send", "Bob", "--text", "y"][..],
        &["get"],
        &["send", "Bob", "--text", "y", "--no-wait"],
    ] {
        said(&run(&ann, words), 3, "open in another window or process");
    }
    drop(a);
}

fn interrupted_it_says_what_becomes_of_it() {
    let Pair { ann, bob, .. } = Pair::new();
    let mut sending = start(&ann, &["send", "Bob", "--text", "wait"]);
    // Once it waits, it can be interrupted.
    let mut first = [0; 7];
    std::io::Read::read_exact(sending.stderr.as_mut().unwrap(), &mut first).unwrap();
    assert_eq!(&first, b"Waiting");
    let pid = sending.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let done = end(sending);
    assert_eq!(done.code, 130, "{done:?}");
    assert!(done.err.contains("interrupted. It is queued"), "{done:?}");
    let (_a, b) = (ann.start(), bob.start());
    b.event("message", |event| event["text"] == "wait");
}

/// The first in the list, by what it is known by.
fn first_offered(profile: &Profile) -> String {
    let listed = run(profile, &["get"]);
    listed.out.split(' ').next().unwrap_or_else(|| panic!("{listed:?}")).to_owned()
}

fn what_can_not_be_sent_or_fetched_fails() {
    let Pair { ann, bob, .. } = Pair::new();
    let path = ann.outside().join("gone.bin");
    fs::write(&path, content(1000)).unwrap();
    let queued = run(&ann, &["send", "Bob", "--file", "gone.bin", "--no-wait"]);
    assert_eq!(queued.code, 0, "{queued:?}");
    fs::remove_file(&path).unwrap();
    let a = ann.start();
    let offered = first_offered(&bob);
    let got = run(&bob, &["get", &offered]);
    assert_eq!(got.code, 1, "{got:?}");
    assert!(got.err.contains("gone.bin: The file has changed or vanished"), "{got:?}");
    assert_eq!(got.out, "");
    drop(a);
}

fn on_a_terminal_there_are_bars() {
    let Pair { ann, bob, .. } = Pair::new();
    fs::write(ann.outside().join("a.bin"), content(5_000_000)).unwrap();
    let mut words = vec!["send".to_owned(), "Bob".to_owned()];
    words.extend(["--file".to_owned(), ann.outside().join("a.bin").display().to_string()]);
    words.extend(ann.arguments());
    let mut sending = Screen::run(&ann.command(), &words, ann.outside(), (100, 20), &[]);
    sending.wait_until_shown("Offering a.bin, 4.77 MiB.");
    sending.wait_until_shown("] 0 B/4.77 MiB");
    let mut words = vec!["get".to_owned(), first_offered(&bob)];
    words.extend(bob.arguments());
    let mut getting = Screen::run(&bob.command(), &words, bob.outside(), (100, 20), &[]);
    assert_eq!(sending.ended_in_order(), 0, "{}", sending.text());
    assert!(sending.text().contains("Bob has a.bin."), "{}", sending.text());
    assert_eq!(getting.ended_in_order(), 0, "{}", getting.text());
    assert!(getting.text().contains("downloads/a.bin"), "{}", getting.text());
}
