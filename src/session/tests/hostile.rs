//! Whatever a peer does wrong, late, twice or on purpose ends in silence.

use std::{sync::Arc, time::Duration};

use super::{established::contacts, fake::Fake, pair::*};
use crate::{
    identity::{Certificate, DevicePublic, IdentityKey, PairSecret},
    noise::{Pattern, tests::low_order_points},
    session::{
        Acquaintance, Closed, HANDSHAKE_DEADLINE, LinkIds, Local, MAX_TAGS, Session,
        hail::{self, Sender, Transcript},
        hybrid,
    },
};

/// A listener that has been given this.
fn listener_after(local: &Arc<Local>, input: &[u8]) -> (Session, Result<(), Closed>) {
    let now = std::time::Instant::now();
    let mut session = Session::listen(local.clone(), reversed(&ids()), now, rng(1));
    let result = session.handle_input(now, input);
    (session, result)
}

/// Both ends never establish anything, and both end.
fn assert_nothing_comes_of(mut pair: Pair) {
    pair.run(Duration::from_secs(60));
    assert!(pair.events.iter().all(Vec::is_empty));
    assert_eq!(pair.closed, [true; 2]);
}

/// Both ends find nobody: not one byte of a handshake is sent.
fn assert_only_hailed(mut pair: Pair) {
    pair.run(Duration::from_secs(60));
    assert!(pair.events.iter().all(Vec::is_empty));
    assert_eq!(pair.closed, [true; 2]);
    assert_eq!((pair.recorded(0).len(), pair.recorded(1).len()), (32 + 1 + 32 * 16, 32 + 16));
}

#[test]
fn garbage_ends_in_silence() {
    let (a, b) = (Person::new(1), Person::new(2));
    let local = a.local(vec![a.contact(&b), issued(1, 1)]);
    for seed in 0..200 {
        let (mut session, _) = listener_after(&local, &random(40_000, seed));
        assert_eq!(session.poll_event(), None);
        let now = std::time::Instant::now();
        let mut dialer = Session::dial(local.clone(), ids(), now, rng(seed));
        assert_eq!(dialer.handle_input(now, &random(4_000, seed)), Err(Closed));
        assert_eq!((dialer.poll_event(), dialer.poll_transmit()), (None, None));
        // Once closed, closed for good.
        assert_eq!(dialer.handle_input(now, &[]), Err(Closed));
        assert_eq!(dialer.handle_timeout(now), Err(Closed));
    }
}

#[test]
fn a_hail_with_too_many_tags_or_none_is_refused_before_any_is_read() {
    let local = Person::new(1).local(vec![]);
    for blocks in 0..=u8::MAX {
        let hello = [&[7; 32][..], &[blocks]].concat();
        let (_, result) = listener_after(&local, &hello);
        let allowed = (1..=MAX_TAGS / 32).contains(&usize::from(blocks));
        assert_eq!(result.is_ok(), allowed, "{blocks}");
    }
}

#[test]
fn more_acquaintances_than_tags_are_hailed_as_far_as_there_is_room() {
    let a = Person::new(1);
    let many: Vec<_> = (0..1500).map(|number| issued(number, 3)).collect();
    let local = a.local(many);
    let now = std::time::Instant::now();
    let mut dialer = Session::dial(local, ids(), now, rng(1));
    dialer.poll_transmit();
    dialer.handle_input(now, &[7; 32]).unwrap();
    assert_eq!(dialer.poll_transmit().unwrap().len(), 1 + MAX_TAGS * 16);
}

#[test]
fn what_is_kept_of_a_stranger_is_bounded() {
    let local = Person::new(1).local(vec![]);
    let most = [&[7; 32][..], &[32], &random(MAX_TAGS * 16 - 1, 1)].concat();
    let (session, result) = listener_after(&local, &most);
    assert_eq!(result, Ok(()));
    assert!(session.partial.capacity() <= MAX_TAGS * 16);
}

