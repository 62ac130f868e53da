//! What others see of us: our addresses outside of the NAT, and how it chooses ports. From what
//! the nodes of the DHT say by identify, of connections that left from the listening socket. And
//! whom it lets in, from who came in.

use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use super::{
    address::{is_local, is_sendable, subscriber},
    filtering::Filtering,
    rendezvous::{MAX_ADDRESSES, Mapping},
};

/// Observers remembered; the oldest goes.
pub const MAX_OBSERVERS: usize = 8;

/// An observer who has begun to say one thing may say something else after this.
const CHANGES_AT_MOST: Duration = Duration::from_secs(10);

/// What an observer said counts for so long; one that stays connected says it every five minutes.
const COUNTS_FOR: Duration = Duration::from_secs(900);

/// With one observer only, so long is waited for another.
const SECOND_OBSERVER: Duration = Duration::from_millis(700);

/// See the module's documentation. Pure.
#[derive(Debug, Default)]
pub struct Observed {
    /// What each observer saw last; in the order of the connections.
    udp: VecDeque<Observation>,
    tcp: VecDeque<Observation>,
    since: Option<Instant>,
    filtering: Filtering,
    /// Ports that punches took of the NAT since the last UDP address was seen.
    taken: i16,
}

/// What one observer saw.
#[derive(Debug)]
struct Observation {
    by: IpAddr,
    seen: SocketAddr,
    /// When it was said first, and last.
    since: Instant,
    at: Instant,
}

impl Observed {
    /// An observer says what it sees.
    pub fn handle(&mut self, now: Instant, observer: IpAddr, seen: SocketAddr, quic: bool) {
        // One in our own network does not see us from outside, and nobody sees us by another
        // version of IP than that by which we came.
        let same_version = observer.is_ipv4() == seen.is_ipv4();
        if is_local(observer) || !same_version || is_local(seen.ip()) || !is_sendable(seen) {
            return;
        }
        self.since.get_or_insert(now);
        let list = if quic { &mut self.udp } else { &mut self.tcp };
        let by = subscriber(observer);
        // Whoever says now this and now that would have everybody who seeks us begin anew.
        let before = list.iter().find(|known| known.by == by);
        if before.is_some_and(|o| o.seen != seen && now - o.since < CHANGES_AT_MOST) {
            return;
        }
        let since = before.filter(|o| o.seen == seen).map_or(now, |o| o.since);
        if quic && before.is_none_or(|o| o.seen != seen) {
            self.taken = 0;
        }
        list.retain(|known| known.by != by && now - known.at < COUNTS_FOR);
        list.push_back(Observation { by, seen, since, at: now });
        if list.len() > MAX_OBSERVERS {
            list.pop_front();
        }
    }

    /// Somebody came in, which shows this.
    pub fn shows(&mut self, filtering: Filtering) {
        self.filtering = self.filtering.max(filtering);
    }

    /// Whom the NAT lets in, as far as that was seen.
    pub fn filtering(&self) -> Filtering {
        self.filtering
    }

    /// The network changed: nothing counts any more.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// When [`Self::is_settled`] may have become true.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.since.map(|since| since + SECOND_OBSERVER)
    }

    /// Whether enough was heard to rely on.
    pub fn is_settled(&self, now: Instant) -> bool {
        self.udp.len() >= 2 || self.poll_timeout().is_some_and(|due| due <= now)
    }

    /// UDP addresses as others see them; where the port differs by destination, the last observed
    /// is the last, or the highest where the NAT counts upwards.
    pub fn external(&self) -> Vec<SocketAddr> {
        let mut all = addresses(&self.udp);
        if matches!(self.mapping(), Mapping::Dependent { step: 1.. }) {
            all.sort_by_key(SocketAddr::port);
        }
        all
    }

    /// The same, but that where the NAT counts the last is where it has come to, as far as that is
    /// known: those who aim at its next ports have to know.
    pub fn foreseen(&self) -> Vec<SocketAddr> {
        let mut all = self.external();
        if let Mapping::Dependent { step } = self.mapping()
            && let Some(last) = all.iter_mut().rev().find(|address| address.is_ipv4())
        {
            let taken = self.taken.saturating_mul(step.signum());
            last.set_port(last.port().wrapping_add_signed(taken));
        }
        all
    }

    /// A punch has taken so many ports of the NAT, if it counts.
    pub fn took(&mut self, ports: i16) {
        self.taken = self.taken.saturating_add(ports);
    }

    /// TCP addresses as others see them.
    pub fn tcp(&self) -> Vec<SocketAddr> {
        addresses(&self.tcp)
    }

    /// How the NAT chooses ports for UDP over IPv4, as far as two observers can tell.
    pub fn mapping(&self) -> Mapping {
        let seen = agreed(&self.udp, true);
        match seen.as_slice() {
            [] if self.udp.is_empty() && !self.tcp.is_empty() => Mapping::Blocked,
            [] | [_] => Mapping::Unknown,
            _ if usual(&seen).is_some() => Mapping::Independent,
            _ => {
                let ports = seen.iter().map(SocketAddr::port);
                let steps: Vec<_> = ports
                    .clone()
                    .zip(ports.skip(1))
                    .map(|(before, after)| after.wrapping_sub(before).cast_signed())
                    .collect();
                // Other connections may have taken ports in between, so the least counts.
                let same_way = steps.iter().all(|step| step.signum() == steps[0].signum());
                let step = steps.iter().copied().min_by_key(|step| step.unsigned_abs());
                let step = step.filter(|_| same_way).unwrap_or(0);
                // Two may be asked at once and answer in any order; NATs that count count upwards.
                Mapping::Dependent {
                    step: if steps.len() == 1 { step.saturating_abs() } else { step },
                }
            }
        }
    }
}

