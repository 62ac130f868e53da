//! How links lead to where they lead.

use std::{collections::VecDeque, net::SocketAddr};

use crate::node::api::Path;

/// Addresses remembered that were got through to.
pub const MAX_WAYS: usize = 64;

/// What is known of the way to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Way {
    /// Their router lets everybody in there.
    pub is_mapped: bool,
    /// It was opened by packets from both sides.
    pub is_opened: bool,
}

/// Addresses that a way was opened to, or that a router maps, the last one last.
#[derive(Default)]
pub struct Ways(VecDeque<(SocketAddr, Way)>);

impl Ways {
    /// What is known of the way there.
    pub fn to(&self, remote: SocketAddr) -> Way {
        let known = self.0.iter().find(|(known, _)| *known == remote);
        known.map_or_else(Way::default, |(_, way)| *way)
    }

    /// Their router lets everybody in there.
    pub fn mapped(&mut self, remote: SocketAddr) {
        self.remember(remote, Way { is_mapped: true, ..self.to(remote) });
    }

    /// A way there was opened.
    pub fn opened(&mut self, remote: SocketAddr) {
        self.remember(remote, Way { is_opened: true, ..self.to(remote) });
    }

    fn remember(&mut self, remote: SocketAddr, way: Way) {
        self.0.retain(|(known, _)| *known != remote);
        self.0.push_back((remote, way));
        let surplus = self.0.len().saturating_sub(MAX_WAYS);
        self.0.drain(..surplus);
    }
}

impl Way {
    /// What a link is by which it leads to `remote`. `plain` is what the address says of it;
    /// `lets_in` whether the own router lets everybody in, over that version of IP.
    pub fn path(self, remote: SocketAddr, plain: Path, dialed: bool, lets_in: bool) -> Path {
        let by_own = if self.is_opened {
            // Through a pinhole they came in, whatever was sent to them; behind a NAT they came to
            // the port that was opened, which is another one than the mapped.
            remote.is_ipv6()
        } else {
            !dialed && plain == Path::Direct
        };
        match self {
            // Where everybody is let in nothing had to be opened: a pinhole lets probes in, too.
            _ if self.is_mapped || (lets_in && by_own) => Path::Mapped,
            Self { is_opened: true, .. } => Path::Punched,
            _ => plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([203, 0, 113, 1], port))
    }

    #[test]
    fn addresses_that_were_got_through_to_are_bounded() {
        let mut ways = Ways::default();
        for port in 1..1000 {
            ways.opened(address(port));
        }
        assert_eq!(ways.0.len(), MAX_WAYS);
        assert!(ways.to(address(999)).is_opened && !ways.to(address(1)).is_opened);
        ways.mapped(address(1));
        ways.opened(address(1));
        assert_eq!(ways.to(address(1)), Way { is_mapped: true, is_opened: true });
    }

    #[test]
    fn each_way_is_what_it_is() {
        let [v4, v6] = [address(4001), "[2001:db8::1]:4001".parse().unwrap()];
        let nothing = Way::default();
        let opened = Way { is_opened: true, ..nothing };
        let mapped = Way { is_mapped: true, is_opened: true };
        for (way, remote, plain, dialed, lets_in, path) in [
            (nothing, v4, Path::Direct, true, false, Path::Direct),
            (nothing, v4, Path::Direct, true, true, Path::Direct),
            (nothing, v4, Path::Direct, false, true, Path::Mapped),
            (nothing, v6, Path::Direct, false, true, Path::Mapped),
            (nothing, v4, Path::Lan, false, true, Path::Lan),
            (opened, v4, Path::Direct, true, false, Path::Punched),
            (opened, v4, Path::Direct, false, true, Path::Punched),
            (opened, v6, Path::Direct, true, true, Path::Mapped),
            (opened, v6, Path::Direct, false, false, Path::Punched),
            (opened, v4, Path::Lan, true, false, Path::Punched),
            (mapped, v4, Path::Direct, true, false, Path::Mapped),
        ] {
            let case = format!("{way:?} {remote} {plain:?} {dialed} {lets_in}");
            assert_eq!(way.path(remote, plain, dialed, lets_in), path, "{case}");
        }
    }
}
