//! A contact who means harm by files: what they ask for, what they offer, and what they send.

#![allow(clippy::single_range_in_vec_init, reason = "one span is meant")]

use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use entrenous::{
    blob::{self, GROUP, Key, Outboard},
    conversation::{Body, ConversationId, EntryId, File},
    sync::{FileRefusal, FileRequest, Message, file_request::GRANTED},
};
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::Stream;
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    Victim,
    attacker::{Talk, Wire},
    contact::Mallory,
    support::{
        PATIENCE,
        fetch::{content, parts},
        figure,
        profile::{conversation_with, history},
    },
};

const MIB: u64 = 1024 * 1024;

/// What Mallory offers.
pub struct Offer {
    content: Vec<u8>,
    hashes: Vec<u8>,
    pub file: File,
}

impl Offer {
    pub fn new(name: &str, content: Vec<u8>) -> Self {
        let (key, size) = (Key::from_bytes([9; 32]), content.len() as u64);
        let mut hashes = Vec::new();
        let root = blob::outboard(&content[..], size, &key, &mut hashes).unwrap();
        hashes.resize(usize::try_from(blob::outboard_bytes(size)).unwrap(), 0);
        let (name, media_type) = (name.to_owned(), String::new());
        let file =
            File { name, size, media_type, root, key, manifest: 0, preview: None, voice: None };
        Self { content, hashes, file }
    }

    /// What an honest program would answer.
    fn answer(&self, request: &FileRequest) -> Vec<u8> {
        let mut answer = vec![GRANTED];
        let outboard = Outboard::new(self.file.root, self.file.size, &self.hashes[..]);
        let mut slices = Vec::new();
        for block in blob::by_block(&request.spans) {
            let content = &self.content[..];
            blob::send(content, &self.file.key, &outboard, &block, &mut slices).unwrap();
            answer.extend_from_slice(&slices);
        }
        answer
    }
}

/// Offers these files; returns their entries once the victim knows them.
pub async fn offer(
    victim: &Victim,
    mallory: &mut Mallory,
    talk: &mut Talk,
    files: &[&File],
) -> Vec<Value> {
    let mut entries = Vec::new();
    for file in files {
        let entry = mallory.write_body(&Body::File(Box::new((*file).clone())));
        entries.push(json!(EntryId::of(&entry.header)));
        talk.send(&mallory.entries(vec![entry])).await;
    }
    for entry in &entries {
        victim.process.event("fileOffered", |event| event["entry"] == *entry);
    }
    entries
}

/// A session by which the victim takes streams for files. It does so only once it knows who is
/// there, which may be a moment after they do.
pub async fn talks(mallory: &Mallory) -> Talk {
    let mut talk = mallory.talk().await;
    let deadline = Instant::now() + PATIENCE;
    while talk.wire.open_files().await.is_none() {
        assert!(Instant::now() < deadline, "a contact gets no stream for files");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    talk
}

/// Reads a request; `None` at the end.
async fn read_request(stream: &mut Stream) -> Option<FileRequest> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).await.ok()?;
    let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut bytes).await.ok()?;
    Some(FileRequest::decode(&bytes).expect("the victim asks as it should"))
}

/// Answers so to whatever the victim asks, on all streams that it opens, until the test is over.
pub fn serve(wire: &mut Wire, answer: impl Fn(&FileRequest) -> Vec<u8> + Send + Sync + 'static) {
    let (mut streams, answer) = (wire.take_files(), Arc::new(answer));
    tokio::spawn(async move {
        while let Some(mut stream) = streams.recv().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                while let Some(request) = read_request(&mut stream).await {
                    let answer = answer(&request);
                    if stream.write_all(&answer).await.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                }
            });
        }
    });
}

impl Victim {
    pub fn conversation_with(&self, mallory: &Mallory) -> Value {
        conversation_with(&self.process, &json!(mallory.person.identity()))
    }

    pub fn downloads(&self) -> PathBuf {
        self.profiles.0.dir().join("downloads")
    }

    pub fn get(&self, mallory: &Mallory, entry: &Value) {
        let params = json!({ "conversation": self.conversation_with(mallory), "entry": entry });
        self.process.call("getFile", params);
    }

    #[track_caller]
    pub fn is_done(&self, entry: &Value) -> PathBuf {
        let done = self.process.event("fileDone", |event| event["entry"] == *entry);
        PathBuf::from(done["path"].as_str().unwrap())
    }

    #[track_caller]
    fn has_failed(&self, entry: &Value) -> (Value, String) {
        let failed = self.process.event("fileFailed", |event| event["entry"] == *entry);
        (failed["kind"].clone(), failed["text"].as_str().unwrap().to_owned())
    }

