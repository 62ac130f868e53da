//! Two punches through two modelled NATs, with a fake clock, loss and latency.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashSet},
    net::IpAddr,
};

use super::*;

/// How far the two routers are apart.
const HOPS: u8 = 10;

/// How a router maps (RFC 4787 §4.1) and filters (§5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Maps {
    /// No NAT.
    None,
    Independent,
    Random,
    Counting(i16),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filters {
    Nothing,
    Address,
    AddressAndPort,
    /// The same; and takes what does not pass for its own traffic, as Linux does whose input is
    /// open.
    AddressAndPortOpen,
}

struct Router {
    maps: Maps,
    filters: Filters,
    ip: IpAddr,
    /// Outside port to socket; and what the inside sent to from there.
    inside: HashMap<u16, usize>,
    outside: HashMap<(usize, Option<SocketAddr>), u16>,
    sent: HashSet<(u16, SocketAddr)>,
    /// What it took for its own traffic.
    taken: HashSet<(u16, SocketAddr)>,
    next: u16,
}

impl Router {
    fn new(maps: Maps, filters: Filters, ip: &str, rng: &mut StdRng) -> Self {
        Self {
            maps,
            filters,
            ip: ip.parse().unwrap(),
            inside: HashMap::new(),
            outside: HashMap::new(),
            sent: HashSet::new(),
            taken: HashSet::new(),
            next: rng.random_range(20_000..40_000),
        }
    }

    /// A packet leaves; yields its address outside.
    fn out(&mut self, socket: usize, to: SocketAddr, rng: &mut StdRng) -> SocketAddr {
        let key = match self.maps {
            Maps::None | Maps::Independent => (socket, None),
            Maps::Random | Maps::Counting(_) => (socket, Some(to)),
        };
        let (maps, inside, next) = (self.maps, &mut self.inside, &mut self.next);
        let port = *self.outside.entry(key).or_insert_with(|| {
            loop {
                let port = match maps {
                    Maps::Counting(step) => {
                        *next = next.wrapping_add_signed(step);
                        *next
                    }
                    _ => rng.random_range(1024..=u16::MAX),
                };
                if !inside.contains_key(&port) {
                    break port;
                }
            }
        });
        let port = self.moved(port, (socket, to), rng);
        self.inside.insert(port, socket);
        self.sent.insert((port, to));
        SocketAddr::new(self.ip, port)
    }

    /// Another port if this one is in use towards that address: by what leaves to there already, or
    /// because the router took it. Then all that leaves to new addresses does so from the other.
    fn moved(&mut self, port: u16, (socket, to): (usize, SocketAddr), rng: &mut StdRng) -> u16 {
        if self.taken.is_empty() {
            return port;
        }
        let mut sent = self.sent.iter().filter(|(_, address)| *address == to);
        if let Some((port, _)) = sent.find(|(port, _)| self.inside.get(port) == Some(&socket)) {
            return *port;
        }
        if !self.taken.contains(&(port, to)) {
            return port;
        }
        let other = rng.random_range(1024..=u16::MAX);
        self.outside.insert((socket, None), other);
        other
    }

    /// A packet arrives; yields the socket behind.
    fn in_(&mut self, from: SocketAddr, port: u16) -> Option<usize> {
        let mut sent = self.sent.iter().filter(|(p, _)| *p == port);
        let passes = match self.filters {
            Filters::Nothing => true,
            Filters::Address => sent.any(|(_, to)| to.ip() == from.ip()),
            Filters::AddressAndPort | Filters::AddressAndPortOpen => {
                sent.any(|(_, to)| *to == from)
            }
        };
        if !passes && self.filters == Filters::AddressAndPortOpen {
            self.taken.insert((port, from));
        }
        self.inside.get(&port).copied().filter(|_| passes)
    }
}

struct Host {
    punch: Punch,
    router: Router,
    run: u64,
    seen: u64,
    external: Vec<SocketAddr>,
    mapping: Mapping,
    open: Option<(usize, SocketAddr, bool)>,
    failed: Option<Failure>,
    sent: usize,
}

/// What the two meet in.
#[derive(Debug, Clone, Copy)]
struct Weather {
    /// What each of the routers loses, before it maps.
    loss: f64,
    latency: Duration,
    /// How long a record takes from one to the other.
    record: Duration,
}

const FAIR: Weather =
    Weather { loss: 0.0, latency: Duration::from_millis(20), record: Duration::from_millis(1100) };

struct World {
    hosts: [Host; 2],
    rng: StdRng,
    weather: Weather,
    now: Instant,
    began: Instant,
    order: u64,
    packets: BinaryHeap<Reverse<(Instant, u64, usize)>>,
    flying: HashMap<u64, (SocketAddr, SocketAddr, [u8; PROBE_LEN])>,
    next_record: [Instant; 2],
    /// Ports that others take of each NAT that counts.
    taken_a_second: f64,
    /// When the first learns how its NAT maps, if it does not know.
    known_later: Option<(Duration, Mapping)>,
    /// Openers die before they come to a NAT.
    is_deep: bool,
    /// Neither has more than one socket.
    is_alone: bool,
}

