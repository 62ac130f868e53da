//! Two punches through two modelled NATs.

mod world;

use std::collections::HashSet;

use self::world::*;
use super::*;

const FILTERS: [Filters; 3] = [Filters::Nothing, Filters::Address, Filters::AddressAndPort];

fn foreseeable() -> impl Iterator<Item = (Maps, Filters)> {
    let with = |maps| FILTERS.map(|filters| (maps, filters));
    with(Maps::None).into_iter().chain(with(Maps::Independent))
}

fn run(kinds: [(Maps, Filters); 2], weather: Weather, seed: u64) -> World {
    let mut world = World::new(kinds, weather, seed);
    world.run();
    world
}

#[test]
fn foreseeable_ports_are_got_through_at_once() {
    for one in foreseeable() {
        for two in foreseeable() {
            for seed in 0..30 {
                let mut world = run([one, two], FAIR, seed);
                world.is_open();
                let took = world.now - world.began;
                assert!(took < Duration::from_secs(4), "{one:?} {two:?} {seed}: {took:?}");
            }
        }
    }
}

#[test]
fn one_unforeseeable_port_is_met_by_the_birthday_paradox() {
    for maps in [Maps::Random, Maps::Counting(1), Maps::Counting(-2)] {
        let hard = (maps, Filters::AddressAndPort);
        for other in [(Maps::Independent, Filters::AddressAndPort), (Maps::None, Filters::Nothing)]
        {
            for seed in 0..20 {
                for kinds in [[hard, other], [other, hard]] {
                    let mut world = run(kinds, FAIR, seed);
                    world.is_open();
                    let took = world.now - world.began;
                    assert!(took < Duration::from_secs(15), "{kinds:?} {seed}: {took:?}");
                    let dialer = world.hosts.iter().find(|host| host.open.unwrap().2).unwrap();
                    assert!(is_unforeseeable(dialer.mapping));
                }
            }
        }
    }
}

#[test]
fn a_router_that_takes_what_arrives_for_its_own_is_not_led_astray() {
    let open = (Maps::Independent, Filters::AddressAndPortOpen);
    // The later a record comes, the longer the other side has been sending.
    for record in [1100, 5000].map(Duration::from_millis) {
        let far = Weather { latency: Duration::from_millis(100), record, ..FAIR };
        for maps in [Maps::Random, Maps::Counting(1)] {
            let hard = (maps, Filters::AddressAndPort);
            for seed in 0..300 {
                for kinds in [[open, hard], [hard, open]] {
                    run(kinds, far, seed).is_open();
                }
            }
        }
    }
}

#[test]
fn a_nat_that_lets_in_what_it_is_sent_is_met_in_the_end_though_openers_reach_none() {
    let hard = (Maps::Random, Filters::AddressAndPort);
    for (alone, least, most) in [(false, 10, 13), (true, 0, 4)] {
        for seed in 0..20 {
            let mut world = World::new([(Maps::Independent, Filters::Address), hard], FAIR, seed);
            world.is_deep = true;
            world.is_alone = alone;
            world.run();
            world.is_open();
            let took = (world.now - world.began).as_secs();
            assert!((least..most).contains(&took), "{seed}: {took} s");
        }
    }
}

#[test]
fn who_has_no_nat_is_sent_probes_at_once() {
    let hard = (Maps::Random, Filters::AddressAndPort);
    for seed in 0..20 {
        let mut world = World::new([(Maps::None, Filters::Nothing), hard], FAIR, seed);
        world.is_deep = true;
        world.run();
        world.is_open();
        let took = world.now - world.began;
        assert!(took < Duration::from_secs(4), "{seed}: {took:?}");
    }
}

/// Two behind NATs that count, in which others have taken ports since the records were written.
fn counting(directions: [i16; 2], weather: Weather, seed: u64) -> World {
    let kinds = directions.map(|step| (Maps::Counting(step), Filters::AddressAndPort));
    let mut world = World::new(kinds, weather, seed);
    for (host, step) in world.hosts.iter_mut().zip(directions) {
        let taken: i16 = world.rng.random_range(0..20);
        host.router.next = host.router.next.wrapping_add_signed(step * taken);
    }
    world
}

