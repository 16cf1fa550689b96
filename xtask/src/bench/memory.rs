//! Memory as the kernel accounts it: PSS, in which a page shared by four processes counts a quarter
//! for each. Databases that a stack started are left out.

use std::fs;

use super::results::{Memory, ProcessMemory};
use super::server::Server;

pub(super) fn of(server: &Server, stack: &str, workers: u32) -> Memory {
    let processes: Vec<_> = server
        .processes()
        .into_iter()
        .filter(|process| !process.command.starts_with("postgres"))
        .filter_map(|process| {
            Some(ProcessMemory {
                command: process.command,
                mib: pss_mib(process.pid)?,
            })
        })
        .collect();
    let total_mib = processes.iter().map(|process| process.mib).sum();
    Memory {
        stack: stack.to_owned(),
        workers,
        total_mib,
        processes,
    }
}

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
