//! Every command, every window.

use super::*;

#[test]
fn invite() {
    let mut stage = Stage::open(vec![]);
    stage.enter("/invite 3");
    assert!(matches!(
        stage.asked[0].command,
        Command::CreateInvite { uses: None, expires_in_seconds: Some(259_200) }
    ));
    let invite = NewInvite { invite: "entrenous1abc".to_owned().into(), expires_at: NOW };
    stage.answer(Answer::Invite(invite.clone()));
    assert!(
        matches!(&stage.model.window, Some(Window::Invite { invite: Some(i), .. }) if *i == invite)
    );
    stage.key("t");
    assert!(matches!(&stage.model.window, Some(Window::Invite { as_text: true, .. })));
    stage.key("esc");
    assert!(stage.model.window.is_none());
    for wrong in ["/invite 0", "/invite 366", "/invite soon", "/invite -1"] {
        stage.enter(wrong);
        stage.nothing();
        assert!(stage.notice().contains("number of days"));
    }
    stage.key("f2");
    stage.fail("Too many invites are open.");
    assert!(stage.model.window.is_none());
    assert_eq!(stage.notice(), "Too many invites are open.");
}

#[test]
fn add() {
    let mut stage = Stage::open(vec![]);
    stage.key("f3");
    stage.key("enter");
    stage.nothing();
    stage.tell(Msg::Paste("ENTRENOUS1QQ\r\n PP ".into()));
    stage.key("enter");
    assert!(
        matches!(&stage.asked[0].command, Command::AcceptInvite { invite } if invite.0 == "entrenous1qqpp")
    );
    stage.fail("This invite has expired.");
    assert!(
        matches!(&stage.model.window, Some(Window::AddInvite { error: Some(e), .. }) if e.contains("expired"))
    );
    stage.type_in("x");
    assert!(matches!(&stage.model.window, Some(Window::AddInvite { error: None, .. })));
    stage.key("esc");
    stage.enter("/add entrenous1Qq");
    // Mixed case is kept as it is: the checksum will tell.
    assert!(
        matches!(&stage.asked[0].command, Command::AcceptInvite { invite } if invite.0 == "entrenous1Qq")
    );
    stage.answer(Answer::Done {});
    assert!(stage.model.window.is_none() && stage.notice().contains("good"));
}

#[test]
fn invites_and_revoke() {
    let mut stage = Stage::open(vec![]);
    stage.enter("/invites");
    let open =
        |number| OpenInvite { number, issuer: ME, invite: None, uses_left: 1, expires_at: NOW };
    stage.answer(Answer::Invites(vec![open(7), open(8)]));
    stage.key("down");
    stage.key("down");
    stage.key("d");
    assert!(matches!(
        &stage.model.window,
        Some(Window::Confirm { then: Confirmed::Revoke(8), .. })
    ));
    stage.key("n");
    stage.nothing();
    stage.enter("/invites");
    stage.answer(Answer::Invites(vec![open(7)]));
    stage.key("d");
    stage.key("y");
    assert!(matches!(stage.asked[0].command, Command::RevokeInvite { invite: 7 }));
    stage.answer(Answer::Done {});
    assert!(matches!(stage.asked[0].command, Command::ListInvites));
    stage.answer(Answer::Invites(vec![]));
    stage.key("d");
    stage.nothing();
}

#[test]
fn open_and_switch() {
    let mut stage = Stage::open(vec![]);
    stage.enter("/open eve");
    assert_eq!(stage.model.open, Some(WITH_EVE));
    assert!(
        matches!(stage.command(), Command::History { conversation, .. } if conversation == WITH_EVE)
    );
    stage.key("alt-1");
    assert_eq!(stage.model.open, Some(WITH_BOB));
    stage.key("alt-9");
    assert_eq!(stage.model.open, Some(WITH_BOB));
    stage.key("ctrl-p");
    assert_eq!(stage.model.open, Some(WITH_EVE));
    stage.key("ctrl-n");
    assert_eq!(stage.model.open, Some(WITH_BOB));
    stage.asked.clear();
    stage.key("ctrl-o");
    stage.type_in("v");
    stage.key("enter");
    assert_eq!(stage.model.open, Some(WITH_EVE));
    stage.enter("/open nobody");
    assert!(matches!(&stage.model.window, Some(Window::Switch { .. })));
    stage.key("enter");
    assert!(matches!(stage.model.window, Some(Window::Switch { .. })), "it says that nothing fits");
}