#[test]
fn a_stranger_that_probes_learns_nothing() {
    // Whatever the listener knows, a stranger sees the same number of bytes, at the same steps,
    // and the same end.
    let (a, b) = (Person::new(1), Person::new(2));
    let locals = [
        a.local(vec![]),
        a.local(vec![a.contact(&b)]),
        a.local((0..100).map(|number| issued(number, 5)).collect()),
    ];
    let probe = [random(32, 1), vec![2], random(64 * 16, 2), random(1232, 3)];
    let mut seen = Vec::new();
    for local in &locals {
        let now = std::time::Instant::now();
        let mut session = Session::listen(local.clone(), reversed(&ids()), now, rng(1));
        let mut shape = Vec::new();
        for piece in &probe {
            let result = session.handle_input(now, piece);
            shape.push((result, session.poll_transmit().map(|bytes| bytes.len())));
        }
        assert_eq!(
            shape,
            [(Ok(()), Some(32)), (Ok(()), None), (Ok(()), Some(16)), (Err(Closed), None)]
        );
        seen.push(shape);
    }
    // Somebody who is known and then sends garbage sees the same, so the end tells nothing.
    let mut dialer = Fake::hail(&b, &a, vec![a.contact(&b)]);
    assert_eq!(dialer.deliver(&random(1232, 4)), Err(Closed));
    assert_eq!(dialer.listener.poll_transmit(), None);
}

#[test]
fn a_stranger_that_only_waits_is_dropped_at_the_deadline() {
    let local = Person::new(1).local(vec![]);
    let hello = [random(32, 1), vec![1], random(32 * 16, 2)].concat();
    for length in [0, 1, 32, 33, 500, hello.len()] {
        let (mut session, result) = listener_after(&local, &hello[..length]);
        assert_eq!(result, Ok(()));
        let deadline = session.poll_timeout().unwrap();
        let before = deadline.checked_sub(Duration::from_millis(1)).unwrap();
        assert_eq!(session.handle_timeout(before), Ok(()));
        assert_eq!(session.handle_timeout(deadline), Err(Closed));
        assert_eq!(session.poll_timeout(), None);
        assert_eq!(session.poll_transmit(), None);
    }
}

#[test]
fn two_strangers_part_without_a_word() {
    let (a, b) = (Person::new(1), Person::new(2));
    assert_only_hailed(Pair::new(a.local(vec![issued(1, 1)]), b.local(vec![issued(1, 2)]), 1));
}

#[test]
fn half_handshakes_end_at_the_deadline() {
    let mut pair = contacts(1);
    pair.establish();
    let whole = pair.recorded(0).to_vec();
    let (a, b) = (Person::new(1), Person::new(2));
    // The same listener again, with the same randomness, so that the recording fits it.
    let seeds = Pair::seeds(1);
    for cut in [0, 31, 32, 33, 100, 544, 545, 546, 1000, 1776, 1777, 1900, whole.len() - 1] {
        let now = pair.now;
        let local = b.local(vec![b.contact(&a)]);
        let mut session = Session::listen(local, reversed(&ids()), now, rng(seeds[1]));
        assert_eq!(session.handle_input(now, &whole[..cut]), Ok(()), "{cut}");
        assert_eq!(session.handle_timeout(now + HANDSHAKE_DEADLINE), Err(Closed));
        assert_eq!(session.poll_event(), None);
    }
}

#[test]
fn a_recorded_session_cannot_be_replayed() {
    let mut pair = contacts(1);
    pair.establish();
    pair.send(0, b"pay the baker").unwrap();
    pair.run(Duration::from_secs(1));
    let (a, b) = (Person::new(1), Person::new(2));
    // To the listener, with fresh randomness: its nonce makes every tag and key another.
    let (mut session, _) = listener_after(&b.local(vec![b.contact(&a)]), pair.recorded(0));
    assert_eq!((session.poll_event(), session.state.is_none()), (None, true));
    // To the dialer.
    let mut dialer = Session::dial(a.local(vec![a.contact(&b)]), ids(), pair.now, rng(77));
    assert_eq!(dialer.handle_input(pair.now, pair.recorded(1)), Err(Closed));
    assert_eq!(dialer.poll_event(), None);
}

