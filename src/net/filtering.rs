//! Whom a NAT, or a firewall, lets in over IPv4 (RFC 4787, section 5). That is seen when somebody
//! comes from where nothing was sent to. Who is not let in is not seen: that a NAT is strict is never
//! known, as nobody is asked to try.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
};

use super::address::{is_local, is_shared};

/// IP addresses remembered that something was sent to. With as many, one that is not among them may
/// be forgotten, and says nothing any more. A client of the public DHT sends to some hundreds an
/// hour.
const MAX_ADDRESSES: usize = 4096;

/// Ports of each. With as many, any may have been one of them: random ports are tried by thousands.
const MAX_PORTS: usize = 4;

/// What was seen of it, the least strict last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Filtering {
    /// Nobody has come but those to whom something was sent.
    #[default]
    Unknown,
    /// From an address that something was sent to, another port was let in.
    AddressDependent,
    /// Somebody was let in to whom nothing was sent.
    EndpointIndependent,
}

/// To whom something was sent from the sockets that are listened on, ever: how long a NAT remembers
/// that is its own affair. Whoever is not remembered counts as one of them.
#[derive(Debug, Default)]
pub struct Addressees(HashMap<Ipv4Addr, Vec<u16>>);

impl Addressees {
    /// Something was sent there.
    pub fn sent(&mut self, to: SocketAddr) {
        let SocketAddr::V4(to) = to else { return };
        if self.0.len() >= MAX_ADDRESSES && !self.0.contains_key(to.ip()) {
            return;
        }
        let ports = self.0.entry(*to.ip()).or_default();
        if ports.len() < MAX_PORTS && !ports.contains(&to.port()) {
            ports.push(to.port());
        }
    }

    /// What it shows that somebody comes from there.
    pub fn show(&self, from: SocketAddr) -> Filtering {
        let SocketAddr::V4(from) = from else { return Filtering::Unknown };
        let ip = *from.ip();
        // Who is in the same network, or behind the same carrier's NAT, does not pass all of it.
        if is_local(ip.into()) || is_shared(ip) {
            return Filtering::Unknown;
        }
        match self.0.get(&ip) {
            None if self.0.len() < MAX_ADDRESSES => Filtering::EndpointIndependent,
            Some(ports) if ports.len() < MAX_PORTS && !ports.contains(&from.port()) => {
                Filtering::AddressDependent
            }
            _ => Filtering::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    #[test]
    fn only_who_comes_unasked_shows_something() {
        let mut addressees = Addressees::default();
        addressees.sent(at("203.0.113.1:4001"));
        addressees.sent(at("203.0.113.1:4001"));
        for (from, filtering) in [
            ("203.0.113.1:4001", Filtering::Unknown),
            ("203.0.113.1:4002", Filtering::AddressDependent),
            ("203.0.113.2:4001", Filtering::EndpointIndependent),
            // These pass no NAT, or not all of them, or none of IPv4.
            ("192.168.1.7:4001", Filtering::Unknown),
            ("127.0.0.1:4001", Filtering::Unknown),
            ("100.64.0.7:4001", Filtering::Unknown),
            ("[2001:db8::1]:4001", Filtering::Unknown),
        ] {
            assert_eq!(addressees.show(at(from)), filtering, "{from}");
        }
    }

    #[test]
    fn addressees_are_bounded_and_whoever_may_be_one_shows_nothing() {
        let mut addressees = Addressees::default();
        let target = |port| SocketAddr::from(([203, 0, 113, 1], port));
        for port in 1024..=u16::MAX {
            addressees.sent(target(port));
        }
        assert_eq!(addressees.0[&Ipv4Addr::new(203, 0, 113, 1)].len(), MAX_PORTS);
        assert_eq!(addressees.show(target(1)), Filtering::Unknown, "it may have been tried");
        let other = |n: u32| SocketAddr::from((Ipv4Addr::from_bits(0x0800_0000 + n), 4001));
        let many = u32::try_from(MAX_ADDRESSES).unwrap();
        assert_eq!(addressees.show(other(many)), Filtering::EndpointIndependent);
        for n in 0..2 * many {
            addressees.sent(other(n));
        }
        assert_eq!(addressees.0.len(), MAX_ADDRESSES);
        assert_eq!(addressees.show(other(2 * many)), Filtering::Unknown, "it may be forgotten");
    }
}