impl World {
    fn new(kinds: [(Maps, Filters); 2], weather: Weather, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let now = Instant::now();
        let mut hosts = kinds.into_iter().enumerate().map(|(index, (maps, filters))| {
            let ip = ["198.51.100.1", "203.0.113.1"][index];
            let mut router = Router::new(maps, filters, ip, &mut rng);
            // What two observers have seen.
            let external: Vec<_> = ["192.0.2.1:4001", "192.0.2.2:4001"]
                .map(|observer| router.out(0, observer.parse().unwrap(), &mut rng))
                .to_vec();
            let mapping = match maps {
                Maps::None => Mapping::None,
                Maps::Independent => Mapping::Independent,
                Maps::Random => Mapping::Dependent { step: 0 },
                Maps::Counting(step) => Mapping::Dependent { step },
            };
            let external = if is_unforeseeable(mapping) { external } else { vec![external[0]] };
            let side = [Side::First, Side::Second][index];
            let run = rng.random_range(1..u64::MAX);
            let punch = Punch::new(PairSecret::from_bytes([3; 32]), side, run, rng.random());
            let (open, failed) = (None, None);
            Host { punch, router, run, seen: 0, external, mapping, open, failed, sent: 0 }
        });
        let hosts = [hosts.next().unwrap(), hosts.next().unwrap()];
        // They don't start at the same time.
        let start = now + Duration::from_millis(rng.random_range(0..800));
        Self {
            hosts,
            rng,
            weather,
            now,
            began: now,
            order: 0,
            packets: BinaryHeap::new(),
            flying: HashMap::new(),
            next_record: [now, start],
            taken_a_second: 0.0,
            known_later: None,
            is_deep: false,
            is_alone: false,
        }
    }

    fn record_of(&self, index: usize) -> Record {
        let host = &self.hosts[index];
        Record {
            run: host.run,
            seen: host.seen,
            external: host.external.clone(),
            mapping: host.mapping,
            ..Record::default()
        }
    }

    fn pump(&mut self, index: usize) {
        while let Some(event) = self.hosts[index].punch.poll_event() {
            let host = &mut self.hosts[index];
            match event {
                Event::Seen(run) => host.seen = run,
                Event::Open { socket, remote, dials } => host.open = Some((socket, remote, dials)),
                Event::Failed(failure) => host.failed = Some(failure),
                Event::Sockets(wanted) => {
                    assert!(wanted <= SOCKETS);
                    if self.is_alone {
                        host.punch.stay_alone();
                    }
                }
            }
        }
        while let Some(transmit) = self.hosts[index].punch.poll_transmit() {
            let host = &mut self.hosts[index];
            host.sent += 1;
            if self.rng.random_bool(self.weather.loss) || (self.is_deep && transmit.ttl.is_some()) {
                continue;
            }
            let from = host.router.out(transmit.socket, transmit.to, &mut self.rng);
            let arrives = transmit.ttl.is_none_or(|ttl| ttl >= HOPS);
            if arrives && !self.rng.random_bool(self.weather.loss) {
                self.order += 1;
                self.flying.insert(self.order, (from, transmit.to, transmit.bytes));
                let at = self.now + self.weather.latency;
                self.packets.push(Reverse((at, self.order, 1 - index)));
            }
        }
    }

    /// Runs until both know a way, or one knows that there is none.
    fn run(&mut self) {
        let end = self.now + Duration::from_secs(120);
        while self.now < end {
            if self.hosts.iter().all(|host| host.open.is_some())
                || self.hosts.iter().any(|host| host.failed.is_some())
            {
                return;
            }
            let packet = self.packets.peek().map(|Reverse((at, ..))| *at);
            let timers = self.hosts.iter().filter_map(|host| host.punch.poll_timeout());
            let next = timers.chain(packet).chain(self.next_record).min().unwrap();
            let passed = self.now.max(next) - self.now;
            self.now += passed;
            for router in self.hosts.each_mut().map(|host| &mut host.router) {
                if let Maps::Counting(step) = router.maps
                    && self.rng.random_bool((self.taken_a_second * passed.as_secs_f64()).min(1.0))
                {
                    router.next = router.next.wrapping_add_signed(step);
                }
            }
            if let Some((_, mapping)) =
                self.known_later.take_if(|(later, _)| self.now - self.began >= *later)
            {
                self.hosts[0].mapping = mapping;
            }
            while let Some(Reverse((at, order, to))) = self.packets.peek().copied()
                && at <= self.now
            {
                self.packets.pop();
                let (from, address, bytes) = self.flying.remove(&order).unwrap();
                let host = &mut self.hosts[to];
                if host.router.ip == address.ip()
                    && let Some(socket) = host.router.in_(from, address.port())
                {
                    assert!(host.punch.handle_probe(self.now, socket, from, &bytes));
                    self.pump(to);
                }
            }
            for index in 0..2 {
                if self.next_record[index] <= self.now {
                    self.next_record[index] = self.now + self.weather.record;
                    let (record, now) = (self.record_of(1 - index), self.now);
                    let host = &mut self.hosts[index];
                    host.punch.set_own(now, &host.external, host.mapping);
                    host.punch.handle_record(now, record);
                    self.pump(index);
                }
                self.hosts[index].punch.handle_timeout(self.now);
                self.pump(index);
            }
        }
    }

    /// Both know a way, and QUIC's packets get through it, there and back.
    #[track_caller]
    fn is_open(&mut self) {
        let [first, second] = &self.hosts;
        let (one, two) = (first.open.expect("first"), second.open.expect("second"));
        assert_ne!(one.2, two.2, "one dials");
        let dialer = usize::from(two.2);
        let (socket, remote, _) = self.hosts[dialer].open.unwrap();
        let from = self.hosts[dialer].router.out(socket, remote, &mut self.rng);
        let listener = &mut self.hosts[1 - dialer].router;
        assert_eq!(listener.ip, remote.ip());
        assert_eq!(listener.in_(from, remote.port()), Some(0), "QUIC listens on the first socket");
        let back = self.hosts[1 - dialer].router.out(0, from, &mut self.rng);
        assert_eq!(back, remote);
        assert_eq!(self.hosts[dialer].router.in_(back, from.port()), Some(socket));
    }
}

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
