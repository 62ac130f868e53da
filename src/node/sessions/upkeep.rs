//! What is sent over a link, and whether the link still lives.

use std::time::{Duration, Instant};

use libp2p::Multiaddr;

use super::{Stage, Waiting};
use crate::{
    net::{LinkId, address::is_quic},
    node::run::Node,
    sync::Message,
};

/// Over TCP, which has no keep-alive of its own, a ping goes out when nothing was heard for so long:
/// it keeps the NAT's mapping, and finds dead connections.
const QUIET: Duration = Duration::from_secs(20);

/// QUIC keeps itself alive. Whether the program behind it lives as well is asked when not even the
/// other's `Have` has come, twice.
const QUIET_OVER_QUIC: Duration = Duration::from_secs(150);

/// A ping goes out when what was sent is not acknowledged for so long …
const UNANSWERED: Duration = Duration::from_millis(1000);

/// … and so long after the ping the link is given up: the next dial finds out whether the other
/// side can still be reached. A cut of some seconds is mended as soon as it ends.
const PING_TIMEOUT: Duration = Duration::from_millis(1500);

/// At most so many times [`PING_TIMEOUT`] is waited: a slow link is given more time after each
/// time that it was given up, until something came across.
const MAX_PATIENCE: u32 = 16;

/// Somebody who brings an invite says what follows within this.
const PAIRING: Duration = Duration::from_secs(30);

/// Messages that may wait for room in a link. A contact that reads nothing but asks for more is
/// cut off beyond it.
const MAX_QUEUED: usize = 64;

/// How often both sides say what they have, though nothing happened.
const HAVE_INTERVAL: Duration = Duration::from_secs(60);

/// What is to be done about a link, to find out whether it lives.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    Nothing,
    Ping,
    GiveUp,
}

/// Of a link to this address, from which nothing was heard for `silence`.
fn due(
    waiting: Waiting,
    silence: Duration,
    at: Instant,
    address: &Multiaddr,
    patience: u32,
) -> Due {
    let quiet = if is_quic(address) { QUIET_OVER_QUIC } else { QUIET };
    match waiting {
        Waiting::Pong(since) if at - since >= PING_TIMEOUT * patience => Due::GiveUp,
        Waiting::Answer(since) if at - since >= UNANSWERED => Due::Ping,
        Waiting::Nothing if silence >= quiet => Due::Ping,
        _ => Due::Nothing,
    }
}

impl Node {
    /// Something that was sent has come across; what was sent after it is waited for anew.
    pub(in crate::node) fn came_across(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Stage::Standing(standing) = &link.stage else { return };
        if standing.exchange.is_waiting() {
            link.waiting = Waiting::Answer(Instant::now());
        }
        if let Some(person) = self.people.get_mut(&standing.who) {
            person.patience = 1;
        }
    }

    /// Sends a message now, or when the link has room.
    pub(in crate::node) fn send(&mut self, id: LinkId, message: Message) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let asks = matches!(message, Message::Entries { .. } | Message::Ping);
        if asks && matches!(link.waiting, Waiting::Nothing) {
            link.waiting = Waiting::Answer(Instant::now());
        }
        let Stage::Standing(standing) = &mut link.stage else {
            // A link that begins has room; one that has none is of no use.
            if link.outgoing.try_send(message).is_err() {
                self.close_link(id);
            }
            return;
        };
        if standing.waiting.len() >= MAX_QUEUED {
            return self.close_link(id);
        }
        standing.waiting.push_back(message);
        standing.drain(&link.outgoing);
    }

    /// Looks after the links, twice a second: do they live, is a `Have` due, is there room again?
    ///
    /// While the front end leaves no room for events, messages wait unread, so nobody is judged by
    /// their silence.
    pub(in crate::node) fn look_after_links(&mut self, room: bool) {
        if self.stopping {
            return;
        }
        if !room {
            for link in self.links.values_mut() {
                link.heard = Instant::now();
                link.waiting = Waiting::Nothing;
            }
            return;
        }
        self.show_absent();
        self.look_after_files();
        if self.shown_links != self.net.links() {
            self.show_network();
        }
        let at = Instant::now();
        let ids: Vec<_> = self.links.keys().copied().collect();
        for id in ids {
            let Some(link) = self.links.get_mut(&id) else { continue };
            let Stage::Standing(standing) = &mut link.stage else {
                if at - link.heard >= PAIRING {
                    self.close_link(id);
                }
                continue;
            };
            let person = self.people.get_mut(&standing.who);
            let patience = person.as_ref().map_or(1, |person| person.patience);
            if at - standing.last_have >= HAVE_INTERVAL {
                standing.have_due = true;
            }
            match due(link.waiting, at - link.heard, at, &link.address, patience) {
                Due::GiveUp => {
                    tracing::debug!(?id, "no answer: the link is given up");
                    if let Some(person) = person {
                        person.patience = (patience * 2).min(MAX_PATIENCE);
                    }
                    self.close_link(id);
                    continue;
                }
                Due::Ping => {
                    link.waiting = Waiting::Pong(at);
                    self.send(id, Message::Ping);
                }
                Due::Nothing => {}
            }
            self.pump(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_says_nothing_is_asked_and_then_given_up() {
        let tcp: Multiaddr = "/ip4/192.0.2.1/tcp/1".parse().unwrap();
        let quic: Multiaddr = "/ip4/192.0.2.1/udp/1/quic-v1".parse().unwrap();
        let (at, second) = (Instant::now(), Duration::from_secs(1));
        let have = HAVE_INTERVAL + second;
        for (address, silence, expected) in [
            (&tcp, second * 19, Due::Nothing),
            (&tcp, second * 20, Due::Ping),
            // One `Have` may be lost on the way to a program that lives.
            (&quic, 2 * have, Due::Nothing),
            (&quic, second * 150, Due::Ping),
        ] {
            assert_eq!(due(Waiting::Nothing, silence, at, address, 1), expected, "{address}");
        }
        for address in [&tcp, &quic] {
            let later = |waiting, ago, patience| due(waiting, ago, at + ago, address, patience);
            let asked = Waiting::Pong(at);
            assert_eq!(later(asked, second, 1), Due::Nothing);
            assert_eq!(later(asked, second * 2, 1), Due::GiveUp);
            let slow = later(asked, second * 2, 2);
            assert_eq!(slow, Due::Nothing, "one that was slow before is given more time");
            let sent = Waiting::Answer(at);
            assert_eq!(later(sent, second / 2, 1), Due::Nothing);
            assert_eq!(later(sent, second, 1), Due::Ping);
        }
    }
}
