//! Friends behind NATs, with nothing between them but two nodes of the DHT. All pairs, many times:
//! `benches/nat_matrix.rs`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{
    at_most, figure,
    lab::{run, wait_for},
    measured_or,
    nat::{Internet, Nat, probe},
    process::Process,
    profile::{id, pair, say, wait_online},
    world::{World, path, time_to_online, time_to_told},
};

/// A delay takes as long as it says, either way.
pub fn a_delay_is_one() {
    const ONE_WAY: Duration = Duration::from_millis(50);
    let mut internet = Internet::new(&[(Nat::PortRestricted, 1)]);
    let round_trip = |internet: &Internet| {
        let took = probe::round_trip(&internet.public, &internet.sites[0].hosts[0]);
        figure("round trip", format!("{} ms", took.as_millis()));
        took
    };
    assert!(round_trip(&internet) < Duration::from_millis(30));
    internet.delay(ONE_WAY);
    // One device at each end of a cable, one cable for each of the three plugs.
    assert_eq!(run(&format!("ip -n {} -o link show type tun", internet.wan)).lines().count(), 6);
    let took = round_trip(&internet);
    assert!(took >= 2 * ONE_WAY && took < 2 * ONE_WAY + Duration::from_millis(40), "{took:?}");
}

/// Each packet takes a little more or less than the delay, so that some overtake others; without
/// jitter none does.
pub fn a_delay_may_jitter() {
    let millis = Duration::from_millis;
    for jitter in [millis(0), millis(15)] {
        let mut internet = Internet::new(&[(Nat::None, 1)]);
        internet.delay_with_jitter(millis(50), jitter);
        let trips = probe::round_trips(&internet.public, &internet.sites[0].hosts[0]);
        let times = trips.iter().map(|(_, took)| *took);
        let (least, most) = (times.clone().min().unwrap(), times.max().unwrap());
        let said = format!("{} to {} ms", least.as_millis(), most.as_millis());
        figure(&format!("{} round trips, jitter of {jitter:?}", trips.len()), &said);
        assert_eq!(trips.len(), 50, "none is lost");
        assert!(least + 2 * jitter >= 2 * millis(50), "{said}");
        at_most("the longest", most, 2 * (millis(50) + jitter) + millis(40), millis(5000));
        assert_eq!(trips.is_sorted_by_key(|(number, _)| *number), jitter.is_zero(), "{trips:?}");
        assert!(jitter.is_zero() || most >= least + jitter, "{said}");
    }
}

/// Pairs by an invite, then meets again as a known pair.
fn connects(a: Nat, b: Nat) {
    connect(&World::new(a, b));
}

/// The same, and a packet from one to the other takes so many milliseconds, a few more or less.
fn connects_slowly(a: Nat, b: Nat, one_way: u64, jitter: u64) {
    let mut world = World::new(a, b);
    let [one_way, jitter] = [one_way, jitter].map(Duration::from_millis);
    world.internet.delay_with_jitter(one_way, jitter);
    let took = connect(&world);
    assert!(took <= Duration::from_secs(15), "{took:?}");
}

fn connect(world: &World) -> Duration {
    let [a, b] = [0, 1].map(|site| world.internet.sites[site].nat);
    let [one, two] = world.start();
    let began = Instant::now();
    pair(&one, &two);
    figure(&format!("{a} × {b}, invite"), format!("{:.2} s", began.elapsed().as_secs_f64()));
    let ids = [id(&one), id(&two)];
    one.shutdown();
    two.shutdown();
    let [one, two] = world.start();
    let took = time_to_online(&one, &two, &ids).expect("online within 30 s");
    figure(&format!("{a} × {b}, known"), format!("{:.2} s", took.as_secs_f64()));
    at_most("online", took, Duration::from_secs(15), Duration::from_secs(30));
    for (process, nat) in [(&one, a), (&two, b)] {
        let path = path(process);
        assert!(path == "punched" || (path == "direct" && [a, b].contains(&Nat::None)), "{path}");
        let filtering = process.call("network", json!({}))["nat"]["filtering"].clone();
        assert!(nat.may_show(filtering.as_str().unwrap()), "{nat}: {filtering}");
    }
    took
}

