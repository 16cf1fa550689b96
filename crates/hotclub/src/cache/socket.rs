//! The socket in a site's state folder. Its path may be longer than a socket's address can be, so it is named by
//! the open folder.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

const NAME: &str = "cache.sock";

pub(super) fn connect(folder: &Path) -> io::Result<UnixStream> {
    by_descriptor(folder, |path| UnixStream::connect(path))
}

/// Whoever opens it has the folder's lock: a socket that lies there is nobody's.
pub(super) fn listen(folder: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(folder.join(NAME)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = by_descriptor(folder, |path| UnixListener::bind(path))?;
    fs::set_permissions(folder.join(NAME), Permissions::from_mode(0o600))?;
    Ok(listener)
}

pub(super) fn remove(folder: &Path) {
    // The next start does it otherwise.
    let _ = fs::remove_file(folder.join(NAME));
}

fn by_descriptor<T>(folder: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let opened = File::open(folder)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}/{NAME}", opened.as_raw_fd()));
    act(&path)
}
