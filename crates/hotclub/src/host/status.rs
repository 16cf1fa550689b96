//! `hotclub status`: how every site fares, what is wrong, and what to do.

mod certificate;

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hotclub_app::Memory;
use hotclub_config::Site;
use hotclub_postgres::backup::{self, Kept};
use serde::{Deserialize, Serialize};

use self::certificate::Certificate;
use super::ask::Look;
use super::deploy::size;
use super::desk::Desk;
use super::latency::Latency;
use crate::console::Failure;
use crate::control::Outcome;
use crate::processes::ProcessView;
use crate::releases::{Home, Release};

/// Between two looks at the counters.
const MOMENT: Duration = Duration::from_millis(500);
/// A newest backup that is older, where one is made each day: two have failed.
const OLD: u64 = 50 * 3600;
/// Below this part of the disk somebody should know.
const LITTLE_ROOM: f64 = 0.05;

/// A host at one moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) version: String,
    pub(crate) pid: u32,
    pub(crate) sites: Vec<SiteStatus>,
    /// Of the disk that state lies on, in bytes.
    pub(crate) free: u64,
    pub(crate) wrong: Vec<Wrong>,
}

/// A site at that moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SiteStatus {
    pub(crate) name: String,
    pub(crate) hosts: Vec<String>,
    /// `serving`, `starting` or `down`.
    pub(crate) state: String,
    /// Seconds for which it has been so.
    pub(crate) seconds: u64,
    /// The live one, of a site that was deployed.
    pub(crate) release: Option<u64>,
    /// All that can be gone back to.
    pub(crate) releases: Vec<u64>,
    pub(crate) workers: usize,
    pub(crate) busy: usize,
    /// Requests that no worker has taken yet.
    pub(crate) queued: usize,
    /// Of all workers, in bytes; what they share counts once.
    pub(crate) memory: u64,
    pub(crate) requests_per_second: f64,
    pub(crate) answered: u64,
    /// Of those, with a status from 500 on.
    pub(crate) failed: u64,
    /// Of the app's answers just now, if there were any.
    pub(crate) latency: Option<Latency>,
    /// What runs beside the app.
    pub(crate) processes: Vec<ProcessView>,
    /// What its folder takes on the disk, in bytes; only of a site that was deployed.
    pub(crate) disk: Option<u64>,
    /// Seconds since the newest backup that was proven.
    pub(crate) backup_age: Option<u64>,
    /// Of a site that visitors reach by https with a certificate for the world.
    pub(crate) certificate: Option<Certificate>,
    pub(crate) wrong: Vec<Wrong>,
}

/// What is wrong, and what to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Wrong {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl From<Failure> for Wrong {
    fn from(failure: Failure) -> Self {
        let Failure { message, hint, .. } = failure;
        Self { message, hint }
    }
}

impl Desk {
    /// `brief`: without what has to be added up on the disk.
    pub(super) async fn status(&self, only: Option<&str>, brief: bool) -> Outcome {
        let before = self.asker.look().await?;
        tokio::time::sleep(MOMENT).await;
        let mut now = self.asker.look().await?;
        if let Some(only) = only {
            now.retain(|look| look.site.name == only);
            if now.is_empty() {
                return Err(Failure::new(format!("no site is called `{only}`")));
            }
        }
        let state = self.state.clone();
        // Files are read and the kernel is asked for memory: nothing for a thread that others wait for.
        let composed = tokio::task::spawn_blocking(move || {
            let sites = now.into_iter().map(|look| {
                let pace = Pace::between(&before, &look);
                let mut site = of_site(&state, look, &pace);
                if !brief {
                    let home = Home::of(&state, &site.name);
                    site.disk = site.release.map(|_| size(home.dir()));
                }
                site
            });
            let sites = sites.collect();
            let (free, wrong) = disk(&state);
            Status {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                pid: std::process::id(),
                sites,
                free,
                wrong,
            }
        });
        Ok(serde_json::to_value(composed.await?)?)
    }
}

/// What went on between two looks.
#[derive(Default)]
struct Pace {
    requests_per_second: f64,
    latency: Option<Latency>,
}

impl Pace {
    fn between(before: &[Look], now: &Look) -> Self {
        let Some(earlier) = before.iter().find(|look| look.site.name == now.site.name) else {
            return Self::default();
        };
        let answered = now.answered.saturating_sub(earlier.answered);
        Self {
            requests_per_second: answered as f64 / MOMENT.as_secs_f64(),
            latency: Latency::between(&earlier.times, &now.times),
        }
    }
}

