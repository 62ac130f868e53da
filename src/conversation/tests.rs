//! What an entry may be, who may write it, where it stands, and what it then shows. One named
//! case for each thing that a peer may try.

use super::{
    accept::MAX_BRANCHES_PER_MEMBER,
    held::{
        HELD_FOR_MS, MAX_HELD, MAX_HELD_BYTES, MAX_HELD_BYTES_PER_CONTACT, MAX_HELD_PER_CONTACT,
    },
    *,
};
use crate::{
    identity::Identity,
    text::{MAX_EMOJI_BYTES, MAX_TEXT_BYTES},
};

const ADA: Identity = Identity([1; 32]);
const BOB: Identity = Identity([2; 32]);
const EVE: Identity = Identity([3; 32]);
const MEMBERS: [Identity; 2] = [ADA, BOB];

/// One person's log, and what is needed to write to it.
struct Person {
    log: MemoryLog,
    held: Held,
    me: Identity,
    key: MarkKey,
}

fn conversation() -> ConversationId {
    ConversationId::direct(&ADA, &BOB)
}

fn text(text: &str) -> Body {
    Body::Text { text: text.to_owned() }
}

impl Person {
    fn new(me: Identity) -> Self {
        Self { log: MemoryLog::default(), held: Held::default(), me, key: MarkKey::derive(&me.0) }
    }

    fn feed(&self) -> FeedId {
        FeedId { author: self.me, device: 1 }
    }

    fn try_write(&mut self, body: Body) -> Result<Added, WriteError<std::convert::Infallible>> {
        let feed = self.feed();
        write(&mut self.log, conversation(), feed, &self.key, body, 1000)
    }

    #[track_caller]
    fn write(&mut self, body: Body) -> Entry {
        self.try_write(body).unwrap().entry
    }

    fn accept_from(&mut self, from: Identity, wire: WireEntry) -> Outcome {
        let accepting = Accepting {
            conversation: conversation(),
            members: &MEMBERS,
            from,
            own: FeedId { author: self.me, device: 1 },
            key: &self.key,
        };
        accept(&mut self.log, &accepting, wire).unwrap()
    }

    #[track_caller]
    fn take(&mut self, entry: &Entry) -> Added {
        match self.accept_from(entry.header.feed.author, entry.wire.clone()) {
            Outcome::Added(added) => added,
            other => panic!("{other:?}"),
        }
    }

    fn item(&mut self, id: &EntryId) -> Item {
        refold(&mut self.log, &conversation(), id).unwrap().unwrap()
    }
}

/// An entry of Bob's, as he could encode it with any tool.
fn forge(change: impl FnOnce(&mut Header)) -> WireEntry {
    forge_with(&text("hi").encode(), change)
}

fn forge_with(body: &[u8], change: impl FnOnce(&mut Header)) -> WireEntry {
    let mut header = Header {
        conversation: conversation(),
        feed: FeedId { author: BOB, device: 1 },
        seq: 1,
        previous: None,
        deps: Vec::new(),
        time: 1000,
        kind: Kind::Text,
        target: None,
        body_hash: Body::hash(body),
    };
    change(&mut header);
    WireEntry { header: header.encode(&MarkKey::derive(b"bob")), body: Some(body.to_vec()) }
}

#[track_caller]
fn refused(wire: WireEntry, why: impl Into<Refusal>) {
    let mut ada = Person::new(ADA);
    let outcome = ada.accept_from(BOB, wire);
    assert_eq!(outcome, Outcome::Refused(why.into()));
    assert!(ada.log.entries(&conversation()).is_empty());
}

#[test]
fn an_entry_reads_back_as_it_was_written() {
    let mut bob = Person::new(BOB);
    let first = bob.write(text("one"));
    let second = bob.write(Body::Reply { target: first.id, text: "two".into() });
    for entry in [&first, &second] {
        assert_eq!(Entry::decode(entry.wire.clone()).as_ref(), Ok(entry));
    }
    assert_eq!((second.header.seq, second.header.previous), (2, Some(first.id)));
    assert!(second.is_marked(&bob.key) && !second.is_marked(&MarkKey::derive(b"other")));
}

