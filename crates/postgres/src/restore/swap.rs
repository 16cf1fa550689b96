//! The swap itself, and the end of one that a kill interrupted.
//!
//! PostgreSQL's databases change their names in one transaction; SQLite's content is replaced in one. So after a
//! kill they are either swapped or not, which can be seen: the fresh database has lost its name, the live file
//! has our mark. Not swapped: all is cleared away. Swapped: the media folder, the list and the journal follow,
//! and each of these steps may be done twice.

use std::time::Duration;

use tokio_postgres::Client;

use super::journal::{Database, Journal, Phase};
use super::old::{self, Old, remove};
use crate::access::Access;
use crate::backup::{Holdings, Source, Store, scratch};
use crate::error::Error;
use crate::role::identifier;

/// How often the app's sessions are sent away while the swap waits for the last of them.
const PRESS: Duration = Duration::from_millis(50);

/// How long the swap may wait in all.
const SWAP: Duration = Duration::from_secs(30);

/// What became of an interrupted restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// It was finished; this is what was live before.
    Finished(Old),
    /// The live data are what they were; what had been made beside is gone.
    Undone,
}

/// Ends what a kill interrupted; `None`: nothing was.
pub async fn settle(store: &Store, holdings: &Holdings) -> Result<Option<Settled>, Error> {
    let Some(mut journal) = Journal::read(store)? else {
        return Ok(None);
    };
    let swapped = match journal.phase {
        Phase::Making => false,
        Phase::Swapping => is_swapped(holdings, &journal).await?,
        Phase::Swapped => true,
    };
    if !swapped {
        // Said before the fresh database goes: a kill behind that must not look like a swap.
        journal.mark(store, Phase::Making)?;
        undone(store, holdings, &journal).await?;
        return Ok(Some(Settled::Undone));
    }
    if journal.phase != Phase::Swapped {
        journal.mark(store, Phase::Swapped)?;
    }
    finish(store, holdings, &journal)
        .await
        .map(|old| Some(Settled::Finished(old)))
}

async fn is_swapped(holdings: &Holdings, journal: &Journal) -> Result<bool, Error> {
    match (&holdings.database, &journal.database) {
        (Source::Postgres(access), Some(names)) => {
            let client = super::admin(access).await?;
            Ok(!scratch::exists(&client, &names.fresh).await?)
        }
        (Source::Sqlite(sqlite), _) => Ok(sqlite.stamp().await? == Some(journal.stamp.clone())),
        _ => Ok(false),
    }
}

/// Clears away what was made beside.
pub(super) async fn undone(
    store: &Store,
    holdings: &Holdings,
    journal: &Journal,
) -> Result<(), Error> {
    if journal.undoes.is_none() {
        if let (Source::Postgres(access), Some(names)) = (&holdings.database, &journal.database) {
            let client = super::admin(access).await?;
            scratch::drop(access, &client, &names.fresh).await?;
        }
        let fresh = journal.file.iter().map(|file| &file.fresh);
        for path in fresh.chain(journal.media.iter().map(|media| &media.fresh)) {
            remove(path)?;
        }
    }
    // SQLite's content was only copied aside.
    if let Some(file) = &journal.file {
        remove(&file.old)?;
    }
    journal.remove(store)
}

/// Everything after the databases.
async fn finish(store: &Store, holdings: &Holdings, journal: &Journal) -> Result<Old, Error> {
    if let (Source::Sqlite(sqlite), Some(file)) = (&holdings.database, &journal.file) {
        sqlite.unmark().await?;
        remove(&file.fresh)?;
    }
    if let Some(media) = &journal.media {
        media.exchange()?;
    }
    // There may have been no media folder before.
    let media = journal.media.as_ref().map(|media| media.old.clone());
    let old = Old {
        stamp: journal.stamp.clone(),
        made_at: journal.made_at,
        from: journal.from.clone(),
        database: journal.database.as_ref().map(|names| names.old.clone()),
        file: journal.file.as_ref().map(|file| file.old.clone()),
        media: media.filter(|old| old.exists()),
    };
    old::record(store, &old, journal.undoes.as_deref())?;
    journal.remove(store)?;
    Ok(old)
}

/// Swaps the databases.
pub(super) async fn databases(holdings: &Holdings, journal: &Journal) -> Result<(), Error> {
    match (&holdings.database, &journal.database, &journal.file) {
        (Source::Postgres(access), Some(names), _) => rename(access, names).await,
        (Source::Sqlite(sqlite), _, Some(file)) => {
            sqlite.replace(&file.fresh, &journal.stamp).await
        }
        _ => Ok(()),
    }
}

/// Both renames in one transaction. The first takes the database's lock, on which whoever logs in from then
/// on waits; a second session sends away those who were in already.
async fn rename(access: &Access, names: &Database) -> Result<(), Error> {
    let fail = |source| Error::Query {
        doing: "swap the databases",
        source,
    };
    let (swapper, other) = (super::admin(access).await?, super::admin(access).await?);
    let mut statement = format!("SET lock_timeout = '{}s'; BEGIN; ", SWAP.as_secs());
    if scratch::exists(&other, &names.live).await? {
        statement += &format!(
            "ALTER DATABASE {} RENAME TO {}; ",
            identifier(&names.live),
            identifier(&names.old)
        );
    }
    statement += &format!(
        "ALTER DATABASE {} RENAME TO {}; COMMIT",
        identifier(&names.fresh),
        identifier(&names.live)
    );
    let press = async {
        loop {
            // Where it fails, the rename itself says who is still there.
            let _ = send_away(&other, &[&names.live, &names.fresh]).await;
            tokio::time::sleep(PRESS).await;
        }
    };
    tokio::select! {
        swapped = swapper.batch_execute(&statement) => swapped.map_err(fail),
        () = press => Ok(()),
    }
}

async fn send_away(client: &Client, databases: &[&str]) -> Result<(), tokio_postgres::Error> {
    let query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
        WHERE datname = ANY($1::text[]) AND pid <> pg_backend_pid()";
    client.query(query, &[&databases]).await.map(drop)
}

/// Settings that somebody gave the database (`ALTER DATABASE … SET`) are no part of a dump.
pub(super) async fn take_settings_along(access: &Access, names: &Database) -> Result<(), Error> {
    let client = super::admin(access).await?;
    let query = "INSERT INTO pg_db_role_setting SELECT fresh.oid, s.setrole, s.setconfig \
        FROM pg_db_role_setting s JOIN pg_database live ON live.oid = s.setdatabase, pg_database fresh \
        WHERE live.datname = $1 AND fresh.datname = $2 \
        AND NOT EXISTS (SELECT FROM pg_db_role_setting WHERE setdatabase = fresh.oid)";
    let copied = client.execute(query, &[&names.live, &names.fresh]).await;
    copied.map(drop).map_err(|source| Error::Query {
        doing: "take the database's settings along",
        source,
    })
}
