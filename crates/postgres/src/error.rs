//! What can go wrong with a cluster, and what to do about it.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use crate::backup::shown;
use crate::ready::{Cause, NotReady};
use crate::user::Unreachable;

/// A failure of a managed cluster. `hint()` says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("PostgreSQL{} is not installed", version_text(*.wanted))]
    NotInstalled {
        wanted: Option<u32>,
        found: Vec<u32>,
    },

    #[error("the data in {} belongs to PostgreSQL {data}, but {}", .dir.display(), wanted_text(*.wanted, .installed))]
    WrongVersion {
        dir: PathBuf,
        data: u32,
        wanted: Option<u32>,
        installed: Vec<u32>,
    },

    #[error("{} is no data directory of PostgreSQL: it has no readable PG_VERSION", .dir.display())]
    NotACluster { dir: PathBuf },

    #[error("PostgreSQL refuses to run as root, and there is no user `postgres` to run it as")]
    NoUser,

    #[error(transparent)]
    Unreachable(#[from] Unreachable),

    #[error("another process uses the database in {}", .dir.display())]
    Locked { dir: PathBuf },

    #[error("{program} failed ({status}){}", quoted(.output))]
    Failed {
        program: &'static str,
        status: ExitStatus,
        output: String,
    },

    #[error("PostgreSQL ended ({status}) while starting{}", quoted(.log))]
    Died {
        status: ExitStatus,
        log: String,
        log_file: PathBuf,
    },

    #[error(
        "PostgreSQL did not become ready: {} (waited {:.1} s){}",
        .source.cause, .source.waited.as_secs_f64(), quoted(.log)
    )]
    NotReady {
        source: NotReady,
        log: String,
        log_file: PathBuf,
    },

    #[error("a PostgreSQL left over from an earlier run (process {pid}) does not stop")]
    LeftOver { pid: i32 },

    #[error("there is no database of this site yet in {}", .dir.display())]
    NoCluster { dir: PathBuf },

    #[error("there is no database file {}", .path.display())]
    NoDatabaseFile { path: PathBuf },

    #[error("a backup or a restore of this site is under way ({})", .dir.display())]
    BackupRuns { dir: PathBuf },

    #[error("{} is too full: {} are needed, {} are free", .path.display(), shown(*.needed), shown(*.free))]
    NoRoom {
        path: PathBuf,
        needed: u64,
        free: u64,
    },

    #[error("{} cannot be used: {why}", .path.display())]
    Damaged { path: PathBuf, why: String },

    #[error("the dump {} cannot be loaded: {why}", .path.display())]
    Dump { path: PathBuf, why: String },

    #[error("what was restored is not what was backed up: {}", .differences.join("; "))]
    Differs { differences: Vec<String> },

    #[error("{} comes from PostgreSQL {theirs}, and this one is {ours}", .path.display())]
    NewerVersion {
        path: PathBuf,
        theirs: String,
        ours: u32,
    },

    #[error("this site's data are of PostgreSQL {from}, and {to} is not newer")]
    NotNewer { from: u32, to: u32 },

    #[error("what restores have put aside cannot be taken along: {}", .stamps.join(", "))]
    PutAside { stamps: Vec<String> },

    #[error("the site cannot go back: {why}")]
    NothingOld { why: String },

    #[error("cannot {doing} {}: {source}", .path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },

    #[error("cannot run {}: {source}", .program.display())]
    Spawn { program: PathBuf, source: io::Error },

    #[error("cannot {doing}: {}", Cause::of(.source))]
    Query {
        doing: &'static str,
        source: tokio_postgres::Error,
    },
}

