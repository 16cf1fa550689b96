//! The workers of a generation as a pure state machine: events in, actions out, the time handed in.
//!
//! A **place** is where one worker may be: `threads` consecutive slots of the scoreboard. There are more places
//! than workers, so that a replacement can be forked while its predecessor is still on its way out.

use std::time::{Duration, Instant};

use hotclub_supervise::Backoff;

use crate::counts::Restart;

/// How many workers, and when they are replaced.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    pub workers: usize,
    /// Slots a worker has.
    pub threads: usize,
    /// Lanes of the front: streams a slot has.
    pub lanes: usize,
    /// Requests after which a worker is recycled; 0 for never.
    pub max_requests: u64,
    /// Up to this many requests are added, different for each worker.
    pub max_requests_jitter: u64,
    /// Resident bytes beyond which a worker is recycled.
    pub max_memory: Option<u64>,
    /// The age at which a worker is recycled; up to a tenth is added, different for each worker.
    pub max_lifetime: Option<Duration>,
    /// Grace for a worker that was told to leave.
    pub graceful_timeout: Duration,
    /// A condemned worker's other threads get this long.
    pub second_deadline: Duration,
}

/// A worker writes its stacks in well under this; then it is killed.
const DUMP_TIME: Duration = Duration::from_millis(150);

/// An exit is reported at once after a kill; a second kill is for what cannot happen.
const KILLED: Duration = Duration::from_secs(60);

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Forked {
        place: usize,
        pid: i32,
    },
    Ready {
        place: usize,
    },
    /// A worker without preload could not import the app.
    LoadFailed {
        place: usize,
    },
    /// A worker that has ended; `useful`: after it had answered some request.
    Exited {
        place: usize,
        useful: bool,
    },
    /// One of the streams of a dead worker was delivered to its end.
    StreamEnded {
        place: usize,
    },
    Overdue {
        place: usize,
        others_busy: bool,
    },
    /// Of a condemned worker only the threads are left that ran past their deadlines.
    OnlyHung {
        place: usize,
    },
    Broken {
        place: usize,
    },
    /// What a worker has done and holds so far.
    Looked {
        place: usize,
        requests: u64,
        /// Resident bytes.
        memory: u64,
    },
    Target(usize),
    Drain,
    Tick,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Fork {
        place: usize,
    },
    /// Tell it to finish and leave.
    Leave {
        place: usize,
    },
    /// Remember why it was told to leave: another worker serves in its stead.
    Recycle {
        place: usize,
        why: Restart,
    },
    /// Log the Python stacks of all its threads.
    DumpStacks {
        place: usize,
    },
    Kill {
        place: usize,
    },
    /// Close the streams of a dead worker once they are delivered.
    Detach {
        place: usize,
    },
    /// Make the slots of a dead worker free.
    Clear {
        place: usize,
    },
    /// The crash loop is worth a line in the log.
    BackingOff {
        delay: Duration,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    Starting {
        since: Instant,
    },
    Serving {
        since: Instant,
        recycle_at: u64,
        expires: Option<Instant>,
    },
    /// Told to leave; killed at `kill_at`.
    Leaving {
        kill_at: Instant,
    },
    /// Dead; this many of its streams are still being delivered.
    Ending {
        streams: usize,
    },
}

/// A worker whose replacement has been forked and is not yet ready.
#[derive(Clone, Copy, Debug)]
struct Recycling {
    old: usize,
    new: usize,
    why: Restart,
}

/// The workers of one generation.
#[derive(Debug)]
pub(crate) struct Crew {
    policy: Policy,
    places: Vec<State>,
    backoff: Backoff,
    fork_at: Option<Instant>,
    /// At most one at a time.
    recycling: Option<Recycling>,
    draining: bool,
    seed: u64,
}

impl Crew {
    pub(crate) fn new(policy: Policy, places: usize, seed: u64) -> Self {
        Self {
            policy,
            places: vec![State::Free; places],
            backoff: Backoff::default(),
            fork_at: None,
            recycling: None,
            draining: false,
            seed,
        }
    }

    /// Workers that pull from the queue.
    pub(crate) fn serving(&self) -> usize {
        self.count(|state| matches!(state, State::Serving { .. }))
    }

    /// Whether no worker is left and every answer was delivered.
    pub(crate) fn is_gone(&self) -> bool {
        self.places.iter().all(|state| *state == State::Free)
    }

    /// Whether workers die faster than they are worth restarting.
    pub(crate) fn is_looping(&self) -> bool {
        self.backoff.is_looping()
    }

