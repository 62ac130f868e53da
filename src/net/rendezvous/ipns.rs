//! IPNS records: what the public DHT (Amino) stores for whoever has a key, and our own DHT too.
//! Version 2 only, with the sealed record as one more field of the signed data.
//!
//! ```text
//! key    "/ipns/" ‖ multihash of the public key (an Ed25519 one is in it as it is)
//! value  protobuf: 8 signature, 9 data
//! data   DAG-CBOR map: "D" sealed record, "TTL", "Value", "Sequence", "Validity", "ValidityType"
//! signed "ipns-signature:" ‖ data
//! ```
//!
//! Source: <https://specs.ipfs.tech/ipns/ipns-record/>

use jiff::Timestamp;
use libp2p::{
    PeerId,
    identity::{Keypair, PublicKey},
    multihash::Multihash,
};

use super::Unusable;
use crate::{
    conversation::cbor::{Reader, Writer},
    node::api::UnixMillis,
};

/// The largest record that our DHT stores; ours are below 900 bytes.
pub const MAX_RECORD: usize = 1024;

/// How long a record is good for; the DHT drops it then. Its owner writes anew well before.
const LIFETIME_SECONDS: i64 = 48 * 3600;

/// What a record says to IPNS: the empty file. Ours is beside it.
const VALUE: &[u8] = b"/ipfs/bafkqaaa";

/// What a signature is over, before the data.
const SIGNATURE_PREFIX: &[u8] = b"ipns-signature:";

/// What every key begins with.
const KEY_PREFIX: &[u8] = b"/ipns/";

/// The multihash code that says that the hash is the key itself.
const IDENTITY: u64 = 0;

/// Protobuf: the field's number and that bytes follow.
const SIGNATURE_TAG: u8 = 8 << 3 | 2;
const DATA_TAG: u8 = 9 << 3 | 2;

/// A record whose signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which of several is the newest.
    pub sequence: u64,
    /// When it ends.
    pub valid_until: UnixMillis,
    /// Our field, of any size within [`MAX_RECORD`]; empty if there is none.
    pub payload: Vec<u8>,
}

/// The DHT's key for a name.
pub fn key(name: &PeerId) -> Vec<u8> {
    [KEY_PREFIX, &name.to_bytes()].concat()
}

/// Writes a record; `now` is its sequence too.
///
/// # Errors
///
/// [`Unusable`] where the time cannot be written.
pub fn write(name: &Keypair, payload: &[u8], now: UnixMillis) -> Result<Vec<u8>, Unusable> {
    let now_seconds = i64::try_from(now / 1000).map_err(|_| Unusable)?;
    let until = Timestamp::from_second(now_seconds + LIFETIME_SECONDS).map_err(|_| Unusable)?;
    let validity = format!("{until:.9}");
    let mut w = Writer::default();
    // DAG-CBOR: shorter keys first, then by their bytes.
    w.map(6);
    w.text("D").bytes(payload);
    w.text("TTL").uint(0);
    w.text("Value").bytes(VALUE);
    w.text("Sequence").uint(now);
    w.text("Validity").bytes(validity.as_bytes());
    w.text("ValidityType").uint(0);
    let data = w.0;
    let signature = name.sign(&[SIGNATURE_PREFIX, &data].concat()).map_err(|_| Unusable)?;
    let mut record = Vec::with_capacity(data.len() + signature.len() + 6);
    for (tag, bytes) in [(SIGNATURE_TAG, &signature), (DATA_TAG, &data)] {
        record.push(tag);
        varint(&mut record, bytes.len());
        record.extend_from_slice(bytes);
    }
    Ok(record)
}

/// Verifies what lies under a key, whoever wrote it: what our DHT stores and what is read from any.
///
/// # Errors
///
/// [`Unusable`] if the key is none of IPNS with an Ed25519 name, or the record is too large,
/// malformed, or not signed by that name.
pub fn read(key: &[u8], value: &[u8]) -> Result<Found, Unusable> {
    let name = public_key(key).ok_or(Unusable)?;
    if value.len() > MAX_RECORD {
        return Err(Unusable);
    }
    let (mut signature, mut data) = (None, None);
    let mut rest = value;
    while !rest.is_empty() {
        let field = take_varint(&mut rest).ok_or(Unusable)?;
        match field & 7 {
            // Fields of version 1 may be there as well; they count for nothing.
            0 => {
                take_varint(&mut rest).ok_or(Unusable)?;
            }
            2 => {
                let length = take_varint(&mut rest).ok_or(Unusable)?;
                let length = usize::try_from(length).map_err(|_| Unusable)?;
                let (bytes, after) = rest.split_at_checked(length).ok_or(Unusable)?;
                rest = after;
                if field == u64::from(SIGNATURE_TAG) {
                    signature = Some(bytes);
                } else if field == u64::from(DATA_TAG) {
                    data = Some(bytes);
                }
            }
            _ => return Err(Unusable),
        }
    }
    let (signature, data) = signature.zip(data).ok_or(Unusable)?;
    if !name.verify(&[SIGNATURE_PREFIX, data].concat(), signature) {
        return Err(Unusable);
    }
    read_data(data)
}

fn read_data(data: &[u8]) -> Result<Found, Unusable> {
    let mut reader = Reader::new(data);
    let (mut sequence, mut validity, mut end_of_life, mut payload) = (None, None, false, None);
    reader
        .text_map(|key, r| {
            match key {
                "D" => payload = Some(r.bytes()?),
                "Sequence" => sequence = Some(r.uint()?),
                "Validity" => validity = Some(r.bytes()?),
                "ValidityType" => end_of_life = r.uint()? == 0,
                _ => return Ok(false),
            }
            Ok(true)
        })
        .and_then(|()| reader.end())
        .map_err(|_| Unusable)?;
    let validity = validity.filter(|_| end_of_life).ok_or(Unusable)?;
    let validity = std::str::from_utf8(validity).map_err(|_| Unusable)?;
    let until: Timestamp = validity.parse().map_err(|_| Unusable)?;
    // Of a sequence that a signed number cannot hold, other implementations make something else.
    let sequence = sequence.filter(|sequence| i64::try_from(*sequence).is_ok());
    Ok(Found {
        sequence: sequence.ok_or(Unusable)?,
        valid_until: u64::try_from(until.as_millisecond()).map_err(|_| Unusable)?,
        payload: payload.unwrap_or_default().to_vec(),
    })
}

/// The Ed25519 key that is in a DHT key.
fn public_key(key: &[u8]) -> Option<PublicKey> {
    let name = key.strip_prefix(KEY_PREFIX)?;
    let hash = Multihash::<64>::from_bytes(name).ok()?;
    if hash.code() != IDENTITY {
        return None;
    }
    let key = PublicKey::try_decode_protobuf(hash.digest()).ok()?;
    key.clone().try_into_ed25519().ok()?;
    Some(key)
}

fn varint(bytes: &mut Vec<u8>, number: usize) {
    let mut number = number;
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap_or_default());
}

/// At most 10 bytes, as protobuf has it.
fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..70).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
