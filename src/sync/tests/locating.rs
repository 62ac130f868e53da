//! What is asked for when the other is ahead.

use super::replica::{Pair, text};
use crate::{
    conversation::{Budget, EntryId, FeedId},
    sync::{Exchange, Leaf, View, holding, known::read_ahead, message::MAX_LOCATED, missing},
};

#[test]
fn what_is_located_and_not_there_is_forgotten() {
    let mut pair = Pair::new();
    let mine: Vec<_> = (0..10).map(|n| pair.a.write(text(n)).unwrap()).collect();
    let conversation = pair.a.conversation;
    let located = |device, id| Leaf { feed: FeedId { device, ..pair.a.feed }, seq: 5, id };
    let nowhere = |n: u16| EntryId(std::array::from_fn(|at| n.to_be_bytes()[at % 2]));
    let budget = Budget { entries: 100, bytes: 100_000 };
    let ahead = Leaf { feed: pair.a.feed, seq: 50, id: nowhere(9999) };
    let ask = |located| {
        let view = View { leaves: vec![ahead], located, lacking: Vec::new() };
        missing(&pair.a.log, &conversation, &view, budget).unwrap()
    };
    // None of them is in the log: one is kept, so that the feed counts as located the next time.
    let batch = ask((0..2000).map(|n| located(1, nowhere(n))).collect());
    assert_eq!((batch.view.located.len(), batch.entries.len()), (1, 10));
    assert_eq!(ask(batch.view.located).entries.len(), 10);
    // Of those that are, the last.
    let all = mine.iter().map(|entry| located(1, entry.id)).rev();
    let batch = ask(all.chain((0..2000).map(|n| located(1, nowhere(n)))).collect());
    assert_eq!(batch.view.located, [Leaf::of(&mine[9])]);
    assert!(batch.entries.is_empty());
    // Nothing of feeds that are not here.
    assert!(ask((0..2000).map(|n| located(n + 2, nowhere(0))).collect()).view.located.is_empty());
}

#[test]
fn what_is_located_while_the_log_is_asked_stays() {
    let mut pair = Pair::new();
    let entry = pair.a.write(text(0)).unwrap();
    let (conversation, feed) = (pair.a.conversation, pair.a.feed);
    let mut exchange = Exchange::default();
    exchange.handle_have(0, holding(&pair.b.log, &conversation).unwrap());
    let view = exchange.view(&conversation).unwrap().clone();
    let budget = Budget { entries: 100, bytes: 100_000 };
    let batch = missing(&pair.a.log, &conversation, &view, budget).unwrap();
    exchange.handle_locate(conversation, feed, vec![(1, entry.id)]);
    exchange.batch(conversation, batch);
    assert_eq!(exchange.view(&conversation).unwrap().located.len(), 1);
}

#[test]
fn branches_share_what_is_read_ahead() {
    let budget = Budget { entries: 512, bytes: 64 * 1024 };
    assert_eq!(read_ahead(budget, 1), budget);
    for branches in 2..200 {
        assert!(read_ahead(budget, branches).bytes * branches <= budget.bytes);
    }
}

#[test]
fn what_is_located_is_bounded() {
    let pair = Pair::new();
    let conversation = pair.a.conversation;
    let mut exchange = Exchange::default();
    exchange.handle_have(0, holding(&pair.b.log, &conversation).unwrap());
    for device in 0..100 {
        let feed = FeedId { author: pair.b.feed.author, device };
        let entries = vec![(1, EntryId([1; 32])); MAX_LOCATED];
        exchange.handle_locate(conversation, feed, entries);
        let located = exchange.view(&conversation).unwrap().located.len();
        assert!(located <= 2 * MAX_LOCATED, "{located}");
    }
}