#[test]
fn contact_verify_rename_remove() {
    let mut stage = Stage::open(vec![]);
    stage.key("f4");
    let number = SafetyNumber { contact: BOB, number: "0".repeat(60), verified: false };
    stage.answer(Answer::SafetyNumber(number.clone()));
    assert!(
        matches!(&stage.model.window, Some(Window::Contact { safety: Some(n), .. }) if *n == number)
    );
    stage.key("v");
    assert!(matches!(
        stage.asked[0].command,
        Command::SetVerified { contact: BOB, verified: true }
    ));
    stage.answer(Answer::Done {});
    assert!(stage.notice().contains("Bob is verified"));
    stage.asked.clear();
    stage.key("r");
    for _ in 0..3 {
        stage.key("backspace");
    }
    stage.enter("Robert");
    assert!(
        matches!(stage.command(), Command::RenameContact { contact: BOB, name } if name == "Robert")
    );
    stage.enter("/remove Eve");
    stage.key("n");
    stage.nothing();
    stage.enter("/remove Eve");
    stage.key("y");
    assert!(matches!(stage.asked[0].command, Command::RemoveContact { contact: EVE }));
    stage.answer(Answer::Done {});
    assert!(stage.notice().contains("no longer"));
    stage.asked.clear();
    for unknown in ["/contact Nobody", "/verify Nobody", "/unverify Nobody", "/remove Nobody"] {
        stage.enter(unknown);
        stage.nothing();
        assert!(stage.notice().contains("no contact called Nobody"), "{}", stage.notice());
    }
    stage.enter("/unverify eve");
    assert!(matches!(stage.command(), Command::SetVerified { contact: EVE, verified: false }));
    stage.enter("/rename Roberto");
    assert!(matches!(stage.command(), Command::RenameContact { name, .. } if name == "Roberto"));
    stage.enter("/rename");
    assert!(matches!(stage.command(), Command::RenameContact { name, .. } if name.is_empty()));
    stage.enter(&format!("/rename {}", "x".repeat(129)));
    stage.nothing();
}

#[test]
fn a_safety_number_that_comes_late_is_not_shown_for_another() {
    let mut stage = Stage::open(vec![]);
    stage.enter("/contact Eve");
    stage.key("esc");
    stage.enter("/contact Bob");
    stage.answer(Answer::SafetyNumber(SafetyNumber {
        contact: EVE,
        number: "1".repeat(60),
        verified: true,
    }));
    assert!(matches!(&stage.model.window, Some(Window::Contact { id: BOB, safety: None })));
}

#[test]
fn name_whoami_network_help() {
    let mut stage = Stage::open(vec![]);
    stage.enter("/name Ann");
    assert!(matches!(&stage.asked[0].command, Command::SetName { name } if name == "Ann"));
    stage.answer(Answer::Done {});
    assert_eq!(stage.model.me.as_ref().unwrap().name, "Ann");
    stage.asked.clear();
    stage.enter("/name");
    stage.nothing();
    assert_eq!(stage.composed(), "/name");
    stage.key("ctrl-u");
    stage.enter(&format!("/name {}", "x".repeat(129)));
    stage.nothing();
    stage.enter("/whoami");
    assert!(
        matches!(&stage.model.window, Some(Window::Text { text, .. }) if text.contains(&ME.to_string()))
    );
    stage.key("esc");
    stage.enter("/network");
    assert!(matches!(stage.asked[0].command, Command::Network));
    stage.answer(Answer::Network(Box::new(Network { links: 4, ..Network::default() })));
    assert_eq!(stage.model.network.as_ref().unwrap().links, 4);
    stage.key("enter");
    assert!(stage.model.window.is_none());
    stage.enter("/help verify");
    assert!(stage.notice().starts_with("/verify"));
    stage.enter("/help xyzzy");
    assert!(stage.notice().contains("no command"));
    stage.key("f1");
    stage.key("down");
    assert!(matches!(stage.model.window, Some(Window::Help { row: 1 })));
    stage.key("esc");
    assert_eq!(stage.model.mode(), Mode::Compose);
}

