//! How long to wait before something that keeps dying is started again.

use std::time::Duration;

/// The first restarts are immediate: most deaths are single events.
const FREE_RESTARTS: u32 = 3;
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(10);
/// A child that lived this long was healthy: its death begins a new count.
const HEALTHY: Duration = Duration::from_secs(10);

/// Counts quick deaths; pure, the caller has the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    quick_deaths: u32,
}

impl Backoff {
    /// Notes a death after `lived` and says how long to wait before the next start. A child that was
    /// `useful` (it did some of its work) is no part of a crash loop, however short its life.
    pub fn after_death(&mut self, lived: Duration, useful: bool) -> Duration {
        if useful || lived >= HEALTHY {
            self.quick_deaths = 0;
        }
        self.quick_deaths += 1;
        let Some(doublings) = self.quick_deaths.checked_sub(FREE_RESTARTS + 1) else {
            return Duration::ZERO;
        };
        FIRST_DELAY
            .saturating_mul(1 << doublings.min(10))
            .min(LONGEST_DELAY)
    }

    /// Whether restarts are being held back: a crash loop.
    #[must_use]
    pub fn is_looping(&self) -> bool {
        self.quick_deaths > FREE_RESTARTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_deaths_are_answered_at_once_and_a_crash_loop_backs_off_to_a_bound() {
        let mut backoff = Backoff::default();
        let delays: Vec<_> = (0..14)
            .map(|_| {
                backoff
                    .after_death(Duration::from_millis(5), false)
                    .as_millis()
            })
            .collect();
        assert_eq!(delays[..6], [0, 0, 0, 100, 200, 400]);
        assert_eq!(delays[13], 10_000);
        assert!(backoff.is_looping());
    }

    #[test]
    fn a_long_life_ends_the_crash_loop() {
        let mut backoff = Backoff::default();
        for _ in 0..8 {
            backoff.after_death(Duration::ZERO, false);
        }
        assert_eq!(
            backoff.after_death(Duration::from_secs(60), false),
            Duration::ZERO
        );
        assert!(!backoff.is_looping());
    }

    #[test]
    fn deaths_of_children_that_did_some_work_never_add_up_to_a_loop() {
        let mut backoff = Backoff::default();
        let delays = (0..1000).map(|_| backoff.after_death(Duration::from_millis(5), true));
        assert!(delays.into_iter().all(|delay| delay.is_zero()));
    }
}