#[test]
fn a_header_cut_anywhere_is_refused() {
    let mut bob = Person::new(BOB);
    let first = bob.write(text("one"));
    let whole = bob.write(Body::Reply { target: first.id, text: "two".into() }).wire;
    for length in 0..whole.header.len() {
        assert_eq!(Header::decode(&whole.header[..length]), Err(Malformed::Encoding), "{length}");
    }
    let longer = [&whole.header[..], &[0]].concat();
    assert_eq!(Header::decode(&longer), Err(Malformed::Encoding));
    let body = whole.body.unwrap();
    for length in 0..body.len() {
        let cut = Body::decode(Kind::Text, None, &body[..length]);
        assert_eq!(cut, Err(Malformed::Encoding), "{length}");
    }
}

#[test]
fn garbage_is_refused() {
    use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
    let rng = &mut StdRng::seed_from_u64(1);
    let whole = forge(|_| {}).header;
    for _ in 0..20_000 {
        let mut bytes = vec![0; rng.random_range(0..300)];
        rng.fill_bytes(&mut bytes);
        assert!(Header::decode(&bytes).is_err());
        // A changed bit is either refused or names another entry.
        let mut changed = whole.clone();
        let at = rng.random_range(0..changed.len());
        changed[at] ^= 1 << rng.random_range(0..8);
        if Header::decode(&changed).is_ok() {
            assert_ne!(EntryId::of(&changed), EntryId::of(&whole));
        }
    }
}

#[test]
fn a_million_deps_claimed_are_not_believed() {
    // {6: an array of 1,000,000 items}
    let claimed = vec![0xa1, 0x06, 0x9a, 0x00, 0x0f, 0x42, 0x40];
    refused(WireEntry { header: claimed, body: None }, Malformed::Encoding);
    refused(forge(|h| h.deps = vec![EntryId([0; 32]); MAX_DEPS + 1]), Malformed::TooManyDeps);
}

#[test]
fn an_oversize_header_is_refused() {
    refused(forge(|h| h.deps = vec![EntryId([0; 32]); 100]), Malformed::TooLarge);
}

#[test]
fn fields_of_later_versions_are_kept() {
    let mut header = forge(|_| {}).header;
    // One more pair, {11: "new"}, before the mark (key 23, 16 bytes).
    let mark = header.split_off(header.len() - 18);
    header[0] += 1;
    header.extend([11, 0x63, b'n', b'e', b'w']);
    header.extend(mark);
    let wire = WireEntry { header, ..forge(|_| {}) };
    let entry = Entry::decode(wire.clone()).unwrap();
    assert_eq!(entry.wire, wire);
    assert_ne!(entry.id, Entry::decode(forge(|_| {})).unwrap().id);
}

#[test]
fn nothing_may_follow_the_mark() {
    let mut header = forge(|_| {}).header;
    header[0] += 1;
    header.extend([0x18, 24, 0]);
    assert_eq!(Header::decode(&header), Err(Malformed::Encoding));
}

#[test]
fn numbers_out_of_bounds_are_refused() {
    refused(forge(|h| h.time = 1 << 48), Malformed::Number);
    refused(forge(|h| h.time = u64::MAX), Malformed::Number);
    refused(forge(|h| h.seq = 0), Malformed::Number);
    let previous = Some(EntryId([9; 32]));
    refused(forge(|h| (h.seq, h.previous) = (1 << 48, previous)), Malformed::Number);
    refused(forge(|h| (h.seq, h.previous) = ((1 << 63) + 1, previous)), Malformed::Number);
    refused(forge(|h| h.seq = 2), Malformed::Previous);
    refused(forge(|h| h.previous = previous), Malformed::Previous);
}

#[test]
fn a_gap_of_numbers_is_held_for_a_while_and_harmless() {
    let mut ada = Person::new(ADA);
    let previous = EntryId([9; 32]);
    let far = forge(|h| (h.seq, h.previous) = ((1 << 48) - 1, Some(previous)));
    assert_eq!(ada.accept_from(BOB, far.clone()), Outcome::Missing(vec![previous]));
    ada.held.hold(BOB, conversation(), far, previous, 0);
    assert_eq!(ada.held.len(), 1);
    ada.held.expire(HELD_FOR_MS - 1);
    assert_eq!(ada.held.len(), 1);
    ada.held.expire(HELD_FOR_MS);
    assert!(ada.held.is_empty() && ada.held.bytes() == 0);
}

