//! Two replicas under everything that may happen to them: any order, loss, duplication, cuts,
//! restarts, and restoring one of them from an older copy. Whatever happened, once they can
//! exchange until quiet they show the same conversation, and nothing acknowledged is lost.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::{Exchange, Known, Message, View, holding, locate, missing};
use crate::{
    conversation::{
        Accepting, Body, Budget, ConversationId, Effect, Entry, EntryId, FeedId, Held, Item, Kind,
        Log, MarkKey, MemoryLog, Outcome, Point, Position, WireEntry, refold, write,
    },
    identity::Identity,
};

/// One of the two, driven as the node drives its store and sessions.
struct Replica {
    log: MemoryLog,
    held: Held,
    feed: FeedId,
    key: MarkKey,
    members: [Identity; 2],
    conversation: ConversationId,
    /// What a person sees, kept up to date by effects alone.
    items: BTreeMap<EntryId, Item>,
    read: BTreeMap<Identity, Position>,
    /// Own entries that the other acknowledged.
    delivered: BTreeSet<EntryId>,
    exchange: Option<Exchange>,
    now: u64,
    budget: Budget,
    /// How often the log was asked what the other lacks.
    asked: usize,
    /// It lets nothing in.
    refuses: bool,
    out: VecDeque<Vec<u8>>,
}

impl Replica {
    fn new(me: u8, other: u8) -> Self {
        let (me, other) = (Identity([me; 32]), Identity([other; 32]));
        Self {
            log: MemoryLog::default(),
            held: Held::default(),
            feed: FeedId { author: me, device: 1 },
            key: MarkKey::derive(&me.0),
            members: [me, other],
            conversation: ConversationId::direct(&me, &other),
            items: BTreeMap::new(),
            read: BTreeMap::new(),
            delivered: BTreeSet::new(),
            exchange: None,
            now: 1_000_000,
            budget: Budget { entries: 3, bytes: 2000 },
            asked: 0,
            refuses: false,
            out: VecDeque::new(),
        }
    }

    fn send(&mut self, message: Option<Message>) {
        self.out.extend(message.map(|m| m.encode()));
    }

    fn connect(&mut self) {
        let exchange = Exchange::default();
        let have = exchange.have(vec![holding(&self.log, &self.conversation).unwrap()]);
        self.exchange = Some(exchange);
        self.out.clear();
        self.send(Some(have));
    }

    fn cut(&mut self) {
        self.exchange = None;
        self.out.clear();
    }

    fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::Show(id) | Effect::Change(id) => {
                if let Some(item) = refold(&mut self.log, &self.conversation, &id).unwrap() {
                    self.items.insert(id, item);
                }
            }
            Effect::Read { by, up_to } => {
                let read = self.read.entry(by).or_insert(up_to);
                *read = up_to.max(*read);
            }
        }
    }

    fn write(&mut self, body: Body) -> Option<Entry> {
        let added =
            write(&mut self.log, self.conversation, self.feed, &self.key, body, self.now).ok()?;
        self.apply(added.effect);
        let Some(exchange) = &mut self.exchange else { return Some(added.entry) };
        if exchange.push_now(&added.entry) {
            // A deleted entry's body may be pruned already, but it is not what is pushed here.
            let wire = vec![added.entry.wire.clone()];
            let message = exchange.entries(self.conversation, wire);
            self.send(message);
        } else {
            self.push();
        }
        Some(added.entry)
    }

    /// Pushes all that the other lacks.
    fn push(&mut self) {
        loop {
            let Some(exchange) = &mut self.exchange else { return };
            let Some(view) = exchange.view(&self.conversation) else { return };
            self.asked += 1;
            let batch = missing(&self.log, &self.conversation, view, self.budget).unwrap();
            let more = batch.more;
            let message = exchange.batch(self.conversation, batch);
            self.send(message);
            if !more {
                return;
            }
        }
    }

    fn handle(&mut self, bytes: &[u8]) {
        let Some(exchange) = &mut self.exchange else { return };
        match Message::decode(bytes).unwrap() {
            Message::Have { received, conversations } => {
                for holding in conversations {
                    let view = View { leaves: holding.leaves.clone(), ..View::default() };
                    exchange.handle_have(received, holding);
                    let known = Known::of(&self.log, &self.conversation, &view).unwrap();
                    for stored in self.log.entries(&self.conversation) {
                        let is_there = |up_to: Point| {
                            stored.placed.branch == up_to.branch && stored.placed.seq <= up_to.seq
                        };
                        if known.acknowledged(self.feed).any(is_there) {
                            self.delivered.insert(stored.id);
                        }
                    }
                    for feed in known.forked() {
                        let message = locate(&self.log, &self.conversation, *feed).unwrap();
                        self.out.push_back(message.encode());
                    }
                }
                self.push();
            }
            Message::Entries { conversation, entries } => {
                if !self.refuses {
                    self.take(conversation, entries);
                }
                let Some(exchange) = &mut self.exchange else { return };
                exchange.received();
                let have = exchange.have(vec![holding(&self.log, &self.conversation).unwrap()]);
                self.send(Some(have));
                if self.exchange.as_ref().unwrap().is_unclear(&self.conversation) {
                    self.push();
                }
            }
            Message::Locate { conversation, feed, entries } => {
                exchange.handle_locate(conversation, feed, entries);
                self.push();
            }
            other => panic!("nobody sent {other:?}"),
        }
    }

    fn take(&mut self, conversation: ConversationId, entries: Vec<WireEntry>) {
        let key = MarkKey::derive(&self.feed.author.0);
        let members = self.members;
        let accepting = Accepting {
            conversation,
            members: &members,
            from: members[1],
            own: self.feed,
            key: &key,
        };
        for wire in entries {
            let outcomes = self.held.accept(&mut self.log, &accepting, wire, self.now).unwrap();
            for outcome in outcomes {
                match outcome {
                    Outcome::Added(added) => {
                        self.apply(added.effect);
                        if let Some(exchange) = &mut self.exchange {
                            exchange.accepted(&added.entry);
                        }
                    }
                    Outcome::Restored(item) => {
                        self.apply(Effect::Change(item));
                    }
                    Outcome::Duplicate(_) | Outcome::Missing(_) => {}
                    Outcome::Refused(why) => panic!("refused: {why}"),
                }
            }
        }
    }

    /// What a start finds: the log, and what is folded from it.
    fn start_from(&mut self, log: MemoryLog) {
        self.cut();
        self.held = Held::default();
        self.log = log;
        self.items.clear();
        self.read.clear();
        self.delivered.clear();
        let stored: Vec<_> = self.log.entries(&self.conversation).to_vec();
        for stored in stored {
            if stored.placed.kind == Kind::ReadMark {
                let entry = Entry::decode(stored.wire).unwrap();
                let target = entry.header.target.unwrap();
                let placed = self.log.find(&self.conversation, &target).unwrap().unwrap();
                let up_to = placed.position(target);
                self.apply(Effect::Read { by: stored.placed.feed.author, up_to });
            } else {
                self.apply(Effect::Show(stored.id));
            }
        }
    }

    fn ids(&self) -> BTreeSet<EntryId> {
        self.log.entries(&self.conversation).iter().map(|s| s.id).collect()
    }

    /// The conversation as a person sees it, in order.
    fn shown(&self) -> Vec<Item> {
        let mut items: Vec<_> = self.items.values().cloned().collect();
        items.sort_by_key(|item| item.position);
        items
    }

    /// Else it is deleted because its body, or that of its edit, was lost together with the
    /// delete.
    fn knows_delete(&self, item: &Item) -> bool {
        let modifiers = self.log.modifiers(&self.conversation, &item.id).unwrap();
        let placed = modifiers.iter().map(|m| &m.placed);
        let mut by_author = placed.filter(|p| p.feed.author == item.feed.author);
        by_author.any(|p| p.kind == Kind::Delete)
    }

    fn some_entry(&self, rng: &mut StdRng) -> Option<EntryId> {
        let entries = self.log.entries(&self.conversation);
        let recent = &entries[entries.len().saturating_sub(12)..];
        recent.choose(rng).map(|s| s.id)
    }

    fn random_write(&mut self, rng: &mut StdRng) {
        self.now = self.now.saturating_add_signed(rng.random_range(-50_i64..200));
        let text = format!("{}", rng.random::<u32>());
        let body = match (rng.random_range(0..10), self.some_entry(rng)) {
            (4 | 5, Some(target)) => Body::Edit { target, text },
            (6, Some(target)) => Body::Delete { target },
            (7, Some(target)) => {
                let emoji = (*["👍", "❤️", "", "🏳️‍🌈"].choose(rng).unwrap()).to_owned();
                Body::Reaction { target, emoji }
            }
            (8, Some(target)) => Body::ReadMark { target },
            (9, Some(target)) => Body::Reply { target, text },
            _ => Body::Text { text },
        };
        self.write(body);
    }
}

