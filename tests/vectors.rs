//! The official test vectors of the Noise Protocol Framework (those of the cacophony project).
//!
//! They are not part of this package. Where a directory `shared/vectors` lies beside the checkout
//! (or beside the directory that it is in), they are checked; elsewhere the test is *ignored*,
//! never passed.

#![expect(clippy::expect_used, reason = "a test may end in a panic")]

use std::{fs, path::PathBuf};

use entrenous::noise::{CipherState, HandshakeState, Keypair, Pattern, Role, Setup};
use libtest_mimic::{Arguments, Failed, Trial};
use rand::{TryCryptoRng, TryRng};
use serde_json::Value;

const FILE: &str = "shared/vectors/noise-25519-chachapoly.json";

fn main() {
    let arguments = Arguments::from_args();
    let trials = match find() {
        Some(path) => trials(&path),
        None => vec![Trial::test("noise::vectors_not_found", || Ok(())).with_ignored_flag(true)],
    };
    libtest_mimic::run(&arguments, trials).exit();
}

fn find() -> Option<PathBuf> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().skip(1).take(2).map(|above| above.join(FILE)).find(|path| path.is_file())
}

fn trials(path: &PathBuf) -> Vec<Trial> {
    let file = fs::read_to_string(path).expect("the vectors can be read");
    let file: Value = serde_json::from_str(&file).expect("the vectors are JSON");
    let vectors = file["vectors"].as_array().expect("there is a list of vectors");
    vectors
        .iter()
        .map(|vector| {
            let name = vector["protocol_name"].as_str().expect("a vector has a name").to_owned();
            // The only hash function of this implementation is BLAKE2s.
            let ignored = !name.ends_with("_BLAKE2s");
            let vector = vector.clone();
            Trial::test(format!("noise::{name}"), move || check(&vector)).with_ignored_flag(ignored)
        })
        .collect()
}

/// Yields the vector's ephemeral key.
struct Scripted(Vec<u8>);

impl TryRng for Scripted {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        unreachable!("keys are drawn as bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        unreachable!("keys are drawn as bytes")
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        bytes.copy_from_slice(&self.0);
        Ok(())
    }
}

impl TryCryptoRng for Scripted {}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    value.as_str().map(|text| hex::decode(text).expect("hexadecimal"))
}

fn key(value: &Value) -> Option<[u8; 32]> {
    bytes(value).map(|bytes| bytes.try_into().expect("32 bytes"))
}

fn state(vector: &Value, pattern: &'static Pattern, role: Role) -> Result<HandshakeState, Failed> {
    let side = if role == Role::Initiator { "init" } else { "resp" };
    let field = |name: &str| &vector[format!("{side}_{name}")];
    let psks: Vec<_> = field("psks").as_array().into_iter().flatten().filter_map(key).collect();
    Ok(HandshakeState::new(Setup {
        pattern,
        role,
        prologue: &bytes(field("prologue")).unwrap_or_default(),
        local_static: key(field("static")).map(|secret| Keypair::from_secret(&secret)),
        remote_static: key(field("remote_static")),
        psks: &psks,
    })?)
}

fn check(vector: &Value) -> Result<(), Failed> {
    let name = vector["protocol_name"].as_str().unwrap_or_default();
    let pattern = name
        .strip_prefix("Noise_")
        .and_then(|name| name.split('_').next())
        .and_then(Pattern::named)
        .ok_or("the pattern is not in the table")?;
    let mut initiator = state(vector, pattern, Role::Initiator)?;
    let mut responder = state(vector, pattern, Role::Responder)?;
    let mut init_rng = Scripted(bytes(&vector["init_ephemeral"]).unwrap_or_default());
    let mut resp_rng = Scripted(bytes(&vector["resp_ephemeral"]).unwrap_or_default());

    let messages = vector["messages"].as_array().ok_or("no messages")?;
    assert!(messages.len() > pattern.messages.len(), "some are transport messages");
    let (handshake, transport) = messages.split_at(pattern.messages.len());
    for (turn, message) in handshake.iter().enumerate() {
        let payload = bytes(&message["payload"]).ok_or("no payload")?;
        let (from, rng, to) = if turn % 2 == 0 {
            (&mut initiator, &mut init_rng, &mut responder)
        } else {
            (&mut responder, &mut resp_rng, &mut initiator)
        };
        let mut out = Vec::new();
        from.write_message(rng, &payload, &mut out)?;
        assert_eq!(Some(&out), bytes(&message["ciphertext"]).as_ref(), "message {turn}");
        assert_eq!(to.read_message(&out)?, payload);
    }

    let (initiator, responder) = (initiator.finish()?, responder.finish()?);
    let hash = bytes(&vector["handshake_hash"]);
    assert_eq!(Some(initiator.handshake_hash.to_vec()), hash);
    assert_eq!(Some(responder.handshake_hash.to_vec()), hash);

    let one_way = pattern.messages.len() == 1;
    let mut ciphers: [(CipherState, CipherState); 2] =
        [(initiator.initiator, responder.initiator), (responder.responder, initiator.responder)];
    for (turn, message) in transport.iter().enumerate() {
        let payload = bytes(&message["payload"]).ok_or("no payload")?;
        // Senders go on alternating where the handshake ended.
        let sender = if one_way { 0 } else { (turn + handshake.len()) % 2 };
        let (sending, receiving) = &mut ciphers[sender];
        let mut buffer = payload.clone();
        sending.encrypt_with_ad(&[], &mut buffer, 0)?;
        assert_eq!(Some(&buffer), bytes(&message["ciphertext"]).as_ref(), "transport {turn}");
        receiving.decrypt_with_ad(&[], &mut buffer)?;
        assert_eq!(buffer, payload);
    }
    Ok(())
}
