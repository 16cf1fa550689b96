//! Back to a backup: restored beside the live data, checked there, then swapped. What was live is kept until
//! it is dropped on purpose, and going back to it is another swap.
//!
//! `journal` says which swap is under way, `swap` carries it out and ends what a kill interrupted, `old` keeps
//! the list of what was put aside. Until the swap, everything happens to names that nobody uses.

use std::path::{Path, PathBuf};

use crate::access::Access;
use crate::backup::{
    self, Engine, Holdings, Kept, MEDIA, Report, Source, Sqlite, Store, look, media, media_of,
    room, scratch, verify,
};
use crate::error::Error;
use crate::stamp;

mod folders;
mod foreign;
mod journal;
mod old;
mod swap;

pub(crate) use folders::Folders;
pub use journal::is_interrupted;
use journal::{Database, File, Journal, Phase};
pub use old::{Old, drop_old, list};
pub use swap::{Settled, settle};

/// Restores a backup and puts it in the place of the live data. Returns what was put aside.
pub async fn restore(
    store: &Store,
    holdings: &Holdings,
    kept: &Kept,
    report: Report<'_>,
) -> Result<Old, Error> {
    settle(store, holdings).await?;
    fits(holdings, kept)?;
    report("checking the backup's files");
    verify(kept)?;
    enough_room(store, holdings, kept).await?;
    let with_media = kept.manifest.media.is_some();
    let journal = plan(store, holdings, &kept.manifest.name, with_media);
    journal.write(store)?;
    let laid = lay_out(holdings, kept, &journal, report).await;
    carry_on(store, holdings, journal, laid, report).await
}

/// Loads a dump from elsewhere beside the live data, and puts it in their place. Uploads stay as they are.
pub async fn take_in(
    store: &Store,
    holdings: &Holdings,
    dump: &Path,
    report: Report<'_>,
) -> Result<Old, Error> {
    settle(store, holdings).await?;
    let Source::Postgres(access) = &holdings.database else {
        let why = "this site's database is not PostgreSQL".to_owned();
        return Err(Error::Dump {
            path: dump.to_path_buf(),
            why,
        });
    };
    report("looking at the dump");
    let shape = foreign::shape(dump)?;
    let size = std::fs::metadata(dump).map_err(Error::io("read", dump))?;
    room::require(&[(access.dir(), size.len().saturating_mul(UNPACKED))])?;
    let name = dump.file_name().unwrap_or_default().to_string_lossy();
    let journal = plan(store, holdings, &name, false);
    journal.write(store)?;
    report("loading it beside the live database");
    let laid = load(access, dump, &shape, &journal).await;
    carry_on(store, holdings, journal, laid, report).await
}

async fn load(
    access: &Access,
    dump: &Path,
    shape: &foreign::Shape,
    journal: &Journal,
) -> Result<(), Error> {
    let Some(names) = &journal.database else {
        return Ok(());
    };
    let admin = access.login("postgres").await?;
    scratch::create(access, &admin, &names.fresh).await?;
    foreign::load(access, dump, shape, &names.fresh).await?;
    swap::take_settings_along(access, names).await?;
    match look(access, &names.fresh).await?.tables.is_empty() {
        true => Err(Error::Dump {
            path: dump.to_path_buf(),
            why: "it holds no tables".to_owned(),
        }),
        false => Ok(()),
    }
}

/// Back to what a restore put aside: that becomes live, and what is live now is put aside.
pub async fn undo(
    store: &Store,
    holdings: &Holdings,
    stamp: Option<&str>,
    report: Report<'_>,
) -> Result<Old, Error> {
    settle(store, holdings).await?;
    let all = list(store.dir());
    let wanted = |old: &&Old| stamp.is_none_or(|stamp| old.stamp == stamp);
    let back = all.iter().find(wanted).ok_or_else(|| Error::NothingOld {
        why: match stamp {
            Some(stamp) => format!("nothing was put aside at {stamp}"),
            None => "nothing was put aside by a restore".to_owned(),
        },
    })?;
    let mut journal = plan(
        store,
        holdings,
        &format!("what was before {}", back.from),
        back.media.is_some(),
    );
    journal.back_to(back);
    journal.write(store)?;
    let laid = old_copy(holdings, &journal).await;
    carry_on(store, holdings, journal, laid, report).await
}

/// All is laid out beside: swap it in, or clear it away.
async fn carry_on(
    store: &Store,
    holdings: &Holdings,
    mut journal: Journal,
    laid: Result<(), Error>,
    report: Report<'_>,
) -> Result<Old, Error> {
    if let Err(error) = laid {
        swap::undone(store, holdings, &journal).await?;
        return Err(error);
    }
    report("swapping");
    journal.mark(store, Phase::Swapping)?;
    let swapped = swap::databases(holdings, &journal).await;
    match (swap::settle(store, holdings).await?, swapped) {
        (Some(Settled::Finished(old)), _) => Ok(old),
        (_, Err(error)) => Err(error),
        (_, Ok(())) => Err(Error::NothingOld {
            why: "the swap left no trace".to_owned(),
        }),
    }
}

