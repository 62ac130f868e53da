//! What is bounded, over its bound.

use std::collections::HashSet;

use libp2p::kad::PeerInfo;

use super::{
    name::Name,
    public::{ASKED_FAST, End, LOOK_UP_EACH, MAX_ASKS, MAX_LOOKUPS},
    *,
};
use crate::{
    net::{
        Config,
        rendezvous::{EPOCH_SECONDS, Side},
    },
    node::api::Scope,
};

/// A network that nobody is in; it is never polled, so that no packet leaves.
fn net(public_dht: bool) -> Net {
    let nobody = vec!["/ip4/127.0.0.1/tcp/1".parse().unwrap()];
    let listen = vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap()];
    let scope = Scope::Everywhere;
    let config = Config { scope, listen, bootstrap: nobody, public_dht, ..Config::default() };
    let mut net = Net::start(&config).unwrap();
    // Two observers agree, so that there is something to tell.
    for observer in [1, 2] {
        let observer = [203, 0, 113, observer].into();
        let seen = "198.51.100.1:4001".parse().unwrap();
        net.observed.handle(Instant::now(), observer, seen, true);
    }
    net
}

fn sought(numbers: std::ops::Range<u32>) -> Vec<Sought> {
    let one = |number: u32| {
        let mut secret = [7; 32];
        secret[..4].copy_from_slice(&number.to_be_bytes());
        Sought { secret: PairSecret::from_bytes(secret), side: Side::First }
    };
    numbers.map(one).collect()
}

fn node() -> (PeerId, Multiaddr) {
    (PeerId::random(), "/ip4/203.0.113.1/udp/4001/quic-v1".parse().unwrap())
}

#[tokio::test]
async fn those_sought_and_the_last_words_of_those_found_are_bounded() {
    let mut net = net(false);
    let most = u32::try_from(MAX_SOUGHT).unwrap();
    net.seek(sought(0..most + 9));
    assert_eq!(net.seeks.all.len(), MAX_SOUGHT);
    for seek in net.seeks.all.values_mut() {
        seek.after = 5;
    }
    net.seek(Vec::new());
    assert_eq!(net.seeks.last_words.len(), MAX_SOUGHT);
    net.seek(sought(0..1));
    assert!(net.seeks.all.values().all(|seek| seek.after == 5), "the last word is known");
    net.seek(sought(most..most + 9));
    net.seek(Vec::new());
    assert!(net.seeks.last_words.len() <= MAX_SOUGHT, "{}", net.seeks.last_words.len());
}

#[tokio::test]
async fn queries_are_bounded_and_whoever_had_no_turn_waits() {
    let mut net = net(false);
    let (peer, address) = node();
    net.dht_mut(Dht::Own).unwrap().add_node(&peer, address);
    net.nodes.insert((ConnectionId::new_unchecked(1), Dht::Own), peer);
    net.seek(sought(0..100));
    net.seek_due();
    let queries = net.seeks.queries.len();
    assert!((MAX_QUERIES - 1..=MAX_QUERIES).contains(&queries), "{queries}");
    let read = |net: &Net| -> HashSet<SeekId> {
        let reads = net.seeks.queries.values().filter_map(|query| match query {
            Query::Read { seek, .. } => Some(*seek),
            _ => None,
        });
        reads.collect()
    };
    let first = read(&net);
    assert!(!first.is_empty());
    assert_eq!(net.may_ask(Instant::now()), [false; 2], "until a query ends");
    net.seeks.touch(Instant::now());
    net.seek_due();
    assert_eq!(read(&net), first);

    // All of them are due, and those who had their turn were due later.
    net.seeks.queries.clear();
    let now = Instant::now();
    for id in &first {
        let carrier = net.seeks.all.get_mut(id).unwrap().carrier(Dht::Own);
        carrier.read_due = now;
        carrier.write_later(now);
    }
    net.seeks.touch(now);
    net.seek_due();
    let second = read(&net);
    assert!(!second.is_empty() && second.is_disjoint(&first));
}

#[tokio::test]
async fn look_ups_are_bounded() {
    let mut net = net(true);
    let (peer, address) = node();
    net.dht_mut(Dht::Public).unwrap().add_node(&peer, address);
    net.seek(sought(0..100));
    net.seek_due();
    assert_eq!(net.seeks.queries.len(), MAX_LOOKUPS);
    assert!(net.seeks.queries.values().all(|query| matches!(query, Query::Nodes { .. })));
    let looked_up = net.seeks.all.values().map(|seek| seek.names.len()).sum::<usize>();
    assert_eq!(looked_up, MAX_LOOKUPS, "the others' turn comes later");
}

