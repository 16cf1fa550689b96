//! A backup of a site's data, and its proof: the database as one snapshot shows it, the media folder beside it,
//! then all of it restored into a scratch database and compared before anybody calls it good.
//!
//! `store` is the folder, `manifest` what is written down, `fingerprint` what is compared, `dump` runs
//! PostgreSQL's programs, `scratch` keeps databases beside, `media` copies files, `sqlite` does for SQLite
//! what the others do, `room` asks the disk, `retention` says what is old.

use std::path::{Path, PathBuf};
use std::time::Instant;

use tokio_postgres::Client;

use crate::access::Access;
use crate::error::Error;
use crate::stamp;

mod dump;
mod fingerprint;
mod manifest;
pub(crate) mod media;
mod retention;
pub(crate) mod room;
pub(crate) mod scratch;
mod sqlite;
pub(crate) mod store;

pub(crate) use dump::{check, client_of, feed, hex, restore};
pub use fingerprint::{Fingerprint, Table};
pub(crate) use fingerprint::{ready, take};
pub use manifest::{Engine, Manifest, Media, Part, Proof, Reason};
pub use room::shown;
pub use sqlite::Sqlite;
pub use store::{Kept, Store, list};

pub(crate) const MEDIA: &str = "media";
pub(crate) const MEDIA_LIST: &str = "media.json";
const DUMP: &str = "database.dump";

/// Whose data, and where it is.
#[derive(Debug)]
pub struct Holdings {
    pub site: String,
    pub database: Source,
    /// The media folder, when it is to be kept as well.
    pub media: Option<PathBuf>,
    /// A restore leaves the media folder as it is: it is mounted somewhere, and another folder in its place would not be.
    pub media_stays: bool,
}

/// Where the rows are.
#[derive(Debug)]
pub enum Source {
    Postgres(Box<Access>),
    Sqlite(Sqlite),
}

/// Called with what is being done, a few words at a time.
pub type Report<'r> = &'r (dyn Fn(&str) + Sync);

/// Makes a backup and proves it. One whose proof fails is kept and says so, and it is the caller's to fail.
pub async fn make(
    store: &Store,
    holdings: &Holdings,
    reason: Reason,
    report: Report<'_>,
) -> Result<Kept, Error> {
    sweep(store, holdings).await?;
    enough_room(store, holdings).await?;
    let (name, folder) = store.begin()?;
    let made = made(store, holdings, &name, &folder, reason, report).await;
    if made.is_err() {
        // What cannot be removed now is swept by the next run.
        let _ = std::fs::remove_dir_all(&folder);
    }
    made
}

async fn made(
    store: &Store,
    holdings: &Holdings,
    name: &str,
    folder: &Path,
    reason: Reason,
    report: Report<'_>,
) -> Result<Kept, Error> {
    let (began, made_at) = (Instant::now(), stamp::now());
    report("copying the database");
    let Copied {
        engine,
        part,
        database,
        proof,
    } = match &holdings.database {
        Source::Postgres(access) => postgres(access, name, folder, report).await?,
        Source::Sqlite(sqlite) => sqlite.keep(folder).await?,
    };
    let mut files = vec![part];
    let mut media = None;
    if let Some(root) = holdings.media.as_ref().filter(|root| root.is_dir()) {
        report("copying the media folder");
        let (listed, part) = keep_media(store, root, folder)?;
        media = Some(listed);
        files.push(part);
    }
    let manifest = Manifest {
        format: Manifest::FORMAT,
        made_by: concat!("hotclub ", env!("CARGO_PKG_VERSION")).to_owned(),
        name: name.to_owned(),
        site: holdings.site.clone(),
        made_at,
        reason,
        engine,
        files,
        media,
        database,
        proof,
        seconds: began.elapsed().as_secs_f64(),
    };
    store.finish(folder, manifest)
}

/// Whether there is nothing to lose: no table yet.
pub async fn is_empty(holdings: &Holdings) -> Result<bool, Error> {
    match &holdings.database {
        Source::Postgres(access) => {
            let client = access.login(access.database()).await?;
            let tables = fingerprint::has_tables(&client).await;
            tables.map(|has| !has).map_err(|source| Error::Query {
                doing: "look into the database",
                source,
            })
        }
        Source::Sqlite(sqlite) => Ok(sqlite.size().unwrap_or(0) == 0),
    }
}

/// Removes what killed runs left, in the folder and in the cluster.
pub async fn sweep(store: &Store, holdings: &Holdings) -> Result<(), Error> {
    // The folder goes last: it is what tells of scratch databases.
    if let (Source::Postgres(access), true) = (&holdings.database, store.has_unfinished()) {
        let client = access.login("postgres").await?;
        scratch::sweep(access, &client).await?;
    }
    store.sweep()
}

/// The dump may be as large as the database, and so is the one that proves it; PostgreSQL's log grows beside.
async fn enough_room(store: &Store, holdings: &Holdings) -> Result<(), Error> {
    let mut wanted = Vec::new();
    match &holdings.database {
        Source::Postgres(access) => {
            let client = access.login("postgres").await?;
            let size = scratch::size(&client, access.database()).await?;
            wanted.push((store.dir(), size));
            wanted.push((access.dir(), size.saturating_mul(2)));
        }
        Source::Sqlite(sqlite) => wanted.push((store.dir(), sqlite.size()?)),
    }
    if let Some(root) = &holdings.media {
        let before = list(store.dir())
            .into_iter()
            .find_map(|kept| kept.manifest.media);
        let held = before.map_or(0, |media| media.bytes);
        wanted.push((store.dir(), media::size(root).saturating_sub(held)));
    }
    room::require(&wanted)
}

