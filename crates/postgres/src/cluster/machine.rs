//! What the machine has, and what of it one cluster takes: several sites share a server, and each has workers beside its
//! database.

use std::path::Path;

const MIB: u64 = 1 << 20;
/// A machine that does not say how much memory it has.
const USUAL: u64 = 2048;

/// Memory in MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Machine {
    memory: u64,
}

impl Machine {
    /// The one that we are on, or the part of it that a container leaves us.
    pub(super) fn here() -> Self {
        let all = std::fs::read_to_string("/proc/meminfo").ok();
        let all = all.as_deref().and_then(total);
        let limit = limit(Path::new("/sys/fs/cgroup/memory.max"));
        let memory = all.into_iter().chain(limit).min();
        Self {
            memory: memory.unwrap_or(USUAL),
        }
    }

    /// From PostgreSQL's own 128 MB, which does for a small site, to 1 GB, beyond which one site hardly gains.
    pub(super) fn shared_buffers(self) -> u64 {
        (self.memory / 16).clamp(128, 1024)
    }

    /// What the planner may believe to be cached, by the kernel, too.
    pub(super) fn effective_cache_size(self) -> u64 {
        (self.memory / 2).max(256)
    }

    /// For indexes and vacuum; a restore makes all indexes.
    pub(super) fn maintenance_work_mem(self) -> u64 {
        (self.memory / 32).clamp(64, 512)
    }

    /// For one sort of one query: all connections may sort at once.
    pub(super) fn work_mem(self, connections: u32) -> u64 {
        (self.memory / 8 / u64::from(connections.max(1))).clamp(4, 32)
    }
}

/// `MemTotal:       16384000 kB`
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024)
}

/// `max`, or bytes.
fn limit(file: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let bytes: u64 = text.trim().parse().ok()?;
    Some(bytes / MIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_machine_is_left_alone_and_a_large_one_is_used() {
        assert_eq!(
            total("MemFree: 1 kB\nMemTotal:  16384000 kB\n"),
            Some(16000)
        );
        let small = Machine { memory: 512 };
        assert_eq!((small.shared_buffers(), small.work_mem(50)), (128, 4));
        assert_eq!(small.maintenance_work_mem(), 64);
        let large = Machine { memory: 16000 };
        assert_eq!((large.shared_buffers(), large.work_mem(100)), (1000, 20));
        assert_eq!(large.effective_cache_size(), 8000);
        let huge = Machine { memory: 1 << 20 };
        assert_eq!((huge.shared_buffers(), huge.work_mem(1)), (1024, 32));
    }
}