    /// Offers a file of this size in a conversation.
    pub fn offers(&self, conversation: &Value, size: u64) -> Value {
        let path = self.profiles.0.outside().join(format!("{size}.bin"));
        fs::write(&path, content(usize::try_from(size).unwrap())).unwrap();
        let params = json!({ "conversation": conversation, "path": path });
        self.process.call("sendFile", params)["entry"].clone()
    }

    /// The friend fetches a file, whatever else is going on.
    #[track_caller]
    pub fn serves_on(&self) {
        let entry = self.offers(&self.conversation, 3 * MIB);
        self.friend.event("fileOffered", |event| event["entry"] == entry);
        let params = json!({ "conversation": self.conversation, "entry": entry });
        self.friend.call("getFile", params);
        self.friend.event("fileDone", |event| event["entry"] == entry);
    }

    fn received(&self) -> u64 {
        self.process.call("network", json!({}))["bytesIn"].as_u64().unwrap()
    }
}

pub fn of<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

/// Asks, and gives the first byte of the answer; `None` if the stream ends.
pub async fn ask(stream: &mut Stream, request: &FileRequest) -> Option<u8> {
    stream.write_all(&request.encode()).await.ok()?;
    stream.flush().await.ok()?;
    first_byte(stream).await
}

pub async fn first_byte(stream: &mut Stream) -> Option<u8> {
    let mut answer = [0];
    let read = timeout(PATIENCE, stream.read_exact(&mut answer)).await;
    read.expect("neither an answer nor an end").ok()?;
    Some(answer[0])
}

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
    let request = |conversation: &Value, entry: &Value| FileRequest {
        conversation: of(conversation),
        entry: of(entry),
        spans: vec![0..1],
    };
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
        assert_eq!(ask(&mut stream, &request(conversation, entry)).await, unknown, "{what}");
    }
    // And on the same stream, what was.
    assert_eq!(ask(&mut stream, &request(&theirs, &offered)).await, Some(GRANTED));
    // The hashes of two groups, and the first of them.
    let mut slices = vec![0; 64 + usize::try_from(GROUP).unwrap()];
    timeout(PATIENCE, stream.read_exact(&mut slices)).await.unwrap().unwrap();
    // Beyond its end there is nothing; at most its last group comes to prove that.
    let beyond = FileRequest { spans: vec![1 << 40..(1 << 40) + 1], ..request(&theirs, &offered) };
    let mut stream = talk.wire.open_files().await.unwrap();
    stream.write_all(&beyond.encode()).await.unwrap();
    stream.close().await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.len() as u64 <= 2 * GROUP, "{} bytes", answer.len());
    victim.is_unharmed(32 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn garbage_ends_a_stream_and_nothing_else() {
    let mut victim = Victim::new();
    let mallory = Mallory::befriends(&victim).await;
    let mut talk = talks(&mallory).await;
    let theirs = victim.conversation_with(&mallory);
    let entry = victim.offers(&theirs, 1000);
    let good = FileRequest { conversation: of(&theirs), entry: of(&entry), spans: vec![0..1] };
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
    let mallory = Mallory::befriends(&victim).await;
    let mut talk = talks(&mallory).await;
    let theirs = victim.conversation_with(&mallory);
    let entry = victim.offers(&theirs, 1000);
    let good = FileRequest { conversation: of(&theirs), entry: of(&entry), spans: vec![0..1] };
    let threads = || fs::read_dir(format!("/proc/{}/task", victim.process.pid())).unwrap().count();
    let before = threads();
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
    let most = threads() - before;
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
    let most = threads().saturating_sub(before);
    assert!(most <= 80, "{most} more threads");
    victim.is_unharmed(64 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_asks_and_never_reads_holds_little_and_not_for_long() {
    let mut victim = Victim::new();
    let mallory = Mallory::befriends(&victim).await;
    let mut talk = talks(&mallory).await;
    let theirs = victim.conversation_with(&mallory);
    let entry = victim.offers(&theirs, 64 * MIB);
    let spans = vec![0..256];
    let request = FileRequest { conversation: of(&theirs), entry: of(&entry), spans };
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
    // On one alone, beside a session that is kept up.
    let mut talk = talks(&mallory).await;
    let mut stream = talk.wire.open_files().await.unwrap();
    ask_often(&mut stream).await;
    let began = Instant::now();
    let keep_up = async {
        while let Some(message) = talk.receive().await {
            if message == Message::Ping {
                talk.send(&Message::Pong).await;
            }
        }
    };
    let stood = timeout(Duration::from_secs(23), keep_up).await.is_err();
    assert!(stood, "the session ended after {:?}", began.elapsed());
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "it still sends");
    assert!(answer.len() as u64 <= 2 * MIB, "{} bytes were on their way", answer.len());
    victim.is_unharmed(64 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn however_many_ask_so_many_are_served_and_the_others_in_their_turn() {
    let mut victim = Victim::new();
    let threads = || fs::read_dir(format!("/proc/{}/task", victim.process.pid())).unwrap().count();
    let before = threads();
    let (mut open, mut granted, mut busy) = (Vec::new(), Vec::new(), 0);
    for _ in 0..9 {
        let mallory = Mallory::befriends(&victim).await;
        let theirs = victim.conversation_with(&mallory);
        let entry = victim.offers(&theirs, 1000);
        let spans = vec![0..1];
        let request = FileRequest { conversation: of(&theirs), entry: of(&entry), spans };
        let mut talk = talks(&mallory).await;
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
    let most = threads() - before;
    assert!(most <= 80, "{most} more threads");
    // The friend waits until they are found to be doing nothing.
    victim.serves_on();
    assert_eq!(victim.friend.events("fileFailed"), Vec::<Value>::new());
    victim.is_unharmed(64 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn false_slices_are_found_at_the_first_and_none_is_kept() {
    let mut victim = Victim::new();
    let mut mallory = Mallory::befriends(&victim).await;
    let group = usize::try_from(GROUP).unwrap();
    let whole = content(40 * group);
    // Where in the answer to the first request the lie is: 40 groups have 39 pairs of hashes, of
    // which six stand before the first group.
    for (what, at) in [
        ("a hash at the top", 1),
        ("a hash above the first group", 1 + 5 * 64),
        ("the first group", 1 + 6 * 64 + 17),
        ("the end of the first group", 6 * 64 + group),
        ("somewhere else", 20 * group),
    ] {
        println!("{what}");
        let offered = Offer::new("lie.bin", whole.clone());
        let mut talk = talks(&mallory).await;
        let entry = offer(&victim, &mut mallory, &mut talk, &[&offered.file]).await.remove(0);
        let before = victim.received();
        serve(&mut talk.wire, move |request| {
            let mut answer = offered.answer(request);
            answer[at] ^= 1;
            // And on and on, in the hope that it is taken.
            answer.resize(answer.len() + (32 << 20), 7);
            answer
        });
        victim.get(&mallory, &entry);
        let (kind, text) = victim.has_failed(&entry);
        assert_eq!(kind, "file_gone");
        assert!(text.contains("nothing of that was kept"), "{text}");
        // Three streams ask, and each reads ahead a little.
        let taken = victim.received() - before;
        assert!(taken <= 3 * MIB, "{taken} bytes were taken");
        let part = parts(&victim.downloads()).pop().expect("it stopped half-way");
        let kept = fs::read(&part).unwrap();
        for (number, (kept, right)) in kept.chunks(group).zip(whole.chunks(group)).enumerate() {
            let nothing = kept.iter().all(|byte| *byte == 0);
            assert!(nothing || kept == right, "{what}: group {number} is false");
        }
        let conversation = victim.conversation_with(&mallory);
        let params = json!({ "conversation": conversation, "entry": entry });
        victim.process.call("cancelFile", params);
        assert!(!part.exists());
        talk.end().await;
    }
    victim.is_unharmed(64 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn more_than_was_declared_is_not_taken() {
    let mut victim = Victim::new();
    let mut mallory = Mallory::befriends(&victim).await;
    let mut talk = talks(&mallory).await;
    // Its first 1000 bytes are what they should be; then come as many as are taken.
    let small = Offer::new("small.bin", content(1000));
    // This one is said to have 1000 bytes, and has more.
    let large = Offer::new("large.bin", content(100_000));
    let lie = File { size: 1000, ..large.file.clone() };
    let files = [&small.file, &lie];
    let entries = offer(&victim, &mut mallory, &mut talk, &files).await;
    let first: EntryId = of(&entries[0]);
    let before = victim.received();
    serve(&mut talk.wire, move |request| {
        let mut answer =
            if request.entry == first { small.answer(request) } else { large.answer(request) };
        // Stands for 10 GB: what is taken of it is looked at.
        answer.resize(64 << 20, 7);
        answer
    });
    victim.get(&mallory, &entries[0]);
    let path = victim.is_done(&entries[0]);
    assert_eq!(fs::read(path).unwrap(), content(1000));
    victim.get(&mallory, &entries[1]);
    assert!(victim.has_failed(&entries[1]).1.contains("Something else was sent"));
    let part = parts(&victim.downloads()).pop().unwrap();
    assert_eq!(fs::read(part).unwrap(), vec![0; 1000]);
    let taken = victim.received() - before;
    assert!(taken <= 3 * MIB, "{taken} bytes were taken");
    victim.is_unharmed(64 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sizes_that_can_not_be_are_borne() {
    let mut victim = Victim::new();
    let mut mallory = Mallory::befriends(&victim).await;
    let mut talk = talks(&mallory).await;
    let honest = Offer::new("a.bin", content(1000)).file;
    for file in [
        File { size: 1 << 63, ..honest.clone() },
        File { size: u64::MAX, ..honest.clone() },
        File { size: blob::MAX_BYTES + 1, ..honest.clone() },
        File { manifest: 2000, ..honest.clone() },
        File { manifest: u64::MAX, size: blob::MAX_BYTES, ..honest.clone() },
    ] {
        let entry = mallory.write_body(&Body::File(Box::new(file)));
        talk.send(&mallory.entries(vec![entry])).await;
        talk.end().await;
        // Refused, so the next one follows what came before.
        mallory.take_back();
        talk = talks(&mallory).await;
    }
    let huge = File { size: blob::MAX_BYTES, ..honest };
    let entry = offer(&victim, &mut mallory, &mut talk, &[&huge]).await.remove(0);
    let shown = history(&victim.process, &victim.conversation_with(&mallory));
    assert_eq!(shown.len(), 1, "{shown:?}");
    let mut free = std::process::Command::new("df");
    let free = free.args(["--output=avail", "-B1"]).arg(victim.profiles.0.dir());
    let free: u64 = String::from_utf8(free.output().unwrap().stdout)
        .unwrap()
        .lines()
        .last()
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    if free < blob::MAX_BYTES {
        victim.get(&mallory, &entry);
        let (kind, text) = victim.has_failed(&entry);
        assert_eq!(kind, "disk_full");
        assert!(text.contains("no room"), "{text}");
    }
    victim.is_unharmed(32 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn bad_names_land_in_the_one_directory_under_good_ones() {
    let mut victim = Victim::new();
    let mut mallory = Mallory::befriends(&victim).await;
    let mut talk = talks(&mallory).await;
    let long = format!("{}.txt", "n".repeat(300));
    let cut = format!("{}.txt", "n".repeat(196));
    let names = [
        ("../../.ssh/authorized_keys", "_._.._.ssh_authorized_keys"),
        ("/etc/cron.d/x", "_etc_cron.d_x"),
        ("C:\\Windows\\x.exe", "C__Windows_x.exe"),
        ("a\0b.txt", "ab.txt"),
        ("CON", "_CON"),
        (&long, &cut),
        ("-rf", "_rf"),
        (".bashrc", "_bashrc"),
        ("invoice\u{202e}fdp.exe", "invoicefdp.exe"),
        ("two\nlines", "two lines"),
        ("\u{1b}]0;x\u{7}bell", "]0;xbell"),
        ("..", "file"),
        ("", "file (2)"),
        (".entrenous-0123456789abcdef.part", "_entrenous-0123456789abcdef.part"),
        ("same.txt", "same.txt"),
        ("same.txt", "same (2).txt"),
    ];
    let offers: Vec<_> =
        names.iter().map(|(bad, _)| Offer::new(bad, bad.as_bytes().to_vec())).collect();
    let files: Vec<_> = offers.iter().map(|offer| &offer.file).collect();
    let entries = offer(&victim, &mut mallory, &mut talk, &files).await;
    let answers: Vec<_> = entries.iter().map(of::<EntryId>).zip(offers).collect();
    serve(&mut talk.wire, move |request| {
        let (_, offer) = answers.iter().find(|(entry, _)| *entry == request.entry).unwrap();
        offer.answer(request)
    });
    for (entry, (bad, good)) in entries.iter().zip(&names) {
        victim.get(&mallory, entry);
        assert_eq!(victim.is_done(entry), victim.downloads().join(good), "{bad:?}");
    }
    let mut there: Vec<_> = fs::read_dir(victim.downloads())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut good: Vec<_> = names.iter().map(|(_, good)| (*good).to_owned()).collect();
    there.sort();
    good.sort();
    assert_eq!(there, good);
    let shown = history(&victim.process, &victim.conversation_with(&mallory));
    for (shown, (_, good)) in shown.iter().zip(&names) {
        let name = shown["file"]["name"].as_str().unwrap();
        assert_eq!(name, good.replace(" (2)", ""));
    }
    victim.is_unharmed(32 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_offers_and_never_delivers_is_given_up() {
    let mut victim = Victim::new();
    let mut mallory = Mallory::befriends(&victim).await;
    let mut talk = talks(&mallory).await;
    let offered = Offer::new("never.bin", content(100_000));
    let entry = offer(&victim, &mut mallory, &mut talk, &[&offered.file]).await.remove(0);
    // Each stream ends as soon as it is opened.
    let mut streams = talk.wire.take_files();
    tokio::spawn(async move { while streams.recv().await.is_some() {} });
    victim.get(&mallory, &entry);
    let (kind, text) = victim.has_failed(&entry);
    assert_eq!(kind, "file_gone");
    assert!(text.contains("broke off again and again"), "{text}");
    victim.is_unharmed(32 * MIB);
}