#[test]
fn frames_cannot_be_replayed_skipped_swapped_changed_or_cut() {
    type Spoil = fn(&[u8], &[u8]) -> Vec<u8>;
    let spoil: [Spoil; 6] = [
        |one, _| [one, one].concat(),
        |_, two| two.to_vec(),
        |one, two| [two, one].concat(),
        |one, two| {
            let mut one = one.to_vec();
            one[40] ^= 1;
            [&one, two].concat()
        },
        |one, two| [&one[..one.len() - 1], two].concat(),
        |one, two| {
            // Another allowed length.
            let mut one = one.to_vec();
            one[..2].copy_from_slice(&510_u16.to_be_bytes());
            [&one, two].concat()
        },
    ];
    for (case, spoil) in spoil.iter().enumerate() {
        for end in 0..2 {
            let mut pair = contacts(1);
            pair.establish();
            pair.send(end, b"one").unwrap();
            let one = pair.ends[end].poll_transmit().unwrap();
            pair.send(end, b"two").unwrap();
            let two = pair.ends[end].poll_transmit().unwrap();
            let other = &mut pair.ends[1 - end];
            assert_eq!(other.handle_input(pair.now, &spoil(&one, &two)), Err(Closed), "{case}");
            pair.collect();
            assert!(pair.messages(1 - end).len() <= 1);
        }
    }
}

#[test]
fn impossible_frame_lengths_are_refused_before_anything_is_allocated() {
    for length in [0, 1, 16, 18, 19, 253, 255, 256, 509, 511, 8_191, 33_000, 65_533, u16::MAX] {
        let mut pair = contacts(1);
        pair.establish();
        let end = &mut pair.ends[1];
        assert_eq!(end.handle_input(pair.now, &length.to_be_bytes()), Err(Closed), "{length}");
        assert_eq!((end.partial.capacity(), end.poll_event()), (0, None));
    }
    // The control: possible ones are waited for.
    for length in [254_u16, 510, 65_534] {
        let mut pair = contacts(1);
        pair.establish();
        assert_eq!(pair.ends[1].handle_input(pair.now, &length.to_be_bytes()), Ok(()));
    }
}

#[test]
fn ones_own_hail_sent_back_is_refused() {
    let (a, b) = (Person::new(1), Person::new(2));
    for local in [a.local(vec![a.contact(&b)]), a.local(vec![issued(1, 1), accepted(2, 1, &a)])] {
        let now = std::time::Instant::now();
        let mut dialer = Session::dial(local, ids(), now, rng(1));
        let nonce = dialer.poll_transmit().unwrap();
        dialer.handle_input(now, &nonce).unwrap();
        let tags = dialer.poll_transmit().unwrap();
        assert_eq!(dialer.handle_input(now, &tags[1..17]), Err(Closed));
    }
    // Not one of the own tags is an answer, though both nonces and both PeerIds are the same.
    let same = LinkIds { own_peer_id: vec![1], their_peer_id: vec![1] };
    let local = a.local(vec![a.contact(&b), issued(1, 1), accepted(2, 1, &a)]);
    for sender in [Sender::Dialer, Sender::Listener] {
        let transcript = Transcript::new(sender, &[1; 32], &[1; 32], &same);
        let own = transcript.own_tags(&local.known, &mut rng(1));
        assert_eq!(transcript.find(&local.known, &own[1..]), None);
    }
}

