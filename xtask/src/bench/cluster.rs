//! A private PostgreSQL cluster for the bench: on a Unix socket in a temporary folder, with default
//! settings, ended when dropped.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use crate::setup::{Tools, unprivileged};
use crate::{command, interrupt};

const LIMIT: Duration = Duration::from_secs(60);
const NAME: &str = "portfolio";

pub(super) struct Cluster {
    server: Child,
    socket: PathBuf,
}

impl Cluster {
    pub(super) fn start(tools: &Tools, work: &Path) -> Result<Self> {
        let bin = tools.postgres_bin.as_ref().context("no PostgreSQL")?;
        let folder = work.join("postgres");
        let data = folder.join("data");
        make_folder(&folder)?;

        let mut initdb = unprivileged(&bin.join("initdb"));
        // Nobody else reaches the socket's folder; the bench measures no authentication.
        initdb.args([
            "--auth",
            "trust",
            "--username",
            NAME,
            "--encoding",
            "UTF8",
            "--no-sync",
        ]);
        command::quiet(
            initdb.arg("--pgdata").arg(&data).current_dir(&folder),
            LIMIT,
        )?;

        let mut postgres = unprivileged(&bin.join("postgres"));
        postgres
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(&folder)
            .args(["-c", "listen_addresses="]);
        let log = fs::File::create(work.join("postgres.log"))?;
        postgres
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let server = postgres
            .process_group(0)
            .spawn()
            .context("cannot start postgres")?;
        let mut cluster = Self {
            server,
            socket: folder,
        };
        cluster.create_database(bin)?;
        Ok(cluster)
    }

    /// The connection, under the names that the portfolio's settings read.
    pub(super) fn settings(&self) -> BTreeMap<String, String> {
        let socket = self.socket.to_string_lossy().into_owned();
        let names = [
            ("DB_ENGINE", "django.db.backends.postgresql"),
            ("DB_NAME", NAME),
            ("DB_USER", NAME),
            ("DB_PASSWORD", "unused"),
            ("DB_HOST", &socket),
            ("DB_PORT", "5432"),
        ];
        names
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    /// Ready means that a query was answered.
    fn create_database(&mut self, bin: &Path) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let mut psql = std::process::Command::new(bin.join("psql"));
            psql.args(["-h"])
                .arg(&self.socket)
                .args(["-U", NAME, "-d", "postgres", "-qc"]);
            psql.arg(format!("CREATE DATABASE {NAME}"));
            let Err(error) = command::quiet(&mut psql, LIMIT) else {
                return Ok(());
            };
            interrupt::check()?;
            if self.server.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("PostgreSQL does not start: {error:#}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // INT is PostgreSQL's fast shutdown: it disconnects clients and stops cleanly.
        let _ = command::end_with(&mut self.server, Signal::INT);
    }
}

fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir(folder)?;
    if rustix::process::geteuid().is_root() {
        let mut chown = std::process::Command::new("chown");
        command::quiet(chown.arg("postgres:").arg(folder), LIMIT)?;
    }
    Ok(())
}
