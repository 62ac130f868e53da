use proptest::prelude::*;

use super::*;
use crate::net::ways_in::WaysIn;

const NOW: UnixMillis = 1_800_000_000_000;

fn secret(byte: u8) -> PairSecret {
    PairSecret::from_bytes([byte; 32])
}

fn place() -> Place {
    Place::new(&secret(1), Side::First, epoch(NOW))
}

fn addresses(ip: &str, count: u16) -> Vec<std::net::SocketAddr> {
    (0..count).map(|n| std::net::SocketAddr::new(ip.parse().unwrap(), 4000 + n)).collect()
}

fn everywhere(address: Option<std::net::SocketAddr>) -> WaysIn {
    WaysIn { mapped: address, mapped_tcp: address, pinhole: address, pinhole_tcp: address }
}

fn record() -> Record {
    Record {
        time: NOW,
        run: 7,
        seen: u64::MAX,
        peer: [9; 32],
        external: addresses("203.0.113.5", 2),
        local: addresses("fd00::1", 5),
        tcp: addresses("203.0.113.5", 1),
        mapping: Mapping::Dependent { step: -3 },
        ways_in: WaysIn {
            mapped: Some("203.0.113.5:5000".parse().unwrap()),
            pinhole: Some("[2001:db8::5]:5000".parse().unwrap()),
            ..WaysIn::default()
        },
    }
}

#[test]
fn what_is_written_is_read_by_the_other_alone() {
    let written = place().write(&record(), &mut rand::rng()).unwrap();
    assert_eq!(place().read(&written), Ok(record()));
    for other in [
        Place::new(&secret(2), Side::First, epoch(NOW)),
        Place::new(&secret(1), Side::Second, epoch(NOW)),
        Place::new(&secret(1), Side::First, epoch(NOW) + 1),
    ] {
        assert_eq!(other.read(&written), Err(Unusable));
        assert_ne!(other.key(), place().key());
    }
}

#[test]
fn every_record_has_the_same_size_and_no_two_the_same_bytes() {
    let empty = Record {
        external: Vec::new(),
        local: Vec::new(),
        tcp: Vec::new(),
        mapping: Mapping::Unknown,
        ways_in: WaysIn::default(),
        seen: 0,
        ..record()
    };
    let full = Record {
        external: addresses("2001:db8::1", 5),
        local: addresses("fd00::1", 5),
        tcp: addresses("2001:db8::1", 5),
        ways_in: everywhere(addresses("2001:db8::1", 1).pop()),
        ..record()
    };
    let write = |record| place().write(record, &mut rand::rng()).unwrap();
    let records = [write(&empty), write(&full), write(&full)];
    assert!(records.iter().all(|r| r.len() == records[0].len() && r.len() <= ipns::MAX_RECORD));
    assert_ne!(records[1], records[2]);
    assert_eq!(place().read(&records[1]), Ok(full));
}

#[test]
fn a_record_of_more_addresses_than_fit_is_cut() {
    let many = Record { local: addresses("fd00::1", 50), ..record() };
    let read = place().read(&place().write(&many, &mut rand::rng()).unwrap()).unwrap();
    assert_eq!(read.local, addresses("fd00::1", 5));
}

#[test]
fn addresses_that_are_nobodys_are_left_out() {
    let bad =
        ["127.0.0.1:4001", "0.0.0.0:4001", "224.0.0.1:4001", "203.0.113.1:0", "203.0.113.1:53"];
    let aimed = Record { external: bad.map(|a| a.parse().unwrap()).to_vec(), ..record() };
    let read = place().read(&place().write(&aimed, &mut rand::rng()).unwrap()).unwrap();
    assert_eq!(read.external, []);
    let bad = ["[::1]:4001", "[::]:4001", "[ff02::1]:4001", "255.255.255.255:4001"];
    for address in bad.iter().chain(&["192.168.1.1:4001", "[fe80::1]:4001"]) {
        let address = address.parse().ok();
        let aimed = Record { ways_in: everywhere(address), ..record() };
        let read = place().read(&place().write(&aimed, &mut rand::rng()).unwrap()).unwrap();
        assert_eq!(read.ways_in, WaysIn::default(), "{address:?}");
    }
    let aimed = Record { local: bad.map(|a| a.parse().unwrap()).to_vec(), ..record() };
    let read = place().read(&place().write(&aimed, &mut rand::rng()).unwrap()).unwrap();
    assert_eq!(read.local, []);
}