    /// When [`Event::Tick`] should come next, if nothing else happens.
    pub(crate) fn next_tick(&self) -> Option<Instant> {
        let kills = self.places.iter().filter_map(|state| match state {
            State::Leaving { kill_at } => Some(*kill_at),
            _ => None,
        });
        kills.chain(self.fork_at).min()
    }

    pub(crate) fn step(&mut self, event: Event, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Forked { .. } | Event::Tick => {}
            Event::Ready { place } => self.ready(place, now, &mut actions),
            Event::LoadFailed { place } => actions.push(Action::Kill { place }),
            Event::Exited { place, useful } => self.exited(place, useful, now, &mut actions),
            Event::StreamEnded { place } => self.stream_ended(place, &mut actions),
            Event::Overdue { place, others_busy } => {
                actions.push(Action::DumpStacks { place });
                let grace = if others_busy {
                    self.policy.second_deadline
                } else {
                    DUMP_TIME
                };
                self.condemn(place, now + grace, &mut actions);
            }
            Event::OnlyHung { place } => self.hurry(place, now),
            Event::Broken { place } => actions.push(Action::Kill { place }),
            Event::Looked {
                place,
                requests,
                memory,
            } => self.looked(place, requests, memory, now, &mut actions),
            Event::Target(workers) => self.policy.workers = workers,
            Event::Drain => self.draining = true,
        }
        self.recycle_the_old(now, &mut actions);
        self.kill_late(now, &mut actions);
        self.balance(now, &mut actions);
        actions
    }

    fn count(&self, which: impl Fn(&State) -> bool) -> usize {
        self.places.iter().filter(|state| which(state)).count()
    }

    fn ready(&mut self, place: usize, now: Instant, actions: &mut Vec<Action>) {
        if !matches!(self.places[place], State::Starting { .. }) {
            return;
        }
        let recycle_at = match self.policy.max_requests {
            0 => u64::MAX,
            limit => limit + self.random(self.policy.max_requests_jitter + 1),
        };
        let expires = self.policy.max_lifetime.and_then(|age| {
            let tenth = u64::try_from(age.as_millis() / 10).unwrap_or(u64::MAX - 1);
            let jitter = Duration::from_millis(self.random(tenth + 1));
            // An age beyond the clock's end is never reached.
            now.checked_add(age)?.checked_add(jitter)
        });
        self.places[place] = State::Serving {
            since: now,
            recycle_at,
            expires,
        };
        if let Some(Recycling { old, new, why }) = self.recycling
            && new == place
        {
            self.recycling = None;
            actions.push(Action::Recycle { place: old, why });
            self.leave(old, now, actions);
        }
    }

    fn looked(
        &mut self,
        place: usize,
        requests: u64,
        memory: u64,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let State::Serving { recycle_at, .. } = self.places[place] else {
            return;
        };
        let too_large = self.policy.max_memory.is_some_and(|limit| memory > limit);
        if requests >= recycle_at {
            self.recycle(place, Restart::Requests, now, actions);
        } else if too_large {
            self.recycle(place, Restart::Memory, now, actions);
        }
    }

    fn recycle_the_old(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let is_old =
            |state: &State| matches!(state, State::Serving { expires: Some(at), .. } if *at <= now);
        if let Some(place) = self.places.iter().position(is_old) {
            self.recycle(place, Restart::Lifetime, now, actions);
        }
    }

    /// Has its replacement forked, unless another worker is being replaced.
    fn recycle(&mut self, old: usize, why: Restart, now: Instant, actions: &mut Vec<Action>) {
        if self.recycling.is_none() && !self.draining {
            let new = self.fork(now, actions);
            self.recycling = new.map(|new| Recycling { old, new, why });
        }
    }

    fn leave(&mut self, place: usize, now: Instant, actions: &mut Vec<Action>) {
        self.condemn(place, now + self.policy.graceful_timeout, actions);
    }

    /// Tells it to leave, so that it takes no other request, and kills it at `kill_at`.
    fn condemn(&mut self, place: usize, kill_at: Instant, actions: &mut Vec<Action>) {
        if matches!(self.places[place], State::Serving { .. }) {
            self.places[place] = State::Leaving { kill_at };
            actions.push(Action::Leave { place });
        } else {
            self.hurry(place, kill_at);
        }
    }

    /// Who is leaving anyway is killed at `latest`.
    fn hurry(&mut self, place: usize, latest: Instant) {
        if let State::Leaving { kill_at } = &mut self.places[place] {
            *kill_at = latest.min(*kill_at);
        }
    }

    /// Whether the worker's end is no surprise.
    pub(crate) fn expects_exit(&self, place: usize) -> bool {
        self.draining || matches!(self.places[place], State::Leaving { .. })
    }

    /// Whether its worker was asked for and does not serve yet.
    pub(crate) fn is_starting(&self, place: usize) -> bool {
        matches!(self.places[place], State::Starting { .. })
    }

    fn exited(&mut self, place: usize, useful: bool, now: Instant, actions: &mut Vec<Action>) {
        let state = self.places[place];
        if matches!(state, State::Free | State::Ending { .. }) {
            return;
        }
        if let State::Starting { since } | State::Serving { since, .. } = state
            && !self.draining
        {
            let delay = self.backoff.after_death(now - since, useful);
            if !delay.is_zero() {
                actions.push(Action::BackingOff { delay });
                self.fork_at = Some(now + delay);
            }
        }
        if self
            .recycling
            .is_some_and(|recycling| recycling.old == place || recycling.new == place)
        {
            self.recycling = None;
        }
        self.places[place] = State::Ending {
            streams: self.policy.threads * self.policy.lanes,
        };
        actions.push(Action::Detach { place });
    }

    fn stream_ended(&mut self, place: usize, actions: &mut Vec<Action>) {
        // A stream that ends before its worker does is told again by the worker's exit.
        let State::Ending { streams } = &mut self.places[place] else {
            return;
        };
        *streams = streams.saturating_sub(1);
        if *streams == 0 {
            self.places[place] = State::Free;
            actions.push(Action::Clear { place });
        }
    }

    fn kill_late(&mut self, now: Instant, actions: &mut Vec<Action>) {
        for (place, state) in self.places.iter_mut().enumerate() {
            if let State::Leaving { kill_at } = state
                && *kill_at <= now
            {
                actions.push(Action::Kill { place });
                // Not again before the exit is reported.
                *kill_at = now + KILLED;
            }
        }
    }

    /// Forks what is missing and sends home what is too much.
    fn balance(&mut self, now: Instant, actions: &mut Vec<Action>) {
        if self.draining || self.fork_at.is_some_and(|at| at > now) {
            return;
        }
        self.fork_at = None;
        let staying =
            |state: &State| matches!(state, State::Starting { .. } | State::Serving { .. });
        let wanted = self.policy.workers + usize::from(self.recycling.is_some());
        while self.count(staying) < wanted {
            if self.fork(now, actions).is_none() {
                return;
            }
        }
        while self.count(staying) > wanted {
            let last = self
                .places
                .iter()
                .rposition(|s| matches!(s, State::Serving { .. }));
            let Some(last) = last else { return };
            self.leave(last, now, actions);
        }
    }

    fn fork(&mut self, now: Instant, actions: &mut Vec<Action>) -> Option<usize> {
        let place = self.places.iter().position(|state| *state == State::Free)?;
        self.places[place] = State::Starting { since: now };
        actions.push(Action::Fork { place });
        Some(place)
    }

    /// A number below `bound`: xorshift is random enough to spread recyclings.
    fn random(&mut self, bound: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed % bound.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        workers: 2,
        threads: 1,
        lanes: 1,
        max_requests: 0,
        max_requests_jitter: 0,
        max_memory: None,
        max_lifetime: None,
        graceful_timeout: Duration::from_secs(30),
        second_deadline: Duration::from_secs(30),
    };

    /// A crew whose first workers serve.
    fn crew(policy: Policy, now: Instant) -> Crew {
        let mut crew = Crew::new(policy, policy.workers * 2 + 2, 7);
        crew.step(Event::Tick, now);
        for place in 0..policy.workers {
            crew.step(Event::Ready { place }, now);
        }
        assert_eq!(crew.serving(), policy.workers);
        crew
    }

    #[test]
    fn the_wanted_number_of_workers_is_forked_at_the_start() {
        let mut crew = Crew::new(POLICY, 6, 7);
        let actions = crew.step(Event::Tick, Instant::now());
        assert_eq!(
            actions,
            [Action::Fork { place: 0 }, Action::Fork { place: 1 }]
        );
    }

    #[test]
    fn a_dead_worker_is_replaced_before_its_last_answer_is_delivered() {
        let now = Instant::now();
        let mut crew = crew(POLICY, now);
        let actions = crew.step(
            Event::Exited {
                place: 0,
                useful: false,
            },
            now + Duration::from_secs(60),
        );
        assert_eq!(
            actions,
            [Action::Detach { place: 0 }, Action::Fork { place: 2 }]
        );
        assert_eq!(
            crew.step(Event::StreamEnded { place: 0 }, now),
            [Action::Clear { place: 0 }]
        );
    }

    #[test]
    fn the_replacement_of_a_recycled_worker_serves_before_it_leaves() {
        let now = Instant::now();
        let mut crew = crew(
            Policy {
                max_requests: 10,
                ..POLICY
            },
            now,
        );
        assert_eq!(
            crew.step(
                Event::Looked {
                    place: 1,
                    requests: 10,
                    memory: 0
                },
                now
            ),
            [Action::Fork { place: 2 }]
        );
        assert_eq!(
            crew.step(
                Event::Looked {
                    place: 0,
                    requests: 10,
                    memory: 0
                },
                now
            ),
            [],
            "never two at once"
        );
        assert_eq!(
            crew.step(Event::Ready { place: 2 }, now),
            [
                Action::Recycle {
                    place: 1,
                    why: Restart::Requests
                },
                Action::Leave { place: 1 }
            ]
        );
        let next = crew.step(
            Event::Looked {
                place: 0,
                requests: 10,
                memory: 0,
            },
            now,
        );
        assert_eq!(next, [Action::Fork { place: 3 }]);
    }

    #[test]
    fn a_worker_that_has_grown_too_large_is_recycled() {
        let now = Instant::now();
        let mut crew = crew(
            Policy {
                max_memory: Some(1000),
                ..POLICY
            },
            now,
        );
        let looked = |memory| Event::Looked {
            place: 0,
            requests: 1,
            memory,
        };
        assert_eq!(crew.step(looked(1000), now), []);
        assert_eq!(crew.step(looked(1001), now), [Action::Fork { place: 2 }]);
    }

    fn aging(now: Instant) -> Crew {
        let policy = Policy {
            max_lifetime: Some(HOUR),
            ..POLICY
        };
        crew(policy, now)
    }

    const HOUR: Duration = Duration::from_secs(3600);
    /// No worker is older than this.
    const OLDEST: Duration = Duration::from_secs(3960);

    #[test]
    fn a_worker_is_recycled_when_it_is_old_and_the_others_wait_for_their_turn() {
        let now = Instant::now();
        let mut crew = aging(now);
        let nearly = now + HOUR - Duration::from_millis(1);
        assert_eq!(crew.step(Event::Tick, nearly), [], "nobody is old yet");
        let old = now + OLDEST;
        assert_eq!(crew.step(Event::Tick, old), [Action::Fork { place: 2 }]);
        assert_eq!(crew.step(Event::Tick, old), [], "never two at once");
        let why = Restart::Lifetime;
        let next = [
            Action::Recycle { place: 0, why },
            Action::Leave { place: 0 },
            Action::Fork { place: 3 },
        ];
        assert_eq!(crew.step(Event::Ready { place: 2 }, old), next);
        let last = [
            Action::Recycle { place: 1, why },
            Action::Leave { place: 1 },
        ];
        assert_eq!(crew.step(Event::Ready { place: 3 }, old), last);
        assert_eq!(crew.step(Event::Tick, old), [], "the new ones are young");
    }

    #[test]
    fn workers_that_began_together_do_not_grow_old_together() {
        let now = Instant::now();
        let crew = aging(now);
        let ends = crew.places.iter().filter_map(|state| match state {
            State::Serving { expires, .. } => *expires,
            _ => None,
        });
        let ends: Vec<_> = ends.collect();
        assert_eq!(ends.len(), 2);
        assert_ne!(ends[0], ends[1]);
        let all = ends
            .iter()
            .all(|end| (now + HOUR..=now + OLDEST).contains(end));
        assert!(all, "{ends:?} of {now:?}");
    }

    #[test]
    fn an_old_worker_whose_replacement_dies_stays_and_gets_another_one() {
        let now = Instant::now();
        let mut crew = aging(now);
        let old = now + OLDEST;
        assert_eq!(crew.step(Event::Tick, old), [Action::Fork { place: 2 }]);
        let useful = false;
        let actions = crew.step(Event::Exited { place: 2, useful }, old);
        let expected = [Action::Detach { place: 2 }, Action::Fork { place: 3 }];
        assert_eq!(actions, expected);
        assert_eq!(crew.serving(), 2);
    }

    #[test]
    fn nobody_is_recycled_while_the_crew_drains() {
        let now = Instant::now();
        let mut crew = aging(now);
        crew.step(Event::Drain, now);
        assert_eq!(crew.step(Event::Tick, now + OLDEST), []);
    }

    #[test]
    fn a_worker_that_does_not_leave_is_killed_once() {
        let now = Instant::now();
        let mut crew = crew(POLICY, now);
        assert_eq!(
            crew.step(Event::Target(1), now),
            [Action::Leave { place: 1 }]
        );
        let late = now + POLICY.graceful_timeout;
        assert_eq!(crew.step(Event::Tick, late), [Action::Kill { place: 1 }]);
        assert_eq!(crew.step(Event::Tick, late), []);
    }

    #[test]
    fn a_crash_loop_backs_off_and_goes_on() {
        let now = Instant::now();
        let mut crew = crew(
            Policy {
                workers: 1,
                ..POLICY
            },
            now,
        );
        let mut place = 0;
        let mut delayed = None;
        for _ in 0..8 {
            let actions = crew.step(
                Event::Exited {
                    place,
                    useful: false,
                },
                now,
            );
            crew.step(Event::StreamEnded { place }, now);
            if let Some(Action::BackingOff { delay }) = actions
                .iter()
                .find(|a| matches!(a, Action::BackingOff { .. }))
            {
                delayed = Some(*delay);
                break;
            }
            let Some(Action::Fork { place: next }) = actions.last() else {
                panic!("{actions:?}")
            };
            place = *next;
            crew.step(Event::Ready { place }, now);
        }
        let delay = delayed.expect("no backing off");
        assert_eq!(crew.step(Event::Tick, now), []);
        assert_eq!(crew.step(Event::Tick, now + delay).len(), 1);
    }

    #[test]
    fn an_overdue_thread_condemns_its_worker_and_a_second_deadline_kills_it() {
        let now = Instant::now();
        let mut crew = crew(
            Policy {
                threads: 4,
                ..POLICY
            },
            now,
        );
        let actions = crew.step(
            Event::Overdue {
                place: 0,
                others_busy: true,
            },
            now,
        );
        let expected = [
            Action::DumpStacks { place: 0 },
            Action::Leave { place: 0 },
            Action::Fork { place: 2 },
        ];
        assert_eq!(actions, expected);
        let late = now + POLICY.second_deadline;
        assert_eq!(crew.step(Event::Tick, late), [Action::Kill { place: 0 }]);
    }

    #[test]
    fn a_condemned_worker_is_killed_when_only_its_hung_threads_are_left() {
        let now = Instant::now();
        let threads = Policy {
            threads: 4,
            ..POLICY
        };
        let mut crew = crew(threads, now);
        let overdue = Event::Overdue {
            place: 0,
            others_busy: true,
        };
        crew.step(overdue, now);
        let actions = crew.step(Event::OnlyHung { place: 0 }, now);
        assert_eq!(actions, [Action::Kill { place: 0 }]);
        assert_eq!(crew.step(Event::OnlyHung { place: 1 }, now), [], "serves");
    }

    #[test]
    fn an_overdue_worker_takes_no_other_request_while_it_writes_its_stacks() {
        let now = Instant::now();
        let mut crew = crew(POLICY, now);
        let overdue = Event::Overdue {
            place: 0,
            others_busy: false,
        };
        let expected = [
            Action::DumpStacks { place: 0 },
            Action::Leave { place: 0 },
            Action::Fork { place: 2 },
        ];
        assert_eq!(crew.step(overdue, now), expected);
        let written = now + DUMP_TIME;
        assert_eq!(crew.step(Event::Tick, written), [Action::Kill { place: 0 }]);
        assert_eq!(
            crew.step(overdue, written),
            [Action::DumpStacks { place: 0 }]
        );
    }

    #[test]
    fn a_worker_on_its_way_out_that_hangs_is_killed_at_its_deadline() {
        let now = Instant::now();
        let mut crew = crew(POLICY, now);
        crew.step(Event::Drain, now);
        crew.step(
            Event::Overdue {
                place: 0,
                others_busy: false,
            },
            now,
        );
        let written = now + DUMP_TIME;
        assert_eq!(crew.step(Event::Tick, written), [Action::Kill { place: 0 }]);
    }

    #[test]
    fn a_draining_crew_forks_nobody_and_is_gone_in_the_end() {
        let now = Instant::now();
        let mut crew = crew(POLICY, now);
        crew.step(Event::Drain, now);
        for place in 0..2 {
            assert_eq!(
                crew.step(
                    Event::Exited {
                        place,
                        useful: false
                    },
                    now
                ),
                [Action::Detach { place }]
            );
            crew.step(Event::StreamEnded { place }, now);
        }
        assert!(crew.is_gone());
    }
}
