//! The folder of a site's backups. A backup is made under a name that says so, and renamed when it is
//! complete and on disk: what has a good name is whole.
//!
//! ```text
//! <dir>/              0700
//!   lock                        held while something is made, restored or removed
//!   20261124-041022/    0700    manifest.json, database.dump or database.sqlite3, media.json, media/
//!   making.…/                   never finished; swept by the next run
//!   removing.…/                 being pruned
//! ```

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::manifest::{FILE, Manifest};
use super::retention;
use crate::error::Error;
use crate::stamp;

const MAKING: &str = "making.";
const REMOVING: &str = "removing.";

/// The folder, locked: one backup, restore or removal at a time.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    /// Only held.
    _lock: File,
}

/// A backup as it lies there.
#[derive(Debug, Clone)]
pub struct Kept {
    pub folder: PathBuf,
    pub manifest: Manifest,
}

impl Store {
    /// Makes the folder when it is missing, and locks it.
    pub fn open(dir: &Path) -> Result<Store, Error> {
        std::fs::create_dir_all(dir).map_err(Error::io("create the folder", dir))?;
        let private = Permissions::from_mode(0o700);
        std::fs::set_permissions(dir, private).map_err(Error::io("set the mode of", dir))?;
        let path = dir.join("lock");
        let lock = File::options().create(true).append(true).open(&path);
        let lock = lock.map_err(Error::io("open", &path))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| Error::BackupRuns {
            dir: dir.to_path_buf(),
        })?;
        Ok(Store {
            dir: dir.to_path_buf(),
            _lock: lock,
        })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether a run was killed half-way, so that a scratch database may be left, too.
    pub(crate) fn has_unfinished(&self) -> bool {
        folders(&self.dir).any(|path| is_unfinished(&path))
    }

    /// Removes what was never finished.
    pub(crate) fn sweep(&self) -> Result<(), Error> {
        for path in folders(&self.dir).filter(|path| is_unfinished(path)) {
            std::fs::remove_dir_all(&path).map_err(Error::io("remove", &path))?;
        }
        Ok(())
    }

    /// A folder for a new backup, and the name it will have.
    pub(crate) fn begin(&self) -> Result<(String, PathBuf), Error> {
        let stamp = stamp::name(stamp::now());
        let free = |name: &String| !self.dir.join(name).exists();
        let mut names = (1..).map(|n| match n {
            1 => stamp.clone(),
            _ => format!("{stamp}-{n}"),
        });
        let name = names.find(free).unwrap_or(stamp.clone());
        let folder = self.dir.join(format!("{MAKING}{name}"));
        std::fs::create_dir(&folder).map_err(Error::io("create the folder", &folder))?;
        std::fs::set_permissions(&folder, Permissions::from_mode(0o700))
            .map_err(Error::io("set the mode of", &folder))?;
        Ok((name, folder))
    }

    /// Writes the manifest, syncs all, and gives the folder its good name.
    pub(crate) fn finish(&self, folder: &Path, manifest: Manifest) -> Result<Kept, Error> {
        let text = serde_json::to_string_pretty(&manifest)
            .map_err(|error| Error::io("write", folder.join(FILE))(error.into()))?;
        write_synced(&folder.join(FILE), &text)?;
        sync(folder)?;
        let place = self.dir.join(&manifest.name);
        std::fs::rename(folder, &place).map_err(Error::io("move into place", &place))?;
        sync(&self.dir)?;
        Ok(Kept {
            folder: place,
            manifest,
        })
    }

    /// Removes what is old: `keep` of each reason stay, and so does whatever Hotclub did not make.
    pub fn prune(&self, keep: usize) -> Result<Vec<String>, Error> {
        let kept = list(&self.dir);
        let manifests: Vec<&Manifest> = kept.iter().map(|kept| &kept.manifest).collect();
        let doomed = retention::doomed(&manifests, keep);
        for kept in kept
            .iter()
            .filter(|kept| doomed.contains(&kept.manifest.name))
        {
            self.remove(kept)?;
        }
        Ok(doomed)
    }

    fn remove(&self, kept: &Kept) -> Result<(), Error> {
        if let Some(other) = kept.foreign() {
            tracing::warn!(file = %other.display(), "an old backup is kept: this file in it is not Hotclub's");
            return Ok(());
        }
        let aside = self.dir.join(format!("{REMOVING}{}", kept.manifest.name));
        std::fs::rename(&kept.folder, &aside).map_err(Error::io("rename", &kept.folder))?;
        std::fs::remove_dir_all(&aside).map_err(Error::io("remove", &aside))
    }
}

impl Kept {
    /// Something in the folder that the manifest does not know.
    fn foreign(&self) -> Option<PathBuf> {
        let entries = std::fs::read_dir(&self.folder)
            .into_iter()
            .flatten()
            .flatten();
        entries.map(|entry| entry.path()).find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let listed = self.manifest.files.iter().any(|part| part.name == name);
            !listed && name != FILE && !(name == "media" && self.manifest.media.is_some())
        })
    }
}

/// All whole backups, the newest first. Needs no lock.
pub fn list(dir: &Path) -> Vec<Kept> {
    let mut all: Vec<Kept> = folders(dir)
        .filter_map(|folder| {
            let manifest = Manifest::read(&folder).ok()?;
            let named = folder
                .file_name()
                .is_some_and(|name| *name == *manifest.name);
            named.then_some(Kept { folder, manifest })
        })
        .collect();
    all.sort_by(|one, other| {
        let key = |kept: &Kept| (kept.manifest.made_at, kept.manifest.name.clone());
        key(other).cmp(&key(one))
    });
    all
}

fn is_unfinished(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(MAKING) || name.starts_with(REMOVING)
}

fn folders(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
}

/// Replaces a private file, whole or not at all.
pub(crate) fn write_synced(path: &Path, text: &str) -> Result<(), Error> {
    let aside = path.with_extension("new");
    let _ = std::fs::remove_file(&aside);
    crate::password::write_private(&aside, text).map_err(Error::io("write", &aside))?;
    std::fs::rename(&aside, path).map_err(Error::io("write", path))?;
    path.parent().map_or(Ok(()), sync)
}

/// Makes a rename last through a power cut.
pub(crate) fn sync(dir: &Path) -> Result<(), Error> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(Error::io("sync", dir))
}
