//! Who is in service: a pure state machine of one upstream.
//!
//! Two things are known of it. What requests met (passive): after `max_fails` failures in a row it is
//! left alone for a pause that doubles; then one request tries it, and the others keep away until that
//! one has an answer or another pause is over. And what the health check met (active), if there is
//! one: it can take an upstream out for as long as it fails, and put it back at once.

use std::time::{Duration, Instant};

/// The longest pause: an upstream that came back is found within a minute.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Failed checks in a row that take an upstream out: one may be bad luck. One good one puts it back.
const CHECKS: u32 = 2;

/// When an upstream is left alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// Failures in a row; 0: never.
    pub(crate) max_fails: u32,
    /// The first pause.
    pub(crate) pause: Duration,
}

/// What is known of an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Health {
    requests: Requests,
    checks: Checks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Requests {
    Well {
        /// In a row.
        failures: u32,
    },
    Paused {
        until: Instant,
        /// Pauses so far, this one included.
        pauses: u32,
        /// The last one is over, and a request finds out whether it was long enough.
        tried: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Checks {
    /// None was made yet: it is believed to be well.
    Unknown,
    Well {
        failures: u32,
    },
    Failing,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A request was sent to it.
    Asked,
    /// A request was answered, whatever the status.
    Answered,
    /// It took no connection, or gave no answer that is one.
    Failed,
    CheckPassed,
    CheckFailed,
}

/// What the log should hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// After failed requests.
    Paused(Duration),
    /// After failed checks.
    TakenOut,
    Back,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            requests: Requests::Well { failures: 0 },
            checks: Checks::Unknown,
        }
    }
}

impl Health {
    /// Whether it may be asked.
    pub(crate) fn is_available(self, now: Instant) -> bool {
        self.may_be_tried()
            && !matches!(self.requests, Requests::Paused { until, .. } if now < until)
    }

    /// Whether it may be asked when nobody else is left: failed requests are a guess, failed checks
    /// are an answer.
    pub(crate) fn may_be_tried(self) -> bool {
        self.checks != Checks::Failing
    }

    /// When its pause ends; `None`: it has none.
    pub(crate) fn paused_until(self) -> Option<Instant> {
        match self.requests {
            Requests::Paused { until, .. } => Some(until),
            Requests::Well { .. } => None,
        }
    }

    /// What is known after `event`.
    pub(crate) fn step(self, event: Event, now: Instant, policy: Policy) -> (Self, Option<Change>) {
        match event {
            Event::Asked => (self.asked(now, policy), None),
            Event::Answered => self.answered(),
            Event::Failed => self.failed(now, policy),
            Event::CheckPassed => self.check_passed(),
            Event::CheckFailed => self.check_failed(),
        }
    }

    /// The one that tries after a pause keeps the others away for as long again.
    fn asked(self, now: Instant, policy: Policy) -> Self {
        match self.requests {
            Requests::Paused { until, pauses, .. } if until <= now => Self {
                requests: Requests::Paused {
                    until: now + pause(policy, pauses),
                    pauses,
                    tried: true,
                },
                ..self
            },
            _ => self,
        }
    }

    fn answered(self) -> (Self, Option<Change>) {
        let was_paused = self.paused_until().is_some();
        let well = Self {
            requests: Requests::Well { failures: 0 },
            ..self
        };
        (well, was_paused.then_some(Change::Back))
    }

    fn failed(self, now: Instant, policy: Policy) -> (Self, Option<Change>) {
        let pauses = match self.requests {
            Requests::Well { failures } => {
                let failures = failures.saturating_add(1);
                if failures < policy.max_fails || policy.max_fails == 0 {
                    let requests = Requests::Well { failures };
                    return (Self { requests, ..self }, None);
                }
                1
            }
            // It was under way when the others failed, and says nothing new.
            Requests::Paused { tried: false, .. } => return (self, None),
            Requests::Paused { pauses, .. } => pauses.saturating_add(1),
        };
        let length = pause(policy, pauses);
        let requests = Requests::Paused {
            until: now + length,
            pauses,
            tried: false,
        };
        (Self { requests, ..self }, Some(Change::Paused(length)))
    }

    fn check_passed(self) -> (Self, Option<Change>) {
        let was_out = self.checks == Checks::Failing || self.paused_until().is_some();
        let well = Self {
            requests: Requests::Well { failures: 0 },
            checks: Checks::Well { failures: 0 },
        };
        (well, was_out.then_some(Change::Back))
    }

    fn check_failed(self) -> (Self, Option<Change>) {
        let (checks, change) = match self.checks {
            Checks::Failing => (Checks::Failing, None),
            Checks::Well { failures } if failures + 1 < CHECKS => {
                let failures = failures + 1;
                (Checks::Well { failures }, None)
            }
            // Nothing good was ever heard of it, or too little of late.
            Checks::Well { .. } | Checks::Unknown => (Checks::Failing, Some(Change::TakenOut)),
        };
        (Self { checks, ..self }, change)
    }
}

