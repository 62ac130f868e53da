//! What is a message, and what a peer may try instead.

use crate::{
    conversation::{
        ConversationId, EntryId, FeedId, MAX_BODY_BYTES, MAX_HEADER_BYTES, WireEntry, cbor::Writer,
    },
    identity::Identity,
    sync::message::*,
    text::MAX_NAME_BYTES,
};

fn conversation() -> ConversationId {
    ConversationId([7; 32])
}

fn feed() -> FeedId {
    FeedId { author: Identity([1; 32]), device: 3 }
}

fn leaf(seq: u64) -> Leaf {
    Leaf { feed: feed(), seq, id: EntryId([9; 32]) }
}

fn examples() -> Vec<Message> {
    vec![
        Message::Hello { name: "Ada".into(), version: "entrenous 0.1.0".into() },
        Message::Have {
            received: 300,
            conversations: vec![Holding {
                conversation: conversation(),
                leaves: vec![leaf(1), leaf(70_000)],
                lacking: vec![EntryId([4; 32])],
            }],
        },
        Message::Entries {
            conversation: conversation(),
            entries: vec![
                WireEntry { header: vec![1, 2, 3], body: Some(vec![4; 300]) },
                WireEntry { header: vec![5], body: None },
            ],
        },
        Message::Locate {
            conversation: conversation(),
            feed: feed(),
            entries: vec![(20, EntryId([1; 32])), (19, EntryId([2; 32]))],
        },
        Message::Refused { reason: RefusedReason::InviteUsed },
        Message::Refused { reason: RefusedReason::Unknown(44) },
        Message::Ping,
        Message::Pong,
        Message::Fetched { conversation: ConversationId([3; 32]), entry: EntryId([4; 32]) },
        Message::Unknown(99),
    ]
}

#[test]
fn messages_read_back() {
    for message in examples() {
        assert_eq!(Message::decode(&message.encode()).as_ref(), Ok(&message));
    }
}

#[test]
fn a_message_cut_anywhere_is_none() {
    for message in examples() {
        let bytes = message.encode();
        for length in 0..bytes.len() {
            assert_eq!(Message::decode(&bytes[..length]), Err(NotAMessage), "{message:?}");
        }
        assert_eq!(Message::decode(&[&bytes[..], &[0]].concat()), Err(NotAMessage));
    }
}

#[test]
fn garbage_is_no_message_and_costs_nothing() {
    use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
    let rng = &mut StdRng::seed_from_u64(2);
    for _ in 0..50_000 {
        let mut bytes = vec![0; rng.random_range(0..200)];
        rng.fill_bytes(&mut bytes);
        let _ = Message::decode(&bytes);
    }
    for message in examples() {
        for _ in 0..2000 {
            let mut bytes = message.encode();
            let at = rng.random_range(0..bytes.len());
            bytes[at] = rng.random();
            let _ = Message::decode(&bytes);
        }
    }
}

#[test]
fn a_million_items_claimed_are_not_believed() {
    for prefix in [
        &[0x82, 2, 0xa1, 2][..], // conversations of a Have
        &[0x82, 3, 0xa1, 2],     // entries
        &[0x82, 4, 0xa1, 4],     // located
    ] {
        let bytes = [prefix, &[0x9a, 0x00, 0x0f, 0x42, 0x40]].concat();
        assert_eq!(Message::decode(&bytes), Err(NotAMessage));
        // Even when the bytes are there.
        let padded = [&bytes[..], &vec![0; MAX_MESSAGE_BYTES - bytes.len()]].concat();
        assert_eq!(Message::decode(&padded), Err(NotAMessage));
    }
}