#[test]
fn a_change_of_any_byte_is_noticed() {
    let written = place().write(&record(), &mut rand::rng()).unwrap();
    for at in 0..written.len() {
        let mut bent = written.clone();
        bent[at] ^= 1;
        assert_eq!(place().read(&bent), Err(Unusable), "byte {at}");
    }
    for length in 0..written.len() {
        assert_eq!(place().read(&written[..length]), Err(Unusable), "{length} bytes");
    }
    let too_long = [&written[..], &[0; ipns::MAX_RECORD]].concat();
    assert_eq!(place().read(&too_long), Err(Unusable));
}

#[test]
fn the_sequence_outside_cannot_be_another_than_inside() {
    let place = place();
    let sealed = place.seal(&record(), &mut rand::rng()).unwrap();
    let fresher = ipns::write(&place.name, &sealed, NOW + 1).unwrap();
    assert!(ipns::read(&place.key(), &fresher).is_ok());
    assert_eq!(place.read(&fresher), Err(Unusable));
}

#[test]
fn what_version_1_copies_must_be_what_is_signed() {
    let written = place().write(&record(), &mut rand::rng()).unwrap();
    let field =
        |tag: u8, bytes: &[u8]| [&[tag, u8::try_from(bytes.len()).unwrap()], bytes].concat();
    let value = field(0x0a, b"/ipfs/bafkqaaa");
    let signature = field(0x12, &[1; 64]);
    let validity = field(0x22, b"2027-01-17T08:00:00.000000000Z");
    // 1,800,000,000,000 as a varint.
    let sequence = b"\x28\x80\xa0\xf1\xc2\xb1\x34".to_vec();
    let read = |fields: &[&[u8]]| {
        let bytes = [&fields.concat()[..], &written].concat();
        ipns::read(&place().key(), &bytes).is_ok()
    };
    assert!(read(&[&value, &signature, &validity, &sequence]));
    assert!(read(&[&value, &signature, b"\x18\x00", &validity, &sequence, b"\x30\x00"]));
    assert!(read(&[&validity]), "without either of two it is not of version 1");
    let (other_value, later) = (field(0x0a, b"/ipfs/bafkqaab"), field(0x22, b"2099"));
    let others: [&[&[u8]]; 8] = [
        &[&value, &signature, &validity],
        &[&value, &signature, &sequence],
        &[&signature, &validity, &sequence],
        &[&other_value, &signature, &validity, &sequence],
        &[&value, &signature, &later, &sequence],
        &[&value, &signature, &validity, b"\x28\x01"],
        &[&value, &validity, &sequence, b"\x18\x01"],
        &[&value, &validity, &sequence, b"\x30\x01"],
    ];
    for other in others {
        assert!(!read(other), "{other:?}");
    }
    let public_key = place().name.public().encode_protobuf();
    assert!(read(&[&field(0x3a, &public_key)]));
    assert!(!read(&[&field(0x3a, &public_key[1..])]), "another key");
}

#[test]
fn names_change_every_hour_and_are_those_of_the_page() {
    let of = |epoch| hex::encode(Place::new(&secret(1), Side::First, epoch).key());
    assert_ne!(of(1), of(2));
    assert_eq!((epoch(0), epoch(3_599_999), epoch(3_600_000)), (0, 0, 1));
    // "/ipns/", then the multihash of a protobuf with 32 bytes of Ed25519.
    assert!(of(500_000).starts_with("2f69706e732f002408011220"), "{}", of(500_000));
    assert_eq!(of(500_000).len(), 2 * (6 + 2 + 36));
}

#[test]
fn only_ed25519_names_are_read() {
    let written = place().write(&record(), &mut rand::rng()).unwrap();
    let key = place().key();
    let hashed = [b"/ipns/\x12\x20".as_slice(), &[5; 32]].concat();
    for bad in [&b""[..], b"/pk/", &key[1..], &key[..key.len() - 1], &hashed] {
        assert_eq!(ipns::read(bad, &written), Err(Unusable));
    }
}

proptest! {
    #[test]
    fn garbage_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..1100)) {
        prop_assert_eq!(ipns::read(&place().key(), &bytes), Err(Unusable));
        prop_assert!(Record::decode(&bytes).map_or(true, |record| record.run != 0));
    }
}
