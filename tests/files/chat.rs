//! Messages do not wait behind a file.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    support::{at_most, fetch::MIB, figure, load::quantile, measured_or},
    transfer::{Two, content},
};

/// How long messages take to be delivered, one after the other.
fn deliveries(two: &Two, mut go_on: impl FnMut(usize) -> bool) -> Vec<Duration> {
    let mut times = Vec::new();
    while go_on(times.len()) {
        let began = Instant::now();
        let params = json!({ "conversation": two.conversation, "text": "hello" });
        let entry = two.a.call("send", params)["entry"].clone();
        let delivered =
            |event: &serde_json::Value| event["entry"] == entry && event["state"] == "delivered";
        let at = two.a.event_within(Duration::from_secs(30), "entryState", delivered).0;
        times.push(at - began);
    }
    times
}

#[test]
fn a_message_during_a_transfer_comes_as_soon_as_without() {
    let two = Two::online();
    let mut idle = deliveries(&two, |count| count < 200);
    let idle = quantile(&mut idle, 0.99);
    let from = tempfile::tempdir().unwrap();
    let path = from.path().join("large");
    fs::write(&path, content(usize::try_from(measured_or(1024, 64) * MIB).unwrap())).unwrap();
    let entry = two.offer(&path);
    let params = json!({ "conversation": two.conversation, "entry": entry });
    two.b.call("getFile", params);
    let done = |_| two.b.events("fileDone").is_empty();
    let mut busy = deliveries(&two, done);
    assert!(!busy.is_empty(), "a message was sent meanwhile");
    figure("messages sent during a transfer", busy.len());
    let busy = quantile(&mut busy, 0.99);
    figure("delivery p99, idle and during a transfer", format!("{idle:?}, {busy:?}"));
    let more = busy.saturating_sub(idle).as_millis();
    at_most("milliseconds more", u64::try_from(more).unwrap(), 50, 5_000);
}
