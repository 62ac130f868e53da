//! What must work: every way to a session, messages of every size, renewal of keys.

use std::time::Duration;

use super::pair::*;
use crate::{
    noise::Pattern,
    session::{
        Acquaintance, Event, HANDSHAKE_DEADLINE, MAX_MESSAGE, MAX_QUEUED, SendError, Via,
        frame::{self, MAX_CONTENT, MAX_FRAME},
        hybrid,
        state::State,
        traffic::Limits,
    },
};

pub(super) fn contacts(seed: u64) -> Pair {
    let (a, b) = (Person::new(1), Person::new(2));
    Pair::new(a.local(vec![a.contact(&b)]), b.local(vec![b.contact(&a)]), seed)
}

#[test]
fn two_contacts_establish_a_session() {
    let (a, b) = (Person::new(1), Person::new(2));
    let mut pair = contacts(0);
    pair.establish();
    for (end, other) in [(0, &b), (1, &a)] {
        let with = pair.with(end).unwrap();
        assert_eq!(with.identity, other.id());
        assert_eq!(with.device_public, other.device_key.public());
        assert_eq!((with.certificate, with.via), (None, Via::Contact));
    }
}

#[test]
fn they_find_each_other_among_many() {
    let people: Vec<_> = (0..70).map(Person::new).collect();
    let (a, b) = (&people[0], &people[69]);
    let known = |own: &Person| {
        let mut all: Vec<_> = people
            .iter()
            .filter(|other| other.id() != own.id())
            .map(|other| own.contact(other))
            .collect();
        all.push(issued(9, 9));
        all
    };
    let mut pair = Pair::new(a.local(known(a)), b.local(known(b)), 0);
    pair.establish();
    assert_eq!(pair.with(0).unwrap().identity, b.id());
    assert_eq!(pair.with(1).unwrap().identity, a.id());
    // 70 tags are sent as 96.
    let hail = 32 + 1 + 96 * 16;
    assert!(pair.recorded(0).len() > hail && pair.recorded(0)[32] == 3);
}

#[test]
fn an_invite_brings_its_holder_and_its_issuer_together_whoever_dials() {
    let (issuer, holder) = (Person::new(1), Person::new(2));
    for issuer_dials in [true, false] {
        let mut locals =
            [issuer.local(vec![issued(7, 1)]), holder.local(vec![accepted(8, 1, &issuer)])];
        if !issuer_dials {
            locals.reverse();
        }
        let [dialer, listener] = locals;
        let mut pair = Pair::new(dialer, listener, 3);
        pair.establish();
        let (at_issuer, at_holder) = if issuer_dials { (0, 1) } else { (1, 0) };
        let (with_holder, with_issuer) =
            (pair.with(at_issuer).unwrap(), pair.with(at_holder).unwrap());
        assert_eq!((with_holder.identity, with_holder.via), (holder.id(), Via::Issued(7)));
        assert_eq!((with_issuer.identity, with_issuer.via), (issuer.id(), Via::Accepted(8)));
        assert_eq!(with_holder.certificate, Some(holder.certificate));
        assert_eq!(with_issuer.certificate, Some(issuer.certificate));
        pair.send(0, b"hello").unwrap();
        pair.send(1, b"you").unwrap();
        pair.run(Duration::from_secs(1));
        assert_eq!(
            (pair.messages(1), pair.messages(0)),
            (vec![b"hello".to_vec()], vec![b"you".to_vec()])
        );
    }
}

#[test]
fn an_issuer_that_made_a_contact_of_the_invite_is_found_as_such() {
    let (issuer, holder) = (Person::new(1), Person::new(2));
    let half = Acquaintance::Accepted {
        number: 8,
        issuer: issuer.id(),
        secret: secret(1),
        issuer_device: Some((issuer.device_key.public(), holder.pair_secret(&issuer))),
    };
    // With the invite still open beside the contact, and with it gone.
    for known in [vec![issuer.contact(&holder), issued(7, 1)], vec![issuer.contact(&holder)]] {
        let mut pair = Pair::new(holder.local(vec![half.clone()]), issuer.local(known), 3);
        pair.establish();
        assert_eq!(pair.with(0).unwrap().via, Via::Accepted(8));
        assert_eq!(pair.with(0).unwrap().identity, issuer.id());
        assert_eq!(pair.with(1).unwrap().via, Via::Contact);
        assert_eq!(pair.with(1).unwrap().identity, holder.id());
    }
    // With the contact not there yet.
    let mut pair = Pair::new(holder.local(vec![half]), issuer.local(vec![issued(7, 1)]), 3);
    pair.establish();
    assert_eq!(
        (pair.with(0).unwrap().via, pair.with(1).unwrap().via),
        (Via::Accepted(8), Via::Issued(7))
    );
}

