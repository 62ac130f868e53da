//! A contact who lies about a file that others have.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use entrenous::{blob::Key, conversation::File};
use serde_json::{Value, json};

use crate::{
    Victim,
    attacker::Talk,
    contact::Mallory,
    files::{Offer, offer, serve, talks},
    support::{
        fetch::content,
        process::Process,
        profile::{Profile, pair},
    },
};

const MIB: u64 = 1024 * 1024;

impl Victim {
    /// Who was attacked is the friend now.
    fn swap(&mut self) {
        std::mem::swap(&mut self.process, &mut self.friend);
        std::mem::swap(&mut self.profiles.0, &mut self.profiles.1);
    }
}

/// The friend has this, of somebody honest, and has offered it to the victim. Returns the entry.
async fn friend_has(victim: &mut Victim, size: u64) -> (Value, File, Vec<u8>) {
    let right = content(usize::try_from(size).unwrap());
    let honest = Offer::new("shared.bin", right.clone());
    let file = honest.file.clone();
    victim.swap();
    let mut somebody = Mallory::befriends(victim).await;
    let mut talk = talks(&somebody).await;
    let entry = offer(victim, &mut somebody, &mut talk, &[&file]).await.remove(0);
    serve(&mut talk.wire, move |request| honest.answer(request));
    victim.get(&somebody, &entry);
    victim.is_done(&entry);
    let params = json!({
        "conversation": victim.conversation_with(&somebody),
        "entry": entry,
        "to": victim.conversation,
    });
    let entry = victim.process.call("forwardFile", params)["entry"].clone();
    talk.end().await;
    victim.swap();
    victim.process.event("fileOffered", |event| event["entry"] == entry);
    (entry, file, right)
}

