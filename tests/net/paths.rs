//! Networks that are not as one would like.

use serde_json::json;

use crate::support::{
    lab::{Addresses, Lab},
    process::Process,
    profile::{Profile, id, pair},
};

pub fn ipv6_alone() {
    chat_on(&Lab::new(2, Addresses::Ipv6), "ip6");
}

pub fn tcp_alone() {
    let lab = Lab::new(2, Addresses::Both);
    lab.drop_udp();
    chat_on(&lab, "tcp");
}

pub fn three_hosts_three_pairs() {
    let lab = Lab::new(3, Addresses::Both);
    let people: Vec<Process> =
        lab.hosts.iter().map(|host| Profile::in_namespace(host).start()).collect();
    for (i, j) in [(0, 1), (1, 2), (2, 0)] {
        let (a, b) = (&people[i], &people[j]);
        let invite = a.call("createInvite", json!({}))["invite"].clone();
        b.call("acceptInvite", json!({ "invite": invite }));
        let (a_id, b_id) = (id(a), id(b));
        a.event("contactAdded", |e| e["contact"]["id"] == b_id);
        b.event("contactAdded", |e| e["contact"]["id"] == a_id);
    }
    for person in &people {
        let all = person.call("conversations", json!({}));
        assert_eq!(all.as_array().unwrap().len(), 2, "{all}");
        for conversation in all.as_array().unwrap() {
            person
                .call("send", json!({ "conversation": conversation["id"], "text": "hello both" }));
        }
    }
    for person in &people {
        let got = person.take_events(crate::support::PATIENCE, "message", 2);
        assert_ne!(got[0].1["author"], got[1].1["author"]);
    }
}

/// Two on this network pair and talk, over an address with this in it.
fn chat_on(lab: &Lab, expected: &str) {
    let a = Profile::in_namespace(&lab.hosts[0]).start();
    let b = Profile::in_namespace(&lab.hosts[1]).start();
    let network = a.call("network", json!({}));
    let listen = network["listen"].as_array().unwrap();
    assert!(listen.iter().any(|l| l.as_str().unwrap().contains(expected)), "{network}");
    let conversation = pair(&a, &b);
    for (from, to, text) in [(&a, &b, "there"), (&b, &a, "and back")] {
        let entry =
            from.call("send", json!({ "conversation": conversation, "text": text }))["entry"]
                .clone();
        to.event("message", |e| e["entry"] == entry && e["text"] == text);
        from.event("entryState", |e| e["entry"] == entry && e["state"] == "delivered");
    }
}
