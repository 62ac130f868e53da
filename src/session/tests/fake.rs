//! A handshake that is not what it should be makes no session.

use super::pair::*;
use crate::{
    noise::{HandshakeState, Keypair, Pattern, Role, Setup},
    session::{
        Acquaintance, Closed, HANDSHAKE_DEADLINE, Session,
        hail::{Sender, Transcript},
        hybrid::{self, CIPHERTEXT_LEN, ENCAPSULATION_KEY_LEN, Initiator, Responder},
    },
};

/// A known dialer that keeps to the rules of the hail, and then to none.
pub(super) struct Fake<'a> {
    pub(super) own: &'a Person,
    pub(super) their: &'a Person,
    pub(super) listener: Session,
    pub(super) transcript: Transcript,
    pub(super) now: std::time::Instant,
}

impl<'a> Fake<'a> {
    pub(super) fn hail(own: &'a Person, their: &'a Person, they_know: Vec<Acquaintance>) -> Self {
        let now = std::time::Instant::now();
        let mut listener = Session::listen(their.local(they_know), reversed(&ids()), now, rng(2));
        listener.handle_input(now, &[3; 32]).unwrap();
        let nonce = listener.poll_transmit().unwrap().try_into().unwrap();
        let transcript = Transcript::new(Sender::Dialer, &[3; 32], &nonce, &ids());
        let known = own.local(vec![own.contact(their)]);
        let tags = transcript.own_tags(&known.known, &mut rng(3));
        listener.handle_input(now, &tags).unwrap();
        let answer = listener.poll_transmit().unwrap();
        assert_eq!(transcript.find(&known.known, &answer), Some(0));
        Self { own, their, listener, transcript, now }
    }

    pub(super) fn deliver(&mut self, bytes: &[u8]) -> Result<(), Closed> {
        self.listener.handle_input(self.now, bytes)
    }

    pub(super) fn noise(&self, pattern: &'static Pattern, context: &[u8]) -> HandshakeState {
        let prologue = hybrid::prologue(pattern, self.transcript.peer_ids(), context);
        HandshakeState::new(self.setup(pattern, &prologue)).unwrap()
    }

    pub(super) fn setup<'b>(&self, pattern: &'static Pattern, prologue: &'b [u8]) -> Setup<'b> {
        Setup {
            pattern,
            role: Role::Initiator,
            prologue,
            local_static: Some(Keypair::from_secret(&self.own.device_key.to_bytes())),
            remote_static: pattern.responder_known.then(|| self.their.device_key.public().0),
            psks: &[],
        }
    }

    /// Message 1 with this payload instead of an encapsulation key.
    pub(super) fn first(&self, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut noise = self.noise(Pattern::KK, self.transcript.nonces());
        noise.write_message(&mut rng(4), payload, &mut out).unwrap();
        out
    }
}

#[test]
fn post_quantum_material_that_is_missing_or_garbled_makes_no_session() {
    let (a, b) = (Person::new(1), Person::new(2));
    let known = || vec![b.contact(&a)];
    // Missing, or shorter: the listener waits for the rest until the deadline.
    for payload in [&[][..], &[1; ENCAPSULATION_KEY_LEN - 1]] {
        let mut fake = Fake::hail(&a, &b, known());
        let message = fake.first(payload);
        assert_eq!(fake.deliver(&message), Ok(()));
        assert_eq!(fake.listener.poll_transmit(), None);
        assert_eq!(fake.listener.handle_timeout(fake.now + HANDSHAKE_DEADLINE), Err(Closed));
    }
    // Longer, or with coefficients that are not reduced (FIPS 203, section 7.2).
    for payload in [vec![0; ENCAPSULATION_KEY_LEN + 1], vec![0xff; ENCAPSULATION_KEY_LEN]] {
        let mut fake = Fake::hail(&a, &b, known());
        let message = fake.first(&payload);
        assert_eq!(fake.deliver(&message), Err(Closed));
        assert_eq!(fake.listener.poll_event(), None);
    }
    // The control: a good one is answered.
    let mut fake = Fake::hail(&a, &b, known());
    let prologue =
        hybrid::prologue(Pattern::KK, fake.transcript.peer_ids(), fake.transcript.nonces());
    let mut message = Vec::new();
    let setup = fake.setup(Pattern::KK, &prologue);
    Initiator::start(setup, &mut rng(4), &mut message).unwrap();
    assert_eq!(fake.deliver(&message), Ok(()));
    assert!(fake.listener.poll_transmit().is_some());
}

