//! A running server: our child, in a process group of its own (Ctrl-C on the terminal is for Hotclub,
//! which then ends PostgreSQL after the app). One task owns the child; everyone else has a handle.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::PoisonError;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::process::Child;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::Client;

use super::{Cluster, Exit, conf, leftover, log};
use crate::command::command;
use crate::connection::Connection;
use crate::error::Error;
use crate::ready::{Cause, NotReady, OWN, Session, Target, wait_paced};
use crate::role;

/// After a crash, orphans of the old server hold its shared memory until they notice, which takes moments.
const ORPHANS: Duration = Duration::from_secs(10);
const HELD_BY_ORPHANS: &str = "pre-existing shared memory block";

/// How long an immediate shutdown may take before the kernel ends it.
const IMMEDIATE: Duration = Duration::from_secs(5);

/// How often the log's length is looked at.
const LOG_CHECK: Duration = Duration::from_secs(60);

/// A server that answers. Dropping it begins a fast shutdown and does not wait for its end; `stop` does.
#[derive(Debug)]
pub struct Server {
    cluster: Cluster,
    pid: u32,
    process: OwnedFd,
    exit: Exit,
    log_from: u64,
}

/// How a server ended when it was asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// All is written; the next start needs no recovery.
    Cleanly,
    /// It had to be hurried or was gone already; the next start recovers from the write-ahead log.
    Hurried,
}

pub(super) async fn start(cluster: &Cluster, wait: Duration) -> Result<Server, Error> {
    let end = Instant::now() + ORPHANS;
    leftover::stop(&cluster.data()).await?;
    conf::write(&cluster.inner, &cluster.data())?;
    loop {
        let server = spawn(cluster)?;
        match server.become_ready(wait).await {
            Ok(()) => return Ok(server),
            Err(Error::Died { log, .. })
                if log.contains(HELD_BY_ORPHANS) && Instant::now() < end =>
            {
                sleep(Duration::from_millis(200)).await;
            }
            Err(error) => {
                // Nothing may be left running, and the caller must not begin again before it is gone.
                server.stop(IMMEDIATE).await;
                return Err(error);
            }
        }
    }
}

fn spawn(cluster: &Cluster) -> Result<Server, Error> {
    let path = cluster.log_file();
    let (log_file, log_from) = log::open(&path)?;
    let second = log_file.try_clone().map_err(Error::io("open", &path))?;
    let program = cluster.inner.programs.path("postgres");
    let mut postgres = command(&program, cluster.inner.options.user.as_ref());
    postgres.arg("-D").arg(cluster.data());
    postgres
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(log_file)
        .stderr(second)
        .kill_on_drop(false);
    let child = postgres.spawn().map_err(|source| Error::Spawn {
        program: program.clone(),
        source,
    })?;
    // Nobody has waited for the child yet, so its number is surely still its own.
    let pid = child.id().unwrap_or_default();
    let process = pid_of(pid)
        .ok_or(rustix::io::Errno::SRCH)
        .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()));
    let process = process.map_err(|error| Error::Spawn {
        program,
        source: error.into(),
    })?;
    let (told, exit) = watch::channel(None);
    tokio::spawn(own(child, told, path));
    let mut last = cluster
        .inner
        .last
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    *last = Some(exit.clone());
    drop(last);
    Ok(Server {
        cluster: cluster.clone(),
        pid,
        process,
        exit,
        log_from,
    })
}

