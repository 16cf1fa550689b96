//! SQLite's backups, by its own backup interface, which Python's standard library has: one read transaction
//! holds both the copy and the counts. Restoring writes into the live file as one transaction of SQLite's,
//! so that a kill half-way is rolled back by whoever opens it next.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use serde::Deserialize;

use super::fingerprint::Fingerprint;
use super::manifest::{Engine, Part, Proof};
use super::{Copied, dump};
use crate::error::Error;

const SCRIPT: &str = include_str!("sqlite.py");
pub(crate) const COPY: &str = "database.sqlite3";

/// A database file, and an interpreter that can read it.
#[derive(Debug, Clone)]
pub struct Sqlite {
    pub file: PathBuf,
    pub python: PathBuf,
}

#[derive(Deserialize)]
struct Kept {
    version: String,
    source: Fingerprint,
    copy: Fingerprint,
}

impl Sqlite {
    pub(super) fn size(&self) -> Result<u64, Error> {
        match std::fs::metadata(&self.file) {
            Ok(metadata) => Ok(metadata.len()),
            Err(_) => Err(Error::NoDatabaseFile {
                path: self.file.clone(),
            }),
        }
    }

    /// Copies the database and proves the copy by reading all of it.
    pub(super) async fn keep(&self, folder: &Path) -> Result<Copied, Error> {
        self.size()?;
        let copy = folder.join(COPY);
        let began = Instant::now();
        let Kept {
            version,
            source,
            copy: found,
        } = answer(&self.ask("keep", &[&self.file, &copy]).await?, &copy)?;
        let differences = source.differences(&found, None);
        let proof = match differences.is_empty() {
            true => Proof::Proven {
                seconds: began.elapsed().as_secs_f64(),
            },
            false => Proof::Failed {
                why: Error::Differs { differences }.to_string(),
            },
        };
        let size = std::fs::metadata(&copy)
            .map_err(Error::io("read", &copy))?
            .len();
        let part = Part {
            name: COPY.to_owned(),
            size,
            sha256: dump::digest_of(&copy).map_err(Error::io("read", &copy))?,
        };
        Ok(Copied {
            engine: Engine::Sqlite { version },
            part,
            database: source,
            proof,
        })
    }

    /// A copy of the live file, without more ado.
    pub(crate) async fn copy(&self, to: &Path) -> Result<(), Error> {
        self.ask("copy", &[&self.file, to]).await.map(drop)
    }

    /// Checks a file from end to end and says what is in it.
    pub(crate) async fn look(&self, file: &Path) -> Result<Fingerprint, Error> {
        answer(&self.ask("look", &[file]).await?, file)
    }

    /// Writes a file's whole content over the live one, as one transaction; `stamp` stays in a table of ours
    /// until `unmark`, to tell whether it happened.
    pub(crate) async fn replace(&self, from: &Path, stamp: &str) -> Result<(), Error> {
        let asked = self
            .ask("replace", &[from, &self.file, Path::new(stamp)])
            .await;
        asked.map(drop)
    }

    /// The stamp of a replacement that was not unmarked yet.
    pub(crate) async fn stamp(&self) -> Result<Option<String>, Error> {
        answer(&self.ask("stamp", &[&self.file]).await?, &self.file)
    }

    pub(crate) async fn unmark(&self) -> Result<(), Error> {
        self.ask("unmark", &[&self.file]).await.map(drop)
    }

    async fn ask(&self, what: &str, paths: &[&Path]) -> Result<Vec<u8>, Error> {
        let mut python = crate::command::command(&self.python, None);
        python.args(["-I", "-c", SCRIPT, what]).args(paths);
        python
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let output = python.output().await.map_err(|source| Error::Spawn {
            program: self.python.clone(),
            source,
        })?;
        match output.status.success() {
            true => Ok(output.stdout),
            false => Err(Error::Damaged {
                path: paths
                    .first()
                    .map_or_else(PathBuf::new, |path| path.to_path_buf()),
                why: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            }),
        }
    }
}

fn answer<T: for<'d> Deserialize<'d>>(text: &[u8], file: &Path) -> Result<T, Error> {
    serde_json::from_slice(text).map_err(|error| Error::Damaged {
        path: file.to_path_buf(),
        why: error.to_string(),
    })
}
