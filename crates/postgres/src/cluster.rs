//! A private cluster: one data directory that belongs to one site. `prepare` makes what is missing and
//! takes the folder's lock; `start` runs the server as our child and hands out the app's connection.
//!
//! ```text
//! <dir>/            0711   ours
//!   lock                   held (flock) for as long as a Cluster lives; a crash releases it
//!   data/           0700   PostgreSQL's user; appears complete or not at all
//!     hotclub.conf         written at every start
//!   run/            0711   PostgreSQL's user: the socket (elsewhere when the path is too long)
//!   log/            0700   ours: postgresql.log, and .1 before it
//!   secrets/        0700   ours: a password a file
//! ```

use std::fs::{File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hotclub_config::Secret;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tokio::sync::watch;

use crate::connection::Connection;
use crate::error::Error;
use crate::programs::{self, Programs};
use crate::user::{RunAs, can_reach};
use crate::{password, role, upgrade};

mod conf;
pub(crate) mod init;
pub(crate) mod leftover;
mod log;
mod machine;
mod server;
mod socket;

pub use server::{Server, Stopped};

/// Only a part of the socket's file name: no TCP port is ever opened. The usual number, because
/// everything assumes it when none is given.
pub(crate) const PORT: u16 = 5432;

/// What a cluster should be.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its folder; made when missing, its parent must exist.
    pub dir: PathBuf,
    /// The major version; `None`: what the data has, or the newest installed.
    pub version: Option<u32>,
    /// Whom PostgreSQL runs as: `RunAs::choose()`. `None`: ourselves.
    pub user: Option<RunAs>,
    /// The site's name: becomes the role and the database (with `app_` before reserved names).
    pub name: String,
    /// Connections that the app may hold at once: workers × threads.
    pub connections: u32,
}

/// A cluster that is complete, locked, and not running. Clones share the lock.
#[derive(Debug, Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

/// Filled when a server has ended.
type Exit = watch::Receiver<Option<ExitStatus>>;

#[derive(Debug)]
struct Inner {
    options: Options,
    programs: Programs,
    socket_dir: PathBuf,
    admin: Secret,
    app: Secret,
    /// Role, password and database were made by an earlier run, so that the app's login will do.
    settled: bool,
    /// The server started last, for `ended`.
    last: Mutex<Option<Exit>>,
    /// Only held.
    _lock: File,
}

/// Beside the app: migrations, a backup, a shell, Hotclub itself, and the three that PostgreSQL reserves.
const RESERVE: u32 = 20;

impl Options {
    /// How many sessions such a cluster admits: a reload has two generations alive at once.
    pub fn max_connections(&self) -> u32 {
        self.connections.saturating_mul(2).saturating_add(RESERVE)
    }
}

impl Cluster {
    /// Whether `prepare` would make a new cluster here, which takes a few seconds.
    pub fn is_new(dir: &Path) -> bool {
        let is_there = dir.join("data").join("PG_VERSION").exists();
        // In the middle of an exchange nothing may be in its place.
        !is_there && !upgrade::is_under_way(dir)
    }

    /// Makes the cluster, or finds it again. A kill at any moment leaves what the next call completes.
    pub async fn prepare(mut options: Options) -> Result<Cluster, Error> {
        // PostgreSQL's programs work in folders of their own.
        options.dir = std::path::absolute(&options.dir).map_err(Error::io("find", &options.dir))?;
        let dir = &options.dir;
        let user = options.user.as_ref();
        make_dir(dir, 0o711, None)?;
        if let Some(user) = user {
            can_reach(dir, user)?;
        }
        let lock = lock(dir).await?;
        make_dir(&dir.join("log"), 0o700, None)?;
        make_dir(&dir.join("secrets"), 0o700, None)?;
        upgrade::settle(dir).await?;
        init::sweep(dir).await?;
        let programs = init::programs_for(dir, options.version)?;
        leftover::stop(&dir.join("data")).await?;
        let app_file = dir.join("secrets/app.password");
        let settled = !Cluster::is_new(dir) && app_file.exists();
        let admin = init::complete(dir, &programs, user).await?;
        let app = kept_password(&app_file)?;
        let socket_dir = socket::folder(dir, user)?;
        let inner = Inner {
            programs,
            socket_dir,
            admin,
            app,
            settled,
            last: Mutex::default(),
            _lock: lock,
            options,
        };
        Ok(Cluster {
            inner: Arc::new(inner),
        })
    }

    /// Makes another cluster into which the same passwords lead.
    pub(crate) async fn with_the_passwords_of(
        old: &Cluster,
        options: Options,
    ) -> Result<Cluster, Error> {
        let secrets = options.dir.join("secrets");
        make_dir(&options.dir, 0o711, None)?;
        make_dir(&secrets, 0o700, None)?;
        for name in ["admin.password", "app.password"] {
            let from = old.dir().join("secrets").join(name);
            std::fs::copy(&from, secrets.join(name)).map_err(Error::io("copy", &from))?;
        }
        Cluster::prepare(options).await
    }

