//! Which upgrade is under way: written before anything is made, so that the next start ends or undoes what a kill
//! interrupted. Until the exchange begins, all that was made goes; from then on it is carried to its end.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::beside;
use super::kept::{self, Before};
use crate::backup::store;
use crate::cluster::leftover;
use crate::error::Error;
use crate::restore::Folders;
use crate::stamp;

const FILE: &str = "upgrade.json";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Phase {
    /// A cluster is made beside; a kill means that it goes.
    Making,
    /// It is whole, compared and stopped: the folders change their places, however often that takes.
    Exchanging,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Journal {
    phase: Phase,
    stamp: String,
    /// The version of what is live, and is put aside.
    major: u32,
    folders: Folders,
    #[serde(skip)]
    cluster: PathBuf,
}

/// Whether a kill interrupted one, which the next start settles.
pub(crate) fn is_under_way(cluster: &Path) -> bool {
    cluster.join(FILE).exists()
}

/// Ends what a kill interrupted. Called under the cluster's lock, before anything looks at the data.
pub(crate) async fn settle(cluster: &Path) -> Result<(), Error> {
    let Some(journal) = Journal::read(cluster)? else {
        return Ok(());
    };
    match journal.phase {
        Phase::Making => journal.undo().await,
        Phase::Exchanging => journal.finish().await.map(drop),
    }
}

impl Journal {
    /// Of an upgrade whose cluster is made beside.
    pub(super) fn begin(cluster: &Path, major: u32) -> Journal {
        Journal::new(cluster, major, &beside(cluster).join("data"))
    }

    /// Of the way back to what was put aside.
    pub(super) fn back(cluster: &Path, to: &Before, major: u32) -> Journal {
        Journal::new(cluster, major, &to.folder)
    }

    fn new(cluster: &Path, major: u32, fresh: &Path) -> Journal {
        let taken: Vec<String> = kept::kept(cluster)
            .into_iter()
            .map(|old| old.stamp)
            .collect();
        let stamp = stamp::unused(stamp::now(), &taken);
        Journal {
            phase: Phase::Making,
            folders: Folders {
                live: cluster.join("data"),
                fresh: fresh.to_owned(),
                old: kept::folder(cluster, &stamp, major),
                inode: 0,
            },
            stamp,
            major,
            cluster: cluster.to_owned(),
        }
    }

    fn read(cluster: &Path) -> Result<Option<Journal>, Error> {
        let path = cluster.join(FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        let read = serde_json::from_slice(&text).map_err(|error| Error::Damaged {
            path,
            why: error.to_string(),
        });
        read.map(|journal| {
            Some(Journal {
                cluster: cluster.to_owned(),
                ..journal
            })
        })
    }

    pub(super) fn write(&self) -> Result<(), Error> {
        let path = self.cluster.join(FILE);
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Error::io("write", &path)(error.into()))?;
        store::write_synced(&path, &text)
    }

    /// From here on there is no way but forward.
    pub(super) fn exchange(&mut self) -> Result<(), Error> {
        self.folders.know_fresh()?;
        self.phase = Phase::Exchanging;
        self.write()
    }

    /// What is live stays; what was made beside goes.
    pub(super) async fn undo(&self) -> Result<(), Error> {
        self.sweep().await?;
        self.remove()
    }

    /// Every step of it may be done twice.
    pub(super) async fn finish(self) -> Result<Before, Error> {
        // One that a killed run has started works in a folder that is about to move.
        leftover::stop(&self.folders.live).await?;
        self.folders.exchange()?;
        self.sweep().await?;
        self.remove()?;
        Ok(Before {
            stamp: self.stamp,
            major: self.major,
            folder: self.folders.old,
        })
    }

    /// Removes the cluster beside, with a server that a killed run has left in it. An `initdb` that outlived its run may
    /// still be writing; it fails as soon as its files are gone.
    async fn sweep(&self) -> Result<(), Error> {
        let beside = beside(&self.cluster);
        leftover::stop(&beside.join("data")).await?;
        // A socket's folder lies elsewhere where the path would be too long.
        if let Ok(sockets) = std::fs::read_to_string(beside.join("socket-folder")) {
            // One that is not empty is somebody else's by now.
            let _ = std::fs::remove_dir(sockets);
        }
        for tries in (0..50).rev() {
            match std::fs::remove_dir_all(&beside) {
                Ok(()) => break,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => break,
                Err(error) if tries == 0 => return Err(Error::io("remove", beside)(error)),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        Ok(())
    }

    fn remove(&self) -> Result<(), Error> {
        let path = self.cluster.join(FILE);
        std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        store::sync(&self.cluster)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;
    use std::fs;

    fn data(folder: &Path, major: &str) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("PG_VERSION"), major).unwrap();
    }

    fn live(cluster: &Path) -> String {
        fs::read_to_string(cluster.join("data/PG_VERSION")).unwrap()
    }

    #[tokio::test]
    async fn a_kill_before_the_exchange_leaves_what_was_live_and_nothing_else() {
        let cluster = tempfile::tempdir().unwrap();
        data(&cluster.path().join("data"), "15");
        Journal::begin(cluster.path(), 15).write().unwrap();
        data(&beside(cluster.path()).join("data"), "18");
        settle(cluster.path()).await.unwrap();
        assert_eq!(live(cluster.path()), "15");
        assert_eq!(fs::read_dir(cluster.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_kill_in_the_exchange_is_carried_to_its_end_and_back() {
        for half in [false, true] {
            let cluster = tempfile::tempdir().unwrap();
            let dir = cluster.path();
            data(&dir.join("data"), "15");
            data(&beside(dir).join("data"), "18");
            let mut journal = Journal::begin(dir, 15);
            journal.exchange().unwrap();
            if half {
                fs::rename(dir.join("data"), &journal.folders.old).unwrap();
            }
            settle(dir).await.unwrap();
            settle(dir).await.unwrap();
            assert_eq!(live(dir), "18");
            let before = kept::kept(dir);
            assert_eq!(before.len(), 1);
            assert_eq!(before[0].major, 15);
            before[0].check().unwrap();

            let mut journal = Journal::back(dir, &before[0], 18);
            journal.exchange().unwrap();
            settle(dir).await.unwrap();
            assert_eq!(live(dir), "15");
            let before = kept::kept(dir);
            assert_eq!((before.len(), before[0].major), (1, 18));
        }
    }
}
