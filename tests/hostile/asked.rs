//! A contact who asks for files: they get what was offered to them, a little at a time.

#![allow(clippy::single_range_in_vec_init, reason = "one span is meant")]

use std::time::{Duration, Instant};

use entrenous::{
    blob::GROUP,
    conversation::{ConversationId, EntryId},
    sync::{FileRefusal, FileRequest, Message, file_request::GRANTED},
};
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::Stream;
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::{
    Victim,
    attacker::Wire,
    contact::Mallory,
    files::{Offer, ask, first_group, may_ask, offer, talks},
    support::{
        PATIENCE,
        fetch::{MIB, content},
        figure,
    },
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stranger_is_not_even_told_that_there_are_files() {
    let mut victim = Victim::new();
    let [quic, tcp] = victim.addresses();
    for address in [&quic, &tcp] {
        let mut wire = Wire::open(address).await.expect("no link");
        assert!(wire.open_files().await.is_none());
        wire.end().await;
    }
    let mallory = Mallory::befriends(&victim).await;
    // A contact gets one.
    talks(&mallory).await;
    victim.is_unharmed(32 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn only_what_was_offered_to_them_is_sent() {
    let mut victim = Victim::new();
    let mut mallory = Mallory::befriends(&victim).await;
    let mut talk = talks(&mallory).await;
    let theirs = victim.conversation_with(&mallory);
    let (offered, secret) =
        (victim.offers(&theirs, 20_000), victim.offers(&victim.conversation, 30_000));
    let deleted = victim.offers(&theirs, 40_000);
    victim.process.call("delete", json!({ "conversation": theirs, "entry": deleted }));
    let text = victim.process.call("send", json!({ "conversation": theirs, "text": "hello" }));
    let own = Offer::new("own.bin", content(50_000));
    let own = offer(&victim, &mut mallory, &mut talk, &[&own.file]).await.remove(0);
    let mut stream = talk.wire.open_files().await.unwrap();
    let unknown = Some(FileRefusal::Unknown.number());
    let nobody = json!(ConversationId([3; 32]));
    for (what, conversation, entry) in [
        ("the friend's file", &victim.conversation, &secret),
        ("the friend's file, as their own", &theirs, &secret),
        ("their own file in the friend's conversation", &victim.conversation, &offered),
        ("a conversation of nobody", &nobody, &offered),
        ("an entry of nobody", &theirs, &json!(EntryId([4; 32]))),
        ("a text", &theirs, &text["entry"]),
        ("what was deleted", &theirs, &deleted),
        ("what they offered, and the victim did not fetch", &theirs, &own),
    ] {
        assert_eq!(ask(&mut stream, &first_group(conversation, entry)).await, unknown, "{what}");
    }
    // And on the same stream, what was.
    assert_eq!(ask(&mut stream, &first_group(&theirs, &offered)).await, Some(GRANTED));
    // The hashes of two groups, and the first of them.
    let mut slices = vec![0; 64 + usize::try_from(GROUP).unwrap()];
    timeout(PATIENCE, stream.read_exact(&mut slices)).await.unwrap().unwrap();
    // Beyond its end there is nothing; at most its last group comes to prove that.
    let beyond =
        FileRequest { spans: vec![1 << 40..(1 << 40) + 1], ..first_group(&theirs, &offered) };
    let mut stream = talk.wire.open_files().await.unwrap();
    stream.write_all(&beyond.encode()).await.unwrap();
    stream.close().await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.len() as u64 <= 2 * GROUP, "{} bytes", answer.len());
    victim.is_unharmed(32 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_asks_for_what_is_not_theirs_is_not_told_so_for_ever() {
    let mut victim = Victim::new();
    let (_mallory, mut talk, request) = may_ask(&victim, 1000).await;
    let nothing = FileRequest { entry: EntryId([4; 32]), ..request.clone() };
    let mut stream = talk.wire.open_files().await.unwrap();
    let mut refused = 0;
    // What is granted between does not begin the count anew.
    while let Some(answer) = ask(&mut stream, &nothing).await {
        assert_eq!(answer, FileRefusal::Unknown.number());
        refused += 1;
        assert!(refused <= 16, "it goes on");
        if refused == 8 {
            assert_eq!(ask(&mut stream, &request).await, Some(GRANTED));
            timeout(PATIENCE, stream.read_exact(&mut [0; 1000])).await.unwrap().unwrap();
        }
    }
    assert_eq!(refused, 16);
    let mut stream = talk.wire.open_files().await.unwrap();
    assert_eq!(ask(&mut stream, &request).await, Some(GRANTED));
    victim.is_unharmed(32 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_asks_for_a_little_again_and_again_keeps_no_front_end_busy() {
    let victim = Victim::new();
    let (_mallory, talk, request) = may_ask(&victim, 1000).await;
    let mut talk = talk;
    let mut stream = talk.wire.open_files().await.unwrap();
    let (began, mut slices) = (Instant::now(), [0; 1000]);
    for _ in 0..500 {
        assert_eq!(ask(&mut stream, &request).await, Some(GRANTED));
        timeout(PATIENCE, stream.read_exact(&mut slices)).await.unwrap().unwrap();
    }
    let (mut told, mut events) = (0, 0);
    while told < 500 * 1000 {
        let event = victim.process.event("fileSent", |_| true);
        told += event["bytes"].as_u64().unwrap();
        events += 1;
    }
    assert_eq!(told, 500 * 1000);
    // Twice a second, and once more at either end.
    let most = began.elapsed().as_millis() / 500 + 2;
    assert!(events <= most, "{events} events, at most {most}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn garbage_ends_a_stream_and_nothing_else() {
    let mut victim = Victim::new();
    let (_mallory, mut talk, good) = may_ask(&victim, 1000).await;
    let encoded = good.encode();
    let mut rng = StdRng::seed_from_u64(7);
    let mut noise = vec![0; 100_000];
    rng.fill_bytes(&mut noise);
    let mut cases = vec![
        ("nothing", Vec::new()),
        ("no length", vec![0]),
        ("an empty request", vec![0, 0]),
        ("a length over the limit", [&[0xff, 0xff][..], &vec![0; 65_535]].concat()),
        ("one over the limit", [&4097_u16.to_be_bytes()[..], &[0; 4097]].concat()),
        ("a length without a request", vec![0x0f, 0xff]),
        ("half a request", encoded[..encoded.len() / 2].to_vec()),
        ("noise", noise),
    ];
    for _ in 0..40 {
        let mut bent = encoded.clone();
        let at = rng.random_range(0..bent.len());
        bent[at] ^= 1 << rng.random_range(0..8);
        cases.push(("a bent request", bent));
    }
    for (what, bytes) in cases {
        let mut stream = talk.wire.open_files().await.expect("the link stands");
        // The victim may have hung up before all is written.
        let _ = stream.write_all(&bytes).await;
        let _ = stream.close().await;
        let mut answer = Vec::new();
        let ended = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "{what}: it does not end");
        // A bent request may still be one.
        assert!(answer.len() < 2000, "{what}: {} bytes", answer.len());
    }
    let mut stream = talk.wire.open_files().await.unwrap();
    assert_eq!(ask(&mut stream, &good).await, Some(GRANTED));
    victim.is_unharmed(32 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn streams_without_number_are_few_at_a_time() {
    let mut victim = Victim::new();
    let (mallory, mut talk, good) = may_ask(&victim, 1000).await;
    let before = victim.threads();
    // As many as there may be at a time, each in use.
    let mut held = Vec::new();
    while held.len() < 200
        && let Ok(opened) = timeout(Duration::from_secs(1), talk.wire.open_files()).await
    {
        let mut stream = opened.expect("the link stands");
        match ask(&mut stream, &good).await {
            Some(GRANTED) => held.push(stream),
            answer => {
                assert_eq!(answer, Some(FileRefusal::Busy.number()));
                break;
            }
        }
    }
    figure("streams for files that a contact may hold", held.len());
    assert_eq!(held.len(), 8);
    victim.serves_on();
    let most = victim.threads() - before;
    assert!(most <= 32, "{most} more threads");
    drop(held);
    // Thousands, one after the other.
    let mut talk = {
        talk.wire.end().await;
        talks(&mallory).await
    };
    let began = Instant::now();
    for number in 0..3000 {
        let mut stream = talk.wire.open_files().await.expect("the link stands");
        if number % 3 == 0 {
            stream.write_all(&good.encode()[..number % 50]).await.unwrap();
        }
    }
    println!("3000 streams in {:?}", began.elapsed());
    victim.serves_on();
    let most = victim.threads().saturating_sub(before);
    assert!(most <= 80, "{most} more threads");
    victim.is_unharmed(64 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_asks_and_never_reads_holds_little_and_not_for_long() {
    let mut victim = Victim::new();
    let (mallory, mut talk, first) = may_ask(&victim, 64 * MIB).await;
    let request = FileRequest { spans: vec![0..256], ..first };
    let ask_often = async |stream: &mut Stream| {
        for _ in 0..20 {
            let _ = stream.write_all(&request.encode()).await;
        }
        let _ = stream.flush().await;
    };
    // 80 MiB are asked for on each, more than the connection takes: the session is held up, too.
    let mut held = Vec::new();
    for _ in 0..12 {
        held.push(talk.wire.open_files().await.unwrap());
    }
    for stream in &mut held {
        ask_often(stream).await;
    }
    victim.serves_on();
    victim.is_unharmed(64 * MIB);
    talk.wire.end().await;
    // On one alone, beside a session that goes on.
    let mut talk = talks(&mallory).await;
    let mut stream = talk.wire.open_files().await.unwrap();
    ask_often(&mut stream).await;
    // Until the stream is given up.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(23) {
        talk.send(&Message::Ping).await;
        let answered = async { while talk.receive().await.unwrap() != Message::Pong {} };
        let answered = timeout(Duration::from_secs(2), answered).await;
        assert!(answered.is_ok(), "no answer after {:?}", began.elapsed());
        sleep(Duration::from_millis(250)).await;
    }
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "it still sends");
    // What fits the window of a stream, and a block before and after it.
    assert!(answer.len() as u64 <= 3 * MIB, "{} bytes were on their way", answer.len());
    victim.is_unharmed(64 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn however_many_ask_so_many_are_served_and_the_others_in_their_turn() {
    let mut victim = Victim::new();
    let before = victim.threads();
    let (mut open, mut granted, mut busy) = (Vec::new(), Vec::new(), 0);
    for _ in 0..9 {
        let (_, mut talk, request) = may_ask(&victim, 1000).await;
        for _ in 0..8 {
            let mut stream = talk.wire.open_files().await.unwrap();
            match ask(&mut stream, &request).await {
                Some(GRANTED) => granted.push(stream),
                answer => {
                    assert_eq!(answer, Some(FileRefusal::Busy.number()));
                    busy += 1;
                }
            }
        }
        open.push(talk);
    }
    println!("{} are served, {busy} are not", granted.len());
    assert_eq!(granted.len() + busy, 9 * 8);
    assert!((60..=64).contains(&granted.len()), "{}", granted.len());
    let most = victim.threads() - before;
    assert!(most <= 80, "{most} more threads");
    // The friend waits until they are found to be doing nothing.
    victim.serves_on();
    assert_eq!(victim.friend.events("fileFailed"), Vec::<Value>::new());
    victim.is_unharmed(64 * MIB);
}
