//! Whom it dials, and when.

use super::{
    candidate::{FAST_RETRY, SLOW_RETRY},
    *,
};

fn quic(port: u16) -> Multiaddr {
    format!("/ip4/127.0.0.1/udp/{port}/quic-v1").parse().unwrap()
}

fn tcp(port: u16) -> Multiaddr {
    format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()
}

fn found(dialer: &mut Dialer, now: Instant, address: Multiaddr) -> Target {
    let target = Target::Peer(PeerId::random());
    dialer.add(now, target.clone(), Origin::Found, address);
    target
}

/// One that was found, dialed and reached.
fn connected(dialer: &mut Dialer, now: Instant) -> Target {
    let target = found(dialer, now, quic(1));
    dialer.poll_dial(now).unwrap();
    dialer.connected(&target);
    target
}

#[test]
fn quic_first_then_tcp_after_its_head_start() {
    let (mut dialer, now) = (Dialer::default(), Instant::now());
    let target = found(&mut dialer, now, tcp(1));
    assert_eq!(dialer.poll_dial(now), None);
    dialer.add(now, target.clone(), Origin::Found, quic(2));
    assert_eq!(dialer.poll_dial(now).unwrap().addresses, [quic(2)]);
    assert_eq!(dialer.poll_dial(now), None);
    assert_eq!(dialer.poll_timeout(), Some(now + TCP_HEAD_START));
    let later = now + TCP_HEAD_START;
    assert_eq!(dialer.poll_dial(later).unwrap().addresses, [tcp(1)]);
    assert_eq!(dialer.poll_timeout(), Some(later + FAST_RETRY));
    let later = later + FAST_RETRY;
    assert_eq!(dialer.poll_dial(later).unwrap().addresses, [quic(2)]);
    dialer.connected(&target);
    assert_eq!(dialer.poll_timeout(), None);
    // Anew.
    dialer.lost(later, &target);
    assert_eq!(dialer.poll_dial(later).unwrap().addresses, [quic(2)]);
}

#[test]
fn addresses_that_are_heard_of_one_by_one_hurry_quic_and_do_not_keep_tcp_from_its_turn() {
    let (mut dialer, now) = (Dialer::default(), Instant::now());
    let target = found(&mut dialer, now, quic(1));
    dialer.poll_dial(now).unwrap();
    dialer.add(now, target.clone(), Origin::Found, tcp(2));
    assert_eq!(dialer.poll_dial(now), None);
    for port in 3..6 {
        dialer.add(now, target.clone(), Origin::Found, quic(port));
    }
    assert_eq!(dialer.poll_dial(now).unwrap().addresses.len(), 4);
    dialer.add(now, target.clone(), Origin::Found, quic(6));
    assert_eq!(dialer.poll_dial(now), None, "the last is for TCP");
    assert_eq!(dialer.poll_timeout(), Some(now + TCP_HEAD_START));
    // Whoever tells of another one for ever, and of each at once when a dial is over.
    let mut later = now;
    for port in 7..100 {
        later += Duration::from_millis(100);
        dialer.failed(&target);
        dialer.add(later, target.clone(), Origin::Found, quic(port));
        if dialer.poll_dial(later).is_some_and(|dial| dial.addresses == [tcp(2)]) {
            assert_eq!(later, now + TCP_HEAD_START);
            return;
        }
    }
    panic!("never TCP");
}

#[test]
fn tcp_that_is_heard_of_late_has_its_turn_at_once() {
    let (mut dialer, now) = (Dialer::default(), Instant::now());
    let target = found(&mut dialer, now, quic(1));
    dialer.poll_dial(now).unwrap();
    dialer.failed(&target);
    let later = now + TCP_HEAD_START;
    dialer.add(later, target, Origin::Found, tcp(2));
    assert_eq!(dialer.poll_dial(later).unwrap().addresses, [tcp(2)]);
}

#[test]
fn one_who_has_tcp_alone_is_dialed_soon_and_an_address_of_tcp_at_once() {
    let (mut dialer, now) = (Dialer::default(), Instant::now());
    found(&mut dialer, now, tcp(1));
    let later = now + TCP_HEAD_START;
    assert_eq!(dialer.poll_timeout(), Some(later));
    assert_eq!(dialer.poll_dial(later).unwrap().addresses, [tcp(1)]);
    dialer.add(now, Target::Address(tcp(2)), Origin::User, tcp(2));
    assert_eq!(dialer.poll_dial(now).unwrap().addresses, [tcp(2)]);
}

