//! Writing, reading, selecting, and what the node tells meanwhile.

use super::*;

fn written(number: u8) -> Answer {
    Answer::Written(Written { entry: id(number), sent_at: NOW })
}

#[test]
fn a_text_is_shown_once_it_is_on_the_disk() {
    let mut stage = Stage::open(vec![entry(1, BOB)]);
    stage.enter("hello");
    assert_eq!(stage.model.timeline().unwrap().len(), 1);
    assert_eq!(stage.composed(), "");
    stage.answer(written(9));
    assert_eq!(stage.shown(9).state, EntryState::Queued);
    assert_eq!(stage.shown(9).text.as_deref(), Some("hello"));
    stage.event(Event::EntryState {
        conversation: WITH_BOB,
        entry: id(9),
        state: EntryState::Delivered,
    });
    assert_eq!(stage.shown(9).state, EntryState::Delivered);
}

#[test]
fn a_text_that_could_not_be_sent_comes_back() {
    let mut stage = Stage::open(vec![]);
    stage.enter("precious");
    stage.key("alt-2");
    stage.asked.retain(|request| matches!(request.command, Command::SendText { .. }));
    stage.fail("The disk is full.");
    assert_eq!((stage.composed().as_str(), stage.notice()), ("", "Not sent: The disk is full."));
    stage.key("alt-1");
    assert_eq!(stage.composed(), "precious");
}

#[test]
fn a_refused_request_loses_nothing() {
    let mut stage = Stage::open(vec![]);
    stage.enter("precious");
    let number = stage.asked.remove(0).number;
    stage.tell(Msg::Refused(number));
    assert_eq!(stage.composed(), "precious");
    stage.tell(Msg::Refused(number));
    stage.tell(Msg::Refused(u64::MAX));
    assert_eq!(stage.composed(), "precious");
}

#[test]
fn a_stuck_node_gets_a_bounded_number_of_requests() {
    let mut stage = Stage::open(vec![]);
    for _ in 0..MAX_PENDING {
        stage.enter("x");
    }
    assert_eq!(stage.asked.len(), MAX_PENDING);
    stage.enter("one more");
    assert_eq!(stage.asked.len(), MAX_PENDING);
    assert!(stage.notice().contains("busy"));
    assert_eq!(stage.composed(), "one more");
}

#[test]
fn what_is_too_long_is_said_and_kept() {
    let mut stage = Stage::open(vec![]);
    stage.tell(Msg::Paste("x".repeat(MAX_TEXT_BYTES + 1)));
    stage.key("enter");
    stage.nothing();
    assert!(stage.notice().contains("1 bytes too long"));
    assert_eq!(stage.composed().len(), MAX_TEXT_BYTES + 1);
    stage.key("backspace");
    stage.key("enter");
    assert!(
        matches!(stage.command(), Command::SendText { text, .. } if text.len() == MAX_TEXT_BYTES)
    );
    stage.tell(Msg::Paste("x".repeat(2 * 1024 * 1024)));
    assert!(stage.notice().contains("nothing was pasted"));
    assert_eq!(stage.composed(), "");
}

#[test]
fn a_paste_never_sends() {
    let mut stage = Stage::open(vec![]);
    stage.tell(Msg::Paste("/quit\nhello\n".into()));
    stage.nothing();
    assert!(!stage.quits());
    assert_eq!(stage.composed(), "/quit\nhello\n");
}

#[test]
fn blank_texts_are_not_sent_and_newlines_are_typed() {
    let mut stage = Stage::open(vec![]);
    stage.enter("   ");
    stage.nothing();
    stage.key("ctrl-u");
    stage.type_in("a");
    stage.key("alt-enter");
    stage.type_in("b");
    stage.key("ctrl-j");
    stage.enter("c");
    assert!(matches!(stage.command(), Command::SendText { text, .. } if text == "a\nb\nc"));
}

#[test]
fn without_a_conversation_nothing_can_be_sent() {
    let mut stage = Stage::new();
    stage.event(Event::Ready { me: Me { id: ME, name: "Me".into() }, has_passphrase: false });
    stage.asked.clear();
    stage.enter("hello");
    stage.nothing();
    assert_eq!(stage.composed(), "hello");
    assert!(stage.notice().contains("/invite"));
    for line in ["/rename x", "/reply", "/edit", "/delete", "/react", "/details", "/contact"] {
        stage.key("ctrl-u");
        stage.enter(line);
        stage.nothing();
        assert!(stage.model.window.is_none(), "{line}");
    }
}

