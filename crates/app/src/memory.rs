//! How large a process is: /proc/PID/statm and smaps_rollup (proc(5)).

/// What a process holds, in bytes; `None` where it is gone, or where the kernel does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// What it shares with others included.
    pub resident: Option<u64>,
    /// What it shares divided by those it shares it with. Adding it up costs the kernel about a millisecond for
    /// each hundred megabytes.
    pub proportional: Option<u64>,
}

impl Memory {
    #[must_use]
    pub fn of(pid: i32) -> Self {
        Self {
            resident: resident(pid),
            proportional: proportional(pid),
        }
    }
}

/// Without what costs time.
pub(crate) fn resident(pid: i32) -> Option<u64> {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

fn proportional(pid: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_shares_a_part_of_what_it_holds() {
        let pid = rustix::process::getpid().as_raw_pid();
        let Memory {
            resident,
            proportional,
        } = Memory::of(pid);
        assert!(resident.unwrap() > 100_000);
        // Old kernels and some sandboxes lack the file.
        assert!(proportional.is_none_or(|bytes| bytes > 0 && bytes <= resident.unwrap() * 2));
        assert_eq!(Memory::of(i32::MAX), Memory::default());
    }
}
