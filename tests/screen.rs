//! The screen of the real program in a real pseudo-terminal.

// A test that cannot go on has failed; `json!({})` is handed over as it is made.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::needless_pass_by_value)]

#[path = "support/support.rs"]
mod support;

#[path = "screen/pictures.rs"]
mod pictures;
#[cfg(all(feature = "voice", target_os = "linux"))]
#[path = "screen/voice.rs"]
mod voice;

use std::{
    process::{Command, ExitCode},
    time::Duration,
};

use serde_json::json;
use support::{
    at_most, figure,
    lab::wait_for,
    profile::{Profile, program},
    pty::Screen,
    trials::{self, Test},
};

const TESTS: &[Test] = &[
    ("the_first_frame_comes_soon", the_first_frame_comes_soon),
    ("signals_leave_the_terminal_as_it_was", signals_leave_the_terminal_as_it_was),
    (
        "a_panic_leaves_the_terminal_as_it_was_and_is_readable",
        a_panic_leaves_the_terminal_as_it_was_and_is_readable,
    ),
    ("quit_leaves_the_terminal_as_it_was", quit_leaves_the_terminal_as_it_was),
    ("the_demo_answers_and_fetches", the_demo_answers_and_fetches),
    (
        "small_terminals_are_served_and_smaller_ones_told",
        small_terminals_are_served_and_smaller_ones_told,
    ),
    (
        "without_colour_there_is_still_bold_or_reverse",
        without_colour_there_is_still_bold_or_reverse,
    ),
    (
        "who_comes_back_is_drawn_anew_and_the_terminal_is_asked_nothing",
        who_comes_back_is_drawn_anew_and_the_terminal_is_asked_nothing,
    ),
    ("a_paste_of_many_lines_is_not_sent", a_paste_of_many_lines_is_not_sent),
    ("a_key_shows_in_the_next_frame", a_key_shows_in_the_next_frame),
    (
        "a_profile_in_use_is_said_in_words_on_a_terminal_as_it_was",
        a_profile_in_use_is_said_in_words_on_a_terminal_as_it_was,
    ),
    (
        "pictures::a_picture_comes_by_the_protocol_that_the_terminal_answers_to_know",
        pictures::a_picture_comes_by_the_protocol_that_the_terminal_answers_to_know,
    ),
    (
        "pictures::a_terminal_that_stays_silent_holds_up_nothing_and_has_half_blocks",
        pictures::a_terminal_that_stays_silent_holds_up_nothing_and_has_half_blocks,
    ),
    (
        "pictures::who_sets_a_protocol_has_it_and_is_not_asked",
        pictures::who_sets_a_protocol_has_it_and_is_not_asked,
    ),
];

#[cfg(all(feature = "voice", target_os = "linux"))]
const VOICE: &[Test] = &[
    (
        "voice::without_a_device_it_is_said_on_a_whole_screen",
        voice::without_a_device_it_is_said_on_a_whole_screen,
    ),
    (
        "voice::what_the_microphone_hears_is_dropped_or_sent",
        voice::what_the_microphone_hears_is_dropped_or_sent,
    ),
    ("voice::a_voice_note_is_heard_as_it_is", voice::a_voice_note_is_heard_as_it_is),
];
#[cfg(not(all(feature = "voice", target_os = "linux")))]
const VOICE: &[Test] = &[];

/// Says to this test program that it is the one on the pseudo-terminal.
const TO_PANIC: &str = "ENTRENOUS_TEST_TO_PANIC";

fn main() -> ExitCode {
    if std::env::var_os(TO_PANIC).is_some() {
        let _screen = entrenous::tui::terminal::Screen::enter().unwrap();
        panic!("what went wrong");
    }
    trials::run(&[TESTS, VOICE].concat(), &[("", Screen::can_run)])
}

/// A profile of somebody called Vanessa, without a network.
fn vanessa() -> Profile {
    let profile = Profile::offline();
    let process = profile.start();
    process.call("setName", json!({ "name": "Vanessa" }));
    process.shutdown();
    profile
}

fn the_first_frame_comes_soon() {
    let profile = vanessa();
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let screen = Screen::open(&profile, (100, 30), &[]);
        wait_for("the first frame", || !screen.text().trim().is_empty());
        best = best.min(screen.started.elapsed());
        screen.signal("TERM");
        let mut screen = screen;
        screen.ended_in_order();
    }
    // The pseudo-terminal, two shells and `stty` are in there as well.
    figure("first frame", format!("{} ms", best.as_millis()));
    at_most("first frame", best, Duration::from_millis(200), Duration::from_secs(3));
}

fn signals_leave_the_terminal_as_it_was() {
    let profile = vanessa();
    for signal in ["TERM", "HUP", "INT"] {
        let mut screen = Screen::open(&profile, (80, 24), &[]);
        screen.wait_until_shown("Vanessa");
        screen.signal(signal);
        screen.ended_in_order();
        assert!(!String::from_utf8_lossy(&screen.output()).contains("panicked"), "{signal}");
    }
}

fn a_panic_leaves_the_terminal_as_it_was_and_is_readable() {
    let directory = tempfile::tempdir().unwrap();
    let program = Command::new(std::env::current_exe().unwrap());
    let environment = [(TO_PANIC, "1")];
    let mut screen = Screen::run(&program, &[], directory.path(), (80, 24), &environment);
    assert_ne!(screen.ended_in_order(), 0);
    let output = String::from_utf8_lossy(&screen.output()).into_owned();
    assert!(output.contains("\u{1b}[?1049h"), "it never had the screen: {output}");
    assert!(screen.text().contains("what went wrong"), "{}", screen.text());
}

