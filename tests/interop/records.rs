//! IPNS records, without a network.

use std::time::SystemTime;

use entrenous::{
    identity::PairSecret,
    net::{
        rendezvous::{Mapping, Place, Record, Side, Unusable, epoch, ipns},
        ways_in::WaysIn,
    },
};
use serde_json::json;

use crate::javascript::JavaScript;

/// Now, in milliseconds.
pub fn now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

/// A record as the program leaves it for a contact, and its key.
pub fn ours(byte: u8, time: u64) -> (Vec<u8>, Vec<u8>) {
    let place = Place::new(&PairSecret::from_bytes([byte; 32]), Side::First, epoch(time));
    let record = Record {
        time,
        run: 7,
        seen: 0,
        peer: [9; 32],
        external: vec!["203.0.113.5:4001".parse().unwrap()],
        local: vec!["10.0.0.5:4001".parse().unwrap()],
        tcp: Vec::new(),
        ways_in: WaysIn { mapped: Some("203.0.113.5:4002".parse().unwrap()), ..WaysIn::default() },
        mapping: Mapping::Independent,
    };
    (place.key(), place.write(&record, &mut rand::rng()).unwrap())
}

/// A record of theirs under this number's key, good for an hour, and its key.
pub fn theirs(
    js: &mut JavaScript,
    byte: u8,
    sequence: u64,
    with_version_1: bool,
) -> (Vec<u8>, Vec<u8>) {
    let record = js.call(
        "create",
        json!({
            "seed": hex::encode([byte; 32]),
            "sequence": sequence,
            "lifetime": 3_600_000,
            "v1Compatible": with_version_1,
        }),
    );
    let bytes = |field: &str| hex::decode(record[field].as_str().unwrap()).unwrap();
    (bytes("key"), bytes("value"))
}

/// The same bytes, each in turn with one bit changed.
fn bent(value: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..value.len()).map(|at| {
        let mut bent = value.to_vec();
        bent[at] ^= 1;
        (at, bent)
    })
}

pub fn ours_are_valid_there() {
    let mut js = JavaScript::new();
    let (key, value) = ours(1, now());
    assert!(js.accepts(&key, &value));
    let accepted = bent(&value).filter(|(_, bent)| js.accepts(&key, bent)).map(|(at, _)| at);
    // In the tags of the two fields that bit is of their kind, which `ipns` does not look at.
    assert_eq!(accepted.collect::<Vec<_>>(), [0, 2 + 64]);
    assert!(!js.accepts(&ours(2, now()).0, &value), "under another name");
    let (key, old) = ours(1, now() - 49 * 3_600_000);
    assert!(!js.accepts(&key, &old), "it is over");
}

pub fn theirs_are_read_here() {
    let mut js = JavaScript::new();
    for with_version_1 in [true, false] {
        let until = now() + 3_600_000;
        let (key, value) = theirs(&mut js, 3, 5, with_version_1);
        let found = ipns::read(&key, &value).unwrap();
        assert_eq!((found.sequence, found.payload), (5, Vec::new()));
        assert!(found.valid_until.abs_diff(until) < 10_000, "{}", found.valid_until);
        let (other, _) = theirs(&mut js, 4, 5, with_version_1);
        assert_eq!(ipns::read(&other, &value), Err(Unusable), "under another name");
        let mut accepted = Vec::new();
        for (at, bent) in bent(&value) {
            if ipns::read(&key, &bent).is_ok() {
                assert!(js.accepts(&key, &bent), "byte {at}");
                accepted.push(at);
            }
        }
        // On the signature of version 1, which is the second field, nothing depends.
        let idle = if with_version_1 { 18..18 + 64 } else { 0..0 };
        assert_eq!(accepted, idle.collect::<Vec<_>>());
    }
}

pub fn of_two_they_select_the_newer() {
    let mut js = JavaScript::new();
    let now = now();
    let (key, older) = ours(1, now - 1);
    let (_, newer) = ours(1, now);
    for (values, newest) in [([&older, &newer], 1), ([&newer, &older], 0)] {
        let what = json!({ "key": hex::encode(&key), "values": values.map(hex::encode) });
        assert_eq!(js.call("select", what), newest);
    }
}
