//! The test vectors of `protocol.md`. They are made here, and the page must hold just these:
//! `WRITE_VECTORS=1 cargo test vectors` writes them into it.

use std::{collections::VecDeque, convert::Infallible, fmt::Write as _, fs};

use rand::{TryCryptoRng, TryRng};

use super::pair::{ids, secret};
use crate::{
    identity::{
        Certificate, DeviceKey, IdentityKey, Invite, PairSecret, direct_conversation, safety_code,
        safety_number,
    },
    noise::{Keypair, Pattern, Role, Setup},
    session::{
        Acquaintance, Local,
        frame::{Kind, Opener, Sealer},
        hail::{Sender, Transcript},
        hybrid::{self, Identification, Initiator, Responder, TrafficKeys},
    },
};

/// A list of `name = value` lines.
#[derive(Default)]
pub(crate) struct Vectors(String);

impl Vectors {
    pub(crate) fn text(&mut self, name: &str, value: &str) {
        writeln!(self.0, "{name} = {value}").unwrap();
    }

    /// Bytes: in full up to 160 of them, else their number and BLAKE3 hash.
    pub(crate) fn bytes(&mut self, name: &str, value: &[u8]) {
        if value.len() <= 160 {
            self.text(name, &hex::encode(value));
        } else {
            let hash = blake3::hash(value).to_hex();
            self.text(name, &format!("{} bytes, BLAKE3 {hash}", value.len()));
        }
    }

    /// Fails unless the block of this name in `protocol.md` consists of these lines.
    pub(crate) fn check(&self, block: &str) {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/protocol.md");
        let page = fs::read_to_string(path).unwrap();
        let begin = format!("```text\n# {block}\n");
        let (before, rest) = page.split_once(&begin).expect("the page has the block");
        let (written, after) = rest.split_once("```").expect("the block ends");
        if std::env::var_os("WRITE_VECTORS").is_some() {
            fs::write(path, format!("{before}{begin}{}```{after}", self.0)).unwrap();
        } else {
            assert_eq!(written, self.0, "protocol.md and code differ in the block {block}");
        }
    }
}

/// Yields the given bytes, in order, and nothing else.
struct Script(VecDeque<u8>);

impl TryRng for Script {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("everything is drawn as bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("everything is drawn as bytes")
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill_with(|| self.0.pop_front().expect("the script is long enough"));
        Ok(())
    }
}

impl TryCryptoRng for Script {}

fn script(parts: &[&[u8]]) -> Script {
    Script(parts.concat().into())
}

struct Cast {
    a: IdentityKey,
    b: IdentityKey,
    a_device: DeviceKey,
    b_device: DeviceKey,
    a_certificate: Certificate,
    b_certificate: Certificate,
}

fn cast() -> Cast {
    let (a, b) = (IdentityKey::from_bytes(&[1; 32]), IdentityKey::from_bytes(&[2; 32]));
    let (a_device, b_device) = (DeviceKey::from_bytes(&[3; 32]), DeviceKey::from_bytes(&[4; 32]));
    let a_certificate = Certificate::issue(&a, a_device.public(), 1, 1);
    let b_certificate = Certificate::issue(&b, b_device.public(), 1, 2);
    Cast { a, b, a_device, b_device, a_certificate, b_certificate }
}

#[test]
fn vectors_of_identity_are_those_of_the_page() {
    let Cast { a, b, a_device, b_device, a_certificate, b_certificate } = cast();
    let (a_id, b_id) = (a.public(), b.public());
    let mut v = Vectors::default();
    v.bytes("seed of A", &*a.to_bytes());
    v.bytes("seed of B", &*b.to_bytes());
    v.bytes("A", &a_id.0);
    v.bytes("B", &b_id.0);
    v.bytes("secret of device S of A", &*a_device.to_bytes());
    v.bytes("secret of device T of B", &*b_device.to_bytes());
    v.bytes("S", &a_device.public().0);
    v.bytes("T", &b_device.public().0);
    v.bytes("certificate of S by A, number 1, seq 1", &a_certificate.encode());
    v.bytes("certificate of T by B, number 1, seq 2", &b_certificate.encode());
    let pair = PairSecret::of_devices((&a_id, &a_device), (&b_id, &b_device.public())).unwrap();
    let same = PairSecret::of_devices((&b_id, &b_device), (&a_id, &a_device.public())).unwrap();
    assert_eq!(pair.as_bytes(), same.as_bytes());
    v.bytes("pair secret of S and T", pair.as_bytes());
    v.bytes("hail key of S and T", &*crate::session::local::hail_key(&pair));
    v.bytes("secret of the invite", secret(5).as_bytes());
    let invite = Invite::new(a_id, secret(5), 1_800_000_000);
    v.text("invite of A with it, until 1800000000", &invite.to_text());
    let stand_in = PairSecret::of_invite(&secret(5), &a_id);
    v.bytes("pair secret of the invite", stand_in.as_bytes());
    v.bytes("hail key of the invite", &*crate::session::local::hail_key(&stand_in));
    v.bytes("psk of the invite", &*secret(5).psk());
    v.text("safety number of A and B", &safety_number(&a_id, &b_id));
    v.bytes("safety code of A and B", &safety_code(&a_id, &b_id));
    v.bytes("direct conversation of A and B", &direct_conversation(&a_id, &b_id));
    v.check("identity");
}