/// The names of everything that a restore makes.
fn plan(store: &Store, holdings: &Holdings, from: &str, with_media: bool) -> Journal {
    let made_at = stamp::now();
    let taken: Vec<String> = list(store.dir()).into_iter().map(|old| old.stamp).collect();
    let stamp = stamp::unused(made_at, &taken);
    let (mut database, mut file) = (None, None);
    match &holdings.database {
        Source::Postgres(access) => database = Some(Database::beside(access.database(), &stamp)),
        Source::Sqlite(sqlite) => file = Some(File::beside(&sqlite.file, &stamp)),
    }
    let with_media = with_media && !holdings.media_stays;
    let root = holdings.media.as_ref().filter(|_| with_media);
    Journal {
        media: root.map(|root| Folders::beside(root, &stamp)),
        stamp,
        made_at,
        from: from.to_owned(),
        phase: Phase::Making,
        database,
        file,
        undoes: None,
    }
}

/// Whether this backup can become this site's data at all.
fn fits(holdings: &Holdings, kept: &Kept) -> Result<(), Error> {
    match (&holdings.database, &kept.manifest.engine) {
        (Source::Postgres(access), Engine::Postgres { major, version }) => {
            let ours = access.programs().version.major;
            match *major > ours {
                true => Err(Error::NewerVersion {
                    path: kept.folder.clone(),
                    theirs: version.clone(),
                    ours,
                }),
                false => Ok(()),
            }
        }
        (Source::Sqlite(_), Engine::Sqlite { .. }) => Ok(()),
        _ => Err(Error::Damaged {
            path: kept.folder.clone(),
            why: "it holds a database of another kind than the site has now".to_owned(),
        }),
    }
}

/// Tables and indexes take several times what their compressed dump does.
const UNPACKED: u64 = 6;

async fn enough_room(store: &Store, holdings: &Holdings, kept: &Kept) -> Result<(), Error> {
    let dump = kept.manifest.files.first().map_or(0, |part| part.size);
    let mut wanted = Vec::new();
    match &holdings.database {
        Source::Postgres(access) => {
            let client = access.login("postgres").await?;
            let live = match scratch::exists(&client, access.database()).await? {
                true => scratch::size(&client, access.database()).await?,
                false => 0,
            };
            wanted.push((access.dir(), live.max(dump.saturating_mul(UNPACKED))));
        }
        Source::Sqlite(_) => wanted.push((store.dir(), dump.saturating_mul(3))),
    }
    if let (Some(media), Some(root), false) =
        (&kept.manifest.media, &holdings.media, holdings.media_stays)
    {
        wanted.push((parent(root), media.bytes));
    }
    room::require(&wanted)
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// Makes everything beside, and compares it with what the backup was made of.
async fn lay_out(
    holdings: &Holdings,
    kept: &Kept,
    journal: &Journal,
    report: Report<'_>,
) -> Result<(), Error> {
    report("restoring the database beside the live one");
    let archive = kept.folder.join(
        kept.manifest
            .files
            .first()
            .map_or("", |part| part.name.as_str()),
    );
    let found = match (&holdings.database, &journal.database) {
        (Source::Postgres(access), Some(names)) => {
            let admin = access.login("postgres").await?;
            scratch::create(access, &admin, &names.fresh).await?;
            backup::restore(access, &archive, &access.admin(&names.fresh), &[]).await?;
            swap::take_settings_along(access, names).await?;
            look(access, &names.fresh).await?
        }
        (Source::Sqlite(sqlite), _) => sqlite.look(&archive).await?,
        _ => return Ok(()),
    };
    let differences = kept.manifest.database.differences(&found, None);
    if !differences.is_empty() {
        return Err(Error::Differs { differences });
    }
    if let Some(names) = &journal.media {
        report("restoring the media folder beside the live one");
        let listing = media_of(kept)?;
        media::lay_out(
            &kept.folder.join(MEDIA),
            &listing,
            &names.fresh,
            &names.live,
        )?;
    }
    if let (Source::Sqlite(sqlite), Some(file)) = (&holdings.database, &journal.file) {
        std::fs::copy(&archive, &file.fresh).map_err(Error::io("copy", &archive))?;
        copy_aside(sqlite, file).await?;
    }
    Ok(())
}

/// SQLite's file stays in its place, so that what it holds is copied aside first.
async fn old_copy(holdings: &Holdings, journal: &Journal) -> Result<(), Error> {
    match (&holdings.database, &journal.file) {
        (Source::Sqlite(sqlite), Some(file)) => copy_aside(sqlite, file).await,
        _ => Ok(()),
    }
}

async fn copy_aside(sqlite: &Sqlite, file: &File) -> Result<(), Error> {
    sqlite.copy(&file.old).await?;
    // Whoever may read the database may read this.
    let metadata = std::fs::metadata(&sqlite.file).map_err(Error::io("read", &sqlite.file))?;
    std::fs::set_permissions(&file.old, metadata.permissions())
        .map_err(Error::io("set the mode of", &file.old))
}

/// A path beside another: hidden, so that nothing serves or collects it.
fn beside(path: &Path, what: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{what}"))
}

/// What a database of this name would be called beside itself.
fn named_beside(access_name: &str, what: &str) -> String {
    scratch::beside(access_name, what)
}

/// The superuser's session for swaps.
async fn admin(access: &Access) -> Result<tokio_postgres::Client, Error> {
    access.login("postgres").await
}