/// The addresses that count, of both versions of IP.
fn addresses(list: &VecDeque<Observation>) -> Vec<SocketAddr> {
    let of = |ipv4| {
        let seen = agreed(list, ipv4);
        usual(&seen).map_or(seen, |usual| vec![usual])
    };
    distinct(of(true).into_iter().chain(of(false)))
}

/// What was seen by one version of IP: where there are three or more observers, at the IP address
/// that most of them see. The others are wrong, or lie.
fn agreed(list: &VecDeque<Observation>, ipv4: bool) -> Vec<SocketAddr> {
    let seen = list.iter().map(|observation| observation.seen);
    let mut seen: Vec<_> = seen.filter(|seen| seen.is_ipv4() == ipv4).collect();
    let count = |ip| seen.iter().filter(|seen| seen.ip() == ip).count();
    let most = seen.iter().map(SocketAddr::ip).max_by_key(|ip| count(*ip));
    if seen.len() >= 3 {
        seen.retain(|seen| Some(seen.ip()) == most);
    }
    seen
}

/// The address that more than half see: one who says another port is wrong, or lies.
fn usual(seen: &[SocketAddr]) -> Option<SocketAddr> {
    let count = |address| seen.iter().filter(|seen| **seen == address).count();
    let usual = seen.iter().copied().max_by_key(|address| count(*address))?;
    (2 * count(usual) > seen.len()).then_some(usual)
}

