//! Against `snow`, for every row of the table, and against what a hostile peer may send.

use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;

/// One side of a handshake, ours or snow's.
#[expect(clippy::large_enum_variant, reason = "a handful in a test")]
enum Side {
    Ours(Box<HandshakeState>, StdRng),
    Snow(Box<snow::HandshakeState>),
}

impl Side {
    fn write(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Ours(state, rng) => state.write_message(rng, payload, &mut out).unwrap(),
            Self::Snow(state) => {
                out.resize(MAX_MESSAGE, 0);
                let length = state.write_message(payload, &mut out).unwrap();
                out.truncate(length);
            }
        }
        out
    }

    fn read(&mut self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ours(state, _) => state.read_message(message).unwrap(),
            Self::Snow(state) => {
                let mut out = vec![0; MAX_MESSAGE];
                let length = state.read_message(message, &mut out).unwrap();
                out.truncate(length);
                out
            }
        }
    }

    fn finish(self) -> (Transport, [u8; 32]) {
        match self {
            Self::Ours(state, _) => {
                let role = if state.is_initiator() { Role::Initiator } else { Role::Responder };
                let done = state.finish().unwrap();
                let ciphers = match role {
                    Role::Initiator => (done.initiator, done.responder),
                    Role::Responder => (done.responder, done.initiator),
                };
                (Transport::Ours(ciphers.0, ciphers.1), done.handshake_hash)
            }
            Self::Snow(state) => {
                let hash = state.get_handshake_hash().try_into().unwrap();
                (Transport::Snow(Box::new(state.into_transport_mode().unwrap())), hash)
            }
        }
    }
}

enum Transport {
    Ours(CipherState, CipherState),
    Snow(Box<snow::TransportState>),
}

impl Transport {
    fn write(&mut self, payload: &[u8]) -> Vec<u8> {
        match self {
            Self::Ours(sending, _) => {
                let mut buffer = payload.to_vec();
                sending.encrypt_with_ad(&[], &mut buffer, 0).unwrap();
                sending.rekey().unwrap();
                buffer
            }
            Self::Snow(state) => {
                let mut out = vec![0; MAX_MESSAGE];
                let length = state.write_message(payload, &mut out).unwrap();
                out.truncate(length);
                state.rekey_outgoing();
                out
            }
        }
    }

    fn read(&mut self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ours(_, receiving) => {
                let mut buffer = message.to_vec();
                receiving.decrypt_with_ad(&[], &mut buffer).unwrap();
                receiving.rekey().unwrap();
                buffer
            }
            Self::Snow(state) => {
                let mut out = vec![0; MAX_MESSAGE];
                let length = state.read_message(message, &mut out).unwrap();
                out.truncate(length);
                state.rekey_incoming();
                out
            }
        }
    }
}

/// Keys and prologue of both sides.
struct Keys {
    statics: [[u8; 32]; 2],
    psks: Vec<[u8; 32]>,
    prologue: Vec<u8>,
    seed: u64,
}

impl Keys {
    fn random(pattern: &Pattern, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut key = || {
            let mut bytes = [0; 32];
            rng.fill_bytes(&mut bytes);
            bytes
        };
        let statics = [key(), key()];
        let psks = (0..pattern.psks()).map(|_| key()).collect();
        Self { statics, psks, prologue: seed.to_be_bytes().to_vec(), seed }
    }

    fn ours(&self, pattern: &'static Pattern, role: Role) -> HandshakeState {
        let initiator = role == Role::Initiator;
        let (own, their) = if initiator { (0, 1) } else { (1, 0) };
        let known = if initiator { pattern.responder_known } else { pattern.initiator_known };
        HandshakeState::new(Setup {
            pattern,
            role,
            prologue: &self.prologue,
            local_static: pattern
                .has_static(initiator)
                .then(|| Keypair::from_secret(&self.statics[own])),
            remote_static: known.then(|| Keypair::from_secret(&self.statics[their]).public()),
            psks: &self.psks,
        })
        .unwrap()
    }

