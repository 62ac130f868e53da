//! Nothing lands on a disk whose owner did not want it there.

use std::fs;

use entrenous::{
    net,
    node::{
        self,
        api::{Answer, Command, Event, Request, Scope},
        files,
    },
};
use serde_json::{Value, json};

use crate::{
    support::{
        PATIENCE,
        fetch::names,
        profile::{Profile, id, wait_online},
    },
    transfer::Two,
};

/// Notes in the profile, which is closed, that the safety number of this contact was compared.
fn verify(profile: &Profile, contact: &Value) {
    let config = node::Config {
        directory: profile.dir(),
        network: net::Config { scope: Scope::Offline, ..net::Config::default() },
        files: files::Config { downloads: profile.dir().join("downloads"), auto_accept: 0 },
        passphrase: None,
    };
    let contact = serde_json::from_value(contact.clone()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut node = node::start(config);
        let commands = [Command::SetVerified { contact, verified: true }, Command::Shutdown];
        for (number, command) in (0..).zip(commands) {
            node.requests.send(Request { number, command }).await.unwrap();
        }
        let mut answers = Vec::new();
        while let Some(event) = node.events.recv().await {
            if let Event::Answered { result, .. } = event {
                answers.push(result);
            }
        }
        assert_eq!(answers, [Ok(Answer::Done {}), Ok(Answer::Done {})]);
    });
}

/// B has compared A's safety number, if it says so, and takes these files unasked.
fn two(verified: bool, auto_accept: &str) -> Two {
    let mut two = Two::online();
    let who = id(&two.a);
    two.b.call("shutdown", json!({}));
    two.b.wait_exit();
    if verified {
        verify(&two.profiles.1, &who);
    }
    let config = format!("[files]\n{auto_accept}\n");
    fs::write(two.profiles.1.dir().join("config.toml"), config).unwrap();
    two.b = two.profiles.1.start();
    wait_online(&two.b, &who);
    let contacts = two.b.call("contacts", json!({}));
    assert_eq!(contacts[0]["verified"], verified);
    two
}

impl Two {
    fn downloads(&self) -> Vec<String> {
        names(&self.profiles.1.dir().join("downloads"))
    }

    /// A file of this name and size is offered.
    fn offer_of_size(&self, name: &str, size: usize) -> Value {
        let path = self.profiles.0.outside().join(name);
        fs::write(&path, vec![7; size]).unwrap();
        self.offer(&path)
    }

    /// How far a file is at B, as its history says.
    fn state(&self, entry: &Value) -> Value {
        let shown = crate::support::profile::history(&self.b, &self.conversation);
        shown.iter().find(|shown| shown["entry"] == *entry).unwrap()["file"]["state"].clone()
    }

    /// Of two files of this size the one that is asked for comes, though it was offered later; so
    /// the other would have come, too.
    #[track_caller]
    fn only_what_is_asked_for_comes(&self, size: usize) {
        let unwanted = self.offer_of_size("unwanted.txt", size);
        let wanted = self.offer_of_size("wanted.txt", size);
        self.get(&wanted);
        assert_eq!(self.downloads(), ["wanted.txt"]);
        assert_eq!(self.state(&unwanted), "offered");
    }
}

#[test]
fn of_one_who_is_not_verified_nothing_comes_unasked() {
    two(false, "auto-accept = 1000").only_what_is_asked_for_comes(10);
}

#[test]
fn small_files_of_one_who_is_verified_come_unasked_large_ones_do_not() {
    let two = two(true, "auto-accept = 1000");
    let large = two.offer_of_size("large.txt", 1001);
    let small = two.offer_of_size("small.txt", 1000);
    two.b.event("fileDone", |event| event["entry"] == small);
    assert_eq!(two.downloads(), ["small.txt"]);
    assert_eq!(two.state(&large), "offered");
    two.get(&large);
    assert_eq!(two.downloads(), ["large.txt", "small.txt"]);
}

#[test]
fn what_comes_unasked_can_be_said_of_each_contact() {
    let two = two(false, "auto-accept = 1000");
    let contact = two.b.call("contacts", json!({}))[0]["id"].clone();
    two.b.call("setUnasked", json!({ "contact": contact, "bytes": 5000 }));
    let large = two.offer_of_size("large.txt", 5001);
    let small = two.offer_of_size("small.txt", 5000);
    two.b.event("fileDone", |event| event["entry"] == small);
    assert_eq!(two.b.call("contacts", json!({}))[0]["unasked"], 5000);
    assert_eq!(two.state(&large), "offered");
    // As of everybody again, and he is not verified.
    two.b.call("setUnasked", json!({ "contact": contact }));
    let again = two.offer_of_size("again.txt", 10);
    two.get(&two.offer_of_size("after.txt", 10));
    assert_eq!(two.state(&again), "offered");
    assert_eq!(two.downloads(), ["after.txt", "small.txt"]);
}

#[test]
fn unasked_is_not_without_end() {
    let two = two(true, "auto-accept = 1000");
    let many: Vec<_> =
        (0..33).map(|number| two.offer_of_size(&format!("{number:02}.txt"), 1000)).collect();
    for entry in &many[..32] {
        two.b.event("fileDone", |event| event["entry"] == *entry);
    }
    let asked = two.offer_of_size("asked.txt", 1000);
    two.get(&asked);
    assert_eq!(two.state(&many[32]), "offered");
    assert_eq!(two.downloads().len(), 33);
}

#[test]
fn empty_files_count_as_well() {
    let two = two(true, "auto-accept = 16");
    let path = two.profiles.0.outside().join("empty.txt");
    fs::write(&path, "").unwrap();
    let params = json!({ "conversation": two.conversation, "path": path });
    let requests: Vec<_> = (0..513).map(|_| two.a.request("sendFile", params.clone())).collect();
    for request in requests {
        two.a.answer(request).unwrap();
    }
    two.b.take_events(PATIENCE * 4, "fileDone", 512);
    let asked = two.offer_of_size("asked.txt", 0);
    two.get(&asked);
    let shown = crate::support::profile::history(&two.b, &two.conversation);
    let left = shown.iter().filter(|shown| shown["file"]["state"] == "offered");
    assert_eq!(left.count(), 1);
    assert_eq!(two.downloads().len(), 513);
}

#[test]
fn whoever_wants_nothing_unasked_gets_nothing() {
    two(true, "auto-accept = 0").only_what_is_asked_for_comes(0);
}
