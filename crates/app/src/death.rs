//! The truth about why a worker died: how it ended, of what, with what in hand, and how large it was.
//!
//! An end becomes known in pieces: the exit from the fork server, the requests that were lost from the lanes,
//! the reason (when it was ours) from the owner. The line is written when all of them are there.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use rustix::process::Pid;

use crate::counts::{Counts, Restart};
use crate::memory;
use crate::oom::Oom;

/// What was reported of an exit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exit {
    pub(crate) pid: i32,
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    /// The most resident bytes it ever had; 0 when unknown.
    pub(crate) peak: u64,
    /// It was told to leave.
    pub(crate) expected: bool,
}

/// Why a worker died, as far as that is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cause {
    text: &'static str,
    /// As what its replacement counts; `None`: as the recycling or the end that it was told of before.
    counts_as: Option<Restart>,
}

impl Cause {
    pub(crate) const DEADLINE: Self =
        Self::new("a request ran past its deadline", Restart::Deadline);
    pub(crate) const IMPORT: Self = Self::new("it could not import the app", Restart::Import);
    pub(crate) const PROTOCOL: Self = Self::new("it broke the protocol", Restart::Protocol);
    const DESCRIPTORS: Self = Self::new(
        "its queue or a reply socket was closed under it, by the app",
        Restart::Exit,
    );
    const FAULT: Self = Self::new(
        "a fault of the worker itself; its traceback is above",
        Restart::Exit,
    );
    pub(crate) const STAYED: Self = Self {
        text: "it did not leave in time",
        counts_as: None,
    };

    const fn new(text: &'static str, restart: Restart) -> Self {
        Self {
            text,
            counts_as: Some(restart),
        }
    }
}

/// What is known of the worker in one place.
#[derive(Debug, Default)]
struct Life {
    memory: u64,
    cause: Option<Cause>,
    /// Why it was told to leave, if it was to be replaced.
    recycled: Option<Restart>,
    /// Slots and requests that ran past their deadlines.
    hung: Vec<(usize, u64)>,
    lost: Vec<String>,
    exit: Option<Exit>,
}

#[derive(Debug)]
pub(crate) struct Deaths {
    lives: Vec<Life>,
    counts: Arc<Counts>,
    oom: Oom,
    /// When the workers died that have no successor yet.
    vacant: VecDeque<Instant>,
}

impl Deaths {
    /// `outside`: the fork server, when it is in a container.
    pub(crate) fn new(places: usize, counts: Arc<Counts>, outside: Option<Pid>) -> Self {
        Self {
            counts,
            lives: (0..places).map(|_| Life::default()).collect(),
            oom: Oom::watch(outside),
            vacant: VecDeque::new(),
        }
    }

    /// The workers are in this process's cgroup from here on.
    pub(crate) fn watch_cgroup_of(&mut self, pid: Pid) {
        self.oom = Oom::watch(Some(pid));
    }

    /// Remembers how large the workers are. To be called about once a second.
    pub(crate) fn sample(&mut self, pids: &[Option<i32>]) {
        self.oom.sample();
        for (life, pid) in self.lives.iter_mut().zip(pids) {
            if let Some(pid) = pid {
                life.memory = memory::resident(*pid).unwrap_or(0);
            }
        }
    }

    pub(crate) fn hangs(&mut self, place: usize, slot: usize, id: u64) {
        if let Some(life) = self.lives.get_mut(place) {
            life.hung.push((slot, id));
            life.cause = Some(Cause::DEADLINE);
        }
    }

    /// The slots and requests of this worker that ran past their deadlines.
    pub(crate) fn hung(&self, place: usize) -> &[(usize, u64)] {
        self.lives.get(place).map_or(&[], |life| &life.hung)
    }

    /// It was told to leave, and another one serves in its stead.
    pub(crate) fn recycled(&mut self, place: usize, why: Restart) {
        if let Some(life) = self.lives.get_mut(place) {
            life.recycled = Some(why);
        }
    }

    /// It is about to be killed by us; the first reason counts.
    pub(crate) fn kills(&mut self, place: usize, cause: Cause) {
        if let Some(life) = self.lives.get_mut(place) {
            life.cause.get_or_insert(cause);
        }
    }

    pub(crate) fn lost(&mut self, place: usize, requests: Vec<String>) {
        if let Some(life) = self.lives.get_mut(place) {
            life.lost.extend(requests);
        }
    }

    pub(crate) fn exited(&mut self, place: usize, exit: Exit) {
        if !exit.expected {
            self.vacant.push_back(Instant::now());
        }
        let Some(life) = self.lives.get_mut(place) else {
            return;
        };
        if life.cause.is_none() {
            life.cause = match (exit.signal, exit.code) {
                (Some(9), _) => {
                    let struck = self.oom.struck();
                    struck.map(|text| Cause::new(text, Restart::OutOfMemory))
                }
                (_, Some(4)) => Some(Cause::DESCRIPTORS),
                (_, Some(70)) => Some(Cause::FAULT),
                _ => None,
            };
        }
        life.exit = Some(exit);
    }

    /// Whether nothing is known that could have brought about the SIGKILL that ended this worker.
    pub(crate) fn was_killed_from_outside(&self, place: usize) -> bool {
        let life = self.lives.get(place);
        life.is_some_and(|life| {
            life.cause.is_none() && life.exit.is_some_and(|exit| exit.signal == Some(9))
        })
    }

    /// A worker has begun to serve.
    pub(crate) fn replaced(&mut self, pid: Option<i32>) {
        if let Some(died) = self.vacant.pop_front() {
            let milliseconds = died.elapsed().as_secs_f64() * 1000.0;
            tracing::info!(
                pid,
                milliseconds = format!("{milliseconds:.1}"),
                "a dead worker's place is filled again"
            );
        }
    }

