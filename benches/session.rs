//! What a session costs: frames of three sizes, a handshake, and the hail by number of contacts.

#![expect(clippy::expect_used, reason = "a bench may end in a panic")]

use std::{hint::black_box, sync::Arc, time::Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use entrenous::{
    identity::{Certificate, DeviceKey, IdentityKey, PairSecret},
    session::{Acquaintance, Event, LinkIds, Local, Session},
};
use rand::{Rng, SeedableRng, rngs::StdRng};

struct Person {
    key: IdentityKey,
    device: DeviceKey,
}

impl Person {
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        Self { key: IdentityKey::generate(&mut rng), device: DeviceKey::generate(&mut rng) }
    }

    fn local(&self, contacts: &[&Self]) -> Arc<Local> {
        let identity = self.key.public();
        let contacts = contacts.iter().map(|other| Acquaintance::Contact {
            identity: other.key.public(),
            device_public: other.device.public(),
            pair_secret: PairSecret::of_devices(
                (&identity, &self.device),
                (&other.key.public(), &other.device.public()),
            )
            .expect("of large order"),
        });
        let certificate = Certificate::issue(&self.key, self.device.public(), 1, 1);
        Arc::new(Local::new(identity, self.device.clone(), certificate, contacts.collect()))
    }
}

fn ids(own: &[u8], their: &[u8]) -> LinkIds {
    LinkIds { own_peer_id: own.to_vec(), their_peer_id: their.to_vec() }
}

/// A dialer and a listener that have not spoken yet.
fn ends(dialer: &Arc<Local>, listener: &Arc<Local>, seed: u64) -> [Session; 2] {
    let now = Instant::now();
    let rng = StdRng::seed_from_u64;
    [
        Session::dial(dialer.clone(), ids(b"one", b"two"), now, rng(seed)),
        Session::listen(listener.clone(), ids(b"two", b"one"), now, rng(!seed)),
    ]
}

/// Passes bytes on until nobody has more to say.
fn exchange([one, two]: &mut [Session; 2]) {
    let now = Instant::now();
    loop {
        let mut quiet = true;
        if let Some(bytes) = one.poll_transmit() {
            two.handle_input(now, &bytes).expect("good bytes");
            quiet = false;
        }
        if let Some(bytes) = two.poll_transmit() {
            one.handle_input(now, &bytes).expect("good bytes");
            quiet = false;
        }
        if quiet {
            return;
        }
    }
}

fn established(ends: &mut [Session; 2]) {
    exchange(ends);
    for end in ends {
        assert!(matches!(end.poll_event(), Some(Event::Established { .. })));
    }
}

/// One message from sealing to its event, both ends on one core.
fn frames(c: &mut Criterion) {
    let (a, b) = (Person::new(1), Person::new(2));
    let mut group = c.benchmark_group("frame");
    for (name, size) in [("64 B", 64), ("1 KiB", 1024), ("64 KiB", 64 * 1024)] {
        let mut pair = ends(&a.local(&[&b]), &b.local(&[&a]), 1);
        established(&mut pair);
        let message = vec![7; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                pair[0].send(Instant::now(), &message).expect("established");
                exchange(&mut pair);
                black_box(pair[1].poll_event()).expect("the message");
            });
        });
    }
    group.finish();
}

/// Hail and handshake of both ends, on one core.
fn handshakes(c: &mut Criterion) {
    let (a, b) = (Person::new(1), Person::new(2));
    let (dialer, listener) = (a.local(&[&b]), b.local(&[&a]));
    let mut seed = 0;
    c.bench_function("handshake", |bencher| {
        bencher.iter(|| {
            seed += 1;
            established(&mut ends(&dialer, &listener, seed));
        });
    });
}

/// The listener's part in the hail of a stranger, who has as many contacts.
fn hails(c: &mut Criterion) {
    let a = Person::new(0);
    let others: Vec<_> = (1..=1000).map(Person::new).collect();
    let mut rng = StdRng::seed_from_u64(1);
    let mut group = c.benchmark_group("hail");
    for number in [10, 100, 1000] {
        let contacts: Vec<_> = others.iter().take(number).collect();
        let local = a.local(&contacts);
        let blocks = number.div_ceil(32);
        let mut hello = vec![0; 32 + 1 + blocks * 32 * 16];
        rng.fill_bytes(&mut hello);
        hello[32] = u8::try_from(blocks).expect("at most 32");
        group.bench_function(format!("{number} contacts"), |bencher| {
            bencher.iter(|| {
                let now = Instant::now();
                let rng = StdRng::seed_from_u64(1);
                let mut end = Session::listen(local.clone(), ids(b"two", b"one"), now, rng);
                end.handle_input(now, &hello).expect("a hail");
                black_box(end.poll_transmit()).expect("an answer");
            });
        });
    }
    group.finish();
}

criterion_group!(benches, frames, handshakes, hails);
criterion_main!(benches);
