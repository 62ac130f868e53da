//! What is passed on to another conversation.

use super::{files::file, *};
use crate::node::api::{FileState, Offered, Written};

#[test]
fn a_file_that_is_here_is_passed_on_and_said_to_be_once_it_is_written() {
    let deleted = EntryView { deleted: true, text: None, ..entry(6, BOB) };
    let mut stage = Stage::open(vec![file(5, BOB, "a.bin", FileState::Here), deleted]);
    stage.enter("/forward eve");
    let [Request { number, command: Command::ForwardFile { conversation: WITH_BOB, entry, to } }] =
        stage.asked.as_slice()
    else {
        panic!("{:?}", stage.asked)
    };
    assert_eq!((*entry, *to), (id(5), WITH_EVE));
    let number = *number;
    assert!(stage.model.notice.is_none(), "it is not written yet");
    let view = file(9, ME, "a.bin", FileState::Here).file.unwrap();
    let offered =
        Offered { entry: id(9), blob: "b10b".into(), size: 2_400_000, sent_at: NOW, file: view };
    stage.event(Event::Answered { request: number, result: Ok(Answer::Offered(offered)) });
    assert_eq!(stage.notice(), "Passed on to Eve.");
}

#[test]
fn a_text_is_passed_on_as_its_text() {
    let mut text = entry(5, BOB);
    text.text = Some("/quit and the lake".into());
    let mut stage = Stage::open(vec![text]);
    stage.enter("/forward Eve");
    let [Request { number, command: Command::SendText { conversation, text, reply_to: None } }] =
        stage.asked.as_slice()
    else {
        panic!("{:?}", stage.asked)
    };
    assert_eq!((*conversation, text.as_str()), (WITH_EVE, "/quit and the lake"));
    let request = *number;
    let written = Written { entry: id(9), sent_at: NOW };
    stage.event(Event::Answered { request, result: Ok(Answer::Written(written)) });
    assert_eq!(stage.notice(), "Passed on to Eve.");
}

#[test]
fn what_can_not_be_passed_on_is_said() {
    let mut stage = Stage::open(vec![file(5, BOB, "a.bin", FileState::Offered)]);
    stage.enter("/forward Eve");
    assert_eq!(stage.notice(), "There is nothing here to pass on.");
    stage.enter("/forward Nobody");
    assert!(stage.notice().contains("no conversation called Nobody"), "{}", stage.notice());
    assert!(stage.asked.is_empty(), "{:?}", stage.asked);
}

#[test]
fn of_what_is_selected_it_is_said_why_it_is_not_passed_on() {
    let deleted = EntryView { deleted: true, text: None, ..entry(6, BOB) };
    let here = file(4, BOB, "b.bin", FileState::Here);
    let offered = file(5, BOB, "a.bin", FileState::Offered);
    let mut stage = Stage::open(vec![here, offered, deleted]);
    for (key, said) in [
        ("alt-up", "There is nothing left of this message to pass on."),
        ("k", "The file is not here: /get it first, then /forward it."),
    ] {
        stage.key(key);
        stage.model.forward_command("Eve");
        assert_eq!(stage.notice(), said);
        stage.nothing();
    }
    // The one that is here is, but the node has its reasons.
    stage.key("k");
    stage.model.forward_command("Eve");
    stage.tell(Msg::Tick);
    let [Request { number, command: Command::ForwardFile { .. } }] = stage.asked.as_slice() else {
        panic!("{:?}", stage.asked)
    };
    let failure = failure(FailureKind::DiskFull, "The disk is full.");
    stage.event(Event::Answered { request: *number, result: Err(failure) });
    assert_eq!(stage.notice(), "Not passed on: The disk is full.");
}
