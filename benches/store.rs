//! What the store takes for what people and peers ask of it, at several sizes.
//!
//! `cargo bench --bench store [-- SIZE…]`; sizes are numbers of messages, 10,000, 100,000 and
//! 1,000,000 unless given. Percentiles over many single calls matter here, and a database that
//! takes a minute to build, so this has a `main` of its own instead of a harness.
#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "a bench that fails is to stop"
)]

use std::{
    env,
    fmt::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use entrenous::{
    conversation::{Body, Budget, ConversationId, EntryId, WireEntry},
    identity::{Certificate, Identity, Invite, InviteSecret},
    store::{self, Store},
    sync::View,
};

const NOW: u64 = 1_800_000_000_000;

fn main() {
    // `cargo test` runs benches too; only `cargo bench` passes this.
    if !env::args().any(|argument| argument == "--bench") {
        return;
    }
    let mut sizes: Vec<u64> = env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![10_000, 100_000, 1_000_000];
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        throughput().await;
        let directory = tempfile::tempdir().unwrap();
        let (mut store, id, certificate) = profile(directory.path()).await;
        let other = tempfile::tempdir().unwrap();
        let (other, other_id, other_certificate) = profile(other.path()).await;
        introduce(&store, id, certificate, &other, other_id, other_certificate).await;
        let conversation = ConversationId::direct(&id, &other_id);
        let mut written = 0;
        // Entries all over the log.
        let mut places: Vec<EntryId> = Vec::new();
        for size in sizes {
            let start = Instant::now();
            places.extend(write_pipelined(&store, conversation, written, size).await);
            println!(
                "== {size} messages ({:.1} s for the last {})",
                start.elapsed().as_secs_f64(),
                size - written
            );
            written = size;
            store.close().await.unwrap();
            let file = directory.path().join("entrenous.db").metadata().unwrap().len();
            println!("   database: {} MiB", file >> 20);
            let start = Instant::now();
            store = open(directory.path());
            store.conversations().await.unwrap();
            println!("   open and list: {:.1} ms", millis(start.elapsed()));
            questions(&store, conversation, &places).await;
        }
        store.close().await.unwrap();
        println!("   resident at the end: {} MiB", resident() >> 10);
    });
}

async fn throughput() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ann, ann_id, ann_certificate) = profile(a.path()).await;
    let (ben, ben_id, ben_certificate) = profile(b.path()).await;
    introduce(&ann, ann_id, ann_certificate, &ben, ben_id, ben_certificate).await;
    let conversation = ConversationId::direct(&ann_id, &ben_id);

    measure("write, one at a time", 2000, async |n| {
        ann.write(conversation, Body::Text { text: text(n) }, NOW + n).await.unwrap();
    })
    .await;
    let count = 20_000;
    let start = Instant::now();
    write_pipelined(&ann, conversation, 2000, 2000 + count).await;
    report_rate("write, pipelined", count, start.elapsed());

    let mut batches: Vec<Vec<WireEntry>> = Vec::new();
    let mut view = View::default();
    let budget = Budget { entries: 100, bytes: 64 * 1024 };
    loop {
        let batch = ann.missing(conversation, view, budget).await.unwrap();
        batches.push(batch.entries);
        view = batch.view;
        if !batch.more {
            break;
        }
    }
    let count: usize = batches.iter().map(Vec::len).sum();
    let start = Instant::now();
    let tasks: Vec<_> = batches
        .into_iter()
        .map(|batch| {
            let ben = ben.clone();
            // Queued in the order of the batches: the first poll sends.
            async move { ben.receive(ann_id, conversation, batch, NOW).await.unwrap() }
        })
        .collect();
    let received = futures::future::join_all(tasks).await;
    report_rate("receive, batches of 100", count as u64, start.elapsed());
    assert_eq!(received.iter().map(|r| r.added.len()).sum::<usize>(), count);

    let start = Instant::now();
    let have = ben.have(ann_id).await.unwrap();
    let view = View { leaves: have[0].leaves.clone(), ..View::default() };
    let states = ann.acknowledge(ben_id, conversation, view).await.unwrap().states;
    assert_eq!(states.len(), count);
    report_rate("acknowledge at once", count as u64, start.elapsed());
}

