//! Writing, receiving, states.

use super::*;
use crate::node::api::EntryState;

#[tokio::test]
async fn what_is_written_is_there_after_reopening() {
    let (ann, ben) = pair().await;
    let first = ann.say(&ben, "one").await;
    let second = ann.say(&ben, "two").await;
    assert_eq!(second.entry.header.previous, Some(first.entry.id));
    assert_eq!(ann.texts(&ben).await, ["one", "two"]);
    let ann = ann.reopen().await;
    assert_eq!(ann.texts(&ben).await, ["one", "two"]);
    let third = ann.say(&ben, "three").await;
    assert_eq!(third.entry.header.previous, Some(second.entry.id));
    assert_eq!(third.entry.header.seq, 3);
}

#[tokio::test]
async fn pushed_entries_arrive_once_and_are_acknowledged() {
    let (ann, ben) = pair().await;
    for n in 0..700 {
        ann.say(&ben, &format!("message {n}")).await;
    }
    assert_eq!(push(&ann, &ben).await.added.len(), 700);
    assert_eq!(push(&ann, &ben).await.added.len(), 0);
    let states = acknowledge(&ann, &ben).await.states;
    assert_eq!(states.len(), 700);
    assert!(states.iter().all(|(_, state)| *state == EntryState::Delivered));
    assert!(acknowledge(&ann, &ben).await.states.is_empty(), "said once");
    assert_eq!(ann.texts(&ben).await, ben.texts(&ann).await);
}

#[tokio::test]
async fn states_survive_and_go_from_queued_to_read() {
    let (ann, ben) = pair().await;
    let written = ann.say(&ben, "hello").await;
    let state = async |ann: &Person, ben: &Person| {
        let entry = ann.store.entry(ann.with(ben), written.entry.id);
        entry.await.unwrap().unwrap().state
    };
    assert_eq!(written.shown.as_ref().unwrap().state, EntryState::Queued);
    push(&ann, &ben).await;
    assert_eq!(state(&ann, &ben).await, EntryState::Queued, "not acknowledged yet");
    acknowledge(&ann, &ben).await;
    assert_eq!(state(&ann, &ben).await, EntryState::Delivered);

    let unread = ben.store.conversations().await.unwrap();
    assert_eq!(unread[0].unread, 1);
    let mark = ben.store.mark_read(ben.with(&ann), written.entry.id, NOW).await.unwrap();
    assert!(mark.is_some());
    let again = ben.store.mark_read(ben.with(&ann), written.entry.id, NOW).await.unwrap();
    assert!(again.is_none(), "it did not advance");
    assert_eq!(ben.store.conversations().await.unwrap()[0].unread, 0);

    let received = push(&ben, &ann).await;
    assert_eq!(received.states, [(written.entry.id, EntryState::Read)]);
    assert!(received.added.is_empty());
    let ann = ann.reopen().await;
    assert_eq!(state(&ann, &ben).await, EntryState::Read);
}

#[tokio::test]
async fn a_mark_that_comes_before_the_acknowledgement_counts_with_it() {
    let (ann, ben) = pair().await;
    let written = ann.say(&ben, "hello").await;
    push(&ann, &ben).await;
    ben.store.mark_read(ben.with(&ann), written.entry.id, NOW).await.unwrap();
    assert!(push(&ben, &ann).await.states.is_empty());
    assert_eq!(acknowledge(&ann, &ben).await.states, [(written.entry.id, EntryState::Read)]);
}

#[tokio::test]
async fn edits_deletes_and_reactions_change_the_item_on_both_sides() {
    let (ann, ben) = pair().await;
    let target = ann.say(&ben, "helo").await.entry.id;
    push(&ann, &ben).await;
    let conversation = ann.with(&ben);
    let write = async |who: &Person, body| who.store.write(conversation, body, NOW).await;

    let edit = Body::Edit { target, text: "hello".to_owned() };
    let changed = write(&ann, edit.clone()).await.unwrap().changed.unwrap();
    assert_eq!((changed.text.as_deref(), changed.edited), (Some("hello"), true));
    assert_eq!(write(&ben, edit).await.unwrap_err(), StoreError::NotAuthor);
    let changed = push(&ann, &ben).await.changed;
    assert_eq!(changed[0].text.as_deref(), Some("hello"));

    let react = Body::Reaction { target, emoji: "👍".to_owned() };
    write(&ben, react).await.unwrap();
    let changed = push(&ben, &ann).await.changed;
    assert_eq!(changed[0].reactions[0].by, [ben.id]);

    write(&ann, Body::Delete { target }).await.unwrap();
    push(&ann, &ben).await;
    for (who, other) in [(&ann, &ben), (&ben, &ann)] {
        let item = who.store.entry(conversation, target).await.unwrap().unwrap();
        assert!(item.deleted);
        assert_eq!(item.text, None);
        assert_eq!(who.texts(other).await, ["-"]);
    }
}

