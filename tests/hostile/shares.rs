//! A contact who takes more of what is served or fetched than is their share.

#![allow(clippy::single_range_in_vec_init, reason = "one span is meant")]

use std::{
    fs,
    time::{Duration, Instant},
};

use entrenous::{
    blob::GROUP,
    sync::{FileRefusal, FileRequest, file_request::GRANTED},
};
use futures::{AsyncReadExt, AsyncWriteExt};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    Victim,
    attacker::Talk,
    contact::Mallory,
    files::{Offer, ask, first_group, may_ask, offer, talks},
    support::{
        PATIENCE,
        fetch::{MIB, content},
    },
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stream_on_which_nothing_is_asked_ends_however_slowly() {
    let mut victim = Victim::new();
    let (_mallory, mut talk, request) = may_ask(&victim, 1000).await;
    let mut idle = talk.wire.open_files().await.unwrap();
    assert_eq!(ask(&mut idle, &request).await, Some(GRANTED));
    let mut slow = talk.wire.open_files().await.unwrap();
    let began = Instant::now();
    let keep_up = async {
        while let Some(message) = talk.receive().await {
            if message == entrenous::sync::Message::Ping {
                talk.send(&entrenous::sync::Message::Pong).await;
            }
        }
    };
    // A byte every few seconds, of a request that would take ten minutes.
    let dribble = async {
        for byte in request.encode() {
            slow.write_all(&[byte]).await?;
            slow.flush().await?;
            let mut end = [0];
            match timeout(Duration::from_secs(4), slow.read(&mut end)).await {
                Ok(read) => return read.map(|_| ()),
                Err(_) => assert!(began.elapsed() < Duration::from_secs(28), "it goes on"),
            }
        }
        Ok::<_, std::io::Error>(())
    };
    tokio::select! {
        () = keep_up => panic!("the session ended"),
        _ = dribble => {}
    }
    assert!(began.elapsed() >= Duration::from_secs(15), "it was ended at once");
    let mut rest = Vec::new();
    let ended = timeout(Duration::from_secs(10), idle.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "one without a question stays");
    victim.is_unharmed(32 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_deleted_is_not_sent_on_by_streams_that_stand() {
    let mut victim = Victim::new();
    let (_mallory, mut talk, request) = may_ask(&victim, 8 * MIB).await;
    let mut standing = talk.wire.open_files().await.unwrap();
    assert_eq!(ask(&mut standing, &request).await, Some(GRANTED));
    // The hashes above the first group, and it.
    let mut first = vec![0; 9 * 64 + usize::try_from(GROUP).unwrap()];
    timeout(PATIENCE, standing.read_exact(&mut first)).await.unwrap().unwrap();
    // An answer of 4 MiB, more than is on its way at once.
    let mut amid = talk.wire.open_files().await.unwrap();
    let all = FileRequest { spans: vec![0..256], ..request.clone() };
    assert_eq!(ask(&mut amid, &all).await, Some(GRANTED));
    let FileRequest { conversation, entry, .. } = &request;
    victim.process.call("delete", json!({ "conversation": conversation, "entry": entry }));
    let again = ask(&mut standing, &request).await;
    assert!(again.is_none_or(|answer| answer == FileRefusal::Unknown.number()), "{again:?}");
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, amid.read_to_end(&mut rest)).await.expect("it is sent on");
    assert!((rest.len() as u64) < 4 * MIB, "all of it came");
    victim.is_unharmed(32 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_folder_is_open_once_for_all_streams() {
    let mut victim = Victim::new();
    let mallory = Mallory::befriends(&victim).await;
    let mut talk = talks(&mallory).await;
    let theirs = victim.conversation_with(&mallory);
    let folder = victim.profiles.0.outside().join("folder");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("a"), content(100_000)).unwrap();
    let params = json!({ "conversation": theirs, "path": folder });
    let entry = victim.process.call("sendFile", params)["entry"].clone();
    let request = first_group(&theirs, &entry);
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = talk.wire.open_files().await.unwrap();
        assert_eq!(ask(&mut stream, &request).await, Some(GRANTED));
        streams.push(stream);
        // The next cannot read it, and needs not.
        for blob in fs::read_dir(victim.profiles.0.dir().join("blobs")).unwrap() {
            let path = blob.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "list") {
                fs::remove_file(path).unwrap();
            }
        }
    }
    drop(streams);
    // It is not held for longer.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut stream = talk.wire.open_files().await.unwrap();
        if ask(&mut stream, &request).await == Some(FileRefusal::Gone.number()) {
            break;
        }
        assert!(Instant::now() < deadline, "it stays open");
    }
    victim.is_unharmed(32 * MIB);
}

/// Mallory offers files that are asked for, and never sends anything; the friend offers one.
async fn fetches_nothing(victim: &Victim, mallory: &mut Mallory, talk: &mut Talk) {
    let offers: Vec<_> =
        (0..4).map(|number| Offer::new(&format!("{number}.bin"), content(100_000))).collect();
    let files: Vec<_> = offers.iter().map(|offer| &offer.file).collect();
    let entries = offer(victim, mallory, talk, &files).await;
    // Streams are taken, and nothing is answered.
    let mut streams = talk.wire.take_files();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Some(stream) = streams.recv().await {
            held.push(stream);
        }
    });
    for entry in &entries {
        victim.get(mallory, entry);
        victim.process.event("fileProgress", |event| event["entry"] == *entry);
    }
}

/// The victim asks for a file of the friend.
fn asks_the_friend(victim: &Victim) -> Value {
    let path = victim.profiles.1.outside().join("friends.bin");
    fs::write(&path, content(1000)).unwrap();
    let params = json!({ "conversation": victim.conversation, "path": path });
    let entry = victim.friend.call("sendFile", params)["entry"].clone();
    victim.process.event("fileOffered", |event| event["entry"] == entry);
    let params = json!({ "conversation": victim.conversation, "entry": entry });
    victim.process.call("getFile", params);
    entry
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fetches_of_which_nothing_comes_make_room() {
    let mut victim = Victim::new();
    let mut mallory = Mallory::befriends(&victim).await;
    let mut talk = talks(&mallory).await;
    fetches_nothing(&victim, &mut mallory, &mut talk).await;
    let entry = asks_the_friend(&victim);
    victim.is_done(&entry);
    victim.is_unharmed(32 * MIB);
}