fn of_site(state: &Path, look: Look, pace: &Pace) -> SiteStatus {
    let home = Home::of(state, &look.site.name);
    let deployed = Release::around(&look.site.dir);
    let kept = home.releases().into_iter().filter(Release::is_fit);
    let workers = look.view.as_ref().map(|view| view.workers());
    let workers = workers.unwrap_or_default();
    let memory = workers.iter().filter_map(|worker| {
        let memory = Memory::of(worker.pid);
        memory.proportional.or(memory.resident)
    });
    let busy: usize = workers.iter().map(|worker| worker.busy).sum();
    let (waiting, sent) = look.view.as_ref().map_or((0, 0), |view| view.load());
    let mut wrong: Vec<Wrong> = look.failure.clone().into_iter().map(Wrong::from).collect();
    wrong.extend(look.processes.iter().filter_map(ends_again_and_again));
    let folder = look.folder.clone().unwrap_or_else(|| home.state());
    let backups = backup::list(&folder.join("backups"));
    let backup_age = newest_good(&backups).map(age);
    wrong.extend(doubtful_backup(&look.site, &backups));
    wrong.extend(old_backup(&look, backup_age));
    let certificate = Certificate::of(&look, state);
    wrong.extend(
        certificate
            .as_ref()
            .and_then(|it| it.doubt(&look.site.https.certificates)),
    );
    SiteStatus {
        name: look.site.name.clone(),
        hosts: look.site.hosts.clone(),
        state: look.state.to_owned(),
        seconds: age(look.since),
        release: deployed.as_ref().map(|release| release.number),
        releases: match deployed {
            Some(_) => kept.map(|release| release.number).collect(),
            None => Vec::new(),
        },
        workers: workers.len(),
        busy,
        queued: waiting + sent.saturating_sub(busy),
        memory: memory.sum(),
        requests_per_second: pace.requests_per_second,
        latency: pace.latency,
        answered: look.answered,
        failed: look.failed,
        processes: look.processes,
        disk: None,
        backup_age,
        certificate,
        wrong,
    }
}

fn age(since: SystemTime) -> u64 {
    since.elapsed().unwrap_or_default().as_secs()
}

fn newest_good(backups: &[Kept]) -> Option<SystemTime> {
    let proven = backups.iter().find(|kept| kept.manifest.proof.is_good())?;
    Some(UNIX_EPOCH + Duration::from_secs(proven.manifest.made_at))
}

fn ends_again_and_again(process: &ProcessView) -> Option<Wrong> {
    process.is_looping.then(|| Wrong {
        message: format!(
            "the process {} keeps ending: {} times so far",
            process.name, process.deaths
        ),
        hint: Some("`hotclub logs` shows what it said; correct its command, and reload".to_owned()),
    })
}

/// A backup that failed is worth a word for as long as it is the newest.
fn doubtful_backup(site: &Site, backups: &[Kept]) -> Option<Wrong> {
    let newest = backups.first();
    let newest = newest.filter(|kept| !kept.manifest.proof.is_good())?;
    Some(Wrong {
        message: format!("the backup {} could not be proven", newest.manifest.name),
        hint: Some(format!("hotclub db backup {}", site.dir.display())),
    })
}

/// Of a site that serves for longer than a first backup may take.
fn old_backup(look: &Look, age: Option<u64>) -> Option<Wrong> {
    let serves = self::age(look.since);
    let is_old = age.unwrap_or(serves) > OLD && serves > OLD;
    let message = match age {
        _ if !is_old || !look.keeps_backups => return None,
        Some(age) => format!("the newest proven backup is {} hours old", age / 3600),
        None => "there is no proven backup".to_owned(),
    };
    Some(Wrong {
        message,
        hint: Some(format!(
            "make one, which says why the day's fail: hotclub db backup {}",
            look.site.dir.display()
        )),
    })
}

fn disk(state: &Path) -> (u64, Vec<Wrong>) {
    let Ok(disk) = rustix::fs::statvfs(state) else {
        return (0, Vec::new());
    };
    let free = disk.f_bavail * disk.f_frsize;
    let all = (disk.f_blocks * disk.f_frsize).max(1);
    let wrong = (free as f64 / all as f64 <= LITTLE_ROOM).then(|| Wrong {
        message: format!(
            "the disk of {} is nearly full: {} MiB are left",
            state.display(),
            free >> 20
        ),
        hint: Some("make room: deploys are refused when there is too little".to_owned()),
    });
    (free, wrong.into_iter().collect())
}