#[test]
fn drafts_belong_to_their_conversations() {
    let mut stage = Stage::open(vec![]);
    stage.type_in("for Bob");
    stage.key("alt-2");
    assert_eq!(stage.composed(), "");
    stage.type_in("for Eve");
    stage.key("alt-1");
    assert_eq!(stage.composed(), "for Bob");
}

#[test]
fn reply() {
    let mut stage = Stage::open(vec![entry(1, BOB), entry(2, ME), entry(3, BOB)]);
    stage.key("alt-up");
    stage.key("k");
    stage.key("k");
    stage.key("r");
    assert_eq!(stage.model.composer().purpose, Purpose::Reply(id(1)));
    stage.enter("yes");
    assert!(
        matches!(stage.asked[0].command, Command::SendText { reply_to: Some(e), .. } if e == id(1))
    );
    stage.fail("no");
    assert_eq!(stage.model.composer().purpose, Purpose::Reply(id(1)));
    stage.key("esc");
    assert_eq!(stage.model.composer().purpose, Purpose::New);
    stage.key("ctrl-u");
    // Without a selection: the last by somebody else.
    stage.enter("/reply at once");
    assert!(matches!(
        stage.command(),
        Command::SendText { reply_to: Some(e), text, .. } if e == id(3) && text == "at once"
    ));
}

#[test]
fn edit_only_ones_own() {
    let mut stage = Stage::open(vec![entry(1, BOB), entry(2, ME)]);
    stage.key("alt-up");
    stage.key("k");
    stage.key("e");
    assert!(stage.notice().contains("Only your own"));
    stage.key("d");
    assert!(stage.model.window.is_none());
    stage.key("esc");
    stage.enter("/edit");
    assert_eq!(stage.composed(), "text 2");
    stage.enter("!");
    assert!(matches!(&stage.asked[0].command, Command::Edit { text, .. } if text == "text 2!"));
    stage.answer(written(7));
    assert_eq!(stage.shown(2).text.as_deref(), Some("text 2!"));
    assert!(stage.shown(2).edited);
    assert_eq!(stage.model.timeline().unwrap().len(), 2);
}

#[test]
fn delete_asks_first() {
    let mut stage = Stage::open(vec![entry(1, BOB), entry(2, ME)]);
    stage.enter("/delete");
    stage.nothing();
    stage.key("enter");
    stage.nothing();
    stage.key("y");
    assert!(matches!(stage.asked[0].command, Command::Delete { entry, .. } if entry == id(2)));
    stage.answer(written(7));
    assert!(stage.shown(2).deleted && stage.shown(2).text.is_none());
    stage.enter("/delete");
    assert!(stage.notice().contains("written nothing"));
    stage.key("alt-up");
    for key in ["d", "e", "r", "+"] {
        stage.key(key);
        stage.nothing();
        assert!(stage.model.window.is_none(), "{key}");
    }
}

#[test]
fn react_and_take_it_back() {
    let mut stage = Stage::open(vec![entry(1, BOB)]);
    stage.enter("/react 🎉");
    assert!(matches!(&stage.asked[0].command, Command::React { emoji, .. } if emoji == "🎉"));
    stage.answer(written(7));
    assert_eq!(stage.shown(1).reactions, [Reaction { emoji: "🎉".into(), by: vec![ME] }]);
    stage.enter("/react 🎉");
    assert!(matches!(&stage.asked[0].command, Command::React { emoji, .. } if emoji.is_empty()));
    stage.answer(written(8));
    assert!(stage.shown(1).reactions.is_empty());
    stage.key("alt-up");
    stage.key("+");
    stage.key("right");
    stage.key("enter");
    assert!(matches!(stage.command(), Command::React { emoji, .. } if emoji == "❤️"));
    stage.key("alt-up");
    stage.key("+");
    stage.enter("🦀");
    assert!(matches!(stage.command(), Command::React { emoji, .. } if emoji == "🦀"));
}

