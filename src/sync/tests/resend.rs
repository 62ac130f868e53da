//! What is sent again, and what is not.

use super::replica::{Pair, text};
use crate::{
    conversation::{Budget, Entry, EntryId, FeedId, Log, MemoryLog, WireEntry},
    sync::{Exchange, Known, Leaf, Message, View, holding, missing},
};

#[test]
fn nothing_is_sent_twice_while_the_session_stands() {
    let mut pair = Pair::new();
    pair.a.budget = Budget { entries: 100, bytes: 100_000 };
    for n in 0..250 {
        pair.a.write(text(n));
    }
    pair.connect();
    let mut sent = 0;
    for n in 250..1000 {
        // The other's acknowledgements always come late.
        pair.a.write(text(n));
        for replica in [&mut pair.a, &mut pair.b] {
            replica.now += 1;
        }
        if let Some(bytes) = pair.a.out.pop_front() {
            sent += entries_in(&bytes);
            pair.b.handle(&bytes);
        }
        if n % 7 == 0
            && let Some(bytes) = pair.b.out.pop_front()
        {
            pair.a.handle(&bytes);
        }
    }
    while !pair.a.out.is_empty() || !pair.b.out.is_empty() {
        for bytes in std::mem::take(&mut pair.a.out) {
            sent += entries_in(&bytes);
            pair.b.handle(&bytes);
        }
        for bytes in std::mem::take(&mut pair.b.out) {
            pair.a.handle(&bytes);
        }
    }
    assert_eq!(sent, 1000);
    assert!(pair.a.asked < 10, "entries are sent as they are written, without asking the log");
    assert_eq!(pair.a.delivered.len(), 1000);
    pair.assert_alike();
}

fn entries_in(bytes: &[u8]) -> usize {
    match Message::decode(bytes).unwrap() {
        Message::Entries { entries, .. } => entries.len(),
        _ => 0,
    }
}

#[test]
fn a_long_absence_is_made_up_in_the_order_shown_and_in_batches() {
    let mut pair = Pair::new();
    let budget = Budget { entries: 100, bytes: 10_000 };
    for n in 0..500 {
        pair.a.write(text(n));
    }
    let mut view = View::default();
    let mut times = Vec::new();
    loop {
        let batch = missing(&pair.a.log, &pair.a.conversation, &view, budget).unwrap();
        assert!(batch.entries.len() <= 100);
        assert!(batch.entries.iter().map(WireEntry::size).sum::<usize>() <= 10_000);
        times.extend(batch.entries.into_iter().map(|w| Entry::decode(w).unwrap().header.seq));
        view = batch.view;
        assert_eq!(batch.more, !batch.all);
        if !batch.more {
            break;
        }
    }
    assert_eq!(times, (1..=500).collect::<Vec<_>>());
    assert_eq!(view.leaves.len(), 1);
}

#[test]
fn a_restored_profile_learns_how_far_it_had_come() {
    let mut pair = Pair::new();
    pair.connect();
    for n in 0..10 {
        pair.a.write(text(n));
    }
    pair.settle();
    let copy = MemoryLog::default();
    pair.b.cut();
    pair.a.start_from(copy);
    pair.connect();
    pair.settle();
    assert_eq!(pair.a.ids().len(), 10);
    assert_eq!(pair.a.write(text(10)).unwrap().header.seq, 11);
    pair.settle();
    pair.assert_alike();
    assert_eq!(pair.b.log.branches(&pair.b.conversation).unwrap().len(), 1, "no fork");
}

