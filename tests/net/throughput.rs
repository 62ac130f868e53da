//! How much, how fast.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{
    at_most, figure,
    lab::{Addresses, Lab},
    load::quantile,
    measured_or,
    profile::{Profile, history, pair},
};

pub fn many_messages() {
    let count: u32 = measured_or(20_000, 2_000);
    let lab = Lab::new(2, Addresses::Both);
    let a = Profile::in_namespace(&lab.hosts[0]).start();
    let b = Profile::in_namespace(&lab.hosts[1]).start();
    let conversation = pair(&a, &b);
    let text = |n: u32| format!("{n:08} {}", "x".repeat(191));

    let began = Instant::now();
    let requests: Vec<u64> = (0..count)
        .map(|n| a.request("send", json!({ "conversation": conversation, "text": text(n) })))
        .collect();
    let mut entries = Vec::new();
    let mut written = began;
    for request in requests {
        let (at, answer) = a.answer_at(request);
        written = written.max(at);
        entries.push(answer.unwrap()["entry"].clone());
    }
    let last = entries.last().unwrap().clone();
    let patience = Duration::from_mins(2);
    // Delivered means: on the other's disk. So this is both sides durable.
    let (done, _) =
        a.event_within(patience, "entryState", |e| e["entry"] == last && e["state"] != "queued");
    let rate = |until: Instant| f64::from(count) / (until - began).as_secs_f64();
    figure("messages a second, on the own disk", format!("{:.0}", rate(written)));
    figure("messages a second, on both disks", format!("{:.0}", rate(done)));

    // Told in order, exactly once.
    let told = b.take_events(patience, "message", count as usize);
    for (n, ((_, event), entry)) in (0..).zip(told.iter().zip(&entries)) {
        assert_eq!(event["text"], text(n).as_str());
        assert_eq!(&event["entry"], entry);
    }
    assert_eq!(told.len(), entries.len());
    // Shown in order, exactly once, on both sides, and all of it delivered.
    for process in [&a, &b] {
        let shown = history(process, &conversation);
        assert_eq!(shown.len(), entries.len());
        for (n, (shown, entry)) in (0..).zip(shown.iter().zip(&entries)) {
            assert_eq!(&shown["entry"], entry);
            assert_eq!(shown["text"], text(n).as_str());
            assert_ne!(shown["state"], "queued", "message {n}");
        }
    }
    let slowness = Duration::from_secs_f64(1000.0 / rate(done));
    at_most("time of 1000 messages", slowness, Duration::from_millis(100), Duration::from_secs(10));
}

pub fn echo() {
    let rounds = measured_or(1000, 100);
    let lab = Lab::new(2, Addresses::Both);
    let a = Profile::in_namespace(&lab.hosts[0]).start();
    let b = Profile::in_namespace(&lab.hosts[1]).start();
    let conversation = pair(&a, &b);
    let mut times = Vec::new();
    for n in 0..rounds {
        let text = format!("{n:064}");
        let began = Instant::now();
        let request = a.request("send", json!({ "conversation": conversation, "text": text }));
        b.event("message", |e| e["text"] == text.as_str());
        let reply = format!("{n:063}r");
        b.request("send", json!({ "conversation": conversation, "text": reply }));
        let (at, _) =
            a.event_within(crate::support::PATIENCE, "message", |e| e["text"] == reply.as_str());
        times.push(at - began);
        a.answer(request).unwrap();
    }
    let (half, most) = (quantile(&mut times, 0.5), quantile(&mut times, 0.99));
    figure("echo of 64 bytes, p50", format!("{:.2} ms", half.as_secs_f64() * 1e3));
    figure("echo of 64 bytes, p99", format!("{:.2} ms", most.as_secs_f64() * 1e3));
    at_most("echo, p50", half, Duration::from_millis(5), Duration::from_millis(250));
}
