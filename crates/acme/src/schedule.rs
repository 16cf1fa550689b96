//! When a certificate is ordered: a pure state machine, so that every case is a row in a table.

use std::time::{Duration, SystemTime};

/// After the first failure; three times as long after each further one. The authorities' limits on failed
/// checks (Let's Encrypt: five an hour and name) are kept by that.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// An authority that counts too many orders does not forget them sooner.
const RATE_LIMITED: Duration = Duration::from_secs(3600);

/// From when to when a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) from: SystemTime,
    pub(crate) until: SystemTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// There is a certificate, good until it is to be renewed.
    Resting { renew_at: SystemTime },
    /// An order is under way.
    Ordering { failed: u32 },
    /// The last order failed.
    Pausing { failed: u32, until: SystemTime },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A certificate is here: an old one at the start, or a new one.
    Holds(Validity),
    /// There is none, or not for all names.
    Lacks,
    /// The authority says when it wants to be asked for the next one (RFC 9773).
    Suggested { start: SystemTime, end: SystemTime },
    /// The order failed.
    Failed {
        rate_limited: bool,
        /// What the authority asked for.
        retry_after: Option<Duration>,
    },
    /// The moment that was waited for has come.
    Due,
}

/// The next state, and until when there is nothing to do; `None`: an order is to be made. `spread`, from 0 to 1, is this
/// certificate's own chance, so that not all servers come at once.
pub(crate) fn step(
    state: State,
    event: Event,
    now: SystemTime,
    spread: f64,
) -> (State, Option<SystemTime>) {
    let spread = spread.clamp(0.0, 1.0);
    let next = match (state, event) {
        (_, Event::Lacks) => State::Ordering { failed: 0 },
        (_, Event::Holds(validity)) => rest(renewal(validity, spread), now),
        (State::Resting { renew_at }, Event::Suggested { start, end }) => {
            let window = end.duration_since(start).unwrap_or_default();
            rest(renew_at.min(start + window.mul_f64(spread)), now)
        }
        (
            State::Ordering { failed },
            Event::Failed {
                rate_limited,
                retry_after,
            },
        ) => {
            let pause = pause(failed, rate_limited).max(retry_after.unwrap_or_default());
            State::Pausing {
                failed: failed.saturating_add(1),
                until: now + pause.mul_f64(1.0 + spread / 10.0),
            }
        }
        (State::Resting { renew_at }, Event::Due) => rest(renew_at, now),
        (State::Pausing { failed, until }, Event::Due) if until <= now => {
            State::Ordering { failed }
        }
        (other, _) => other,
    };
    let wait = match next {
        State::Resting { renew_at } => Some(renew_at),
        State::Pausing { until, .. } => Some(until),
        State::Ordering { .. } => None,
    };
    (next, wait)
}

fn rest(renew_at: SystemTime, now: SystemTime) -> State {
    match renew_at > now {
        true => State::Resting { renew_at },
        false => State::Ordering { failed: 0 },
    }
}

/// After two thirds of its life, or up to a thirtieth of it sooner.
fn renewal(validity: Validity, spread: f64) -> SystemTime {
    let life = validity
        .until
        .duration_since(validity.from)
        .unwrap_or_default();
    validity.from + life.mul_f64(2.0 / 3.0 - spread / 30.0)
}