#[test]
fn a_stranger_is_left_alone_until_who_one_knows_changes() {
    let (mut dialer, now) = (Dialer::default(), Instant::now());
    let target = connected(&mut dialer, now);
    dialer.stranger(now, &target);
    let later = now + Duration::from_secs(3600);
    assert_eq!(dialer.poll_dial(later), None);
    dialer.add(later, target.clone(), Origin::Found, quic(2));
    assert_eq!(dialer.poll_dial(later), None);
    dialer.reconsider(later);
    assert_eq!(dialer.poll_dial(later).unwrap().target, target);
}

#[test]
fn a_stranger_at_an_address_of_the_user_is_asked_again_ever_more_seldom() {
    let (mut dialer, mut now) = (Dialer::default(), Instant::now());
    let target = Target::Address(quic(1));
    dialer.add(now, target.clone(), Origin::User, quic(1));
    for pause in [3, 6, 12, 24, 48, 48] {
        dialer.poll_dial(now).unwrap();
        dialer.connected(&target);
        dialer.stranger(now, &target);
        assert_eq!(dialer.poll_timeout(), Some(now + Duration::from_secs(pause)));
        now += Duration::from_secs(pause);
    }
}

#[test]
fn a_lost_link_is_redialed_at_once_and_every_second_with_bounded_dials() {
    let (mut dialer, now) = (Dialer::default(), Instant::now());
    let target = connected(&mut dialer, now);
    dialer.known(&target);
    dialer.lost(now, &target);
    for second in 0..u64::from(MAX_DIALS_PER_TARGET) {
        assert!(dialer.poll_dial(now + FAST_RETRY * u32::try_from(second).unwrap()).is_some());
    }
    let later = now + Duration::from_secs(60);
    assert_eq!(dialer.poll_dial(later), None, "three dials are under way");
    dialer.failed(&target);
    assert!(dialer.poll_dial(later).is_some());
}

#[test]
fn pauses_grow_to_five_minutes_and_never_beyond_and_an_address_of_a_contact_stays() {
    let (mut dialer, mut now) = (Dialer::default(), Instant::now());
    let target = Target::Address(quic(1));
    dialer.add(now, target.clone(), Origin::Contact, quic(1));
    let mut longest = Duration::ZERO;
    for _ in 0..60 {
        dialer.poll_dial(now).unwrap();
        dialer.failed(&target);
        let due = dialer.poll_timeout().unwrap();
        longest = longest.max(due - now);
        now = due;
    }
    assert_eq!(longest, SLOW_RETRY);
}

#[test]
fn a_node_is_dialed_again_when_the_network_is_another_one_and_not_before() {
    let (mut dialer, now) = (Dialer::default(), Instant::now());
    let node = Target::Peer(PeerId::random());
    dialer.add(now, node.clone(), Origin::User, quic(1));
    for _ in 0..3 {
        dialer.poll_dial(now).unwrap();
        dialer.connected(&node);
        dialer.node(&node);
        dialer.reconsider(now);
        dialer.node_left(now, &node);
        dialer.reconsider(now);
        assert_eq!(dialer.poll_timeout(), None, "who one knows is nothing to a node");
        dialer.network_changed(now);
    }
    // While it is connected, as soon as that ends.
    dialer.poll_dial(now).unwrap();
    dialer.connected(&node);
    dialer.node(&node);
    dialer.network_changed(now);
    assert_eq!(dialer.poll_timeout(), None);
    dialer.node_left(now, &node);
    assert_eq!(dialer.poll_dial(now).unwrap().target, node);
    dialer.failed(&node);
    assert!(dialer.poll_timeout().is_some(), "until it is reached");
}

#[test]
fn a_friend_who_could_not_be_heard_is_no_stranger_and_is_dialed_again() {
    let (mut dialer, now) = (Dialer::default(), Instant::now());
    let target = connected(&mut dialer, now);
    dialer.broken(now, &target);
    assert_eq!(dialer.poll_timeout(), Some(now + FAST_RETRY));
}

#[test]
fn a_hail_that_began_before_an_invite_was_accepted_is_made_again() {
    let (mut dialer, now) = (Dialer::default(), Instant::now());
    let target = connected(&mut dialer, now);
    dialer.reconsider(now);
    dialer.stranger(now, &target);
    assert_eq!(dialer.poll_dial(now).unwrap().target, target);
}

