//! Memory as the kernel accounts it: PSS, in which a page shared by four processes counts a quarter
//! for each. Databases that a stack started are left out.

use std::fs;

use super::server::Server;

/// Of a stack's processes, in MiB.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Memory {
    pub(super) all: f64,
    /// Of them Python's.
    pub(super) python: f64,
}

pub(super) fn of(server: &Server) -> Memory {
    let mut memory = Memory::default();
    for process in server.processes() {
        if process.command.starts_with("postgres") {
            continue;
        }
        let mib = pss_mib(process.pid).unwrap_or(0.0);
        memory.all += mib;
        if !FRONTS.contains(&process.command.as_str()) {
            memory.python += mib;
        }
    }
    memory
}

/// Names of processes that are no Python. Hotclub's fork server and workers name themselves otherwise.
const FRONTS: [&str; 4] = ["hotclub", "nginx", "caddy", "haproxy"];

fn pss_mib(pid: i32) -> Option<f64> {
    parse(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?)
}

fn parse(rollup: &str) -> Option<f64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sum_of_all_pages_counts() {
        let text = "5581-7ffd [rollup]\nRss:     4096 kB\nPss:     2048 kB\nPss_Dirty:  10 kB\n";
        assert_eq!(parse(text), Some(2.0));
    }
}