    /// Takes over what a person wrote into another one's postgresql.conf.
    pub(crate) fn take_own_lines(&self, old: &Cluster) -> Result<(), Error> {
        conf::take_own_lines(&self.inner, (&old.data(), &self.data()))
    }

    /// What it was made with, for one in another folder.
    pub(crate) fn options(&self, dir: &Path) -> Options {
        Options {
            dir: dir.to_owned(),
            ..self.inner.options.clone()
        }
    }

    /// Starts the server, waits until it answers (at most `wait`), and sees to role and database.
    pub async fn start(&self, wait: Duration) -> Result<Server, Error> {
        server::start(self, wait).await
    }

    /// Ends when no server of this cluster runs. For a caller that dropped `start` half-way (Ctrl-C):
    /// the drop begins a fast shutdown, and this waits for it.
    pub async fn ended(&self) {
        let last = self
            .inner
            .last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(exit) = last {
            server::exit_of(exit).await;
        }
    }

    /// What a cluster is reached by that another process has locked, and so prepared.
    pub(crate) fn known(options: &Options) -> Result<(Connection, Connection, Programs), Error> {
        let dir = std::path::absolute(&options.dir).map_err(Error::io("find", &options.dir))?;
        let programs = init::programs_for(&dir, options.version)?;
        let socket_dir = socket::folder(&dir, options.user.as_ref())?;
        let secret = |name: &str| {
            let file = dir.join("secrets").join(name);
            let missing = || Error::io("read", &file)(std::io::ErrorKind::NotFound.into());
            password::read(&file)?.ok_or_else(missing)
        };
        let login = |user, database, password| Connection {
            socket_dir: socket_dir.clone(),
            port: PORT,
            database,
            user,
            password,
        };
        let admin = login(
            role::ADMIN.to_owned(),
            "postgres".to_owned(),
            secret("admin.password")?,
        );
        let app = login(
            role::role_name(&options.name),
            role::database_name(&options.name),
            secret("app.password")?,
        );
        Ok((admin, app, programs))
    }

    /// The cluster's folder.
    pub fn dir(&self) -> &Path {
        &self.inner.options.dir
    }

    /// The version of the programs, and so of the data.
    pub fn version(&self) -> &programs::Version {
        &self.inner.programs.version
    }

    /// The programs that fit the data: `pg_dump` and others.
    pub fn programs(&self) -> &Programs {
        &self.inner.programs
    }

    /// The server's log.
    pub fn log_file(&self) -> PathBuf {
        Self::log_in(&self.inner.options.dir)
    }

    /// The same of the cluster that is, or will be, in a folder.
    pub fn log_in(dir: &Path) -> PathBuf {
        log::file(dir)
    }

    /// How the app reaches its database once the server runs.
    pub fn connection(&self) -> Connection {
        let name = &self.inner.options.name;
        self.login(
            role::role_name(name),
            role::database_name(name),
            self.inner.app.clone(),
        )
    }

    /// The superuser's way in: for backups, restores and upgrades, never for the app.
    pub fn admin(&self) -> Connection {
        self.login(
            role::ADMIN.to_owned(),
            "postgres".to_owned(),
            self.inner.admin.clone(),
        )
    }

    fn login(&self, user: String, database: String, password: Secret) -> Connection {
        Connection {
            socket_dir: self.inner.socket_dir.clone(),
            port: PORT,
            database,
            user,
            password,
        }
    }

    fn data(&self) -> PathBuf {
        self.inner.options.dir.join("data")
    }
}

/// A child that is just being started holds a copy of every open file until its program is loaded, so a
/// lock let go a moment ago may look taken for a moment more.
const LOCK_TRIES: u32 = 25;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

async fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join("lock");
    let file = File::options().create(true).append(true).open(&path);
    let file = file.map_err(Error::io("open", &path))?;
    for _ in 0..LOCK_TRIES {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::WOULDBLOCK) => tokio::time::sleep(LOCK_PAUSE).await,
            Err(error) => return Err(Error::io("lock", path)(error.into())),
        }
    }
    Err(Error::Locked {
        dir: dir.to_path_buf(),
    })
}

fn kept_password(file: &Path) -> Result<Secret, Error> {
    match password::read(file)? {
        Some(password) => Ok(password),
        None => password::create(file),
    }
}

/// A folder with exactly these rights, whoever made it before.
fn make_dir(path: &Path, mode: u32, owner: Option<&RunAs>) -> Result<(), Error> {
    if !path.is_dir() {
        std::fs::create_dir(path).map_err(Error::io("create the folder", path))?;
    }
    if let Some(owner) = owner {
        chown(path, Some(owner.uid), Some(owner.gid)).map_err(Error::io("give away", path))?;
    }
    std::fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(Error::io("set the mode of", path))
}
