//! Counts what happens too often for a log line each, and says when a line is due.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// Milliseconds between two lines.
const PAUSE: u64 = 1000;

#[derive(Debug, Default)]
pub(crate) struct Tally {
    started: OnceLock<Instant>,
    total: AtomicU64,
    told: AtomicU64,
    /// One more than the millisecond of the last line; 0: none yet.
    last: AtomicU64,
}

impl Tally {
    /// One more. Once a second at most: how many there were since the last line.
    pub(crate) fn add(&self) -> Option<u64> {
        let total = self.total.fetch_add(1, Relaxed) + 1;
        let elapsed = self.started.get_or_init(Instant::now).elapsed();
        let now = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX - PAUSE - 1) + 1;
        let due = |last| (last == 0 || now >= last + PAUSE).then_some(now);
        self.last.fetch_update(Relaxed, Relaxed, due).ok()?;
        Some(total.saturating_sub(self.told.swap(total, Relaxed)))
    }

    pub(crate) fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_and_the_next_are_counted() {
        let tally = Tally::default();
        assert_eq!(tally.add(), Some(1));
        assert_eq!(tally.add(), None);
        assert_eq!(tally.add(), None);
        assert_eq!(tally.total(), 3);
        tally.last.store(0, Relaxed);
        assert_eq!(tally.add(), Some(3));
    }
}
