//! A deploy: from an archive to a release that serves. At every step that fails the live release goes on, and what
//! there is of the new one is removed; what a crash leaves is cleared away by the next deploy.

use std::path::Path;
use std::time::Instant;

use serde_json::json;

use super::desk::Desk;
use super::unpack::unpack;
use crate::console::{Console, Failure};
use crate::control::{Outcome, Visitor};
use crate::releases::{Fitness, Home, Release, data};
use crate::up::release::Turn;

/// Releases that stay, the live one among them.
const KEPT: usize = 5;
/// What must stay free beside all that a deploy is known to write: a log, a database that grows.
const SPARE: u64 = 128 << 20;

impl Desk {
    pub(super) async fn deploy(
        &self,
        site: &str,
        (from, bytes): (&str, u64),
        mut visitor: Visitor,
    ) -> Outcome {
        let began = Instant::now();
        let home = self.home(site)?;
        home.make()?;
        let _lock = home.lock()?;
        // What a killed host left running works in the release that would be swept.
        drop(Turn::take(&home.state())?);
        home.sweep()?;
        has_room(&home, bytes)?;
        let release = home.begin(from)?;
        let console = self.console(site, visitor.listener());
        let outcome = self.bring(&home, &release, &mut visitor, console).await;
        let shown = outcome.map_err(|failure| taken_back(&home, &release, failure))?;
        let pruned = home.prune(KEPT)?;
        Ok(json!({
            "site": site,
            "release": release.number,
            "pruned": pruned,
            "live_after": shown.duration_since(began).as_secs_f64(),
            "seconds": began.elapsed().as_secs_f64(),
        }))
    }

    async fn bring(
        &self,
        home: &Home,
        release: &Release,
        visitor: &mut Visitor,
        console: Console,
    ) -> Result<Instant, Failure> {
        console.begin("source");
        let archive = visitor.archive().await?;
        let bytes = archive.limit();
        unpack(archive, bytes, &release.source()).await?;
        data::link_what_is_known(release)?;
        console.done(&format!("release {}", release.number));
        self.go_live(home, release, console).await
    }

    /// Raises a release beside the live one, and lets it take its place; since when visitors have found it.
    pub(super) async fn go_live(
        &self,
        home: &Home,
        release: &Release,
        console: Console,
    ) -> Result<Instant, Failure> {
        let site = self.site_of(home, release)?;
        let attempt = self.asker.attempt(&site, console).await?;
        if let Some(mut record) = release.record().filter(|_| !release.is_fit()) {
            record.fitness = Fitness::Fit;
            release.keep(&record)?;
            home.sync()?;
        }
        home.point_at(release)?;
        // The pointer decides: should we end here, the next start serves the new release. The disk has time until the old
        // one is gone.
        let home = home.clone();
        let settled = tokio::task::spawn_blocking(move || home.settle());
        let (shown, settled) = tokio::join!(attempt.switch(), settled);
        settled??;
        shown
    }
}

/// The new release goes; what it has become stays when it is live already.
fn taken_back(home: &Home, release: &Release, mut failure: Failure) -> Failure {
    let current = home.current();
    if current.as_ref() == Some(release) {
        return failure;
    }
    let mut gone = release.remove();
    if current.is_none() {
        gone = gone.and_then(|()| data::forget(home));
    }
    failure.message = match current {
        Some(current) => format!(
            "not deployed, release {} goes on: {}",
            current.number, failure.message
        ),
        None => format!("not deployed: {}", failure.message),
    };
    if let Err(error) = gone {
        let number = release.number;
        tracing::warn!(%error, number, "what is left of a release that failed is removed later");
    }
    failure
}

/// Refuses what would fill the disk: the code, static files as large as the last ones, a backup like the last.
fn has_room(home: &Home, bytes: u64) -> Result<(), Failure> {
    let live = home.current();
    let statics = live.map_or(0, |live| size(&live.static_dir()));
    let backups = hotclub_postgres::backup::list(&home.state().join("backups"));
    let backup = backups.first().map_or(0, |kept| kept.manifest.size());
    let needed = bytes + statics + backup + SPARE;
    let disk = rustix::fs::statvfs(home.dir())?;
    let free = disk.f_bavail * disk.f_frsize;
    if free >= needed {
        return Ok(());
    }
    let mib = |bytes: u64| bytes >> 20;
    let message = format!(
        "the disk of {} has {} MiB left, and this deploy may need {} MiB",
        home.dir().display(),
        mib(free),
        mib(needed)
    );
    Err(Failure::new(message).hint("make room first; nothing was changed"))
}

/// Bytes of all files below a folder.
pub(super) fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| {
        let metadata = entry.metadata().ok()?;
        Some(match metadata.is_dir() {
            true => size(&entry.path()),
            false => metadata.len(),
        })
    });
    sizes.sum()
}