#[test]
fn messages_of_every_size_arrive() {
    let mut pair = contacts(1);
    pair.establish();
    let sizes = [
        0,
        1,
        234,
        235,
        236,
        8000,
        8170,
        8171,
        MAX_CONTENT - 1,
        MAX_CONTENT,
        MAX_CONTENT + 1,
        2 * MAX_CONTENT,
        2 * MAX_CONTENT + 1,
        MAX_MESSAGE - 1,
        MAX_MESSAGE,
    ];
    let sent: Vec<Vec<u8>> = sizes
        .iter()
        .map(|&size| (0..size).map(|i| u8::try_from(i % 251).unwrap()).collect())
        .collect();
    for message in &sent {
        for end in 0..2 {
            pair.send(end, message).unwrap();
        }
    }
    pair.run(Duration::from_secs(1));
    assert!(pair.messages(0) == sent && pair.messages(1) == sent);
}

#[test]
fn a_message_over_the_limit_is_refused_and_harms_nothing() {
    let mut pair = contacts(1);
    assert_eq!(pair.send(0, b"early"), Err(SendError::NotEstablished));
    pair.establish();
    assert_eq!(pair.send(0, &vec![0; MAX_MESSAGE + 1]), Err(SendError::TooLong));
    assert_eq!(pair.ends[0].poll_transmit(), None);
    pair.send(0, b"after").unwrap();
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.messages(1), [b"after"]);
}

#[test]
fn what_waits_to_be_written_is_bounded() {
    let mut pair = contacts(1);
    pair.establish();
    let mut sent = 0;
    let message = vec![1; MAX_MESSAGE];
    let refused = loop {
        match pair.send(0, &message) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
        assert!(sent < 100);
    };
    assert_eq!(refused, SendError::Full);
    assert!(sent * MAX_MESSAGE <= MAX_QUEUED + MAX_MESSAGE);
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.messages(1).len(), sent);
    pair.send(0, b"again").unwrap();
}

#[test]
fn frames_have_few_sizes_and_cost_little() {
    let mut sizes = std::collections::BTreeSet::new();
    for content in 0..=MAX_CONTENT {
        let size = frame::padded_len(content);
        let needed = content + 21;
        let padding = size - needed;
        assert!(padding <= 255 || padding * 16 <= needed, "{content}");
        let header = u16::try_from(size - 2).unwrap().to_be_bytes();
        assert_eq!(frame::rest_len(header), Some(size - 2));
        sizes.insert(size);
    }
    assert_eq!((sizes.len(), sizes.first(), sizes.last()), (80, Some(&256), Some(&MAX_FRAME)));
    // Every other length is refused.
    let accepted = (0..=u16::MAX).filter(|n| frame::rest_len(n.to_be_bytes()).is_some()).count();
    assert_eq!(accepted, 80);
}

#[test]
fn short_messages_look_alike() {
    let mut sizes = std::collections::BTreeSet::new();
    let mut pair = contacts(1);
    pair.establish();
    for length in 0..=235 {
        pair.send(0, &vec![b'x'; length]).unwrap();
        sizes.insert(pair.ends[0].poll_transmit().unwrap().len());
    }
    assert_eq!(sizes.into_iter().collect::<Vec<_>>(), [256]);
}

#[test]
fn the_same_message_is_never_the_same_on_the_wire() {
    let mut pair = contacts(1);
    pair.establish();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..100 {
        for end in 0..2 {
            pair.send(end, b"the same").unwrap();
            assert!(seen.insert(pair.ends[end].poll_transmit().unwrap()));
        }
    }
}

/// Sends a message each way every so often and checks that all arrive.
fn talk(pair: &mut Pair, rounds: u32, every: Duration, message: &[u8]) {
    let before = [pair.messages(0).len(), pair.messages(1).len()];
    for _ in 0..rounds {
        for end in 0..2 {
            assert_eq!(pair.send(end, message), Ok(()));
        }
        pair.run(every);
        assert!(!pair.is_dead());
    }
    pair.run(Duration::from_secs(1));
    for (end, before) in before.into_iter().enumerate() {
        let arrived = pair.messages(end).split_off(before);
        assert_eq!(arrived, vec![message.to_vec(); rounds as usize]);
    }
}

fn hash(pair: &Pair, end: usize) -> [u8; 32] {
    match &pair.ends[end].state {
        Some(State::Established(traffic)) => traffic.handshake_hash(),
        _ => panic!("not established"),
    }
}

#[test]
fn keys_are_renewed_every_quarter_of_an_hour_while_messages_flow() {
    let mut pair = contacts(2);
    pair.establish();
    let mut hashes = std::collections::HashSet::new();
    for _ in 0..4 {
        assert_eq!(hash(&pair, 0), hash(&pair, 1));
        assert!(hashes.insert(hash(&pair, 0)));
        // Latency of 5 ms, a message each millisecond around the time of renewal.
        pair.run(Duration::from_secs(820));
        assert!(hashes.contains(&hash(&pair, 0)));
        talk(&mut pair, 20, Duration::from_secs(5), b"slow");
        talk(&mut pair, 50, Duration::from_millis(1), b"fast");
    }
}

