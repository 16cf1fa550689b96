//! When the next backup is due: a pure state machine, which knows neither clocks nor processes. Whoever drives it
//! tells it what happened and at what time (seconds since 1970), and does what it says.

/// How often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// From one good backup to the next.
    pub every: u64,
    /// After one that failed.
    pub retry: u64,
    /// From the first start of a site that has none: it has hardly any data, and much to do.
    pub first: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            every: 86_400,
            retry: 3_600,
            first: 3_600,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Waiting { due: u64 },
    Running,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Time has passed.
    Tick,
    /// The backup that was begun has ended.
    Ended { good: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Call again with `Tick` at this time.
    Sleep { until: u64 },
    /// Make a backup, and report its end.
    Begin,
}

impl State {
    /// At the start; `last` is when the newest proven daily backup was made.
    pub fn new(last: Option<u64>, now: u64, policy: Policy) -> State {
        let due = match last {
            // A clock that went back must not put the next one off for years.
            Some(last) => last.min(now) + policy.every,
            None => now + policy.first,
        };
        State::Waiting { due }
    }

    pub fn step(self, event: Event, now: u64, policy: Policy) -> (State, Action) {
        match (self, event) {
            (State::Waiting { due }, Event::Tick) if due <= now => (State::Running, Action::Begin),
            (State::Waiting { due }, _) => (self, Action::Sleep { until: due }),
            (State::Running, Event::Tick) => (
                self,
                Action::Sleep {
                    until: now + policy.retry,
                },
            ),
            (State::Running, Event::Ended { good }) => {
                let due = now + if good { policy.every } else { policy.retry };
                (State::Waiting { due }, Action::Sleep { until: due })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;
    const POLICY: Policy = Policy {
        every: DAY,
        retry: 100,
        first: 10,
    };

    #[test]
    fn a_backup_is_due_a_day_after_the_last_good_one() {
        let now = 10 * DAY;
        for (last, due) in [
            (None, now + 10),
            (Some(now - 5), now - 5 + DAY),
            (Some(now - 3 * DAY), now - 2 * DAY),
            (Some(now + 9 * DAY), now + DAY),
        ] {
            assert_eq!(
                State::new(last, now, POLICY),
                State::Waiting { due },
                "{last:?}"
            );
        }
    }

    #[test]
    fn each_state_answers_each_event() {
        let waiting = |due| State::Waiting { due };
        let sleep = |until| Action::Sleep { until };
        for (state, event, expected) in [
            (waiting(50), Event::Tick, (State::Running, Action::Begin)),
            (waiting(51), Event::Tick, (waiting(51), sleep(51))),
            (
                waiting(51),
                Event::Ended { good: true },
                (waiting(51), sleep(51)),
            ),
            (State::Running, Event::Tick, (State::Running, sleep(150))),
            (
                State::Running,
                Event::Ended { good: true },
                (waiting(50 + DAY), sleep(50 + DAY)),
            ),
            (
                State::Running,
                Event::Ended { good: false },
                (waiting(150), sleep(150)),
            ),
        ] {
            assert_eq!(
                state.step(event, 50, POLICY),
                expected,
                "{state:?} {event:?}"
            );
        }
    }
}
