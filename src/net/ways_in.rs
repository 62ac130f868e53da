//! Addresses at which a router lets everybody in, because it was asked to.

use std::net::SocketAddr;

use libp2p::Multiaddr;

use super::quic::{multiaddress, tcp_multiaddress};

/// See the module's documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WaysIn {
    /// Of UDP, which a NAT of IPv4 maps to this machine.
    pub mapped: Option<SocketAddr>,
    /// The same of TCP.
    pub mapped_tcp: Option<SocketAddr>,
    /// Of UDP, an address of this machine itself, which a firewall for IPv6 lets through.
    pub pinhole: Option<SocketAddr>,
    /// The same of TCP.
    pub pinhole_tcp: Option<SocketAddr>,
}

impl WaysIn {
    /// Whether there is any.
    pub fn is_any(&self) -> bool {
        *self != Self::default()
    }

    /// That of UDP over this version of IP.
    pub fn udp(&self, is_ipv6: bool) -> Option<SocketAddr> {
        if is_ipv6 { self.pinhole } else { self.mapped }
    }

    /// All of them, to be dialed: those of QUIC first.
    pub fn multiaddresses(&self) -> impl Iterator<Item = Multiaddr> + use<> {
        let Self { mapped, mapped_tcp, pinhole, pinhole_tcp } = *self;
        let udp = [mapped, pinhole].into_iter().flatten().map(multiaddress);
        udp.chain([mapped_tcp, pinhole_tcp].into_iter().flatten().map(tcp_multiaddress))
    }
}
