//! Invites, good and bad.

use serde_json::{Value, json};

use crate::support::{
    lab::wait_for,
    process::Process,
    profile::{Profile, id, pair},
};

fn invite(process: &Process, params: Value) -> String {
    process.call("createInvite", params)["invite"].as_str().unwrap().to_owned()
}

/// Accepting it is refused with this kind, and nothing comes of it.
#[track_caller]
fn refused(process: &Process, invite: &str, kind: &str) {
    let refusal = process.refused("acceptInvite", json!({ "invite": invite }));
    assert_eq!(refusal.kind, kind, "{invite:?}: {refusal:?}");
    assert!(refusal.code <= -32000, "{refusal:?}");
    // A sentence for people.
    assert!(refusal.message.len() > 20 && refusal.message.ends_with('.'), "{refusal:?}");
    assert!(!refusal.message.chars().any(char::is_control), "{refusal:?}");
}

#[test]
fn an_invite_says_when_it_ends() {
    let process = Profile::offline();
    let process = process.start();
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    for (params, seconds) in
        [(json!({}), 7 * 24 * 3600), (json!({ "expiresInSeconds": 60 }), 60_u128)]
    {
        let answer = process.call("createInvite", params);
        assert!(answer["invite"].as_str().unwrap().starts_with("entrenous1"), "{answer}");
        let expires = u128::from(answer["expiresAt"].as_u64().unwrap());
        let expected = now + seconds * 1000;
        assert!(expires.abs_diff(expected) < 60_000, "{answer}");
    }
    let (one, two) = (invite(&process, json!({})), invite(&process, json!({})));
    assert_ne!(one, two);
    for params in [json!({ "uses": 0 }), json!({ "expiresInSeconds": 0 })] {
        let refusal = process.refused("createInvite", params.clone());
        assert_eq!(refusal.kind, "invalid_input", "{params}");
    }
}

#[test]
fn malformed_invites_are_refused() {
    let (a, b) = (Profile::offline(), Profile::offline());
    let (a, b) = (a.start(), b.start());
    let good = invite(&a, json!({}));
    refused(&b, "", "invite_malformed");
    refused(&b, "hello", "invite_malformed");
    refused(&b, "entrenous1", "invite_malformed");
    refused(&b, "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "invite_malformed");
    refused(&b, &"entrenous1".repeat(10_000), "invite_malformed");
    // Cut short anywhere: never accepted, never anything but one of the two.
    for length in 10..good.len() {
        let refusal = b.refused("acceptInvite", json!({ "invite": good[..length] }));
        let kind = refusal.kind.as_str();
        assert!(matches!(kind, "invite_malformed" | "invite_checksum"), "{length}: {refusal:?}");
    }
    // Any one character changed is noticed: Bech32m finds every such change.
    for at in 10..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'q' { b'p' } else { b'q' };
        refused(&b, &String::from_utf8(bytes).unwrap(), "invite_checksum");
    }
    assert_eq!(b.call("contacts", json!({})), json!([]));
    // What people do to a text on its way is no fault: blanks around it, capitals.
    b.call("acceptInvite", json!({ "invite": format!("  {}\n", good.to_uppercase()) }));
}

#[test]
fn an_invite_of_the_future_says_so() {
    let (a, b) = (Profile::offline(), Profile::offline());
    let (a, b) = (a.start(), b.start());
    let (prefix, mut bytes) = bech32::decode(&invite(&a, json!({}))).unwrap();
    for version in [2, 100, 255] {
        bytes[0] = version;
        let future = bech32::encode::<bech32::Bech32m>(prefix, &bytes).unwrap();
        refused(&b, &future, "invite_version");
    }
    // The older checksum of the same family is not this one.
    bytes[0] = 1;
    let older = bech32::encode::<bech32::Bech32>(prefix, &bytes).unwrap();
    refused(&b, &older, "invite_checksum");
}

#[test]
fn the_own_invite_and_one_of_a_contact_are_refused() {
    let (a, b) = Profile::loopback_pair();
    let (a, b) = (a.start(), b.start());
    refused(&a, &invite(&a, json!({})), "invite_own");
    let another = invite(&a, json!({}));
    pair(&a, &b);
    refused(&b, &another, "invite_known");
}

#[test]
fn an_expired_invite_is_refused() {
    let (a, b) = (Profile::offline(), Profile::offline());
    let (a, b) = (a.start(), b.start());
    let short = invite(&a, json!({ "expiresInSeconds": 1 }));
    // The same invite is good until then, so this waits for the moment itself.
    wait_for("the invite expires", || {
        let request = b.request("acceptInvite", json!({ "invite": short }));
        b.answer(request).is_err_and(|refusal| {
            assert_eq!(refusal.kind, "invite_expired");
            true
        })
    });
}

#[test]
fn a_used_invite_is_refused_by_its_issuer() {
    let (a, b) = Profile::loopback_pair();
    let c = Profile::loopback();
    let (alice, bob) = (a.start(), b.start());
    let used = invite(&alice, json!({}));
    bob.call("acceptInvite", json!({ "invite": used }));
    alice.event("contactAdded", |_| true);
    bob.event("contactAdded", |_| true);
    let carol = c.start_with(&["--bootstrap", &a.address().unwrap()]);
    carol.call("acceptInvite", json!({ "invite": used }));
    let failed = carol.event("inviteFailed", |_| true);
    assert_eq!(failed["failure"]["kind"], "invite_used", "{failed}");
    assert_eq!(failed["id"], id(&alice));
    assert_eq!(carol.call("contacts", json!({})), json!([]));
    assert_eq!(alice.call("contacts", json!({})).as_array().unwrap().len(), 1);
}

#[test]
fn an_invite_for_two_is_good_for_two() {
    let a = Profile::loopback();
    let alice = a.start();
    let for_two = invite(&alice, json!({ "uses": 2 }));
    let others = [Profile::loopback(), Profile::loopback(), Profile::loopback()];
    let others: Vec<Process> =
        others.iter().map(|p| p.start_with(&["--bootstrap", &a.address().unwrap()])).collect();
    for other in &others[..2] {
        other.call("acceptInvite", json!({ "invite": for_two }));
        other.event("contactAdded", |_| true);
        alice.event("contactAdded", |_| true);
    }
    others[2].call("acceptInvite", json!({ "invite": for_two }));
    let failed = others[2].event("inviteFailed", |_| true);
    assert_eq!(failed["failure"]["kind"], "invite_used", "{failed}");
}
