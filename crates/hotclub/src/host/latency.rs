//! How long an app takes for its answers, from what was counted between two looks.

use hotclub_front::{BOUNDS, Distribution};
use serde::{Deserialize, Serialize};

/// Seconds from a worker's hands to the head of its answer: half of all answers were faster than `p50`, and so on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
}

impl Latency {
    /// `None`: nothing was answered meanwhile.
    pub(super) fn between(before: &Distribution, now: &Distribution) -> Option<Self> {
        let counts = now.buckets.iter().zip(&before.buckets);
        let counts: Vec<u64> = counts
            .map(|(now, before)| now.saturating_sub(*before))
            .collect();
        let all: u64 = counts.iter().sum();
        let part = |part: f64| percentile(&counts, part * all as f64);
        (all > 0).then(|| Self {
            p50: part(0.5),
            p95: part(0.95),
            p99: part(0.99),
        })
    }
}

/// Where so many have been counted, as if those of a bucket lay evenly in it.
fn percentile(counts: &[u64], rank: f64) -> f64 {
    let mut counted = 0.0;
    for (at, count) in counts.iter().enumerate() {
        let next = counted + *count as f64;
        if next >= rank && *count > 0 {
            let from = at.checked_sub(1).map_or(0.0, |below| BOUNDS[below]);
            // What is longer than all bounds is said to be as long as the longest.
            let to = BOUNDS.get(at).copied().unwrap_or(from);
            return from + (to - from) * (rank - counted) / *count as f64;
        }
        counted = next;
    }
    BOUNDS[BOUNDS.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_lie_in_the_buckets_of_their_ranks() {
        let (mut before, mut now) = (Distribution::default(), Distribution::default());
        assert_eq!(Latency::between(&before, &now), None);
        before.buckets[0] = 1000;
        now.buckets[0] = 1000;
        // From 0.005 to 0.01 s, and beyond all bounds.
        now.buckets[5] = 98;
        now.buckets[BOUNDS.len()] = 2;
        let latency = Latency::between(&before, &now).unwrap();
        assert!((0.0075..0.0077).contains(&latency.p50), "{latency:?}");
        assert!((0.0098..=0.01).contains(&latency.p95), "{latency:?}");
        assert!((latency.p99 - 30.0).abs() < 1e-9, "{latency:?}");
    }
}