#[test]
fn wrong_commands_are_kept_and_answered() {
    let mut stage = Stage::open(vec![]);
    stage.enter("/invtie");
    assert!(stage.notice().contains("/invite"));
    assert_eq!(stage.composed(), "/invtie");
    stage.nothing();
}

#[test]
fn two_slashes_send_one() {
    let mut stage = Stage::open(vec![]);
    stage.enter("//home");
    assert!(matches!(&stage.asked[0].command, Command::SendText { text, .. } if text == "/home"));
    stage.fail("no");
    // What comes back can be sent again as it is.
    assert_eq!(stage.composed(), "//home");
}

#[test]
fn search_and_jump() {
    let mut stage = Stage::open(vec![entry(1, BOB)]);
    stage.key("ctrl-f");
    stage.type_in("ab");
    // One search at a time; the next begins with the answer.
    assert!(matches!(&stage.asked[0].command, Command::Search { query, .. } if query == "a"));
    assert_eq!(stage.asked.len(), 1);
    stage.answer(Answer::Found(vec![]));
    assert!(
        matches!(&stage.asked[0].command, Command::Search { query, conversation: None, .. } if query == "ab")
    );
    stage.answer(Answer::Found(vec![Hit {
        conversation: WITH_EVE,
        entry: id(50),
        snippet: String::new(),
    }]));
    stage.nothing();
    stage.key("tab");
    assert!(matches!(stage.asked[0].command, Command::Search { conversation: Some(WITH_BOB), .. }));
    stage.answer(Answer::Found(vec![Hit {
        conversation: WITH_EVE,
        entry: id(50),
        snippet: String::new(),
    }]));
    stage.key("enter");
    assert_eq!(stage.model.open, Some(WITH_EVE));
    let after = stage
        .asked
        .iter()
        .position(|r| matches!(r.command, Command::History { after: Some(_), .. }))
        .unwrap();
    stage.asked.drain(..after);
    stage.answer(Answer::History(vec![entry(51, EVE)]));
    assert!(
        matches!(stage.asked[0].command, Command::History { before: Some(b), .. } if b == id(51))
    );
    stage.answer(Answer::History(vec![entry(49, EVE), entry(50, EVE)]));
    assert_eq!(stage.model.timeline().unwrap().selected(), Some(id(50)));
    assert_eq!(stage.model.mode(), Mode::Select);
}

#[test]
fn a_hit_that_is_gone_is_a_sentence() {
    let mut stage = Stage::open(vec![entry(1, BOB)]);
    stage.model.jump(WITH_BOB, id(200));
    stage.asked.append(
        &mut std::mem::take(&mut stage.model.effects)
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::Send(request) => Some(request),
                _ => None,
            })
            .collect(),
    );
    stage.answer(Answer::History(vec![]));
    stage.answer(Answer::History(vec![entry(1, BOB)]));
    assert!(stage.notice().contains("not there"));
    assert_eq!(stage.model.mode(), Mode::Compose);
}

#[test]
fn a_search_that_fails_is_not_tried_for_ever() {
    let mut stage = Stage::open(vec![]);
    stage.enter("/search x");
    stage.fail("The database is damaged.");
    stage.nothing();
    assert!(stage.notice().contains("damaged"));
}

#[test]
fn leaving() {
    let mut stage = Stage::open(vec![]);
    stage.enter("/quit");
    assert!(stage.quits());
    let mut stage = Stage::open(vec![]);
    stage.type_in("unsent");
    stage.key("ctrl-q");
    assert!(!stage.quits());
    stage.key("n");
    assert_eq!(stage.composed(), "unsent");
    stage.key("ctrl-q");
    stage.key("y");
    assert!(stage.quits());
    let mut stage = Stage::open(vec![]);
    stage.key("ctrl-z");
    stage.key("ctrl-l");
    assert!(matches!(stage.other[..], [Effect::Suspend, Effect::Redraw]));
}

#[test]
fn tab_completes_and_lists() {
    let mut stage = Stage::open(vec![]);
    stage.type_in("/ver");
    stage.key("tab");
    stage.type_in("e");
    stage.key("tab");
    assert_eq!(stage.composed(), "/verify Eve");
    stage.key("ctrl-u");
    stage.type_in("/re");
    stage.key("tab");
    assert!(stage.notice().contains("rename") && stage.notice().contains("react"));
    stage.key("end");
    assert!(stage.notice().contains("rename"), "the line is the same");
    stage.type_in("x");
    assert_eq!(stage.notice(), "", "what could be typed is not what is typed");
}