#[test]
fn only_what_was_drawn_in_front_of_somebody_is_read() {
    let mut stage = Stage::open_with(vec![entry(1, BOB), entry(2, BOB)], 2);
    stage.nothing();
    stage.tell(Msg::Focus(false));
    stage.tell(Msg::Drawn);
    stage.nothing();
    stage.tell(Msg::Focus(true));
    stage.key("f1");
    stage.tell(Msg::Drawn);
    stage.nothing();
    stage.key("esc");
    stage.tell(Msg::Resize(30, 5));
    stage.tell(Msg::Drawn);
    stage.nothing();
    stage.tell(Msg::Resize(100, 30));
    stage.tell(Msg::Drawn);
    assert!(matches!(stage.command(), Command::MarkRead { entry, .. } if entry == id(2)));
    assert_eq!(stage.model.conversation(WITH_BOB).unwrap().unread, 0);
    stage.tell(Msg::Drawn);
    stage.nothing();
}

#[test]
fn what_is_below_the_view_is_not_read() {
    let history: Vec<_> = (1..=99).map(|number| entry(number, BOB)).collect();
    let mut stage = Stage::open(history);
    stage.tell(Msg::Drawn);
    stage.asked.clear();
    stage.key("pageup");
    let message = entry(200, BOB);
    stage.event(Event::Message { conversation: WITH_BOB, message });
    stage.tell(Msg::Drawn);
    stage.nothing();
    assert_eq!(stage.model.timeline().unwrap().below(), 1);
    assert_eq!(stage.model.unread(), 1);
    stage.key("alt-end");
    stage.tell(Msg::Drawn);
    assert!(matches!(stage.command(), Command::MarkRead { entry, .. } if entry == id(200)));
    assert_eq!(stage.model.unread(), 0);
}

#[test]
fn messages_elsewhere_count_ring_and_name_the_window() {
    let mut stage = Stage::open(vec![]);
    stage.tell(Msg::Focus(false));
    stage.event(Event::Message { conversation: WITH_EVE, message: entry(5, EVE) });
    assert!(
        matches!(&stage.other[..], [Effect::Bell, Effect::Title(title)] if title.contains("(1)"))
    );
    // Though its author's clock says that it is older than Bob's last.
    assert_eq!(stage.model.conversations[0].id, WITH_EVE);
    stage.other.clear();
    stage.event(Event::Message { conversation: WITH_EVE, message: entry(6, ME) });
    assert!(stage.other.is_empty());
    stage.tell(Msg::Focus(true));
    stage.event(Event::Message { conversation: WITH_EVE, message: entry(7, EVE) });
    assert!(!stage.other.iter().any(|effect| matches!(effect, Effect::Bell)));
}

#[test]
fn a_message_in_an_unknown_conversation_asks_for_the_list_once() {
    let mut stage = Stage::open(vec![]);
    for number in 1..20 {
        let conversation = ConversationId([77; 32]);
        stage.event(Event::Message { conversation, message: entry(number, EVE) });
    }
    assert!(matches!(stage.command(), Command::ListConversations));
}

#[test]
fn a_message_out_of_order_asks_for_the_right_order_once() {
    let mut stage = Stage::open(vec![entry(10, BOB), entry(20, BOB)]);
    for number in [5, 6, 7] {
        stage.event(Event::Message { conversation: WITH_BOB, message: entry(number, BOB) });
    }
    assert!(matches!(stage.asked[..], [Request { command: Command::History { .. }, .. }]));
    let order = [5, 6, 7, 10, 20].map(|number| entry(number, BOB));
    stage.answer(Answer::History(order.to_vec()));
    assert_eq!(stage.model.timeline().unwrap().position(id(5)), Some(0));
    assert_eq!(stage.model.timeline().unwrap().len(), 5);
}

#[test]
fn more_history_is_asked_for_one_page_at_a_time() {
    let mut stage = Stage::open((100..200).map(|number| entry(number, BOB)).collect());
    stage.tell(Msg::Drawn);
    stage.asked.retain(|request| matches!(request.command, Command::History { .. }));
    stage.nothing();
    for _ in 0..5 {
        stage.key("pageup");
        stage.tell(Msg::Drawn);
    }
    assert!(matches!(
        stage.asked[..],
        [Request { command: Command::History { before: Some(_), after: None, .. }, .. }]
    ));
    stage.answer(Answer::History((50..100).map(|number| entry(number, BOB)).collect()));
    assert_eq!(stage.model.timeline().unwrap().len(), 150);
    assert!(stage.model.timeline().unwrap().at_start());
}

