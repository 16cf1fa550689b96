//! The file system as the front sees it: an empty one, in which lie what it serves, for reading only, and a few files
//! that name resolution and TLS need. It exists in the daemon's own mount namespace only, and ends with it, however
//! that ends.
//!
//! Everything is where it is outside, so that no path means two things. What is put in another's place outside (a
//! release by a rename, a socket by its server's restart) is seen at the next [`Lodge::look`].

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hotclub_supervise::RunAs;
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind_recursive, mount_change,
    mount_remount, unmount,
};

/// What resolvers and TLS read; those that are not there are not missed.
const COMMON: &[&str] = &[
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/localtime",
    "/etc/ssl/certs",
    "/usr/share/ca-certificates",
    "/usr/share/zoneinfo",
];

/// The flags of everything that lies there.
const HARMLESS: MountFlags = MountFlags::NOSUID
    .union(MountFlags::NODEV)
    .union(MountFlags::NOEXEC);

/// A daemon's own view of the mounts, in which lodges can be made. To be called while there is but one thread.
///
/// # Errors
/// When we may not.
pub(crate) fn withdraw() -> nix::Result<()> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS)?;
    // What is mounted outside is seen here, and nothing of ours outside.
    let downstream = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change("/", downstream).map_err(|error| nix::Error::from_raw(error.raw_os_error()))
}

/// Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Lodge(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    given: Mutex<HashMap<PathBuf, Given>>,
}

/// Tells one thing at a path from the next: device and inode, and of a file when it was written, and how long it is.
type Stamp = (u64, u64, i64, i64, u64);

/// Something that was put there.
#[derive(Debug)]
struct Given {
    /// How many want it.
    wanted: usize,
    /// What it was; `None`: nothing was there.
    seen: Option<Stamp>,
}

/// Something that the front may see for as long as this is held.
#[derive(Debug)]
pub(super) struct Loan {
    lodge: Lodge,
    path: PathBuf,
}

impl Lodge {
    /// Makes an empty one at `root`, with a folder of `user`'s for bodies, which is `spool` outside.
    pub(super) fn make(root: &Path, spool: &Path, user: RunAs) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        let size = c"mode=0755,size=64m";
        mount("hotclub", root, "tmpfs", HARMLESS, size)?;
        let lodge = Self(Arc::new(Inner {
            root: root.to_owned(),
            given: Mutex::default(),
        }));
        fs::create_dir_all(spool)?;
        fs::set_permissions(spool, fs::Permissions::from_mode(0o700))?;
        chown(spool, Some(user.uid), Some(user.gid))?;
        let inside = root.join("spool");
        fs::create_dir(&inside)?;
        mount_bind_recursive(spool, &inside)?;
        mount_remount(&inside, MountFlags::BIND | HARMLESS, c"")?;
        for path in COMMON {
            // Held for ever.
            std::mem::forget(lodge.lend(Path::new(path))?);
        }
        Ok(lodge)
    }

    pub(super) fn root(&self) -> &Path {
        &self.0.root
    }

    /// Lets the front see a folder with all below it, a file or a socket; also one that is not there yet.
    pub(super) fn lend(&self, path: &Path) -> io::Result<Loan> {
        let mut given = self.lock();
        if let Some(known) = given.get_mut(path) {
            known.wanted += 1;
        } else {
            let seen = stamp(path);
            if seen.is_some() {
                self.put(path)?;
            }
            given.insert(path.to_owned(), Given { wanted: 1, seen });
        }
        Ok(Loan {
            lodge: self.clone(),
            path: path.to_owned(),
        })
    }

    /// Looks whether something else is now where a thing that was lent came from.
    pub(super) fn look(&self) {
        for (path, given) in self.lock().iter_mut() {
            let now = stamp(path);
            if now == given.seen {
                continue;
            }
            if given.seen.is_some() {
                self.take(path);
            }
            given.seen = now;
            if now.is_some()
                && let Err(error) = self.put(path)
            {
                given.seen = None;
                tracing::warn!(%error, path = %path.display(), "the front cannot be shown this");
            }
        }
    }

    fn inside(&self, path: &Path) -> PathBuf {
        self.0.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn put(&self, path: &Path) -> io::Result<()> {
        let inside = self.inside(path);
        if path.is_file() {
            // Copied, for the front's user may not be one who could read it where it is.
            fs::create_dir_all(inside.parent().unwrap_or(&self.0.root))?;
            fs::write(&inside, fs::read(path)?)?;
            return fs::set_permissions(&inside, fs::Permissions::from_mode(0o444));
        }
        if !inside.exists() {
            if path.is_dir() {
                fs::create_dir_all(&inside)?;
            } else {
                fs::create_dir_all(inside.parent().unwrap_or(&self.0.root))?;
                File::create(&inside)?;
            }
        }
        mount_bind_recursive(path, &inside)?;
        let flags = MountFlags::BIND | MountFlags::RDONLY | HARMLESS;
        mount_remount(&inside, flags, c"")?;
        Ok(())
    }

    fn take(&self, path: &Path) {
        let inside = self.inside(path);
        match unmount(&inside, UnmountFlags::DETACH) {
            // A copy, or it went with one that it lay in.
            Ok(()) | Err(Errno::INVAL | Errno::NOENT) => {}
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "the front still sees this");
            }
        }
        // A copy, or what a socket was put onto; a folder stays, empty.
        let _ = fs::remove_file(inside);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, Given>> {
        self.0.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    let (device, inode) = (metadata.dev(), metadata.ino());
    Some(match metadata.is_file() {
        true => {
            let (seconds, nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
            (device, inode, seconds, nanoseconds, metadata.len())
        }
        false => (device, inode, 0, 0, 0),
    })
}

impl Drop for Loan {
    fn drop(&mut self) {
        let mut given = self.lodge.lock();
        let Some(known) = given.get_mut(&self.path) else {
            return;
        };
        known.wanted -= 1;
        if known.wanted == 0 {
            if known.seen.is_some() {
                self.lodge.take(&self.path);
            }
            given.remove(&self.path);
        }
    }
}
