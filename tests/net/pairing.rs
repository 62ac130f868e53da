//! Becoming contacts, and finding each other again.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{
    at_most, figure,
    lab::{Addresses, Lab},
    profile::{Profile, conversation_with, history, id, pair, wait_online},
};

pub fn fresh_profiles_become_contacts() {
    let lab = Lab::new(2, Addresses::Both);
    let a = Profile::in_namespace(&lab.hosts[0]).start();
    let b = Profile::in_namespace(&lab.hosts[1]).start();
    // From both running, that is from the later `ready`, to the later `contactAdded`.
    let began = Instant::now();
    let invite = a.call("createInvite", json!({}))["invite"].clone();
    b.call("acceptInvite", json!({ "invite": invite }));
    let patience = Duration::from_secs(20);
    let (at_a, _) = a.event_within(patience, "contactAdded", |_| true);
    let (at_b, _) = b.event_within(patience, "contactAdded", |_| true);
    let took = at_a.max(at_b) - began;
    figure("pairing of fresh profiles over mDNS", format!("{} ms", took.as_millis()));
    at_most("pairing", took, Duration::from_secs(3), Duration::from_secs(10));
}

pub fn a_known_pair_is_online_again() {
    let lab = Lab::new(2, Addresses::Both);
    let (profile_a, profile_b) =
        (Profile::in_namespace(&lab.hosts[0]), Profile::in_namespace(&lab.hosts[1]));
    let (a, mut b) = (profile_a.start(), profile_b.start());
    pair(&a, &b);
    let (a_id, b_id) = (id(&a), id(&b));
    let mut worst = Duration::ZERO;
    for orderly in [true, false, true] {
        // The next start must be seen as a new one: first the old one has to be gone.
        if orderly {
            b.shutdown();
        } else {
            b.kill();
            drop(b);
        }
        a.event("contactState", |e| e["id"] == b_id && e["state"] != "online");
        let began = Instant::now();
        b = profile_b.start();
        let at_b = b.online(&a_id);
        let at_a = a.online(&b_id);
        let took = at_a.max(at_b) - began;
        let how = if orderly { "shutdown" } else { "kill -9" };
        figure(&format!("online again after {how}"), format!("{} ms", took.as_millis()));
        worst = worst.max(took);
    }
    at_most("online again", worst, Duration::from_secs(1), Duration::from_secs(6));
}

pub fn what_was_written_in_absence_arrives() {
    let lab = Lab::new(2, Addresses::Both);
    let (profile_a, profile_b) =
        (Profile::in_namespace(&lab.hosts[0]), Profile::in_namespace(&lab.hosts[1]));
    let (a, b) = (profile_a.start(), profile_b.start());
    let conversation = pair(&a, &b);
    b.shutdown();
    let mut written = Vec::new();
    for n in 0..50 {
        let text = format!("while you were away {n}");
        written.push(a.call("send", json!({ "conversation": conversation, "text": text })));
    }
    assert!(history(&a, &conversation).iter().all(|e| e["state"] == "queued"));
    let b = profile_b.start();
    for n in 0..50 {
        let text = format!("while you were away {n}");
        b.event("message", |e| e["text"] == text.as_str());
    }
    let last = written[49]["entry"].clone();
    a.event("entryState", |e| e["entry"] == last && e["state"] == "delivered");
    b.call("markRead", json!({ "conversation": conversation, "entry": last }));
    a.event("entryState", |e| e["entry"] == last && e["state"] == "read");
}

pub fn an_invite_waits_for_its_issuer() {
    let lab = Lab::new(2, Addresses::Both);
    let (profile_a, profile_b) =
        (Profile::in_namespace(&lab.hosts[0]), Profile::in_namespace(&lab.hosts[1]));
    let a = profile_a.start();
    let a_id = id(&a);
    let invite = a.call("createInvite", json!({}))["invite"].clone();
    a.shutdown();
    let b = profile_b.start();
    b.call("acceptInvite", json!({ "invite": invite }));
    // Accepted is on disk: it outlives a crash of the one who accepted.
    drop(b);
    let b = profile_b.start();
    let a = profile_a.start();
    let b_id = id(&b);
    assert_eq!(a.event("contactAdded", |_| true)["contact"]["id"], b_id);
    assert_eq!(b.event("contactAdded", |_| true)["contact"]["id"], a_id);
    wait_online(&a, &b_id);
    assert_eq!(conversation_with(&a, &b_id), conversation_with(&b, &a_id));
}