#[tokio::test]
async fn of_many_whom_nobody_waits_for_two_names_are_looked_up_at_a_time() {
    for (count, at_once) in [(AT_ONCE, MAX_LOOKUPS), (AT_ONCE + 1, 2), (300, 2)] {
        let mut net = net(true);
        let (peer, address) = node();
        net.dht_mut(Dht::Public).unwrap().add_node(&peer, address);
        net.seek(sought(0..count));
        let now = Instant::now();
        net.seeks.all.values_mut().for_each(|seek| seek.fast_until = now);
        net.seek_due();
        assert_eq!(net.seeks.queries.len(), at_once, "{count}");
        if at_once == 2 {
            assert!(net.seeks.own_turn >= now + LOOK_UP_EACH);
            assert!(net.seeks.their_turn >= now + LOOK_UP_EACH);
            net.seeks.own_turn = now;
            for carrier in net.seeks.all.values_mut().map(|seek| seek.carrier(Dht::Public)) {
                carrier.read_due = now;
                carrier.write_later(now);
            }
            net.seeks.touch(now);
            net.seek_due();
            assert_eq!(net.seeks.queries.len(), 3, "another own one");
            // But for one who may be waiting. What they left is looked for at once.
            let mut looked_for = net.seeks.all.values_mut();
            looked_for.find(|seek| seek.names.is_empty()).unwrap().hurry(Instant::now());
            net.seeks.touch(now);
            net.seek_due();
            assert_eq!(net.seeks.queries.len(), MAX_LOOKUPS);
        }
    }
}

#[test]
fn many_who_are_sought_since_the_same_moment_are_looked_for_one_after_the_other() {
    let now = Instant::now();
    for count in [10, 100, 300] {
        let mut seeks = Seeks::default();
        for sought in sought(0..count) {
            let id = *blake3::hash(sought.secret.as_bytes()).as_bytes();
            let mut seek = Seek::new(sought, 1, 0, now);
            seek.fast_until = now;
            seeks.all.insert(id, seek);
        }
        let mut tenths = [0; 15];
        let (_, slow) = Pace::of(Dht::Public).pauses(0, count);
        for _ in 0..count {
            let (_, pause) = seeks.read_pauses(Dht::Public, now);
            let tenth = usize::try_from(10 * pause.as_millis() / slow.as_millis()).unwrap();
            tenths[tenth] += 1;
        }
        let most = *tenths.iter().max().unwrap();
        if count <= AT_ONCE {
            assert_eq!(tenths[10], count);
        } else {
            assert!(most <= count / 5 + 8, "{most} of {count} in a tenth of the time");
            assert_eq!(tenths[..5].iter().sum::<u32>(), 0, "not sooner");
        }
    }
}

#[tokio::test]
async fn of_many_whom_nobody_waits_for_each_has_a_time_to_be_looked_up() {
    for count in [30, 100, 300] {
        let mut net = net(true);
        let (peer, address) = node();
        net.dht_mut(Dht::Public).unwrap().add_node(&peer, address);
        net.seek(sought(0..count));
        let now = Instant::now();
        for seek in net.seeks.all.values_mut() {
            seek.fast_until = now;
            seek.carrier(Dht::Public).first = None;
        }
        net.seek_due();
        let within = net.seeks.turns(Dht::Public);
        assert_eq!(within, LOOK_UP_EACH * count);
        let later = |after: Duration| {
            let at = now + after;
            net.seeks
                .all
                .values()
                .filter(move |seek| seek.poll_timeout([false, true]).unwrap() > at)
        };
        // Two are looked up; but for chance, the rest have their turn in all parts of the time in
        // which they are written to and looked for, of which this hour's end may leave a part.
        let count = usize::try_from(count).unwrap();
        let put_off = Pace::of(Dht::Public).put_off(within);
        let over = (epochs(wall_clock()).into_iter().max().unwrap() + 1) * 1000 * EPOCH_SECONDS;
        let left = Duration::from_millis(over.saturating_sub(wall_clock()));
        let waiting = later(within.min(put_off).min(left) / 10).count();
        assert!(waiting >= count / 2, "{waiting} of {count} wait");
        assert_eq!(later(within + Duration::from_secs(11)).count(), 0);
        assert!((1..=2).contains(&net.seeks.queries.len()));
    }
}