#[test]
fn a_number_that_does_not_follow_is_refused() {
    let mut ada = Person::new(ADA);
    let first = Entry::decode(forge(|_| {})).unwrap();
    ada.take(&first);
    let skips = forge(|h| (h.seq, h.previous) = (3, Some(first.id)));
    assert_eq!(ada.accept_from(BOB, skips), Outcome::Refused(Refusal::WrongPrevious));
    let own = ada.write(text("mine"));
    let other_feed = forge(|h| (h.seq, h.previous) = (2, Some(own.id)));
    assert_eq!(ada.accept_from(BOB, other_feed), Outcome::Refused(Refusal::WrongPrevious));
}

#[test]
fn unknown_deps_are_waited_for() {
    let mut ada = Person::new(ADA);
    let (one, two) = (EntryId([8; 32]), EntryId([9; 32]));
    let early = forge(|h| h.deps = vec![one, two]);
    assert_eq!(ada.accept_from(BOB, early), Outcome::Missing(vec![one, two]));
    let early = forge(|h| (h.kind, h.target) = (Kind::Reply, Some(one)));
    assert_eq!(ada.accept_from(BOB, early), Outcome::Missing(vec![one]));
}

#[test]
fn a_wrong_body_is_refused() {
    let mut wire = forge(|_| {});
    wire.body = Some(text("ho").encode());
    refused(wire, Malformed::BodyHash);
    refused(forge(|h| h.body_hash[0] ^= 1), Malformed::BodyHash);
}

#[test]
fn an_oversize_text_is_refused_and_the_longest_is_not() {
    let long = text(&"x".repeat(MAX_TEXT_BYTES + 1));
    refused(forge_with(&long.encode(), |_| {}), Malformed::TooLong);
    let longer = text(&"x".repeat(MAX_TEXT_BYTES + 2000));
    refused(forge_with(&longer.encode(), |_| {}), Malformed::TooLarge);
    assert_eq!(Person::new(ADA).try_write(long), Err(WriteError::TextTooLong));
    let longest = forge_with(&text(&"x".repeat(MAX_TEXT_BYTES)).encode(), |_| {});
    assert!(matches!(Person::new(ADA).accept_from(BOB, longest), Outcome::Added(_)));
}

#[test]
fn what_nobody_sees_is_small() {
    // {9: bytes}, and for a reaction {1: "👍", 9: bytes}: hidden in a field that nobody reads.
    let body = |kind, bytes: usize| {
        let mut w = cbor::Writer::default();
        match kind {
            Kind::Reaction => w.map(2).uint(1).text("👍"),
            _ => w.map(1),
        };
        let hidden = bytes - w.0.len() - 4;
        w.uint(9).bytes(&vec![7; hidden]);
        assert_eq!(w.0.len(), bytes);
        w.0
    };
    for kind in [Kind::Delete, Kind::Reaction, Kind::ReadMark] {
        let mut ada = Person::new(ADA);
        let target = ada.write(text("hi")).id;
        let forged =
            |bytes| forge_with(&body(kind, bytes), |h| (h.kind, h.target) = (kind, Some(target)));
        let outcome = ada.accept_from(BOB, forged(MAX_SMALL_BODY_BYTES + 1));
        assert_eq!(outcome, Outcome::Refused(Malformed::TooLarge.into()), "{kind:?}");
        let outcome = ada.accept_from(BOB, forged(MAX_SMALL_BODY_BYTES));
        assert!(matches!(outcome, Outcome::Added(_)), "{kind:?}: {outcome:?}");
    }
}

#[test]
fn a_reaction_longer_than_any_emoji_is_refused() {
    let mut ada = Person::new(ADA);
    let target = ada.write(text("hi")).id;
    for (emoji, refused) in [("x".repeat(MAX_EMOJI_BYTES + 1), true), ("👍".to_owned(), false)] {
        let body = Body::Reaction { target, emoji }.encode();
        let forged = forge_with(&body, |h| (h.kind, h.target) = (Kind::Reaction, Some(target)));
        let outcome = ada.accept_from(BOB, forged);
        let too_long = Outcome::Refused(Malformed::TooLong.into());
        assert_eq!(outcome == too_long, refused, "{outcome:?}");
    }
}