#[test]
fn somebody_between_who_passes_the_hail_on_gets_nowhere() {
    // Both ends speak to him, so neither sees the other's PeerId.
    let (a, b) = (Person::new(1), Person::new(2));
    let now = std::time::Instant::now();
    let mut to_him = ids();
    to_him.their_peer_id = b"his own".to_vec();
    let mut pair = Pair::new(a.local(vec![a.contact(&b)]), b.local(vec![b.contact(&a)]), 1);
    pair.ends[0] = Session::dial(a.local(vec![a.contact(&b)]), to_him, now, rng(1));
    assert_nothing_comes_of(pair);
}

#[test]
fn two_holders_of_one_invite_do_not_find_each_other() {
    let (issuer, one, two) = (Person::new(1), Person::new(2), Person::new(3));
    let known = || vec![accepted(1, 1, &issuer)];
    let pair = Pair::new(one.local(known()), two.local(known()), 1);
    assert_only_hailed(pair);
}

#[test]
fn two_issuers_with_one_secret_do_not_either() {
    let (one, two) = (Person::new(1), Person::new(2));
    let pair = Pair::new(one.local(vec![issued(1, 1)]), two.local(vec![issued(1, 1)]), 1);
    assert_only_hailed(pair);
}

#[test]
fn nobody_uses_an_own_invite() {
    let own = Person::new(1);
    let known = || vec![issued(1, 1), accepted(2, 1, &own)];
    assert_nothing_comes_of(Pair::new(own.local(known()), own.local(known()), 1));
}

/// A person who says to be somebody, with a certificate of choice.
fn liar(own: &Person, says: &Person, certificate: Certificate, known: Acquaintance) -> Arc<Local> {
    Arc::new(Local::new(says.id(), own.device_key.clone(), certificate, vec![known]))
}

#[test]
fn a_holder_that_poses_as_the_issuer_is_refused() {
    let (issuer, holder, other) = (Person::new(1), Person::new(2), Person::new(3));
    let certificates = [
        // The issuer's: of another device.
        issuer.certificate,
        // Their own: of another identity.
        other.certificate,
        // Their own word about their own device in the issuer's name.
        Certificate { signature: other.certificate.signature, ..issuer.certificate },
    ];
    for certificate in certificates {
        for poser_dials in [true, false] {
            let poser = liar(&other, &issuer, certificate, issued(1, 1));
            let mut locals = [poser, holder.local(vec![accepted(2, 1, &issuer)])];
            if !poser_dials {
                locals.reverse();
            }
            let [dialer, listener] = locals;
            let mut pair = Pair::new(dialer, listener, 1);
            pair.run(Duration::from_secs(60));
            assert!(pair.events.iter().all(Vec::is_empty));
            // The holder has not shown who it is: one nonce or hail, one message, nothing after.
            let holder_sent = pair.recorded(usize::from(poser_dials)).len();
            let hail = if poser_dials { 32 + 16 } else { 32 + 1 + 32 * 16 };
            assert_eq!(holder_sent, hail + hybrid::first_len(Pattern::XX_PSK3));
        }
    }
}

#[test]
fn a_holder_with_a_wrong_certificate_is_refused() {
    let (issuer, holder, victim) = (Person::new(1), Person::new(2), Person::new(3));
    let flipped = |at: usize| {
        let mut bytes = holder.certificate.encode();
        bytes[at] ^= 1;
        Certificate::decode(&bytes).unwrap()
    };
    let cases = [
        (&holder, flipped(0)),   // device
        (&holder, flipped(35)),  // number
        (&holder, flipped(43)),  // seq
        (&holder, flipped(44)),  // R
        (&holder, flipped(107)), // s
        (&holder, victim.certificate),
        (&victim, victim.certificate),
        (&victim, holder.certificate),
        (&holder, Certificate { signature: [0; 64], ..holder.certificate }),
    ];
    for (says, certificate) in cases {
        let local = liar(&holder, says, certificate, accepted(1, 1, &issuer));
        assert_nothing_comes_of(Pair::new(local, issuer.local(vec![issued(2, 1)]), 1));
    }
}