#[test]
fn a_stranger_is_asked_again_though_a_dial_is_still_under_way() {
    let (mut dialer, now) = (Dialer::default(), Instant::now());
    let target = found(&mut dialer, now, quic(1));
    dialer.poll_dial(now).unwrap();
    // They dialed too, and were nobody one knows.
    dialer.linked(&target);
    dialer.stranger(now, &target);
    dialer.reconsider(now);
    assert_eq!(dialer.poll_dial(now).unwrap().target, target);
    // One that is to be followed by another is left to itself.
    dialer.reconsider(now);
    assert_eq!(dialer.poll_dial(now), None);
    assert!(dialer.poll_timeout().is_some());
}

#[test]
fn who_is_online_by_another_target_is_not_dialed_until_that_ends() {
    let (mut dialer, now) = (Dialer::default(), Instant::now());
    let target = Target::Address(quic(1));
    dialer.add(now, target.clone(), Origin::Contact, quic(1));
    dialer.rest(&target);
    assert_eq!(dialer.poll_dial(now + Duration::from_secs(3600)), None);
    assert!(!dialer.is_trying(now, &target));
    dialer.resume(now, &target);
    assert!(dialer.is_trying(now, &target));
    assert!(dialer.poll_dial(now).is_some());
}

#[test]
fn what_mdns_found_can_not_take_the_last_dials_from_contacts() {
    let (mut dialer, now) = (Dialer::default(), Instant::now());
    for port in 0..200 {
        found(&mut dialer, now, quic(port));
    }
    let contact = Target::Address(quic(1000));
    let later = now + Duration::from_millis(1);
    while dialer.poll_dial(now).is_some() {}
    dialer.add(later, contact.clone(), Origin::Contact, quic(1000));
    assert_eq!(dialer.poll_dial(later).unwrap().target, contact);
    assert!(dialer.dials() <= MAX_DIALS);
}

#[test]
fn a_flood_of_targets_evicts_the_oldest_but_not_linked_or_given_ones() {
    let (mut dialer, now) = (Dialer::default(), Instant::now());
    let linked = connected(&mut dialer, now);
    let given = Target::Address(quic(2));
    dialer.add(now, given.clone(), Origin::User, quic(2));
    let first = found(&mut dialer, now, quic(3));
    for port in 0..2000_u16 {
        found(&mut dialer, now + Duration::from_millis(1 + u64::from(port)), quic(port));
    }
    assert_eq!(dialer.targets.len(), MAX_TARGETS);
    assert!(dialer.targets.contains_key(&linked));
    assert!(dialer.targets.contains_key(&given));
    assert!(!dialer.targets.contains_key(&first));
}

#[test]
fn a_flood_of_addresses_keeps_the_newest() {
    let (mut dialer, now) = (Dialer::default(), Instant::now());
    let target = found(&mut dialer, now, quic(1));
    for port in 0..1000 {
        dialer.add(now, target.clone(), Origin::Found, quic(port));
    }
    let addresses = dialer.poll_dial(now).unwrap().addresses;
    assert_eq!(addresses.len(), MAX_ADDRESSES);
    assert_eq!(addresses.last(), Some(&quic(999)));
}

#[test]
fn whose_program_has_ended_is_tried_once_more() {
    let (mut dialer, now) = (Dialer::default(), Instant::now());
    let target = Target::Peer(PeerId::random());
    dialer.add(now, target.clone(), Origin::Contact, quic(1));
    dialer.poll_dial(now).unwrap();
    dialer.connected(&target);
    dialer.known(&target);
    dialer.left(now, &target);
    assert!(dialer.poll_dial(now).is_some());
    assert!(!dialer.is_trying(now, &target));
    dialer.failed(&target);
    assert!(dialer.targets.is_empty());
}

#[test]
fn an_expired_or_hopeless_target_is_forgotten() {
    let (mut dialer, mut now) = (Dialer::default(), Instant::now());
    let target = found(&mut dialer, now, quic(1));
    dialer.expired(&target, &quic(1));
    assert!(dialer.targets.is_empty());
    let target = found(&mut dialer, now, quic(1));
    while let Some(due) = dialer.poll_timeout() {
        now = due;
        dialer.poll_dial(now).unwrap();
        dialer.failed(&target);
    }
    assert!(dialer.targets.is_empty());
}