#[test]
fn two_that_count_meet() {
    let far = Weather { latency: Duration::from_millis(200), ..FAIR };
    for (weather, bound) in [(FAIR, 4), (far, 5)] {
        for directions in [[1, 1], [1, -1]] {
            for seed in 0..100 {
                let mut world = counting(directions, weather, seed);
                world.run();
                world.is_open();
                let took = world.now - world.began;
                assert!(took < Duration::from_secs(bound), "{weather:?} {seed}: {took:?}");
            }
        }
    }
}

#[test]
fn two_that_count_mostly_meet_whatever_is_lost_or_taken_by_others() {
    for (loss, latency, taken, least) in
        [(0.2, 20, 0.0, 97), (0.2, 100, 0.0, 97), (0.0, 20, 5.0, 95), (0.0, 20, 10.0, 85)]
    {
        let weather = Weather { loss, latency: Duration::from_millis(latency), ..FAIR };
        let met = (0..100).filter(|seed| {
            let mut world = counting([1, 1], weather, *seed);
            world.taken_a_second = taken;
            world.run();
            let met = world.hosts.iter().all(|host| host.open.is_some());
            if met {
                world.is_open();
            }
            met
        });
        let met = met.count();
        assert!(met >= least, "{weather:?}, {taken} a second: {met} of 100");
    }
}

#[test]
fn a_mapping_that_is_known_late_is_waited_for() {
    let mut world = counting([1, 1], FAIR, 1);
    world.hosts[0].mapping = Mapping::Unknown;
    world.known_later = Some((Duration::from_secs(2), Mapping::Dependent { step: 1 }));
    world.run();
    world.is_open();
    assert!(world.now - world.began < Duration::from_secs(8), "{:?}", world.now - world.began);
    // Neither many sockets nor many ports were tried, which would have put both out of step.
    assert!(world.hosts.iter().all(|host| host.sent < 200));
}

#[test]
fn one_punch_at_a_time_counts_along() {
    let mut world = counting([1, 1], FAIR, 1);
    world.hosts[0].punch.may_count(false);
    world.run();
    let failed: Vec<_> = world.hosts.iter().filter_map(|host| host.failed).collect();
    assert_eq!(failed, [Failure::TimedOut]);
    assert_eq!(world.hosts[0].punch.ports_taken(), 0);
    let took = world.now - world.began;
    assert!(took < COUNTING_PATIENCE + Duration::from_secs(3), "{took:?}");
    let ports = world.hosts[1].punch.ports_taken();
    assert!((900..=1000).contains(&ports), "{ports}");
}

#[test]
fn no_port_is_aimed_at_twice() {
    let last: SocketAddr = "203.0.113.1:60000".parse().unwrap();
    for seed in 0..20 {
        let mut rng = StdRng::seed_from_u64(seed);
        for guesses in [false, true] {
            let mut counted = aim::Counted::new(last, 1);
            let ports = (0..1000).map(|_| counted.aim(guesses.then_some(&mut rng)));
            assert_eq!(ports.collect::<HashSet<_>>().len(), 1000);
        }
    }
}

#[test]
fn two_unforeseeable_ports_are_given_up_at_once() {
    let random = (Maps::Random, Filters::AddressAndPort);
    let world = run([random, random], FAIR, 1);
    let failed: Vec<_> = world.hosts.iter().filter_map(|host| host.failed).collect();
    assert!(failed.contains(&Failure::BothUnforeseeable), "{failed:?}");
    assert!(world.now - world.began < Duration::from_secs(3));
    assert!(world.hosts.iter().all(|host| host.sent == 0));
}

#[test]
fn loss_and_distance_are_borne() {
    for (loss, latency) in [(0.1, 20), (0.2, 20), (0.0, 200), (0.1, 200), (0.0, 400), (0.1, 400)] {
        let weather = Weather { loss, latency: Duration::from_millis(latency), ..FAIR };
        for two in
            [(Maps::Independent, Filters::AddressAndPort), (Maps::Random, Filters::AddressAndPort)]
        {
            for seed in 0..50 {
                let mut world =
                    run([(Maps::Independent, Filters::AddressAndPort), two], weather, seed);
                world.is_open();
                let took = world.now - world.began;
                assert!(took < Duration::from_secs(30), "{weather:?} {two:?} {seed}: {took:?}");
            }
        }
    }
}

