//! What somebody sees who records every packet.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::{
    lab::{Addresses, Lab, contains, wait_for},
    profile::{Profile, id, pair, say},
};

/// Sent in the clear at the end of a recording: what proves that the search can find anything.
const MARKER: &str = "the end of the recording, as marked by the test";

/// Puts the marker on the wire.
fn mark(lab: &Lab) {
    // A datagram to nowhere on the LAN is enough: the switch sees it.
    lab.on(0, &format!("bash -c 'echo -n \"{MARKER}\" > /dev/udp/10.77.0.2/9'"));
}

/// The laboratory itself: a recording has what crosses the switch, and a cut cuts.
pub fn the_laboratory_works() {
    let lab = Lab::new(2, Addresses::Both);
    let capture = lab.capture(&lab_file("itself"));
    // Nobody listens there: an answer is a refusal, and no answer takes longer than a second.
    let reached = || {
        let try_it = "timeout 1 bash -c 'echo > /dev/tcp/10.77.0.2/9' 2> /dev/null";
        lab.on(0, &format!("sh -c \"{try_it}; echo \\$?\"")).trim() != "124"
    };
    mark(&lab);
    let bytes = capture.finish(MARKER.as_bytes());
    assert!(contains(&bytes, MARKER.as_bytes()) && !contains(&bytes, b"never sent"));
    assert!(reached());
    lab.silence(true);
    assert!(!reached());
    lab.silence(false);
    assert!(reached());
    lab.cable(1, false);
    assert!(!reached());
    lab.cable(1, true);
    assert!(reached());
}

pub fn capture_shows_nothing() {
    let lab = Lab::new(2, Addresses::Both);
    let capture = lab.capture(&lab_file("chat"));
    let (profile_a, profile_b) =
        (Profile::in_namespace(&lab.hosts[0]), Profile::in_namespace(&lab.hosts[1]));
    let (a, b) = (profile_a.start(), profile_b.start());
    let names = ["Ottoline Morrell", "Lytton Strachey"];
    for (process, name) in [(&a, names[0]), (&b, names[1])] {
        process.call("setName", json!({ "name": name }));
    }
    let invite = a.call("createInvite", json!({}))["invite"].as_str().unwrap().to_owned();
    let (a_id, b_id) = (id(&a), id(&b));
    b.call("acceptInvite", json!({ "invite": invite }));
    a.event("contactAdded", |_| true);
    b.event("contactAdded", |_| true);
    let conversation = a.call("conversations", json!({}))[0]["id"].clone();
    let texts = ["the text that nobody but the two may read", "nor this reply to it, ever"];
    say(&a, &b, &conversation, texts[0]);
    say(&b, &a, &conversation, texts[1]);
    // Once more as a known pair: the other handshake.
    b.shutdown();
    let b = profile_b.start();
    b.online(&a_id);
    let last = "and what is said after a restart";
    say(&b, &a, &conversation, last);
    mark(&lab);
    let bytes = capture.finish(MARKER.as_bytes());

    assert!(bytes.len() > 10_000, "the recording is too short to be of two that talk");
    let mut secrets: Vec<(String, Vec<u8>)> = Vec::new();
    for (whose, id) in [("a's identity", &a_id), ("b's identity", &b_id)] {
        let hex = id.as_str().unwrap();
        let raw = hex::decode(hex).unwrap();
        for (form, bytes) in key_forms(&raw) {
            secrets.push((format!("{whose}, {form}"), bytes));
        }
    }
    for text in texts.iter().chain(&names).chain([&last]) {
        secrets.push(((*text).to_owned(), text.as_bytes().to_vec()));
    }
    let (_, invite_bytes) = bech32::decode(&invite).unwrap();
    secrets.push(("the invite's text".to_owned(), invite.as_bytes()[..20].to_vec()));
    // Every 12 bytes of the invite: its secret is in there, wherever it lies.
    for part in invite_bytes[1..].windows(12) {
        secrets.push(("a part of the invite".to_owned(), part.to_vec()));
    }
    let conversation_raw = hex::decode(conversation.as_str().unwrap()).unwrap();
    secrets.push(("the conversation's name".to_owned(), conversation_raw));
    let present = Needles::new(&secrets).search(&bytes);
    assert!(present.is_empty(), "the recording contains {present:?}");
    // And the search finds what is there: in the middle of the bytes, and of a haystack of secrets.
    assert!(contains(&bytes, MARKER.as_bytes()));
    let mut planted = bytes;
    let middle = planted.len() / 2;
    planted.splice(middle..middle, secrets[0].1.clone());
    assert!(Needles::new(&secrets).search(&planted).contains(&secrets[0].0));
}