#[test]
fn an_entry_of_another_conversation_is_refused() {
    let other = ConversationId::direct(&BOB, &EVE);
    refused(forge(|h| h.conversation = other), Refusal::WrongConversation);
}

#[test]
fn an_author_who_is_no_member_is_refused() {
    refused(forge(|h| h.feed.author = EVE), Refusal::NotAMember);
    let mut ada = Person::new(ADA);
    assert_eq!(ada.accept_from(EVE, forge(|_| {})), Outcome::Refused(Refusal::NotAMember));
}

#[test]
fn own_entries_are_taken_back_only_with_the_own_mark() {
    refused(forge(|h| h.feed.author = ADA), Refusal::Unproven);
    let mut ada = Person::new(ADA);
    let own = ada.write(text("mine"));
    let mut restored = Person::new(ADA);
    let mut touched = own.wire.clone();
    *touched.header.last_mut().unwrap() ^= 1;
    assert_eq!(restored.accept_from(BOB, touched), Outcome::Refused(Refusal::Unproven));
    assert!(matches!(restored.accept_from(BOB, own.wire), Outcome::Added(_)));
    assert_eq!(restored.write(text("next")).header.seq, 2);
}

#[test]
fn another_members_entries_are_taken_from_nobody_else() {
    // Bob is asked to believe Ada that Bob's other device wrote this.
    let mut bob = Person::new(BOB);
    let foreign = forge(|h| h.feed.device = 2);
    assert_eq!(bob.accept_from(ADA, foreign), Outcome::Refused(Refusal::Unproven));
}

#[test]
fn an_entry_enters_once() {
    let mut ada = Person::new(ADA);
    let entry = Entry::decode(forge(|_| {})).unwrap();
    ada.take(&entry);
    assert_eq!(ada.accept_from(BOB, entry.wire), Outcome::Duplicate(entry.id));
}

#[test]
fn both_entries_of_a_fork_are_kept_and_flagged() {
    let mut ada = Person::new(ADA);
    let mut bob = Person::new(BOB);
    let first = bob.write(text("one"));
    let copy = bob.log.clone();
    let second = bob.write(text("two"));
    let third = bob.write(text("three"));
    bob.log = copy;
    let other = bob.write(text("other two"));
    assert_eq!(other.header.seq, 2);
    assert!(!ada.take(&first).forked && !ada.take(&second).forked);
    assert!(ada.take(&other).forked);
    assert!(!ada.take(&third).forked, "it follows its own branch");
    assert_eq!(ada.log.branches(&conversation()).unwrap().len(), 2);
    // Bob goes on with the longer one.
    for entry in [&second, &third] {
        assert!(matches!(bob.accept_from(ADA, entry.wire.clone()), Outcome::Added(_)));
    }
    let next = bob.write(text("four"));
    assert_eq!((next.header.seq, next.header.previous), (4, Some(third.id)));
}

#[test]
fn branches_are_bounded() {
    let mut ada = Person::new(ADA);
    for time in 0..MAX_BRANCHES_PER_MEMBER as u64 {
        let outcome = ada.accept_from(BOB, forge(|h| h.time = time));
        assert!(matches!(outcome, Outcome::Added(_)));
    }
    // Neither another first entry nor another device.
    for device in [1, 2] {
        let outcome = ada.accept_from(BOB, forge(|h| (h.time, h.feed.device) = (5000, device)));
        assert_eq!(outcome, Outcome::Refused(Refusal::TooManyBranches));
    }
    ada.write(text("others may still write"));
}

#[test]
fn the_order_shown_follows_causes_whatever_the_clocks_say() {
    let mut ada = Person::new(ADA);
    let ahead = Entry::decode(forge(|h| h.time = 900_000)).unwrap();
    ada.take(&ahead);
    let answer = ada.try_write(text("answer")).unwrap();
    assert_eq!((answer.entry.header.time, answer.placed.time), (1000, 900_001));
    assert_eq!(answer.entry.header.deps, [ahead.id]);
    assert_eq!(ada.write(text("again")).header.deps, [], "nothing has come since");
}