macro_rules! pairs {
    ($($name:ident: $a:ident, $b:ident;)*) => {
        $(pub fn $name() { connects(Nat::$a, Nat::$b); })*
    };
}

pairs! {
    port_restricted_both: PortRestricted, PortRestricted;
    full_cone_and_firewall: FullCone, Firewall;
    other_ports_and_open_input: OtherPorts, OpenInput;
    symmetric_and_restricted: Symmetric, Restricted;
    symmetric_and_port_restricted: Symmetric, PortRestricted;
    cgnat_and_counting: Carrier, Counting;
    udp_blocked_both: UdpBlocked, UdpBlocked;
    udp_blocked_and_none: UdpBlocked, None;
    rejecting_both: Rejecting, Rejecting;
}

pub fn far_apart_port_restricted_both() {
    connects_slowly(Nat::PortRestricted, Nat::PortRestricted, 100, 0);
}

pub fn far_apart_symmetric_and_port_restricted() {
    connects_slowly(Nat::Symmetric, Nat::PortRestricted, 100, 0);
}

/// Packets overtake each other.
pub fn far_apart_with_jitter() {
    connects_slowly(Nat::PortRestricted, Nat::PortRestricted, 100, 30);
}

/// So far that by TCP the dials of both cross.
pub fn far_apart_udp_blocked_and_none() {
    connects_slowly(Nat::UdpBlocked, Nat::None, 200, 0);
}

/// What NATs make impossible, IPv6 makes possible, though firewalls let nothing in.
pub fn ipv6_helps_two_symmetric() {
    connects(Nat::SymmetricIpv6, Nat::SymmetricIpv6);
}

/// Two in one LAN find each other by what their records say of it, without mDNS, and though their
/// router does not turn packets round.
pub fn one_lan_without_hairpin() {
    behind_one_nat(Internet::new(&[(Nat::PortRestricted, 2)]), "lan");
}

/// Two in one network that keeps its guests apart meet by way of a router that turns packets
/// round.
pub fn one_router_with_hairpin() {
    let internet = Internet::new(&[(Nat::FullCone, 2)]);
    internet.isolate(0);
    internet.hairpin(0);
    behind_one_nat(internet, "punched");
}

fn behind_one_nat(internet: Internet, expected: &str) {
    let world = World::on(internet);
    let start = || [0, 1].map(|n| world.people[n].start_with(&["--no-mdns"]));
    let [a, b] = start();
    pair(&a, &b);
    let ids = [id(&a), id(&b)];
    a.shutdown();
    b.shutdown();
    let [a, b] = start();
    let took = time_to_online(&a, &b, &ids).expect("online within 30 s");
    figure(&format!("behind one NAT, {expected}"), format!("{:.2} s", took.as_secs_f64()));
    at_most("online", took, Duration::from_secs(15), Duration::from_secs(30));
    for process in [&a, &b] {
        assert_eq!(path(process), expected);
    }
}

/// Two in one LAN, of whom one has no way out of it, or neither has, pair and talk.
pub fn a_lan_needs_no_way_out() {
    let world = World::on(Internet::new(&[(Nat::PortRestricted, 2)]));
    let [router] = &*world.internet.sites[0].routers else { panic!("one router") };
    let host = &world.internet.sites[0].hosts[1];
    run(&format!("ip -n {host} route del default"));
    let [a, b] = world.start();
    let conversation = pair(&a, &b);
    say(&a, &b, &conversation, "only one of us has a way out");
    a.shutdown();
    b.shutdown();
    run(&format!("ip -n {router} link set wan0 down"));
    let [a, b] = world.start();
    wait_online(&a, &id(&b));
    wait_online(&b, &id(&a));
    say(&b, &a, &conversation, "and now nobody has");
    for process in [&a, &b] {
        assert_eq!(path(process), "lan");
    }
}

/// Two who can't meet, which they are told soon, and what would help.
pub fn two_symmetric_are_told_why() {
    are_told_why(Duration::ZERO);
}

