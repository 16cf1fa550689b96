//! Where the socket is. Beside the data, unless the path is too long for a socket's address; then in a
//! private folder with a random name, remembered, and looked at again at every start: `/tmp` is open to all.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::{PORT, make_dir};
use crate::error::Error;
use crate::password;
use crate::ready::Place;
use crate::user::RunAs;

/// `sun_path` has 108 bytes, the last one NUL.
const LONGEST: usize = 107;

/// The folder for the socket, made with the rights it needs.
pub(super) fn folder(dir: &Path, user: Option<&RunAs>) -> Result<PathBuf, Error> {
    let beside = std::path::absolute(dir)
        .unwrap_or_else(|_| dir.to_path_buf())
        .join("run");
    if Place::socket(&beside, PORT).as_os_str().as_bytes().len() <= LONGEST {
        make_dir(&beside, mode(user), user)?;
        return Ok(beside);
    }
    let note = dir.join("socket-folder");
    if let Some(known) = remembered(&note, user) {
        return Ok(known);
    }
    let folder = make_elsewhere(user)?;
    let aside = note.with_extension("new");
    std::fs::write(&aside, folder.as_os_str().as_bytes()).map_err(Error::io("write", &aside))?;
    std::fs::rename(&aside, &note).map_err(Error::io("write", &note))?;
    Ok(folder)
}

/// Another user's app must pass the folder; otherwise nobody else has any business there.
fn mode(user: Option<&RunAs>) -> u32 {
    match user {
        Some(_) => 0o711,
        None => 0o700,
    }
}

fn owner(user: Option<&RunAs>) -> u32 {
    user.map_or_else(|| rustix::process::geteuid().as_raw(), |user| user.uid)
}

/// The folder of an earlier start, when it still is what we made: a real folder, of the right owner, that
/// nobody else may write.
fn remembered(note: &Path, user: Option<&RunAs>) -> Option<PathBuf> {
    let folder = PathBuf::from(std::fs::read_to_string(note).ok()?);
    let metadata = std::fs::symlink_metadata(&folder).ok()?;
    let ours =
        metadata.is_dir() && metadata.uid() == owner(user) && metadata.mode() & 0o777 == mode(user);
    ours.then_some(folder)
}

fn make_elsewhere(user: Option<&RunAs>) -> Result<PathBuf, Error> {
    let base = base(user);
    let name = password::random(6).map_err(Error::io("make a name in", &base))?;
    let folder = base.join(format!("hotclub-{name}"));
    // Not `create_dir_all`: a name that exists already is someone else's.
    let made = std::fs::DirBuilder::new().mode(0o700).create(&folder);
    made.map_err(Error::io("create the folder", &folder))?;
    make_dir(&folder, mode(user), user)?;
    Ok(folder)
}

/// `/run/user/UID` is private and emptied at logout; PostgreSQL's own user has none.
fn base(user: Option<&RunAs>) -> PathBuf {
    let uid = rustix::process::geteuid().as_raw();
    let own = PathBuf::from(format!("/run/user/{uid}"));
    let usable = |path: &Path| -> io::Result<bool> { Ok(std::fs::metadata(path)?.uid() == uid) };
    match user.is_none() && usable(&own).unwrap_or(false) {
        true => own,
        false => PathBuf::from("/tmp"),
    }
}
