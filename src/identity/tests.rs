//! One named case for each thing that can be wrong with a key, a certificate or an invite.

use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};

use super::*;
use crate::noise::tests::low_order_points;

fn key(byte: u8) -> IdentityKey {
    IdentityKey::from_bytes(&[byte; 32])
}

fn device(byte: u8) -> DeviceKey {
    DeviceKey::from_bytes(&[byte; 32])
}

fn invite() -> Invite {
    Invite::new(key(1).public(), InviteSecret::from_bytes([5; 16]), 1_800_000_000)
}

fn error(text: &str) -> InviteError {
    Invite::parse(text).unwrap_err()
}

#[test]
fn keys_survive_storage() {
    let mut rng = StdRng::seed_from_u64(1);
    let identity = IdentityKey::generate(&mut rng);
    let again = IdentityKey::from_bytes(&identity.to_bytes());
    assert_eq!(again.public(), identity.public());
    let device = DeviceKey::generate(&mut rng);
    assert_eq!(DeviceKey::from_bytes(&device.to_bytes()).public(), device.public());
    assert_ne!(IdentityKey::generate(&mut rng).public(), identity.public());
}

#[test]
fn secrets_do_not_show() {
    let shown = format!(
        "{:?} {:?} {:?} {:?} {:?}",
        key(0xab),
        device(0xab),
        InviteSecret::from_bytes([0xab; 16]),
        PairSecret::from_bytes([0xab; 32]),
        Invite::new(key(1).public(), InviteSecret::from_bytes([0xab; 16]), 1),
    );
    assert!(!shown.contains("ab") && !shown.contains("171"), "{shown}");
}

#[test]
fn identities_of_small_order_or_in_another_spelling_are_invalid() {
    key(1).public().check().unwrap();
    // The eight points of small order, in all encodings (the last three are not canonical).
    let bad = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        // Not canonical, though of large order: y = p + 3.
        "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        // Not a point.
        "0200000000000000000000000000000000000000000000000000000000000000",
    ];
    for text in bad {
        let identity = Identity(hex::decode(text).unwrap().try_into().unwrap());
        assert_eq!(identity.check(), Err(InvalidIdentity), "{text}");
        assert_eq!(identity.verify(b"", &[0; 64]), Err(InvalidIdentity), "{text}");
    }
}

#[test]
fn certificates_hold_for_what_they_say_and_nothing_else() {
    let certificate = Certificate::issue(&key(1), device(2).public(), 1, 7);
    let bytes = certificate.encode();
    assert_eq!(Certificate::decode(&bytes), Ok(certificate));
    assert_eq!(certificate.verify(&key(1).public()), Ok(()));
    assert_eq!(certificate.verify(&key(2).public()), Err(CertificateError::Signature));
    for bit in 0..Certificate::LEN * 8 {
        let mut bytes = bytes;
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(Certificate::decode(&bytes).unwrap().verify(&key(1).public()).is_err(), "{bit}");
    }
    for length in [0, 1, 107, 109, 1000] {
        assert_eq!(Certificate::decode(&vec![0; length]), Err(CertificateError::Length));
    }
}

#[test]
fn a_signature_with_s_plus_the_order_is_refused() {
    // Malleability: s + L verifies as well unless s must be canonical.
    let order = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    let order = hex::decode(order).unwrap();
    let mut certificate = Certificate::issue(&key(1), device(2).public(), 1, 1);
    let mut carry = 0;
    for (byte, add) in certificate.signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert_eq!(certificate.verify(&key(1).public()), Err(CertificateError::Signature));
}

#[test]
fn devices_of_small_order_are_refused() {
    device(1).public().check().unwrap();
    for point in low_order_points() {
        let low = DevicePublic(point);
        assert_eq!(low.check(), Err(LowOrder));
        let certificate = Certificate::issue(&key(1), low, 1, 1);
        assert_eq!(certificate.verify(&key(1).public()), Err(CertificateError::Device));
        let own = (&key(1).public(), &device(1));
        assert_eq!(PairSecret::of_devices(own, (&key(2).public(), &low)).err(), Some(LowOrder));
    }
}

