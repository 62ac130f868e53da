//! Two modelled NATs, and what lies between them: a fake clock, loss and latency.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashSet},
    net::IpAddr,
};

use super::super::*;

/// How far the two routers are apart.
pub const HOPS: u8 = 10;

/// How a router maps (RFC 4787 §4.1) and filters (§5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maps {
    /// No NAT.
    None,
    Independent,
    Random,
    Counting(i16),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filters {
    Nothing,
    Address,
    AddressAndPort,
    /// The same; and takes what does not pass for its own traffic, as Linux does whose input is
    /// open.
    AddressAndPortOpen,
}

pub struct Router {
    pub maps: Maps,
    pub filters: Filters,
    pub ip: IpAddr,
    /// Outside port to socket; and what the inside sent to from there.
    pub inside: HashMap<u16, usize>,
    pub outside: HashMap<(usize, Option<SocketAddr>), u16>,
    pub sent: HashSet<(u16, SocketAddr)>,
    /// What it took for its own traffic.
    pub taken: HashSet<(u16, SocketAddr)>,
    pub next: u16,
}

impl Router {
    pub fn new(maps: Maps, filters: Filters, ip: &str, rng: &mut StdRng) -> Self {
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
    pub fn out(&mut self, socket: usize, to: SocketAddr, rng: &mut StdRng) -> SocketAddr {
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
    pub fn moved(&mut self, port: u16, (socket, to): (usize, SocketAddr), rng: &mut StdRng) -> u16 {
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
    pub fn in_(&mut self, from: SocketAddr, port: u16) -> Option<usize> {
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

pub struct Host {
    pub punch: Punch,
    pub router: Router,
    pub run: u64,
    pub seen: u64,
    pub external: Vec<SocketAddr>,
    pub mapping: Mapping,
    pub open: Option<(usize, SocketAddr, bool)>,
    pub failed: Option<Failure>,
    pub sent: usize,
}

/// What the two meet in.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// What each of the routers loses, before it maps.
    pub loss: f64,
    pub latency: Duration,
    /// How long a record takes from one to the other.
    pub record: Duration,
}

pub const FAIR: Weather =
    Weather { loss: 0.0, latency: Duration::from_millis(20), record: Duration::from_millis(1100) };

pub struct World {
    pub hosts: [Host; 2],
    pub rng: StdRng,
    pub weather: Weather,
    pub now: Instant,
    pub began: Instant,
    pub order: u64,
    pub packets: BinaryHeap<Reverse<(Instant, u64, usize)>>,
    pub flying: HashMap<u64, (SocketAddr, SocketAddr, [u8; PROBE_LEN])>,
    pub next_record: [Instant; 2],
    /// Ports that others take of each NAT that counts.
    pub taken_a_second: f64,
    /// When the first learns how its NAT maps, if it does not know.
    pub known_later: Option<(Duration, Mapping)>,
    /// Openers die before they come to a NAT.
    pub is_deep: bool,
    /// Neither has more than one socket.
    pub is_alone: bool,
}

impl World {
    pub fn new(kinds: [(Maps, Filters); 2], weather: Weather, seed: u64) -> Self {
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

    pub fn record_of(&self, index: usize) -> Record {
        let host = &self.hosts[index];
        Record {
            run: host.run,
            seen: host.seen,
            external: host.external.clone(),
            mapping: host.mapping,
            ..Record::default()
        }
    }

    pub fn pump(&mut self, index: usize) {
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
    pub fn run(&mut self) {
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
    pub fn is_open(&mut self) {
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