/// Answers every request with this, in which one bit of the first group asked for is false. Returns
/// how many there were.
fn lies(talk: &mut Talk, right: &[u8]) -> Arc<AtomicU64> {
    let lie = Offer::new("shared.bin", right.to_vec());
    let requests = Arc::new(AtomicU64::new(0));
    let asked = Arc::clone(&requests);
    serve(&mut talk.wire, move |request| {
        asked.fetch_add(1, Relaxed);
        let mut answer = lie.answer(request);
        answer[2000] ^= 1;
        answer
    });
    requests
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_liar_among_holders_is_dropped_at_the_first_false_slice_and_for_good() {
    let mut victim = Victim::new();
    let (_, file, right) = friend_has(&mut victim, 24 * MIB).await;
    let mut mallory = Mallory::befriends(&victim).await;
    let mut talk = talks(&mallory).await;
    let files = [&file, &File { name: "again.bin".to_owned(), ..file.clone() }];
    let entries = offer(&victim, &mut mallory, &mut talk, &files).await;
    let requests = lies(&mut talk, &right);
    for (entry, what) in entries.iter().zip(["shared.bin", "again.bin"]) {
        victim.get(&mallory, entry);
        let path = victim.is_done(entry);
        assert!(fs::read(path).unwrap() == right, "{what} is false");
        // One on each of two streams, before either answer was looked at; none after that.
        let requests = requests.load(Relaxed);
        assert!((1..=2).contains(&requests), "{what}: {requests} requests");
    }
    assert_eq!(victim.process.events("fileFailed"), Vec::<Value>::new());
    talk.end().await;
    victim.is_unharmed(64 * MIB);
}

/// One more who has what the friend has by this entry, and offers it to the victim. Returns the
/// entry of that.
fn has_too(victim: &Victim, entry: &Value) -> (Profile, Process, Value) {
    let profile = Profile::loopback();
    let known = [&victim.profiles.0, &victim.profiles.1].map(|known| known.address().unwrap());
    let process = profile.start_with(&["--bootstrap", &known[0], "--bootstrap", &known[1]]);
    let (friend, victims) = (&victim.friend, &victim.process);
    let forward = |from: &Process, conversation: &Value, entry: &Value, to: &Process| {
        let theirs = pair(from, to);
        let params = json!({ "conversation": conversation, "entry": entry, "to": theirs });
        let entry = from.call("forwardFile", params)["entry"].clone();
        to.event("fileOffered", |event| event["entry"] == entry);
        (theirs, entry)
    };
    let (conversation, entry) = forward(friend, &victim.conversation, entry, &process);
    process.call("getFile", json!({ "conversation": conversation, "entry": entry }));
    process.event("fileDone", |event| event["entry"] == entry);
    let (_, entry) = forward(&process, &conversation, &entry, victims);
    (profile, process, entry)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_four_holders_the_one_who_lies_is_dropped_and_the_three_send_the_file() {
    let mut victim = Victim::new();
    // So much that each has something to send, even one who is asked late.
    let (entry, file, right) = friend_has(&mut victim, 64 * MIB).await;
    let others = [has_too(&victim, &entry), has_too(&victim, &entry)];
    let mut mallory = Mallory::befriends(&victim).await;
    let mut talk = talks(&mallory).await;
    let false_entry = offer(&victim, &mut mallory, &mut talk, &[&file]).await.remove(0);
    let requests = lies(&mut talk, &right);
    victim.get(&mallory, &false_entry);
    let path = victim.is_done(&false_entry);
    assert!(fs::read(path).unwrap() == right);
    let requests = requests.load(Relaxed);
    assert!((1..=2).contains(&requests), "{requests} requests");
    victim.friend.event("fileSent", |event| event["entry"] == entry);
    for (_, process, entry) in &others {
        process.event("fileSent", |event| event["entry"] == *entry);
    }
    assert_eq!(victim.process.events("fileFailed"), Vec::<Value>::new());
    talk.end().await;
    victim.is_unharmed(64 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn however_many_have_it_so_many_are_asked_at_a_time() {
    let mut victim = Victim::new();
    // So that all who are asked have something to send.
    let offered = Arc::new(Offer::new("shared.bin", content(160 << 20)));
    let answered = Arc::new(AtomicBool::new(false));
    let (mut all, mut entry) = (Vec::new(), None);
    for _ in 0..17 {
        let mut mallory = Mallory::befriends(&victim).await;
        let mut talk = talks(&mallory).await;
        entry = Some(offer(&victim, &mut mallory, &mut talk, &[&offered.file]).await.remove(0));
        let (offered, answered) = (Arc::clone(&offered), Arc::clone(&answered));
        // One answer in all, so that it is told how far it has come, and by how many.
        serve(&mut talk.wire, move |request| {
            if answered.swap(true, Relaxed) { Vec::new() } else { offered.answer(request) }
        });
        all.push((mallory, talk));
    }
    victim.get(&all[16].0, &entry.unwrap());
    let some = victim.process.event("fileProgress", |event| event["done"].as_u64() > Some(0));
    assert_eq!(some["holders"], 16);
    for (_, talk) in all {
        talk.end().await;
    }
    victim.is_unharmed(64 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_copies_the_root_alone_is_no_holder() {
    let mut victim = Victim::new();
    let (entry, file, right) = friend_has(&mut victim, 8 * MIB).await;
    let mut mallory = Mallory::befriends(&victim).await;
    let mut talk = talks(&mallory).await;
    let key = Key::from_bytes([8; 32]);
    let lies = [
        File { size: file.size - 1, ..file.clone() },
        File { size: file.size + 1, ..file.clone() },
        File { key, ..file.clone() },
        File { manifest: 1, ..file.clone() },
    ];
    let lies: Vec<_> = lies.iter().collect();
    offer(&victim, &mut mallory, &mut talk, &lies).await;
    let streams = Arc::new(AtomicU64::new(0));
    let opened = Arc::clone(&streams);
    let mut taken = talk.wire.take_files();
    tokio::spawn(async move {
        while taken.recv().await.is_some() {
            opened.fetch_add(1, Relaxed);
        }
    });
    let params = json!({ "conversation": victim.conversation, "entry": entry });
    victim.process.call("getFile", params);
    let path = victim.is_done(&entry);
    assert!(fs::read(path).unwrap() == right);
    assert_eq!(streams.load(Relaxed), 0, "somebody was asked for what they don't have");
    let most = victim.process.events("fileProgress");
    assert!(most.iter().all(|event| event["holders"].as_u64() <= Some(1)), "{most:?}");
    talk.end().await;
    victim.is_unharmed(64 * MIB);
}
