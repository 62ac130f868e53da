//! The kinds of router.

use std::fmt;

use super::probe::Seen;

/// The kind of a site's router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Nat {
    /// A public address, nothing in between.
    None,
    /// A public address behind a stateful firewall.
    Firewall,
    /// Endpoint-independent mapping and filtering.
    FullCone,
    /// Endpoint-independent mapping, address-dependent filtering.
    Restricted,
    /// Endpoint-independent mapping, address- and port-dependent filtering.
    PortRestricted,
    /// The same, and the outside port is another one than the inside port.
    OtherPorts,
    /// The same as port-restricted, and what comes too early makes the router take the port.
    OpenInput,
    /// Another random port for each destination.
    Symmetric,
    /// The next port for each destination.
    Counting,
    /// A port-restricted router behind another one.
    Carrier,
    /// A port-restricted router behind a symmetric one.
    CarrierSymmetric,
    /// Only TCP gets out.
    UdpBlocked,
    /// The same as port-restricted, and what may not come in is refused aloud, by ICMP or a reset.
    Rejecting,
    /// Symmetric over IPv4; IPv6 is routed, behind a stateful firewall.
    SymmetricIpv6,
}

impl Nat {
    /// All kinds.
    pub const ALL: [Self; 14] = [
        Self::None,
        Self::Firewall,
        Self::FullCone,
        Self::Restricted,
        Self::PortRestricted,
        Self::OtherPorts,
        Self::OpenInput,
        Self::Symmetric,
        Self::Counting,
        Self::Carrier,
        Self::CarrierSymmetric,
        Self::UdpBlocked,
        Self::Rejecting,
        Self::SymmetricIpv6,
    ];

    /// Whether ports of IPv4 cannot be foreseen.
    pub fn is_symmetric(self) -> bool {
        matches!(self, Self::Symmetric | Self::CarrierSymmetric | Self::SymmetricIpv6)
    }

    pub fn has_ipv6(self) -> bool {
        self == Self::SymmetricIpv6
    }

    /// Whether it can be seen to let in so many: what a program says of its filtering.
    pub fn may_show(self, filtering: &str) -> bool {
        match filtering {
            "unknown" => true,
            "address-dependent" => matches!(self, Self::None | Self::FullCone | Self::Restricted),
            "endpoint-independent" => matches!(self, Self::None | Self::FullCone),
            _ => false,
        }
    }

    /// Whether it is what a probe over IPv4 sees.
    pub fn looks_like(self, seen: &Seen) -> bool {
        let Seen::Through { mapping, filtering, preserves_port } = seen else {
            return self == Self::UdpBlocked;
        };
        let (independent, filter) = match self {
            Self::None | Self::FullCone => (true, "none"),
            Self::Restricted => (true, "address"),
            Self::Firewall
            | Self::PortRestricted
            | Self::OtherPorts
            | Self::OpenInput
            | Self::Carrier
            | Self::Rejecting => (true, "port"),
            Self::Symmetric | Self::Counting | Self::CarrierSymmetric | Self::SymmetricIpv6 => {
                (false, "port")
            }
            Self::UdpBlocked => return false,
        };
        (*mapping == "endpoint-independent") == independent
            && *filtering == filter
            && (self != Self::OtherPorts || !preserves_port)
    }
}

impl fmt::Display for Nat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Firewall => "firewall",
            Self::FullCone => "full-cone",
            Self::Restricted => "restricted",
            Self::PortRestricted => "port-restricted",
            Self::OtherPorts => "other-ports",
            Self::OpenInput => "open-input",
            Self::Symmetric => "symmetric",
            Self::Counting => "counting",
            Self::Carrier => "cgnat",
            Self::CarrierSymmetric => "cgnat-symmetric",
            Self::UdpBlocked => "udp-blocked",
            Self::Rejecting => "rejecting",
            Self::SymmetricIpv6 => "symmetric-ipv6",
        })
    }
}