fn distinct(list: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut all: Vec<SocketAddr> = Vec::new();
    for seen in list {
        all.retain(|known| *known != seen);
        all.push(seen);
    }
    let surplus = all.len().saturating_sub(MAX_ADDRESSES);
    all.split_off(surplus)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(seen: &[(&str, &str)]) -> Observed {
        let mut observed = Observed::default();
        for (observer, seen) in seen {
            observed.handle(Instant::now(), observer.parse().unwrap(), seen.parse().unwrap(), true);
        }
        observed
    }

    #[test]
    fn where_a_nat_that_counts_has_come_to_is_foreseen() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let (one, two) = ("198.51.100.1:4000", "198.51.100.1:4001");
        let mut observed = observed(&[("203.0.113.1", one), ("203.0.113.2", two)]);
        assert_eq!(observed.foreseen(), [address(one), address(two)]);
        observed.took(700);
        observed.took(40);
        assert_eq!(observed.foreseen(), [address(one), address("198.51.100.1:4741")]);
        assert_eq!(observed.external(), [address(one), address(two)]);
        // What is seen now has all of that behind it.
        let (now, third) = (Instant::now(), address("198.51.100.1:4750"));
        observed.handle(now, "203.0.113.3".parse().unwrap(), third, true);
        assert_eq!(observed.foreseen().last(), Some(&third));
        observed.took(2);
        // The same again tells nothing new.
        observed.handle(now, "203.0.113.3".parse().unwrap(), third, true);
        assert_eq!(observed.foreseen().last(), Some(&address("198.51.100.1:4752")));
    }

    #[test]
    fn two_observers_tell_the_mapping() {
        let of = |ports: [u16; 3]| {
            let seen = ports.map(|port| format!("198.51.100.1:{port}"));
            observed(&[
                ("203.0.113.1", &seen[0]),
                ("203.0.113.2", &seen[1]),
                ("203.0.113.3", &seen[2]),
            ])
            .mapping()
        };
        assert_eq!(of([4000, 4000, 4000]), Mapping::Independent);
        assert_eq!(of([4000, 4001, 4002]), Mapping::Dependent { step: 1 });
        assert_eq!(of([4000, 4001, 4004]), Mapping::Dependent { step: 1 });
        assert_eq!(of([4004, 4002, 4000]), Mapping::Dependent { step: -2 });
        assert_eq!(of([4000, 61_000, 9000]), Mapping::Dependent { step: 0 });
        let two =
            observed(&[("203.0.113.1", "198.51.100.1:4001"), ("203.0.113.2", "198.51.100.1:4000")]);
        assert_eq!(two.mapping(), Mapping::Dependent { step: 1 }, "answers in any order");
        assert_eq!(two.external().last().map(SocketAddr::port), Some(4001));
        assert_eq!(observed(&[]).mapping(), Mapping::Unknown);
        assert_eq!(observed(&[("203.0.113.1", "198.51.100.1:4000")]).mapping(), Mapping::Unknown);
    }

    #[test]
    fn one_observer_twice_is_one_and_does_not_change_its_mind_at_once() {
        let (mut observed, now) = (Observed::default(), Instant::now());
        for (seconds, port, counts) in [
            (0, 4000, 4000),
            (1, 5000, 4000),
            (9, 4000, 4000),
            // What it has said for long it may have said just now.
            (11, 6000, 6000),
            (20, 4000, 6000),
        ] {
            let seen = SocketAddr::from(([198, 51, 100, 1], port));
            let at = now + Duration::from_secs(seconds);
            observed.handle(at, "203.0.113.1".parse().unwrap(), seen, true);
            assert_eq!(observed.mapping(), Mapping::Unknown);
            assert_eq!(observed.external(), [SocketAddr::from(([198, 51, 100, 1], counts))]);
        }
    }

    #[test]
    fn one_who_lies_is_outvoted_by_two() {
        let honest = [("203.0.113.1", "198.51.100.1:4000"), ("203.0.113.2", "198.51.100.1:4000")];
        let liar = ("203.0.113.3", "192.0.2.66:53000");
        let seen = observed(&[honest[0], honest[1], liar]);
        assert_eq!(seen.external(), ["198.51.100.1:4000".parse().unwrap()]);
        assert_eq!(seen.mapping(), Mapping::Independent);
        let other_port = ("203.0.113.3", "198.51.100.1:53000");
        let seen = observed(&[honest[0], other_port, honest[1]]);
        assert_eq!(seen.external(), ["198.51.100.1:4000".parse().unwrap()]);
        assert_eq!(seen.mapping(), Mapping::Independent);
        let inside = ("203.0.113.3", "10.42.0.1:4000");
        assert_eq!(observed(&[inside]).external(), []);
        // Many addresses of one network are one observer.
        let many = [("2001:db8::1", "[2001:db8:1::1]:4000"), ("2001:db8::2", "[2001:db8:2::1]:1")];
        assert_eq!(observed(&many).external().len(), 1);
    }

    #[test]
    fn what_was_said_long_ago_counts_no_more() {
        let (mut observed, now) = (Observed::default(), Instant::now());
        let seen = |port| SocketAddr::from(([198, 51, 100, 1], port));
        observed.handle(now, "203.0.113.1".parse().unwrap(), seen(4000), true);
        let later = now + COUNTS_FOR;
        observed.handle(later, "203.0.113.2".parse().unwrap(), seen(5000), true);
        assert_eq!(observed.external(), [seen(5000)]);
    }

    #[test]
    fn observers_in_the_own_network_are_not_asked() {
        let observed = observed(&[("192.168.1.1", "192.168.1.7:4000")]);
        assert!(observed.external().is_empty());
        assert!(!observed.is_settled(Instant::now() + SECOND_OBSERVER));
    }

    #[test]
    fn tcp_alone_says_that_udp_is_blocked() {
        let (mut observed, now) = (Observed::default(), Instant::now());
        let seen = "198.51.100.1:4000".parse().unwrap();
        observed.handle(now, "203.0.113.1".parse().unwrap(), seen, false);
        assert_eq!(observed.mapping(), Mapping::Blocked);
        assert!(!observed.is_settled(now));
        assert!(observed.is_settled(now + SECOND_OBSERVER));
        observed.clear();
        assert_eq!(observed.mapping(), Mapping::Unknown);
    }

    #[test]
    fn the_least_strict_that_was_seen_counts_until_the_network_changes() {
        let mut observed = Observed::default();
        for filtering in
            [Filtering::AddressDependent, Filtering::EndpointIndependent, Filtering::Unknown]
        {
            observed.shows(filtering);
        }
        assert_eq!(observed.filtering(), Filtering::EndpointIndependent);
        observed.clear();
        assert_eq!(observed.filtering(), Filtering::Unknown);
    }

    #[test]
    fn observers_and_addresses_are_bounded() {
        let (mut observed, now) = (Observed::default(), Instant::now());
        for n in 0..100_u8 {
            let by = IpAddr::from([203, 0, 113, n]);
            let seen = SocketAddr::from(([198, 51, 100, 1], 4000 + u16::from(n)));
            observed.handle(now, by, seen, true);
        }
        assert_eq!(observed.udp.len(), MAX_OBSERVERS);
        assert_eq!(observed.external().len(), MAX_ADDRESSES);
        assert_eq!(observed.external().last().map(SocketAddr::port), Some(4099));
    }
}
