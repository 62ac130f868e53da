//! Conversations over JSON-RPC, between two real programs on loopback.

use serde_json::{Value, json};

use crate::support::{
    process::Process,
    profile::{Profile, history, id, pair},
};

/// Two who talk. The profiles come along, for they hold the directories.
fn two() -> ((Profile, Profile), Process, Process, Value) {
    let profiles = Profile::loopback_pair();
    let (a, b) = (profiles.0.start(), profiles.1.start());
    let conversation = pair(&a, &b);
    (profiles, a, b, conversation)
}

fn send(process: &Process, conversation: &Value, text: &str) -> Value {
    process.call("send", json!({ "conversation": conversation, "text": text }))["entry"].clone()
}

#[test]
fn contacts_and_conversations_have_their_fields() {
    let (_profiles, a, b, conversation) = two();
    b.call("setName", json!({ "name": "Virginia" }));
    let b_id = id(&b);
    a.event("contactChanged", |e| e["contact"]["name"] == "Virginia");
    let contacts = a.call("contacts", json!({}));
    let contact = &contacts[0];
    assert_eq!(contact["id"], b_id);
    assert_eq!(contact["name"], "Virginia");
    assert_eq!(contact["verified"], false);
    assert_eq!(contact["state"], "online");
    assert_eq!(contact["path"], "lan");
    assert!(contact["lastSeen"].is_u64(), "{contact}");
    let conversations = a.call("conversations", json!({}));
    assert_eq!(conversations.as_array().unwrap().len(), 1);
    let direct = &conversations[0];
    assert_eq!(direct["id"], conversation);
    assert_eq!(direct["kind"], "direct");
    assert_eq!(direct["name"], "Virginia");
    assert_eq!(direct["unread"], 0);
    assert_eq!(direct["members"].as_array().unwrap().len(), 2);
    assert!(direct.as_object().unwrap().contains_key("lastEntryAt"), "{direct}");
    send(&b, &conversation, "one");
    send(&b, &conversation, "two");
    a.event("message", |e| e["text"] == "two");
    let direct = a.call("conversations", json!({}))[0].clone();
    assert_eq!(direct["unread"], 2);
    assert!(direct["lastEntryAt"].is_u64());
}

#[test]
fn a_message_goes_from_queued_to_read() {
    let (_profiles, a, b, conversation) = two();
    let answer =
        a.call("send", json!({ "conversation": conversation, "text": "grüße 👋🏽\nzweite Zeile" }));
    let entry = answer["entry"].clone();
    assert!(answer["sentAt"].is_u64(), "{answer}");
    let got = b.event("message", |e| e["entry"] == entry);
    assert_eq!(got["conversation"], conversation);
    assert_eq!(got["author"], id(&a));
    assert_eq!(got["text"], "grüße 👋🏽\nzweite Zeile");
    assert_eq!(got["sentAt"], answer["sentAt"]);
    a.event("entryState", |e| e["entry"] == entry && e["state"] == "delivered");
    assert_eq!(history(&a, &conversation)[0]["state"], "delivered");
    b.call("markRead", json!({ "conversation": conversation, "entry": entry }));
    a.event("entryState", |e| e["entry"] == entry && e["state"] == "read");
    assert_eq!(history(&a, &conversation)[0]["state"], "read");
    assert_eq!(b.call("conversations", json!({}))[0]["unread"], 0);
}

#[test]
fn reply_edit_reaction_and_delete() {
    let (_profiles, a, b, conversation) = two();
    let first = send(&a, &conversation, "the frist text");
    b.event("message", |e| e["entry"] == first);
    let params = json!({ "conversation": conversation, "text": "a reply", "replyTo": first });
    let reply = b.call("send", params)["entry"].clone();
    assert_eq!(a.event("message", |e| e["entry"] == reply)["replyTo"], first);
    a.call(
        "edit",
        json!({ "conversation": conversation, "entry": first, "text": "the first text" }),
    );
    let changed = b.event("entryChanged", |e| e["entry"] == first);
    assert_eq!((&changed["text"], &changed["edited"]), (&json!("the first text"), &json!(true)));
    b.call("react", json!({ "conversation": conversation, "entry": first, "emoji": "👍" }));
    a.event("entryChanged", |e| e["entry"] == first && e["reactions"][0]["emoji"] == "👍");
    let shown = &history(&a, &conversation)[0];
    assert_eq!(shown["reactions"], json!([{ "emoji": "👍", "by": [id(&b)] }]));
    b.call("react", json!({ "conversation": conversation, "entry": first, "emoji": "" }));
    a.event("entryChanged", |e| e["entry"] == first && e.get("reactions").is_none());
    a.call("delete", json!({ "conversation": conversation, "entry": first }));
    let gone = b.event("entryChanged", |e| e["entry"] == first && e["deleted"] == true);
    assert_eq!(gone.get("text"), None);
    // Both show the same in the end.
    let (at_a, at_b) = (history(&a, &conversation), history(&b, &conversation));
    let plain = |all: &[Value]| -> Vec<Value> {
        let keys = ["entry", "author", "sentAt", "kind", "text", "replyTo", "edited", "deleted"];
        all.iter().map(|e| keys.iter().map(|key| e[key].clone()).collect()).collect()
    };
    assert_eq!(plain(&at_a), plain(&at_b));
    // A deleted text can't be found any more.
    assert_eq!(b.call("search", json!({ "query": "first" })), json!([]));
    // Nor may one change what isn't one's own, or isn't there.
    let theirs = json!({ "conversation": conversation, "entry": reply, "text": "mine now" });
    assert_eq!(a.refused("edit", theirs).kind, "not_author");
    let theirs = json!({ "conversation": conversation, "entry": reply });
    assert_eq!(a.refused("delete", theirs).kind, "not_author");
}

