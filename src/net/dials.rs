//! Carrying out what the [`Dialer`](super::dialer::Dialer) wants, and remembering how it went.

use std::{collections::VecDeque, time::Instant};

use libp2p::{
    Multiaddr,
    core::transport::TransportError,
    swarm::{
        ConnectionId, DialError,
        dial_opts::{DialOpts, PeerCondition},
    },
};

use super::{Net, dialer::Target, listen::LISTENERS, seek};
use crate::node::api::Attempt;

/// Dials remembered, to be told of.
const MAX_ATTEMPTS: usize = 128;

impl Net {
    /// Whether this target is being dialed.
    pub fn is_trying(&self, target: &Target) -> bool {
        self.dialer.is_trying(Instant::now(), target)
    }

    /// The last dials to these, the oldest first.
    pub fn attempts<'a>(
        &'a self,
        targets: &'a VecDeque<Target>,
    ) -> impl Iterator<Item = &'a Attempt> {
        let attempts = self.attempts.iter().filter(|(_, target, _)| targets.contains(target));
        attempts.map(|(.., attempt)| attempt)
    }

    fn note_dial(&mut self, id: ConnectionId, target: &Target, addresses: &[Multiaddr]) {
        let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        let attempt = Attempt {
            path: "dial".to_owned(),
            address: addresses.join(", "),
            at: seek::wall_clock(),
            outcome: "under way".to_owned(),
        };
        self.attempts.push_back((id, target.clone(), attempt));
        if self.attempts.len() > MAX_ATTEMPTS {
            self.attempts.pop_front();
        }
    }

    pub(super) fn note_outcome(&mut self, id: ConnectionId, outcome: &str) {
        if let Some((.., attempt)) = self.attempts.iter_mut().find(|(known, ..)| *known == id) {
            outcome.clone_into(&mut attempt.outcome);
        }
    }

    pub(super) fn dial_due(&mut self) {
        let now = Instant::now();
        let until = *self.silent_until.get_or_insert(now + LISTENERS);
        if !self.silent.is_empty() && now < until {
            return;
        }
        while let Some(dial) = self.dialer.poll_dial(now) {
            tracing::debug!(?dial, "dialing");
            let addresses = dial.addresses.clone();
            let options = match &dial.target {
                Target::Peer(peer) => DialOpts::peer_id(*peer)
                    .condition(PeerCondition::Always)
                    .addresses(dial.addresses)
                    .build(),
                Target::Address(address) => {
                    DialOpts::unknown_peer_id().address(address.clone()).build()
                }
            };
            let id = options.connection_id();
            self.swarm.behaviour_mut().links.expect(id);
            match self.swarm.dial(options) {
                Ok(()) => {
                    self.note_dial(id, &dial.target, &addresses);
                    self.dials.insert(id, dial.target);
                }
                Err(error) => {
                    tracing::debug!(%error, "dial refused");
                    self.swarm.behaviour_mut().links.failed(id);
                    self.dialer.failed(&dial.target);
                }
            }
        }
    }
}

/// What a failed dial means, in words.
pub(super) fn outcome(error: &DialError) -> &'static str {
    match error {
        DialError::WrongPeerId { .. } => "somebody else answered",
        DialError::Denied { .. } => "too many connections",
        DialError::Transport(errors) => {
            let refused = |error: &TransportError<std::io::Error>| match error {
                TransportError::Other(error) => error.to_string().contains("refused"),
                TransportError::MultiaddrNotSupported(_) => false,
            };
            let all_refused = !errors.is_empty() && errors.iter().all(|(_, error)| refused(error));
            if all_refused { "refused: nobody listens there" } else { "no answer" }
        }
        _ => "not possible",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{net::Config, node::api::Scope};

    #[tokio::test]
    async fn the_last_dials_are_remembered() {
        let config = Config { scope: Scope::Offline, ..Config::default() };
        let mut net = Net::start(&config).unwrap();
        let address: Multiaddr = "/ip4/203.0.113.1/tcp/4001".parse().unwrap();
        let targets = [Target::Address(address.clone())];
        let id = |n: usize| ConnectionId::new_unchecked(n);
        for n in 0..MAX_ATTEMPTS + 9 {
            net.note_dial(id(n), &targets[0], std::slice::from_ref(&address));
            net.note_outcome(id(n), "no answer");
        }
        assert_eq!(net.attempts(&targets.into()).count(), MAX_ATTEMPTS);
        assert_eq!(net.attempts.front().map(|(id, ..)| *id), Some(id(9)), "the oldest went");
        assert_eq!(net.attempts.back().unwrap().2.outcome, "no answer");
        net.note_outcome(id(0), "connected");
        assert!(net.attempts.iter().all(|(.., attempt)| attempt.outcome == "no answer"));
    }
}