struct Pair {
    a: Replica,
    b: Replica,
}

impl Pair {
    fn new() -> Self {
        Self { a: Replica::new(1, 2), b: Replica::new(2, 1) }
    }

    fn connect(&mut self) {
        self.a.connect();
        self.b.connect();
    }

    /// The `Have` of every minute.
    fn repeat(&mut self) {
        for replica in [&mut self.a, &mut self.b] {
            let holding = holding(&replica.log, &replica.conversation).unwrap();
            let have = replica.exchange.as_ref().unwrap().have(vec![holding]);
            replica.send(Some(have));
        }
    }

    /// Delivers everything until nobody has anything to say; returns how many rounds it took.
    fn settle(&mut self) -> usize {
        let mut rounds = 0;
        while !self.a.out.is_empty() || !self.b.out.is_empty() {
            rounds += 1;
            assert!(rounds < 100, "they never come to rest");
            for bytes in std::mem::take(&mut self.a.out) {
                self.b.handle(&bytes);
            }
            for bytes in std::mem::take(&mut self.b.out) {
                self.a.handle(&bytes);
            }
        }
        rounds
    }

    #[track_caller]
    fn assert_alike(&mut self) {
        assert_eq!(self.a.ids(), self.b.ids(), "the same entries");
        assert_eq!(self.a.shown(), self.b.shown(), "the same conversation");
        assert_eq!(self.a.read, self.b.read, "the same read marks");
        for replica in [&mut self.a, &mut self.b] {
            for stored in replica.log.entries(&replica.conversation) {
                let header = Entry::decode(stored.wire.clone()).unwrap().header;
                for name in header.names() {
                    let cause = replica.log.find(&replica.conversation, name).unwrap().unwrap();
                    assert!(cause.time < stored.placed.time, "shown before its cause");
                }
            }
            let shown = replica.shown();
            replica.start_from(replica.log.clone());
            assert_eq!(replica.shown(), shown, "the same after a restart");
            for item in shown.iter().filter(|item| replica.knows_delete(item)) {
                assert!(item.deleted);
                let stored = replica.log.entry(&replica.conversation, &item.id).unwrap().unwrap();
                assert_eq!(stored.wire.body, None, "deleted content is gone");
            }
        }
    }
}

/// Who is restored from older copies in a life.
#[derive(Clone, Copy, PartialEq)]
enum Restored {
    Nobody,
    /// An entry that the other has acknowledged is safe.
    One,
    /// What both have forgotten is lost; what one of them has, both will have.
    Both,
}

