//! How a mount behaves. Every default stands here, with its reason.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::hashed::HashedNames;

/// What a mount's files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountKind {
    /// The site's own files, from its release: trusted, with compressed siblings.
    Static,
    /// What people uploaded: nothing that a browser would run on the site's origin, and no
    /// compressed siblings, because a stranger could upload a `.br` beside another's picture.
    Media,
    /// What an app names in its answers: it has decided who sees it and as what, so nothing is said of
    /// that here, and no shared cache may keep it. No compressed siblings.
    Internal,
}

/// What happens at a symbolic link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Symlinks {
    /// Relative links that stay beneath the root are followed; others do not exist. (Where the
    /// kernel refuses `openat2`, no link is followed.)
    Beneath,
    /// No link is followed.
    Never,
}

/// How a mount behaves.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MountOptions {
    pub kind: MountKind,
    /// Names that are cached for good, whatever `max_age` says.
    pub hashed: HashedNames,
    /// How long a client may use a file without asking again; zero: it asks every time. `None`:
    /// the kind's default.
    pub max_age: Option<Duration>,
    /// All of Cache-Control for names that are not hashed, checked by the configuration; goes before `max_age`.
    pub cache_control: Option<String>,
    pub symlinks: Symlinks,
    /// Folders beneath the root, relative to it, that are not served: another mount's that is internal.
    /// Say [`Symlinks::Never`] with it, so that no link leads there.
    pub hidden: Vec<PathBuf>,
    /// Whether the root may be missing when the mount is opened.
    pub may_be_missing: bool,
    pub cache: CacheOptions,
}

/// What a mount keeps at hand between requests.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct CacheOptions {
    /// The largest file that is kept in memory. Beyond 256 KiB sendfile costs no more than memory.
    pub max_file_bytes: u64,
    /// What all files in memory may take together. 0: none is kept.
    pub max_total_bytes: u64,
    /// How many descriptors of larger files are kept open. 0: none. Small beside the 1,024 that a
    /// process may have by default, because connections need them more.
    pub max_open_files: u64,
    /// How old an answer from the cache may be before the disk is asked whether it still holds:
    /// the longest time that a changed or removed file is still served.
    pub recheck: Duration,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            max_file_bytes: 256 << 10,
            max_total_bytes: 64 << 20,
            max_open_files: 128,
            recheck: Duration::from_secs(1),
        }
    }
}

impl MountOptions {
    /// The defaults for files of this kind. A media folder comes into being with the first upload.
    #[must_use]
    pub fn new(kind: MountKind) -> Self {
        Self {
            kind,
            hashed: HashedNames::default(),
            max_age: None,
            cache_control: None,
            symlinks: Symlinks::Beneath,
            hidden: Vec::new(),
            may_be_missing: kind != MountKind::Static,
            cache: CacheOptions::default(),
        }
    }

    /// Whether a servable path lies in a hidden folder.
    pub(super) fn hides(&self, path: &[u8]) -> bool {
        let path = Path::new(OsStr::from_bytes(path));
        self.hidden.iter().any(|folder| path.starts_with(folder))
    }

    /// The value of Cache-Control for a file.
    ///
    /// Static files whose names Django did not hash change under the same name at a release: after
    /// a minute everybody sees the new page with its new style, and a visit still asks only once.
    /// Uploads hardly change (Django gives each a name of its own), but their removal should show
    /// within the hour.
    pub(super) fn cache_control(&self, path: &[u8]) -> String {
        if self.hashed.contains(path) {
            return "public, max-age=31536000, immutable".to_owned();
        }
        if let Some(written) = &self.cache_control {
            return written.clone();
        }
        let default = match self.kind {
            MountKind::Static => Duration::from_secs(60),
            MountKind::Media => Duration::from_secs(3600),
            MountKind::Internal => Duration::ZERO,
        };
        // `public` is left out for media: it would let shared caches keep what needed a password.
        let public = match self.kind {
            MountKind::Static => "public, ",
            MountKind::Media => "",
            MountKind::Internal => "private, ",
        };
        match self.max_age.unwrap_or(default).as_secs() {
            0 if self.kind == MountKind::Internal => "private, no-cache".to_owned(),
            0 => "no-cache".to_owned(),
            seconds => format!("{public}max-age={seconds}, must-revalidate"),
        }
    }
}
