//! A name in the public DHT, as far as it is known who stands close to it.

use std::time::{Duration, Instant};

use libp2p::PeerId;

/// The nodes closest to a name.
#[derive(Default)]
pub struct Name {
    pub nodes: Vec<PeerId>,
    /// Who is asked next.
    next: usize,
    pub is_looked_up: bool,
    /// One did not answer, and another is asked in its place.
    is_asked_again: bool,
    /// Until when they are good enough; none: for as long as the name is in use.
    until: Option<Instant>,
    /// For how long those were good enough that the last unfinished look-up led to.
    pub pause: Duration,
}

impl Name {
    /// These nodes, until when they are good enough, and [`Self::pause`].
    pub fn of(nodes: Vec<PeerId>, until: Option<Instant>, pause: Duration) -> Self {
        Self { nodes, until, pause, ..Self::default() }
    }

    /// Whether there are any that still count.
    pub fn is_usable(&self, now: Instant) -> bool {
        !self.nodes.is_empty() && self.until.is_none_or(|until| now < until)
    }

    /// Others may be found now, if these were good enough for a time only.
    pub fn ends(&mut self, now: Instant) {
        self.until = self.until.map(|until| until.min(now));
    }

    /// Who is to be asked now.
    pub fn turn(&mut self, count: usize) -> Vec<PeerId> {
        let count = count.min(self.nodes.len());
        let turn = self.nodes.iter().cycle().skip(self.next).take(count).copied().collect();
        self.next = (self.next + count) % self.nodes.len().max(1);
        turn
    }

    /// A node does not answer. Returns whether another is to be asked at once: for one of two that
    /// are lost, as it may be that nobody can be reached.
    pub fn lose(&mut self, node: PeerId) -> bool {
        self.nodes.retain(|known| *known != node);
        self.is_asked_again = !self.is_asked_again && !self.nodes.is_empty();
        self.is_asked_again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_nodes_of_a_name_have_their_turn() {
        let nodes: Vec<_> = (0..7).map(|_| PeerId::random()).collect();
        let mut name = Name::of(nodes.clone(), None, Duration::ZERO);
        let asked: Vec<_> = (0..7).flat_map(|_| name.turn(3)).collect();
        assert_eq!(asked.len(), 7 * 3);
        for node in &nodes {
            assert_eq!(asked.iter().filter(|asked| *asked == node).count(), 3);
        }
        assert_eq!(Name::default().turn(3), []);
        let now = Instant::now();
        let unfinished = Name::of(nodes.clone(), Some(now), Duration::ZERO);
        assert!(name.is_usable(now) && !unfinished.is_usable(now));
        let mut two = Name::of(nodes[..2].to_vec(), None, Duration::ZERO);
        assert_eq!(two.turn(3), nodes[..2]);
    }
}
