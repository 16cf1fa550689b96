//! What is written down of a backup: whose it is, of what, how large, and how it was proven.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::fingerprint::Fingerprint;
use crate::error::Error;

/// Raised when an older Hotclub could not restore a newer one's backups.
const FORMAT: u32 = 1;

pub(crate) const FILE: &str = "manifest.json";

/// `manifest.json`. A folder without a readable one is no backup, and is never pruned.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// The program that made it.
    pub made_by: String,
    /// The folder's name.
    pub name: String,
    pub site: String,
    /// Seconds since 1970.
    pub made_at: u64,
    pub reason: Reason,
    pub engine: Engine,
    /// All but this file itself and what `media.json` lists.
    pub files: Vec<Part>,
    pub media: Option<Media>,
    pub database: Fingerprint,
    pub proof: Proof,
    /// How long it all took, proof included.
    pub seconds: f64,
}

/// Why it was made. Each reason has its own turn when old ones are pruned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    Daily,
    Migration,
    Manual,
    /// Before the data moved to another major version.
    Upgrade,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Reason::Daily => "daily",
            Reason::Migration => "migration",
            Reason::Manual => "manual",
            Reason::Upgrade => "upgrade",
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Engine {
    Postgres { major: u32, version: String },
    Sqlite { version: String },
}

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub name: String,
    pub size: u64,
    pub sha256: String,
}

/// The media folder's files, of which `media.json` is the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    pub root: std::path::PathBuf,
    pub files: u64,
    pub bytes: u64,
}

/// What is known of its worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Proof {
    /// It was restored beside, and the outcome compared with what was read when it was made.
    Proven {
        seconds: f64,
    },
    Failed {
        why: String,
    },
}

impl Proof {
    pub fn is_good(&self) -> bool {
        matches!(self, Proof::Proven { .. })
    }
}

impl Manifest {
    pub(crate) const FORMAT: u32 = FORMAT;

    /// Bytes on disk; media files that older backups hold as well count in each.
    pub fn size(&self) -> u64 {
        let parts: u64 = self.files.iter().map(|part| part.size).sum();
        parts + self.media.as_ref().map_or(0, |media| media.bytes)
    }

    /// Rows of all tables.
    pub fn rows(&self) -> u64 {
        self.database.tables.values().map(|table| table.rows).sum()
    }

    /// The manifest in a backup's folder.
    pub fn read(folder: &Path) -> Result<Manifest, Error> {
        let path = folder.join(FILE);
        let damaged = |why: String| Error::Damaged {
            path: folder.to_path_buf(),
            why,
        };
        let text = std::fs::read(&path).map_err(|error| damaged(format!("{FILE}: {error}")))?;
        let manifest: Manifest =
            serde_json::from_slice(&text).map_err(|error| damaged(format!("{FILE}: {error}")))?;
        match manifest.format <= FORMAT {
            true => Ok(manifest),
            false => Err(damaged(format!(
                "a newer Hotclub made it ({})",
                manifest.made_by
            ))),
        }
    }
}