#[test]
fn a_fork_far_back_costs_few_entries_again() {
    let mut pair = Pair::new();
    pair.a.budget = Budget { entries: 512, bytes: 100_000 };
    pair.connect();
    let mut copy = MemoryLog::default();
    for n in 0..1000 {
        if n == 990 {
            copy = pair.a.log.clone();
        }
        pair.a.write(text(n));
    }
    pair.settle();
    pair.b.cut();
    pair.a.start_from(copy);
    // Longer than what was lost, so that only the other sees the fork.
    for n in 0..30 {
        pair.a.now += 1;
        pair.a.write(text(5000 + n));
    }
    pair.connect();
    let mut sent = 0;
    while !pair.a.out.is_empty() || !pair.b.out.is_empty() {
        for bytes in std::mem::take(&mut pair.a.out) {
            sent += entries_in(&bytes);
            pair.b.handle(&bytes);
        }
        for bytes in std::mem::take(&mut pair.b.out) {
            sent += entries_in(&bytes);
            pair.a.handle(&bytes);
        }
    }
    assert!((40..80).contains(&sent), "{sent} entries for a difference of 40");
    pair.assert_alike();
}

#[test]
fn leaves_of_nobody_are_harmless() {
    let mut pair = Pair::new();
    for n in 0..10 {
        pair.a.write(text(n));
    }
    let author = pair.a.feed.author;
    let strange = |device, seq| Leaf { feed: FeedId { author, device }, seq, id: EntryId([7; 32]) };
    let view = View {
        leaves: vec![strange(9, u64::MAX), strange(1, 3), strange(1, u64::MAX)],
        located: vec![strange(1, 0)],
        lacking: vec![EntryId([8; 32])],
    };
    let known = Known::of(&pair.a.log, &pair.a.conversation, &view).unwrap();
    assert_eq!(known.forked(), [pair.a.feed]);
    assert_eq!(known.acknowledged(pair.a.feed).count(), 0, "nothing is taken for delivered");
    let budget = Budget { entries: 100, bytes: 100_000 };
    let batch = missing(&pair.a.log, &pair.a.conversation, &view, budget).unwrap();
    assert_eq!(batch.entries.len(), 10);
}

#[test]
fn what_is_refused_is_not_sent_over_and_over() {
    let mut pair = Pair::new();
    pair.a.budget = Budget { entries: 5, bytes: 10_000 };
    pair.b.refuses = true;
    for n in 0..20 {
        pair.a.write(text(n));
    }
    pair.connect();
    assert!(pair.settle() < 5);
    assert_eq!(pair.a.delivered.len(), 0);
    // Its next word, unasked, is a new chance.
    pair.b.refuses = false;
    let holding = holding(&pair.b.log, &pair.b.conversation).unwrap();
    let have = pair.b.exchange.as_ref().unwrap().have(vec![holding]);
    pair.b.send(Some(have));
    pair.settle();
    assert_eq!(pair.a.delivered.len(), 20);
    pair.assert_alike();
}

#[test]
fn a_batch_may_take_its_time() {
    // What is written, and what comes, while the log is being asked is neither lost nor doubled.
    let mut pair = Pair::new();
    for n in 0..3 {
        pair.a.write(text(n));
    }
    let b_wrote = pair.b.write(text(100)).unwrap();
    let conversation = pair.a.conversation;
    let mut exchange = Exchange::default();
    exchange.handle_have(0, holding(&pair.b.log, &conversation).unwrap());
    let view = exchange.view(&conversation).unwrap().clone();
    let budget = Budget { entries: 100, bytes: 100_000 };
    let batch = missing(&pair.a.log, &conversation, &view, budget).unwrap();
    assert_eq!(batch.entries.len(), 3);
    pair.a.take(conversation, vec![b_wrote.wire.clone()]);
    exchange.accepted(&b_wrote);
    let fourth = pair.a.write(text(4)).unwrap();
    assert!(!exchange.push_now(&fourth), "the log is being asked");
    assert!(exchange.batch(conversation, batch).is_some());
    // The other's entry was unknown when the log was asked, but nothing of ours depended on that.
    let view = exchange.view(&conversation).cloned();
    if let Some(view) = view {
        let batch = missing(&pair.a.log, &conversation, &view, budget).unwrap();
        let ids: Vec<_> = batch.entries.iter().map(|w| EntryId::of(&w.header)).collect();
        assert_eq!(ids, [fourth.id]);
    } else {
        panic!("the fourth was forgotten");
    }
}