#[test]
fn an_identity_of_small_order_vouches_for_nobody() {
    // Under such a key, one signature fits nearly every message.
    let (issuer, mut holder) = (Person::new(1), Person::new(2));
    let mut identity = [0; 32];
    identity[0] = 1;
    holder.certificate.signature = [0; 64];
    holder.certificate.signature[0] = 1;
    let local = Arc::new(Local::new(
        crate::identity::Identity(identity),
        holder.device_key.clone(),
        holder.certificate,
        vec![accepted(1, 1, &issuer)],
    ));
    assert_nothing_comes_of(Pair::new(local, issuer.local(vec![issued(2, 1)]), 1));
}

#[test]
fn the_wrong_secret_of_a_right_invite_is_refused() {
    // The hail's key is known, the handshake's is not: as if the one had leaked.
    let (issuer, holder) = (Person::new(1), Person::new(2));
    let mut local = Arc::into_inner(holder.local(vec![accepted(1, 1, &issuer)])).unwrap();
    let other = holder.local(vec![accepted(1, 2, &issuer)]);
    let hail_key = local.known[0].hail_key.clone();
    local.known = Arc::into_inner(other).unwrap().known;
    local.known[0].hail_key = hail_key;
    let mut pair = Pair::new(Arc::new(local), issuer.local(vec![issued(2, 1)]), 1);
    pair.run(Duration::from_secs(60));
    assert!(pair.events.iter().all(Vec::is_empty));
}

#[test]
fn a_contact_with_another_device_key_is_not_recognised() {
    // Documented: a replaced device must be introduced anew.
    let (a, b) = (Person::new(1), Person::new(2));
    let mut renewed = Person::new(2);
    renewed.device_key = Person::new(3).device_key;
    renewed.certificate = Certificate::issue(&renewed.key, renewed.device_key.public(), 1, 2);
    let pair = Pair::new(a.local(vec![a.contact(&b)]), renewed.local(vec![renewed.contact(&a)]), 1);
    assert_nothing_comes_of(pair);
}

#[test]
fn the_pair_secret_without_the_device_key_is_not_enough() {
    let (a, b, thief) = (Person::new(1), Person::new(2), Person::new(3));
    let local =
        Arc::new(Local::new(b.id(), thief.device_key.clone(), b.certificate, vec![b.contact(&a)]));
    let reversed_local = local.clone();
    assert_nothing_comes_of(Pair::new(local, a.local(vec![a.contact(&b)]), 1));
    let mut pair = Pair::new(a.local(vec![a.contact(&b)]), reversed_local, 1);
    pair.run(Duration::from_secs(60));
    assert!(pair.events.iter().all(Vec::is_empty));
}

#[test]
fn points_of_small_order_make_no_session() {
    let (a, b) = (Person::new(1), Person::new(2));
    for point in low_order_points() {
        // As the ephemeral key of message 1.
        let mut fake = Fake::hail(&a, &b, vec![b.contact(&a)]);
        let message = [&point[..], &random(1200, 1)].concat();
        assert_eq!(fake.deliver(&message), Err(Closed));
        // As a device's key: no pair secret, no certificate, no handshake.
        let low = DevicePublic(point);
        assert!(PairSecret::of_devices((&a.id(), &a.device_key), (&b.id(), &low)).is_err());
        let key = IdentityKey::generate(&mut rng(1));
        assert!(Certificate::issue(&key, low, 1, 1).verify(&key.public()).is_err());
        let contact = Acquaintance::Contact {
            identity: b.id(),
            device_public: low,
            pair_secret: a.pair_secret(&b),
        };
        let pair = Pair::new(a.local(vec![contact]), b.local(vec![b.contact(&a)]), 1);
        assert_nothing_comes_of(pair);
    }
}

