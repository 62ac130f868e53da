//! What a contact who means harm by files needs for it.

use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use entrenous::{
    blob::{self, Key, Outboard},
    conversation::{Body, EntryId, File},
    sync::{FileRequest, file_request::GRANTED},
};
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::Stream;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    Victim,
    attacker::{Talk, Wire},
    contact::Mallory,
    support::{
        PATIENCE,
        fetch::{MIB, content},
        profile::conversation_with,
    },
};

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
    pub fn answer(&self, request: &FileRequest) -> Vec<u8> {
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

/// Mallory talks, and may ask for a file of so many bytes.
pub async fn may_ask(victim: &Victim, size: u64) -> (Mallory, Talk, FileRequest) {
    let mallory = Mallory::befriends(victim).await;
    let talk = talks(&mallory).await;
    let theirs = victim.conversation_with(&mallory);
    let entry = victim.offers(&theirs, size);
    (mallory, talk, first_group(&theirs, &entry))
}

/// Asks for the first group of a file.
pub fn first_group(conversation: &Value, entry: &Value) -> FileRequest {
    #[allow(clippy::single_range_in_vec_init, reason = "one span is meant")]
    let spans = vec![0..1];
    FileRequest { conversation: of(conversation), entry: of(entry), spans }
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
    pub fn has_failed(&self, entry: &Value) -> (Value, String) {
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

    pub fn received(&self) -> u64 {
        self.process.call("network", json!({}))["bytesIn"].as_u64().unwrap()
    }

    /// How many threads it has.
    pub fn threads(&self) -> usize {
        fs::read_dir(format!("/proc/{}/task", self.process.pid())).unwrap().count()
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
