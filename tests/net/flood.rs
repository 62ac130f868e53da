//! Probes that are none, at the socket that everything uses.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{
    at_most, figure,
    flood::Flood,
    load::{processor_time, quantile},
    measured_or,
    nat::{Internet, Nat},
    profile::pair,
    world::World,
};

/// A flood costs little of a processor, and disturbs no session.
pub fn of_probes_disturbs_nothing() {
    let world = World::new(Nat::None, Nat::PortRestricted);
    let [a, b] = world.start();
    let conversation = pair(&a, &b);
    let echo = || {
        let began = Instant::now();
        let said = a.call("send", json!({ "conversation": conversation, "text": "still here" }));
        b.event("message", |e| e["entry"] == said["entry"]);
        began.elapsed()
    };
    let listen = a.call("network", json!({}))["listen"].clone();
    let mut listen = listen.as_array().unwrap().iter().filter_map(|address| {
        address.as_str().unwrap().strip_prefix("/ip4/203.0.113.101/udp/")?.split('/').next()
    });
    let port = listen.next().unwrap();
    let public = &world.internet.public[0].namespace;
    let host = &world.internet.sites[0].hosts[0];
    let _flood = Flood::start(public, &format!("203.0.113.101:{port}"), 100_000);
    let time = Duration::from_secs(measured_or(20, 3));
    let (began, processor, bytes) =
        (Instant::now(), processor_time(a.pid()), Internet::traffic(host, "eth0"));
    let mut times = Vec::new();
    while began.elapsed() < time {
        times.push(echo());
        std::thread::sleep(Duration::from_millis(20));
    }
    let seconds = began.elapsed().as_secs_f64();
    let processor = processor_time(a.pid()).saturating_sub(processor).as_secs_f64() / seconds;
    #[expect(clippy::cast_precision_loss, reason = "a few million")]
    // 25 bytes of a probe, 28 of UDP and IP, 14 of Ethernet.
    let packets = (Internet::traffic(host, "eth0") - bytes) as f64 / seconds / 67.0;
    let (median, last) = (quantile(&mut times, 0.5), quantile(&mut times, 0.99));
    figure("flood, packets a second", format!("{packets:.0}"));
    figure("flood, part of a processor", format!("{processor:.3}"));
    figure("flood, delivery p50 and p99", format!("{median:?}, {last:?}"));
    assert!(packets > measured_or(90_000.0, 10_000.0), "{packets} packets a second are no flood");
    at_most("part of a processor", processor, 0.3, 0.5);
    at_most("delivery p99", last, Duration::from_millis(100), Duration::from_secs(2));
    for process in [&a, &b] {
        let gone = process.events("contactState").into_iter().find(|e| e["state"] == "offline");
        assert_eq!(gone, None);
    }
}
