//! Where a host keeps the sites that were deployed to it: releases, the pointer to the one that is live, and what
//! outlives them all.
//!
//! ```text
//! STATE/sites/NAME/
//!   current -> releases/7     which release is live: replaced by one rename, and by nothing else
//!   releases/7/source/        the code, as it was sent
//!   releases/7/static/        its collected files
//!   releases/7/release.json   what it is, and whether it was ever fit to serve
//!   state/                    environments, database, secret key, backups, logs
//!   data/                     uploads and SQLite files that the settings place among the code
//!   env                       what `hotclub env` was told
//!   lock                      held by whoever deploys or goes back; the kernel's, released by a crash
//! ```
//!
//! A release that is not fit and not live is what a crash left of a deploy: the next one clears it away.

pub(crate) mod data;
mod home;
mod record;

pub(crate) use home::{Home, Lock};
pub(crate) use record::{Fitness, Record};

use std::io;
use std::path::{Path, PathBuf};

use hotclub_config::Deployed;

/// The folder of a release's code, in the release's own.
const SOURCE: &str = "source";
const RELEASES: &str = "releases";

/// The live release of every deployed site.
pub(crate) fn deployed(state: &Path) -> io::Result<Vec<Deployed>> {
    let homes = Home::all(state)?;
    let live = homes.iter().filter_map(|home| {
        let (name, dir) = (home.name(), home.current()?.source());
        Some(Deployed { name, dir })
    });
    Ok(live.collect())
}

/// One release: a folder that does not change once it has served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Release {
    pub(crate) number: u64,
    pub(crate) dir: PathBuf,
}

impl Release {
    /// The release whose code lies in this folder, by whatever way it is reached.
    pub(crate) fn around(source: &Path) -> Option<Self> {
        let source = source.canonicalize().ok()?;
        let dir = source.parent()?;
        let is_one = source.ends_with(SOURCE)
            && dir.parent()?.ends_with(RELEASES)
            && record::file(dir).is_file();
        let number = dir.file_name()?.to_str()?.parse().ok()?;
        is_one.then(|| Self {
            number,
            dir: dir.to_owned(),
        })
    }

    /// Its collected files: those of an app in containers lie in the one folder that these may write.
    pub(crate) fn static_dir(&self) -> PathBuf {
        let contained = self.dir.join("files/static");
        match contained.exists() {
            true => contained,
            false => self.dir.join("static"),
        }
    }

    pub(crate) fn source(&self) -> PathBuf {
        self.dir.join(SOURCE)
    }

    /// The site that it is a release of.
    pub(crate) fn home(&self) -> Option<Home> {
        let site = self.dir.parent()?.parent()?;
        Some(Home::at(site))
    }

    /// The one that it follows.
    pub(crate) fn before(&self) -> Option<Self> {
        let others = self.home()?.releases();
        others.into_iter().find(|other| other.number < self.number)
    }

    pub(crate) fn record(&self) -> Option<Record> {
        Record::read(&self.dir)
    }

    /// Keeps what the release is; whole or not at all.
    pub(crate) fn keep(&self, record: &Record) -> io::Result<()> {
        record.write(&self.dir)
    }

    pub(crate) fn is_fit(&self) -> bool {
        let fitness = self.record().map(|record| record.fitness);
        fitness == Some(Fitness::Fit)
    }

    /// Removes it. Cut off in the middle, what is left of it bears no release's name.
    pub(crate) fn remove(&self) -> io::Result<()> {
        let gone = self.dir.with_file_name(format!(".gone-{}", self.number));
        if gone.exists() {
            std::fs::remove_dir_all(&gone)?;
        }
        std::fs::rename(&self.dir, &gone)?;
        std::fs::remove_dir_all(&gone)
    }
}
