//! Files served by the front: a folder mounted at a prefix, never through Python.
//!
//! `path` decides which names may be asked for, `beneath` opens them under the root, `resource` is
//! an opened file with its encoded siblings, `shelf` keeps resources at hand, `conditions`, `range`
//! and `coding` read the request, and `answer` makes the response. `pages` makes a site of a folder, `listing`
//! shows one. Routing, access control and
//! error pages are the caller's.

mod answer;
mod beneath;
mod coding;
mod complaints;
pub(crate) mod conditions;
mod disposition;
mod hashed;
mod listing;
mod media_type;
mod options;
mod pages;
mod path;
pub(crate) mod range;
mod resource;
mod shelf;
mod stamp;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use self::coding::{Accepted, Coding};
pub use self::hashed::{HashedNames, HashedNamesError};
pub use self::options::{CacheOptions, MountKind, MountOptions, Symlinks};
pub(crate) use self::pages::PageOutcome;
pub use self::pages::{PageRules, Pages};

use self::beneath::{OpenError, Root};
use self::complaints::Complaints;
use self::resource::Resource;
use self::shelf::{Entry, Shelf};
use crate::message::{Fields, Response};

/// A folder whose files are served. Shared by all threads.
#[derive(Debug)]
pub struct FileMount {
    path: PathBuf,
    root: Root,
    options: MountOptions,
    shelf: Shelf,
    complaints: Complaints,
}

/// Why a folder cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    #[error("the folder {} does not exist\nhint: run collectstatic, or correct the path", path.display())]
    Missing { path: PathBuf },
    #[error("{} is not a folder\nhint: name the folder that holds the files", path.display())]
    NotAFolder { path: PathBuf },
    #[error(
        "the folder {} cannot be entered: {source}\nhint: let the front's user enter it and every folder above it",
        path.display()
    )]
    Denied {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the folder {} cannot be opened: {source}", path.display())]
    Unopened {
        path: PathBuf,
        source: std::io::Error,
    },
}

/// What matters of a method here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileMethod {
    Get,
    Head,
    Other,
}

/// A request for a file.
#[derive(Clone, Copy, Debug)]
pub struct FileRequest<'a> {
    pub method: FileMethod,
    /// What follows the mount's prefix: percent-decoded, once, without a leading slash. It is not
    /// decoded again here.
    pub path: &'a [u8],
    pub fields: &'a Fields,
}

/// What a mount says to a request.
#[derive(Debug)]
pub enum FileOutcome {
    /// 200, 206, 304, 405, 412, 416, or 503 when descriptors run out.
    Response(Response),
    /// No such file, or none that may be served: the caller answers, or asks elsewhere.
    NotFound,
}

impl FileMount {
    /// Mounts the folder `root`.
    ///
    /// # Errors
    /// When it is missing (unless the options allow that), not a folder, or cannot be entered.
    pub fn open(root: &Path, options: MountOptions) -> Result<Self, MountError> {
        let opened = Root::open(root, options.symlinks).map_err(|error| refusal(root, error))?;
        if !opened.is_present() && !options.may_be_missing {
            return Err(MountError::Missing {
                path: root.to_owned(),
            });
        }
        Ok(Self {
            path: root.to_owned(),
            root: opened,
            shelf: Shelf::new(options.cache),
            options,
            complaints: Complaints::new(),
        })
    }

    /// The folder, as it was named.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.path
    }

    /// Answers a request. Does not wait for the network, but may for the disk: a file that is
    /// neither kept at hand nor in the page cache's directory entries costs its thread a read.
    #[must_use]
    pub fn respond(&self, request: &FileRequest<'_>) -> FileOutcome {
        if request.method == FileMethod::Other {
            return FileOutcome::Response(answer::method_not_allowed());
        }
        if !path::is_servable(request.path) || self.options.hides(request.path) {
            return FileOutcome::NotFound;
        }
        match self.find(request.path) {
            Ok(entry) => FileOutcome::Response(answer::answer(&entry.resource, request)),
            Err(error) => self.refuse(error, request.path),
        }
    }

    /// Whether a request for `path` would find a file.
    fn holds(&self, path: &[u8]) -> bool {
        path::is_servable(path) && !self.options.hides(path) && self.find(path).is_ok()
    }

    #[cfg(test)]
    fn without_openat2(mut self) -> Self {
        self.root = self.root.without_openat2();
        self
    }

    fn refuse(&self, error: OpenError, path: &[u8]) -> FileOutcome {
        self.complaints.note(error, &self.path, path);
        match error {
            OpenError::Missing | OpenError::Outside | OpenError::Denied => FileOutcome::NotFound,
            OpenError::Exhausted | OpenError::Broken(_) => {
                FileOutcome::Response(answer::unavailable())
            }
        }
    }

    /// What is at `path`: from the shelf while that is young, otherwise from the disk.
    fn find(&self, path: &[u8]) -> Result<Arc<Entry>, OpenError> {
        let kept = match self.shelf.get(path) {
            Some((entry, true)) => return Ok(entry),
            Some((entry, false)) => Some(entry),
            None => None,
        };
        let now = self.shelf.now();
        match (self.load(path), kept) {
            (Ok(found), Some(kept)) if found.is_same(&kept.resource) => {
                Ok(self.shelf.confirm(path, kept, now))
            }
            (Ok(found), _) => Ok(self.shelf.put(path, found, now)),
            // Descriptors run out: what is at hand is better than a 503.
            (Err(OpenError::Exhausted), Some(kept)) => Ok(kept),
            (Err(error), None) => Err(error),
            (Err(error), Some(_)) => {
                self.shelf.remove(path);
                Err(error)
            }
        }
    }

    /// Opens what is on the disk; out of descriptors, once more without those kept open.
    fn load(&self, path: &[u8]) -> Result<Resource, OpenError> {
        let open = || Resource::open(&self.root, &*self.root.folder()?, path, &self.options);
        match open() {
            Err(OpenError::Exhausted) => {
                self.shelf.close_files();
                open()
            }
            result => result,
        }
    }
}

fn refusal(root: &Path, error: OpenError) -> MountError {
    let path = root.to_owned();
    match error {
        OpenError::Missing | OpenError::Outside => MountError::NotAFolder { path },
        OpenError::Denied => MountError::Denied {
            path,
            source: rustix::io::Errno::ACCESS.into(),
        },
        OpenError::Exhausted => MountError::Unopened {
            path,
            source: rustix::io::Errno::MFILE.into(),
        },
        OpenError::Broken(errno) => MountError::Unopened {
            path,
            source: errno.into(),
        },
    }
}
