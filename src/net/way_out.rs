//! Whether packets to the Internet still leave by the same way. Where it is listened, a change of
//! addresses is noticed; a default route that leads elsewhere changes none, but all that others
//! see of us.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

/// How often it is looked: four calls to the system, and no packet.
const LOOK: Duration = Duration::from_secs(2);

/// Far away, in networks that are nobody's (RFC 5737, RFC 3849): only the default route leads there.
const FAR: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1)),
];

/// See the module's documentation.
pub struct WayOut {
    /// The own addresses that packets leave from, of IPv4 and IPv6, when there last was a way.
    from: [Option<IpAddr>; 2],
    /// When to look again.
    pub due: Instant,
}

impl WayOut {
    /// As it is now.
    pub fn new(now: Instant) -> Self {
        Self { from: FAR.map(leaves_from), due: now + LOOK }
    }

    /// Looks, if it is time. Returns whether it is another one, for IPv4 and IPv6.
    pub fn look(&mut self, now: Instant) -> [bool; 2] {
        if now < self.due {
            return [false; 2];
        }
        self.due = now + LOOK;
        self.is_now(FAR.map(leaves_from))
    }

    /// While there is none, nothing is to be done; one that is as before was only interrupted.
    fn is_now(&mut self, from: [Option<IpAddr>; 2]) -> [bool; 2] {
        let before = std::mem::replace(&mut self.from, from);
        [0, 1].map(|version| {
            self.from[version] = from[version].or(before[version]);
            self.from[version] != before[version]
        })
    }
}

/// This machine's address of IPv6 that packets to the Internet leave from, if there is a way.
pub fn ipv6() -> Option<Ipv6Addr> {
    match leaves_from(FAR[1])? {
        IpAddr::V6(ip) => Some(ip),
        IpAddr::V4(_) => None,
    }
}

/// Which of this machine's addresses a packet to there would leave from. None is sent.
fn leaves_from(far: IpAddr) -> Option<IpAddr> {
    let any: IpAddr =
        if far.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
    socket.connect(SocketAddr::new(far, 4001)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_way_is_a_change_and_an_interruption_is_none() {
        let now = Instant::now();
        let [one, two] = ["10.1.0.10", "10.3.0.99"].map(|ip| Some(ip.parse().unwrap()));
        let six = Some("2001:db8::1".parse().unwrap());
        let mut way = WayOut { from: [None; 2], due: now };
        for (from, changed) in [
            ([None, None], [false, false]),
            ([one, None], [true, false]),
            ([one, None], [false, false]),
            ([None, None], [false, false]),
            ([one, None], [false, false]),
            ([two, None], [true, false]),
            ([two, six], [false, true]),
            ([two, None], [false, false]),
            ([one, six], [true, false]),
        ] {
            assert_eq!(way.is_now(from), changed, "{from:?}");
        }
        assert_eq!(WayOut::new(now).look(now), [false; 2], "not yet");
    }
}
