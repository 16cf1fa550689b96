//! Which swap is under way: written before anything is made, so that the next run can end or undo what a kill
//! interrupted.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::folders::Folders;
use super::old::Old;
use super::{beside, named_beside};
use crate::backup::{Store, store};
use crate::error::Error;

const FILE: &str = "restore.json";

/// How far it got. Only between the last two does it have to be found out from the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Phase {
    /// Things are made beside; a kill means that they go.
    Making,
    /// The databases are being swapped, which happens whole or not at all.
    Swapping,
    /// They were; the rest follows, however often it takes.
    Swapped,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Journal {
    pub(super) stamp: String,
    pub(super) made_at: u64,
    /// The backup's name, for people.
    pub(super) from: String,
    pub(super) phase: Phase,
    pub(super) database: Option<Database>,
    pub(super) file: Option<File>,
    pub(super) media: Option<Folders>,
    /// What was put aside at this stamp becomes live again: it is no copy, and must not be cleared away.
    pub(super) undoes: Option<String>,
}

/// Three databases of one cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Database {
    pub(super) live: String,
    pub(super) fresh: String,
    pub(super) old: String,
}

/// SQLite: the live file stays where it is; its content goes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct File {
    pub(super) fresh: PathBuf,
    pub(super) old: PathBuf,
}

impl Database {
    pub(super) fn beside(live: &str, stamp: &str) -> Database {
        Database {
            live: live.to_owned(),
            fresh: named_beside(live, &format!("-fresh-{stamp}")),
            old: named_beside(live, &format!("-before-{stamp}")),
        }
    }
}

impl File {
    pub(super) fn beside(live: &Path, stamp: &str) -> File {
        File {
            fresh: beside(live, &format!("fresh-{stamp}")),
            old: beside(live, &format!("before-{stamp}")),
        }
    }
}

/// Whether a kill interrupted a restore, which then waits to be settled.
pub fn is_interrupted(dir: &Path) -> bool {
    dir.join(FILE).exists()
}

impl Journal {
    pub(super) fn read(store: &Store) -> Result<Option<Journal>, Error> {
        let path = store.dir().join(FILE);
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .map_err(|error| Error::Damaged {
                    path,
                    why: error.to_string(),
                }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", path)(error)),
        }
    }

    pub(super) fn write(&self, store: &Store) -> Result<(), Error> {
        let path = store.dir().join(FILE);
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Error::io("write", &path)(error.into()))?;
        store::write_synced(&path, &text)
    }

    /// Notes how far it got; before the swap also by what the fresh folder is known again.
    pub(super) fn mark(&mut self, store: &Store, phase: Phase) -> Result<(), Error> {
        self.phase = phase;
        if let (Phase::Swapping, Some(media)) = (phase, &mut self.media) {
            media.know_fresh()?;
        }
        self.write(store)
    }

    pub(super) fn remove(&self, store: &Store) -> Result<(), Error> {
        let path = store.dir().join(FILE);
        std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        store::sync(store.dir())
    }

    /// Turns the plan of a restore into the way back to what an earlier one put aside.
    pub(super) fn back_to(&mut self, old: &Old) {
        self.undoes = Some(old.stamp.clone());
        if let (Some(names), Some(database)) = (&mut self.database, &old.database) {
            names.fresh.clone_from(database);
        }
        if let (Some(names), Some(file)) = (&mut self.file, &old.file) {
            names.fresh.clone_from(file);
        }
        if let (Some(names), Some(media)) = (&mut self.media, &old.media) {
            names.fresh.clone_from(media);
        }
    }
}
