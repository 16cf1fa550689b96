//! The control socket: made in a folder that nobody else enters, given its mode there, and then put in its place by
//! renaming, so that it is never reachable by more than it should be, and an old one is replaced in one step.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::unistd::Group;
use tokio::net::UnixListener;

use crate::console::Failure;

/// Removed with its end, unless somebody else's lies there by then.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(super) listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

impl Socket {
    /// Listens at `path`, for ourselves alone or for a group, too.
    pub(crate) fn open(path: &Path, group: Option<&str>) -> Result<Self, Failure> {
        let group = group.map(number_of).transpose()?;
        Self::make(path, group).map_err(|error| {
            let message = format!("the control socket {}: {error}", path.display());
            Failure::new(message).hint("name another place with --control")
        })
    }

    fn make(path: &Path, group: Option<u32>) -> std::io::Result<Self> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let private = tempfile::Builder::new()
            .prefix(".control-")
            .tempdir_in(folder)?;
        let fresh = private.path().join("s");
        let listener = UnixListener::bind(&fresh)?;
        if let Some(group) = group {
            chown(&fresh, None, Some(group))?;
        }
        let mode = if group.is_some() { 0o660 } else { 0o600 };
        fs::set_permissions(&fresh, Permissions::from_mode(mode))?;
        let inode = fs::metadata(&fresh)?.ino();
        fs::rename(&fresh, path)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            inode,
        })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if fs::metadata(&self.path).is_ok_and(|there| there.ino() == self.inode) {
            // It may be gone with its folder.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn number_of(group: &str) -> Result<u32, Failure> {
    match Group::from_name(group)? {
        Some(group) => Ok(group.gid.as_raw()),
        None => Err(Failure::new(format!("there is no group {group}"))
            .hint(format!("make it: groupadd --system {group}"))),
    }
}
