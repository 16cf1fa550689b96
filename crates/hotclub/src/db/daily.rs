//! A backup each day, while `up` runs: by a process of its own, so that it takes nothing from who serves.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hotclub_postgres::backup::{self, Reason};
use hotclub_postgres::schedule::{Action, Event, Policy, State};

use crate::console::Failure;

/// Runs for as long as it is polled; `wanted` false: it only waits.
pub(crate) async fn keep_up(dir: &Path, backups: PathBuf, wanted: bool) -> Failure {
    if !wanted {
        return std::future::pending().await;
    }
    match drive(dir, &backups).await {}
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