    /// Everything about the worker's end is known: says it, and begins anew.
    pub(crate) fn log(&mut self, place: usize) {
        let Some(life) = self.lives.get_mut(place).map(std::mem::take) else {
            return;
        };
        let Some(exit) = life.exit else { return };
        if let Some(why) = life.restart(&exit) {
            self.counts.restarted(why);
        }
        let pid = exit.pid;
        let cause = life.cause.map(|cause| cause.text);
        let in_hand = (!life.lost.is_empty()).then(|| life.lost.join(", "));
        let memory = sizes(life.memory, exit.peak);
        match (exit.code, exit.signal) {
            (Some(0), _) if exit.expected => tracing::debug!(pid, "a worker has left"),
            (Some(code), _) => {
                tracing::warn!(
                    pid,
                    cause,
                    in_hand,
                    memory,
                    "a worker ended with exit code {code}"
                );
            }
            (_, Some(signal)) => {
                let name = signal_name(signal);
                tracing::warn!(
                    pid,
                    cause,
                    in_hand,
                    memory,
                    "a worker was killed by signal {signal} ({name})"
                );
            }
            _ => tracing::warn!(pid, cause, in_hand, memory, "a worker is gone"),
        }
    }
}

impl Life {
    /// As what its end counts; `None`: nobody takes its place.
    fn restart(&self, exit: &Exit) -> Option<Restart> {
        let by_end = match (exit.expected, exit.signal) {
            (true, _) => None,
            (false, Some(_)) => Some(Restart::Signal),
            (false, None) => Some(Restart::Exit),
        };
        let cause = self.cause.and_then(|cause| cause.counts_as);
        cause.or(self.recycled).or(by_end)
    }
}

/// Last seen and most ever, in MiB; `None` when nothing is known.
fn sizes(last: u64, peak: u64) -> Option<String> {
    let mib = |bytes: u64| bytes as f64 / (1024.0 * 1024.0);
    match (last, peak) {
        (0, 0) => None,
        (0, peak) => Some(format!("at most {:.1} MiB", mib(peak))),
        (last, 0) => Some(format!("{:.1} MiB", mib(last))),
        (last, peak) => Some(format!(
            "{:.1} MiB, at most {:.1} MiB",
            mib(last),
            // The kernel's two counts are not of the same moment.
            mib(peak.max(last))
        )),
    }
}

/// signal(7), the numbers of x86 and ARM.
fn signal_name(signal: i32) -> &'static str {
    const NAMES: [&str; 32] = [
        "?",
        "SIGHUP",
        "SIGINT",
        "SIGQUIT",
        "SIGILL",
        "SIGTRAP",
        "SIGABRT",
        "SIGBUS",
        "SIGFPE",
        "SIGKILL",
        "SIGUSR1",
        "SIGSEGV",
        "SIGUSR2",
        "SIGPIPE",
        "SIGALRM",
        "SIGTERM",
        "SIGSTKFLT",
        "SIGCHLD",
        "SIGCONT",
        "SIGSTOP",
        "SIGTSTP",
        "SIGTTIN",
        "SIGTTOU",
        "SIGURG",
        "SIGXCPU",
        "SIGXFSZ",
        "SIGVTALRM",
        "SIGPROF",
        "SIGWINCH",
        "SIGIO",
        "SIGPWR",
        "SIGSYS",
    ];
    let number = usize::try_from(signal).unwrap_or(0);
    NAMES.get(number).copied().unwrap_or("a real-time signal")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_their_names() {
        assert_eq!(signal_name(9), "SIGKILL");
        assert_eq!(signal_name(14), "SIGALRM");
        assert_eq!(signal_name(31), "SIGSYS");
        assert_eq!(signal_name(63), "a real-time signal");
    }

    #[test]
    fn a_restart_counts_as_what_brought_it_about() {
        let exit = |expected, signal| Exit {
            pid: 1,
            code: None,
            signal,
            peak: 0,
            expected,
        };
        let life = |cause, recycled| Life {
            cause,
            recycled,
            ..Life::default()
        };
        let killed = Some(Restart::Signal);
        assert_eq!(life(None, None).restart(&exit(false, Some(11))), killed);
        assert_eq!(
            life(None, None).restart(&exit(false, None)),
            Some(Restart::Exit)
        );
        assert_eq!(
            life(None, None).restart(&exit(true, None)),
            None,
            "sent home"
        );
        let grown = Some(Restart::Memory);
        assert_eq!(life(None, grown).restart(&exit(true, None)), grown);
        let stayed = life(Some(Cause::STAYED), grown);
        assert_eq!(stayed.restart(&exit(true, Some(9))), grown);
        let hung = life(Some(Cause::DEADLINE), None);
        assert_eq!(hung.restart(&exit(true, Some(9))), Some(Restart::Deadline));
        let drained = life(Some(Cause::STAYED), None);
        assert_eq!(drained.restart(&exit(true, Some(9))), None);
    }

    #[test]
    fn memory_is_told_as_far_as_it_is_known() {
        assert_eq!(sizes(0, 0), None);
        assert_eq!(sizes(0, 1 << 20).unwrap(), "at most 1.0 MiB");
        assert_eq!(sizes(1 << 20, 3 << 19).unwrap(), "1.0 MiB, at most 1.5 MiB");
        assert_eq!(sizes(3 << 19, 1 << 20).unwrap(), "1.5 MiB, at most 1.5 MiB");
    }
}