#[test]
fn edits_and_deletes_by_others_change_nothing() {
    let mut ada = Person::new(ADA);
    let mut bob = Person::new(BOB);
    let entry = ada.write(text("mine"));
    bob.take(&entry);
    let edit = Body::Edit { target: entry.id, text: "yours".into() };
    assert_eq!(bob.try_write(edit), Err(WriteError::NotAuthor));
    let mut previous = None;
    for (seq, kind, body) in [
        (1, Kind::Edit, text("yours").encode()),
        (2, Kind::Delete, Body::Delete { target: entry.id }.encode()),
    ] {
        let forged = forge_with(&body, |h| {
            (h.seq, h.kind, h.target, h.previous) = (seq, kind, Some(entry.id), previous);
        });
        let forged = Entry::decode(forged).unwrap();
        previous = Some(forged.id);
        assert_eq!(ada.take(&forged).effect, Effect::Change(entry.id));
    }
    let item = ada.item(&entry.id);
    assert_eq!(item.text.as_deref(), Some("mine"));
    assert!(!item.edited && !item.deleted);
}

#[test]
fn a_kind_without_its_target_is_refused() {
    for kind in [Kind::Reply, Kind::Edit, Kind::Delete, Kind::Reaction, Kind::ReadMark] {
        refused(forge(|h| h.kind = kind), Malformed::Target);
    }
}

#[test]
fn unknown_kinds_are_kept_and_shown() {
    let mut ada = Person::new(ADA);
    let body = [0x82, 1, 2]; // no map even
    let unknown = Entry::decode(forge_with(&body, |h| h.kind = Kind::Unknown(77))).unwrap();
    assert_eq!(unknown.body, Some(Body::Unknown { kind: 77 }));
    assert_eq!(ada.take(&unknown).effect, Effect::Show(unknown.id));
    let item = ada.item(&unknown.id);
    assert_eq!((item.kind, item.text, item.deleted), (Kind::Unknown(77), None, false));
}

#[test]
fn the_last_edit_wins_and_a_delete_wins_over_all() {
    let mut bob = Person::new(BOB);
    let base = bob.write(text("one"));
    let edit = |text: &str| Body::Edit { target: base.id, text: text.into() };
    let first = bob.write(edit("two"));
    bob.write(edit("three"));
    let item = bob.item(&base.id);
    assert_eq!((item.text.as_deref(), item.edited), (Some("three"), true));
    bob.write(Body::Reaction { target: base.id, emoji: "👍".into() });
    bob.write(Body::Delete { target: base.id });
    bob.write(edit("four"));
    let item = bob.item(&base.id);
    assert!(item.deleted && item.text.is_none() && item.reactions.is_empty() && !item.edited);
    for id in [base.id, first.id] {
        let stored = bob.log.entry(&conversation(), &id).unwrap().unwrap();
        assert_eq!(stored.wire.body, None, "the content is gone");
    }
    // The chain of hashes stands: all of it can still be handed on.
    let mut ada = Person::new(ADA);
    for stored in bob.log.entries(&conversation()).to_vec() {
        assert!(matches!(ada.accept_from(BOB, stored.wire), Outcome::Added(_)));
    }
    assert!(ada.item(&base.id).deleted);
}

#[test]
fn a_person_has_one_reaction() {
    let mut ada = Person::new(ADA);
    let mut bob = Person::new(BOB);
    let base = ada.write(text("one"));
    bob.take(&base);
    let react = |emoji: &str| Body::Reaction { target: base.id, emoji: emoji.into() };
    ada.write(react("👍"));
    for emoji in ["👎", "👍"] {
        let reaction = bob.write(react(emoji));
        ada.take(&reaction);
    }
    let both = ItemReaction { emoji: "👍".into(), by: vec![ADA, BOB] };
    assert_eq!(ada.item(&base.id).reactions, [both]);
    ada.write(react(""));
    assert_eq!(ada.item(&base.id).reactions[0].by, [BOB]);
    assert_eq!(ada.try_write(react("👍👍")), Err(WriteError::NotAnEmoji));
    assert_eq!(ada.try_write(react("\u{1b}")), Err(WriteError::NotAnEmoji));
}

#[test]
fn what_cannot_be_done_is_said() {
    let mut ada = Person::new(ADA);
    let nowhere = EntryId([9; 32]);
    assert_eq!(ada.try_write(text(" \u{200b}\n")), Err(WriteError::Empty));
    assert_eq!(ada.try_write(Body::Delete { target: nowhere }), Err(WriteError::UnknownTarget));
    assert_eq!(ada.try_write(Body::Unknown { kind: 9 }), Err(WriteError::UnknownKind));
    let base = ada.write(text("one"));
    let reaction = ada.write(Body::Reaction { target: base.id, emoji: "👍".into() });
    let edit = Body::Edit { target: reaction.id, text: "x".into() };
    assert_eq!(ada.try_write(edit), Err(WriteError::WrongTarget));
    assert_eq!(ada.log.entries(&conversation()).len(), 2);
}

