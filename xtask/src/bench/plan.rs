//! How long and how often: the lengths of a run.

use std::time::Duration;

/// Workers of every stack, unless a workload is about their number.
pub(super) const WORKERS: u32 = 2;

/// How much of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Three minutes, for a first look.
    Quick,
    Usual,
    /// All stacks, all numbers of connections.
    Full,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) extent: Extent,
    pub(super) rounds: u32,
    pub(super) measure: Duration,
    pub(super) warm_up: Duration,
}

impl Plan {
    pub(super) fn of(extent: Extent) -> Self {
        let (rounds, measure, warm_up) = match extent {
            Extent::Quick => (1, 2, 1),
            Extent::Usual => (3, 4, 1),
            Extent::Full => (5, 10, 3),
        };
        Self {
            extent,
            rounds,
            measure: Duration::from_secs(measure),
            warm_up: Duration::from_secs(warm_up),
        }
    }

    /// All of them in a full run, else only the `usual` ones.
    pub(super) fn choose<'a, T>(&self, all: &'a [T], usual: &'a [T]) -> &'a [T] {
        match self.extent {
            Extent::Full => all,
            Extent::Quick | Extent::Usual => usual,
        }
    }

    pub(super) fn describe(&self) -> String {
        format!(
            "rounds: {}, {} s each after {} s of warm-up, stacks taking turns, {WORKERS} workers",
            self.rounds,
            self.measure.as_secs(),
            self.warm_up.as_secs(),
        )
    }
}