    fn side(&self, pattern: &'static Pattern, role: Role, snow: bool) -> Side {
        let initiator = role == Role::Initiator;
        if !snow {
            let rng = StdRng::seed_from_u64(self.seed ^ u64::from(initiator) ^ 0x5eed);
            return Side::Ours(Box::new(self.ours(pattern, role)), rng);
        }
        let (own, their) = if initiator { (0, 1) } else { (1, 0) };
        let known = if initiator { pattern.responder_known } else { pattern.initiator_known };
        let their = Keypair::from_secret(&self.statics[their]).public();
        let mut builder = snow::Builder::new(pattern.protocol_name().parse().unwrap())
            .prologue(&self.prologue)
            .unwrap();
        if pattern.has_static(initiator) {
            builder = builder.local_private_key(&self.statics[own]).unwrap();
        }
        if known {
            builder = builder.remote_public_key(&their).unwrap();
        }
        if let Some((_, place)) = pattern.name.split_once("psk") {
            builder = builder.psk(place.parse().unwrap(), &self.psks[0]).unwrap();
        }
        Side::Snow(Box::new(if initiator {
            builder.build_initiator().unwrap()
        } else {
            builder.build_responder().unwrap()
        }))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn agrees_with_snow_in_every_pattern_and_both_roles(
        seed in any::<u64>(),
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 8),
    ) {
        for pattern in PATTERNS {
            for snow_initiates in [true, false] {
                let keys = Keys::random(pattern, seed);
                let mut from = keys.side(pattern, Role::Initiator, snow_initiates);
                let mut to = keys.side(pattern, Role::Responder, !snow_initiates);
                for (payload, _) in payloads.iter().zip(pattern.messages) {
                    let message = from.write(payload);
                    prop_assert_eq!(&to.read(&message), payload, "{}", pattern.name);
                    std::mem::swap(&mut from, &mut to);
                }
                if pattern.messages.len() % 2 == 1 {
                    std::mem::swap(&mut from, &mut to);
                }
                let ((mut initiator, hash), (mut responder, same)) = (from.finish(), to.finish());
                prop_assert_eq!(hash, same);
                for payload in &payloads {
                    let message = initiator.write(payload);
                    prop_assert_eq!(&responder.read(&message), payload);
                    if pattern.messages.len() > 1 {
                        let message = responder.write(payload);
                        prop_assert_eq!(&initiator.read(&message), payload);
                    }
                }
            }
        }
    }

    #[test]
    fn a_message_that_cannot_be_read_changes_nothing(
        seed in any::<u64>(),
        row in 0..PATTERNS.len(),
        at in any::<prop::sample::Index>(),
        flip in 1_u8..,
        cut in any::<bool>(),
    ) {
        let pattern = &PATTERNS[row];
        let keys = Keys::random(pattern, seed);
        let mut rng = StdRng::seed_from_u64(seed);
        let mut from = keys.ours(pattern, Role::Initiator);
        let mut to = keys.ours(pattern, Role::Responder);
        while !to.is_complete() {
            let mut message = Vec::new();
            from.write_message(&mut rng, b"payload", &mut message).unwrap();
            let mut forged = message.clone();
            if cut {
                forged.truncate(at.index(message.len()));
            } else {
                forged[at.index(message.len())] ^= flip;
            }
            let before = to.clone();
            // Early messages of some patterns are not authenticated yet; then only the copy learns.
            if to.read_message(&forged).is_ok() {
                to = before;
            } else {
                prop_assert!(to.same(&before));
            }
            prop_assert_eq!(to.read_message(&message).unwrap(), b"payload");
            std::mem::swap(&mut from, &mut to);
        }
    }

    #[test]
    fn a_frame_that_cannot_be_read_changes_nothing(
        key in any::<[u8; 32]>(),
        plaintext in prop::collection::vec(any::<u8>(), 0..200),
        at in any::<prop::sample::Index>(),
        flip in 1_u8..,
    ) {
        let mut sending = CipherState::new(Some(key.into()));
        let mut receiving = sending.clone();
        let mut sealed = plaintext.clone();
        sending.encrypt_with_ad(b"ad", &mut sealed, 0).unwrap();
        let mut forged = sealed.clone();
        forged[at.index(sealed.len())] ^= flip;
        let (state, bytes) = (receiving.clone(), forged.clone());
        prop_assert_eq!(receiving.decrypt_with_ad(b"ad", &mut forged), Err(NoiseError::Decrypt));
        prop_assert!(receiving.same(&state));
        prop_assert_eq!(forged, bytes);
        let mut other = sealed.clone();
        prop_assert_eq!(receiving.decrypt_with_ad(b"da", &mut other), Err(NoiseError::Decrypt));
        receiving.decrypt_with_ad(b"ad", &mut sealed).unwrap();
        prop_assert_eq!(sealed, plaintext);
    }
}

