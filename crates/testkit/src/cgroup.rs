//! A memory cgroup of a test's own: version 2, or 1 where the machine still counts memory that way.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::wait::until_within;

const ROOT: &str = "/sys/fs/cgroup";
const MOMENT: Duration = Duration::from_secs(10);

/// Removed when dropped; whoever ran in it has ended by then.
#[derive(Debug)]
pub struct Cgroup {
    folder: PathBuf,
    /// Where the kernel counts whom it killed.
    events: &'static str,
}

impl Cgroup {
    /// One whose processes may have so much memory together, and no swap; the reason, where it cannot be had.
    pub fn with_memory(bytes: u64) -> Result<Self, String> {
        let root = Path::new(ROOT);
        let controllers = fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default();
        let name = format!("hotclub-test-{}", std::process::id());
        let (folder, events, limits) = if controllers.split_whitespace().any(|one| one == "memory")
        {
            set(&root.join("cgroup.subtree_control"), "+memory")?;
            let limits = ["memory.max", "memory.swap.max"];
            (root.join(name), "memory.events", limits)
        } else {
            let limits = ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"];
            (root.join("memory").join(name), "memory.oom_control", limits)
        };
        fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let cgroup = Self { folder, events };
        set(&cgroup.folder.join(limits[0]), &bytes.to_string())?;
        // Version 2 limits swap alone, version 1 memory and swap together; a kernel without swap has no such file.
        let swap = cgroup.folder.join(limits[1]);
        let most = if events == "memory.events" { 0 } else { bytes };
        if swap.exists() {
            set(&swap, &most.to_string())?;
        }
        Ok(cgroup)
    }

    /// The file into which a process writes its number to belong to it.
    pub(crate) fn members(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }

    /// How many of its processes the kernel has killed for want of memory.
    pub fn oom_kills(&self) -> u64 {
        let text = fs::read_to_string(self.folder.join(self.events)).unwrap_or_default();
        let value = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        value
            .and_then(|value| value.trim().parse().ok())
            .expect("the kernel counts OOM kills")
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let removed = || fs::remove_dir(&self.folder).ok();
        if std::thread::panicking() {
            let _ = removed();
        } else {
            until_within(MOMENT, "the cgroup to be empty", removed);
        }
    }
}

fn set(file: &Path, value: &str) -> Result<(), String> {
    fs::write(file, value).map_err(|error| format!("{}: {error}", file.display()))
}