#[tokio::test]
async fn who_keeps_what_was_written_is_looked_up_again_if_too_few_were_found() {
    let mut net = net(true);
    let (peer, address) = node();
    net.dht_mut(Dht::Public).unwrap().add_node(&peer, address);
    let own = net.own_record();
    let now = Instant::now();
    for (until, look_ups) in [(None, 0), (Some(now), 1)] {
        net.seeks = Seeks::default();
        net.seek(sought(0..1));
        let epochs = epochs(wall_clock());
        let seek = net.seeks.all.values_mut().next().unwrap();
        for epoch in &epochs {
            for side in [Side::First, Side::Second] {
                seek.names.insert((side, *epoch), Name::of(vec![peer]));
            }
            if let Some(now) = until {
                seek.names.get_mut(&(Side::First, *epoch)).unwrap().wait(now, Duration::ZERO);
            }
            seek.wrote(Dht::Public, &epochs, (*epoch, own.clone()), now);
        }
        net.seek_due();
        let queries = net.seeks.queries.values();
        let nodes = queries.filter(|query| matches!(query, Query::Nodes { side: Side::First, .. }));
        assert_eq!(nodes.count(), look_ups * epochs.len(), "{until:?}");
        assert!(!net.seeks.asks.is_empty());
    }
}

#[tokio::test]
async fn a_look_up_that_led_to_one_network_is_not_the_last_of_the_hour() {
    let mut net = net(true);
    net.seek(sought(0..1));
    let (id, name) = (*net.seeks.all.keys().next().unwrap(), (Side::Second, 5));
    for (networks, kept) in [(1, 2), (20, 20)] {
        let mut found = Vec::new();
        for n in 0..20 {
            let at = |network: usize| -> Multiaddr {
                format!("/ip4/198.18.{network}.{n}/udp/4001/quic-v1").parse().unwrap()
            };
            let peer_id = PeerId::random();
            net.dht_mut(Dht::Public).unwrap().meets(peer_id, &at(n % networks));
            // Each is said to be in a network of its own.
            found.push(PeerInfo { peer_id, addrs: vec![at(n)] });
        }
        net.handle_nodes(id, name, found, End::Complete);
        let name = &net.seeks.all[&id].names[&name];
        assert_eq!(name.nodes.len(), kept);
        assert!(!name.wants_others(Instant::now()));
        let in_an_hour = Instant::now() + Duration::from_secs(3600);
        assert_eq!(name.wants_others(in_an_hour), networks == 1);
    }
}

#[tokio::test]
async fn a_look_up_in_which_one_was_not_believed_is_not_the_last_of_the_hour() {
    let mut net = net(true);
    net.seek(sought(0..1));
    let (id, name) = (*net.seeks.all.keys().next().unwrap(), (Side::Second, 5));
    let patient = |net: &mut Net| {
        net.seeks.all.get_mut(&id).unwrap().fast_until = Instant::now();
    };
    patient(&mut net);
    let mut found = Vec::new();
    for n in 0..20 {
        let address: Multiaddr = format!("/ip4/198.18.{n}.1/udp/4001/quic-v1").parse().unwrap();
        let peer_id = PeerId::random();
        net.dht_mut(Dht::Public).unwrap().meets(peer_id, &address);
        found.push(PeerInfo { peer_id, addrs: vec![address] });
    }
    let in_time = |net: &Net, seconds| {
        let name = &net.seeks.all[&id].names[&name];
        !name.wants_others(Instant::now() + Duration::from_secs(seconds))
    };
    for (end, good_for) in [
        // Nobody waits.
        (End::Incomplete, 3600),
        (End::Doubtful, 600),
        (End::Doubtful, 1200),
        (End::Complete, 9999),
    ] {
        net.handle_nodes(id, name, found.clone(), end);
        assert!(in_time(&net, good_for - 60), "{end:?}");
        assert_eq!(in_time(&net, good_for + 60), good_for == 9999, "{end:?}");
        // On another network others are believed.
        net.seeks.reset(Instant::now());
        assert_eq!(in_time(&net, 0), end == End::Complete);
        patient(&mut net);
    }
}

