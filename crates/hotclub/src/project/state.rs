//! The folder in which everything that Hotclub makes for a project lives.
//!
//! `.hotclub/` in the project, which ignores itself in git; or a folder among the user's (or the system's) state
//! when the project is read-only, or when PostgreSQL's user could not reach it. A deployed release has its site's
//! folder, which outlives it, and keeps what is its own beside its code.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hotclub_config::Site;
use hotclub_postgres::{RunAs, can_reach};
use rustix::fs::FlockOperation;

use super::Project;
use crate::console::Failure;
use crate::releases::Release;

pub(crate) const FOLDER: &str = ".hotclub";

/// Where root's are that cannot be in the project.
const ROOTS: &str = "/var/lib/hotclub/up";

/// The open folder; its lock is held until it is dropped, and released by a crash.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) dir: PathBuf,
    /// The release that the project is, when a host deployed it.
    pub(crate) release: Option<Release>,
    _lock: Option<Arc<File>>,
}

impl State {
    /// Finds or makes the folder and takes its lock: one `up` at a time.
    pub(crate) fn open(project: &Project) -> Result<Self, Failure> {
        let state = Self::open_shared(project)?;
        let lock = lock(&state.dir)?;
        Ok(Self {
            _lock: Some(Arc::new(lock)),
            ..state
        })
    }

    /// Finds or makes the folder, also while an `up` runs there.
    pub(crate) fn open_shared(project: &Project) -> Result<Self, Failure> {
        let release = Release::around(&project.found.root);
        let of_site = release.as_ref().and_then(Release::home);
        let dir = match of_site {
            Some(home) => home.state(),
            None => choose(project)?,
        };
        make(&dir)?;
        Ok(Self {
            dir,
            release,
            _lock: None,
        })
    }

    /// The folder of another release of the same site, under the same lock.
    pub(crate) fn of(&self, project: &Project) -> Self {
        Self {
            dir: self.dir.clone(),
            release: Release::around(&project.found.root),
            _lock: self._lock.clone(),
        }
    }

    /// The site's log under `host`.
    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join("log/site.log")
    }

    /// What belongs to this code and no other: the settings' answers, static files, whether it was released.
    pub(crate) fn of_code(&self) -> &Path {
        match &self.release {
            Some(release) => &release.dir,
            None => &self.dir,
        }
    }

    /// The folder of a site without an app, which needs one only for what a person puts there.
    pub(crate) fn folder_without_app(site: &Site) -> PathBuf {
        let release = Release::around(&site.dir);
        match release.as_ref().and_then(Release::home) {
            Some(home) => home.state(),
            None => site.dir.join(FOLDER),
        }
    }

    /// The folder that root has made elsewhere for the project in `root`, whatever its name was then.
    pub(crate) fn of_root(root: &Path) -> Option<PathBuf> {
        let suffix = suffix(root);
        let mut all = fs::read_dir(ROOTS).ok()?.flatten();
        let is_its = |name: OsString| name.to_string_lossy().ends_with(&suffix);
        all.find(|entry| is_its(entry.file_name()))
            .map(|entry| entry.path())
    }

    /// Whether an `up` got as far as asking the settings.
    pub(crate) fn knows_the_settings(&self) -> bool {
        super::learnt::file(self).exists()
    }
}

fn choose(project: &Project) -> Result<PathBuf, Failure> {
    let inside = project.found.root.join(FOLDER);
    match is_fit(&inside) && !is_in_others_hands(&inside) {
        true => Ok(inside),
        false => elsewhere(project),
    }
}

fn make(dir: &Path) -> Result<(), Failure> {
    fs::create_dir_all(dir).map_err(|error| unwritable(dir, &error))?;
    ignore_in_git(dir).map_err(|error| unwritable(dir, &error))
}

/// Whether somebody other than root, who we are, could put another folder in this one's place: with links in it that
/// lead us to where we would not write. One that is ours was made before.
fn is_in_others_hands(dir: &Path) -> bool {
    let parent = dir.parent().unwrap_or(dir);
    let owner = |path: &Path| fs::symlink_metadata(path).map(|found| (found.is_dir(), found.uid()));
    let is_ours = |path| owner(path).is_ok_and(|found| found == (true, 0));
    rustix::process::geteuid().is_root() && !is_ours(parent) && !is_ours(dir)
}

/// Whether the folder can be written, and reached by the user that PostgreSQL runs as.
fn is_fit(dir: &Path) -> bool {
    let parent = dir.parent().unwrap_or(dir);
    let writable = tempfile::Builder::new()
        .prefix(".hotclub-")
        .tempfile_in(parent)
        .is_ok();
    let reachable = match RunAs::choose() {
        Ok(Some(user)) => can_reach(parent, &user).is_ok(),
        Ok(None) | Err(_) => true,
    };
    writable && reachable
}

fn elsewhere(project: &Project) -> Result<PathBuf, Failure> {
    let base = if let Some(base) = &project.elsewhere {
        base.clone()
    } else if rustix::process::geteuid().is_root() {
        PathBuf::from(ROOTS)
    } else {
        let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
        let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/state"));
        state
            .or_else(home)
            .map(|base| base.join("hotclub"))
            .ok_or_else(|| Failure::new("the project is read-only and HOME is not set"))?
    };
    let suffix = suffix(&project.found.root);
    Ok(base.join(format!("{}{suffix}", project.site.name)))
}

/// Two projects may have the same name.
fn suffix(root: &Path) -> String {
    let path = root.as_os_str().as_encoded_bytes();
    format!("-{:016x}", super::memory::digest([path]))
}

fn ignore_in_git(dir: &Path) -> io::Result<()> {
    let file = dir.join(".gitignore");
    if !file.exists() {
        fs::write(file, "*\n")?;
    }
    Ok(())
}

fn lock(dir: &Path) -> Result<File, Failure> {
    let path = dir.join("lock");
    let opened = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path);
    let mut file = opened.map_err(|error| unwritable(dir, &error))?;
    if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut pid = String::new();
        // Only to name it.
        let _ = file.read_to_string(&mut pid);
        let message = format!(
            "this project is being served already (process {})",
            pid.trim()
        );
        return Err(Failure::new(message).hint("stop that one first"));
    }
    let written = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(|error| unwritable(dir, &error))?;
    Ok(file)
}

fn unwritable(dir: &Path, error: &io::Error) -> Failure {
    let failure = Failure::new(format!("{} cannot be written: {error}", dir.display()));
    match error.kind() {
        io::ErrorKind::StorageFull => failure.hint("the disk is full: make room first"),
        _ => failure,
    }
}