#[tokio::test]
async fn entries_of_strangers_and_of_others_conversations_are_refused() {
    let (ann, ben) = pair().await;
    let eve = Person::new("Eve").await;
    let written = ann.say(&ben, "hello").await;
    let wire = || vec![written.entry.wire.clone()];
    let conversation = ann.with(&ben);
    let receive = |from, conversation| ben.store.receive(from, conversation, wire(), NOW);
    assert_eq!(receive(eve.id, conversation).await.unwrap_err(), StoreError::UnknownConversation);
    assert_eq!(
        receive(ann.id, ConversationId([0; 32])).await.unwrap_err(),
        StoreError::UnknownConversation
    );
    introduce(&ben, &eve).await;
    assert_eq!(receive(eve.id, conversation).await.unwrap_err(), StoreError::UnknownConversation);
    let received = receive(eve.id, ben.with(&eve)).await.unwrap();
    assert_eq!((received.refused, received.entries.len()), (1, 0));
    assert_eq!(receive(ann.id, conversation).await.unwrap().added.len(), 1);
}

#[tokio::test]
async fn early_entries_wait_in_any_order() {
    let (ann, ben) = pair().await;
    let mut wires = Vec::new();
    for n in 0..20 {
        wires.push(ann.say(&ben, &n.to_string()).await.entry.wire);
    }
    let conversation = ann.with(&ben);
    wires.reverse();
    let last = wires.pop().unwrap();
    let early = ben.store.receive(ann.id, conversation, wires, NOW).await.unwrap();
    assert_eq!((early.early, early.added.len()), (19, 0));
    assert!(early.entries.is_empty());
    let received = ben.store.receive(ann.id, conversation, vec![last], NOW).await.unwrap();
    assert_eq!(received.added.len(), 20);
    assert_eq!(ben.texts(&ann).await, ann.texts(&ben).await);
}

#[tokio::test]
async fn a_clock_far_ahead_keeps_nobody_on_top() {
    let (ann, ben) = pair().await;
    let eve = Person::new("Eve").await;
    introduce(&eve, &ann).await;
    let first = async || ann.store.conversations().await.unwrap().remove(0);
    let body = Body::Text { text: "from the future".to_owned() };
    let far = ben.store.write(ben.with(&ann), body, u64::MAX).await.unwrap();
    push(&ben, &ann).await;
    let shown = first().await;
    assert_eq!(shown.id, ann.with(&ben));
    assert_eq!(shown.last_entry_at, Some(far.entry.header.time));
    eve.say(&ann, "now").await;
    push(&eve, &ann).await;
    assert_eq!(first().await.id, ann.with(&eve));
    // What is no item moves nothing.
    let react = Body::Reaction { target: far.entry.id, emoji: "👍".to_owned() };
    ann.store.write(ann.with(&ben), react, NOW).await.unwrap();
    assert_eq!(first().await.id, ann.with(&eve));
    ann.say(&ben, "and on").await;
    let shown = first().await;
    assert_eq!((shown.id, shown.last_entry_at), (ann.with(&ben), Some(NOW)));
}

#[tokio::test]
async fn a_page_has_an_end() {
    let (ann, ben) = pair().await;
    let conversation = ann.with(&ben);
    let more = MAX_PAGE as usize + 1;
    let writes = (0..more)
        .map(|_| ann.store.write(conversation, Body::Text { text: "tea".to_owned() }, NOW));
    futures::future::try_join_all(writes).await.unwrap();
    let first = ann.store.history(conversation, None, None, 1).await.unwrap().remove(0).entry;
    for (before, after) in [(None, None), (Some(first), None)] {
        let page = ann.store.history(conversation, before, after, u32::MAX).await.unwrap();
        assert_eq!(page.len(), MAX_PAGE as usize);
    }
    let page = ann.store.history(conversation, None, None, u32::MAX).await.unwrap();
    let oldest = page[0].entry;
    let page = ann.store.history(conversation, Some(oldest), None, u32::MAX).await.unwrap();
    let after = ann.store.history(conversation, None, Some(page[0].entry), u32::MAX).await;
    assert_eq!(after.unwrap().len(), MAX_PAGE as usize);
    let hits = ann.store.search("tea".to_owned(), None, u32::MAX).await.unwrap();
    assert_eq!(hits.len(), MAX_PAGE as usize);
}

#[tokio::test]
async fn garbage_is_refused_and_nothing_else_is() {
    let (ann, ben) = pair().await;
    let good = ann.say(&ben, "hello").await.entry.wire;
    let mut wrong = good.clone();
    wrong.body.as_mut().unwrap()[3] ^= 1;
    let garbage = WireEntry { header: vec![0xff; 300], body: None };
    let entries = vec![garbage, wrong, good];
    let received = ben.store.receive(ann.id, ann.with(&ben), entries, NOW).await.unwrap();
    assert_eq!((received.refused, received.added.len()), (2, 1));
}

