//! Forwarding, and fetching from everybody who has a file.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use crate::{
    support::{
        fetch::{MIB, content},
        lab::wait_for,
        process::Process,
        profile::{Profile, history, id, pair},
    },
    transfer::Two,
};

/// Alice has a file, Bob has it of her, and both have offered it to Carol.
struct Three {
    profiles: [Profile; 3],
    alice: Process,
    bob: Process,
    carol: Process,
    /// Of Alice and Bob, Alice and Carol, Bob and Carol.
    conversations: [Value; 3],
    from: PathBuf,
    /// In the same order.
    entries: [Value; 3],
}

impl Three {
    /// Bob has fetched it, and not yet forwarded it.
    fn begin(size: u64) -> Self {
        let profiles = [(); 3].map(|()| Profile::loopback());
        let at = |number: usize| profiles[number].address().unwrap();
        let alice = profiles[0].start();
        let bob = profiles[1].start_with(&["--bootstrap", &at(0)]);
        let carol = profiles[2].start_with(&["--bootstrap", &at(0), "--bootstrap", &at(1)]);
        let conversations = [pair(&alice, &bob), pair(&alice, &carol), pair(&bob, &carol)];
        let from = profiles[0].outside().join("shared.bin");
        fs::write(&from, content(usize::try_from(size).unwrap())).unwrap();
        let params = json!({ "conversation": conversations[0], "path": from });
        let entry = alice.call("sendFile", params)["entry"].clone();
        bob.event("fileOffered", |event| event["entry"] == entry);
        get(&bob, &conversations[0], &entry);
        is_done(&bob, &entry);
        let entries = [entry, Value::Null, Value::Null];
        Self { profiles, alice, bob, carol, conversations, from, entries }
    }

    fn forward(&mut self, by: usize) {
        let who = if by == 1 { &self.alice } else { &self.bob };
        let (entry, to) = (&self.entries[0], &self.conversations[by]);
        let params = json!({ "conversation": self.conversations[0], "entry": entry, "to": to });
        let entry = who.call("forwardFile", params)["entry"].clone();
        self.carol.event("fileOffered", |event| event["entry"] == entry);
        self.entries[by] = entry;
    }

    fn carol_gets(&self, by: usize) {
        get(&self.carol, &self.conversations[by], &self.entries[by]);
    }

    #[track_caller]
    fn carol_has(&self, by: usize, right: &[u8]) {
        let path = is_done(&self.carol, &self.entries[by]);
        assert!(fs::read(path).unwrap() == right, "it arrived otherwise than it was");
        assert_eq!(self.carol.events("fileFailed"), Vec::<Value>::new());
    }

    fn file(&self, process: &Process, number: usize) -> Value {
        let shown = history(process, &self.conversations[number]);
        let shown = shown.into_iter().find(|shown| shown["entry"] == self.entries[number]);
        shown.unwrap()["file"].clone()
    }
}

fn get(who: &Process, conversation: &Value, entry: &Value) {
    who.call("getFile", json!({ "conversation": conversation, "entry": entry }));
}

#[track_caller]
fn is_done(who: &Process, entry: &Value) -> PathBuf {
    let done = who.event("fileDone", |event| event["entry"] == *entry);
    PathBuf::from(done["path"].as_str().unwrap())
}

fn blobs(profile: &Profile) -> usize {
    fs::read_dir(profile.dir().join("blobs")).unwrap().count()
}

#[test]
fn what_was_received_is_forwarded_and_fetched_of_who_forwarded_it() {
    let mut three = Three::begin(3 * MIB + 7);
    let right = fs::read(&three.from).unwrap();
    three.forward(2);
    three.alice.kill();
    // The hashes of the first offer may go: the second has its own.
    assert_eq!(blobs(&three.profiles[1]), 2);
    three.carol_gets(2);
    three.carol_has(2, &right);
    let (first, second) = (three.file(&three.bob, 0), three.file(&three.carol, 2));
    for what in ["name", "size", "mediaType"] {
        assert_eq!(first[what], second[what], "{what}");
    }
    // Not even a restart makes it forget.
    three.bob.kill();
    let address = three.profiles[0].address().unwrap();
    three.bob = three.profiles[1].start_with(&["--bootstrap", &address]);
    assert_eq!(blobs(&three.profiles[1]), 2);
    assert_eq!(three.file(&three.bob, 2)["state"], "here");
}

