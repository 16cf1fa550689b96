//! `release.json`: what a release is, for `hotclub releases` and for going back.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// What is known of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) number: u64,
    pub(crate) site: String,
    /// Seconds since 1970.
    pub(crate) made_at: u64,
    /// The folder, archive or repository that it was made from.
    pub(crate) from: String,
    pub(crate) fitness: Fitness,
}

/// Whether a release may serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Fitness {
    /// Its deploy has not come to its end.
    Unknown,
    /// It has answered its first request.
    Fit,
}

pub(super) fn file(release: &Path) -> PathBuf {
    release.join("release.json")
}

impl Record {
    pub(crate) fn new(number: u64, site: &str, from: &str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            number,
            site: site.to_owned(),
            made_at: now.map_or(0, |now| now.as_secs()),
            from: from.to_owned(),
            fitness: Fitness::Unknown,
        }
    }

    pub(super) fn read(release: &Path) -> Option<Self> {
        let text = std::fs::read(file(release)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    pub(super) fn write(&self, release: &Path) -> io::Result<()> {
        let mut fresh = tempfile::NamedTempFile::new_in(release)?;
        serde_json::to_writer(&mut fresh, self)?;
        fresh.flush()?;
        fresh.as_file().sync_all()?;
        fresh.persist(file(release))?;
        File::open(release)?.sync_all()
    }
}