fn pause(failed: u32, rate_limited: bool) -> Duration {
    let pause = FIRST_PAUSE
        .saturating_mul(3_u32.saturating_pow(failed.min(8)))
        .min(LONGEST_PAUSE);
    match rate_limited {
        true => pause.max(RATE_LIMITED),
        false => pause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn at(days: u32) -> SystemTime {
        SystemTime::UNIX_EPOCH + DAY * days
    }

    fn failed(rate_limited: bool, retry_after: Option<u64>) -> Event {
        Event::Failed {
            rate_limited,
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    #[test]
    fn every_case_has_its_row() {
        let valid = Event::Holds(Validity {
            from: at(0),
            until: at(90),
        });
        let resting = State::Resting { renew_at: at(60) };
        let ordering = |failed| State::Ordering { failed };
        let minutes = |now: SystemTime, n: u64| now + Duration::from_secs(60 * n);
        let pausing = |failed, until| State::Pausing { failed, until };
        let window = |start, end| Event::Suggested {
            start: at(start),
            end: at(end),
        };
        for (case, state, event, now, spread, expected) in [
            (
                "none yet",
                ordering(0),
                Event::Lacks,
                at(1),
                0.0,
                ordering(0),
            ),
            ("a fresh one", ordering(0), valid, at(1), 0.0, resting),
            (
                "jitter",
                ordering(0),
                valid,
                at(1),
                1.0,
                State::Resting { renew_at: at(57) },
            ),
            (
                "two thirds are over",
                ordering(0),
                valid,
                at(61),
                0.0,
                ordering(0),
            ),
            ("expired", ordering(0), valid, at(100), 0.5, ordering(0)),
            ("too early", resting, Event::Due, at(59), 0.0, resting),
            ("due", resting, Event::Due, at(60), 0.0, ordering(0)),
            (
                "a name more",
                resting,
                Event::Lacks,
                at(2),
                0.0,
                ordering(0),
            ),
            (
                "sooner is wanted",
                resting,
                window(40, 42),
                at(2),
                0.5,
                State::Resting { renew_at: at(41) },
            ),
            (
                "later is wanted",
                resting,
                window(70, 72),
                at(2),
                0.5,
                resting,
            ),
            (
                "it was revoked",
                resting,
                window(0, 1),
                at(2),
                0.5,
                ordering(0),
            ),
            (
                "a window backwards",
                resting,
                window(50, 40),
                at(2),
                0.5,
                State::Resting { renew_at: at(50) },
            ),
            (
                "first failure",
                ordering(0),
                failed(false, None),
                at(2),
                0.0,
                pausing(1, minutes(at(2), 1)),
            ),
            (
                "third failure",
                ordering(2),
                failed(false, None),
                at(2),
                0.0,
                pausing(3, minutes(at(2), 9)),
            ),
            (
                "many failures",
                ordering(90),
                failed(false, None),
                at(2),
                0.0,
                pausing(91, minutes(at(2), 60)),
            ),
            (
                "too many orders",
                ordering(0),
                failed(true, None),
                at(2),
                0.0,
                pausing(1, minutes(at(2), 60)),
            ),
            (
                "told when",
                ordering(0),
                failed(true, Some(7200)),
                at(2),
                0.0,
                pausing(1, minutes(at(2), 120)),
            ),
            (
                "pausing",
                pausing(1, at(3)),
                Event::Due,
                at(2),
                0.0,
                pausing(1, at(3)),
            ),
            (
                "again",
                pausing(1, at(3)),
                Event::Due,
                at(3),
                0.0,
                ordering(1),
            ),
            (
                "nothing was ordered",
                resting,
                failed(false, None),
                at(2),
                0.0,
                resting,
            ),
            (
                "while ordering",
                ordering(2),
                Event::Due,
                at(2),
                0.0,
                ordering(2),
            ),
        ] {
            let (next, wait) = step(state, event, now, spread);
            let near = |a: SystemTime, b: SystemTime| {
                a.max(b).duration_since(a.min(b)).unwrap() < Duration::from_secs(1)
            };
            let same = match (next, expected) {
                (State::Resting { renew_at: a }, State::Resting { renew_at: b }) => near(a, b),
                (
                    State::Pausing {
                        failed: f,
                        until: a,
                    },
                    State::Pausing {
                        failed: g,
                        until: b,
                    },
                ) => f == g && near(a, b),
                (next, expected) => next == expected,
            };
            assert!(same, "{case}: {next:?} is not {expected:?}");
            assert_eq!(
                wait.is_none(),
                matches!(next, State::Ordering { .. }),
                "{case}"
            );
        }
    }
}
