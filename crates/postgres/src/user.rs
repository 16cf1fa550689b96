//! As whom PostgreSQL runs. It refuses root, so a root Hotclub runs it as `postgres`, which Debian's package
//! creates. There is no second choice: `nobody` is shared with other services, which could then read
//! the data, and `initdb` demands a user that has an entry in the user database.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::User;

use crate::error::Error;

const POSTGRES: &str = "postgres";

/// A user other than our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunAs {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
}

impl RunAs {
    /// The user for PostgreSQL: `None` means ourselves, when we are not root.
    pub fn choose() -> Result<Option<RunAs>, Error> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        RunAs::named(POSTGRES).map(Some).ok_or(Error::NoUser)
    }

    /// A user of this machine by name.
    pub fn named(name: &str) -> Option<RunAs> {
        let user = User::from_name(name).ok().flatten()?;
        Some(RunAs {
            name: user.name,
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
        })
    }
}

/// A folder on the way that a user may not pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the user {user} cannot pass the folder {}", .path.display())]
pub struct Unreachable {
    pub path: PathBuf,
    pub user: String,
}

/// Whether `user` may pass every folder down to `path`; of what does not exist yet, the nearest parent
/// counts. Goes by mode bits, the user's own group and no other: access lists that grant more are not seen.
pub fn can_reach(path: &Path, user: &RunAs) -> Result<(), Unreachable> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let existing = absolute
        .ancestors()
        .find_map(|ancestor| ancestor.canonicalize().ok());
    for folder in existing.as_deref().unwrap_or(Path::new("/")).ancestors() {
        if !may_pass(folder, user) {
            return Err(Unreachable {
                path: folder.to_path_buf(),
                user: user.name.clone(),
            });
        }
    }
    Ok(())
}

fn may_pass(folder: &Path, user: &RunAs) -> bool {
    let Ok(metadata) = std::fs::metadata(folder) else {
        return false;
    };
    let bit = match (metadata.uid() == user.uid, metadata.gid() == user.gid) {
        (true, _) => 0o100,
        (false, true) => 0o010,
        (false, false) => 0o001,
    };
    user.uid == 0 || metadata.mode() & bit != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_folder_that_bars_the_way_is_named() {
        let root = tempfile::tempdir().unwrap();
        let stranger = RunAs {
            name: "stranger".into(),
            uid: 65_000,
            gid: 65_000,
        };
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap()
        };
        let barred = root.path().join("barred");
        std::fs::create_dir_all(barred.join("below")).unwrap();
        set(root.path(), 0o711);
        set(&barred, 0o711);
        assert_eq!(can_reach(&barred.join("below/not/yet"), &stranger), Ok(()));
        set(&barred, 0o700);
        let error = can_reach(&barred.join("below"), &stranger).unwrap_err();
        assert_eq!(error.path, barred.canonicalize().unwrap());
    }
}