#[test]
fn unknown_conversations_and_entries_are_refused() {
    let (_profiles, a, _b, conversation) = two();
    let nowhere = json!("ab".repeat(32));
    for (method, params) in [
        ("send", json!({ "conversation": nowhere, "text": "x" })),
        ("history", json!({ "conversation": nowhere })),
        ("edit", json!({ "conversation": nowhere, "entry": nowhere, "text": "x" })),
        ("delete", json!({ "conversation": nowhere, "entry": nowhere })),
        ("react", json!({ "conversation": nowhere, "entry": nowhere, "emoji": "👍" })),
        ("markRead", json!({ "conversation": nowhere, "entry": nowhere })),
        ("search", json!({ "query": "x", "conversation": nowhere })),
    ] {
        assert_eq!(a.refused(method, params).kind, "unknown_conversation", "{method}");
    }
    for (method, params) in [
        ("send", json!({ "conversation": conversation, "text": "x", "replyTo": nowhere })),
        ("history", json!({ "conversation": conversation, "before": nowhere })),
        ("edit", json!({ "conversation": conversation, "entry": nowhere, "text": "x" })),
        ("delete", json!({ "conversation": conversation, "entry": nowhere })),
        ("react", json!({ "conversation": conversation, "entry": nowhere, "emoji": "👍" })),
        ("markRead", json!({ "conversation": conversation, "entry": nowhere })),
    ] {
        assert_eq!(a.refused(method, params).kind, "unknown_entry", "{method}");
    }
}

#[test]
fn history_comes_in_pages_and_search_finds_prefixes() {
    let (_profiles, a, b, conversation) = two();
    let entries: Vec<Value> =
        (0..120).map(|n| send(&a, &conversation, &format!("word{n} für Ärzte"))).collect();
    b.event("message", |e| e["entry"] == entries[119]);
    for process in [&a, &b] {
        let page = process.call("history", json!({ "conversation": conversation }));
        let page: Vec<_> = page.as_array().unwrap().iter().map(|e| e["entry"].clone()).collect();
        assert_eq!(page, entries[70..]);
        let params = json!({ "conversation": conversation, "before": entries[70], "limit": 7 });
        let page = process.call("history", params);
        let page: Vec<_> = page.as_array().unwrap().iter().map(|e| e["entry"].clone()).collect();
        assert_eq!(page, entries[63..70]);
        let params = json!({ "conversation": conversation, "before": entries[0] });
        assert_eq!(process.call("history", params), json!([]));

        let found = process.call("search", json!({ "query": "word11" }));
        let found: Vec<_> = found.as_array().unwrap().iter().map(|h| h["entry"].clone()).collect();
        let mut expected: Vec<Value> = entries[110..].to_vec();
        expected.push(entries[11].clone());
        expected.sort_by_key(|e| entries.iter().position(|x| x == e));
        expected.reverse();
        assert_eq!(found, expected, "newest first");
        let hit = process.call("search", json!({ "query": "word42 arzte", "limit": 1 }))[0].clone();
        assert_eq!(hit["conversation"], conversation);
        assert_eq!(hit["entry"], entries[42]);
        assert!(hit["snippet"].as_str().unwrap().contains("word42"), "{hit}");
        // What FTS5 takes for its own language is only text here.
        for query in ["\"", "a AND", "NEAR(", "*", "word1 OR", "-", "col:x", "'; DROP TABLE", ""] {
            assert!(process.call("search", json!({ "query": query })).is_array(), "{query}");
        }
    }
}

