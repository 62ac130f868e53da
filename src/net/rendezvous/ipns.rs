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
    conversation::cbor::{Invalid, Reader, Writer},
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
/// malformed, not signed by that name, or says something else beside what is signed.
pub fn read(key: &[u8], value: &[u8]) -> Result<Found, Unusable> {
    let name = public_key(key).ok_or(Unusable)?;
    if value.len() > MAX_RECORD {
        return Err(Unusable);
    }
    let entry = Entry::decode(value).ok_or(Unusable)?;
    let named = entry.public_key.is_none_or(|key| key == name.encode_protobuf());
    if !named || !name.verify(&[SIGNATURE_PREFIX, entry.data].concat(), entry.signature) {
        return Err(Unusable);
    }
    let data = Data::decode(entry.data).map_err(|_| Unusable)?;
    // "If `IpnsEntry.signatureV1` or `IpnsEntry.value` is present, confirm the values in
    // `IpnsEntry` protobuf match deserialized ones from `IpnsEntry.data`."
    if entry.has_version_1 && entry.copy != data.copied {
        return Err(Unusable);
    }
    data.found().ok_or(Unusable)
}

/// What is signed, and version 1 has copies of; what is absent is 0, or empty, as protobuf has it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Copied<'a> {
    value: &'a [u8],
    validity_type: u64,
    validity: &'a [u8],
    sequence: u64,
    ttl: u64,
}

/// The protobuf message `IpnsEntry`.
#[derive(Debug, Default)]
struct Entry<'a> {
    signature: &'a [u8],
    data: &'a [u8],
    public_key: Option<&'a [u8]>,
    has_version_1: bool,
    copy: Copied<'a>,
}

impl<'a> Entry<'a> {
    fn decode(mut rest: &'a [u8]) -> Option<Self> {
        let mut entry = Self::default();
        while !rest.is_empty() {
            let tag = take_varint(&mut rest)?;
            let (field, number) = (tag >> 3, take_varint(&mut rest)?);
            match (tag & 7, field) {
                (0, 3) => entry.copy.validity_type = number,
                (0, 5) => entry.copy.sequence = number,
                (0, 6) => entry.copy.ttl = number,
                (0, _) => {}
                (2, _) => {
                    let length = usize::try_from(number).ok()?;
                    let (bytes, after) = rest.split_at_checked(length)?;
                    rest = after;
                    entry.has_version_1 |= matches!(field, 1 | 2);
                    match field {
                        1 => entry.copy.value = bytes,
                        4 => entry.copy.validity = bytes,
                        7 => entry.public_key = Some(bytes),
                        8 => entry.signature = bytes,
                        9 => entry.data = bytes,
                        _ => {}
                    }
                }
                _ => return None,
            }
        }
        Some(entry)
    }
}

/// The CBOR map `IpnsEntry.data`.
#[derive(Debug, Default)]
struct Data<'a> {
    copied: Copied<'a>,
    payload: &'a [u8],
}

impl<'a> Data<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, Invalid> {
        let (mut reader, mut data) = (Reader::new(bytes), Self::default());
        let (mut sequence, mut validity_type) = (None, None);
        reader.text_map(|key, r| {
            let copied = &mut data.copied;
            match key {
                "D" => data.payload = r.bytes()?,
                "TTL" => copied.ttl = r.uint()?,
                "Value" => copied.value = r.bytes()?,
                "Sequence" => sequence = Some(r.uint()?),
                "Validity" => copied.validity = r.bytes()?,
                "ValidityType" => validity_type = Some(r.uint()?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        reader.end()?;
        data.copied.sequence = sequence.ok_or(Invalid)?;
        data.copied.validity_type = validity_type.ok_or(Invalid)?;
        Ok(data)
    }

    fn found(self) -> Option<Found> {
        let Copied { validity_type, validity, sequence, .. } = self.copied;
        // Of a sequence that a signed number cannot hold, other implementations make something
        // else.
        if validity_type != 0 || i64::try_from(sequence).is_err() {
            return None;
        }
        let until: Timestamp = std::str::from_utf8(validity).ok()?.parse().ok()?;
        let valid_until = u64::try_from(until.as_millisecond()).ok()?;
        Some(Found { sequence, valid_until, payload: self.payload.to_vec() })
    }
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