#[tokio::test]
async fn pages_join_without_gap_or_overlap() {
    let (ann, ben) = pair().await;
    for n in 0..120 {
        ann.say(&ben, &n.to_string()).await;
    }
    let conversation = ann.with(&ben);
    let mut before = None;
    let mut all = Vec::new();
    loop {
        let page = ann.store.history(conversation, before, None, 50).await.unwrap();
        let Some(first) = page.first() else { break };
        before = Some(first.entry);
        all.splice(0..0, page);
    }
    let texts: Vec<_> = all.iter().map(|item| item.text.clone().unwrap()).collect();
    assert_eq!(texts, (0..120).map(|n| n.to_string()).collect::<Vec<_>>());
    let after = ann.store.history(conversation, None, Some(all[99].entry), 50).await.unwrap();
    assert_eq!(after, all[100..]);
    let between =
        ann.store.history(conversation, Some(all[30].entry), Some(all[20].entry), 50).await;
    assert_eq!(between.unwrap(), all[21..30]);
    let unknown = ann.store.history(conversation, Some(EntryId([9; 32])), None, 50).await;
    assert_eq!(unknown.unwrap_err(), StoreError::UnknownEntry);
}

#[tokio::test]
async fn bad_bodies_are_refused_and_leave_nothing() {
    let (ann, ben) = pair().await;
    let conversation = ann.with(&ben);
    let unknown = EntryId([1; 32]);
    let text = |text: &str| text.to_owned();
    for (body, error) in [
        (Body::Text { text: "x".repeat(64 * 1024 + 1) }, StoreError::TextTooLong),
        (Body::Reply { target: unknown, text: text("x") }, StoreError::UnknownEntry),
        (Body::Edit { target: unknown, text: text("x") }, StoreError::UnknownEntry),
        (Body::Delete { target: unknown }, StoreError::UnknownEntry),
    ] {
        let refused = ann.store.write(conversation, body, NOW).await.unwrap_err();
        assert_eq!(refused, error);
    }
    for body in [Body::Text { text: text(" ") }, Body::Unknown { kind: 77 }] {
        let refused = ann.store.write(conversation, body, NOW).await.unwrap_err();
        assert!(matches!(refused, StoreError::InvalidInput(_)));
    }
    let nowhere = ann.store.write(ConversationId([0; 32]), Body::Text { text: text("x") }, NOW);
    assert_eq!(nowhere.await.unwrap_err(), StoreError::UnknownConversation);
    assert_eq!(ann.say(&ben, "x").await.entry.header.seq, 1);
}

#[tokio::test]
async fn a_restored_copy_takes_its_own_entries_back_before_it_writes_on() {
    let (ann, ben) = pair().await;
    ann.say(&ben, "before the copy").await;
    push(&ann, &ben).await;
    let (ann, copy) = ann.copied().await;
    ann.say(&ben, "after the copy").await;
    push(&ann, &ben).await;
    drop(ann);

    let ann = Person::of(open_at(copy.path()).unwrap(), copy).await;
    let back = push(&ben, &ann).await;
    assert_eq!(back.added[0].text.as_deref(), Some("after the copy"));
    assert!(!back.forked);
    assert_eq!(ann.say(&ben, "and on").await.entry.header.seq, 3);
    assert!(!push(&ann, &ben).await.forked);
    assert_eq!(ben.texts(&ann).await, ["before the copy", "after the copy", "and on"]);
}

#[tokio::test]
async fn a_restored_copy_that_wrote_first_is_a_fork_and_nothing_is_lost() {
    let (ann, ben) = pair().await;
    let (ann, copy) = ann.copied().await;
    ann.say(&ben, "one").await;
    push(&ann, &ben).await;
    drop(ann);

    let ann = Person::of(open_at(copy.path()).unwrap(), copy).await;
    ann.say(&ben, "another").await;
    let locate = acknowledge(&ben, &ann).await.locate;
    assert_eq!(locate.len(), 1, "{locate:?}");
    let crate::sync::Message::Locate { entries, .. } = &locate[0] else { panic!() };
    let mut known = view(&ann, &ben).await;
    known.located = entries
        .iter()
        .map(|(seq, id)| crate::sync::Leaf { feed: feed(&ann), seq: *seq, id: *id })
        .collect();
    let batch = ann.store.missing(ann.with(&ben), known, BUDGET).await.unwrap();
    let received = ben.store.receive(ann.id, ann.with(&ben), batch.entries, NOW).await.unwrap();
    assert!(received.forked);
    let mut texts = ben.texts(&ann).await;
    texts.sort();
    assert_eq!(texts, ["another", "one"]);
    assert!(ben.store.conversations().await.unwrap()[0].forked);
}