#[test]
fn pair_secrets_are_the_same_from_both_sides_and_different_for_others() {
    let people: Vec<_> = (1..4).map(|n| (key(n).public(), device(n + 10))).collect();
    let secret = |a: usize, b: usize| {
        let (own, their) = (&people[a], &people[b]);
        let their = (&their.0, &their.1.public());
        *PairSecret::of_devices((&own.0, &own.1), their).unwrap().as_bytes()
    };
    assert_eq!(secret(0, 1), secret(1, 0));
    assert_ne!(secret(0, 1), secret(0, 2));
    let invite = InviteSecret::from_bytes([5; 16]);
    let stand_in = |who: usize| *PairSecret::of_invite(&invite, &people[who].0).as_bytes();
    assert_ne!(stand_in(0), stand_in(1));
    assert_ne!(invite.psk()[..], stand_in(0));
}

#[test]
fn safety_numbers_have_sixty_digits_and_no_side() {
    let (a, b, c) = (key(1).public(), key(2).public(), key(3).public());
    let number = safety_number(&a, &b);
    let groups: Vec<_> = number.split(' ').collect();
    assert_eq!(groups.len(), 12);
    assert!(groups.iter().all(|g| g.len() == 5 && g.bytes().all(|d| d.is_ascii_digit())));
    assert_eq!(number, safety_number(&b, &a));
    assert_ne!(number, safety_number(&a, &c));
    assert_eq!(safety_code(&a, &b), safety_code(&b, &a));
    assert_ne!(safety_code(&a, &b), safety_code(&a, &c));
    assert_eq!(direct_conversation(&a, &b), direct_conversation(&b, &a));
    assert_ne!(direct_conversation(&a, &b), direct_conversation(&a, &c));
}

#[test]
fn an_invite_is_found_however_it_was_pasted() {
    let text = invite().to_text();
    assert_eq!(text.len(), 103);
    let pastes = [
        text.clone(),
        text.to_uppercase(),
        format!("  {text}\r\n"),
        format!("Here: {text}."),
        format!("<{text}>, valid for a week"),
        format!("“{text}” is the one"),
        format!("{} {}", &text[..40], &text[40..]),
        format!("{}\r\n    {}\n{}\nBye", &text[..12], &text[12..80], &text[80..]),
        format!("{text} hello"),
        format!("{text}\nhello"),
        format!("entrenous:{text}"),
        format!("{text} {text}"),
        format!("Ünïcödé {text} ✓"),
    ];
    for paste in pastes {
        let found = Invite::parse(&paste).unwrap_or_else(|error| panic!("{error}: {paste}"));
        assert_eq!(found.to_text(), text);
        assert_eq!((found.identity, found.expires_at), (key(1).public(), 1_800_000_000));
        assert_eq!(found.secret.as_bytes(), &[5; 16]);
    }
}

#[test]
fn what_is_not_an_invite_is_said_to_be_none() {
    let text = invite().to_text();
    for other in ["", "hello", "entrenous", &text[10..], "entrenous2qqqq", "entrenоus1qqq"] {
        assert_eq!(error(other), InviteError::NotAnInvite, "{other}");
    }
    assert_eq!(error(&"x".repeat(100_000)), InviteError::TooMuchText);
}

#[test]
fn a_truncated_invite_is_said_to_be_incomplete() {
    let text = invite().to_text();
    for length in 10..103 {
        assert_eq!(error(&text[..length]), InviteError::Truncated, "{length}");
        assert_eq!(error(&format!("{}.", &text[..length])), InviteError::Truncated, "{length}");
    }
    assert_eq!(error(&format!("{} and hello", &text[..60])), InviteError::Truncated);
}

#[test]
fn something_attached_to_an_invite_is_said_to_be_too_much() {
    let text = invite().to_text();
    assert_eq!(error(&format!("{text}q")), InviteError::TooLong);
    assert_eq!(error(&format!("{text}{}", "q".repeat(2000))), InviteError::TooLong);
}

#[test]
fn a_paste_full_of_beginnings_takes_linear_time() {
    let start = std::time::Instant::now();
    for unit in ["entrenous1", "entrenous1 ", "ENTRENOUS1", "entrenous1q\n"] {
        let paste = unit.repeat(64 * 1024 / unit.len());
        let error = Invite::parse(&paste).unwrap_err();
        if unit == "entrenous1" {
            // That many are too long, and the last are not.
            assert_eq!(error, InviteError::Several);
        }
    }
    // The whole rest at each of 6,553 beginnings would be more than 10 s.
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    let long = "entrenous1".repeat(103);
    assert_eq!(error(&long[..1030]), InviteError::Several);
    let attached = format!("{}{}", invite().to_text(), "1".repeat(1000));
    assert_eq!(error(&attached), InviteError::TooLong, "not that no invite contains a 1");
}

