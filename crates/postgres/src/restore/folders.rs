//! Three folders that change places: one that is live, one that is to be, one that was.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::{Deserialize, Serialize};

use super::beside;
use crate::backup::store;
use crate::error::Error;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Folders {
    pub(crate) live: PathBuf,
    pub(crate) fresh: PathBuf,
    pub(crate) old: PathBuf,
    /// Tells the fresh folder from the live one when they have changed places.
    pub(crate) inode: u64,
}

impl Folders {
    pub(super) fn beside(live: &Path, stamp: &str) -> Folders {
        Folders {
            live: live.to_path_buf(),
            fresh: beside(live, &format!("fresh-{stamp}")),
            old: beside(live, &format!("before-{stamp}")),
            inode: 0,
        }
    }

    /// The fresh folder is whole: from here on it is known again wherever it is.
    pub(crate) fn know_fresh(&mut self) -> Result<(), Error> {
        let fresh = std::fs::metadata(&self.fresh).map_err(Error::io("read", &self.fresh))?;
        self.inode = fresh.ino();
        Ok(())
    }

    /// Puts the fresh folder in the live one's place; may be called again after a kill anywhere in it.
    pub(crate) fn exchange(&self) -> Result<(), Error> {
        let inode = |path: &Path| std::fs::metadata(path).ok().map(|found| found.ino());
        if inode(&self.live) != Some(self.inode) {
            if inode(&self.live).is_some() && !exchange(&self.live, &self.fresh)? {
                rename_path(&self.live, &self.old)?;
            }
            if inode(&self.live).is_none() {
                rename_path(&self.fresh, &self.live)?;
            }
        }
        if self.fresh.exists() {
            rename_path(&self.fresh, &self.old)?;
        }
        store::sync(super::parent(&self.live))
    }
}

fn rename_path(from: &Path, to: &Path) -> Result<(), Error> {
    std::fs::rename(from, to).map_err(Error::io("rename", from))
}

/// Exchanges two folders at once; `false`: this filesystem cannot.
fn exchange(one: &Path, other: &Path) -> Result<bool, Error> {
    match renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => Ok(false),
        Err(error) => Err(Error::io("rename", one)(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn folders_change_places_whatever_a_kill_left() {
        // What is where before: live, fresh, old; each by its content.
        for before in [
            [Some("l"), Some("f"), None],
            [Some("f"), Some("l"), None],
            [None, Some("f"), Some("l")],
            [Some("f"), None, Some("l")],
        ] {
            let root = tempfile::tempdir().unwrap();
            let at = |name: &str| root.path().join(name);
            let names = ["live", "fresh", "old"];
            let mut media = Folders {
                live: at("live"),
                fresh: at("fresh"),
                old: at("old"),
                inode: 0,
            };
            for (name, content) in names.iter().zip(before) {
                if let Some(content) = content {
                    fs::create_dir(at(name)).unwrap();
                    fs::write(at(name).join("is"), content).unwrap();
                    if content == "f" {
                        media.inode = fs::metadata(at(name)).unwrap().ino();
                    }
                }
            }
            media.exchange().unwrap();
            media.exchange().unwrap();
            let is = |name: &str| fs::read_to_string(at(name).join("is")).ok();
            let after = (is("live"), is("fresh"), is("old"));
            assert_eq!(
                after,
                (Some("f".into()), None, Some("l".into())),
                "{before:?}"
            );
        }
    }
}
