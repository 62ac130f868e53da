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
    /// Until when no others are looked up; none: for as long as the name is in use, if there are any.
    until: Option<Instant>,
    /// For how long that was the last time.
    pause: Duration,
}

impl Name {
    /// These nodes.
    #[cfg(test)]
    pub fn of(nodes: Vec<PeerId>) -> Self {
        Self { nodes, ..Self::default() }
    }

    /// Whether others are to be looked up.
    pub fn wants_others(&self, now: Instant) -> bool {
        !self.is_looked_up && self.until.map_or(self.nodes.is_empty(), |until| now >= until)
    }

    /// No others are looked up for this time.
    pub fn wait(&mut self, now: Instant, pause: Duration) {
        self.until = Some(now + pause);
    }

    /// The same for twice as long as the last time, within these bounds. Returns until when.
    pub fn wait_longer(&mut self, now: Instant, least: Duration, most: Duration) -> Instant {
        self.pause = (2 * self.pause).clamp(least, most);
        let until = now + self.pause;
        self.until = Some(until);
        until
    }

    /// These were found.
    pub fn found(&mut self, nodes: Vec<PeerId>) {
        *self = Self { nodes, pause: self.pause, ..Self::default() };
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
        let mut name = Name::of(nodes.clone());
        let asked: Vec<_> = (0..7).flat_map(|_| name.turn(3)).collect();
        assert_eq!(asked.len(), 7 * 3);
        for node in &nodes {
            assert_eq!(asked.iter().filter(|asked| *asked == node).count(), 3);
        }
        assert_eq!(Name::default().turn(3), []);
        let mut two = Name::of(nodes[..2].to_vec());
        assert_eq!(two.turn(3), nodes[..2]);
    }

    #[test]
    fn others_are_looked_up_when_it_is_time() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut name = Name::default();
        assert!(name.wants_others(now));
        name.is_looked_up = true;
        assert!(!name.wants_others(now));
        name.found(vec![PeerId::random()]);
        assert!(!name.wants_others(now + 9999 * second));
        name.wait(now, second);
        assert!(!name.wants_others(now) && name.wants_others(now + second));
        let mut pauses = [2, 4, 5, 5].into_iter();
        assert!(pauses.all(|n| name.wait_longer(now, 2 * second, 5 * second) == now + n * second));
        name.found(Vec::new());
        name.wait_longer(now, second, 20 * second);
        assert!(!name.wants_others(now + 9 * second) && name.wants_others(now + 10 * second));
        name.wait_longer(now, second, 20 * second);
        name.ends(now);
        assert!(name.wants_others(now));
    }
}
