//! What restores have put aside: listed, gone back to, dropped on purpose, never by itself.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::backup::{Holdings, Source, Store, scratch, store};
use crate::error::Error;

const FILE: &str = "old.json";

/// What was live until something took its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Old {
    /// When, as a name.
    pub stamp: String,
    /// Seconds since 1970.
    pub made_at: u64,
    /// What took its place.
    pub from: String,
    /// A database of the cluster.
    pub database: Option<String>,
    /// A copy of SQLite's file.
    pub file: Option<PathBuf>,
    /// The media folder.
    pub media: Option<PathBuf>,
}

/// All of them, the newest first.
pub fn list(dir: &Path) -> Vec<Old> {
    let text = std::fs::read(dir.join(FILE)).unwrap_or_default();
    let mut all: Vec<Old> = serde_json::from_slice(&text).unwrap_or_default();
    all.sort_by(|one, other| (other.made_at, &other.stamp).cmp(&(one.made_at, &one.stamp)));
    all
}

/// Adds one, and takes the one away that is live again.
pub(super) fn record(store: &Store, old: &Old, undone: Option<&str>) -> Result<(), Error> {
    let mut all = list(store.dir());
    all.retain(|known| known.stamp != old.stamp && Some(known.stamp.as_str()) != undone);
    all.push(old.clone());
    write(store, &all)
}

fn write(store: &Store, all: &[Old]) -> Result<(), Error> {
    let path = store.dir().join(FILE);
    let text = serde_json::to_string_pretty(all)
        .map_err(|error| Error::io("write", &path)(error.into()))?;
    store::write_synced(&path, &text)
}

/// Drops what was put aside: all of it, or what was at one stamp.
pub async fn drop_old(
    store: &Store,
    holdings: &Holdings,
    stamp: Option<&str>,
) -> Result<Vec<Old>, Error> {
    let all = list(store.dir());
    let doomed = |old: &Old| stamp.is_none_or(|stamp| old.stamp == stamp);
    if let (Some(stamp), false) = (stamp, all.iter().any(doomed)) {
        return Err(Error::NothingOld {
            why: format!("nothing was put aside at {stamp}"),
        });
    }
    for old in all.iter().filter(|old| doomed(old)) {
        drop_one(holdings, old).await?;
    }
    let (gone, left): (Vec<Old>, Vec<Old>) = all.into_iter().partition(doomed);
    write(store, &left)?;
    Ok(gone)
}

async fn drop_one(holdings: &Holdings, old: &Old) -> Result<(), Error> {
    if let (Some(name), Source::Postgres(access)) = (&old.database, &holdings.database) {
        let client = access.login("postgres").await?;
        scratch::drop(access, &client, name).await?;
    }
    for path in old.file.iter().chain(&old.media) {
        remove(path)?;
    }
    Ok(())
}

/// Removes a file or a folder; that it is gone already is as good.
pub(super) fn remove(path: &Path) -> Result<(), Error> {
    let removed = match path.is_dir() {
        true => std::fs::remove_dir_all(path),
        false => std::fs::remove_file(path),
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}