#[test]
fn events_about_contacts() {
    let mut stage = Stage::open(vec![]);
    stage.event(Event::ContactState {
        id: BOB,
        state: ContactState::Online,
        path: Some(crate::node::api::Path::Lan),
    });
    assert_eq!(stage.model.contact(BOB).unwrap().state, ContactState::Online);
    stage.event(Event::ContactState { id: ME, state: ContactState::Online, path: None });
    stage.event(Event::ContactChanged { id: BOB, contact: None });
    assert!(stage.model.contact(BOB).is_none());
    assert_eq!(stage.model.current().unwrap().id, WITH_BOB);
    stage.key("f2");
    stage.event(Event::ContactAdded { contact: contact(Identity([9; 32]), "New") });
    assert!(stage.model.window.is_none());
    assert!(stage.notice().contains("New is a contact now"));
    stage.event(Event::InviteFailed {
        id: EVE,
        failure: failure(FailureKind::InviteUsed, "Somebody used it already."),
    });
    assert!(stage.notice().contains("used it already"));
    stage.event(Event::Trouble { failure: failure(FailureKind::DiskFull, "The disk is full.") });
    assert_eq!(stage.notice(), "The disk is full.");
}

#[test]
fn changes_reach_the_entry_and_no_other() {
    let mut stage = Stage::open(vec![entry(1, BOB), entry(2, BOB)]);
    let mut changed = entry(1, BOB);
    changed.text = Some("better".into());
    stage.event(Event::EntryChanged { conversation: WITH_BOB, message: changed });
    assert_eq!(stage.shown(1).text.as_deref(), Some("better"));
    assert_eq!(stage.shown(2).text.as_deref(), Some("text 2"));
    stage.event(Event::EntryChanged { conversation: WITH_EVE, message: entry(3, EVE) });
    assert_eq!(stage.model.timeline().unwrap().len(), 2);
}

#[test]
fn an_answer_that_was_not_asked_for_changes_nothing() {
    let mut stage = Stage::open(vec![entry(1, BOB)]);
    stage.event(Event::Answered { request: 9_999, result: Ok(Answer::Contacts(vec![])) });
    stage.event(Event::Answered { request: u64::MAX, result: Ok(Answer::Done {}) });
    assert_eq!(stage.model.contacts.len(), 2);
}

#[test]
fn history_of_what_was_sent() {
    let mut stage = Stage::open(vec![]);
    stage.enter("one");
    stage.enter("two");
    stage.type_in("draft");
    stage.key("up");
    stage.key("up");
    assert_eq!(stage.composed(), "one");
    stage.key("down");
    stage.key("down");
    assert_eq!(stage.composed(), "draft");
    // Clearing the line keeps it in the history.
    stage.key("ctrl-c");
    stage.key("up");
    assert_eq!(stage.composed(), "draft");
}

#[test]
fn selecting_ends_below_the_last() {
    let mut stage = Stage::open(vec![entry(1, BOB)]);
    stage.key("alt-up");
    assert_eq!(stage.model.mode(), Mode::Select);
    stage.key("x");
    stage.key("j");
    assert_eq!(stage.model.mode(), Mode::Compose);
    let mut stage = Stage::open(vec![]);
    stage.key("alt-up");
    assert_eq!(stage.model.mode(), Mode::Compose);
    assert!(stage.notice().contains("no message"));
    let mut stage = Stage::open(vec![entry(1, BOB)]);
    stage.key("alt-up");
    stage.tell(Msg::Paste("text".into()));
    assert_eq!((stage.model.mode(), stage.composed().as_str()), (Mode::Compose, "text"));
}

#[test]
fn an_edit_that_leaves_nothing_is_not_sent_and_said() {
    let mut stage = Stage::open(vec![entry(1, ME)]);
    stage.enter("/edit");
    stage.key("ctrl-u");
    stage.key("enter");
    stage.nothing();
    assert!(stage.notice().contains("/delete"));
    stage.type_in("x");
    assert_eq!(stage.notice(), "");
}

#[test]
fn what_was_wrong_before_goes_with_the_next_message() {
    let mut stage = Stage::open(vec![entry(1, BOB)]);
    stage.enter("/invite soon");
    assert!(!stage.notice().is_empty());
    stage.enter("hello");
    assert!(matches!(stage.command(), Command::SendText { .. }));
    assert_eq!(stage.notice(), "");
}