#[test]
fn keys_are_renewed_after_so_many_bytes() {
    let mut pair = contacts(3);
    for end in &mut pair.ends {
        end.shared.limits = Limits { renew_bytes: 100_000, ..Limits::PROTOCOL };
    }
    pair.establish();
    let first = hash(&pair, 0);
    talk(&mut pair, 100, Duration::from_millis(20), &[7; 200]);
    assert_eq!(hash(&pair, 0), first);
    talk(&mut pair, 100, Duration::from_millis(20), &[7; 200]);
    assert_ne!(hash(&pair, 0), first);
    assert_eq!(hash(&pair, 0), hash(&pair, 1));
    assert_eq!(Limits::PROTOCOL.renew_bytes, 1 << 30);
}

#[test]
fn used_up_keys_carry_nothing_more_until_they_are_renewed() {
    let mut pair = contacts(3);
    for end in &mut pair.ends {
        end.shared.limits = Limits { renew_bytes: 10_000, ..Limits::PROTOCOL };
    }
    pair.establish();
    // The listener, that can't renew by itself, sends without listening.
    let mut sent = 0;
    while pair.send(1, &[1; 200]) == Ok(()) {
        sent += 1;
        assert!(sent < 1000);
    }
    assert_eq!(pair.send(1, b""), Err(SendError::Full));
    assert!((19_000..20_600).contains(&pair.ends[1].poll_transmit().map_or(0, |bytes| {
        // Put it back on its way by hand.
        pair.ends[0].handle_input(pair.now, &bytes).unwrap();
        bytes.len()
    })));
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.messages(0).len(), sent);
    pair.send(1, b"again").unwrap();
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.messages(0).last().unwrap(), b"again");
}

#[test]
fn keys_that_are_not_renewed_end_the_session() {
    // A dialer that never renews: it is not told the time.
    let mut pair = contacts(4);
    pair.establish();
    let later = pair.now + Duration::from_secs(30 * 60 - 2);
    assert!(pair.ends[1].poll_timeout().unwrap() > later);
    assert_eq!(pair.ends[1].handle_timeout(later), Ok(()));
    let end = pair.now + Duration::from_secs(30 * 60);
    assert!(pair.ends[1].handle_timeout(end).is_err());
    assert_eq!(pair.ends[1].poll_timeout(), None);
    assert_eq!(pair.ends[1].send(end, b"late"), Err(SendError::NotEstablished));
}

#[test]
fn nothing_is_established_after_the_deadline() {
    for wait in [HANDSHAKE_DEADLINE / 10, HANDSHAKE_DEADLINE] {
        let mut pair = contacts(5);
        pair.latency = wait;
        pair.run(Duration::from_secs(60));
        let established = wait < HANDSHAKE_DEADLINE / 5;
        assert_eq!(pair.with(0).is_some(), established);
        assert_eq!(pair.with(1).is_some(), established);
        assert_eq!(pair.closed, [!established; 2]);
    }
}

#[test]
fn nothing_is_delivered_before_establishment_is_announced() {
    let mut pair = contacts(6);
    pair.establish();
    pair.send(0, b"first").unwrap();
    pair.run(Duration::from_secs(1));
    assert!(matches!(
        &pair.events[1][..],
        [Event::Established { .. }, Event::Message(message)] if message == b"first"
    ));
}

#[test]
fn the_handshake_of_strangers_works_too() {
    // XX waits for the nearby screen; no session begins it yet.
    use crate::noise::{Keypair, Role, Setup};
    use rand::{SeedableRng, rngs::StdRng};
    let rng = &mut StdRng::seed_from_u64(1);
    let (a, b) = (Person::new(1), Person::new(2));
    let prologue = hybrid::prologue(Pattern::XX, b"ids", b"nonces");
    let setup = |person: &Person| Setup {
        pattern: Pattern::XX,
        role: Role::Initiator,
        prologue: &prologue,
        local_static: Some(Keypair::from_secret(&person.device_key.to_bytes())),
        remote_static: None,
        psks: &[],
    };
    let identification = |person: &Person| {
        hybrid::Identification { identity: person.id(), certificate: person.certificate }.encode()
    };
    let (mut first, mut second, mut third) = (Vec::new(), Vec::new(), Vec::new());
    let initiator = hybrid::Initiator::start(setup(&a), rng, &mut first).unwrap();
    assert_eq!(first.len(), hybrid::first_len(Pattern::XX));
    let responder = hybrid::Responder::new(setup(&b)).unwrap();
    let mut responder = responder.answer(&first, &identification(&b), rng, &mut second).unwrap();
    assert_eq!(second.len(), hybrid::second_len(Pattern::XX));
    let (mut initiator, rest) = initiator.read(&second).unwrap();
    let at_a = hybrid::Identification::verify(&rest, initiator.remote_static()).unwrap();
    initiator.write(&identification(&a), rng, &mut third).unwrap();
    assert_eq!(third.len(), hybrid::THIRD_LEN);
    let payload = responder.read(&third).unwrap();
    let at_b = hybrid::Identification::verify(&payload, responder.remote_static()).unwrap();
    assert_eq!((at_a.identity, at_b.identity), (b.id(), a.id()));
    let (one, two) = (initiator.finish().unwrap(), responder.finish().unwrap());
    assert_eq!((&one.initiator, &one.responder), (&two.initiator, &two.responder));
    assert_ne!(one.initiator, one.responder);
}
