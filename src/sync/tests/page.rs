//! The sections "Entries" and "Sync" of the protocol's page say what the code does.

use crate::{
    blob::{self, Key, MAX_BYTES, Outboard},
    conversation::{
        Body, ConversationId, EntryId, FeedId, File, MAX_BODY_BYTES, MAX_DEPS, MAX_HEADER_BYTES,
        MAX_MANIFEST_BYTES, MAX_SMALL_BODY_BYTES, MarkKey, MemoryLog,
        accept::MAX_BRANCHES_PER_MEMBER, write,
    },
    identity::Identity,
    picture::{MAX_PREVIEW_BYTES, Preview},
    sync::{
        FileRequest, Holding, Leaf, Message,
        file_request::{MAX_FILE_REQUEST_BYTES, MAX_GROUPS, MAX_SPANS},
        message::{
            MAX_CONVERSATIONS, MAX_ENTRIES, MAX_LACKING, MAX_LEAVES, MAX_LOCATED,
            MAX_MESSAGE_BYTES, MAX_VERSION_BYTES,
        },
    },
    text::{MAX_EMOJI_BYTES, MAX_FILE_NAME_BYTES, MAX_NAME_BYTES, MAX_TEXT_BYTES},
    voice::{MAX_LEVELS, MAX_MILLIS, Voice},
};

const PAGE: &str = include_str!("../../protocol.md");

#[track_caller]
fn on_page(line: &str) {
    let squeezed = |text: &str| text.split_whitespace().collect::<String>();
    assert!(squeezed(PAGE).contains(&squeezed(line)), "not in protocol.md: {line}");
}

#[test]
fn the_limits_are_on_the_page() {
    for (name, value) in [
        ("MAX_HEADER_BYTES", MAX_HEADER_BYTES),
        ("MAX_BODY_BYTES", MAX_BODY_BYTES),
        ("MAX_SMALL_BODY_BYTES", MAX_SMALL_BODY_BYTES),
        ("MAX_TEXT_BYTES", MAX_TEXT_BYTES),
        ("MAX_EMOJI_BYTES", MAX_EMOJI_BYTES),
        ("MAX_DEPS", MAX_DEPS),
        ("MAX_BRANCHES_PER_MEMBER", MAX_BRANCHES_PER_MEMBER),
        ("MAX_MESSAGE_BYTES", MAX_MESSAGE_BYTES),
        ("MAX_ENTRIES", MAX_ENTRIES),
        ("MAX_CONVERSATIONS", MAX_CONVERSATIONS),
        ("MAX_LEAVES", MAX_LEAVES),
        ("MAX_LACKING", MAX_LACKING),
        ("MAX_LOCATED", MAX_LOCATED),
        ("MAX_NAME_BYTES", MAX_NAME_BYTES),
        ("MAX_VERSION_BYTES", MAX_VERSION_BYTES),
        ("MAX_FILE_REQUEST_BYTES", MAX_FILE_REQUEST_BYTES),
        ("MAX_SPANS", MAX_SPANS),
        ("MAX_FILE_NAME_BYTES", MAX_FILE_NAME_BYTES),
        ("MAX_PREVIEW_BYTES", MAX_PREVIEW_BYTES),
        ("MAX_LEVELS", MAX_LEVELS),
    ] {
        on_page(&format!("| `{name}` | {value} |"));
    }
    for (name, value) in [
        ("MAX_GROUPS", MAX_GROUPS),
        ("MAX_BYTES", MAX_BYTES),
        ("MAX_MANIFEST_BYTES", MAX_MANIFEST_BYTES),
        ("MAX_MILLIS", MAX_MILLIS.into()),
    ] {
        on_page(&format!("| `{name}` | {value} |"));
    }
}

#[test]
fn the_vectors_of_files_are_on_the_page() {
    let (content, key) = (vec![b'x'; 70_000], Key::from_bytes([6; 32]));
    let mut hashes = Vec::new();
    let root = blob::outboard(&content[..], 70_000, &key, &mut hashes).unwrap();
    let (name, media_type) = ("x.txt".to_owned(), "text/plain".to_owned());
    let key_of = key.clone();
    let (manifest, preview, voice) = (0, None, None);
    let size = 70_000;
    let file = File { name, size, media_type, root, key: key_of, manifest, preview, voice };
    let body = Body::File(Box::new(file.clone())).encode();
    on_page(&format!("file's root = {root}"));
    on_page(&format!("file body = {}", hex::encode(&body)));
    let preview = hex::decode("d507121d0467878f77578748878797875878909508").unwrap();
    let file = File { preview: Preview::parse(&preview), ..file };
    assert!(file.preview.is_some());
    let body = Body::File(Box::new(file.clone())).encode();
    on_page(&format!("file body with a preview = {}", hex::encode(&body)));
    let voice = Voice::new(4_200, vec![0, 40, 255, 90]);
    let body = Body::File(Box::new(File { preview: None, voice, ..file })).encode();
    on_page(&format!("file body of a voice note = {}", hex::encode(&body)));
    let conversation = ConversationId([7; 32]);
    let entry = EntryId([8; 32]);
    let spans = vec![0..1, 2..3];
    let request = FileRequest { conversation, entry, spans: spans.clone() };
    on_page(&format!("request = {}", hex::encode(request.encode())));
    let mut slices = Vec::new();
    let outboard = Outboard::new(root, 70_000, &hashes[..]);
    blob::send(&content[..], &key, &outboard, &spans, &mut slices).unwrap();
    let hash = blake3::hash(&slices);
    on_page(&format!("slices = {} bytes, BLAKE3 {hash}", slices.len()));
}

#[test]
fn the_vectors_are_on_the_page() {
    let (ada, bob) = (Identity([1; 32]), Identity([2; 32]));
    let conversation = ConversationId::direct(&ada, &bob);
    let feed = FeedId { author: ada, device: 1 };
    let key = MarkKey::derive(&[5; 32]);
    let mut log = MemoryLog::default();
    let mut write = |body, now| write(&mut log, conversation, feed, &key, body, now).unwrap().entry;
    let text = write(Body::Text { text: "hi".into() }, 1_700_000_000_000);
    let reply = Body::Reply { target: text.id, text: "ho".into() };
    let reply = write(reply, 1_700_000_001_000);
    on_page(&format!("conversation = {conversation}"));
    for (name, entry) in [("text", &text), ("reply", &reply)] {
        on_page(&format!("{name} body = {}", hex::encode(entry.wire.body.as_ref().unwrap())));
        on_page(&format!("{name} body hash = {}", hex::encode(entry.header.body_hash)));
        on_page(&format!("{name} header = {}", hex::encode(&entry.wire.header)));
        on_page(&format!("{name} entry id = {}", entry.id));
    }
    let leaves = vec![Leaf::of(&reply)];
    let holding = Holding { conversation, leaves, lacking: Vec::new() };
    let have = Message::Have { received: 0, conversations: vec![holding] };
    let entries = Message::Entries { conversation, entries: vec![text.wire, reply.wire] };
    on_page(&format!("Have = {}", hex::encode(have.encode())));
    on_page(&format!("Entries = {}", hex::encode(entries.encode())));
}
