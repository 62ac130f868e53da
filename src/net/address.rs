//! What an address says: where it leads, and whether the scope allows to use it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};

use crate::node::api::{Path, Scope};

/// The IP address at the front of a multiaddress, if there is one.
pub fn ip(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4)),
        _ => None,
    }
}

/// What stands for all addresses of one subscriber: of IPv6 the first 64 bits.
pub fn subscriber(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    }
}

/// What stands for all addresses that one can have cheaply: of IPv6 the first 48 bits, which many
/// providers give to each subscriber.
pub fn site(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 80 << 80).into(),
    }
}

/// What stands for all addresses that one can have at not much more than the price of one: of IPv4
/// the first 24 bits, of IPv6 those of a [`site`].
pub fn neighbourhood(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() >> 8 << 8).into(),
        IpAddr::V6(_) => site(ip),
    }
}

/// The same of a multiaddress as [`subscriber`].
pub fn network(address: &Multiaddr) -> Option<IpAddr> {
    ip(address).map(subscriber)
}

/// The IP address and the port of UDP or TCP.
pub fn socket(address: &Multiaddr) -> Option<SocketAddr> {
    match address.iter().nth(1)? {
        Protocol::Udp(port) | Protocol::Tcp(port) => Some(SocketAddr::new(ip(address)?, port)),
        _ => None,
    }
}

/// Whether an IP address lies within this machine or the local network: loopback, private
/// (RFC 1918), link-local (RFC 3927, RFC 4291), unique local (RFC 4193).
pub fn is_local(ip: IpAddr) -> bool {
    fn v4(ip: Ipv4Addr) -> bool {
        ip.is_loopback() || ip.is_private() || ip.is_link_local()
    }
    fn v6(ip: Ipv6Addr) -> bool {
        ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unique_local()
    }
    match ip {
        IpAddr::V4(ip) => v4(ip),
        IpAddr::V6(ip) => v6(ip),
    }
}

/// Whether an IP address is one of a local network that has others: private (RFC 1918) or unique
/// local (RFC 4193).
pub fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private(),
        IpAddr::V6(ip) => ip.is_unique_local(),
    }
}

/// Whether an IP address is one between a carrier's NAT and its subscribers (RFC 6598).
pub fn is_shared(ip: Ipv4Addr) -> bool {
    let [first, second, ..] = ip.octets();
    first == 100 && second & 0xc0 == 64
}

/// Whether an address may be that of somebody elsewhere: no port below 1024 belongs to a messenger
/// behind a NAT, and a group, the broadcast address or this machine is nobody else's.
pub fn is_sendable(address: SocketAddr) -> bool {
    let ip = address.ip();
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    address.port() >= 1024
        && !ip.is_unspecified()
        && !ip.is_multicast()
        && !ip.is_loopback()
        && !broadcast
}

/// Whether the scope allows traffic with this address. Names (DNS) need [`Scope::Everywhere`].
pub fn allowed(scope: Scope, address: &Multiaddr) -> bool {
    match scope {
        Scope::Offline => false,
        Scope::LanOnly => ip(address).is_some_and(is_local),
        Scope::Everywhere => true,
    }
}

/// How somebody at this address is reached.
pub fn path(address: &Multiaddr) -> Path {
    if ip(address).is_some_and(is_local) { Path::Lan } else { Path::Direct }
}

/// Whether this is an address of the QUIC transport (else: TCP).
pub fn is_quic(address: &Multiaddr) -> bool {
    address.iter().any(|part| matches!(part, Protocol::QuicV1))
}

/// Whether this process can use the address at all: QUIC or plain TCP, on an IP or a name.
pub fn is_supported(address: &Multiaddr) -> bool {
    let mut parts = address.iter();
    let host = matches!(
        parts.next(),
        Some(
            Protocol::Ip4(_)
                | Protocol::Ip6(_)
                | Protocol::Dns(_)
                | Protocol::Dns4(_)
                | Protocol::Dns6(_)
        )
    );
    let rest: Vec<_> = parts.filter(|part| !matches!(part, Protocol::P2p(_))).collect();
    // All that is said under a name (https://github.com/multiformats/multiaddr, dnsaddr).
    let named = matches!(address.iter().next(), Some(Protocol::Dnsaddr(_))) && rest.is_empty();
    named
        || host
            && matches!(rest.as_slice(), [Protocol::Tcp(_)] | [Protocol::Udp(_), Protocol::QuicV1])
}

/// Splits a trailing `/p2p/…` off.
pub fn split_peer(mut address: Multiaddr) -> (Multiaddr, Option<PeerId>) {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => {
            address.pop();
            (address, Some(peer))
        }
        _ => (address, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    #[test]
    fn local_addresses_are_told_from_public_ones() {
        for local in [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.255.1",
            "192.168.0.1",
            "169.254.1.1",
            "::1",
            "fe80::1",
            "fd00::1",
        ] {
            assert!(is_local(local.parse().unwrap()), "{local}");
        }
        for public in ["8.8.8.8", "172.32.0.1", "100.64.0.1", "2001:db8::1", "0.0.0.0", "::"] {
            assert!(!is_local(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn lan_only_refuses_public_addresses_names_and_mapped_ones() {
        assert!(allowed(Scope::LanOnly, &address("/ip4/192.168.1.2/udp/1/quic-v1")));
        assert!(allowed(Scope::LanOnly, &address("/ip6/::ffff:10.0.0.1/tcp/1")));
        assert!(!allowed(Scope::LanOnly, &address("/ip6/::ffff:8.8.8.8/tcp/1")));
        assert!(!allowed(Scope::LanOnly, &address("/ip4/8.8.8.8/udp/1/quic-v1")));
        assert!(!allowed(Scope::LanOnly, &address("/dns4/localhost/tcp/1")));
        assert!(!allowed(Scope::Offline, &address("/ip4/127.0.0.1/tcp/1")));
        assert!(allowed(Scope::Everywhere, &address("/dns4/example.org/tcp/1")));
    }

    #[test]
    fn only_plain_quic_and_tcp_are_supported() {
        let good =
            ["/ip4/1.2.3.4/udp/5/quic-v1", "/ip6/::1/tcp/5", "/dns/a.b/tcp/5", "/dnsaddr/a.b"];
        for good in good {
            assert!(is_supported(&address(good)), "{good}");
        }
        for bad in [
            "/ip4/1.2.3.4",
            "/ip4/1.2.3.4/udp/5",
            "/ip4/1.2.3.4/tcp/5/ws",
            "/memory/7",
            "/dnsaddr/a/ws",
        ] {
            assert!(!is_supported(&address(bad)), "{bad}");
        }
        let peer = PeerId::random();
        let with_peer = address(&format!("/ip4/1.2.3.4/tcp/5/p2p/{peer}"));
        assert!(is_supported(&with_peer));
        assert_eq!(split_peer(with_peer), (address("/ip4/1.2.3.4/tcp/5"), Some(peer)));
        assert_eq!(split_peer(address("/ip4/1.2.3.4/tcp/5")).1, None);
    }
}