#[test]
fn blocked_udp_is_given_up_at_once() {
    let mut world = World::new(
        [(Maps::Independent, Filters::Nothing), (Maps::Independent, Filters::Nothing)],
        FAIR,
        1,
    );
    world.hosts[1].mapping = Mapping::Blocked;
    world.run();
    assert!(world.hosts.iter().any(|host| host.failed == Some(Failure::Blocked)));
}

#[test]
fn another_run_of_the_other_begins_anew() {
    let kinds = [(Maps::Independent, Filters::AddressAndPort); 2];
    let mut world = run(kinds, FAIR, 5);
    world.is_open();
    let now = world.now;
    let record = Record { run: 99, seen: 0, ..world.record_of(1) };
    let host = &mut world.hosts[0];
    host.punch.handle_record(now, record);
    assert_eq!(host.punch.poll_event(), Some(Event::Seen(99)));
    let opener = host.punch.poll_transmit().unwrap();
    assert_eq!((opener.ttl, opener.socket), (Some(OPENER_TTL), 0));
    assert!(host.punch.poll_timeout().is_some());
}

#[test]
fn forged_and_reflected_probes_do_nothing() {
    let kinds = [(Maps::Independent, Filters::Nothing); 2];
    let mut world = World::new(kinds, FAIR, 5);
    let (now, record) = (world.now, world.record_of(1));
    let host = &mut world.hosts[0];
    host.punch.set_own(now, &host.external, host.mapping);
    host.punch.handle_record(now, record);
    let own = host.punch.poll_transmit().unwrap().bytes;
    let from = "203.0.113.9:4000".parse().unwrap();
    assert!(!own.starts_with(&host.punch.tag().unwrap()));
    assert!(!host.punch.handle_probe(now, 0, from, &own), "one's own, sent back");
    // A genuine one, bent.
    let keys = Keys::new(
        &PairSecret::from_bytes([3; 32]),
        Side::Second,
        world.hosts[1].run,
        world.hosts[0].run,
    );
    let genuine = keys.seal(Kind::Probe, [1; 4]);
    let host = &mut world.hosts[0];
    for at in 0..PROBE_LEN {
        let mut bent = genuine;
        bent[at] ^= 1;
        assert!(!host.punch.handle_probe(now, 0, from, &bent), "byte {at}");
    }
    for length in 0..PROBE_LEN {
        assert!(!host.punch.handle_probe(now, 0, from, &genuine[..length]));
    }
    assert!(host.punch.poll_transmit().is_none());
    assert!(host.punch.handle_probe(now, 0, from, &genuine));
}

#[test]
fn a_flood_of_genuine_probes_is_answered_a_few_times() {
    let kinds = [(Maps::Independent, Filters::Nothing); 2];
    let mut world = World::new(kinds, FAIR, 5);
    let (now, record) = (world.now, world.record_of(0));
    let (run, other) = (world.hosts[1].run, world.hosts[0].run);
    let host = &mut world.hosts[1];
    host.punch.set_own(now, &host.external, host.mapping);
    host.punch.handle_record(now, record);
    while host.punch.poll_transmit().is_some() {}
    let keys = Keys::new(&PairSecret::from_bytes([3; 32]), Side::First, other, run);
    for port in 0..5000 {
        let from = SocketAddr::new("203.0.113.9".parse().unwrap(), 1024 + port % 1000);
        assert!(host.punch.handle_probe(now, 0, from, &keys.seal(Kind::Probe, [0; 4])));
    }
    let mut answers = 0;
    while host.punch.poll_transmit().is_some() {
        answers += 1;
    }
    assert_eq!(answers, MAX_PATHS * MAX_PROBE_ANSWERS as usize);
    assert_eq!(host.punch.answered.len(), MAX_PATHS);
    // Nor are more selects answered than somebody honest sends.
    let from = *host.punch.answered.keys().next().unwrap();
    for _ in 0..5000 {
        host.punch.handle_probe(now, 0, from.1, &keys.seal(Kind::Select, [0; 4]));
    }
    let mut answers = 0;
    while host.punch.poll_transmit().is_some() {
        answers += 1;
    }
    assert_eq!(answers, MAX_ANSWERS - MAX_PROBE_ANSWERS);
}

#[test]
fn no_probe_looks_like_quic() {
    for n in 0..200_u8 {
        let keys = Keys::new(&PairSecret::from_bytes([n; 32]), Side::First, 1, 2);
        assert_eq!(keys.seal(Kind::Probe, [0xff; 4])[0] & 0xc0, 0);
    }
}
