//! So many a second of something, and no more.

use std::time::Instant;

/// See the module's documentation. Pure.
#[derive(Debug)]
pub struct Rate {
    a_second: u32,
    most: u32,
    left: u32,
    /// When they were counted last.
    at: Instant,
}

impl Rate {
    /// So many a second; after a pause, and at first, at most so many at once.
    pub fn new(a_second: u32, most: u32, now: Instant) -> Self {
        Self { a_second, most, left: most, at: now }
    }

    /// Whether there may be one more, which is counted.
    pub fn allows(&mut self, now: Instant) -> bool {
        let gained = now.saturating_duration_since(self.at).as_micros() * u128::from(self.a_second);
        let gained = u32::try_from(gained / 1_000_000).unwrap_or(u32::MAX);
        let left = self.left.saturating_add(gained).min(self.most);
        // What is less than a whole one counts on.
        self.at = if gained > 0 { now } else { self.at };
        self.left = left.saturating_sub(1);
        left > 0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn there_are_so_many_a_second_and_after_a_pause_no_more_than_at_first() {
        let now = Instant::now();
        let mut rate = Rate::new(2000, 200, now);
        let mut count = |from: Duration, step: Duration| {
            let tries = (0..20_000).map(|n| now + from + step * n);
            tries.filter(|at| rate.allows(*at)).count()
        };
        // Five times as many are wanted, for two seconds.
        let two_seconds = count(Duration::ZERO, Duration::from_micros(100));
        assert!((3900..=4200).contains(&two_seconds), "{two_seconds}");
        assert_eq!(count(Duration::from_secs(60), Duration::ZERO), 200);
    }
}