#[test]
fn a_command_is_hinted_at_while_it_is_typed_and_what_else_is_said_goes_first() {
    let mut stage = Stage::open(vec![]);
    stage.type_in("/");
    assert!(stage.notice().contains("invites  add"), "{}", stage.notice());
    stage.type_in("verify");
    assert!(stage.notice().starts_with("/verify [NAME]: "), "{}", stage.notice());
    stage.type_in(" Ev");
    assert!(stage.notice().starts_with("/verify [NAME]: "), "{}", stage.notice());
    stage.key("ctrl-u");
    assert_eq!(stage.notice(), "");
    stage.enter("/xyzzy");
    assert!(stage.notice().contains("no command"));
    stage.key("ctrl-u");
    stage.type_in("//");
    assert_eq!(stage.notice(), "", "a text");
}

#[test]
fn a_sentence_about_the_line_goes_with_it() {
    let mut stage = Stage::open(vec![]);
    stage.enter("/xyzzy");
    assert!(stage.notice().contains("no command"));
    stage.key("backspace");
    assert_eq!(stage.notice(), "");
    stage.key("ctrl-u");
    stage.enter("/invite soon");
    stage.type_in("/i");
    assert!(stage.notice().contains("number of days"), "this one is about what was run");
}

#[test]
fn what_does_not_fit_a_window_for_reading_can_be_scrolled_to() {
    let mut stage = Stage::open(vec![entry(1, BOB)]);
    stage.tell(Msg::Resize(40, 10));
    let listen: Vec<String> = (1..=9).map(|n| format!("/ip4/192.0.2.{n}/tcp/4001")).collect();
    for command in ["/whoami", "/network", "/details"] {
        stage.enter(command);
        if command == "/network" {
            let listen = listen.clone();
            stage.answer(Answer::Network(Box::new(Network { listen, ..Network::default() })));
        }
        let row = |stage: &Stage| match stage.model.window {
            Some(
                Window::Text { row, .. } | Window::Network { row } | Window::Details { row, .. },
            ) => row,
            _ => panic!("{command}"),
        };
        stage.key("down");
        assert_eq!(row(&stage), 1, "{command}");
        for _ in 0..5 {
            stage.key("pagedown");
        }
        let last = row(&stage);
        stage.key("up");
        assert_eq!(row(&stage), last - 1, "{command}: it went no further than its last row");
        stage.tell(Msg::Resize(80, 40));
        stage.key("down");
        assert_eq!(row(&stage), 0, "{command}: all of it is there");
        stage.tell(Msg::Resize(40, 10));
        stage.key("esc");
    }
}

#[test]
fn what_was_tried_again_and_again_is_told_once() {
    let mut stage = Stage::open(vec![]);
    stage.enter("/why");
    let attempt = |path: &str, at, outcome: &str| Attempt {
        path: path.into(),
        address: "a".into(),
        at,
        outcome: outcome.into(),
    };
    let mut attempts = vec![attempt("punch", NOW - 9_000, "impossible")];
    attempts.extend((1..9).map(|n| attempt("dial", NOW - 9_000 + n, "no answer")));
    let advice = "Nobody is there.".to_owned();
    stage.answer(Answer::Why(Box::new(Why { state: ContactState::Offline, attempts, advice })));
    let Some(Window::Text { text, .. }) = &stage.model.window else { panic!("no window") };
    assert_eq!((text.matches("punch").count(), text.matches("dial").count()), (1, 1), "{text}");
}

#[test]
fn of_a_removed_contact_nothing_can_be_asked() {
    let mut stage = Stage::open(vec![]);
    stage.model.contacts.retain(|contact| contact.id != BOB);
    let sentence = "Whoever this conversation was with is no contact any more.";
    for command in ["/why", "/contact", "/rename X", "/verify"] {
        stage.enter(command);
        stage.nothing();
        assert_eq!(stage.notice(), sentence, "{command}");
    }
    stage.model.notice = None;
    stage.key("f4");
    stage.nothing();
    assert_eq!(stage.notice(), sentence);
}