#[test]
fn a_garbled_ciphertext_makes_no_session() {
    // In the handshake itself: by an authentic responder that answers with nonsense.
    let (a, b) = (Person::new(1), Person::new(2));
    let setup = |own: &Person, other: &Person| Setup {
        pattern: Pattern::KK,
        role: Role::Responder,
        prologue: b"",
        local_static: Some(Keypair::from_secret(&own.device_key.to_bytes())),
        remote_static: Some(other.device_key.public().0),
        psks: &[],
    };
    let answer = |payload: &[u8]| {
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let initiator = Initiator::start(setup(&a, &b), &mut rng(1), &mut first).unwrap();
        let mut noise = HandshakeState::new(setup(&b, &a)).unwrap();
        noise.read_message(&first).unwrap();
        noise.write_message(&mut rng(2), payload, &mut second).unwrap();
        (initiator.read(&second), noise)
    };
    assert!(answer(&[]).0.is_err());
    assert!(answer(&[1; CIPHERTEXT_LEN - 1]).0.is_err());
    // Of the right length it decapsulates to a secret that nobody else has (FIPS 203, section
    // 6.3), so the keys differ and no confirmation can be read.
    let (mixed, noise) = answer(&random(CIPHERTEXT_LEN, 3));
    let keys = mixed.unwrap().0.finish().unwrap();
    let classical = noise.finish().unwrap();
    assert_eq!(keys.handshake_hash, classical.handshake_hash);
    for guess in [vec![], vec![0; 32]] {
        let mut hasher = blake3::Hasher::new_derive_key(crate::labels::TRAFFIC_KEYS);
        hasher
            .update(&keys.handshake_hash)
            .update(classical.initiator.key().unwrap())
            .update(classical.responder.key().unwrap())
            .update(&guess);
        assert_ne!(*hasher.finalize().as_bytes(), *keys.initiator);
    }
    // The control: two honest ends agree.
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let initiator = Initiator::start(setup(&a, &b), &mut rng(1), &mut first).unwrap();
    let responder = Responder::new(setup(&b, &a)).unwrap();
    let one = responder.answer(&first, &[], &mut rng(2), &mut second).unwrap().finish().unwrap();
    let two = initiator.read(&second).unwrap().0.finish().unwrap();
    assert_eq!((one.initiator, one.responder), (two.initiator, two.responder));
}

#[test]
fn no_confirmation_no_session() {
    // The dialer completes the handshake and then sends frames under keys of its own.
    let (a, b) = (Person::new(1), Person::new(2));
    let mut fake = Fake::hail(&a, &b, vec![b.contact(&a)]);
    let prologue =
        hybrid::prologue(Pattern::KK, fake.transcript.peer_ids(), fake.transcript.nonces());
    let mut message = Vec::new();
    let setup = fake.setup(Pattern::KK, &prologue);
    Initiator::start(setup, &mut rng(4), &mut message).unwrap();
    fake.deliver(&message).unwrap();
    assert_eq!(fake.listener.poll_event(), None);
    let frame = [&254_u16.to_be_bytes()[..], &random(254, 1)].concat();
    assert_eq!(fake.deliver(&frame), Err(Closed));
    assert_eq!(fake.listener.poll_event(), None);
}

#[test]
fn another_pattern_version_or_link_in_the_prologue_makes_no_session() {
    let (a, b) = (Person::new(1), Person::new(2));
    let payload = random(ENCAPSULATION_KEY_LEN, 1);
    for case in 0..3 {
        let mut fake = Fake::hail(&a, &b, vec![b.contact(&a)]);
        let nonces = fake.transcript.nonces().to_vec();
        let mut prologue = hybrid::prologue(Pattern::KK, fake.transcript.peer_ids(), &nonces);
        let version = crate::labels::PROLOGUE.len();
        match case {
            0 => prologue[version] = 2,
            1 => *prologue.last_mut().unwrap() ^= 1,
            _ => prologue[version + 5] ^= 1,
        }
        let mut noise = HandshakeState::new(fake.setup(Pattern::KK, &prologue)).unwrap();
        let mut message = Vec::new();
        noise.write_message(&mut rng(4), &payload, &mut message).unwrap();
        assert_eq!(fake.deliver(&message), Err(Closed));
    }
}
