//! What it costs to do nothing.

use std::time::{Duration, Instant};

use crate::support::{
    at_most, figure,
    lab::{Addresses, Lab},
    load::{processor_time, resident},
    measured_or,
    nat::{Internet, Nat},
    profile::{Profile, pair},
    world::World,
};

/// What a process does in a while, by the bytes that its host has passed until now.
fn measure(name: &str, pid: u32, traffic: impl Fn() -> u64, window: Duration) -> [f64; 3] {
    let (began, processor, bytes) = (Instant::now(), processor_time(pid), traffic());
    std::thread::sleep(window);
    let seconds = began.elapsed().as_secs_f64();
    let processor = processor_time(pid).saturating_sub(processor).as_secs_f64() * 60.0 / seconds;
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let (bytes, resident) =
        ((traffic() - bytes) as f64 / seconds, (resident(pid) / 1024) as f64 / 1024.0);
    figure(&format!("{name}, resident"), format!("{resident:.1} MiB"));
    figure(&format!("{name}, processor"), format!("{processor:.3} s a minute"));
    figure(&format!("{name}, traffic both ways"), format!("{bytes:.0} bytes/s"));
    [resident, processor, bytes]
}

pub fn costs_little() {
    let window = Duration::from_secs(measured_or(120, 10));
    let lab = Lab::new(2, Addresses::Both);
    let a = Profile::in_namespace(&lab.hosts[0]).start();
    let b = Profile::in_namespace(&lab.hosts[1]).start();
    pair(&a, &b);
    // Idle begins when the work of pairing has ebbed away.
    std::thread::sleep(Duration::from_secs(measured_or(10, 3)));
    let traffic = || {
        let (received, sent) = lab.traffic(0);
        received + sent
    };
    let [resident, processor, bytes] = measure("idle with one contact", a.pid(), traffic, window);
    at_most("resident MiB", resident, 40.0, 120.0);
    at_most("processor seconds a minute", processor, 0.1, 5.0);
    at_most("bytes a second", bytes, 300.0, 3000.0);
}

/// Behind a NAT, by the DHT, with contacts of whom half are not there.
pub fn with_many_contacts() {
    let half = measured_or(10, 2);
    let internet = Internet::new(&[(Nat::PortRestricted, 1), (Nat::PortRestricted, 2 * half)]);
    let world = World::on(internet);
    let host = &world.internet.sites[0].hosts[0];
    let a = world.people[0].start();
    let others = world.internet.sites[1].hosts.iter().map(|host| {
        let person = Profile::on_internet(host, world.bootstrap.clone());
        let other = person.start();
        pair(&a, &other);
        (person, other)
    });
    let mut others: Vec<_> = others.collect();
    for (_, other) in others.drain(usize::from(half)..) {
        other.shutdown();
    }
    // Until those who are gone are looked for seldom.
    std::thread::sleep(Duration::from_secs(measured_or(90, 3)));
    let name = format!("idle with {} contacts, half of them offline", 2 * half);
    let window = Duration::from_secs(measured_or(180, 5));
    let [resident, processor, bytes] =
        measure(&name, a.pid(), || Internet::traffic(host, "eth0"), window);
    at_most("resident MiB", resident, 60.0, 200.0);
    at_most("processor seconds a minute", processor, 1.0, 20.0);
    at_most("bytes a second", bytes, 2048.0, 100_000.0);
}