fn known(own: &Cast, b_side: bool, invite: bool) -> Local {
    let (a, b) = (own.a.public(), own.b.public());
    let acquaintance = match (invite, b_side) {
        (true, false) => Acquaintance::Issued { number: 1, secret: secret(5) },
        (true, true) => {
            Acquaintance::Accepted { number: 1, issuer: a, secret: secret(5), issuer_device: None }
        }
        (false, _) => {
            let a_public = own.a_device.public();
            let b_public = own.b_device.public();
            Acquaintance::Contact {
                identity: if b_side { a } else { b },
                device_public: if b_side { a_public } else { b_public },
                pair_secret: PairSecret::of_devices((&a, &own.a_device), (&b, &b_public)).unwrap(),
            }
        }
    };
    if b_side {
        Local::new(b, own.b_device.clone(), own.b_certificate, vec![acquaintance])
    } else {
        Local::new(a, own.a_device.clone(), own.a_certificate, vec![acquaintance])
    }
}

#[test]
fn vectors_of_the_hail_are_those_of_the_page() {
    let own = cast();
    let mut v = Vectors::default();
    let (dialer, listener) = ([6; 32], [7; 32]);
    v.bytes("dialer's nonce", &dialer);
    v.bytes("listener's nonce", &listener);
    v.text("dialer's PeerId, in ASCII", "the dialer's");
    v.text("listener's PeerId, in ASCII", "the listener's");
    let transcript = Transcript::new(Sender::Dialer, &dialer, &listener, &ids());
    v.bytes("nonces", transcript.nonces());
    v.bytes("PeerIds", transcript.peer_ids());
    let at_listener =
        Transcript::new(Sender::Listener, &listener, &dialer, &super::pair::reversed(&ids()));
    for (name, invite, b_side) in [
        ("of device S, as dialer", false, false),
        ("of the issuer, as dialer", true, false),
        ("of the holder, as dialer", true, true),
    ] {
        let tag = transcript.own_tag(&known(&own, b_side, invite).known[0]);
        v.bytes(&format!("tag {name}"), &tag);
        assert_eq!(at_listener.find(&known(&own, !b_side, invite).known, &tag), Some(0));
    }
    for (name, invite, b_side) in [
        ("of device T, as listener", false, true),
        ("of the issuer, as listener", true, false),
        ("of the holder, as listener", true, true),
    ] {
        let tag = at_listener.own_tag(&known(&own, b_side, invite).known[0]);
        v.bytes(&format!("tag {name}"), &tag);
        assert_eq!(transcript.find(&known(&own, !b_side, invite).known, &tag), Some(0));
    }
    v.check("hail");
}

fn keys(v: &mut Vectors, keys: &TrafficKeys) {
    v.bytes("handshake hash", &keys.handshake_hash);
    v.bytes("initiator's traffic key", &*keys.initiator);
    v.bytes("responder's traffic key", &*keys.responder);
}

/// The secrets that both ends draw.
#[expect(clippy::many_single_char_names, reason = "they are FIPS 203's")]
fn drawn(v: &mut Vectors) -> (Script, Script) {
    let (d, z, e) = ([8; 32], [9; 32], [10; 32]);
    let (m, f) = ([11; 32], [12; 32]);
    v.bytes("initiator's ML-KEM seed, d ‖ z", &[d, z].concat());
    v.bytes("initiator's ephemeral secret", &e);
    v.bytes("responder's ML-KEM randomness, m", &m);
    v.bytes("responder's ephemeral secret", &f);
    (script(&[&d, &z, &e]), script(&[&m, &f]))
}

