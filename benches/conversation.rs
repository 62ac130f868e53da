//! What an entry costs before the database: writing, accepting, encoding, folding, sanitising,
//! and finding what another member lacks.

#![expect(clippy::expect_used, reason = "a bench may end in a panic")]

use std::{hint::black_box, sync::LazyLock};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use entrenous::{
    conversation::{
        Accepting, Body, Budget, ConversationId, Entry, EntryId, FeedId, Log, MarkKey, MemoryLog,
        WireEntry, accept, refold, write,
    },
    identity::Identity,
    sync::{Message, View, holding, missing},
    text,
};

const ADA: Identity = Identity([1; 32]);
const BOB: Identity = Identity([2; 32]);
static TEXT: LazyLock<String> =
    LazyLock::new(|| "twenty characters, ".repeat(11)[..200].to_owned());

fn conversation() -> ConversationId {
    ConversationId::direct(&ADA, &BOB)
}

fn feed(author: Identity) -> FeedId {
    FeedId { author, device: 1 }
}

/// Ada's log of so many texts of 200 bytes.
fn log_of(entries: u64) -> MemoryLog {
    let mut log = MemoryLog::default();
    let key = MarkKey::derive(b"ada");
    for now in 0..entries {
        let body = Body::Text { text: TEXT.clone() };
        write(&mut log, conversation(), feed(ADA), &key, body, now).expect("it is written");
    }
    log
}

fn wire_of(log: &MemoryLog) -> Vec<WireEntry> {
    log.entries(&conversation()).iter().map(|stored| stored.wire.clone()).collect()
}

fn entries(c: &mut Criterion) {
    let mut group = c.benchmark_group("entry of 200 bytes");
    group.throughput(Throughput::Elements(1000));
    group.bench_function("write 1000", |b| b.iter(|| log_of(black_box(1000))));
    let wires = wire_of(&log_of(1000));
    let key = MarkKey::derive(b"bob");
    let accepting = Accepting {
        conversation: conversation(),
        members: &[ADA, BOB],
        from: ADA,
        own: feed(BOB),
        key: &key,
    };
    group.bench_function("accept 1000", |b| {
        b.iter_batched(
            || wires.clone(),
            |wires| {
                let mut log = MemoryLog::default();
                for wire in wires {
                    black_box(accept(&mut log, &accepting, wire)).expect("memory does not fail");
                }
                log
            },
            BatchSize::LargeInput,
        );
    });
    group.bench_function("decode 1000", |b| {
        b.iter_batched(
            || wires.clone(),
            |wires| wires.into_iter().map(Entry::decode).collect::<Result<Vec<_>, _>>(),
            BatchSize::LargeInput,
        );
    });
    let message = Message::Entries { conversation: conversation(), entries: wires[..100].to_vec() };
    group.throughput(Throughput::Elements(100));
    group.bench_function("encode a message of 100", |b| b.iter(|| message.encode()));
    let bytes = message.encode();
    group.bench_function("decode a message of 100", |b| b.iter(|| Message::decode(&bytes)));
    group.finish();
}

fn folding(c: &mut Criterion) {
    let mut log = log_of(50);
    let key = MarkKey::derive(b"bob");
    let ids: Vec<EntryId> = log.entries(&conversation()).iter().map(|s| s.id).collect();
    for (n, target) in ids.iter().enumerate() {
        let reaction = Body::Reaction { target: *target, emoji: "👍".to_owned() };
        write(&mut log, conversation(), feed(BOB), &key, reaction, n as u64).expect("written");
    }
    c.bench_function("fold a page of 50 with a reaction each", |b| {
        b.iter(|| {
            for id in &ids {
                black_box(refold(&mut log, &conversation(), id)).expect("memory does not fail");
            }
        });
    });
}

fn sanitising(c: &mut Criterion) {
    let mut group = c.benchmark_group("sanitise");
    for (name, unit) in [("ascii", "a"), ("cyrillic", "ж"), ("emoji", "👩🏽‍🚀"), ("marks", "e\u{301}")]
    {
        for size in [200, 64 * 1024] {
            let text = unit.repeat(size / unit.len());
            group.throughput(Throughput::Bytes(text.len() as u64));
            group.bench_function(format!("{name} {size}"), |b| b.iter(|| text::message(&text)));
        }
    }
    group.finish();
}

fn lacking(c: &mut Criterion) {
    let mut group = c.benchmark_group("what another lacks");
    let budget = Budget { entries: 512, bytes: 48 * 1024 };
    for size in [10_000_u64, 100_000] {
        let log = log_of(size);
        let leaves = holding(&log, &conversation()).expect("memory does not fail").leaves;
        let all = View { leaves, ..View::default() };
        group.bench_function(format!("nothing of {size}"), |b| {
            b.iter(|| missing(&log, &conversation(), &all, budget));
        });
        let branch = log.branches(&conversation()).expect("memory does not fail")[0].number;
        let point = entrenous::conversation::Point { branch, seq: size - 10 };
        let id =
            log.at(&conversation(), point).expect("memory does not fail").expect("it is there");
        let leaf = entrenous::sync::Leaf { feed: feed(ADA), seq: size - 10, id };
        let view = View { leaves: vec![leaf], ..View::default() };
        group.bench_function(format!("the last 10 of {size}"), |b| {
            b.iter(|| missing(&log, &conversation(), &view, budget));
        });
        group.bench_function(format!("a batch of all of {size}"), |b| {
            b.iter(|| missing(&log, &conversation(), &View::default(), budget));
        });
    }
    group.finish();
}

criterion_group!(benches, entries, folding, sanitising, lacking);
criterion_main!(benches);