/// One random life of a pair.
fn run(seed: u64, restored: Restored) {
    let rng = &mut StdRng::seed_from_u64(seed);
    let mut pair = Pair::new();
    pair.a.now += rng.random_range(0..2000);
    let (mut copies, mut copies_of_b) = (Vec::new(), Vec::new());
    let mut acknowledged_by_b = BTreeSet::new();
    for _ in 0..rng.random_range(1..120) {
        let (one, other) =
            if rng.random() { (&mut pair.a, &mut pair.b) } else { (&mut pair.b, &mut pair.a) };
        match rng.random_range(0..100) {
            0..40 => one.random_write(rng),
            40..75 => {
                for _ in 0..rng.random_range(1..6) {
                    if let Some(bytes) = one.out.pop_front() {
                        other.handle(&bytes);
                    }
                }
            }
            75..79 => drop(one.out.pop_front()),
            79..82 => {
                if let Some(bytes) = one.out.front().cloned() {
                    one.out.push_back(bytes);
                }
            }
            82..84 => one.out.make_contiguous().reverse(),
            84..89 => {
                one.cut();
                other.cut();
            }
            89..94 => pair.connect(),
            94..96 => {
                other.cut();
                one.start_from(one.log.clone());
            }
            96..98 => {
                copies.push(pair.a.log.clone());
                copies_of_b.push(pair.b.log.clone());
            }
            98 if restored == Restored::Both => {
                if let Some(copy) = copies_of_b.choose(rng) {
                    pair.a.cut();
                    pair.b.start_from(copy.clone());
                }
            }
            _ => {
                if let Some(copy) = copies.choose(rng).filter(|_| restored != Restored::Nobody) {
                    acknowledged_by_b.extend(std::mem::take(&mut pair.a.delivered));
                    pair.b.cut();
                    pair.a.start_from(copy.clone());
                }
            }
        }
        one_budget(&mut pair, rng);
    }
    acknowledged_by_b.extend(pair.a.delivered.iter().copied());
    let before: BTreeSet<_> = pair.a.ids().union(&pair.b.ids()).copied().collect();
    pair.connect();
    let rounds = pair.settle();
    assert!(rounds <= 12, "{rounds} rounds");
    if restored == Restored::Both {
        // One that was held since an earlier session may be taken for the other's, though the
        // other was restored since. That lasts until the other repeats itself.
        pair.repeat();
        pair.settle();
    }
    // And perhaps more: what one only held.
    assert!(before.is_subset(&pair.a.ids()), "what one had, both have");
    if restored != Restored::Both {
        assert!(acknowledged_by_b.is_subset(&before), "an acknowledged entry was lost");
    }
    pair.assert_alike();
}

fn one_budget(pair: &mut Pair, rng: &mut StdRng) {
    pair.a.budget = Budget { entries: rng.random_range(1..9), bytes: rng.random_range(1..4000) };
    pair.b.budget = Budget { entries: rng.random_range(1..9), bytes: rng.random_range(1..4000) };
}

fn lives(restored: Restored) {
    for seed in 0..1500 {
        let outcome = std::panic::catch_unwind(|| run(seed, restored));
        assert!(outcome.is_ok(), "seed {seed}");
    }
}

#[test]
fn whatever_happens_two_replicas_become_alike() {
    lives(Restored::Nobody);
}

#[test]
fn also_when_one_is_restored_from_older_copies() {
    lives(Restored::One);
}

#[test]
fn also_when_both_are_restored_from_older_copies() {
    lives(Restored::Both);
}

fn text(n: usize) -> Body {
    Body::Text { text: n.to_string() }
}

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
    let strange =
        |device, seq| super::Leaf { feed: FeedId { author, device }, seq, id: EntryId([7; 32]) };
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

#[test]
fn what_is_located_and_not_there_is_forgotten() {
    let mut pair = Pair::new();
    let mine: Vec<_> = (0..10).map(|n| pair.a.write(text(n)).unwrap()).collect();
    let conversation = pair.a.conversation;
    let located = |device, id| super::Leaf { feed: FeedId { device, ..pair.a.feed }, seq: 5, id };
    let nowhere = |n: u16| EntryId(std::array::from_fn(|at| n.to_be_bytes()[at % 2]));
    let budget = Budget { entries: 100, bytes: 100_000 };
    let ahead = super::Leaf { feed: pair.a.feed, seq: 50, id: nowhere(9999) };
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
    assert_eq!(batch.view.located, [super::Leaf::of(&mine[9])]);
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
    assert_eq!(super::known::read_ahead(budget, 1), budget);
    for branches in 2..200 {
        assert!(super::known::read_ahead(budget, branches).bytes * branches <= budget.bytes);
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
        let entries = vec![(1, EntryId([1; 32])); super::message::MAX_LOCATED];
        exchange.handle_locate(conversation, feed, entries);
        let located = exchange.view(&conversation).unwrap().located.len();
        assert!(located <= 2 * super::message::MAX_LOCATED, "{located}");
    }
}