fn quit_leaves_the_terminal_as_it_was() {
    let profile = vanessa();
    let mut screen = Screen::open(&profile, (80, 24), &[]);
    screen.wait_until_shown("Vanessa");
    assert!(screen.terminal().screen().alternate_screen());
    screen.type_in("/quit\r");
    assert_eq!(screen.ended_in_order(), 0);
}

/// README's first command: a second process answers what is written, and fetches what is sent.
fn the_demo_answers_and_fetches() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.txt");
    std::fs::write(&path, "text").unwrap();
    let program = Command::new(program());
    let mut screen = Screen::run(&program, &["demo".to_owned()], directory.path(), (80, 24), &[]);
    screen.wait_until_shown("Write me something");
    screen.type_in("good evening\r");
    screen.wait_until_shown("You said “good evening”");
    screen.type_in(&format!("/send {}\r", path.display()));
    screen.wait_until_shown("It is on my disk now");
    screen.wait_until_shown("Écho has it");
    screen.type_in("/quit\r");
    assert_eq!(screen.ended_in_order(), 0);
}

fn small_terminals_are_served_and_smaller_ones_told() {
    let profile = vanessa();
    let mut screen = Screen::open(&profile, (40, 10), &[]);
    screen.wait_until_shown("Vanessa");
    screen.signal("TERM");
    screen.ended_in_order();
    for size in [(39, 10), (40, 9), (20, 5), (10, 2), (1, 1)] {
        let mut screen = Screen::open(&profile, size, &[]);
        wait_for("something is shown", || !screen.text().trim().is_empty());
        assert!(!screen.text().contains("Vanessa"), "{size:?}: {}", screen.text());
        screen.signal("TERM");
        screen.ended_in_order();
    }
}

fn without_colour_there_is_still_bold_or_reverse() {
    let profile = vanessa();
    for (environment, coloured) in [(&[("NO_COLOR", "1")][..], false), (&[], true)] {
        let mut screen = Screen::open(&profile, (100, 30), environment);
        screen.wait_until_shown("Vanessa");
        let terminal = screen.terminal();
        let cells = (0..30_u16).flat_map(|row| (0..100_u16).map(move |column| (row, column)));
        let cells: Vec<_> =
            cells.filter_map(|(row, column)| terminal.screen().cell(row, column)).collect();
        let plain = vt100::Color::Default;
        let any_colour = cells.iter().any(|c| c.fgcolor() != plain || c.bgcolor() != plain);
        let emphasis = cells.iter().any(|c| c.bold() || c.inverse());
        assert_eq!(any_colour, coloured, "{environment:?}: {}", screen.text());
        assert!(emphasis, "{environment:?}: neither bold nor reverse");
        screen.signal("TERM");
        screen.ended_in_order();
    }
}

/// Whoever waits for keys would have the answer.
fn who_comes_back_is_drawn_anew_and_the_terminal_is_asked_nothing() {
    let profile = vanessa();
    let mut screen = Screen::open(&profile, (80, 24), &[]);
    screen.wait_until_shown("Vanessa");
    let before = screen.output().len();
    screen.signal("CONT");
    wait_for("a new frame", || {
        let output = screen.output();
        String::from_utf8_lossy(output.get(before..).unwrap_or_default()).contains("Vanessa")
    });
    screen.type_in("/help\r");
    screen.wait_until_shown("Help");
    assert!(!String::from_utf8_lossy(&screen.output()).contains("\u{1b}[6n"));
    screen.signal("TERM");
    screen.ended_in_order();
}

fn a_paste_of_many_lines_is_not_sent() {
    let profile = vanessa();
    let mut screen = Screen::open(&profile, (100, 30), &[]);
    screen.wait_until_shown("Vanessa");
    screen.type_in("\u{1b}[200~/quit\rsecond line\r\u{1b}[201~");
    screen.wait_until_shown("second line");
    screen.signal("TERM");
    screen.ended_in_order();
}

fn a_key_shows_in_the_next_frame() {
    let profile = vanessa();
    let mut screen = Screen::open(&profile, (100, 30), &[]);
    screen.wait_until_shown("Vanessa");
    let frames = |screen: &Screen| {
        let begin = b"\x1b[?2026h";
        screen.output().windows(begin.len()).filter(|bytes| bytes == begin).count()
    };
    let mut typed = String::new();
    let before = frames(&screen);
    for key in "zjzjzjzj".chars() {
        // Each comes alone, after the time that the frame before has for itself.
        std::thread::sleep(Duration::from_millis(50));
        typed.push(key);
        screen.type_in(&key.to_string());
        screen.wait_until_shown(&typed);
    }
    // Some may be drawn for something else meanwhile, but none before each key's.
    let drawn = frames(&screen) - before;
    assert!((typed.len()..typed.len() * 3 / 2).contains(&drawn), "{drawn} frames");
    screen.signal("TERM");
    screen.ended_in_order();
}

fn a_profile_in_use_is_said_in_words_on_a_terminal_as_it_was() {
    let profile = vanessa();
    let process = profile.start();
    let mut screen = Screen::open(&profile, (100, 30), &[]);
    let code = screen.ended_in_order();
    assert_ne!(code, 0);
    let text = String::from_utf8_lossy(&screen.output()).into_owned();
    assert!(!text.contains("panicked") && !text.contains("src/"), "{text}");
    let words = screen.text();
    assert!(words.contains("open") || words.contains("in use"), "{words}");
    process.shutdown();
}
