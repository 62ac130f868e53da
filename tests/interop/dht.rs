//! A DHT of both implementations, on a small internet.

use std::time::Instant;

use entrenous::net::dht::Dht;
use serde_json::json;

use crate::{
    javascript::JavaScript,
    records::{now, ours, theirs},
    support::{
        figure,
        lab::wait_for,
        nat::{Internet, Nat},
        profile::{Profile, id, pair},
        world::{path, people, time_to_online},
    },
};

/// What one of theirs writes to our node another one of theirs finds there.
pub fn our_node_serves_them() {
    let internet = Internet::new(&[]);
    let [our_host, their_host] = &internet.public[..] else { panic!() };
    let address = format!("/ip4/{}/tcp/4001", our_host.ipv4);
    let arguments = ["--serve-dht", "--no-public-dht", "--no-mdns", "--listen", &address];
    let profile = Profile::on_internet(&our_host.namespace, arguments.map(str::to_owned).to_vec());
    let node = profile.start();
    let protocol = Dht::Own.protocol();
    let [mut writer, mut reader] = [4001, 4002].map(|port| {
        let listen = format!("/ip4/{}/tcp/{port}", their_host.ipv4);
        let (mut js, _) = JavaScript::listen(&their_host.namespace, &listen, protocol.as_ref());
        js.call("dial", json!({ "address": address }));
        wait_for("our node is known", || js.nodes() == 1);
        js
    });

    for (byte, with_version_1) in [(1, true), (2, false)] {
        let (key, value) = theirs(&mut writer, byte, 5, with_version_1);
        assert_eq!(reader.get(&key), None);
        writer.put(&key, &value);
        assert!(reader.get(&key) == Some(value), "what was written is found");
    }
    let now = now();
    let (key, value) = ours(3, now);
    writer.put(&key, &value);
    assert!(reader.get(&key).as_ref() == Some(&value), "and what we write");
    writer.put(&key, &ours(3, now - 1).1);
    assert!(reader.get(&key).as_ref() == Some(&value), "an older one changes nothing");

    let (other, mut bent) = ours(4, now);
    writer.put(&other, &value);
    assert_eq!(reader.get(&other), None, "that of another name is not kept");
    bent[100] ^= 1;
    writer.put(&other, &bent);
    assert_eq!(reader.get(&other), None, "a bent one is not kept");
    assert_eq!([writer.nodes(), reader.nodes()], [1, 1], "the two do not know each other");
    node.shutdown();
}

/// Their nodes as nodes of our DHT.
pub fn their_nodes_serve_us() {
    meet_by_their_nodes(Dht::Own);
}

/// Their nodes as nodes of the public DHT.
pub fn the_public_dht_serves_us() {
    meet_by_their_nodes(Dht::Public);
}

/// Two behind NATs who know nobody but three nodes of theirs: by an invite, then as a known pair.
fn meet_by_their_nodes(dht: Dht) {
    let internet = Internet::new(&[(Nat::PortRestricted, 1), (Nat::PortRestricted, 1)]);
    let (mut nodes, mut addresses) = (Vec::new(), Vec::new());
    for (host, port) in [(0, 4001), (1, 4001), (1, 4002)] {
        let host = &internet.public[host];
        let listen = format!("/ip4/{}/tcp/{port}", host.ipv4);
        let (mut node, address) =
            JavaScript::listen(&host.namespace, &listen, dht.protocol().as_ref());
        for other in &addresses {
            node.call("dial", json!({ "address": other }));
        }
        nodes.push(node);
        addresses.push(address);
    }
    for node in &mut nodes {
        wait_for("the nodes know each other", || node.nodes() == 2);
    }

    let people = people(&internet, &addresses);
    let start = || people.each_ref().map(|person| person.start_with(&["--no-mdns"]));
    let [a, b] = start();
    let began = Instant::now();
    pair(&a, &b);
    let report = |what: &str, seconds| {
        figure(&format!("{dht:?} DHT of js-libp2p, {what}"), format!("{seconds:.2} s"));
    };
    report("invite", began.elapsed().as_secs_f64());
    let ids = [id(&a), id(&b)];
    a.shutdown();
    b.shutdown();
    let [a, b] = start();
    let took = time_to_online(&a, &b, &ids).expect("online within 30 s");
    report("known", took.as_secs_f64());
    assert_eq!([path(&a), path(&b)], ["punched", "punched"]);
    for node in &mut nodes {
        assert_eq!(node.nodes(), 2, "people are no nodes");
    }
}
