//! A site's own access log under `hotclub host`: which file it is, and with whose rights it is written. The file of a site
//! may be written by who must not make root write where they like.

use std::io;
use std::path::{Path, PathBuf};

use hotclub_config::{Log, Site};
use hotclub_front::{AccessLog, Format};
use hotclub_supervise::RunAs;
use nix::unistd::{Gid, Uid, setfsgid, setfsuid};

use crate::console::Failure;
use crate::releases::Release;
use crate::{up, users};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnLog {
    log: Log,
    path: PathBuf,
    /// Whose rights it is written with; `None`: ours.
    user: Option<RunAs>,
}

impl OwnLog {
    /// The one that a site's file names, if it names one. `named`: the user whom its code runs as, if that is said.
    pub(crate) fn of(site: &Site, named: Option<&str>) -> Result<Option<Self>, Failure> {
        let path = match &site.log.access {
            hotclub_config::AccessLog::File(path) if site.sets("log.access") => path,
            _ => return Ok(None),
        };
        let log = site.log.clone();
        if let Some(path) = beside_releases(site, path)? {
            // The folder is ours.
            let user = None;
            return Ok(Some(Self { log, path, user }));
        }
        let (path, user) = (path.clone(), users::of_files(site, named)?);
        let is_deployed = Release::around(&site.dir).is_some();
        if is_deployed && user.is_none() && rustix::process::geteuid().is_root() {
            // Whoever deploys would have root write where they like.
            let path = path.display();
            return Err(
                Failure::new(format!("[log] access: {path} is not the site's own")).hint(
                    "name a file within the site's folder, or give the site a user of its own",
                ),
            );
        }
        Ok(Some(Self { log, path, user }))
    }

    pub(crate) fn format(&self) -> Format {
        up::log_format(&self.log)
    }

    /// Opens it, and starts what writes it.
    pub(crate) fn open(&self) -> Result<AccessLog, Failure> {
        let user = self.user;
        let sink = up::log_file(&self.log, &self.path);
        let opened = AccessLog::open_for(sink, self.format(), move || {
            user.map_or(Ok(()), become_them)
        });
        opened.map_err(|error| {
            let path = self.path.display();
            let failure = Failure::new(format!("[log] access: {path}: {error}"));
            match user {
                Some(RunAs { uid, .. }) => failure.hint(format!(
                    "it is written as user {uid}, who must be allowed to make it there"
                )),
                None => failure,
            }
        })
    }
}

/// What a deployed site names within its release would end with that.
fn beside_releases(site: &Site, path: &Path) -> Result<Option<PathBuf>, Failure> {
    let home = Release::around(&site.dir).and_then(|release| release.home());
    let (Some(home), Some(name), true) = (home, path.file_name(), path.starts_with(&site.dir))
    else {
        return Ok(None);
    };
    let logs = home.dir().join("logs");
    std::fs::create_dir_all(&logs)?;
    Ok(Some(logs.join(name)))
}

/// For files, and for this thread alone. It stays ours for everything else, so that they cannot send it a signal.
fn become_them(RunAs { uid, gid }: RunAs) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    rustix::thread::set_thread_groups(&[])?;
    setfsgid(gid);
    setfsuid(uid);
    // Each says what was before, and nothing of whether it was done.
    match (setfsgid(gid), setfsuid(uid)) == (gid, uid) {
        true => Ok(()),
        false => Err(io::Error::from(io::ErrorKind::PermissionDenied)),
    }
}