#[test]
fn texts_out_of_bounds_are_refused_before_they_are_written() {
    let (_profiles, a, b, conversation) = two();
    let refusal =
        |text: &str| a.refused("send", json!({ "conversation": conversation, "text": text })).kind;
    assert_eq!(refusal(&"x".repeat(64 * 1024 + 1)), "text_too_long");
    assert_eq!(refusal(&"é".repeat(32 * 1024 + 1)), "text_too_long");
    assert_eq!(refusal(&"x".repeat(900_000)), "text_too_long");
    assert_eq!(refusal(""), "invalid_input");
    assert_eq!(refusal("\u{1b}\u{200b}\u{202e}"), "invalid_input");
    assert_eq!(history(&a, &conversation), Vec::<Value>::new());
    let longest = "é".repeat(32 * 1024);
    let entry = send(&a, &conversation, &longest);
    assert_eq!(b.event("message", |e| e["entry"] == entry)["text"], longest.as_str());
    // Ended by nothing but the limit: every byte escaped in JSON.
    let escaped = "\u{1}x".repeat(32 * 1024);
    a.request("send", json!({ "conversation": conversation, "text": escaped }));
    b.event("message", |e| e["text"].as_str().is_some_and(|t| t == "x".repeat(32 * 1024)));
}

#[test]
fn what_could_harm_a_terminal_never_arrives() {
    let (_profiles, a, b, conversation) = two();
    let bad = "a\u{1b}]52;c;aGk=\u{7}b\u{9b}31mc\u{202e}d\u{2066}e\u{200b}f\u{e0041}g\r\n\u{0}h";
    let entry = send(&a, &conversation, bad);
    let shown = b.event("message", |e| e["entry"] == entry)["text"].as_str().unwrap().to_owned();
    for c in shown.chars() {
        let harmful = (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            || ('\u{e0000}'..='\u{e007f}').contains(&c);
        assert!(!harmful, "{c:?} in {shown:?}");
    }
    let name = format!("V\u{1b}[2J\u{202e}i{}\nrginia", "\u{301}".repeat(10_000));
    let request = a.request("setName", json!({ "name": name }));
    if a.answer(request).is_ok() {
        let name = a.call("whoami", json!({}))["name"].as_str().unwrap().to_owned();
        b.event("contactChanged", |e| e["contact"]["name"] == name.as_str());
        assert!(name.len() <= 128 && !name.chars().any(char::is_control), "{name:?}");
        assert!(!name.contains('\u{202e}'), "{name:?}");
    }
    let marks = format!("z{}", "\u{301}".repeat(10_000));
    let entry = send(&a, &conversation, &marks);
    let shown = b.event("message", |e| e["entry"] == entry)["text"].as_str().unwrap().to_owned();
    assert!(shown.chars().count() < 100, "{} characters", shown.chars().count());
}

#[test]
fn bad_names_are_refused() {
    let profile = Profile::offline();
    let process = profile.start();
    for name in ["", "   ", "\u{200b}\u{202e}", "\u{1b}"] {
        assert_eq!(process.refused("setName", json!({ "name": name })).kind, "invalid_input");
    }
    let long = "n".repeat(10_000);
    let request = process.request("setName", json!({ "name": long }));
    if process.answer(request).is_ok() {
        let name = process.call("whoami", json!({}))["name"].as_str().unwrap().len();
        assert!(name <= 128, "{name} bytes");
    }
}

#[test]
fn network_tells_its_state() {
    let (_profiles, a, _b, _conversation) = two();
    let network = a.call("network", json!({}));
    for field in ["peerId", "listen", "external", "nat", "dht", "links", "bytesIn", "bytesOut"] {
        assert!(network.get(field).is_some(), "{field}: {network}");
    }
    assert!(network["nat"]["mapping"].is_string() && network["nat"]["filtering"].is_string());
    assert!(network["dht"]["own"].is_u64() && network["dht"]["public"].is_u64());
    // Links that cross may both stand for a moment.
    assert!(network["links"].as_u64().unwrap() >= 1, "{network}");
    assert!(network["bytesIn"].as_u64().unwrap() > 0 && network["bytesOut"].as_u64().unwrap() > 0);
    assert!(network["listen"][0].as_str().unwrap().starts_with("/ip4/127.0.0.1/"), "{network}");
    for address in network["listen"].as_array().unwrap() {
        assert!(address.as_str().unwrap().starts_with("/ip4/127."), "beyond loopback: {network}");
    }
    let offline = Profile::offline();
    let offline = offline.start();
    assert_eq!(offline.call("network", json!({}))["listen"], json!([]));
}

#[test]
fn tcp_works_as_well() {
    let (a, b) = Profile::loopback_pair_tcp();
    let (a, b) = (a.start(), b.start());
    let conversation = pair(&a, &b);
    let entry = send(&a, &conversation, "over TCP");
    b.event("message", |e| e["entry"] == entry);
}