#[test]
fn a_folder_is_forwarded_with_all_that_is_in_it() {
    let mut three = Three::begin(5);
    let folder = three.profiles[0].outside().join("folder");
    fs::create_dir_all(folder.join("within")).unwrap();
    fs::write(folder.join("within/a.txt"), "a").unwrap();
    // Not every system has such names: here, too, it gets another, which comes after the next.
    fs::write(folder.join("?"), "b").unwrap();
    fs::write(folder.join("between"), "c").unwrap();
    let params = json!({ "conversation": three.conversations[0], "path": folder });
    three.entries[0] = three.alice.call("sendFile", params)["entry"].clone();
    three.bob.event("fileOffered", |event| event["entry"] == three.entries[0]);
    get(&three.bob, &three.conversations[0], &three.entries[0]);
    is_done(&three.bob, &three.entries[0]);
    three.forward(2);
    three.alice.kill();
    three.carol_gets(2);
    let path = is_done(&three.carol, &three.entries[2]);
    for (name, text) in [("within/a.txt", "a"), ("file", "b"), ("between", "c")] {
        assert_eq!(fs::read_to_string(path.join(name)).unwrap(), text, "{name}");
    }
}

#[test]
fn what_is_not_here_is_not_forwarded() {
    let two = Two::online();
    let from = tempfile::tempdir().unwrap();
    let path = from.path().join("a.bin");
    fs::write(&path, content(1000)).unwrap();
    let entry = two.offer(&path);
    let params = json!({
        "conversation": two.conversation, "entry": entry, "to": two.conversation
    });
    let refused =
        |who: &Process, params: &Value| who.refused("forwardFile", params.clone()).message;
    let text = refused(&two.b, &params);
    assert!(text.contains("Fetch it first"), "{text}");
    let mut elsewhere = params.clone();
    elsewhere["to"] = json!("7".repeat(64));
    refused(&two.a, &elsewhere);
    assert_eq!(blobs(&two.profiles.0), 1, "nothing is left of what was not offered");
    fs::remove_file(&path).unwrap();
    let text = refused(&two.a, &params);
    assert!(text.contains("can't be read where it was"), "{text}");
    let text = two.a.call("send", json!({ "conversation": two.conversation, "text": "t" }));
    let mut of_a_text = params;
    of_a_text["entry"] = text["entry"].clone();
    refused(&two.a, &of_a_text);
    assert_eq!(blobs(&two.profiles.0), 1);
}

#[test]
fn who_does_not_have_it_any_more_is_passed_over() {
    let mut three = Three::begin(3 * MIB);
    let right = fs::read(&three.from).unwrap();
    three.forward(1);
    three.forward(2);
    fs::remove_file(&three.from).unwrap();
    three.carol_gets(1);
    three.carol_has(1, &right);
}

#[test]
fn an_offer_that_comes_while_nobody_is_there_is_taken() {
    let mut three = Three::begin(3 * MIB);
    let right = fs::read(&three.from).unwrap();
    three.forward(1);
    three.alice.kill();
    three.carol.event("contactState", |event| event["state"] != "online");
    three.carol_gets(1);
    three.carol.event("fileProgress", |event| event["done"] == 0);
    assert_eq!(three.carol.events("fileDone"), Vec::<Value>::new());
    three.forward(2);
    three.carol_has(1, &right);
}

#[test]
fn an_offer_that_was_deleted_is_not_asked_by() {
    let mut three = Three::begin(3 * MIB);
    three.forward(1);
    three.forward(2);
    let params = json!({ "conversation": three.conversations[2], "entry": three.entries[2] });
    three.bob.call("delete", params);
    let entry = three.entries[2].clone();
    three.carol.event("entryChanged", |event| event["entry"] == entry);
    fs::remove_file(&three.from).unwrap();
    three.carol_gets(1);
    let failed = three.carol.event("fileFailed", |event| event["entry"] == three.entries[1]);
    assert!(failed["text"].as_str().unwrap().contains("changed or vanished"), "{failed}");
}

#[test]
fn all_who_sent_some_of_it_hear_that_it_is_there() {
    let mut three = Three::begin(64 * MIB);
    let right = fs::read(&three.from).unwrap();
    three.forward(1);
    three.forward(2);
    three.carol_gets(1);
    three.carol_has(1, &right);
    for (who, offer) in [(&three.alice, &three.entries[1]), (&three.bob, &three.entries[2])] {
        let heard = who.event("fileFetched", |event| event["entry"] == *offer);
        assert_eq!(heard["by"], id(&three.carol));
        who.event("fileSent", |event| event["entry"] == *offer);
    }
}

#[test]
fn one_of_two_goes_away_and_the_other_goes_on() {
    let mut three = Three::begin(160 * MIB);
    let right = fs::read(&three.from).unwrap();
    three.forward(1);
    three.forward(2);
    three.carol_gets(1);
    let sent = |who: &Process, entry: &Value| {
        who.events("fileSent").iter().any(|event| event["entry"] == *entry)
    };
    wait_for("both are asked", || {
        sent(&three.alice, &three.entries[1]) && sent(&three.bob, &three.entries[2])
    });
    three.alice.kill();
    assert_eq!(three.carol.events("fileDone"), Vec::<Value>::new(), "it was over before");
    three.carol_has(1, &right);
}