#[test]
fn both_ends_dialling_or_listening_on_one_stream_come_to_nothing() {
    let (a, b) = (Person::new(1), Person::new(2));
    let now = std::time::Instant::now();
    let mut pair = contacts(1);
    pair.ends[1] = Session::dial(b.local(vec![b.contact(&a)]), reversed(&ids()), now, rng(1));
    assert_nothing_comes_of(pair);
    let mut pair = contacts(1);
    pair.ends[0] = Session::listen(a.local(vec![a.contact(&b)]), ids(), now, rng(1));
    assert_nothing_comes_of(pair);
}

#[test]
fn a_renewal_out_of_turn_ends_the_session() {
    use crate::session::{frame::Kind, state::State};
    // By the listener; by the dialer too early; an answer and a switch that nobody asked for.
    let cases = [
        (1, Kind::Renew),
        (0, Kind::Renew),
        (1, Kind::Renewed),
        (0, Kind::Renewed),
        (0, Kind::Switch),
        (1, Kind::Switch),
        (0, Kind::Confirm),
        (1, Kind::Confirm),
    ];
    for (end, kind) in cases {
        let mut pair = contacts(1);
        pair.establish();
        let Session { state: Some(State::Established(traffic)), shared, .. } = &mut pair.ends[end]
        else {
            panic!("not established")
        };
        traffic.seal(shared, kind, &random(1232, 1)).unwrap();
        let frame = pair.ends[end].poll_transmit().unwrap();
        let other = &mut pair.ends[1 - end];
        assert_eq!(other.handle_input(pair.now, &frame), Err(Closed), "{kind:?} by {end}");
    }
}

#[test]
fn a_message_in_too_many_parts_ends_the_session() {
    use crate::session::{
        MAX_MESSAGE,
        frame::{Kind, MAX_CONTENT},
        state::State,
    };
    // Nine full parts would be over the limit; so is a short part that is not the last.
    let parts = MAX_MESSAGE / MAX_CONTENT + 1;
    for (size, good) in [(MAX_CONTENT, parts - 1), (MAX_CONTENT - 1, 0), (0, 0)] {
        let mut pair = contacts(1);
        pair.establish();
        let mut results = Vec::new();
        for _ in 0..=good {
            let Session { state: Some(State::Established(traffic)), shared, .. } =
                &mut pair.ends[0]
            else {
                panic!("not established")
            };
            traffic.seal(shared, Kind::More, &vec![1; size]).unwrap();
            let frame = pair.ends[0].poll_transmit().unwrap();
            results.push(pair.ends[1].handle_input(pair.now, &frame).is_ok());
        }
        assert_eq!(results.pop(), Some(false));
        assert!(results.iter().all(|&ok| ok) && results.len() == good);
        assert!(
            pair.ends[1]
                .poll_event()
                .is_none_or(|event| !matches!(event, crate::session::Event::Message(_)))
        );
    }
}

#[test]
fn tags_of_different_links_parts_and_directions_differ() {
    let (a, b) = (Person::new(1), Person::new(2));
    let local = a.local(vec![a.contact(&b), issued(1, 1), accepted(2, 1, &a)]);
    let mut seen = std::collections::HashSet::new();
    for sender in [Sender::Dialer, Sender::Listener] {
        for (own, their) in [(1, 2), (2, 1), (1, 3)] {
            for id in [ids(), reversed(&ids())] {
                let transcript = Transcript::new(sender, &[own; 32], &[their; 32], &id);
                for known in &local.known {
                    seen.insert((
                        transcript.nonces().to_vec(),
                        transcript.peer_ids().to_vec(),
                        transcript.own_tag(known),
                    ));
                }
            }
        }
    }
    let tags: std::collections::HashSet<_> = seen.iter().map(|(_, _, tag)| *tag).collect();
    assert_eq!(tags.len(), seen.len());
    assert!(hail::tags_len(32).is_some());
}