#[test]
fn every_list_is_bounded() {
    let over = |most: usize| (1..=most as u64 + 1).map(leaf).collect::<Vec<_>>();
    let holding = |leaves, lacking| Holding { conversation: conversation(), leaves, lacking };
    let have = |conversations| Message::Have { received: 0, conversations };
    let ids = |count| vec![EntryId([1; 32]); count];
    for message in [
        have(vec![holding(over(MAX_LEAVES), vec![])]),
        have(vec![holding(vec![], ids(MAX_LACKING + 1))]),
        have(vec![holding(vec![], vec![]); MAX_CONVERSATIONS + 1]),
        Message::Locate {
            conversation: conversation(),
            feed: feed(),
            entries: ids(MAX_LOCATED + 1).into_iter().map(|id| (1, id)).collect(),
        },
        Message::Entries {
            conversation: conversation(),
            entries: vec![WireEntry { header: vec![1], body: None }; MAX_ENTRIES + 1],
        },
        Message::Entries {
            conversation: conversation(),
            entries: vec![WireEntry { header: vec![1; MAX_HEADER_BYTES + 1], body: None }],
        },
        Message::Entries {
            conversation: conversation(),
            entries: vec![WireEntry { header: vec![1], body: Some(vec![1; MAX_BODY_BYTES + 1]) }],
        },
        Message::Hello { name: String::new(), version: "x".repeat(MAX_VERSION_BYTES + 1) },
    ] {
        assert_eq!(Message::decode(&message.encode()), Err(NotAMessage));
    }
    // Of a later version, and right but for its length.
    let unknown = |bytes: usize| {
        let mut w = Writer::default();
        w.array(2).uint(1000).bytes(&vec![0; bytes - 9]);
        assert_eq!(w.0.len(), bytes);
        Message::decode(&w.0)
    };
    assert_eq!(unknown(MAX_MESSAGE_BYTES), Ok(Message::Unknown(1000)));
    assert_eq!(unknown(MAX_MESSAGE_BYTES + 1), Err(NotAMessage));
}

#[test]
fn numbers_that_no_entry_has_are_refused() {
    for (seq, good) in
        [(0, false), (1, true), ((1 << 48) - 1, true), (1 << 48, false), (u64::MAX, false)]
    {
        let holding =
            Holding { conversation: conversation(), leaves: vec![leaf(seq)], lacking: vec![] };
        let have = Message::Have { received: 0, conversations: vec![holding] };
        let entries = vec![(seq, EntryId([1; 32]))];
        let locate = Message::Locate { conversation: conversation(), feed: feed(), entries };
        for message in [have, locate] {
            assert_eq!(Message::decode(&message.encode()).is_ok(), good, "{seq}");
        }
    }
}

#[test]
fn the_longest_have_and_locate_fit() {
    // What an honest conversation of two can hold at most.
    let leaves = (0..128).map(|n| leaf((1 << 47) + n)).collect();
    let lacking = vec![EntryId([1; 32]); MAX_LACKING];
    let holding = Holding { conversation: conversation(), leaves, lacking };
    let have = Message::Have { received: u64::MAX, conversations: vec![holding] };
    let entries = vec![(1 << 47, EntryId([1; 32])); MAX_LOCATED];
    let locate = Message::Locate { conversation: conversation(), feed: feed(), entries };
    for message in [have, locate] {
        assert_eq!(Message::decode(&message.encode()), Ok(message));
    }
}

#[test]
fn names_in_a_hello_are_sanitised() {
    let hello = Message::Hello { name: "A\x1b[2Jda\u{202e}\n".into(), version: "x\x07".into() };
    let clean = Message::Hello { name: "A[2Jda".into(), version: "x".into() };
    assert_eq!(Message::decode(&hello.encode()), Ok(clean));
    let long = Message::Hello { name: "é".repeat(50_000), version: String::new() };
    let Ok(Message::Hello { name, .. }) = Message::decode(&long.encode()) else { panic!() };
    assert!(name.len() <= MAX_NAME_BYTES);
}

#[test]
fn later_versions_may_add() {
    // A field, a kind with any content, a third part of an entry.
    let mut w = Writer::default();
    w.array(2).uint(1).map(3).uint(1).text("Ada").uint(2).text("x").uint(9).bytes(b"new");
    let hello = Message::Hello { name: "Ada".into(), version: "x".into() };
    assert_eq!(Message::decode(&w.0), Ok(hello));
    let mut w = Writer::default();
    w.array(2).uint(1000).array(1).text("new");
    assert_eq!(Message::decode(&w.0), Ok(Message::Unknown(1000)));
    let mut w = Writer::default();
    w.array(2).uint(3).map(2).uint(1).bytes(&[7; 32]).uint(2).array(1);
    w.array(3).bytes(&[1]).bytes(&[2]).bytes(&[3; 64]);
    let entries = vec![WireEntry { header: vec![1], body: Some(vec![2]) }];
    let message = Message::Entries { conversation: conversation(), entries };
    assert_eq!(Message::decode(&w.0), Ok(message));
}
