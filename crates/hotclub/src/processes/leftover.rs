//! Processes outlive a Hotclub that was killed. What runs is written down, with the moment of its start, so that the
//! next Hotclub can end it, and nothing else that has its number by then.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};

/// Until what was told to end is killed.
const GRACE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    pid: u32,
    /// In the kernel's ticks since the machine started.
    began: u64,
}

type Record = BTreeMap<String, Seen>;

/// This one runs from here on.
pub(super) fn note(record: &Path, name: &str, pid: u32) {
    if let Some(began) = began(pid) {
        let seen = Seen { pid, began };
        change(record, |all| {
            all.insert(name.to_owned(), seen);
        });
    }
}

/// It ended.
pub(super) fn forget(record: &Path, name: &str) {
    change(record, |all| {
        all.remove(name);
    });
}

/// Ends what is still there of an earlier Hotclub's.
pub(super) async fn end(record: &Path) {
    let left: Vec<Seen> = read(record).into_values().filter(Seen::is_there).collect();
    for seen in &left {
        tracing::warn!(
            pid = seen.pid,
            "a process of an earlier Hotclub still ran: it is ended"
        );
        seen.signal(Signal::TERM);
    }
    let deadline = tokio::time::Instant::now() + GRACE;
    while left.iter().any(Seen::is_there) && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(PAUSE).await;
    }
    left.iter()
        .filter(|seen| seen.is_there())
        .for_each(|seen| seen.signal(Signal::KILL));
    change(record, Record::clear);
}

impl Seen {
    fn is_there(&self) -> bool {
        began(self.pid) == Some(self.began)
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.pid.cast_signed()) {
            // It may have ended in this moment.
            let _ = kill_process_group(pid, signal);
        }
    }
}

/// When a process was started; `None`: it is gone, or only waits to be reaped.
fn began(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses and may hold anything.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let is_gone = matches!(fields.next()?, "Z" | "X");
    let began = fields.nth(18)?.parse().ok()?;
    (!is_gone).then_some(began)
}

fn read(record: &Path) -> Record {
    let text = fs::read(record).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

fn change(record: &Path, change: impl FnOnce(&mut Record)) {
    let mut all = read(record);
    change(&mut all);
    let fresh = record.with_extension("new");
    let written = serde_json::to_vec(&all)
        .map_err(std::io::Error::from)
        .and_then(|text| fs::write(&fresh, text))
        .and_then(|()| fs::rename(&fresh, record));
    if let Err(error) = written {
        tracing::warn!(%error, "which processes run cannot be written down");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_another_process_has_by_now_is_left_alone() {
        let me = std::process::id();
        let began = began(me).unwrap();
        assert!(Seen { pid: me, began }.is_there());
        let other = Seen {
            pid: me,
            began: began + 1,
        };
        assert!(!other.is_there());
    }
}
