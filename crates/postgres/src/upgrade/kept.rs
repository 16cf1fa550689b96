//! Data directories that upgrades have put aside: listed, gone back to, dropped on purpose, never by themselves.

use std::path::{Path, PathBuf};

use crate::backup::store;
use crate::cluster::init;
use crate::error::Error;

const BEFORE: &str = "before-";

/// A data directory that was live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// When something took its place, as a name.
    pub stamp: String,
    /// Its version.
    pub major: u32,
    pub folder: PathBuf,
}

/// All that are kept in a cluster's folder, the newest first.
pub fn kept(cluster: &Path) -> Vec<Before> {
    let entries = std::fs::read_dir(cluster).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| {
        let name = entry.file_name();
        let (stamp, major) = name.to_str()?.strip_prefix(BEFORE)?.rsplit_once('-')?;
        Some(Before {
            stamp: stamp.to_owned(),
            major: major.parse().ok()?,
            folder: entry.path(),
        })
    });
    let mut all: Vec<Before> = named.collect();
    all.sort_by(|one, other| other.stamp.cmp(&one.stamp));
    all
}

pub(super) fn folder(cluster: &Path, stamp: &str, major: u32) -> PathBuf {
    cluster.join(format!("{BEFORE}{stamp}-{major}"))
}

/// Drops all of them, or the one of this stamp.
pub fn drop_kept(cluster: &Path, stamp: Option<&str>) -> Result<Vec<Before>, Error> {
    let mut all = kept(cluster);
    all.retain(|before| stamp.is_none_or(|stamp| before.stamp == stamp));
    for before in &all {
        // Cut off in the middle, what is left bears the name of what every start sweeps.
        let doomed = cluster.join(format!("{}dropped-{}", init::UNFINISHED, before.stamp));
        std::fs::rename(&before.folder, &doomed).map_err(Error::io("rename", &before.folder))?;
        store::sync(cluster)?;
        std::fs::remove_dir_all(&doomed).map_err(Error::io("remove", &doomed))?;
    }
    Ok(all)
}

impl Before {
    /// Whether it is what its name says.
    pub(super) fn check(&self) -> Result<(), Error> {
        match init::major_of(&self.folder)? == self.major {
            true => Ok(()),
            false => Err(Error::NotACluster {
                dir: self.folder.clone(),
            }),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_known_by_its_name_and_dropped_by_its_stamp() {
        let cluster = tempfile::tempdir().unwrap();
        let one = folder(cluster.path(), "20261128-171500", 15);
        let two = folder(cluster.path(), "20261128-171501-2", 16);
        for folder in [&one, &two, &cluster.path().join("before-that")] {
            std::fs::create_dir(folder).unwrap();
        }
        let majors = |all: Vec<Before>| all.iter().map(|one| one.major).collect::<Vec<_>>();
        assert_eq!(majors(kept(cluster.path())), [16, 15]);
        assert!(kept(cluster.path())[0].check().is_err());
        let gone = drop_kept(cluster.path(), Some("20261128-171500")).unwrap();
        assert_eq!(majors(gone), [15]);
        assert_eq!(majors(drop_kept(cluster.path(), None).unwrap()), [16]);
        assert_eq!(std::fs::read_dir(cluster.path()).unwrap().count(), 1);
    }
}
