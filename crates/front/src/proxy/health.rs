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
            Requests::Paused { until, pauses } if until <= now => Self {
                requests: Requests::Paused {
                    until: now + pause(policy, pauses),
                    pauses,
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
            Requests::Well { failures }
                if failures + 1 < policy.max_fails || policy.max_fails == 0 =>
            {
                let requests = Requests::Well {
                    failures: failures.saturating_add(1),
                };
                return (Self { requests, ..self }, None);
            }
            Requests::Well { .. } => 1,
            Requests::Paused { pauses, .. } => pauses.saturating_add(1),
        };
        let length = pause(policy, pauses);
        let until = now + length;
        let requests = Requests::Paused { until, pauses };
        // Requests that were under way when it failed say nothing new.
        let is_new =
            !matches!(self.requests, Requests::Paused { until, .. } if now < until) || pauses > 1;
        (
            Self { requests, ..self },
            is_new.then_some(Change::Paused(length)),
        )
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