/// The length of the pause with this number, from 1.
fn pause(policy: Policy, number: u32) -> Duration {
    let doublings = number.saturating_sub(1).min(16);
    policy
        .pause
        .saturating_mul(1 << doublings)
        .min(PAUSE_MAX.max(policy.pause))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        max_fails: 3,
        pause: Duration::from_secs(2),
    };

    /// Seconds after the start, what happens, who may be asked afterwards, what the log hears.
    type Row = (u64, Event, bool, Option<Change>);

    fn run(policy: Policy, rows: &[Row]) -> Health {
        let start = Instant::now();
        let mut health = Health::default();
        for (number, (second, event, available, change)) in rows.iter().enumerate() {
            let now = start + Duration::from_secs(*second);
            let (next, told) = health.step(*event, now, policy);
            assert_eq!(told, *change, "row {number}: {event:?}");
            assert_eq!(
                next.is_available(now),
                *available,
                "row {number}: {event:?}"
            );
            health = next;
        }
        health
    }

    fn paused(seconds: u64) -> Option<Change> {
        Some(Change::Paused(Duration::from_secs(seconds)))
    }

    #[test]
    fn three_failures_in_a_row_are_an_outage_and_an_answer_between_them_is_none() {
        use Event::{Answered, Failed};
        run(
            POLICY,
            &[
                (0, Failed, true, None),
                (0, Failed, true, None),
                (0, Answered, true, None),
                (0, Failed, true, None),
                (0, Failed, true, None),
                (0, Failed, false, paused(2)),
            ],
        );
    }

    #[test]
    fn after_a_pause_one_tries_and_the_next_pause_is_longer() {
        use Event::{Answered, Asked, Failed};
        let once = Policy {
            max_fails: 1,
            ..POLICY
        };
        run(
            once,
            &[
                (0, Failed, false, paused(2)),
                (1, Asked, false, None),
                // Taken: nobody else tries before the next pause is over.
                (2, Asked, false, None),
                (3, Failed, false, paused(4)),
                (7, Asked, false, None),
                (7, Failed, false, paused(8)),
                (15, Asked, false, None),
                (15, Answered, true, Some(Change::Back)),
                (15, Failed, false, paused(2)),
            ],
        );
    }

    #[test]
    fn a_try_that_never_ends_keeps_the_others_away_for_one_pause_only() {
        use Event::{Asked, Failed};
        let once = Policy {
            max_fails: 1,
            ..POLICY
        };
        let health = run(
            once,
            &[(0, Failed, false, paused(2)), (2, Asked, false, None)],
        );
        let until = health.paused_until().unwrap();
        assert!(health.is_available(until));
    }

    #[test]
    fn what_was_under_way_when_it_failed_makes_the_first_pause_no_longer() {
        use Event::{Asked, Failed};
        let once = Policy {
            max_fails: 1,
            ..POLICY
        };
        run(
            once,
            &[
                (0, Failed, false, paused(2)),
                (0, Failed, false, None),
                (1, Failed, false, None),
                (2, Asked, false, None),
                (3, Failed, false, paused(4)),
            ],
        );
    }

    #[test]
    fn no_number_of_failures_counts_where_none_should() {
        let never = Policy {
            max_fails: 0,
            ..POLICY
        };
        run(never, &[(0, Event::Failed, true, None); 50]);
    }

    #[test]
    fn pauses_grow_to_a_minute_and_no_further() {
        let lengths: Vec<_> = (1..9)
            .map(|number| pause(POLICY, number).as_secs())
            .collect();
        assert_eq!(lengths, [2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(pause(POLICY, u32::MAX).as_secs(), 60);
        let long = Policy {
            pause: Duration::from_secs(600),
            ..POLICY
        };
        assert_eq!(pause(long, 1).as_secs(), 600);
    }

    #[test]
    fn checks_take_out_after_two_failures_and_put_back_after_one_pass() {
        use Event::{Answered, CheckFailed, CheckPassed, Failed};
        let health = run(
            POLICY,
            &[
                (0, CheckPassed, true, None),
                (5, CheckFailed, true, None),
                (10, CheckPassed, true, None),
                (15, CheckFailed, true, None),
                (20, CheckFailed, false, Some(Change::TakenOut)),
                (21, Answered, false, None),
                (25, CheckFailed, false, None),
                (30, CheckPassed, true, Some(Change::Back)),
                (31, Failed, true, None),
                (31, Failed, true, None),
                (31, Failed, false, paused(2)),
                (32, CheckPassed, true, Some(Change::Back)),
            ],
        );
        assert!(health.may_be_tried());
    }

    #[test]
    fn one_that_never_passed_a_check_is_out_after_the_first() {
        let health = run(
            POLICY,
            &[(0, Event::CheckFailed, false, Some(Change::TakenOut))],
        );
        assert!(!health.may_be_tried());
    }
}