fn pid_of(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// Waits for the child, tells everyone, and keeps its log short meanwhile.
async fn own(mut child: Child, told: watch::Sender<Option<ExitStatus>>, log: PathBuf) {
    loop {
        match timeout(LOG_CHECK, child.wait()).await {
            Ok(status) => {
                // A child that cannot be waited for is gone as well.
                told.send_replace(Some(status.unwrap_or_default()));
                return;
            }
            Err(_) => {
                if let Err(error) = log::shorten(&log) {
                    tracing::warn!(%error, log = %log.display(), "cannot rotate PostgreSQL's log");
                }
            }
        }
    }
}

/// Whether a refusal of the app's login is one that `role::ensure` mends.
fn is_to_be_made(refusal: &NotReady) -> bool {
    matches!(
        refusal.cause,
        Cause::WrongPassword | Cause::RoleMissing | Cause::DatabaseMissing | Cause::Forbidden(_)
    )
}

/// Waits for a server's end.
pub(super) async fn exit_of(mut exit: Exit) -> ExitStatus {
    let status = exit.wait_for(Option::is_some).await.map(|status| *status);
    // The owner always tells before it ends.
    status.ok().flatten().unwrap_or_default()
}

impl Server {
    /// The app's way in.
    pub fn connection(&self) -> Connection {
        self.cluster.connection()
    }

    /// The superuser's way in.
    pub fn admin(&self) -> Connection {
        self.cluster.admin()
    }

    /// The cluster, to start it again after `exited`.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Ends when the server has, whoever ended it. May be awaited often and dropped (`select!`).
    pub async fn exited(&self) -> ExitStatus {
        exit_of(self.exit.clone()).await
    }

    /// The last lines of the log of this run.
    pub fn last_words(&self) -> String {
        log::tail(&self.cluster.log_file(), self.log_from)
    }

    /// Fast shutdown: clients are sent away and everything is written. After `patience`, at once.
    pub async fn stop(&self, patience: Duration) -> Stopped {
        self.signal(Signal::INT);
        if let Ok(status) = timeout(patience, self.exited()).await {
            return if status.success() {
                Stopped::Cleanly
            } else {
                Stopped::Hurried
            };
        }
        self.hurry();
        if timeout(IMMEDIATE, self.exited()).await.is_err() {
            self.signal(Signal::KILL);
            self.exited().await;
        }
        Stopped::Hurried
    }

    /// Immediate shutdown, for a second Ctrl-C: `stop`, which may be running, returns soon. No data is
    /// lost; the next start recovers.
    pub fn hurry(&self) {
        self.signal(Signal::QUIT);
    }

    fn signal(&self, signal: Signal) {
        // The only failure is that the process is gone, which is what the signal was for.
        let _ = pidfd_send_signal(&self.process, signal);
    }

    /// The app's own login is the best proof; only where that is refused is there something to make.
    async fn become_ready(&self, wait: Duration) -> Result<(), Error> {
        if self.cluster.inner.settled {
            match self.answers(&self.connection().target(), wait).await {
                Err(Error::NotReady { source, .. }) if is_to_be_made(&source) => {}
                outcome => return outcome,
            }
        }
        self.answers(&self.admin().target(), wait).await?;
        self.provide().await
    }

    async fn answers(&self, target: &Target, wait: Duration) -> Result<(), Error> {
        let log_file = self.cluster.log_file();
        tokio::select! {
            biased;
            status = self.exited() => Err(Error::Died { status, log: self.last_words(), log_file }),
            ready = wait_paced(target, wait, OWN, |_| {}) => match ready {
                Ok(_) => Ok(()),
                Err(source) => Err(Error::NotReady { source, log: self.last_words(), log_file }),
            },
        }
    }

    /// How many sessions the server admits as it runs.
    pub async fn max_connections(&self) -> Result<u32, Error> {
        let (client, session) = self.superuser().await?;
        let asked = client
            .query_one("SELECT current_setting('max_connections')::int", &[])
            .await;
        drop(client);
        let _ = session.await;
        let admitted: i32 =
            asked
                .and_then(|row| row.try_get(0))
                .map_err(|source| Error::Query {
                    doing: "ask for max_connections",
                    source,
                })?;
        Ok(admitted.unsigned_abs())
    }

    async fn superuser(&self) -> Result<(Client, Session), Error> {
        let logged_in = self.admin().target().log_in().await;
        logged_in.map_err(|source| Error::Query {
            doing: "log in to the new server",
            source,
        })
    }

    async fn provide(&self) -> Result<(), Error> {
        let (client, session) = self.superuser().await?;
        let app = self.connection();
        let outcome = role::ensure(&client, &app.user, &app.password, &app.database).await;
        drop(client);
        let _ = session.await;
        outcome
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.exit.borrow().is_none() {
            self.signal(Signal::INT);
        }
    }
}