#[tokio::test]
async fn whoever_is_not_found_and_what_is_not_kept_cost_less_and_less() {
    let mut net = net(true);
    net.seek(sought(0..1));
    let id = *net.seeks.all.keys().next().unwrap();
    let name = (net.seeks.all[&id].side, 5);
    let patient = |net: &mut Net| {
        let seek = net.seeks.all.get_mut(&id).unwrap();
        seek.fast_until = Instant::now();
    };
    let pause = |net: &Net| {
        let (name, now) = (&net.seeks.all[&id].names[&name], Instant::now());
        let waits = |second: &u64| !name.wants_others(now + Duration::from_secs(*second));
        (0..4000).take_while(waits).count()
    };
    // What has passed since is taken off.
    let near = |pause: usize, seconds: usize| (seconds - 9..=seconds).contains(&pause);
    patient(&mut net);
    for least in [30, 60, 120, 240, 480, 600, 600] {
        net.handle_nodes(id, name, Vec::new(), End::Incomplete);
        assert!(near(pause(&net), least), "{} instead of {least}", pause(&net));
    }
    net.seeks.all.get_mut(&id).unwrap().hurry(Instant::now());
    assert_eq!(pause(&net), 0, "somebody may be waiting");
    for _ in 0..3 {
        net.handle_nodes(id, name, Vec::new(), End::Incomplete);
        assert!(near(pause(&net), 30));
    }
    patient(&mut net);
    for least in [1200, 2400, 3600, 3600] {
        net.seeks.all.get_mut(&id).unwrap().is_not_kept(Instant::now());
        assert!(net.seeks.all[&id].names[&name].nodes.is_empty(), "others are to keep it");
        assert!(near(pause(&net), least), "{} instead of {least}", pause(&net));
    }
}

#[tokio::test]
async fn of_a_name_whose_look_ups_never_end_few_are_begun_in_an_hour() {
    let mut net = net(true);
    net.seek(sought(0..1));
    let (id, name) = (*net.seeks.all.keys().next().unwrap(), (Side::Second, 5));
    let (peer_id, address) = node();
    net.dht_mut(Dht::Public).unwrap().meets(peer_id, &address);
    let found = [PeerInfo { peer_id, addrs: vec![address] }];
    let usable_for = |net: &mut Net, is_fast: bool| {
        let now = Instant::now();
        let until = if is_fast { now + Duration::from_secs(9) } else { now };
        net.seeks.all.get_mut(&id).unwrap().fast_until = until;
        net.handle_nodes(id, name, found.to_vec(), End::Incomplete);
        let name = &net.seeks.all[&id].names[&name];
        let waits = |second: &u64| !name.wants_others(now + Duration::from_secs(*second));
        (0..4000).take_while(waits).count()
    };
    // Rounded up, so that it does not matter how long this takes.
    let fast = |net: &mut Net| (3..9).contains(&usable_for(net, true));
    assert!((0..20).all(|_| fast(&mut net)));
    for least in [120, 240, 480, 960, 1920, 3600, 3600] {
        let pause = usable_for(&mut net, false);
        assert!((least..least + 9).contains(&pause), "{pause} instead of {least}");
    }
    assert!(fast(&mut net), "somebody may be waiting again");
}

#[tokio::test]
async fn questions_are_bounded() {
    let mut net = net(true);
    net.seek(sought(0..3));
    let ids: Vec<_> = net.seeks.all.keys().copied().collect();
    let epoch = epoch(wall_clock());
    for seek in net.seeks.all.values_mut() {
        let nodes = (0..20).map(|_| PeerId::random()).collect();
        seek.names.insert((Side::Second, epoch), Name::of(nodes));
    }
    net.ask(ids[0], Side::Second, epoch);
    assert_eq!(net.seeks.asks.len(), ASKED_FAST);
    // One whose answer came makes that the bound is met in the midst of a turn.
    let any = *net.seeks.asks.keys().next().unwrap();
    net.seeks.asks.remove(&any);
    for id in ids.iter().cycle().take(MAX_ASKS) {
        net.ask(*id, Side::Second, epoch);
    }
    assert_eq!(net.seeks.asks.len(), MAX_ASKS);
}

#[tokio::test]
async fn punches_with_many_sockets_are_bounded_and_the_next_has_the_place_of_one_that_is_over() {
    let mut net = net(false);
    net.seek(sought(0..u32::try_from(MAX_MANY).unwrap() + 1));
    let mut ids: Vec<_> = net.seeks.all.keys().copied().collect();
    let own = Record { external: vec!["127.0.0.1:4001".parse().unwrap()], ..net.own_record() };
    for seek in net.seeks.all.values_mut() {
        seek.their = Some(own.clone());
    }
    for id in &ids {
        net.open_sockets(*id, 3);
    }
    let sockets = |net: &Net, id: &SeekId| net.seeks.all[id].sockets.len();
    let last = ids.pop().unwrap();
    assert!(ids.iter().all(|id| sockets(&net, id) == 2));
    assert_eq!(sockets(&net, &last), 0);
    net.seeks.all.get_mut(&ids[0]).unwrap().sockets.clear();
    net.open_sockets(last, 3);
    assert_eq!(sockets(&net, &last), 2);
}