impl Error {
    pub(crate) fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io {
            doing,
            path,
            source,
        }
    }

    /// What to do next, where something can be done.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Error::NotInstalled { wanted, found } => not_installed(*wanted, found),
            Error::WrongVersion {
                data,
                wanted: Some(wanted),
                ..
            } if wanted > data => format!(
                "write version = {data} in [database], or leave it out; then `hotclub db upgrade` moves the data to {wanted}"
            ),
            Error::WrongVersion { dir, data, .. } => format!(
                "install PostgreSQL {data} (on Debian: apt-get install postgresql-{data}), or write version = {data} \
                 in [database]; to begin with an empty database instead, move {} away",
                dir.display()
            ),
            Error::NotACluster { dir } => format!(
                "move {} away to begin with an empty database",
                dir.display()
            ),
            Error::NoUser => {
                "create one (adduser --system --group postgres), or run Hotclub as another user"
                    .to_owned()
            }
            Error::Unreachable(unreachable) => {
                format!(
                    "use a state folder that {} can reach, such as one below /var/lib",
                    unreachable.user
                )
            }
            Error::Locked { .. } => "is this site running already? End that one first".to_owned(),
            Error::Failed { output, .. } => from_log(output)?,
            Error::NoCluster { .. } | Error::NoDatabaseFile { .. } => {
                "start the site once: hotclub up".to_owned()
            }
            Error::BackupRuns { .. } => "wait for it to end, then try again".to_owned(),
            Error::NoRoom { .. } => {
                "make room, or move the state folder to a larger disk; nothing was changed".to_owned()
            }
            Error::Dump { .. } => {
                "pg_dump -Fc --no-owner --no-acl DATABASE > old.dump writes one that can; the site's data was not \
                 touched"
                    .to_owned()
            }
            Error::Damaged { .. } => {
                "take another backup (hotclub db backups); the site's data was not touched".to_owned()
            }
            Error::Differs { .. } => {
                "the site's data was not touched; if it happens again, look at PostgreSQL's log".to_owned()
            }
            Error::NewerVersion { .. } => {
                "move the site to that version first (hotclub db upgrade), or dump it with an older pg_dump".to_owned()
            }
            Error::NotNewer { .. } => {
                "`hotclub db undo` goes back to what an upgrade has put aside".to_owned()
            }
            Error::PutAside { .. } => {
                "drop it (hotclub db drop-old), or go back to it (hotclub db undo), then try again".to_owned()
            }
            Error::NothingOld { .. } => "hotclub db backups lists what there is to go back to".to_owned(),
            Error::Died { log, log_file, .. } => {
                from_log(log).unwrap_or_else(|| format!("its whole log is {}", log_file.display()))
            }
            Error::NotReady {
                source,
                log,
                log_file,
            } => from_log(log).unwrap_or_else(|| {
                let log_file = log_file.display();
                format!("{}; its whole log is {log_file}", source.hint())
            }),
            Error::LeftOver { pid } => format!("look at it (ps {pid}), and end it (kill {pid})"),
            Error::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                DISK_FULL.to_owned()
            }
            Error::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "was it made by another user, with sudo perhaps? Run Hotclub as that user, or give the folder away (chown -R)"
                    .to_owned()
            }
            Error::Io { path, source, .. }
                if matches!(source.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory) =>
            {
                format!("something else is in its place: look at it, and move {} away", path.display())
            }
            Error::Spawn { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "install PostgreSQL's programs as a whole: apt-get install postgresql".to_owned()
            }
            Error::Io { .. } | Error::Spawn { .. } | Error::Query { .. } => return None,
        })
    }
}

const DISK_FULL: &str =
    "the disk is full: make room; the data is safe and the next start goes on from it";

fn not_installed(wanted: Option<u32>, found: &[u32]) -> String {
    let package = wanted.map_or("postgresql".to_owned(), |major| {
        format!("postgresql-{major}")
    });
    let mut hint = format!(
        "install it: apt-get install {package} (Hotclub starts its own cluster, not the system's)"
    );
    if let (Some(newest), Some(_)) = (found.iter().max(), wanted) {
        hint += &format!(", or write version = {newest}, which is installed");
    }
    hint
}

/// Causes that PostgreSQL's own words give away.
fn from_log(log: &str) -> Option<String> {
    let has = |words: &[&str]| words.iter().any(|word| log.contains(word));
    if has(&["No space left on device"]) {
        return Some(DISK_FULL.to_owned());
    }
    if has(&[
        "Permission denied",
        "has invalid permissions",
        "has wrong ownership",
    ]) {
        return Some(
            "the data folder must belong to the user PostgreSQL runs as, with mode 0700".to_owned(),
        );
    }
    if has(&[
        "could not create shared memory segment",
        "Cannot allocate memory",
    ]) {
        return Some(
            "there is too little memory: end other programs, or enlarge /dev/shm".to_owned(),
        );
    }
    None
}

fn version_text(wanted: Option<u32>) -> String {
    wanted.map_or(String::new(), |major| format!(" {major}"))
}

fn wanted_text(wanted: Option<u32>, installed: &[u32]) -> String {
    let installed: Vec<String> = installed.iter().map(u32::to_string).collect();
    match wanted {
        Some(wanted) => format!("version {wanted} was asked for"),
        None => format!(
            "the installed programs are of version {}",
            installed.join(", ")
        ),
    }
}

fn quoted(log: &str) -> String {
    match log.trim().is_empty() {
        true => String::new(),
        false => format!(":\n    {}", log.trim().replace('\n', "\n    ")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_cluster_that_is_not_ready_says_why_and_what_to_do() {
        let error = Error::NotReady {
            source: NotReady {
                target: "a socket".to_owned(),
                cause: Cause::StartingUp,
                waited: Duration::from_millis(5100),
            },
            log: "LOG:  redo starts".to_owned(),
            log_file: PathBuf::from("/s/postgresql.log"),
        };
        assert_eq!(
            error.to_string(),
            "PostgreSQL did not become ready: it is still starting up (waited 5.1 s):\n    LOG:  redo starts"
        );
        let hint = error.hint().unwrap();
        assert!(hint.contains("wait = \"5m\""), "{hint}");
        assert!(hint.contains("/s/postgresql.log"), "{hint}");
    }
}
