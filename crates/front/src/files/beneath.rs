//! Opening files beneath a root, and noticing when another folder takes the root's place.
//!
//! `openat2(RESOLVE_BENEATH)` leaves the rule to the kernel. Where it is missing (Linux before
//! 5.6, or an old container runtime's seccomp profile), each segment is opened on its own with
//! `O_NOFOLLOW`; symbolic links are not followed at all then.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

use super::options::Symlinks;
use super::stamp::Stamp;

/// How often an open is tried again that a rename elsewhere disturbed, or a signal.
const ATTEMPTS: usize = 4;
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// Non-blocking, so that a FIFO put there by somebody cannot hold a thread of the front.
const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

const NAMES: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// Why a file was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpenError {
    /// Nothing there, or nothing that is served: a folder, a FIFO.
    Missing,
    /// A symbolic link out of the root (or any, where none are followed).
    Outside,
    /// The front may not read it.
    Denied,
    /// Out of descriptors or memory.
    Exhausted,
    /// A fault of the disk or the network it is on.
    Broken(Errno),
}

impl From<Errno> for OpenError {
    fn from(errno: Errno) -> Self {
        match errno {
            // A socket says NXIO, an odd name INVAL.
            Errno::NOENT
            | Errno::NOTDIR
            | Errno::NAMETOOLONG
            | Errno::NXIO
            | Errno::NODEV
            | Errno::ISDIR
            | Errno::INVAL
            | Errno::ILSEQ => Self::Missing,
            Errno::XDEV | Errno::LOOP => Self::Outside,
            Errno::ACCESS | Errno::PERM => Self::Denied,
            Errno::MFILE | Errno::NFILE | Errno::NOMEM => Self::Exhausted,
            other => Self::Broken(other),
        }
    }
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Errno::from_io_error(&error).map_or(Self::Broken(Errno::IO), Self::from)
    }
}

/// How names are resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Kernel,
    /// Segment by segment, links never followed.
    Walk,
}

/// The root of a mount: a path, and the folder that was last seen there.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    way: Way,
    symlinks: Symlinks,
    seen: ArcSwapOption<Folder>,
}

/// An open folder. While it is open its inode number is not given to another.
#[derive(Debug)]
pub(super) struct Folder {
    fd: OwnedFd,
    device: u64,
    inode: u64,
}

impl Folder {
    fn open(path: &Path) -> Result<Self, OpenError> {
        let file = File::from(openat(CWD, path, FOLDER, Mode::empty())?);
        let metadata = file.metadata()?;
        Ok(Self {
            fd: file.into(),
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }

    fn is(&self, metadata: &Metadata) -> bool {
        (self.device, self.inode) == (metadata.dev(), metadata.ino())
    }
}

impl Root {
    /// Opens `path` for the first time and finds out how names can be resolved.
    pub(super) fn open(path: &Path, symlinks: Symlinks) -> Result<Self, OpenError> {
        let folder = match Folder::open(path) {
            Ok(folder) => Some(Arc::new(folder)),
            Err(OpenError::Missing) if !path.exists() => None,
            Err(error) => return Err(error),
        };
        Ok(Self {
            path: path.to_owned(),
            way: way(),
            symlinks,
            seen: ArcSwapOption::new(folder),
        })
    }

    /// Whether the folder was there when last looked.
    pub(super) fn is_present(&self) -> bool {
        self.seen.load().is_some()
    }

    #[cfg(test)]
    pub(super) fn without_openat2(mut self) -> Self {
        self.way = Way::Walk;
        self
    }

    /// The folder that is at the root's path now: a release that was swapped in by a rename, or by
    /// pointing a link elsewhere, is seen here. One `stat`.
    pub(super) fn folder(&self) -> Result<Arc<Folder>, OpenError> {
        let metadata = match std::fs::metadata(&self.path) {
            Ok(metadata) => metadata,
            Err(error) => {
                self.seen.store(None);
                return Err(error.into());
            }
        };
        if let Some(folder) = &*self.seen.load()
            && folder.is(&metadata)
        {
            return Ok(Arc::clone(folder));
        }
        let folder = Arc::new(Folder::open(&self.path)?);
        self.seen.store(Some(Arc::clone(&folder)));
        Ok(folder)
    }

    /// Opens the regular file at `path` beneath `folder`. The path has been checked
    /// ([`is_servable`](super::path::is_servable)); that it cannot escape does not depend on it.
    pub(super) fn file(&self, folder: &Folder, path: &[u8]) -> Result<(File, Stamp), OpenError> {
        let fd = match self.way {
            Way::Kernel => self.resolve(folder, path, FILE)?,
            Way::Walk => walk(folder, path, FILE)?,
        };
        let file = File::from(fd);
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(OpenError::Missing);
        }
        Ok((file, Stamp::of(&metadata)))
    }

    /// Opens the folder at `path` beneath `folder` for reading its names; an empty path is `folder` itself. The
    /// path has been checked like that of a file.
    pub(super) fn names(&self, folder: &Folder, path: &[u8]) -> Result<OwnedFd, OpenError> {
        let fd = match (path, self.way) {
            (b"", _) => persistently(|| openat(&folder.fd, ".", NAMES, Mode::empty()))?,
            (path, Way::Kernel) => self.resolve(folder, path, NAMES)?,
            (path, Way::Walk) => walk(folder, path, NAMES)?,
        };
        Ok(fd)
    }

    fn resolve(&self, folder: &Folder, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let mut rules = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        if self.symlinks == Symlinks::Never {
            rules |= ResolveFlags::NO_SYMLINKS;
        }
        let path = OsStr::from_bytes(path);
        persistently(|| openat2(&folder.fd, path, flags, Mode::empty(), rules))
    }
}

/// Whether the kernel lets us use `openat2`. It is asked to open `/` beneath the working directory,
/// which a kernel that knows the call refuses before it looks at any file's permissions.
fn way() -> Way {
    match openat2(CWD, "/", FOLDER, Mode::empty(), ResolveFlags::BENEATH) {
        Err(Errno::XDEV) => Way::Kernel,
        _ => {
            tracing::info!(
                "openat2 is not to be had here: links in served folders are not followed"
            );
            Way::Walk
        }
    }
}

/// Each segment opened in the one before. `..` and absolute paths are refused here too, though the
/// caller has: this function must be safe alone.
fn walk(folder: &Folder, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let (folders, name) = match memchr::memrchr(b'/', path) {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&path[..0], path),
    };
    let mut last: Option<OwnedFd> = None;
    let segments = folders.split(|&byte| byte == b'/');
    for segment in segments.filter(|_| !folders.is_empty()) {
        last = Some(step(folder, last.as_ref(), segment, FOLDER)?);
    }
    step(folder, last.as_ref(), name, flags)
}

fn step(
    root: &Folder,
    last: Option<&OwnedFd>,
    segment: &[u8],
    flags: OFlags,
) -> Result<OwnedFd, Errno> {
    if matches!(segment, b"" | b"." | b"..") || segment.contains(&b'/') {
        return Err(Errno::NOENT);
    }
    let within = last.unwrap_or(&root.fd);
    let segment = OsStr::from_bytes(segment);
    persistently(|| openat(within, segment, flags | OFlags::NOFOLLOW, Mode::empty()))
}

fn persistently(mut open: impl FnMut() -> Result<OwnedFd, Errno>) -> Result<OwnedFd, Errno> {
    let mut result = open();
    for _ in 1..ATTEMPTS {
        match result {
            Err(Errno::AGAIN | Errno::INTR) => result = open(),
            _ => break,
        }
    }
    result
}
