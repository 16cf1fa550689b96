//! Processes that workers have started: found to be killed with them, reaped when they outlived them.
//!
//! This process is the subreaper of all its descendants, so what a dead worker leaves behind becomes its child.

use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process, kill_process_group, waitid,
};

/// How often, and how long, a killed process is looked for.
const LOOK: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(2);

/// Kills a worker, its process group, and what it started even if that has left the group.
pub(crate) fn kill_family(worker: Pid) {
    let family = descendants(worker);
    // They may all be gone already.
    let _ = kill_process_group(worker, Signal::KILL);
    let _ = kill_process(worker, Signal::KILL);
    for pid in family {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Reaps processes that came to us when the worker that had started them died.
pub(crate) fn reap() {
    let Some(own) = Stat::read(getpid()) else {
        return;
    };
    for pid in children(getpid()) {
        let Some(stat) = Stat::read(pid) else {
            continue;
        };
        if stat.state == 'Z' && stat.is_stray(&own) {
            // Another generation may have been faster.
            let _ = waitid(
                WaitId::Pid(pid),
                WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
            );
        }
    }
}

/// Reaps children of ours that were killed a moment ago; others are left to whoever they belong to.
pub(crate) async fn bury(mut killed: Vec<Pid>) {
    let began = Instant::now();
    loop {
        killed.retain(|pid| is_child(*pid) && !is_reaped(*pid));
        // A process that hangs in the kernel may take its time.
        if killed.is_empty() || began.elapsed() > PATIENCE {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn is_reaped(pid: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    // An error means that somebody else was faster.
    !matches!(waitid(WaitId::Pid(pid), options), Ok(None))
}

/// Whether `pid` is a child of this process.
pub(crate) fn is_child(pid: Pid) -> bool {
    Stat::read(pid).is_some_and(|stat| stat.parent == Some(getpid()))
}

struct Stat {
    pid: Pid,
    state: char,
    /// None: outside our PID namespace, as session and group are that were begun before a container was entered.
    /// (rustix's `getsid` and `getpgrp` take it for granted that there is a number.)
    parent: Option<Pid>,
    group: Option<Pid>,
    session: Option<Pid>,
}

impl Stat {
    fn read(pid: Pid) -> Option<Self> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid())).ok()?;
        // `pid (name) state parent group session …`, and the name may hold anything.
        let mut fields = text.rsplit_once(") ")?.1.split(' ');
        let state = fields.next()?.chars().next()?;
        // 0 is outside our namespace, -1 is what a process has that has just been reaped.
        let mut number = || {
            let number = fields.next()?.parse().ok().filter(|number| *number > 0);
            number.and_then(Pid::from_raw)
        };
        Some(Self {
            pid,
            state,
            parent: number(),
            group: number(),
            session: number(),
        })
    }

    /// What we start ourselves leads its own process group or stays in ours, and stays in our session; and
    /// workers whose fork server died, which are watched elsewhere, lead theirs.
    fn is_stray(&self, own: &Self) -> bool {
        let own_group = self.group == Some(self.pid) || self.group == own.group;
        !own_group || self.session != own.session
    }
}

fn descendants(root: Pid) -> Vec<Pid> {
    let mut found = children(root);
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        next += 1;
        let more = children(pid);
        found.extend(more.into_iter().filter(|pid| *pid != root));
    }
    found
}

/// Children by `/proc/PID/task/TID/children` (proc(5)); none where the kernel lacks that file.
pub(crate) fn children(pid: Pid) -> Vec<Pid> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", pid.as_raw_pid()));
    let files = tasks.into_iter().flatten().flatten();
    let texts = files.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    texts
        .flat_map(|text| {
            let numbers = text.split_whitespace().filter_map(|word| word.parse().ok());
            numbers.filter_map(Pid::from_raw).collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(raw: i32) -> Pid {
        Pid::from_raw(raw).unwrap()
    }

    fn stat(group: i32, session: i32) -> Stat {
        Stat {
            pid: pid(10),
            state: 'Z',
            parent: None,
            group: Pid::from_raw(group),
            session: Pid::from_raw(session),
        }
    }

    #[test]
    fn what_we_started_is_no_stray_and_what_a_worker_started_is() {
        let stray = |group, session| stat(group, session).is_stray(&stat(2, 1));
        assert!(!stray(10, 1), "leads a group in our session");
        assert!(!stray(2, 1), "is in our own group");
        assert!(stray(7, 1), "is in a worker's group");
        assert!(stray(10, 10), "has a session of its own");
        let contained = |group, session| stat(group, session).is_stray(&stat(0, 0));
        assert!(
            !contained(10, 0),
            "leads a group in our session, which began outside our namespace"
        );
        assert!(
            !contained(0, 0),
            "is in our own group, which began outside our namespace"
        );
        assert!(contained(10, 10), "has a session of its own");
    }

    #[test]
    fn a_family_is_killed_whatever_its_group() {
        let script = "setsid sleep 300 & sleep 300 & wait";
        let mut child = std::process::Command::new("sh")
            .args(["-c", script])
            .spawn()
            .unwrap();
        let root = Pid::from_child(&child);
        let began = std::time::Instant::now();
        while descendants(root).len() < 2 {
            assert!(began.elapsed() < std::time::Duration::from_secs(20));
            std::thread::yield_now();
        }
        let family = descendants(root);
        kill_family(root);
        child.wait().unwrap();
        let alive = |pid: &Pid| Stat::read(*pid).is_some_and(|stat| stat.state != 'Z');
        while family.iter().any(alive) {
            assert!(began.elapsed() < std::time::Duration::from_secs(20));
            std::thread::yield_now();
        }
    }
}
