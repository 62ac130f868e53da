//! How far files have come: bars on a terminal, lines elsewhere. Both on standard error, so that
//! standard output has results alone.

use std::io::{self, IsTerminal};

use indicatif::{BinaryBytes, MultiProgress, ProgressBar, ProgressStyle};

/// What a bar shows.
const BAR: &str =
    "{msg} [{bar:24}] {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}";

/// Everything that is under way.
pub struct Progress {
    /// None: lines.
    bars: Option<MultiProgress>,
}

impl Progress {
    /// On this process's standard error.
    pub fn new() -> Self {
        Self { bars: io::stderr().is_terminal().then(MultiProgress::new) }
    }

    /// Says something, above all bars.
    pub fn note(&self, text: &str) {
        let said = self.bars.as_ref().map(|bars| bars.println(text));
        if !matches!(said, Some(Ok(()))) {
            eprintln!("{text}");
        }
    }

    /// A file of so many bytes.
    pub fn file(&self, name: &str, total: u64) -> File {
        let bar = self.bars.as_ref().map(|bars| {
            let style = ProgressStyle::with_template(BAR);
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            // In letters that every terminal has.
            let style = style.progress_chars("=> ");
            let bar = ProgressBar::new(total).with_style(style).with_message(name.to_owned());
            let bar = bars.add(bar);
            bar.tick();
            bar
        });
        File { name: name.to_owned(), total, done: 0, bar }
    }
}

/// A file on its way.
pub struct File {
    name: String,
    total: u64,
    done: u64,
    bar: Option<ProgressBar>,
}

impl File {
    /// So many bytes are there.
    pub fn set(&mut self, done: u64) {
        let before = std::mem::replace(&mut self.done, done.min(self.total));
        match &self.bar {
            Some(bar) => bar.set_position(self.done),
            None => {
                if let Some(tenth) = tenth(before, self.done, self.total) {
                    eprintln!("{}: {tenth}0 % of {}", self.name, BinaryBytes(self.total));
                }
            }
        }
    }

    /// So many more are there.
    pub fn add(&mut self, bytes: u64) {
        self.set(self.done.saturating_add(bytes));
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// It is over, well or not.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The tenth that was reached; the last says nothing that is not said anyway.
fn tenth(before: u64, done: u64, total: u64) -> Option<u64> {
    let tenth = |bytes: u64| u128::from(bytes) * 10 / u128::from(total.max(1));
    let reached = tenth(done);
    let reached = Some(reached).filter(|reached| *reached > tenth(before) && *reached < 10);
    reached.and_then(|reached| u64::try_from(reached).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tenth_is_said_once_and_neither_the_first_nor_the_last() {
        let said = |steps: &[u64], total| {
            let steps = steps.windows(2).filter_map(|two| tenth(two[0], two[1], total));
            steps.collect::<Vec<_>>()
        };
        let all: Vec<_> = (0..=1000).collect();
        assert_eq!(said(&all, 1000), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(said(&[0, 550, 560, 1000], 1000), [5]);
        assert_eq!(said(&[0, u64::MAX / 2, u64::MAX], u64::MAX), [4]);
        assert_eq!(said(&[0, 0], 0), [0_u64; 0]);
    }
}