/// A database that was copied.
pub(crate) struct Copied {
    pub(crate) engine: Engine,
    pub(crate) part: Part,
    pub(crate) database: Fingerprint,
    pub(crate) proof: Proof,
}

async fn postgres(
    access: &Access,
    name: &str,
    folder: &Path,
    report: Report<'_>,
) -> Result<Copied, Error> {
    let fail = |source| Error::Query {
        doing: "read the database",
        source,
    };
    let client = access.login(access.database()).await?;
    ready(&client).await.map_err(fail)?;
    // Dump and fingerprint look at the same moment, whoever writes meanwhile.
    client
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await
        .map_err(fail)?;
    let row = client.query_one("SELECT pg_export_snapshot()", &[]).await;
    let snapshot: String = row.and_then(|row| row.try_get(0)).map_err(fail)?;
    let first = fingerprint::sequences(&client).await.map_err(fail)?;
    let archive = folder.join(DUMP);
    let (part, database) = tokio::join!(dump::dump(access, &snapshot, &archive), take(&client));
    let (part, mut database) = (part?, database.map_err(fail)?);
    let later = fingerprint::sequences(&client).await.map_err(fail)?;
    client.batch_execute("COMMIT").await.map_err(fail)?;
    drop(client);
    database.sequences = first;
    report("proving it: restoring into a scratch database");
    let began = Instant::now();
    let proof = match prove(access, name, &archive, &database, &later).await {
        Ok(sequences) => {
            database.sequences = sequences;
            Proof::Proven {
                seconds: began.elapsed().as_secs_f64(),
            }
        }
        Err(error) => Proof::Failed {
            why: error.to_string(),
        },
    };
    let version = &access.programs().version;
    let engine = Engine::Postgres {
        major: version.major,
        version: version.text.clone(),
    };
    Ok(Copied {
        engine,
        part,
        database,
        proof,
    })
}

type Sequences = std::collections::BTreeMap<String, Option<i64>>;

/// Restores into a scratch database, which is dropped in every outcome; the sequences as the dump has them.
async fn prove(
    access: &Access,
    name: &str,
    archive: &Path,
    expected: &Fingerprint,
    later: &Sequences,
) -> Result<Sequences, Error> {
    let scratch = format!("{}{name}", scratch::PREFIX);
    let admin = access.login("postgres").await?;
    scratch::create(access, &admin, &scratch).await?;
    let restored = restored(access, archive, &scratch).await;
    let dropped = scratch::drop(access, &admin, &scratch).await;
    let restored = restored?;
    dropped?;
    let differences = expected.differences(&restored, Some(later));
    match differences.is_empty() {
        true => Ok(restored.sequences),
        false => Err(Error::Differs { differences }),
    }
}

async fn restored(access: &Access, archive: &Path, into: &str) -> Result<Fingerprint, Error> {
    restore(access, archive, &access.admin(into), &[]).await?;
    look(access, into).await
}

/// The fingerprint of a database that nobody writes to.
pub(crate) async fn look(access: &Access, database: &str) -> Result<Fingerprint, Error> {
    let fail = |source| Error::Query {
        doing: "read the restored database",
        source,
    };
    let client: Client = access.login(database).await?;
    ready(&client).await.map_err(fail)?;
    take(&client).await.map_err(fail)
}

/// Copies the media folder; what has not changed is shared with the newest backup that has media.
fn keep_media(store: &Store, root: &Path, folder: &Path) -> Result<(Media, Part), Error> {
    let before = list(store.dir())
        .into_iter()
        .find(|kept| kept.manifest.media.is_some())
        .and_then(|kept| Some((kept.folder.join(MEDIA), media_of(&kept).ok()?)));
    let shared = before
        .as_ref()
        .map(|(folder, listing)| (folder.as_path(), listing));
    let listing = media::keep(root, &folder.join(MEDIA), shared)?;
    let path = folder.join(MEDIA_LIST);
    let text =
        serde_json::to_string(&listing).map_err(|error| Error::io("write", &path)(error.into()))?;
    store::write_synced(&path, &text)?;
    let part = Part {
        name: MEDIA_LIST.to_owned(),
        size: text.len() as u64,
        sha256: dump::digest_of(&path).map_err(Error::io("read", &path))?,
    };
    let media = Media {
        root: root.to_path_buf(),
        files: listing.len() as u64,
        bytes: listing.iter().map(media::Entry::size).sum(),
    };
    Ok((media, part))
}

/// The list of a backup's media files.
pub(crate) fn media_of(kept: &Kept) -> Result<media::Listing, Error> {
    let path = kept.folder.join(MEDIA_LIST);
    let text = std::fs::read(&path).map_err(Error::io("read", &path))?;
    serde_json::from_slice(&text).map_err(|error| Error::Damaged {
        path,
        why: error.to_string(),
    })
}

/// Checks every file of a backup against what was written down of it.
pub fn verify(kept: &Kept) -> Result<(), Error> {
    for part in &kept.manifest.files {
        check(&kept.folder, part)?;
    }
    if kept.manifest.media.is_some() {
        media::check(&kept.folder.join(MEDIA), &media_of(kept)?)?;
    }
    Ok(())
}
