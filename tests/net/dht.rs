//! DHTs made of others' nodes, and of nodes that lie.

use std::{
    collections::HashSet,
    thread::sleep,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use entrenous::net::dht::Dht;
use serde_json::{Value, json};

use crate::support::{
    at_most,
    dht_nodes::{MAX_NODES, Mix, Nodes, ip_of, liar},
    figure,
    lab::wait_for,
    load::resident,
    measured_or, measuring,
    nat::{Internet, Nat, nft},
    profile::{id, pair},
    world::{path, people, time_to_online},
};

/// Two behind NATs who have nothing but nodes of this kind pair by an invite and meet again.
fn meet_by(dht: Dht, count: u16, mix: Mix) {
    let internet = Internet::new(&[(Nat::PortRestricted, 1), (Nat::PortRestricted, 1)]);
    let nodes = Nodes::start(dht, &internet.public, count, mix);
    // Three of each host are known at first, among them the honest one, and one who lies.
    let mut people = people(&internet, nodes.iter().flat_map(Nodes::first));
    let [one, two] = [people[0].start(), people[1].start()];
    let began = Instant::now();
    pair(&one, &two);
    let what = format!("{dht:?} DHT of {}, {mix:?}", 2 * count);
    figure(&format!("{what}, invite"), format!("{:.2} s", began.elapsed().as_secs_f64()));
    let ids = [id(&one), id(&two)];
    one.shutdown();
    two.shutdown();
    let host = &internet.sites[0].hosts[0];
    let before = Internet::traffic(host, "eth0");
    let [one, two] = [people[0].start(), people[1].start()];
    let took = time_to_online(&one, &two, &ids).expect("online within 30 s");
    let traffic = Internet::traffic(host, "eth0") - before;
    figure(&format!("{what}, known"), format!("{:.2} s, {traffic} bytes", took.as_secs_f64()));
    at_most("online", took, Duration::from_secs(15), Duration::from_secs(30));
    assert_eq!(path(&one), "punched");
    let dht = &one.call("network", json!({}))["dht"];
    assert!(dht["own"].as_u64().unwrap() + dht["public"].as_u64().unwrap() > 0, "{dht}");
    one.shutdown();
    two.shutdown();

    // Told of no node, they begin with those of the time before.
    for person in &mut people {
        person.with_only(&[]);
    }
    let [one, two] = [people[0].start(), people[1].start()];
    let took = time_to_online(&one, &two, &ids).expect("online within 30 s");
    figure(&format!("{what}, nodes remembered"), format!("{:.2} s", took.as_secs_f64()));
    at_most("online", took, Duration::from_secs(15), Duration::from_secs(30));
}

pub fn the_public_dht_alone() {
    meet_by(Dht::Public, 20, Mix::NobodyLies);
}

/// What nodes are given is of one size, has nothing in it that anybody could read, and lies under
/// other names in another hour.
pub fn what_nodes_hold_says_nothing() {
    let internet = Internet::new(&[(Nat::PortRestricted, 1), (Nat::PortRestricted, 1)]);
    let nodes = Nodes::start(Dht::Public, &internet.public, 5, Mix::NobodyLies);
    let kept = || nodes.iter().flat_map(Nodes::take_kept).collect::<Vec<_>>();
    let people = people(&internet, nodes.iter().flat_map(|nodes| &nodes.addresses));
    let [one, two] = [people[0].start(), people[1].start()];
    one.call("setName", json!({ "name": "Philomena Featherstone" }));
    let conversation = pair(&one, &two);
    let ids = [id(&one), id(&two)];
    let text = "the secret of the old lighthouse";
    for _ in 0..20 {
        let said = one.call("send", json!({ "conversation": conversation, "text": text }));
        two.event("message", |e| e["entry"] == said["entry"]);
    }
    one.shutdown();
    two.shutdown();
    let mut secrets = vec![text.as_bytes().to_vec(), b"Philomena".to_vec()];
    secrets.extend(ids.iter().map(|id| hex::decode(id.as_str().unwrap()).unwrap()));
    let before = kept();
    assert!(before.len() >= 4, "{} records", before.len());
    let names = |kept: &[(Vec<u8>, Vec<u8>)]| -> HashSet<_> {
        kept.iter().map(|(name, _)| name.clone()).collect()
    };
    // Two of the invite and two of the pair, of two hours if one began meanwhile.
    assert!(names(&before).len() <= 8, "{} names", names(&before).len());
    for (name, record) in &before {
        assert_eq!(record.len(), before[0].1.len());
        let contains = |part: &[u8], whole: &[u8]| whole.windows(part.len()).any(|w| w == part);
        for secret in &secrets {
            assert!(!contains(&secret[..8], record) && !contains(&secret[..8], name));
        }
    }
    let bytes: HashSet<_> = before.iter().map(|(_, record)| record).collect();
    figure("records that nodes were given", format!("{} of {}", bytes.len(), before[0].1.len()));

    let people = people.map(|person| person.wrapped(&AN_HOUR_LATER));
    let [one, two] = [people[0].start(), people[1].start()];
    time_to_online(&one, &two, &ids).expect("online within 30 s");
    let after = kept();
    assert!(!after.is_empty() && names(&before).is_disjoint(&names(&after)));
}

/// Runs a program with another clock. (Two hours, as names of the next are in use before it.)
const AN_HOUR_LATER: [&str; 4] = ["faketime", "--exclude-monotonic", "-f", "+2h"];

/// Of 20 nodes that may be asked, one says the truth; the rest forge, replay, cut, or are silent.
pub fn nodes_that_lie() {
    meet_by(Dht::Own, 10, Mix::OneIsHonest);
    meet_by(Dht::Public, 10, Mix::OneIsHonest);
}

/// Of 20 nodes two make up others that are closer, new ones each time, and two know nobody but
/// these four: friends meet by the rest, if slowly.
pub fn nodes_that_make_up_nodes() {
    for dht in Dht::ALL {
        meet_by(dht, 10, Mix::FewLie);
    }
}

/// The same if most of the six that are known at first make up others, or name each other alone.
pub fn nodes_that_make_up_nodes_are_most_of_the_first() {
    for dht in Dht::ALL {
        for liars in measured_or(3, 5)..=5 {
            meet_by(dht, 10, Mix::FirstLie(liars));
        }
    }
}

/// Those who are made up are thousands, and few of them are dialed, or remembered: who makes them up
/// is soon believed no more.
pub fn nodes_that_are_made_up_cost_little() {
    let worlds = Dht::ALL.map(|dht| {
        let mut internet = Internet::new(&[(Nat::PortRestricted, 1), (Nat::PortRestricted, 1)]);
        internet.swallow(liar::NOWHERE, 0);
        let nodes = Nodes::start(dht, &internet.public, 10, Mix::FewLie);
        let [person, _] = people(&internet, nodes.iter().flat_map(|nodes| &nodes.addresses));
        let person = person.wrapped(&GIVING_BACK);
        let one = person.start();
        for _ in 0..10 {
            one.call("createInvite", json!({}));
        }
        (dht, one, person, nodes, internet)
    });
    let pass = |seconds| sleep(Duration::from_secs(seconds));
    pass(measured_or(60, 20));
    let before = worlds.each_ref().map(|(_, one, ..)| resident(one.pid()));
    for pause in measured_or([60, 120, 360].as_slice(), &[20]) {
        pass(*pause);
        for ((dht, one, _, _, internet), before) in worlds.iter().zip(before) {
            let (dialed, packets) = internet.swallowed(0);
            let seconds = one.started.elapsed().as_secs();
            let grown = resident(one.pid()).saturating_sub(before) / 1024;
            let what = format!("{dht:?} DHT, made up");
            figure(
                &format!("{what}, dialed in {seconds} s"),
                format!("{dialed}, {packets} packets"),
            );
            figure(&format!("{what}, resident grown by"), format!("{grown} KiB"));
            let dialed = u64::try_from(dialed).unwrap();
            assert!(dialed > 0, "the lie is believed at first");
            assert!(dialed <= 400 + seconds / 2 && packets <= 5 * dialed);
            at_most("KiB grown", grown, 2048, 4096);
        }
    }
}

/// Has glibc give back what was large at once. To ask the system for the default gateway takes 2 MiB
/// for a moment, of which it would keep as much for each thread that did it.
const GIVING_BACK: [&str; 2] = ["env", "MALLOC_MMAP_THRESHOLD_=131072"];

/// Of ten nodes three see others at an address that is not theirs: nobody believes them.
pub fn nodes_that_lie_about_what_they_see() {
    let internet = Internet::new(&[(Nat::PortRestricted, 1), (Nat::PortRestricted, 1)]);
    let nodes = Nodes::start(Dht::Public, &internet.public, 5, Mix::NobodyLies);
    for (host, liars) in internet.public.iter().zip([2, 1]) {
        let liars: Vec<_> = (0..liars).map(|n| ip_of(host.ipv4.parse().unwrap(), n)).collect();
        let liars = liars.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        // What comes to them comes from elsewhere, as it seems to them.
        nft(
            &host.namespace,
            &format!(
                "table ip lie {{\nchain input {{\ntype nat hook input priority 100;\n\
                 meta l4proto {{ tcp, udp }} ip daddr {{ {liars} }} \
                 snat ip to 45.6.7.8:2000-60000 random\n}}\n}}"
            ),
        );
    }
    let people = people(&internet, nodes.iter().flat_map(|nodes| &nodes.addresses));
    let [one, two] = [people[0].start(), people[1].start()];
    pair(&one, &two);
    assert_eq!([path(&one), path(&two)], ["punched", "punched"]);
    for (person, own) in [(&one, "203.0.113.101"), (&two, "203.0.113.102")] {
        wait_for("the truth is known", || {
            let network = person.call("network", json!({}));
            let seen = network["external"].as_array().unwrap();
            let is_true =
                |seen: &Value| seen.as_str().unwrap().starts_with(&format!("/ip4/{own}/"));
            network["nat"]["mapping"] == "endpoint-independent"
                && !seen.is_empty()
                && seen.iter().all(is_true)
        });
    }
}

/// Nodes that were given are dialed once, and from then on when there is something to ask: they
/// end connections on which nothing is said.
pub fn nodes_that_are_given_are_not_dialed_again_and_again() {
    let internet = Internet::new(&[(Nat::PortRestricted, 1), (Nat::PortRestricted, 1)]);
    let nodes = Nodes::start(Dht::Public, &internet.public, 5, Mix::NobodyLies);
    let people = people(&internet, nodes.iter().flat_map(|nodes| &nodes.addresses));
    let one = people[0].start();
    wait_for("nodes are connected", || {
        one.call("network", json!({}))["dht"]["public"].as_u64().unwrap() >= 4
    });
    // Those that are too many are let go of after five seconds.
    sleep(Duration::from_secs(10));
    let host = &internet.sites[0].hosts[0];
    let before = Internet::traffic(host, "eth0");
    let time = 20;
    sleep(Duration::from_secs(time));
    let a_second = (Internet::traffic(host, "eth0") - before) / time;
    figure("ten nodes given and nobody sought, bytes a second", a_second);
    at_most("bytes a second", a_second, 1024, 1024);
}

/// What ten who are not there cost a program that has nothing but the public DHT.
pub fn who_is_not_there_costs_little() {
    offline_cost(10, 2048);
}

/// The same of a hundred, and of three hundred, who are not all looked up in each hour: so those do
/// not cost ten and thirty times as much.
pub fn a_hundred_who_are_not_there_cost_little() {
    offline_cost(100, 20_000);
}

pub fn three_hundred_who_are_not_there_cost_little() {
    offline_cost(300, 20_000);
}

/// A program with so many contacts who are not there, on the public DHT alone, costs at most so many
/// bytes a second, over an hour.
fn offline_cost(contacts: u32, most: u64) {
    let internet = Internet::new(&[(Nat::PortRestricted, 1), (Nat::PortRestricted, 1)]);
    let nodes =
        Nodes::start(Dht::Public, &internet.public, measured_or(MAX_NODES, 10), Mix::NobodyLies);
    let [person, _] = people(&internet, nodes.iter().flat_map(|nodes| &nodes.addresses[..3]));
    // It begins at the same time of the hour, whenever that is done: 640 s before the next.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let later = format!("+{}", 3600 - (since + 640) % 3600);
    let log = "ENTRENOUS_LOG=off,entrenous=debug";
    let wrapper = ["env", log, "faketime", "--exclude-monotonic", "-f", &later];
    let person = person.with_contacts(contacts).wrapped(&wrapper);
    let one = person.start();
    let host = &internet.sites[0].hosts[0];
    let mut before = (0, [0; 3]);
    let mut passed = |what: &str, time: u64| {
        sleep(Duration::from_secs(time));
        let now = Internet::traffic(host, "eth0");
        let queries = ["looks up a name", "asks a node", "leaves word"].map(|it| one.logged(it));
        let (bytes, [lookups, questions, words]) =
            (now - before.0, [0, 1, 2].map(|n| queries[n] - before.1[n]));
        before = (now, queries);
        figure(
            &format!("{contacts} offline on the public DHT, {what}, {time} s"),
            format!(
                "{bytes} bytes, {lookups} look-ups, {questions} questions, {words} times word left"
            ),
        );
        bytes
    };
    let at_first = passed("at first", measured_or(90, 30));
    // Somebody may be waiting at first, so all of them are looked up, as far as that goes.
    let (strict, everyday) =
        if contacts > 10 { (40_000_000, 15_000_000) } else { (12_000_000, 2_200_000) };
    at_most("bytes at first", at_first, strict, everyday);
    if !measuring() {
        return;
    }
    // The names of the next hour are in use from two minutes before it on, and looked up by whoever
    // is looked for next: of ten each once in 400 s.
    let hour = [("steady", 400), ("at the turn of an hour", 800), ("after it", 2400)];
    let a_second = hour.map(|(what, time)| passed(what, time)).iter().sum::<u64>() / 3600;
    figure(&format!("{contacts} offline on the public DHT, bytes a second over an hour"), a_second);
    at_most("bytes a second", a_second, most, most);
}
