//! TCP simultaneous open (RFC 9293, section 3.5), where a network lets no UDP out: both sides dial
//! each other from the port they listen on, and the two dials become one connection.
//!
//! Both are dialers then, but of two sides of a handshake one has to answer. Whoever has no NAT
//! plays the listener: the other's dial is accepted, or meets its own. Behind two NATs the
//! [`Side::Second`] does in most attempts; not in all, for if its dial is simply accepted the
//! other side is the listener already.

use std::time::{Duration, Instant};

use libp2p::swarm::{
    ConnectionId,
    dial_opts::{DialOpts, PeerCondition},
};

use super::{Seek, SeekId, peer_id};
use crate::net::{
    Net,
    quic::tcp_multiaddress,
    rendezvous::{Mapping, Record, Side},
};

/// After an attempt that failed. There is never more than one: a second one could not have the
/// same port.
const PAUSE: Duration = Duration::from_millis(300);

/// An attempt that neither failed nor led to a link is given up after this.
const PATIENCE: Duration = Duration::from_secs(8);

/// Attempts, of which each lasts as long as the transport lets a dial take: 30 s in all.
const MAX_ATTEMPTS: u8 = 6;

/// Attempts under way with somebody.
#[derive(Debug, Clone, Copy)]
pub struct Opening {
    attempts: u8,
    dial: Option<ConnectionId>,
    pub due: Instant,
}

impl Opening {
    /// The first attempt is due.
    pub fn new(now: Instant) -> Self {
        Self { attempts: 0, dial: None, due: now }
    }

    /// A dial failed, perhaps this one.
    pub fn failed(&mut self, dial: ConnectionId, now: Instant) {
        if self.dial.take_if(|own| *own == dial).is_some() {
            self.due = now + PAUSE;
        }
    }
}

/// Whether the same port is seen from everywhere.
pub fn is_foreseeable(record: &Record) -> bool {
    let mut seen = record.tcp.iter();
    let first = seen.next();
    first.is_some() && seen.all(|other| other.ip() != record.tcp[0].ip())
}

/// Whether the two can meet by TCP.
pub fn is_possible(own: &Record, their: &Record) -> bool {
    let open = |record: &Record| record.mapping == Mapping::None && !record.tcp.is_empty();
    open(own) || open(their) || (is_foreseeable(own) && is_foreseeable(their))
}

/// Whether this side plays the listener.
fn answers(attempt: u8, side: Side, own: Mapping, their: Mapping) -> bool {
    match (own == Mapping::None, their == Mapping::None) {
        (true, false) => true,
        (false, true) => false,
        (false, false) if attempt % 3 == 2 => false,
        _ => side == Side::Second,
    }
}

impl Net {
    /// Dials by TCP, if that is due. Returns whether there is no further attempt.
    pub(super) fn open_tcp(&mut self, id: SeekId, now: Instant) -> bool {
        let own = self.own_record();
        let Some(Seek { tcp: Some(opening), their: Some(their), side, .. }) =
            self.seeks.all.get_mut(&id)
        else {
            return false;
        };
        if opening.due > now {
            return false;
        }
        if opening.attempts >= MAX_ATTEMPTS {
            return true;
        }
        let answers = answers(opening.attempts, *side, own.mapping, their.mapping);
        opening.attempts += 1;
        opening.due = now + PATIENCE;
        let Some(peer) = peer_id(&their.peer) else { return false };
        let remotes = their.tcp.clone();
        let addresses: Vec<_> = remotes.iter().copied().map(tcp_multiaddress).collect();
        let options = DialOpts::peer_id(peer).condition(PeerCondition::Always).addresses(addresses);
        let options = if answers { options.override_role().build() } else { options.build() };
        let connection = options.connection_id();
        opening.dial = Some(connection);
        if own.mapping != Mapping::None && their.mapping != Mapping::None {
            for remote in remotes {
                self.seeks.ways.opened(remote);
            }
        }
        tracing::debug!(answers, "TCP simultaneous open");
        self.swarm.behaviour_mut().links.expect(connection);
        if self.swarm.dial(options).is_err() {
            self.swarm.behaviour_mut().links.failed(connection);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(tcp: &[&str], mapping: Mapping) -> Record {
        let tcp = tcp.iter().map(|a| a.parse().unwrap()).collect();
        Record { run: 1, tcp, mapping, ..Record::default() }
    }

    #[test]
    fn one_of_two_answers() {
        let kinds = [Mapping::None, Mapping::Independent, Mapping::Blocked];
        for (own, their) in kinds.iter().flat_map(|own| kinds.map(|their| (*own, their))) {
            for attempt in 0..MAX_ATTEMPTS {
                let one = answers(attempt, Side::First, own, their);
                let other = answers(attempt, Side::Second, their, own);
                let accepted = attempt % 3 == 2 && ![own, their].contains(&Mapping::None);
                assert_eq!(one != other, !accepted, "{own:?} {their:?} {attempt}");
            }
        }
        assert!(answers(0, Side::First, Mapping::None, Mapping::Blocked), "it has no NAT");
    }

    #[test]
    fn whether_two_can_meet_by_tcp() {
        let nat = record(&["203.0.113.1:4000"], Mapping::Blocked);
        let ports = ["203.0.113.2:4000", "203.0.113.2:5000"];
        let symmetric = record(&ports, Mapping::Dependent { step: 0 });
        let public = record(&["203.0.113.3:4000"], Mapping::None);
        let unknown = record(&[], Mapping::Blocked);
        assert!(is_possible(&nat, &nat));
        assert!(is_possible(&nat, &public));
        assert!(is_possible(&public, &symmetric));
        assert!(!is_possible(&nat, &symmetric));
        assert!(!is_possible(&symmetric, &symmetric));
        assert!(!is_possible(&nat, &unknown));
    }
}