#[test]
fn mixed_case_is_said_to_be_mixed() {
    let text = invite().to_text();
    let mixed = format!("{}{}", &text[..50], text[50..].to_uppercase());
    assert_eq!(error(&mixed), InviteError::Case);
    assert_eq!(error(&text.replacen('e', "E", 1)), InviteError::Case);
}

#[test]
fn a_character_that_no_invite_has_is_named() {
    let text = invite().to_text();
    for wrong in ['b', 'i', 'o', '1'] {
        let mistyped = format!("{}{wrong}{}", &text[..30], &text[31..]);
        assert_eq!(error(&mistyped), InviteError::Character(wrong));
    }
}

#[test]
fn a_mistyped_character_is_found() {
    let text = invite().to_text();
    for at in 10..text.len() {
        for wrong in ['q', 'p', 'z'] {
            if text[at..].starts_with(wrong) {
                continue;
            }
            let mistyped = format!("{}{wrong}{}", &text[..at], &text[at + 1..]);
            assert_eq!(error(&mistyped), InviteError::Checksum, "{at}");
        }
    }
    let swapped =
        format!("{}{}{}", &text[..40], text[40..42].chars().rev().collect::<String>(), &text[42..]);
    assert!(text[40..41] == text[41..42] || error(&swapped) == InviteError::Checksum);
}

#[test]
fn a_future_version_is_said_to_need_an_update() {
    use bech32::{Bech32m, Hrp};
    let encode =
        |bytes: &[u8]| bech32::encode::<Bech32m>(Hrp::parse("entrenous").unwrap(), bytes).unwrap();
    // Of the same length, longer and shorter.
    for length in [54, 60, 200, 20] {
        let mut bytes = vec![7; length];
        bytes[0] = 2;
        assert_eq!(error(&encode(&bytes)), InviteError::Version(2), "{length}");
    }
    // Intact, but nonsense: version 0, a wrong length, an identity that is none.
    assert_eq!(error(&encode(&[0; 54])), InviteError::Malformed);
    assert_eq!(error(&encode(&[])), InviteError::Malformed);
    assert_eq!(error(&encode(&[1; 55])), InviteError::Malformed);
    assert_eq!(error(&encode(&[1; 53])), InviteError::Malformed);
    let mut bytes = [0; 54];
    bytes[0] = 1;
    assert_eq!(error(&encode(&bytes)), InviteError::Malformed);
    // The older checksum, Bech32, is none of ours.
    let hrp = Hrp::parse("entrenous").unwrap();
    let older = bech32::encode::<bech32::Bech32>(hrp, &[1; 54]).unwrap();
    assert_eq!(error(&older), InviteError::Checksum);
}

#[test]
fn two_different_invites_in_one_text_are_ambiguous() {
    let (one, mut two) = (invite(), invite());
    two.expires_at += 1;
    let both = format!("{} or {}", one.to_text(), two.to_text());
    assert_eq!(error(&both), InviteError::Several);
    let text = one.to_text();
    assert_eq!(error(&format!("{text} {}", &text[..50])), InviteError::Several);
}

#[test]
fn an_invite_ends_when_it_says() {
    let invite = invite();
    assert_eq!(invite.check_expiry(0), Ok(()));
    assert_eq!(invite.check_expiry(1_799_999_999), Ok(()));
    assert_eq!(invite.check_expiry(1_800_000_000), Err(InviteError::Expired));
    assert_eq!(invite.check_expiry(u64::MAX), Err(InviteError::Expired));
    let never = Invite::new(key(1).public(), InviteSecret::from_bytes([5; 16]), u64::MAX);
    assert_eq!(Invite::parse(&never.to_text()).unwrap().expires_at, never.expires_at);
}

proptest! {
    #[test]
    fn any_invite_survives_its_text(seed in any::<u64>(), expires_at in 0_u64..1 << 40) {
        let mut rng = StdRng::seed_from_u64(seed);
        let identity = IdentityKey::generate(&mut rng).public();
        let invite = Invite::new(identity, InviteSecret::generate(&mut rng), expires_at);
        let again = Invite::parse(&invite.to_text()).unwrap();
        prop_assert_eq!(again.identity, identity);
        prop_assert_eq!(again.secret.as_bytes(), invite.secret.as_bytes());
        prop_assert_eq!(again.expires_at, expires_at);
    }

    #[test]
    fn no_text_makes_the_parser_panic(
        before in ".{0,30}",
        after in ".{0,200}",
        prefix in any::<bool>(),
    ) {
        let _ = Invite::parse(&format!("{before}{}{after}", if prefix { "entrenous1" } else { "" }));
    }
}
