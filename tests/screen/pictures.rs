//! Pictures on the real terminal: by the protocol that it answers to know, else in half blocks.

use std::fs;

use super::{Profile, Screen, json, wait_for};
use crate::support::profile::{conversation_with, id, pair};

/// What begins the question about kitty's protocol.
const QUESTION: &str = "\x1b_Gi=31,";

/// Where kitty's protocol has a picture's data begin.
const OF_KITTY: &str = "\x1b_Gq=2,i=";

/// What clears the screen.
const CLEARED: &str = "\x1b[2J";

/// A profile with a contact, to whom a picture was offered.
fn with_picture() -> Profile {
    let (profile, other) = Profile::loopback_pair();
    let path = profile.outside().join("canal.png");
    image::RgbImage::from_pixel(320, 200, image::Rgb([200, 40, 0])).save(&path).unwrap();
    let (a, b) = (profile.start(), other.start());
    a.call("setName", json!({ "name": "Vanessa" }));
    pair(&a, &b);
    let conversation = conversation_with(&a, &id(&b));
    a.call("sendFile", json!({ "conversation": conversation, "path": path }));
    a.shutdown();
    b.shutdown();
    profile
}

fn written(screen: &Screen) -> String {
    String::from_utf8_lossy(&screen.output()).into_owned()
}

/// The screen on a terminal that answers so, with the picture over it. What is typed around the
/// answers is there.
fn shown(profile: &Profile, answers: &str, environment: &[(&str, &str)]) -> Screen {
    let mut screen = Screen::open(profile, (80, 24), environment);
    screen.has_cells_of((10, 20));
    wait_for("the question", || written(&screen).contains(QUESTION));
    screen.wait_until_shown("canal.png");
    screen.type_in(&format!("hel{answers}lo"));
    screen.wait_until_shown("hello");
    screen.type_in("\x1b[1;3A");
    screen.wait_until_shown("Enter show");
    screen.type_in("p");
    screen.wait_until_shown("320×200");
    screen
}

/// Closes the picture, if it is still open, and leaves. Nothing of the picture or of the answers is left.
fn left(mut screen: Screen) {
    screen.type_in("\x1b");
    screen.wait_until_shown("hello");
    let text = screen.text();
    assert!(!text.contains("Gi=") && !text.contains(">|"), "{text}");
    screen.signal("TERM");
    screen.ended_in_order();
}

pub fn a_picture_comes_by_the_protocol_that_the_terminal_answers_to_know() {
    let profile = with_picture();
    let kitty = "\x1bP>|kitty(0.42.0)\x1b\\\x1b_Gi=31;OK\x1b\\";
    let konsole = "\x1bP>|Konsole 25.04.3\x1b\\\x1b_Gi=31;OK\x1b\\";
    // What Konsole shows stays over all that is written there, until the screen is cleared.
    for (answers, begins, covers) in [
        (kitty, OF_KITTY, false),
        (konsole, "\x1b]1337;File=inline=1;size=", true),
        ("\x1bP>|foot(1.16.2)\x1b\\", "q\"1;1;320;200", true),
    ] {
        let mut screen = shown(&profile, answers, &[]);
        wait_for(&format!("{begins:?}"), || written(&screen).contains(begins));
        assert!(!screen.text().contains('▀'), "half blocks as well: {}", screen.text());
        let before = screen.output().len();
        screen.type_in("\x1b");
        screen.wait_until_shown("hello");
        let after = String::from_utf8_lossy(&screen.output()[before..]).into_owned();
        assert_eq!(after.contains(CLEARED), covers, "{after:?}");
        left(screen);
    }
}

pub fn a_terminal_that_stays_silent_holds_up_nothing_and_has_half_blocks() {
    let profile = with_picture();
    // What a person might type that begins like an answer is not lost either.
    let screen = shown(&profile, "", &[]);
    wait_for("half blocks", || screen.text().contains('▀'));
    assert!(!written(&screen).contains(OF_KITTY));
    left(screen);
    // In tmux the terminal around it is asked.
    let screen = shown(&profile, "", &[("TMUX", "/nowhere,1,0")]);
    wait_for("half blocks", || screen.text().contains('▀'));
    assert!(written(&screen).contains("\x1bPtmux;\x1b\x1b_Gi=31,"), "{:?}", written(&screen));
    left(screen);
    let screen = shown(&profile, "\x1b_Gi=31;OK\x1b\\", &[("TMUX", "/nowhere,1,0")]);
    wait_for("the picture", || written(&screen).contains("\x1bPtmux;\x1b\x1b_Gq=2,i="));
    left(screen);
}

pub fn who_sets_a_protocol_has_it_and_is_not_asked() {
    let profile = with_picture();
    fs::write(profile.dir().join("config.toml"), "[screen]\npictures = \"sixel\"\n").unwrap();
    let mut screen = Screen::open(&profile, (80, 24), &[]);
    screen.has_cells_of((10, 20));
    screen.wait_until_shown("canal.png");
    screen.type_in("\x1b[1;3A");
    screen.wait_until_shown("Enter show");
    screen.type_in("p");
    wait_for("the picture", || written(&screen).contains("\"1;1;320;200"));
    assert!(!written(&screen).contains(QUESTION));
    screen.signal("TERM");
    screen.ended_in_order();
}