/// The same where a packet takes 100 ms.
pub fn far_apart_two_symmetric_are_told_why() {
    are_told_why(Duration::from_millis(100));
}

fn are_told_why(one_way: Duration) {
    let (mut world, ids) = World::apart(Nat::Symmetric, Nat::Symmetric);
    if !one_way.is_zero() {
        world.internet.delay(one_way);
    }
    let [a, b] = world.start();
    let took = time_to_told(&a, &b, &ids, "another port for each connection");
    let took = took.expect("told in time");
    let what = format!("impossible pair told, {} ms apart", one_way.as_millis());
    figure(&what, format!("{:.1} s", took.as_secs_f64()));
}

/// The word of somebody who has ended lies in the DHT for hours: it is no sign of life.
pub fn who_has_ended_is_not_said_to_be_there() {
    let world = World::new(Nat::PortRestricted, Nat::PortRestricted);
    let [a, b] = world.start();
    pair(&a, &b);
    let other = id(&b);
    a.shutdown();
    b.shutdown();
    let a = world.people[0].start();
    wait_for("the old word is found", || {
        let why = a.call("why", json!({ "contact": other }));
        let advice = why["advice"].as_str().unwrap();
        assert!(!advice.contains("is there."), "{advice}");
        advice.contains("perhaps entrenous has ended there")
    });
}