#[test]
fn text_is_sanitised_on_the_way_in() {
    let mut ada = Person::new(ADA);
    assert_eq!(ada.write(text("a\x1b[2Jb")).body, Some(text("a[2Jb")));
    let evil = Entry::decode(forge_with(&text("a\u{202e}b").encode(), |_| {})).unwrap();
    ada.take(&evil);
    assert_eq!(ada.item(&evil.id).text.as_deref(), Some("ab"));
    assert_eq!(evil.wire.body, Some(text("a\u{202e}b").encode()), "the bytes stay");
}

#[test]
fn early_entries_enter_when_what_they_wait_for_has_come() {
    let mut ada = Person::new(ADA);
    let mut bob = Person::new(BOB);
    let entries: Vec<_> = (0..50).map(|n| bob.write(text(&n.to_string()))).collect();
    let mut held = Held::default();
    let key = MarkKey::derive(&ADA.0);
    let accepting = Accepting {
        conversation: conversation(),
        members: &MEMBERS,
        from: BOB,
        own: ada.feed(),
        key: &key,
    };
    for entry in entries.iter().skip(1).rev() {
        let outcomes = held.accept(&mut ada.log, &accepting, entry.wire.clone(), 0).unwrap();
        assert!(matches!(outcomes[..], [Outcome::Missing(_)]));
    }
    assert_eq!(held.len(), 49);
    let outcomes = held.accept(&mut ada.log, &accepting, entries[0].wire.clone(), 0).unwrap();
    assert_eq!(outcomes.len(), 50);
    assert!(held.is_empty() && held.bytes() == 0);
    assert_eq!(ada.log.entries(&conversation()).len(), 50);
}

#[test]
fn early_entries_are_bounded_oldest_out_first() {
    let mut held = Held::default();
    let early = |n: u64| WireEntry { header: n.to_be_bytes().to_vec(), body: None };
    let waits = |n: u64| EntryId([u8::try_from(n % 200).unwrap(); 32]);
    for n in 0..3 * MAX_HELD_PER_CONTACT as u64 {
        held.hold(BOB, conversation(), early(n), waits(n), 0);
        held.hold(BOB, conversation(), early(n), waits(n), 0); // the same again costs nothing
    }
    assert_eq!(held.len(), MAX_HELD_PER_CONTACT);
    let mut contact = 0_u64;
    while contact < 3 * (MAX_HELD / MAX_HELD_PER_CONTACT) as u64 {
        contact += 1;
        let from = Identity([u8::try_from(contact).unwrap(); 32]);
        for n in 0..MAX_HELD_PER_CONTACT as u64 {
            held.hold(from, conversation(), early((contact << 32) + n), waits(n), 0);
        }
        assert!(held.len() <= MAX_HELD);
    }
    assert_eq!(held.len(), MAX_HELD);
}

#[test]
fn the_bytes_of_early_entries_of_all_contacts_are_bounded() {
    let mut held = Held::default();
    for contact in 0..=255_u8 {
        for n in 0..4_u8 {
            let big = WireEntry { header: vec![contact, n], body: Some(vec![0; MAX_BODY_BYTES]) };
            held.hold(Identity([contact; 32]), conversation(), big, EntryId([0; 32]), 0);
            assert!(held.bytes() <= MAX_HELD_BYTES);
        }
    }
    assert!(held.bytes() > MAX_HELD_BYTES - 2 * MAX_BODY_BYTES);
}

#[test]
fn the_bytes_of_early_entries_are_bounded() {
    let mut held = Held::default();
    for n in 0..100_u8 {
        let big = WireEntry { header: vec![n], body: Some(vec![0; MAX_BODY_BYTES]) };
        held.hold(BOB, conversation(), big, EntryId([0; 32]), 0);
        assert!(held.bytes() <= MAX_HELD_BYTES_PER_CONTACT);
    }
    assert!(held.len() < 100 && !held.is_empty());
}