#[test]
fn every_bit_of_the_sessions_patterns_last_message_is_authenticated() {
    for pattern in [Pattern::KK, Pattern::XX, Pattern::XX_PSK3] {
        let keys = Keys::random(pattern, 1);
        let mut rng = StdRng::seed_from_u64(1);
        let mut from = keys.ours(pattern, Role::Initiator);
        let mut to = keys.ours(pattern, Role::Responder);
        while !from.is_complete() {
            let mut message = Vec::new();
            from.write_message(&mut rng, b"", &mut message).unwrap();
            if from.is_complete() || pattern.name == "KK" {
                for bit in 0..message.len() * 8 {
                    let mut forged = message.clone();
                    forged[bit / 8] ^= 1 << (bit % 8);
                    assert!(to.read_message(&forged).is_err(), "{} {bit}", pattern.name);
                }
            }
            to.read_message(&message).unwrap();
            std::mem::swap(&mut from, &mut to);
        }
    }
}

#[test]
fn the_table_is_well_formed() {
    assert_eq!([Pattern::KK.name, Pattern::XX.name, Pattern::XX_PSK3.name], ["KK", "XX", "XXpsk3"]);
    for (index, pattern) in PATTERNS.iter().enumerate() {
        assert!(std::ptr::eq(Pattern::named(pattern.name).unwrap(), &raw const PATTERNS[index]));
        // Section 7.3: each key is sent once at most, each Diffie-Hellman done once at most.
        let tokens: Vec<_> = pattern.messages.concat();
        for token in [Token::Ee, Token::Es, Token::Se, Token::Ss] {
            assert!(tokens.iter().filter(|&&t| t == token).count() <= 1, "{}", pattern.name);
        }
        assert!(pattern.psks() <= 1);
    }
    assert!(Pattern::named("XXfallback").is_none());
}

/// Every encoding of a point of small order on Curve25519 or its twist (RFC 7748, section 7;
/// <https://cr.yp.to/ecdh.html#validate>), each also with the ignored top bit set.
pub(crate) fn low_order_points() -> Vec<[u8; 32]> {
    let points = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    let mut all = Vec::new();
    for point in points {
        let mut bytes: [u8; 32] = hex::decode(point).unwrap().try_into().unwrap();
        all.push(bytes);
        bytes[31] |= 0x80;
        all.push(bytes);
    }
    all
}

#[test]
fn points_of_small_order_are_refused_wherever_they_come() {
    let keys = Keys::random(Pattern::KK, 2);
    let mut rng = StdRng::seed_from_u64(2);
    for point in low_order_points() {
        // As an ephemeral key of message 1 (es, in KK) …
        let mut message = point.to_vec();
        message.extend_from_slice(&[0; 16]);
        let mut responder = keys.ours(Pattern::KK, Role::Responder);
        assert_eq!(responder.read_message(&message), Err(NoiseError::LowOrder));
        // … of message 2 (ee, in XX) …
        let mut initiator = keys.ours(Pattern::XX, Role::Initiator);
        initiator.write_message(&mut rng, b"", &mut Vec::new()).unwrap();
        let mut message = point.to_vec();
        message.extend_from_slice(&[0; 64]);
        assert_eq!(initiator.read_message(&message), Err(NoiseError::LowOrder));
        // … and as a static key known beforehand.
        let mut initiator = HandshakeState::new(Setup {
            pattern: Pattern::KK,
            role: Role::Initiator,
            prologue: b"",
            local_static: Some(Keypair::from_secret(&keys.statics[0])),
            remote_static: Some(point),
            psks: &[],
        })
        .unwrap();
        let mut out = Vec::new();
        assert_eq!(initiator.write_message(&mut rng, b"", &mut out), Err(NoiseError::LowOrder));
        assert!(out.is_empty());
    }
}

#[test]
fn steps_out_of_turn_are_refused() {
    let keys = Keys::random(Pattern::KK, 3);
    let mut rng = StdRng::seed_from_u64(3);
    let mut initiator = keys.ours(Pattern::KK, Role::Initiator);
    let mut responder = keys.ours(Pattern::KK, Role::Responder);
    let mut out = Vec::new();
    assert_eq!(initiator.read_message(&[0; 48]), Err(NoiseError::Step));
    assert_eq!(responder.write_message(&mut rng, b"", &mut out), Err(NoiseError::Step));
    assert!(initiator.clone().finish().is_err());
    initiator.write_message(&mut rng, b"", &mut out).unwrap();
    assert_eq!(initiator.write_message(&mut rng, b"", &mut out), Err(NoiseError::Step));
    responder.read_message(&out).unwrap();
    assert_eq!(responder.read_message(&out), Err(NoiseError::Step));
    out.clear();
    responder.write_message(&mut rng, b"", &mut out).unwrap();
    initiator.read_message(&out).unwrap();
    assert_eq!(initiator.read_message(&out), Err(NoiseError::Step));
    assert_eq!(initiator.write_message(&mut rng, b"", &mut out), Err(NoiseError::Step));
    initiator.finish().unwrap();
}

