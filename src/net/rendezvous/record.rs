//! What one side tells the other: where it is, and how far the two have come.

use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
};

use super::{RECORD_LEN, Unusable};
use crate::{
    conversation::cbor::{Invalid, Reader, Writer},
    net::{
        address::{is_local, is_private, is_sendable},
        ways_in::WaysIn,
    },
    node::api::UnixMillis,
};

/// Addresses of each kind in a record: all of them fit into it.
pub const MAX_ADDRESSES: usize = 5;

/// How a NAT chooses the outside port (RFC 4787, section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mapping {
    /// It is not known.
    #[default]
    Unknown,
    /// There is no NAT: what others see is the own address.
    None,
    /// One port for all destinations.
    Independent,
    /// Another one for each destination.
    Dependent {
        /// How far each is from the one before, where that is always the same; else 0.
        step: i16,
    },
    /// UDP does not get out.
    Blocked,
}

/// See the module's documentation. Sent sealed, so it says nothing to anybody else.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// When it was written: of two, the later counts.
    pub time: UnixMillis,
    /// This run of the program, by a random number.
    pub run: u64,
    /// The run of the other side that was seen; 0: none.
    pub seen: u64,
    /// The throwaway Ed25519 key of libp2p, from which the PeerId follows.
    pub peer: [u8; 32],
    /// Addresses of UDP as others see them.
    pub external: Vec<SocketAddr>,
    /// Addresses of UDP in the local network.
    pub local: Vec<SocketAddr>,
    /// Addresses of TCP as others see them.
    pub tcp: Vec<SocketAddr>,
    /// How ports are chosen.
    pub mapping: Mapping,
    /// Where a router lets everybody in.
    pub ways_in: WaysIn,
}

/// ```text
/// | length of what follows, 2 | CBOR map | zeros |
/// ```
///
/// Keys of the map: 1 time, 2 run, 3 seen, 4 peer, 5 external, 6 local, 7 tcp, 8 mapping, 9 step
/// plus 32,768, and where there is one, 10 mapped, 11 mapped TCP, 12 pinhole, 13 pinhole TCP. An address is its 4 or 16 bytes
/// and 2 of the port. Unknown keys are skipped.
impl Record {
    /// Whether another record tells the reader nothing new: ports that are others for each observer
    /// are nothing.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let ips =
            |record: &Self| record.external.iter().map(SocketAddr::ip).collect::<HashSet<_>>();
        let differ = matches!(self.mapping, Mapping::Dependent { .. });
        if !differ || ips(self) != ips(other) {
            return self == other;
        }
        let external = self.external.clone();
        *self == Self { external, ..other.clone() }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(RECORD_LEN);
        let WaysIn { mapped, mapped_tcp, pinhole, pinhole_tcp } = self.ways_in;
        let ways_in = [(10, mapped), (11, mapped_tcp), (12, pinhole), (13, pinhole_tcp)];
        let ways_in: Vec<(u64, SocketAddr)> =
            ways_in.into_iter().filter_map(|(key, address)| Some((key, address?))).collect();
        w.map(9 + ways_in.len());
        w.uint(1).uint(self.time).uint(2).uint(self.run).uint(3).uint(self.seen);
        w.uint(4).bytes(&self.peer);
        for (key, addresses) in [(5, &self.external), (6, &self.local), (7, &self.tcp)] {
            w.uint(key).array(addresses.len().min(MAX_ADDRESSES));
            for address in addresses.iter().take(MAX_ADDRESSES) {
                w.bytes(&address_bytes(*address));
            }
        }
        let (mapping, step) = match self.mapping {
            Mapping::Unknown => (0, 0),
            Mapping::Independent => (1, 0),
            Mapping::Dependent { step } => (2, step),
            Mapping::Blocked => (3, 0),
            Mapping::None => (4, 0),
        };
        w.uint(8).uint(mapping).uint(9).uint(u64::from(step.cast_unsigned() ^ 0x8000));
        for (key, address) in ways_in {
            w.uint(key).bytes(&address_bytes(address));
        }
        let length = u16::try_from(w.0.len()).unwrap_or(u16::MAX);
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.extend(w.0);
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Unusable> {
        let (length, rest) = bytes.split_first_chunk().ok_or(Unusable)?;
        let map = rest.get(..usize::from(u16::from_be_bytes(*length))).ok_or(Unusable)?;
        let mut reader = Reader::new(map);
        let mut record = Self::default();
        let (mut mapping, mut step) = (0, 0x8000);
        reader
            .map(|key, r| {
                match key {
                    1 => record.time = r.uint()?,
                    2 => record.run = r.uint()?,
                    3 => record.seen = r.uint()?,
                    4 => record.peer = r.bytes_of()?,
                    5 => record.external = addresses(r)?,
                    6 => {
                        record.local = addresses(r)?;
                        record.local.retain(|local| is_private(local.ip()));
                    }
                    7 => record.tcp = addresses(r)?,
                    8 => mapping = r.uint()?,
                    9 => step = r.uint()?,
                    10 => record.ways_in.mapped = outside(r)?,
                    11 => record.ways_in.mapped_tcp = outside(r)?,
                    12 => record.ways_in.pinhole = outside(r)?,
                    13 => record.ways_in.pinhole_tcp = outside(r)?,
                    _ => return Ok(false),
                }
                Ok::<_, Invalid>(true)
            })
            .and_then(|()| reader.end())
            .map_err(|_| Unusable)?;
        let step = u16::try_from(step).map_err(|_| Unusable)? ^ 0x8000;
        record.mapping = match mapping {
            1 => Mapping::Independent,
            2 => Mapping::Dependent { step: step.cast_signed() },
            3 => Mapping::Blocked,
            4 => Mapping::None,
            _ => Mapping::Unknown,
        };
        // 0 says "none" where a run is named.
        if record.run == 0 { Err(Unusable) } else { Ok(record) }
    }
}

fn address_bytes(address: SocketAddr) -> Vec<u8> {
    let mut bytes = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    bytes.extend(address.port().to_be_bytes());
    bytes
}

/// An address, if it can be sent to: a record is another's word, and must not aim at anything else.
fn address(r: &mut Reader<'_>) -> Result<Option<SocketAddr>, Invalid> {
    let (ip, port) = r.bytes()?.split_last_chunk::<2>().ok_or(Invalid)?;
    let ip: IpAddr = match ip.len() {
        4 => <[u8; 4]>::try_from(ip).map_err(|_| Invalid)?.into(),
        16 => <[u8; 16]>::try_from(ip).map_err(|_| Invalid)?.into(),
        _ => return Err(Invalid),
    };
    let address = SocketAddr::new(ip, u16::from_be_bytes(*port));
    Ok(Some(address).filter(|address| is_sendable(*address)))
}

/// The same, if it is not one of a local network: it is dialed as it is, by QUIC and TCP.
fn outside(r: &mut Reader<'_>) -> Result<Option<SocketAddr>, Invalid> {
    Ok(address(r)?.filter(|address| !is_local(address.ip())))
}

/// Those that can be sent to.
fn addresses(r: &mut Reader<'_>) -> Result<Vec<SocketAddr>, Invalid> {
    let count = r.array(MAX_ADDRESSES, 7)?;
    let mut addresses = Vec::with_capacity(count);
    for _ in 0..count {
        addresses.extend(address(r)?);
    }
    Ok(addresses)
}