pub fn two_starts_share_no_key() {
    let lab = Lab::new(2, Addresses::Both);
    let (profile_a, profile_b) =
        (Profile::in_namespace(&lab.hosts[0]), Profile::in_namespace(&lab.hosts[1]));
    let (a, b) = (profile_a.start(), profile_b.start());
    pair(&a, &b);
    let (a_id, b_id) = (id(&a), id(&b));
    a.shutdown();
    b.shutdown();
    let mut starts = Vec::new();
    for start in ["first", "second"] {
        let capture = lab.capture(&lab_file(start));
        let (a, b) = (profile_a.start(), profile_b.start());
        a.online(&b_id);
        b.online(&a_id);
        let peers = [&a, &b].map(|p| p.call("network", json!({}))["peerId"].clone());
        // The PeerId itself is public: mDNS says it, if perhaps later than the two meet.
        for peer in &peers {
            capture.shows(peer.as_str().unwrap().as_bytes());
        }
        let conversation = a.call("conversations", json!({}))[0]["id"].clone();
        say(&a, &b, &conversation, "hello");
        a.shutdown();
        b.shutdown();
        mark(&lab);
        starts.push((peers, capture.finish(MARKER.as_bytes())));
    }
    let [(peers_1, first), (peers_2, second)] = &starts[..] else { unreachable!() };
    for peer in peers_1 {
        assert!(!peers_2.contains(peer), "the same PeerId twice: {peer}");
        let text = peer.as_str().unwrap().as_bytes();
        assert!(contains(first, text), "the first recording lacks its own {peer}");
        assert!(!contains(second, text), "the second recording has {peer} of the first");
    }
    // Any key, certificate, nonce or name that both starts sent would be a run of bytes, as varied
    // as random ones are, that occurs in both. Text of protocols is far from it.
    let (first, second) = (payloads(first), payloads(second));
    let runs = varied_runs(&second);
    let shared: Vec<_> = varied_runs(&first).into_iter().filter(|run| runs.contains(run)).collect();
    let shown: Vec<_> = shared.iter().take(5).map(|run| String::from_utf8_lossy(run)).collect();
    assert!(shared.is_empty(), "{} runs in both starts, such as {shown:?}", shared.len());
}

/// What UDP and TCP carried, without the headers, which are alike in all packets of a pair.
fn payloads(pcap: &[u8]) -> Vec<Vec<u8>> {
    let number = |bytes: &[u8]| usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    let mut all = Vec::new();
    // The file's header has 24 bytes, a record's 16 with the length in the second last word.
    let mut rest = &pcap[24..];
    while let Some((header, after)) = rest.split_at_checked(16) {
        let length = u32::from_le_bytes(header[8..12].try_into().unwrap()) as usize;
        let Some((frame, after)) = after.split_at_checked(length) else { break };
        rest = after;
        let (packet, protocol, length) = match number(&frame[12..]) {
            0x0800 => (&frame[14..], frame[23], usize::from(frame[14] & 15) * 4),
            0x86dd => (&frame[14..], frame[20], 40),
            _ => continue,
        };
        let transport = &packet[length..];
        match protocol {
            17 => all.push(transport[8..].to_vec()),
            6 => all.push(transport[usize::from(transport[12] >> 4) * 4..].to_vec()),
            _ => {}
        }
    }
    assert!(all.len() > 20, "no packets were read");
    all
}

/// The runs of 32 bytes of which at least 24 differ, as in a random 32 (30 on average) and hardly
/// ever in text or in headers.
fn varied_runs(payloads: &[Vec<u8>]) -> BTreeSet<&[u8]> {
    // mDNS names the addresses of the machine, which are the same at every start.
    let address = |run: &[u8]| contains(run, b"dnsaddr=/ip");
    let varied = |run: &&[u8]| run.iter().collect::<BTreeSet<_>>().len() >= 24 && !address(run);
    payloads.iter().flat_map(|payload| payload.windows(32)).filter(varied).collect()
}

fn lab_file(name: &str) -> std::path::PathBuf {
    // `/run` is the laboratory's own and goes with it.
    let file = std::path::Path::new("/run").join(format!("{name}.pcap"));
    wait_for("the old recording is gone", || {
        let _ = std::fs::remove_file(&file);
        !file.exists()
    });
    file
}

/// The forms in which 32 bytes of a key are usually written.
fn key_forms(raw: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let key = libp2p::identity::ed25519::PublicKey::try_from_bytes(raw).unwrap();
    let peer = libp2p::identity::PublicKey::from(key).to_peer_id();
    let hex = hex::encode(raw);
    vec![
        ("raw", raw.to_vec()),
        ("first half", raw[..16].to_vec()),
        ("second half", raw[16..].to_vec()),
        ("reversed", raw.iter().rev().copied().collect()),
        ("hex", hex.as_bytes()[..32].to_vec()),
        ("HEX", hex.to_uppercase().as_bytes()[..32].to_vec()),
        ("PeerId, base58", peer.to_base58().into_bytes()[..30].to_vec()),
        ("PeerId, raw", peer.to_bytes()),
        ("base64", base64(raw).into_bytes()[..24].to_vec()),
        ("name as the program shows it", hex.as_bytes()[..16].to_vec()),
    ]
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |n: u32| char::from(DIGITS[(n & 63) as usize]);
    let mut text = String::new();
    for chunk in bytes.chunks_exact(3) {
        let n = u32::from_be_bytes([0, chunk[0], chunk[1], chunk[2]]);
        text.extend([digit(n >> 18), digit(n >> 12), digit(n >> 6), digit(n)]);
    }
    text
}

/// Many byte strings, searched for at once.
struct Needles<'a> {
    needles: &'a [(String, Vec<u8>)],
    by_start: std::collections::HashMap<[u8; 4], Vec<usize>>,
}

impl<'a> Needles<'a> {
    fn new(needles: &'a [(String, Vec<u8>)]) -> Self {
        let mut by_start = std::collections::HashMap::<_, Vec<usize>>::new();
        for (index, (_, bytes)) in needles.iter().enumerate() {
            by_start.entry(*bytes.first_chunk().unwrap()).or_default().push(index);
        }
        Self { needles, by_start }
    }

    /// The names of those that occur.
    fn search(&self, bytes: &[u8]) -> Vec<String> {
        let mut found = BTreeSet::new();
        for (at, start) in bytes.windows(4).enumerate() {
            for &index in self.by_start.get(start).into_iter().flatten() {
                let (name, needle) = &self.needles[index];
                if bytes[at..].starts_with(needle) {
                    found.insert(name.clone());
                }
            }
        }
        found.into_iter().collect()
    }
}
