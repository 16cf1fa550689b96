//! A backup each day, while `up` or `host` runs: by a process of its own, so that it takes nothing from who serves.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hotclub_postgres::backup::{self, Reason};
use hotclub_postgres::schedule::{Action, Event, Policy, State};

use tokio::task::JoinHandle;

use crate::console::Failure;

/// Runs for as long as it is polled; `wanted` false: it only waits.
pub(crate) async fn keep_up(dir: &Path, backups: PathBuf, wanted: bool) -> Failure {
    if !wanted {
        return std::future::pending().await;
    }
    match drive(dir, &backups).await {}
}

/// The same beside whoever holds it; ends when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Daily(Option<JoinHandle<Infallible>>);

impl Daily {
    /// Goes on where it was begun already: what is due is counted from the first start on.
    pub(crate) fn want(&mut self, wanted: bool, dir: &Path, backups: &Path) {
        if !wanted {
            self.end();
        } else if self.0.is_none() {
            let (dir, backups) = (dir.to_owned(), backups.to_owned());
            self.0 = Some(tokio::spawn(async move { drive(&dir, &backups).await }));
        }
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn end(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
    }
}

impl Drop for Daily {
    fn drop(&mut self) {
        self.end();
    }
}

async fn drive(dir: &Path, backups: &Path) -> Infallible {
    let policy = Policy::default();
    let (mut state, mut event) = (State::new(last(backups), now(), policy), Event::Tick);
    loop {
        let (next, action) = state.step(event, now(), policy);
        state = next;
        event = match action {
            Action::Begin => Event::Ended {
                good: back_up(dir).await,
            },
            Action::Sleep { until } => {
                let pause = until.saturating_sub(now());
                tokio::time::sleep(Duration::from_secs(pause)).await;
                Event::Tick
            }
        };
    }
}

/// When the newest proven daily backup was made.
fn last(backups: &Path) -> Option<u64> {
    let all = backup::list(backups);
    let manifests = all.iter().map(|kept| &kept.manifest);
    let mut daily = manifests.filter(|m| m.reason == Reason::Daily && m.proof.is_good());
    daily.next().map(|manifest| manifest.made_at)
}

async fn back_up(dir: &Path) -> bool {
    let Ok(program) = std::env::current_exe() else {
        return false;
    };
    let mut command = tokio::process::Command::new(program);
    command.args(["db", "backup", "--daily"]).arg(dir);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true);
    let ended = command.process_group(0).status().await;
    let good = ended.is_ok_and(|status| status.success());
    if !good {
        tracing::warn!("the day's backup failed; it is tried again in an hour");
    }
    good
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}
