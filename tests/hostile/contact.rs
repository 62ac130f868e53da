//! A contact who means harm: they have a session, and use it.

use std::time::{Duration, Instant};

use entrenous::{
    conversation::{Body, ConversationId, EntryId, FeedId, Header, MarkKey, WireEntry},
    identity::{DevicePublic, Identity},
    sync::{Holding, Message, message::Leaf},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::json;

use crate::{
    Victim,
    attacker::{Person, Talk, become_contact},
    support::{PATIENCE, fetch::MIB, figure, measured_or, profile::conversation_with},
};

/// The contact, and what they need for their next session.
pub struct Mallory {
    pub person: Person,
    victim: Identity,
    device: DevicePublic,
    address: String,
    pub conversation: ConversationId,
    key: MarkKey,
    seq: u64,
    previous: Option<EntryId>,
}

impl Mallory {
    pub async fn befriends(victim: &Victim) -> Self {
        let person = Person::new();
        let invite = victim.process.call("createInvite", json!({}))["invite"].clone();
        let [address, _] = victim.addresses();
        let (identity, device) = become_contact(&person, &address, invite.as_str().unwrap()).await;
        let conversation = ConversationId::direct(&person.identity(), &identity);
        let key = MarkKey::derive(b"Mallory's");
        Self {
            person,
            victim: identity,
            device,
            address,
            conversation,
            key,
            seq: 0,
            previous: None,
        }
    }

    /// A session in which both have said Hello.
    pub async fn talk(&self) -> Talk {
        let local = self.person.with_contact(self.victim, self.device);
        let mut talk = Talk::begin(&self.address, local).await;
        talk.established().await.expect("they are contacts");
        talk.hello("Mallory").await;
        talk
    }

    /// A header as it should be for the next entry.
    fn header(&self, body: &[u8]) -> Header {
        Header {
            conversation: self.conversation,
            feed: FeedId { author: self.person.identity(), device: 1 },
            seq: self.seq + 1,
            previous: self.previous,
            deps: Vec::new(),
            time: now(),
            kind: entrenous::conversation::Kind::Text,
            target: None,
            body_hash: Body::hash(body),
        }
    }

    /// The next entry of an honest feed.
    fn write(&mut self, text: &str) -> WireEntry {
        self.write_body(&Body::Text { text: text.to_owned() })
    }

    /// The same, of any kind without a target.
    pub fn write_body(&mut self, body: &Body) -> WireEntry {
        let (kind, body) = (body.kind(), body.encode());
        let header = Header { kind, ..self.header(&body) }.encode(&self.key);
        self.previous = Some(EntryId::of(&header));
        self.seq += 1;
        WireEntry { header, body: Some(body) }
    }

    /// The last entry is said not to have been written.
    pub fn take_back(&mut self) {
        self.seq -= 1;
        self.previous = None;
    }

    pub fn entries(&self, entries: Vec<WireEntry>) -> Message {
        Message::Entries { conversation: self.conversation, entries }
    }
}

fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_garbage_end_the_session_only() {
    let mut victim = Victim::new();
    let mallory = Mallory::befriends(&victim).await;
    let mut rng = StdRng::seed_from_u64(5);
    for length in [0, 1, 2, 100, 10_000, 128 * 1024 + 1, 512 * 1024] {
        let mut bytes = vec![0; length];
        rng.fill_bytes(&mut bytes);
        // The array and map that any message begins with, then garbage.
        for (at, byte) in [0x82, 0x03, 0xa2, 0x01].into_iter().enumerate().take(length / 100) {
            bytes[at] = byte;
        }
        let mut talk = mallory.talk().await;
        talk.send_bytes(&bytes).await;
        talk.is_hung_up_on().await;
        talk.wire.end().await;
    }
    victim.is_unharmed(64 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_that_do_not_belong_are_never_shown() {
    let mut victim = Victim::new();
    let mut mallory = Mallory::befriends(&victim).await;
    let good = mallory.write("an honest word");
    let forged = "forged";
    let body = Body::Text { text: forged.to_owned() }.encode();
    let wire = |header: &Header| WireEntry {
        header: header.encode(&mallory.key),
        body: Some(body.clone()),
    };
    let honest = mallory.header(&body);
    let somebody = Person::new().identity();
    let friends = ConversationId(
        hex::decode(victim.conversation.as_str().unwrap()).unwrap().try_into().unwrap(),
    );
    let mut bad: Vec<(&str, WireEntry)> = vec![
        ("a wrong hash of the body", wire(&Header { body_hash: [7; 32], ..honest.clone() })),
        ("the victim's own words", {
            let feed = FeedId { author: mallory.victim, device: 1 };
            wire(&Header { feed, seq: 1, previous: None, ..honest.clone() })
        }),
        ("another's words", {
            let feed = FeedId { author: somebody, device: 1 };
            wire(&Header { feed, seq: 1, previous: None, ..honest.clone() })
        }),
        ("another conversation", wire(&Header { conversation: friends, ..honest.clone() })),
        ("no number", wire(&Header { seq: 0, previous: None, ..honest.clone() })),
        ("a gap of 2^63", wire(&Header { seq: 1 << 63, ..honest.clone() })),
        ("the last number", wire(&Header { seq: u64::MAX, ..honest.clone() })),
        ("a gap", wire(&Header { seq: 1000, previous: Some(EntryId([9; 32])), ..honest.clone() })),
        ("a first that follows one", wire(&Header { seq: 1, ..honest.clone() })),
        ("a second that follows none", wire(&Header { previous: None, ..honest.clone() })),
        ("after what nobody has", wire(&Header { deps: vec![EntryId([3; 32])], ..honest.clone() })),
        ("beyond all time", wire(&Header { time: u64::MAX, ..honest.clone() })),
        ("a header of nothing", WireEntry { header: Vec::new(), body: Some(body.clone()) }),
        ("a header of zeros", WireEntry { header: vec![0; 2048], body: Some(body.clone()) }),
        ("a huge header", WireEntry { header: vec![0xa1; 60_000], body: None }),
        (
            "a body cut short",
            WireEntry { header: honest.encode(&mallory.key), body: Some(body[..3].to_vec()) },
        ),
    ];
    for at in (0..honest.encode(&mallory.key).len()).step_by(17) {
        let mut bent = wire(&honest);
        bent.header[at] ^= 0x10;
        // A bent number, time or name may still be an entry; it says something else then.
        bent.body = Some(Body::Text { text: "bent".to_owned() }.encode());
        bad.push(("a bent header", bent));
    }
    for (what, entry) in bad {
        println!("{what}");
        let mut talk = mallory.talk().await;
        talk.send(&mallory.entries(vec![entry])).await;
        talk.end().await;
        // Whether the session bears it or not: the honest word is still taken.
    }
    let mut talk = mallory.talk().await;
    talk.send(&mallory.entries(vec![good])).await;
    let id = json!(mallory.person.identity());
    victim.process.event("message", |e| e["text"] == "an honest word");
    let conversation = conversation_with(&victim.process, &id);
    let shown = crate::support::profile::history(&victim.process, &conversation);
    let texts: Vec<_> = shown.iter().map(|e| e["text"].as_str().unwrap_or_default()).collect();
    assert_eq!(texts, ["an honest word"]);
    let friends = crate::support::profile::history(&victim.process, &victim.conversation);
    assert!(friends.iter().all(|e| e["text"] != forged));
    victim.is_unharmed(64 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_without_end_are_borne() {
    let mut victim = Victim::new();
    let mallory = Mallory::befriends(&victim).await;
    let feed = FeedId { author: mallory.person.identity(), device: 1 };
    let leaf = |n: u64| {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&n.to_be_bytes());
        Leaf { feed, seq: n, id: EntryId(id) }
    };
    let mut talk = mallory.talk().await;
    for round in 0..200_u64 {
        let holding = Holding {
            conversation: mallory.conversation,
            leaves: (0..64).map(|n| leaf(1 + round * 64 + n)).collect(),
            lacking: (0..32).map(|n| leaf(n).id).collect(),
        };
        talk.send(&Message::Have { received: u64::MAX - round, conversations: vec![holding] })
            .await;
        let entries = (0..512).map(|n| (1 + n, leaf(n).id)).collect();
        talk.send(&Message::Locate { conversation: mallory.conversation, feed, entries }).await;
        talk.send(&Message::Ping).await;
    }
    victim.is_unharmed(64 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_entries_are_bounded() {
    let mut victim = Victim::new();
    let mallory = Mallory::befriends(&victim).await;
    let mut talk = mallory.talk().await;
    // Each waits for one that never comes: 60 MB of them.
    let text = "h".repeat(20_000);
    let body = Body::Text { text }.encode();
    for seq in 2..3_000_u64 {
        let mut previous = [5; 32];
        previous[..8].copy_from_slice(&seq.to_be_bytes());
        let header = Header { seq, previous: Some(EntryId(previous)), ..mallory.header(&body) };
        let entry = WireEntry { header: header.encode(&mallory.key), body: Some(body.clone()) };
        talk.send(&mallory.entries(vec![entry])).await;
    }
    victim.is_unharmed(64 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_messages_a_second_are_borne() {
    let mut victim = Victim::new();
    let mut mallory = Mallory::befriends(&victim).await;
    let mut talk = mallory.talk().await;
    let count = measured_or(50_000, 5_000);
    let began = Instant::now();
    let mut sent = 0;
    while sent < count {
        let batch: Vec<_> = (0..100).map(|n| mallory.write(&format!("{:06}", sent + n))).collect();
        sent += 100;
        talk.send(&mallory.entries(batch)).await;
    }
    let last = format!("{:06}", count - 1);
    victim.process.event_within(PATIENCE * 4, "message", |e| e["text"] == last.as_str());
    let rate = f64::from(count) / began.elapsed().as_secs_f64();
    figure("messages a second from a contact who floods", format!("{rate:.0}"));
    victim.is_unharmed(96 * MIB);
    let id = json!(mallory.person.identity());
    let conversation = conversation_with(&victim.process, &id);
    let shown = victim.process.call("history", json!({ "conversation": conversation, "limit": 1 }));
    assert_eq!(shown[0]["text"], last.as_str());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn harmful_text_from_the_wire_is_made_harmless() {
    let mut victim = Victim::new();
    let mut mallory = Mallory::befriends(&victim).await;
    let mut talk = mallory.talk().await;
    let harmful = [
        "\u{1b}]52;c;aGVsbG8=\u{7}clipboard",
        "\u{9b}31mred",
        "\u{202e}gnp.exe",
        "zero\u{200b}width\u{feff}",
        "tag\u{e0041}\u{e007f}",
        "nul\u{0}bell\u{7}back\u{8}",
        "line\r\nfeed\u{2028}sep\u{85}nel",
    ];
    let zalgo = format!("z{}", "\u{0301}".repeat(10_000));
    let texts: Vec<&str> = harmful.into_iter().chain([zalgo.as_str()]).collect();
    for text in &texts {
        let entry = mallory.write(text);
        talk.send(&mallory.entries(vec![entry])).await;
    }
    let entry = mallory.write("the last one");
    talk.send(&mallory.entries(vec![entry])).await;
    victim.process.event("message", |e| e["text"] == "the last one");
    let id = json!(mallory.person.identity());
    let conversation = conversation_with(&victim.process, &id);
    for entry in crate::support::profile::history(&victim.process, &conversation) {
        let text = entry["text"].as_str().unwrap_or_default();
        assert!(text.len() < 1000, "{} bytes of marks", text.len());
        for c in text.chars() {
            let harmful = (c.is_control() && !matches!(c, '\n' | '\t'))
                || matches!(c, '\u{200b}' | '\u{feff}' | '\u{2028}' | '\u{2029}')
                || ('\u{202a}'..='\u{202e}').contains(&c)
                || ('\u{2066}'..='\u{2069}').contains(&c)
                || ('\u{e0000}'..='\u{e007f}').contains(&c);
            assert!(!harmful, "{c:?} in {text:?}");
        }
    }
    talk.end().await;
    // Names as well.
    let named = || victim.process.call("contacts", json!({})).to_string();
    let (before, deadline) = (named(), Instant::now() + Duration::from_secs(10));
    let mut talk = mallory.talk().await;
    talk.hello("Nasty\u{1b}[2J n\u{202e}ame\n").await;
    while named() == before || !named().contains("Nasty") {
        assert!(Instant::now() < deadline, "the new name never came");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let contacts = named();
    assert!(!contacts.contains("u001b") && !contacts.contains('\u{202e}'), "{contacts}");
    victim.is_unharmed(64 * MIB);
}