/// Once connected, two need nothing in between: the DHT ends, no byte of the chat ever passed it,
/// and the routers, which forget after 30 s, do not forget.
pub fn nothing_is_between() {
    let mut world = World::new(Nat::PortRestricted, Nat::PortRestricted);
    world.internet.forget_after(0, 30);
    world.internet.forget_after(1, 30);
    let [a, b] = world.start();
    let conversation = pair(&a, &b);
    let nodes = || -> u64 {
        let public = world.internet.public.iter();
        public.map(|public| Internet::traffic(&public.namespace, "eth0")).sum()
    };
    let before = nodes();
    let text = "x".repeat(1000);
    for _ in 0..200 {
        say(&a, &b, &conversation, &text);
    }
    let passed = nodes() - before;
    figure("bytes at the DHT while 200,000 were said", passed);
    assert!(passed < 40_000, "{passed} bytes passed the nodes of the DHT");

    world.nodes.clear();
    for gap in measured_or(vec![45; 10], vec![35]) {
        // Silence is what is tested: longer than a router remembers.
        std::thread::sleep(Duration::from_secs(gap));
        let began = Instant::now();
        say(&b, &a, &conversation, "still there?");
        say(&a, &b, &conversation, "still here");
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
    for process in [&a, &b] {
        let gone = process.events("contactState").into_iter().find(|e| e["state"] == "offline");
        assert_eq!(gone, None);
    }
}

/// A hundred who are not there cost little.
pub fn many_offline_cost_little() {
    const OFFLINE: u32 = 100;
    let world = World::new(Nat::PortRestricted, Nat::PortRestricted);
    let World { internet, nodes: _nodes, people: [person, _], .. } = world;
    let log = "ENTRENOUS_LOG=off,entrenous=debug";
    let person = person.with_contacts(OFFLINE).wrapped(&["env", log]);
    let a = person.start();
    let host = &internet.sites[0].hosts[0];
    // What is measured is the steady cost, after the first minute.
    std::thread::sleep(Duration::from_secs(measured_or(75, 5)));
    let count = || {
        let queries = ["looks for word", "leaves word"].map(|words| a.logged(words));
        (Internet::traffic(host, "eth0"), queries)
    };
    let (bytes_before, [looks_before, words_before]) = count();
    let time = measured_or(300, 5);
    std::thread::sleep(Duration::from_secs(time));
    let (bytes, [looks, words]) = count();
    let a_second = (bytes - bytes_before) / time;
    let (looks, words) = (looks - looks_before, words - words_before);
    figure(
        &format!("{OFFLINE} offline contacts, bytes a second"),
        format!("{a_second}, {looks} looks and {words} times word left in {time} s"),
    );
    at_most("bytes a second", a_second, 3_000, 100_000);
}

/// Whoever is killed, or moves to another address, is found again.
pub fn who_was_lost_is_found_again() {
    let world = World::new(Nat::PortRestricted, Nat::Restricted);
    let [a, b] = world.start();
    let conversation = pair(&a, &b);
    let ids = [id(&a), id(&b)];
    let (b, found) = world.kill_second(&a, b, &ids);
    figure("found again after kill -9", format!("{:.1} s", found.as_secs_f64()));

    let host = &world.internet.sites[0].hosts[0];
    let move_away = format!(
        "ip -n {host} addr del 10.1.0.10/24 dev eth0 && \
         ip -n {host} addr add 10.1.0.77/24 dev eth0 && \
         ip -n {host} route add default via 10.1.0.1"
    );
    let found = found_again([&a, &b], &conversation, &move_away);
    figure("found again at another address", format!("{:.1} s", found.as_secs_f64()));
    at_most("found again", found, Duration::from_secs(10), Duration::from_secs(25));
}

/// How long it takes until two who are online have heard of each other again after this command.
fn found_again([a, b]: [&Process; 2], conversation: &Value, command: &str) -> Duration {
    run(command);
    let began = Instant::now();
    say(a, b, conversation, "do you hear me?");
    say(b, a, conversation, "I do");
    began.elapsed()
}

/// Whoever has another default route from now on, by another router, is found again, though all
/// addresses stay: the network is another one without a cable pulled.
pub fn who_takes_another_way_out_is_found_again() {
    let kinds = [Nat::PortRestricted, Nat::Restricted, Nat::PortRestricted];
    let world = World::on(Internet::new(&kinds.map(|kind| (kind, 1))));
    let host = &world.internet.sites[0].hosts[0];
    world.internet.plug(host, 2);
    let [a, b] = world.start();
    let conversation = pair(&a, &b);
    for router in ["10.3.0.1", "10.1.0.1"] {
        let turn = format!(
            "ip -n {host} route del default && ip -n {host} route add default via {router}"
        );
        let found = found_again([&a, &b], &conversation, &turn);
        figure("found again by another way out", format!("{:.1} s", found.as_secs_f64()));
        at_most("found again", found, Duration::from_secs(10), Duration::from_secs(25));
    }
}

/// Whose provider gives another address is found again, though at home nothing tells of it.
pub fn whose_router_gets_another_address_is_found_again() {
    let world = World::new(Nat::PortRestricted, Nat::Restricted);
    let [a, b] = world.start();
    let conversation = pair(&a, &b);
    // So long nobody is believed who says something else than he did.
    std::thread::sleep(Duration::from_secs(10));
    let router = &world.internet.sites[0].routers[0];
    let renumber = format!(
        "ip -n {router} addr del 203.0.113.101/24 dev wan0 && \
         ip -n {router} addr add 203.0.113.199/24 dev wan0"
    );
    let found = found_again([&a, &b], &conversation, &renumber);
    figure("found again at another public address", format!("{:.1} s", found.as_secs_f64()));
    at_most("found again", found, Duration::from_secs(10), Duration::from_secs(25));
}

/// Whoever sleeps is offline after a while, and is found again when he wakes.
pub fn who_slept_is_found_again() {
    let world = World::new(Nat::PortRestricted, Nat::PortRestricted);
    let [a, b] = world.start();
    let conversation = pair(&a, &b);
    let (sleeper, id) = (b.pid(), id(&b));
    run(&format!("kill -STOP {sleeper}"));
    a.event("contactState", |e| e["id"] == id && e["state"] == "offline");
    std::thread::sleep(Duration::from_secs(measured_or(120, 5)));
    run(&format!("kill -CONT {sleeper}"));
    let began = Instant::now();
    say(&b, &a, &conversation, "what did I miss?");
    say(&a, &b, &conversation, "nothing");
    figure("found again after sleep", format!("{:.1} s", began.elapsed().as_secs_f64()));
    at_most("found again", began.elapsed(), Duration::from_secs(12), Duration::from_secs(25));
}
