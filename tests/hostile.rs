//! Strangers and contacts who mean harm, against the real program, on loopback.
//!
//! The attackers are made of the crate's own `net` and `session`, so that they get as far as an
//! honest program does before they turn.

// A test that cannot go on has failed; `json!({})` is handed over as it is made.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::needless_pass_by_value)]

#[path = "support/support.rs"]
mod support;

#[path = "hostile/asked.rs"]
mod asked;
#[path = "hostile/attacker.rs"]
mod attacker;
#[path = "hostile/contact.rs"]
mod contact;
#[path = "hostile/files.rs"]
mod files;
#[path = "hostile/holders.rs"]
mod holders;
#[path = "hostile/offered.rs"]
mod offered;
#[path = "hostile/shares.rs"]
mod shares;
#[path = "hostile/stranger.rs"]
mod stranger;

use serde_json::{Value, json};

use support::{
    PATIENCE,
    load::resident,
    process::Process,
    profile::{Profile, pair},
};

/// The one who is attacked, a friend of theirs, and their conversation.
struct Victim {
    profiles: (Profile, Profile),
    process: Process,
    friend: Process,
    conversation: Value,
    tcp: u16,
    resident: u64,
    messages: u32,
}

impl Victim {
    fn new() -> Self {
        let profiles = Profile::loopback_pair();
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let listen = format!("/ip4/127.0.0.1/tcp/{tcp}");
        let process = profiles.0.start_with(&["--listen", &listen]);
        let friend = profiles.1.start();
        let conversation = pair(&process, &friend);
        let resident = resident(process.pid());
        Self { profiles, process, friend, conversation, tcp, resident, messages: 0 }
    }

    /// Where it listens.
    fn addresses(&self) -> [String; 2] {
        [self.profiles.0.address().unwrap(), format!("/ip4/127.0.0.1/tcp/{}", self.tcp)]
    }

    /// The chat with the friend goes on, both ways.
    #[track_caller]
    fn chats_on(&mut self) {
        self.messages += 1;
        for (from, to) in [(&self.friend, &self.process), (&self.process, &self.friend)] {
            let text = format!("still here {}", self.messages);
            let params = json!({ "conversation": self.conversation, "text": text });
            let entry = from.call("send", params)["entry"].clone();
            to.event_within(PATIENCE, "message", |e| e["entry"] == entry);
        }
    }

    /// The victim did not grow beyond these bytes, did not panic, and chats on.
    #[track_caller]
    fn is_unharmed(&mut self, growth: u64) {
        self.chats_on();
        let grown = resident(self.process.pid()).saturating_sub(self.resident);
        assert!(grown <= growth, "{} KiB more than before", grown / 1024);
        let log = self.process.log_tail();
        assert!(!log.contains("panicked"), "{log}");
        assert_eq!(self.process.events("trouble"), Vec::<Value>::new());
    }
}
