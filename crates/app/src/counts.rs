//! What became of an app's requests and workers since the program started, over all its generations.
//!
//! All of it is rare, so plain shared counters do; what happens with every request is counted by the front.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Why a worker was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// It had served as many requests as it should.
    Requests,
    /// It had lived as long as it should.
    Lifetime,
    /// It had grown larger than it should.
    Memory,
    /// A request ran past its deadline.
    Deadline,
    /// It broke the protocol.
    Protocol,
    /// It could not import the app.
    Import,
    /// The kernel's OOM killer struck.
    OutOfMemory,
    /// Another signal killed it.
    Signal,
    /// It ended by itself.
    Exit,
}

impl Restart {
    pub const ALL: [Self; 9] = [
        Self::Requests,
        Self::Lifetime,
        Self::Memory,
        Self::Deadline,
        Self::Protocol,
        Self::Import,
        Self::OutOfMemory,
        Self::Signal,
        Self::Exit,
    ];

    /// As metrics and logs name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Requests => "max_requests",
            Self::Lifetime => "max_lifetime",
            Self::Memory => "max_memory",
            Self::Deadline => "deadline",
            Self::Protocol => "protocol",
            Self::Import => "import",
            Self::OutOfMemory => "out_of_memory",
            Self::Signal => "signal",
            Self::Exit => "exit",
        }
    }
}

/// One app's counters.
#[derive(Debug, Default)]
pub struct Counts {
    restarts: [AtomicU64; Restart::ALL.len()],
    fork_servers: AtomicU64,
    run_again: AtomicU64,
    queued_again: AtomicU64,
}

impl Counts {
    pub(crate) fn restarted(&self, why: Restart) {
        self.restarts[why as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn fork_server_replaced(&self) {
        self.fork_servers.fetch_add(1, Relaxed);
    }

    pub(crate) fn request_run_again(&self) {
        self.run_again.fetch_add(1, Relaxed);
    }

    pub(crate) fn request_queued_again(&self) {
        self.queued_again.fetch_add(1, Relaxed);
    }

    /// Workers that were replaced.
    #[must_use]
    pub fn restarts(&self, why: Restart) -> u64 {
        self.restarts[why as usize].load(Relaxed)
    }

    /// Fork servers that died and were replaced.
    #[must_use]
    pub fn fork_servers(&self) -> u64 {
        self.fork_servers.load(Relaxed)
    }

    /// Requests that were run a second time because their worker died.
    #[must_use]
    pub fn run_again(&self) -> u64 {
        self.run_again.load(Relaxed)
    }

    /// Requests that were put into the queue again, because the worker that took them died before it began.
    #[must_use]
    pub fn queued_again(&self) -> u64 {
        self.queued_again.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_counter_of_its_own() {
        let counts = Counts::default();
        for (times, why) in (1..).zip(Restart::ALL) {
            (0..times).for_each(|_| counts.restarted(why));
        }
        let seen = Restart::ALL.map(|why| counts.restarts(why));
        assert_eq!(seen, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
}