#[test]
fn messages_over_the_limit_are_refused() {
    let keys = Keys::random(Pattern::KK, 4);
    let mut rng = StdRng::seed_from_u64(4);
    let mut initiator = keys.ours(Pattern::KK, Role::Initiator);
    let mut responder = keys.ours(Pattern::KK, Role::Responder);
    let fits = vec![0; MAX_MESSAGE - 48];
    let mut out = Vec::new();
    let before = initiator.clone();
    let too_long = [&fits[..], &[0]].concat();
    assert_eq!(initiator.write_message(&mut rng, &too_long, &mut out), Err(NoiseError::Length));
    assert!(initiator.same(&before) && out.is_empty());
    initiator.write_message(&mut rng, &fits, &mut out).unwrap();
    assert_eq!(out.len(), MAX_MESSAGE);
    assert_eq!(responder.read_message(&[&out[..], &[0]].concat()), Err(NoiseError::Length));
    assert_eq!(responder.read_message(&out).unwrap(), fits);
}

#[test]
fn keys_that_do_not_fit_the_pattern_are_refused() {
    let keys = Keys::random(Pattern::XX_PSK3, 5);
    let pair = || Some(Keypair::from_secret(&keys.statics[0]));
    let remote = Some(Keypair::from_secret(&keys.statics[1]).public());
    let new = |pattern, local_static, remote_static, psks| {
        let role = Role::Initiator;
        HandshakeState::new(Setup {
            pattern,
            role,
            prologue: b"",
            local_static,
            remote_static,
            psks,
        })
        .err()
    };
    let wrong = Some(NoiseError::Keys);
    assert_eq!(new(Pattern::KK, pair(), None, &[]), wrong);
    assert_eq!(new(Pattern::KK, None, remote, &[]), wrong);
    assert_eq!(new(Pattern::KK, pair(), remote, &keys.psks), wrong);
    assert_eq!(new(Pattern::XX, pair(), remote, &[]), wrong);
    assert_eq!(new(Pattern::XX_PSK3, pair(), None, &[]), wrong);
    assert_eq!(new(Pattern::XX_PSK3, pair(), None, &keys.psks), None);
}

#[test]
fn a_used_up_key_is_refused() {
    let mut cipher = CipherState::new(Some([7; 32].into()));
    cipher.set_nonce(u64::MAX);
    let before = cipher.clone();
    assert_eq!(cipher.encrypt_with_ad(b"", &mut vec![0; 5], 0), Err(NoiseError::Nonce));
    assert_eq!(cipher.decrypt_with_ad(b"", &mut vec![0; 21]), Err(NoiseError::Nonce));
    assert!(cipher.same(&before));
    cipher.set_nonce(u64::MAX - 1);
    cipher.encrypt_with_ad(b"", &mut vec![0; 5], 0).unwrap();
    assert_eq!(cipher.decrypt_with_ad(b"", &mut vec![0; 15]), Err(NoiseError::Nonce));
}

#[test]
fn what_is_too_short_for_a_tag_is_refused() {
    let mut cipher = CipherState::new(Some([7; 32].into()));
    for length in 0..TAG_LEN {
        assert_eq!(cipher.decrypt_with_ad(b"", &mut vec![0; length]), Err(NoiseError::Length));
    }
}

#[test]
fn secrets_do_not_show() {
    let pair = Keypair::from_secret(&[0xab; 32]);
    let keys = Keys::random(Pattern::KK, 6);
    let setup = Setup {
        pattern: Pattern::XX_PSK3,
        role: Role::Initiator,
        prologue: b"",
        local_static: Some(pair.clone()),
        remote_static: None,
        psks: &[[0xab; 32]],
    };
    let shown = format!(
        "{pair:?} {setup:?} {:?} {:?}",
        CipherState::new(Some([0xab; 32].into())),
        keys.ours(Pattern::KK, Role::Initiator)
    );
    assert!(!shown.contains("ab") && !shown.contains("171"), "{shown}");
}