async fn questions(store: &Store, conversation: ConversationId, places: &[EntryId]) {
    measure("page of 50, newest", 200, async |_| {
        let page = store.history(conversation, None, None, 50).await.unwrap();
        assert_eq!(page.len(), 50);
    })
    .await;
    measure("page of 50, anywhere", 500, async |n| {
        let place = places[usize::try_from(n).unwrap() * 7919 % places.len()];
        store.history(conversation, Some(place), None, 50).await.unwrap();
    })
    .await;
    for (name, query, only) in [
        ("search, rare word", "zyzzyva", None),
        ("search, absent word", "qqqqqq", None),
        ("search, common word", "the", None),
        ("search, one letter", "t", None),
        ("search, two words", "the harbour", None),
        ("search, common word, here", "the", Some(conversation)),
        ("search, rare word, here", "zyzzyva", Some(conversation)),
    ] {
        measure(name, 100, async |_| {
            store.search(query.to_owned(), only, 50).await.unwrap();
        })
        .await;
    }
    measure("conversations", 200, async |_| {
        store.conversations().await.unwrap();
    })
    .await;
}

async fn write_pipelined(
    store: &Store,
    conversation: ConversationId,
    from: u64,
    to: u64,
) -> Vec<EntryId> {
    use futures::StreamExt as _;
    let writes = (from..to).map(|n| {
        let body = Body::Text { text: text(n) };
        store.write(conversation, body, NOW + n)
    });
    let mut writes = futures::stream::iter(writes).buffered(512);
    let mut some = Vec::new();
    while let Some(written) = writes.next().await {
        let id = written.unwrap().entry.id;
        if id.0[0] == 0 {
            some.push(id);
        }
    }
    some
}

/// About 200 bytes of words: a few common ones, many less so, and a rare one now and then.
fn text(n: u64) -> String {
    const COMMON: [&str; 8] = ["the", "and", "to", "of", "a", "in", "that", "is"];
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut text = String::new();
    while text.len() < 190 {
        let word = random();
        if word % 3 == 0 {
            text.push_str(COMMON[(word >> 8) as usize % COMMON.len()]);
        } else if word % 50 == 1 {
            text.push_str("harbour");
        } else {
            // The product of two makes low numbers likelier, as in any language.
            let number = ((word >> 8) % 141) * ((word >> 16) % 141);
            write!(text, "w{number:x}").unwrap();
        }
        text.push(' ');
    }
    if n % 10_000 == 77 {
        text.push_str("zyzzyva");
    }
    text
}

async fn profile(path: &Path) -> (Store, Identity, Certificate) {
    let store = store::create(store::lock(path).unwrap(), "someone", None).unwrap();
    let profile = store.profile().await.unwrap();
    (store, profile.identity_key.public(), profile.certificate)
}

fn open(path: &Path) -> Store {
    store::open(store::lock(path).unwrap(), None).map_err(|(_, error)| error).unwrap()
}

async fn introduce(
    ann: &Store,
    ann_id: Identity,
    ann_certificate: Certificate,
    ben: &Store,
    ben_id: Identity,
    ben_certificate: Certificate,
) {
    let invite = Invite::new(ann_id, InviteSecret::from_bytes([1; 16]), NOW / 1000 + 60);
    let issued = ann.issue_invite(invite.clone(), 1, NOW).await.unwrap();
    let accepted = ben.accept_invite(invite, NOW).await.unwrap();
    ben.note_issuer(accepted, ann_certificate).await.unwrap();
    let name = || "someone".to_owned();
    ann.complete_issued(issued, ben_id, ben_certificate, name(), NOW).await.unwrap();
    ben.complete_accepted(accepted, name(), NOW).await.unwrap();
}

async fn measure(name: &str, count: u64, mut call: impl AsyncFnMut(u64)) {
    let mut times = Vec::new();
    for n in 0..count {
        let start = Instant::now();
        call(n).await;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let at = |percent: usize| millis(times[(times.len() * percent / 100).min(times.len() - 1)]);
    println!("   {name:<28} p50 {:8.3} ms   p99 {:8.3} ms", at(50), at(99));
}

fn report_rate(name: &str, count: u64, took: Duration) {
    println!(
        "   {name:<28} {count} in {:.0} ms: {:.0} a second",
        millis(took),
        count as f64 / took.as_secs_f64()
    );
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Resident memory of this process in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}
