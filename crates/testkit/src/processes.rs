//! Processes as /proc shows them.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

/// A process, told apart from a later one with the same number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    pub pid: u32,
    pub parent: u32,
    pub group: u32,
    /// `R`, `S`, `Z`…
    pub state: char,
    /// Short name.
    pub name: String,
    /// Clock ticks after boot.
    pub started: u64,
}

impl Process {
    /// Whether the very process is still there and is no zombie.
    pub fn is_alive(&self) -> bool {
        process(self.pid).is_some_and(|now| now.started == self.started && now.state != 'Z')
    }

    pub fn is_zombie(&self) -> bool {
        self.state == 'Z'
    }

    /// Arguments, separated by spaces.
    pub fn command(&self) -> String {
        let raw = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        String::from_utf8_lossy(&raw)
            .replace('\0', " ")
            .trim()
            .to_owned()
    }

    /// A field of `/proc/PID/status`, such as `Uid`.
    pub fn status(&self, field: &str) -> Option<String> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{field}:")))?;
        Some(line[field.len() + 1..].trim().to_owned())
    }
}

/// The process with this number.
pub fn process(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may contain anything, parentheses included.
    let (head, tail) = stat.rsplit_once(") ")?;
    let name = head.split_once('(')?.1.to_owned();
    let fields: Vec<_> = tail.split(' ').collect();
    Some(Process {
        pid,
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
        name,
    })
}

/// All processes.
pub(crate) fn all() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| process(entry.file_name().to_str()?.parse().ok()?))
        .collect()
}

/// Children and theirs.
pub fn descendants(pid: u32) -> Vec<Process> {
    let all = all();
    let mut family = HashSet::from([pid]);
    loop {
        let before = family.len();
        family.extend(
            all.iter()
                .filter(|p| family.contains(&p.parent))
                .map(|p| p.pid)
                .collect::<Vec<_>>(),
        );
        if family.len() == before {
            break;
        }
    }
    all.into_iter()
        .filter(|p| p.pid != pid && family.contains(&p.pid))
        .collect()
}

pub fn children(pid: u32) -> Vec<Process> {
    all()
        .into_iter()
        .filter(|process| process.parent == pid)
        .collect()
}

/// What the descriptors of a process stand for, sorted; sockets and pipes without their numbers.
pub fn descriptors(pid: u32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .map(|target| plain(&target))
        .collect();
    found.sort();
    found
}

fn plain(target: &std::path::Path) -> String {
    let text = target.to_string_lossy();
    ["socket:", "pipe:"]
        .into_iter()
        .find(|kind| text.starts_with(kind))
        .map_or_else(|| text.clone().into_owned(), str::to_owned)
}

/// Living processes that were started with this variable in their environment, or that work in `folder`
/// or below it.
pub(crate) fn marked(variable: &str, folder: Option<&PathBuf>) -> Vec<Process> {
    let has_mark = |process: &Process| {
        let environ = fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
        environ
            .split(|byte| *byte == 0)
            .any(|pair| pair == variable.as_bytes())
    };
    let works_there = |process: &Process| {
        let Some(folder) = folder else { return false };
        fs::read_link(format!("/proc/{}/cwd", process.pid)).is_ok_and(|cwd| cwd.starts_with(folder))
    };
    let own = std::process::id();
    all()
        .into_iter()
        .filter(|process| process.pid != own && !process.is_zombie())
        .filter(|process| has_mark(process) || works_there(process))
        .collect()
}
