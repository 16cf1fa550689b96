//! Folders that change hands: a site's user fills them, and we take them back before we write beside what that user
//! has made. No link is ever followed: it could lead to what that user may not touch and we may.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, lchown};
use std::path::Path;

use hotclub_supervise::RunAs;
use tokio::process::Command;

/// What becomes of symbolic links, sockets and the like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    Keep,
    Remove,
}

/// Runs a command as somebody else; of our other groups none is left.
pub(crate) fn become_user(command: &mut Command, user: Option<RunAs>) {
    if let Some(RunAs { uid, gid }) = user {
        command.uid(uid).gid(gid);
    }
}

/// Gives something of ours, with all in it, to a user.
pub fn give(path: &Path, user: RunAs) -> io::Result<()> {
    // From the inside out: once a folder is theirs, they may put another thing in any place of it.
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), user)?;
        }
    }
    lchown(path, Some(user.uid), Some(user.gid))
}

/// Makes it root's again.
pub(crate) fn take_back(path: &Path, links: Links) -> io::Result<()> {
    // From the outside in: what is in a folder of ours stays what it is.
    lchown(path, Some(0), Some(0))?;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let (kind, path) = (entry.file_type()?, entry.path());
        if kind.is_dir() {
            take_back(&path, links)?;
        } else if kind.is_file() || links == Links::Keep {
            lchown(&path, Some(0), Some(0))?;
        } else {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// A folder in which installers keep what they download.
pub(crate) fn home(path: &Path, user: Option<RunAs>) -> io::Result<()> {
    fs::create_dir_all(path)?;
    if let Some(RunAs { uid, gid }) = user {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
        lchown(path, Some(uid), Some(gid))?;
    }
    Ok(())
}
