//! Before the conversations, and after them.

use super::*;

fn secret(text: &str) -> Passphrase {
    Passphrase(zeroize::Zeroizing::new(text.into()))
}

#[test]
fn a_profile_is_made() {
    let mut stage = Stage::new();
    stage.event(Event::ProfileNeeded);
    for line in ["  Ann ", "pass", "pass"] {
        stage.enter(line);
    }
    match stage.command() {
        Command::CreateProfile { name, passphrase } => {
            assert_eq!((name.as_str(), passphrase), ("Ann", Some(secret("pass"))));
        }
        other => panic!("{other:?}"),
    }
    // While it is made nothing can be typed or sent again.
    stage.enter("x");
    stage.nothing();
}

#[test]
fn without_a_passphrase_none_is_sent() {
    let mut stage = Stage::new();
    stage.event(Event::ProfileNeeded);
    for line in ["Ann", "", ""] {
        stage.enter(line);
    }
    assert!(matches!(
        stage.command(),
        Command::CreateProfile { name, passphrase: None } if name == "Ann"
    ));
}

#[test]
fn a_name_is_asked_for() {
    let mut stage = Stage::new();
    stage.event(Event::ProfileNeeded);
    let form = |stage: &Stage| {
        let Phase::Welcome(form) = &stage.model.phase else { panic!() };
        (form.focus, form.error.is_some())
    };
    stage.enter(" ");
    assert_eq!(form(&stage), (0, true));
    stage.type_in("x");
    assert_eq!(form(&stage), (0, false), "what was wrong is gone");
    stage.key("backspace");
    stage.key("tab");
    stage.key("tab");
    stage.key("enter");
    stage.nothing();
    assert_eq!(form(&stage), (0, true));
}

#[test]
fn shift_tab_goes_back() {
    let mut stage = Stage::new();
    stage.event(Event::ProfileNeeded);
    stage.key("tab");
    stage.tell(Msg::Key(KeyEvent::new(KeyCode::BackTab, KeyModifiers::SHIFT)));
    stage.enter("Ann");
    let Phase::Welcome(form) = &stage.model.phase else { panic!() };
    assert_eq!((form.fields[0].text(), form.focus), ("Ann", 1));
}

#[test]
fn two_passphrases_that_differ_are_asked_for_again() {
    let mut stage = Stage::new();
    stage.event(Event::ProfileNeeded);
    for line in ["Ann", "pass", "Pass"] {
        stage.enter(line);
    }
    stage.nothing();
    let Phase::Welcome(form) = &stage.model.phase else { panic!() };
    assert!(form.error.as_ref().unwrap().contains("differ"));
    assert_eq!((form.focus, form.fields[1].text(), form.fields[2].text()), (1, "", ""));
    assert_eq!(form.fields[0].text(), "Ann");
}

#[test]
fn a_name_that_is_too_long_is_said_before_it_is_sent() {
    let mut stage = Stage::new();
    stage.event(Event::ProfileNeeded);
    stage.tell(Msg::Paste("é".repeat(65)));
    stage.enter("");
    stage.enter("");
    stage.enter("");
    stage.nothing();
    let Phase::Welcome(form) = &stage.model.phase else { panic!() };
    assert!(form.error.as_ref().unwrap().contains("too long") && form.focus == 0);
}

#[test]
fn a_profile_that_could_not_be_made_says_why() {
    let mut stage = Stage::new();
    stage.event(Event::ProfileNeeded);
    for line in ["Ann", "", ""] {
        stage.enter(line);
    }
    stage.fail("The disk is full.");
    let Phase::Welcome(form) = &stage.model.phase else { panic!() };
    assert_eq!((form.error.as_deref(), form.is_busy), (Some("The disk is full."), false));
}

#[test]
fn a_wrong_passphrase_is_asked_for_again() {
    let mut stage = Stage::new();
    stage.event(Event::PassphraseNeeded);
    stage.key("enter");
    stage.nothing();
    stage.tell(Msg::Paste("wrong\n".into()));
    stage.key("enter");
    assert!(
        matches!(&stage.asked[0].command, Command::Unlock { passphrase } if *passphrase == secret("wrong"))
    );
    stage.fail("The passphrase is wrong.");
    let Phase::Unlock(form) = &stage.model.phase else { panic!() };
    assert_eq!(form.error.as_deref(), Some("The passphrase is wrong."));
    assert_eq!(form.fields[0].text(), "");
    stage.enter("right");
    assert!(matches!(stage.command(), Command::Unlock { .. }));
}

#[test]
fn what_goes_wrong_before_anything_was_shown_is_said_in_the_shell() {
    let mut stage = Stage::new();
    let reason = failure(FailureKind::ProfileInUse, "Another entrenous has this profile open.");
    stage.event(Event::Stopped { failure: Some(reason) });
    assert!(matches!(&stage.other[..], [.., Effect::Quit(Some(text))] if text.contains("Another")));
}

#[test]
fn a_node_that_stops_later_is_a_screen_and_any_key_leaves() {
    let mut stage = Stage::open(vec![]);
    stage.type_in("draft");
    stage.event(Event::Stopped { failure: Some(failure(FailureKind::DiskFull, "Full.")) });
    assert!(matches!(&stage.model.phase, Phase::Stopped(text) if text == "Full."));
    stage.tell(Msg::NodeGone);
    assert!(matches!(&stage.model.phase, Phase::Stopped(text) if text == "Full."));
    stage.key("x");
    assert!(matches!(&stage.other[..], [Effect::Quit(Some(text))] if text == "Full."));
}

#[test]
fn a_node_that_vanishes_is_a_sentence_too() {
    let mut stage = Stage::open(vec![]);
    stage.tell(Msg::NodeGone);
    assert!(matches!(&stage.model.phase, Phase::Stopped(text) if text.contains("unexpectedly")));
}

#[test]
fn the_start_can_be_left() {
    for event in [Event::ProfileNeeded, Event::PassphraseNeeded] {
        let mut stage = Stage::new();
        stage.event(event);
        stage.type_in("something");
        stage.key("esc");
        assert!(stage.quits());
    }
}

#[test]
fn the_time_of_the_next_tick() {
    let mut stage = Stage::open(vec![]);
    assert_eq!(stage.model.deadline(), (NOW / 60_000 + 1) * 60_000);
    stage.enter("/xyzzy");
    let until = stage.model.notice.as_ref().unwrap().until;
    assert_eq!(stage.model.deadline(), until.min((NOW / 60_000 + 1) * 60_000));
    stage.model.set_now(until);
    stage.tell(Msg::Tick);
    assert_eq!(stage.model.notice, None);
}
