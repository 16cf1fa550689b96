//! Every process that this one started, directly or not, even after its parent died: nothing that a
//! task starts may outlive the task.

use std::collections::HashMap;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, set_child_subreaper, wait};

/// How long helpers of a program that ended (a browser's crash handler) have to notice.
const GRACE: Duration = Duration::from_secs(5);
/// What was killed is gone in no time, unless the kernel is busy with it.
const KILLED: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(50);

pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) state: char,
    pub(crate) command: String,
}

/// Orphaned descendants become children of this process instead of init's: none can get lost.
pub(crate) fn adopt_orphans() {
    // Failing only means that an orphan is not seen; Linux ≥ 3.4 does not fail here.
    let _ = set_child_subreaper(Some(rustix::process::getpid()));
}

/// The process itself and all below it.
pub(crate) fn tree(root: i32) -> Vec<Process> {
    let mut by_parent: HashMap<i32, Vec<Process>> = HashMap::new();
    let mut found = Vec::new();
    for process in all() {
        if process.pid == root {
            found.push(process);
        } else {
            by_parent.entry(process.parent).or_default().push(process);
        }
    }
    let mut next = vec![root];
    while let Some(parent) = next.pop() {
        for child in by_parent.remove(&parent).unwrap_or_default() {
            next.push(child.pid);
            found.push(child);
        }
    }
    found
}

/// Waits for what is below this process to end, ends by force what did not, and says what that was.
/// Call it only when no `Child` is being waited for elsewhere.
pub(crate) fn end_leftovers() -> Vec<String> {
    wait_for_all(GRACE);
    let mut left = below_us();
    left.retain(|process| process.state != 'Z');
    for process in &left {
        signal(process.pid, Signal::KILL);
    }
    wait_for_all(KILLED);
    left.into_iter()
        .map(|process| format!("{} ({})", process.command, process.pid))
        .collect()
}

/// Until nothing is below this process, not even a zombie, or the time is up.
fn wait_for_all(time: Duration) {
    let deadline = Instant::now() + time;
    loop {
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
        if below_us().is_empty() || Instant::now() > deadline {
            return;
        }
        sleep(POLL);
    }
}

pub(crate) fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        // The process may have ended in the meantime, which is what was wanted.
        let _ = kill_process(pid, signal);
    }
}

fn below_us() -> Vec<Process> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let mut below = tree(own);
    below.retain(|process| process.pid != own);
    below
}

fn all() -> impl Iterator<Item = Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        parse(pid, &fs::read_to_string(entry.path().join("stat")).ok()?)
    })
}

/// `pid (comm) state ppid …`; the name may hold spaces and parentheses (proc_pid_stat(5)).
fn parse(pid: i32, stat: &str) -> Option<Process> {
    let (before, after) = stat.rsplit_once(')')?;
    let command = before.split_once('(')?.1.to_owned();
    let mut fields = after.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    Some(Process {
        pid,
        parent,
        state,
        command,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_may_hold_spaces_and_parentheses() {
        let process = parse(7, "7 (tmux: (x) y) S 3 7 7 0 -1").unwrap();
        assert_eq!((process.parent, process.state), (3, 'S'));
        assert_eq!(process.command, "tmux: (x) y");
    }

    #[test]
    fn the_tree_of_this_process_holds_this_process() {
        let own = std::process::id().cast_signed();
        assert!(tree(own).iter().any(|process| process.pid == own));
    }
}
