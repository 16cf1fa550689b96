//! The truth about why a worker died: how it ended, of what, with what in hand, and how large it was.
//!
//! An end becomes known in pieces: the exit from the fork server, the requests that were lost from the lanes,
//! the reason (when it was ours) from the owner. The line is written when all of them are there.

use std::collections::VecDeque;
use std::time::Instant;

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

/// What is known of the worker in one place.
#[derive(Debug, Default)]
struct Life {
    memory: u64,
    cause: Option<&'static str>,
    /// Slots and requests that ran past their deadlines.
    hung: Vec<(usize, u64)>,
    lost: Vec<String>,
    exit: Option<Exit>,
}

#[derive(Debug)]
pub(crate) struct Deaths {
    lives: Vec<Life>,
    oom: Oom,
    /// When the workers died that have no successor yet.
    vacant: VecDeque<Instant>,
}

impl Deaths {
    pub(crate) fn new(places: usize) -> Self {
        Self {
            lives: (0..places).map(|_| Life::default()).collect(),
            oom: Oom::watch(),
            vacant: VecDeque::new(),
        }
    }

    /// Remembers how large the workers are. To be called about once a second.
    pub(crate) fn sample(&mut self, pids: &[Option<i32>]) {
        self.oom.sample();
        for (life, pid) in self.lives.iter_mut().zip(pids) {
            if let Some(pid) = pid {
                life.memory = resident_bytes(*pid);
            }
        }
    }

    pub(crate) fn hangs(&mut self, place: usize, slot: usize, id: u64) {
        if let Some(life) = self.lives.get_mut(place) {
            life.hung.push((slot, id));
            life.cause = Some("a request ran past its deadline");
        }
    }

    /// The slots and requests of this worker that ran past their deadlines.
    pub(crate) fn hung(&self, place: usize) -> &[(usize, u64)] {
        self.lives.get(place).map_or(&[], |life| &life.hung)
    }

    /// It is about to be killed by us; the first reason counts.
    pub(crate) fn kills(&mut self, place: usize, cause: &'static str) {
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
                (Some(9), _) => self.oom.struck(),
                (_, Some(4)) => Some("its queue or a reply socket was closed under it, by the app"),
                (_, Some(70)) => Some("a fault of the worker itself; its traceback is above"),
                _ => None,
            };
        }
        life.exit = Some(exit);
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
        let pid = exit.pid;
        let cause = life.cause;
        let in_hand = (!life.lost.is_empty()).then(|| life.lost.join(", "));
        let memory = memory(life.memory, exit.peak);
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

/// Last seen and most ever, in MiB; `None` when nothing is known.
fn memory(last: u64, peak: u64) -> Option<String> {
    let mib = |bytes: u64| bytes as f64 / (1024.0 * 1024.0);
    match (last, peak) {
        (0, 0) => None,
        (0, peak) => Some(format!("at most {:.1} MiB", mib(peak))),
        (last, 0) => Some(format!("{:.1} MiB", mib(last))),
        (last, peak) => Some(format!(
            "{:.1} MiB, at most {:.1} MiB",
            mib(last),
            mib(peak)
        )),
    }
}

/// Resident bytes of a process, 0 when it is gone (proc(5), statm).
pub(crate) fn resident_bytes(pid: i32) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * rustix::param::page_size() as u64
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
    fn memory_is_told_as_far_as_it_is_known() {
        assert_eq!(memory(0, 0), None);
        assert_eq!(memory(0, 1 << 20).unwrap(), "at most 1.0 MiB");
        assert_eq!(
            memory(1 << 20, 3 << 19).unwrap(),
            "1.0 MiB, at most 1.5 MiB"
        );
    }
}
