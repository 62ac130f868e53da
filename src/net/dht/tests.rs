use std::{net::Ipv4Addr, time::SystemTime};

use libp2p::{
    core::transport::TransportError,
    identity::Keypair,
    kad::{ConnectionType, KadPeer, Record, store::RecordStore},
    swarm::dial_opts::PeerCondition,
};

use super::*;

fn record(key: &Keypair, sequence: u64) -> Record {
    let value = ipns::write(key, &[1; 512], sequence).unwrap();
    Record::new(ipns::key(&key.public().to_peer_id()), value)
}

fn fresh(now: u64) -> Record {
    record(&Keypair::generate_ed25519(), now)
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

fn node() -> Behaviour {
    Behaviour::new(Dht::Own, PeerId::random(), true)
}

fn network(last: u8) -> IpAddr {
    Ipv4Addr::new(203, 0, 113, last).into()
}

#[test]
fn only_what_proves_itself_and_is_newer_is_stored() {
    let (mut node, key, now) = (node(), Keypair::generate_ed25519(), now());
    let mut stores = |record| node.store(record, network(1));
    assert!(stores(record(&key, now)));
    assert!(!stores(record(&key, now)), "the same again");
    assert!(!stores(record(&key, now - 1)), "an older one");
    assert!(stores(record(&key, now + 1)));
    let other = Keypair::generate_ed25519();
    let forged = Record { key: record(&key, now).key, ..record(&other, now + 9) };
    assert!(!stores(forged));
    let mut bent = record(&other, now);
    bent.value[100] ^= 1;
    assert!(!stores(bent));
    let mut long = record(&other, now);
    long.value.resize(ipns::MAX_RECORD + 1, 0);
    assert!(!stores(long));
    assert!(!stores(Record::new(b"/pk/x".to_vec(), vec![1])));
    assert!(!stores(record(&other, 1_000_000)), "it ended long ago");
    assert_eq!(node.store_mut().records().count(), 1);
}

#[test]
fn a_flood_from_one_network_washes_out_nothing_of_others() {
    let (mut node, now) = (node(), now());
    let of_others: Vec<_> = (0..9).map(|_| fresh(now)).collect();
    for (last, record) in (2..).zip(&of_others) {
        assert!(node.store(record.clone(), network(last)));
    }
    let first = fresh(now);
    assert!(node.store(first.clone(), network(1)));
    for _ in 0..MAX_RECORDS {
        assert!(node.store(fresh(now), network(1)));
    }
    assert_eq!(node.store_mut().records().count(), MAX_RECORDS);
    assert_eq!(node.sources.len(), MAX_RECORDS);
    assert!(of_others.iter().all(|record| node.store_mut().get(&record.key).is_some()));
    assert!(node.store_mut().get(&first.key).is_none(), "its own oldest went");
}

#[test]
fn what_others_say_is_dialed_only_where_a_node_can_be() {
    let peer = PeerId::random();
    let of = |node: &Behaviour, address: &str| {
        node.is_plausible(&format!("{address}/p2p/{peer}").parse().unwrap())
    };
    let mut node = node();
    for good in ["/ip4/203.0.113.1/udp/4001/quic-v1", "/ip6/2001:db8::1/tcp/4001"] {
        assert!(of(&node, good), "{good}");
    }
    let local = ["/ip4/192.168.1.1/udp/4001/quic-v1", "/ip6/fd00::1/tcp/4001"];
    let never = [
        "/ip4/127.0.0.1/tcp/4001",
        "/ip4/192.168.1.1/tcp/80",
        "/ip4/203.0.113.1/udp/53/quic-v1",
        "/ip4/203.0.113.1/tcp/25",
        "/ip4/224.0.0.1/udp/4001/quic-v1",
        "/ip4/203.0.113.1/tcp/4001/ws",
        "/dns4/victim.example/tcp/4001",
        "/dnsaddr/victim.example",
    ];
    for bad in local.iter().chain(&never) {
        assert!(!of(&node, bad), "{bad}");
    }
    assert!(PUBLIC_NODES.iter().all(|known| node.is_plausible(&known.parse().unwrap())));
    node.is_local = true;
    assert!(local.iter().all(|address| of(&node, address)));
    assert!(!never.iter().any(|address| of(&node, address)));
}

#[test]
fn remembered_nodes_are_bounded_and_where_they_were_last_said_to_be() {
    let mut node = node();
    let (first, at) = (PeerId::random(), |port: usize| -> Multiaddr {
        format!("/ip4/203.0.113.1/udp/{port}/quic-v1").parse().unwrap()
    });
    let info = |peer_id, port| PeerInfo { peer_id, addrs: vec![at(port); 20] };
    node.remember(vec![info(first, 2000)]);
    node.remember(vec![info(first, 2001)]);
    assert_eq!(node.remembered.len(), 1);
    assert_eq!(node.remembered[0].addrs, vec![at(2001); MAX_ADDRESSES]);
    for port in 0..MAX_REMEMBERED {
        node.remember(vec![info(PeerId::random(), 2000 + port)]);
    }
    assert_eq!(node.remembered.len(), MAX_REMEMBERED);
    assert!(node.remembered.iter().all(|node| node.peer_id != first));
}

#[test]
fn many_nodes_of_one_network_are_not_all_connected_with() {
    let connects = |node: &mut Behaviour, n: usize, is_wanted: bool| {
        let (peer, id) = (PeerId::random(), ConnectionId::new_unchecked(n));
        let real: Multiaddr = format!("/ip4/203.0.113.{n}/udp/4001/quic-v1").parse().unwrap();
        let said = format!("/ip4/198.51.{n}.1/udp/4001/quic-v1").parse().unwrap();
        node.remember(vec![PeerInfo { peer_id: peer, addrs: vec![said, real.clone()] }]);
        node.wanted = is_wanted.then_some(id);
        let role = Endpoint::Dialer;
        let dialed = node.handle_pending_outbound_connection(id, Some(peer), &[], role);
        assert!(!dialed.unwrap().is_empty());
        let port = PortUse::New;
        let is_admitted =
            node.handle_established_outbound_connection(id, peer, &real, role, port).is_ok();
        node.is_over(id);
        is_admitted
    };
    for (dht, most) in [(Dht::Own, 99), (Dht::Public, 4)] {
        let mut node = Behaviour::new(dht, PeerId::random(), false);
        assert_eq!((1..100).filter(|n| connects(&mut node, *n, true)).count(), most);
        assert!(connects(&mut node, 100, false), "whom the user wants, or a friend");
    }
}

#[test]
fn where_somebody_was_is_remembered_of_the_last() {
    let (mut node, first) = (node(), PeerId::random());
    let at = |ip: &str| format!("/ip4/{ip}/udp/4001/quic-v1").parse::<Multiaddr>().unwrap();
    node.meets(first, &at("203.0.113.1"));
    node.meets(first, &at("203.0.113.2"));
    assert_eq!((node.ip_of(&first), node.met.len()), (Some(network(2)), 1));
    for _ in 0..MAX_REMEMBERED {
        assert_eq!(node.ip_of(&first), Some(network(2)));
        node.meets(PeerId::random(), &at("203.0.113.3"));
    }
    assert_eq!((node.ip_of(&first), node.met.len()), (None, MAX_REMEMBERED));
}

#[test]
fn what_kad_has_dropped_leaves_room() {
    let (mut node, now) = (node(), now());
    for _ in 0..MAX_RECORDS {
        assert!(node.store(fresh(now), network(1)));
    }
    let keys: Vec<_> = node.sources.keys().cloned().collect();
    for key in &keys {
        node.store_mut().remove(key);
    }
    for _ in 0..=MAX_RECORDS {
        assert!(node.store(fresh(now), network(2)));
    }
    assert_eq!(node.sources.len(), node.store_mut().records().count());
}

#[test]
fn of_the_nodes_that_one_names_few_are_believed_in() {
    let mut node = node();
    let query_id = node.get_closest_peers(PeerId::random());
    let named = || {
        let named = (0..500).map(|_| KadPeer {
            node_id: PeerId::random(),
            multiaddrs: Vec::new(),
            connection_ty: ConnectionType::NotConnected,
        });
        named.collect::<Vec<_>>()
    };
    let liar = PeerId::random();
    for believed in [MAX_NAMED, 0] {
        let mut named_last = None;
        for mut event in [
            HandlerEvent::FindNodeRes { closer_peers: named(), query_id },
            HandlerEvent::GetRecordRes { record: None, closer_peers: named(), query_id },
        ] {
            node.believe(&liar, &mut event);
            let (HandlerEvent::FindNodeRes { closer_peers, .. }
            | HandlerEvent::GetRecordRes { closer_peers, .. }) = event
            else {
                panic!("another event")
            };
            assert_eq!(closer_peers.len(), believed);
            assert_eq!(node.was_cut(&query_id), believed == 0);
            assert!(!node.was_cut(&query_id));
            named_last = closer_peers.last().map(|peer| peer.node_id).or(named_last);
        }
        // None of them is there.
        node.namers.hears(Instant::now(), network(2));
        let lost: Vec<_> = (0..20).map(|_| PeerId::random()).collect();
        for lost in &lost {
            node.namers.names(Instant::now(), &liar, &[*lost], |_| false);
            let id = ConnectionId::new_unchecked(1);
            node.namers.dials(
                Instant::now(),
                id,
                lost,
                &["/ip4/203.0.113.1/tcp/4001".parse().unwrap()],
            );
            fails(&mut node, lost, id, &unreachable());
        }
        node.namers.hears(Instant::now(), network(2));
        if let Some(known) = named_last {
            let now = Instant::now();
            assert!(!node.is_believed_in(now, &known), "it is not dialed");
            let address = "/ip4/203.0.113.1/udp/4001/quic-v1".parse().unwrap();
            node.add_node(&known, address);
            assert!(node.is_believed_in(now, &known), "others know it");
        }
    }
    assert!(!node.namers.has_proved_itself(Instant::now(), &liar));
    node.query_mut(&query_id).unwrap().finish();
    node.believe(&liar, &mut HandlerEvent::FindNodeRes { closer_peers: named(), query_id });
    assert_eq!(node.cut.len(), 0, "the query is over");
    node.network_changed();
    let named = PeerId::random();
    let mut event = HandlerEvent::FindNodeRes {
        closer_peers: vec![KadPeer {
            node_id: named,
            multiaddrs: Vec::new(),
            connection_ty: ConnectionType::NotConnected,
        }],
        query_id,
    };
    node.believe(&liar, &mut event);
    assert!(
        matches!(event, HandlerEvent::FindNodeRes { closer_peers, .. } if closer_peers.len() == 1)
    );
}

/// Nobody is there.
fn unreachable() -> DialError {
    let address = "/ip4/203.0.113.1/udp/4001/quic-v1".parse().unwrap();
    let error = TransportError::Other(io::Error::other("nobody is there"));
    DialError::Transport(vec![(address, error)])
}

/// A node can't be dialed.
fn fails(node: &mut Behaviour, peer: &PeerId, connection_id: ConnectionId, error: &DialError) {
    let failure = DialFailure { peer_id: Some(*peer), error, connection_id };
    node.on_swarm_event(FromSwarm::DialFailure(failure));
}

#[test]
fn a_dial_that_is_under_way_is_one_though_two_look_ups_want_it() {
    let mut node = node();
    node.quic_works = true;
    let [liar, honest, named] = [PeerId::random(), PeerId::random(), PeerId::random()];
    let [first, second] = [1, 2].map(ConnectionId::new_unchecked);
    let begins = |node: &mut Behaviour, id| {
        let mut addresses = vec!["/ip4/203.0.113.1/udp/4001/quic-v1".parse().unwrap()];
        node.begins(id, named, &mut addresses);
    };
    node.namers.hears(Instant::now(), network(2));
    for _ in 0..20 {
        node.namers.names(Instant::now(), &liar, &[named], |_| false);
        begins(&mut node, first);
        node.namers.names(Instant::now(), &honest, &[named], |_| false);
        let condition = PeerCondition::DisconnectedAndNotDialing;
        fails(&mut node, &named, second, &DialError::DialPeerConditionFalse(condition));
        assert_eq!(node.dialed.len(), 1, "it is still to be passed over in time");
        fails(&mut node, &named, first, &unreachable());
        assert_eq!(node.dialed.len(), 0);
    }
    let now = Instant::now();
    node.namers.hears(now, network(2));
    assert!(!node.namers.is_believed(now, &liar) && node.namers.is_believed(now, &honest));
    // Of a dial that did not come to be nobody is to blame.
    for error in [DialError::Aborted, DialError::NoAddresses] {
        node.namers.names(now, &honest, &[named], |_| false);
        begins(&mut node, first);
        fails(&mut node, &named, first, &error);
        assert_eq!(node.dialed.len(), 0);
        for _ in 0..20 {
            fails(&mut node, &named, first, &unreachable());
        }
        node.namers.hears(now, network(2));
        assert!(node.namers.is_believed(now, &honest));
    }
}
