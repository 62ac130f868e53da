//! How fast a file goes from `sendFile` to the other's disk, verified and named, between two real
//! programs; and bare bytes through a stream of libp2p-quic, in turn and in one run, so that they
//! are comparable. Prints megabytes (10^6 bytes) a second of each round, the medians, the ratio, and
//! the most memory that each program had.
//!
//! `cargo bench --bench files -- [MIB] [lan]`: 256 unless given; over loopback, or a LAN with packets
//! of 1,500 bytes, which needs what `tests/support/lab.rs` says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a bench that fails is to stop"
)]

#[path = "support/streams.rs"]
mod streams;
#[path = "../tests/support/support.rs"]
mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{ExitCode, Stdio},
    time::Instant,
};

use serde_json::json;

use support::{
    lab::{self, Addresses, Lab},
    load::{most_resident, processor_time},
    profile::{Profile, conversation_with, id, pair},
};

const ROUNDS: usize = 5;

/// In the environment of this program when it is an end of the stream on a host of the LAN: where to
/// listen, or where to send and how many bytes.
const RECEIVE: &str = "ENTRENOUS_BENCH_RECEIVE";
const SEND: &str = "ENTRENOUS_BENCH_SEND";

/// A file of so many MiB without a pattern.
fn make(path: &Path, mib: usize) {
    let mut file = fs::File::create(path).unwrap();
    let mut stream = blake3::Hasher::new().finalize_xof();
    let mut piece = vec![0; 1 << 20];
    for _ in 0..mib {
        stream.fill(&mut piece);
        file.write_all(&piece).unwrap();
    }
    file.sync_all().unwrap();
}

fn hash(path: &Path) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(fs::File::open(path).unwrap()).unwrap();
    hasher.finalize()
}

/// If this program is an end of the stream on a host of the LAN.
fn run_if_end(runtime: &tokio::runtime::Runtime) -> bool {
    if let Ok(at) = std::env::var(RECEIVE) {
        let tell = |address| println!("{address}");
        let all = streams::receive(streams::theirs(), at.parse().unwrap(), tell);
        let (all, _connection) = runtime.block_on(all);
        println!("{all}");
        // Until the sender has read the last of it.
        std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
    } else if let Ok(to) = std::env::var(SEND) {
        let (address, bytes) = to.split_once(' ').unwrap();
        let (address, bytes) = (address.parse().unwrap(), bytes.parse().unwrap());
        println!("{}", runtime.block_on(streams::send(streams::theirs(), address, bytes)));
    } else {
        return false;
    }
    true
}

/// The same as [`streams::through`], from one host of the LAN to the other.
fn through_lan(lab: &Lab, bytes: usize) -> f64 {
    let mut receiver = lab::again(&lab.hosts[1], RECEIVE, "/ip4/10.77.0.2/udp/0/quic-v1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(receiver.stdout.take().unwrap()).lines();
    let to = format!("{} {bytes}", lines.next().unwrap().unwrap());
    let rate = lab::output(&mut lab::again(&lab.hosts[0], SEND, &to)).unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), bytes.to_string());
    // It has no more to wait for.
    drop(receiver.stdin.take());
    assert!(receiver.wait().unwrap().success());
    rate.trim().parse().unwrap()
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // `cargo test` runs benches too; only `cargo bench` passes this.
    if run_if_end(&runtime) || !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let mut lan = None;
    if std::env::args().any(|argument| argument == "lan") {
        if let Err(reason) = lab::enter() {
            println!("cannot run: {reason}");
            return ExitCode::FAILURE;
        }
        lan = Some(Lab::new(2, Addresses::Both));
    }
    let mib = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(256_usize);
    let bytes = mib * 1024 * 1024;
    let from = tempfile::tempdir().unwrap();
    let path = from.path().join("content.bin");
    make(&path, mib);
    let content = hash(&path);
    let (one, two) = match &lan {
        Some(lab) => (Profile::in_namespace(&lab.hosts[0]), Profile::in_namespace(&lab.hosts[1])),
        None => Profile::loopback_pair(),
    };
    let (a, b) = (one.start(), two.start());
    pair(&a, &b);
    let conversation = conversation_with(&a, &id(&b));
    let (mut rates, mut hashing) = ([Vec::new(), Vec::new()], Vec::new());
    let before = [&a, &b].map(|process| processor_time(process.pid()));
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let offered = a.call("sendFile", json!({ "conversation": conversation, "path": path }));
        hashing.push(bytes as f64 / began.elapsed().as_secs_f64() / 1e6);
        b.event("fileOffered", |event| event["entry"] == offered["entry"]);
        b.call("getFile", json!({ "conversation": conversation, "entry": offered["entry"] }));
        let done = b.event("fileDone", |event| event["entry"] == offered["entry"]);
        rates[0].push(bytes as f64 / began.elapsed().as_secs_f64() / 1e6);
        let arrived = Path::new(done["path"].as_str().unwrap());
        assert_eq!(hash(arrived), content);
        fs::remove_file(arrived).unwrap();
        rates[1].push(if let Some(lab) = &lan {
            through_lan(lab, bytes)
        } else {
            runtime.block_on(streams::through(streams::theirs(), streams::theirs(), bytes))
        });
    }
    if let Some(lab) = &lan {
        // State 01: a connection stands.
        let tcp = lab.on(0, "cat /proc/net/tcp /proc/net/tcp6");
        assert!(!tcp.contains(" 01 "), "the link is not QUIC's:\n{tcp}");
    }
    println!("{mib} MiB from `sendFile` to the other's disk, MB/s:");
    let median = |rates: &mut Vec<f64>| {
        let all: Vec<_> = rates.iter().map(|rate| format!("{rate:.0}")).collect();
        println!("  {}", all.join(" "));
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    };
    let [file, raw] = rates.each_mut().map(median);
    println!("  {:.0} of it the hashing", median(&mut hashing));
    println!("a file {file:.0}, libp2p-quic's stream {raw:.0}, ratio {:.2}", file / raw);
    let spent = [&a, &b].map(|process| processor_time(process.pid()));
    let [sender, receiver] = [0, 1].map(|who| {
        (spent[who].as_secs_f64() - before[who].as_secs_f64()) * 1e9 / (bytes * ROUNDS) as f64
    });
    println!("processor: {sender:.2} ns a byte at the sender, {receiver:.2} at the receiver");
    let memory = [&a, &b].map(|process| most_resident(process.pid()) / (1 << 20));
    println!("most memory: {} MiB at the sender, {} MiB at the receiver", memory[0], memory[1]);
    ExitCode::SUCCESS
}
