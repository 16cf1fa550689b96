//! What requests came to, by site: their statuses, and their times in queue and app.
//!
//! Counting is part of every request. Each thread of the front has counters of its own, which no other thread
//! writes, so that one more is a load and a store: no lock, no allocation, no instruction that locks the bus.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hotclub_app::Times;
use serde::{Deserialize, Serialize};

/// The statuses that a response may have.
const STATUSES: std::ops::Range<u16> = 100..1000;

/// Upper ends of the buckets of a [`Distribution`], in seconds; what is longer is in one bucket more. From the time
/// that an idle worker needs to wake up to the deadline of a request.
pub const BOUNDS: [f64; 16] = [
    0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    30.0,
];

/// One site's counters since the start of the program, also while its table is replaced.
#[derive(Debug)]
pub(crate) struct SiteCounts {
    threads: Box<[ThreadCounts]>,
}

/// What one thread has counted. Aligned, so that no two threads write one cache line.
#[derive(Debug)]
#[repr(align(128))]
struct ThreadCounts {
    statuses: Box<[AtomicU64]>,
    queue: Histogram,
    app: Histogram,
}

#[derive(Debug, Default)]
struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

/// What a site's requests came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SiteTotals {
    /// Those that came at all, with their counts.
    pub statuses: Vec<(u16, u64)>,
    /// From the front's hands to a worker's.
    pub queue: Distribution,
    /// From a worker's hands to the head of its answer.
    pub app: Distribution,
}

/// How long something took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// Counts by [`BOUNDS`], each bucket without those below it; the last is for what is longer.
    pub buckets: [u64; BOUNDS.len() + 1],
    /// Of all of them, in seconds.
    pub sum: f64,
}

impl SiteCounts {
    fn new(threads: usize) -> Self {
        let threads = (0..threads).map(|_| ThreadCounts {
            statuses: STATUSES.map(|_| AtomicU64::new(0)).collect(),
            queue: Histogram::default(),
            app: Histogram::default(),
        });
        Self {
            threads: threads.collect(),
        }
    }

    /// One more, on the front's thread `thread`. Times of zero were no app's.
    pub(crate) fn add(&self, thread: usize, status: u16, times: &Times) {
        let Some(counts) = self.threads.get(thread) else {
            return;
        };
        let index = status.checked_sub(STATUSES.start).map(usize::from);
        if let Some(count) = index.and_then(|index| counts.statuses.get(index)) {
            grow(count, 1);
        }
        if !times.queued.is_zero() {
            counts.queue.add(times.queued);
        }
        if !times.app.is_zero() {
            counts.app.add(times.app);
        }
    }

    fn totals(&self) -> SiteTotals {
        let mut totals = SiteTotals::default();
        for (index, status) in STATUSES.enumerate() {
            let counts = self.threads.iter().filter_map(|of| of.statuses.get(index));
            let sum: u64 = counts.map(|count| count.load(Relaxed)).sum();
            if sum > 0 {
                totals.statuses.push((status, sum));
            }
        }
        for thread in &self.threads {
            thread.queue.add_to(&mut totals.queue);
            thread.app.add_to(&mut totals.app);
        }
        totals
    }
}

impl Histogram {
    fn add(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        let bucket = BOUNDS.partition_point(|bound| *bound < seconds);
        grow(&self.buckets[bucket], 1);
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        grow(&self.nanoseconds, nanoseconds);
    }

    fn add_to(&self, sum: &mut Distribution) {
        for (total, count) in sum.buckets.iter_mut().zip(&self.buckets) {
            *total += count.load(Relaxed);
        }
        sum.sum += Duration::from_nanos(self.nanoseconds.load(Relaxed)).as_secs_f64();
    }
}

/// Only the thread that owns `count` writes it: nothing can come between the load and the store.
fn grow(count: &AtomicU64, by: u64) {
    count.store(count.load(Relaxed).wrapping_add(by), Relaxed);
}

/// The counters of all sites that there have been.
#[derive(Debug)]
pub(crate) struct Registry {
    threads: usize,
    /// Of requests that were not understood, or whose host is no site's.
    siteless: SiteCounts,
    sites: Mutex<BTreeMap<String, Arc<SiteCounts>>>,
}

impl Registry {
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            threads,
            siteless: SiteCounts::new(threads),
            sites: Mutex::default(),
        }
    }

    pub(crate) fn siteless(&self) -> &SiteCounts {
        &self.siteless
    }

    /// The counters of the site of this name, new or known.
    pub(crate) fn of(&self, name: &str) -> Arc<SiteCounts> {
        let mut sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counts) = sites.get(name) {
            return Arc::clone(counts);
        }
        let counts = Arc::new(SiteCounts::new(self.threads));
        sites.insert(name.to_owned(), Arc::clone(&counts));
        counts
    }

    /// By name; that of no site is empty.
    pub(crate) fn totals(&self) -> Vec<(String, SiteTotals)> {
        let sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        let named = sites
            .iter()
            .map(|(name, counts)| (name.clone(), counts.totals()));
        let siteless = (String::new(), self.siteless.totals());
        std::iter::once(siteless).chain(named).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(queued: u64, app: u64) -> Times {
        Times {
            queued: Duration::from_micros(queued),
            app: Duration::from_micros(app),
        }
    }

    #[test]
    fn what_threads_count_apart_is_added_up() {
        let registry = Registry::new(2);
        let site = registry.of("a");
        site.add(0, 200, &times(50, 3_000));
        site.add(1, 200, &times(100, 40_000_000));
        registry.of("a").add(1, 404, &Times::default());
        registry.siteless().add(0, 400, &Times::default());
        let all = registry.totals();
        assert_eq!(all[0].0, "");
        assert_eq!(all[0].1.statuses, [(400, 1)]);
        let (name, totals) = &all[1];
        assert_eq!(name, "a");
        assert_eq!(totals.statuses, [(200, 2), (404, 1)]);
        assert_eq!(totals.queue.buckets[0], 2, "a bound belongs to its bucket");
        assert_eq!(totals.queue.buckets.iter().sum::<u64>(), 2);
        assert_eq!((totals.app.buckets[4], totals.app.buckets[16]), (1, 1));
        assert!((totals.app.sum - 40.003).abs() < 1e-9);
    }

    #[test]
    fn what_cannot_be_counted_does_no_harm() {
        let registry = Registry::new(1);
        for (thread, status) in [(1, 200), (0, 0), (0, 99), (0, 1000)] {
            registry.siteless().add(thread, status, &Times::default());
        }
        assert_eq!(registry.totals()[0].1, SiteTotals::default());
    }
}
