//! Evidence that the kernel killed somebody for want of memory: its own counters, of our cgroup and of the machine.

use std::path::{Path, PathBuf};

use rustix::process::Pid;

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    cgroup: u64,
    machine: u64,
}

/// Two moments are kept, so that a kill between two samples shows whenever its death becomes known.
#[derive(Debug)]
pub(crate) struct Oom {
    file: Option<PathBuf>,
    before: Counts,
    last: Counts,
}

impl Oom {
    /// Of our own cgroup, or of another process's.
    pub(crate) fn watch(of: Option<Pid>) -> Self {
        let who = of.map_or_else(|| "self".to_owned(), |pid| pid.as_raw_pid().to_string());
        let groups = std::fs::read_to_string(format!("/proc/{who}/cgroup")).unwrap_or_default();
        let files = events_files(&groups, Path::new("/sys/fs/cgroup"));
        let file = files.into_iter().flatten().find(|file| file.exists());
        let counts = counts(file.as_deref());
        Self {
            file,
            before: counts,
            last: counts,
        }
    }

    pub(crate) fn sample(&mut self) {
        self.before = self.last;
        self.last = counts(self.file.as_deref());
    }

    /// What the counters say of a SIGKILL that was not ours. Each of the kernel's kills explains one.
    pub(crate) fn struck(&mut self) -> Option<&'static str> {
        let now = counts(self.file.as_deref());
        let verdict = verdict(self.before, now);
        self.before = self.before.and_one_more(now);
        self.last = self.last.max(self.before);
        verdict
    }
}

impl Counts {
    fn and_one_more(self, at_most: Self) -> Self {
        Self {
            cgroup: at_most.cgroup.min(self.cgroup + 1),
            machine: at_most.machine.min(self.machine + 1),
        }
    }

    fn max(self, other: Self) -> Self {
        Self {
            cgroup: self.cgroup.max(other.cgroup),
            machine: self.machine.max(other.machine),
        }
    }
}

fn verdict(before: Counts, now: Counts) -> Option<&'static str> {
    if now.cgroup > before.cgroup {
        Some("out of memory: the kernel's OOM killer struck in this cgroup")
    } else if now.machine > before.machine {
        Some("probably out of memory: the kernel's OOM killer has just struck on this machine")
    } else {
        None
    }
}

fn counts(file: Option<&Path>) -> Counts {
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    Counts {
        cgroup: file.map_or(0, |file| oom_kills(&read(file))),
        machine: oom_kills(&read(Path::new("/proc/vmstat"))),
    }
}

/// The line `oom_kill N`: memory.events (cgroup v2), memory.oom_control (v1) and /proc/vmstat have it alike.
fn oom_kills(text: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    value
        .and_then(|value| value.trim().parse().ok())
        .unwrap_or(0)
}

/// Where our cgroup counts, by /proc/self/cgroup (cgroups(7)): at its path, or, in a container that sees the whole
/// path but has only its own part mounted, at the root.
fn events_files(groups: &str, root: &Path) -> Option<[PathBuf; 2]> {
    groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?.trim_start_matches('/'));
        let (base, name) = if controllers.is_empty() {
            (root.to_owned(), "memory.events")
        } else if controllers.split(',').any(|name| name == "memory") {
            (root.join("memory"), "memory.oom_control")
        } else {
            return None;
        };
        Some([base.join(path).join(name), base.join(name)])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_of_the_kernels_explains_one_death() {
        let counts = |cgroup, machine| Counts { cgroup, machine };
        let once = counts(3, 9).and_one_more(counts(4, 11));
        assert_eq!(once, counts(4, 10));
        assert_eq!(once.and_one_more(counts(4, 11)), counts(4, 11));
        assert_eq!(counts(3, 9).and_one_more(counts(3, 10)), counts(3, 10));
    }

    #[test]
    fn both_versions_of_cgroups_are_found() {
        let root = Path::new("/r");
        let two = events_files("0::/system.slice/a.service\n", root).unwrap();
        assert_eq!(two[0], Path::new("/r/system.slice/a.service/memory.events"));
        let one = events_files("3:cpu,cpuacct:/x\n2:memory:/docker/1\n", root).unwrap();
        assert_eq!(one[0], Path::new("/r/memory/docker/1/memory.oom_control"));
        assert_eq!(one[1], Path::new("/r/memory/memory.oom_control"));
    }

    #[test]
    fn the_cgroups_counter_is_proof_and_the_machines_is_likely() {
        assert_eq!(oom_kills("low 0\noom 4\noom_kill 3\noom_group_kill 1\n"), 3);
        let counts = |cgroup, machine| Counts { cgroup, machine };
        assert_eq!(verdict(counts(3, 9), counts(3, 9)), None);
        assert!(
            verdict(counts(3, 9), counts(4, 10))
                .unwrap()
                .starts_with("out of memory")
        );
        assert!(
            verdict(counts(0, 9), counts(0, 10))
                .unwrap()
                .starts_with("probably")
        );
    }
}
