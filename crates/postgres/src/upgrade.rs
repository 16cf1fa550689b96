//! To a newer major version, and back: a cluster of that version is made beside the data, filled from a proven backup,
//! compared, and takes the old one's place by an exchange of two folders. What was live stays until it is dropped.
//!
//! ```text
//! <cluster>/data/                        live
//! <cluster>/upgrade/                     a cluster in the making; never live, swept when a kill left it
//! <cluster>/before-20261128-171500-15/   a data directory that was live, of PostgreSQL 15
//! <cluster>/upgrade.json                 which exchange is under way
//! ```
//!
//! The cluster's lock is held from the first row that is read to the end of the exchange: nobody serves from it
//! meanwhile, so that no row is written which the new one would not have.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::access::Access;
use crate::backup::{
    self, Holdings, Kept, Proof, Reason, Report, Source, Store, look, room, scratch,
};
use crate::cluster::{Cluster, Options};
use crate::error::Error;
use crate::{programs, restore};

mod journal;
mod kept;
mod take_along;

use journal::Journal;
pub(crate) use journal::{is_under_way, settle};
pub use kept::{Before, drop_kept, kept};

/// What an empty cluster takes on the disk, and its write-ahead log.
const EMPTY: u64 = 128 << 20;

/// How long an idle server may take to end.
const STOP: Duration = Duration::from_secs(60);

/// What an upgrade needs to know.
#[derive(Debug)]
pub struct Plan<'p> {
    /// The cluster as it is.
    pub options: Options,
    /// The major version that is wanted.
    pub to: u32,
    /// The site's name, for the backup.
    pub site: &'p str,
    /// How long a server may take to answer.
    pub wait: Duration,
}

/// Moves the cluster to a newer major version. Returns what was put aside.
pub async fn upgrade(plan: &Plan<'_>, store: &Store, report: Report<'_>) -> Result<Before, Error> {
    programs::find(Some(plan.to))?;
    let cluster = existing(&plan.options).await?;
    let from = cluster.version().major;
    if plan.to <= from {
        return Err(Error::NotNewer { from, to: plan.to });
    }
    nothing_put_aside(store)?;
    let mut journal = Journal::begin(cluster.dir(), from);
    journal.write()?;
    if let Err(error) = fill(plan, &cluster, store, report).await {
        journal.undo().await?;
        return Err(error);
    }
    report("exchanging the clusters");
    journal.exchange()?;
    journal.finish().await
}

/// Back to a data directory that was put aside, the newest unless named; what is live now is put aside for it.
pub async fn back(
    options: &Options,
    store: &Store,
    stamp: Option<&str>,
    report: Report<'_>,
) -> Result<Before, Error> {
    let cluster = existing(options).await?;
    let all = kept(cluster.dir());
    let wanted = |before: &&Before| stamp.is_none_or(|stamp| before.stamp == stamp);
    let to = all.iter().find(wanted).ok_or_else(|| Error::NothingOld {
        why: "no upgrade has put data aside".to_owned(),
    })?;
    programs::find(Some(to.major))?;
    to.check()?;
    nothing_put_aside(store)?;
    report("exchanging the clusters");
    let mut journal = Journal::back(cluster.dir(), to, cluster.version().major);
    journal.exchange()?;
    journal.finish().await
}

/// The cluster, which nobody else runs.
async fn existing(options: &Options) -> Result<Cluster, Error> {
    match Cluster::is_new(&options.dir) {
        true => Err(Error::NoCluster {
            dir: options.dir.clone(),
        }),
        false => Cluster::prepare(options.clone()).await,
    }
}

/// Databases that restores have put aside lie in this cluster, and would not be in the other one.
fn nothing_put_aside(store: &Store) -> Result<(), Error> {
    let all = restore::list(store.dir());
    let databases = all.into_iter().filter(|old| old.database.is_some());
    let stamps: Vec<String> = databases.map(|old| old.stamp).collect();
    match stamps.is_empty() {
        true => Ok(()),
        false => Err(Error::PutAside { stamps }),
    }
}

/// Makes the new cluster beside and fills it. No server runs afterwards, whatever came of it.
async fn fill(
    plan: &Plan<'_>,
    cluster: &Cluster,
    store: &Store,
    report: Report<'_>,
) -> Result<(), Error> {
    let access = Access::start(cluster, plan.wait).await?;
    let holdings = Holdings {
        media_stays: false,
        site: plan.site.to_owned(),
        database: Source::Postgres(Box::new(access)),
        media: None,
    };
    let copied = copy(plan, cluster, (store, &holdings), report).await;
    if let Source::Postgres(access) = holdings.database {
        access.close().await;
    }
    copied
}

async fn copy(
    plan: &Plan<'_>,
    cluster: &Cluster,
    (store, holdings): (&Store, &Holdings),
    report: Report<'_>,
) -> Result<(), Error> {
    let Source::Postgres(old) = &holdings.database else {
        return Ok(());
    };
    let client = old.login("postgres").await?;
    let size = scratch::size(&client, old.database()).await?;
    drop(client);
    room::require(&[(cluster.dir(), size.saturating_add(EMPTY))])?;
    let kept = backup::make(store, holdings, Reason::Upgrade, report).await?;
    if let Proof::Failed { why } = &kept.manifest.proof {
        return Err(Error::Damaged {
            path: kept.folder.clone(),
            why: why.clone(),
        });
    }
    report(&format!("making a cluster of PostgreSQL {}", plan.to));
    let fresh = take_along::cluster(cluster, plan.to).await?;
    let server = fresh.start(plan.wait).await?;
    report("restoring the backup into it");
    let loaded = load(old, &Access::of(&server), &kept).await;
    server.stop(STOP).await;
    loaded
}

/// Fills the new cluster, and compares it with what the backup was made of.
async fn load(old: &Access, new: &Access, kept: &Kept) -> Result<(), Error> {
    backup::verify(kept)?;
    let dump = kept.manifest.files.first();
    let archive = kept.folder.join(dump.map_or("", |part| part.name.as_str()));
    backup::restore(new, &archive, &new.admin(new.database()), &[]).await?;
    take_along::settings(old, new).await?;
    let found = look(new, new.database()).await?;
    let differences = kept.manifest.database.differences(&found, None);
    if !differences.is_empty() {
        return Err(Error::Differs { differences });
    }
    let client = new.login(new.database()).await?;
    let analyzed = client.batch_execute("ANALYZE").await;
    analyzed.map_err(|source| Error::Query {
        doing: "gather statistics in the new cluster",
        source,
    })
}

/// What a cluster beside another is called, for whoever makes it and whoever sweeps it.
fn beside(cluster: &Path) -> PathBuf {
    cluster.join("upgrade")
}
