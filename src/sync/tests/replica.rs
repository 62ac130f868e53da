//! Two replicas, and what is between them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};

use crate::{
    conversation::{
        Accepting, Body, Budget, ConversationId, Effect, Entry, EntryId, FeedId, Held, Item, Kind,
        Log, MarkKey, MemoryLog, Outcome, Point, Position, WireEntry, refold, write,
    },
    identity::Identity,
    sync::{Exchange, Known, Message, View, holding, locate, missing},
};

/// One of the two, driven as the node drives its store and sessions.
pub struct Replica {
    pub log: MemoryLog,
    pub held: Held,
    pub feed: FeedId,
    pub key: MarkKey,
    pub members: [Identity; 2],
    pub conversation: ConversationId,
    /// What a person sees, kept up to date by effects alone.
    pub items: BTreeMap<EntryId, Item>,
    pub read: BTreeMap<Identity, Position>,
    /// Own entries that the other acknowledged.
    pub delivered: BTreeSet<EntryId>,
    pub exchange: Option<Exchange>,
    pub now: u64,
    pub budget: Budget,
    /// How often the log was asked what the other lacks.
    pub asked: usize,
    /// It lets nothing in.
    pub refuses: bool,
    pub out: VecDeque<Vec<u8>>,
}

impl Replica {
    pub fn new(me: u8, other: u8) -> Self {
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

    pub fn send(&mut self, message: Option<Message>) {
        self.out.extend(message.map(|m| m.encode()));
    }

    pub fn connect(&mut self) {
        let exchange = Exchange::default();
        let have = exchange.have(vec![holding(&self.log, &self.conversation).unwrap()]);
        self.exchange = Some(exchange);
        self.out.clear();
        self.send(Some(have));
    }

    pub fn cut(&mut self) {
        self.exchange = None;
        self.out.clear();
    }

    pub fn apply(&mut self, effect: Effect) {
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

    pub fn write(&mut self, body: Body) -> Option<Entry> {
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
    pub fn push(&mut self) {
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

    pub fn handle(&mut self, bytes: &[u8]) {
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

    pub fn take(&mut self, conversation: ConversationId, entries: Vec<WireEntry>) {
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
    pub fn start_from(&mut self, log: MemoryLog) {
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

    pub fn ids(&self) -> BTreeSet<EntryId> {
        self.log.entries(&self.conversation).iter().map(|s| s.id).collect()
    }

    /// The conversation as a person sees it, in order.
    pub fn shown(&self) -> Vec<Item> {
        let mut items: Vec<_> = self.items.values().cloned().collect();
        items.sort_by_key(|item| item.position);
        items
    }

    /// Else it is deleted because its body, or that of its edit, was lost together with the
    /// delete.
    pub fn knows_delete(&self, item: &Item) -> bool {
        let modifiers = self.log.modifiers(&self.conversation, &item.id).unwrap();
        let placed = modifiers.iter().map(|m| &m.placed);
        let mut by_author = placed.filter(|p| p.feed.author == item.feed.author);
        by_author.any(|p| p.kind == Kind::Delete)
    }

    pub fn some_entry(&self, rng: &mut StdRng) -> Option<EntryId> {
        let entries = self.log.entries(&self.conversation);
        let recent = &entries[entries.len().saturating_sub(12)..];
        recent.choose(rng).map(|s| s.id)
    }

    pub fn random_write(&mut self, rng: &mut StdRng) {
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

pub struct Pair {
    pub a: Replica,
    pub b: Replica,
}

impl Pair {
    pub fn new() -> Self {
        Self { a: Replica::new(1, 2), b: Replica::new(2, 1) }
    }

    pub fn connect(&mut self) {
        self.a.connect();
        self.b.connect();
    }

    /// The `Have` of every minute.
    pub fn repeat(&mut self) {
        for replica in [&mut self.a, &mut self.b] {
            let holding = holding(&replica.log, &replica.conversation).unwrap();
            let have = replica.exchange.as_ref().unwrap().have(vec![holding]);
            replica.send(Some(have));
        }
    }

    /// Delivers everything until nobody has anything to say; returns how many rounds it took.
    pub fn settle(&mut self) -> usize {
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
    pub fn assert_alike(&mut self) {
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

pub fn text(n: usize) -> Body {
    Body::Text { text: n.to_string() }
}