#[test]
fn vectors_of_the_handshake_of_a_known_pair_are_those_of_the_page() {
    let own = cast();
    let mut v = Vectors::default();
    let transcript = Transcript::new(Sender::Dialer, &[6; 32], &[7; 32], &ids());
    let prologue = hybrid::prologue(Pattern::KK, transcript.peer_ids(), transcript.nonces());
    v.bytes("prologue", &prologue);
    let (mut at_a, mut at_b) = drawn(&mut v);
    let setup = |own: &DeviceKey, their: &DeviceKey| Setup {
        pattern: Pattern::KK,
        role: Role::Initiator,
        prologue: &prologue,
        local_static: Some(Keypair::from_secret(&own.to_bytes())),
        remote_static: Some(their.public().0),
        psks: &[],
    };
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let initiator =
        Initiator::start(setup(&own.a_device, &own.b_device), &mut at_a, &mut first).unwrap();
    let responder = Responder::new(setup(&own.b_device, &own.a_device)).unwrap();
    let responder = responder.answer(&first, &[], &mut at_b, &mut second).unwrap();
    let (initiator, rest) = initiator.read(&second).unwrap();
    assert!(rest.is_empty() && at_a.0.is_empty() && at_b.0.is_empty());
    v.bytes("message 1", &first);
    v.bytes("message 2", &second);
    let (at_a, at_b) = (initiator.finish().unwrap(), responder.finish().unwrap());
    assert_eq!(at_a.responder, at_b.responder);
    keys(&mut v, &at_a);

    let (mut sealer, mut opener) = (Sealer::new(at_a.initiator), Opener::new(at_b.initiator));
    let long = [b'x'; 300];
    let frames: [(&str, Kind, &[u8]); 3] = [
        ("initiator's frame 1, a confirmation", Kind::Confirm, b""),
        ("initiator's frame 2, the message ‘hello’", Kind::Last, b"hello"),
        ("initiator's frame 3, the message of 300 times ‘x’", Kind::Last, &long),
    ];
    for (name, kind, content) in frames {
        let mut frame = Vec::new();
        sealer.seal(kind, content, &mut frame).unwrap();
        v.bytes(name, &frame);
        assert_eq!(opener.open(frame.split_off(2)).unwrap(), (kind, content.to_vec()));
    }
    v.check("known pair");
}

#[test]
fn vectors_of_the_handshake_of_an_invite_are_those_of_the_page() {
    // The holder B dials.
    let own = cast();
    let mut v = Vectors::default();
    let transcript = Transcript::new(Sender::Dialer, &[6; 32], &[7; 32], &ids());
    let prologue = hybrid::prologue(Pattern::XX_PSK3, transcript.peer_ids(), transcript.nonces());
    v.bytes("prologue", &prologue);
    let (mut at_holder, mut at_issuer) = drawn(&mut v);
    let psk = secret(5).psk();
    let setup = |own: &DeviceKey| Setup {
        pattern: Pattern::XX_PSK3,
        role: Role::Initiator,
        prologue: &prologue,
        local_static: Some(Keypair::from_secret(&own.to_bytes())),
        remote_static: None,
        psks: std::slice::from_ref(&*psk),
    };
    let identification = |key: &IdentityKey, certificate| {
        Identification { identity: key.public(), certificate }.encode()
    };
    let (mut first, mut second, mut third) = (Vec::new(), Vec::new(), Vec::new());
    let holder = Initiator::start(setup(&own.b_device), &mut at_holder, &mut first).unwrap();
    let issuer = Responder::new(setup(&own.a_device)).unwrap();
    let a = identification(&own.a, own.a_certificate);
    let mut issuer = issuer.answer(&first, &a, &mut at_issuer, &mut second).unwrap();
    let (mut holder, rest) = holder.read(&second).unwrap();
    assert_eq!(rest, a);
    let b = identification(&own.b, own.b_certificate);
    holder.write(&b, &mut at_holder, &mut third).unwrap();
    assert_eq!(issuer.read(&third).unwrap(), b);
    for (name, message) in [("message 1", first), ("message 2", second), ("message 3", third)] {
        v.bytes(name, &message);
    }
    let (one, two) = (holder.finish().unwrap(), issuer.finish().unwrap());
    assert_eq!(one.initiator, two.initiator);
    keys(&mut v, &one);
    v.check("invite");
}

#[test]
fn the_page_names_every_label() {
    let page = include_str!("../../protocol.md");
    let labels = include_str!("../../labels.rs");
    let mut count = 0;
    for label in labels.lines().filter_map(|line| line.split('"').nth(1)) {
        assert!(page.contains(&format!("`{label}`")), "{label}");
        count += 1;
    }
    assert!(count > 10);
}
