//! A PostgreSQL cluster as a user might have one: on a Unix socket, with a password.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

use crate::lines::Lines;
use crate::python::run;

const USER: &str = "owner";
const PASSWORD: &str = "right";

/// Running until dropped.
#[derive(Debug)]
pub struct Postgres {
    server: Child,
    bin: PathBuf,
    folder: TempDir,
}

impl Postgres {
    /// A new cluster with a database `site` of the user `owner`, or why there is none.
    pub fn start() -> Result<Self, String> {
        let bin = programs()?;
        let folder = crate::folder();
        if geteuid().is_root() {
            run(Command::new("chown").arg("postgres:").arg(folder.path()));
        }
        let data = folder.path().join("data");
        let password = folder.path().join("password");
        fs::write(&password, PASSWORD).expect("a file can be written");
        run(as_postgres(&bin.join("initdb"))
            .args([
                "--no-sync",
                "--auth=scram-sha-256",
                "--username",
                USER,
                "--pwfile",
            ])
            .arg(&password)
            .arg("--pgdata")
            .arg(&data));
        let server = serve(&bin, &data, folder.path());
        let cluster = Self {
            server,
            bin,
            folder,
        };
        cluster.psql("postgres", "create database site");
        Ok(cluster)
    }

    /// Stops it as an administrator does, which ends every connection, and starts it again.
    pub fn restart(&mut self) {
        let _ = kill_process(Pid::from_child(&self.server), Signal::INT);
        let _ = self.server.wait();
        self.server = serve(&self.bin, &self.folder.path().join("data"), self.host());
    }

    /// The folder of the socket: what goes into DB_HOST.
    pub fn host(&self) -> &Path {
        self.folder.path()
    }

    /// The user that owns everything in it, and the password.
    pub fn owner(&self) -> (&'static str, &'static str) {
        (USER, PASSWORD)
    }

    /// Runs a statement; its answer without decoration.
    pub fn psql(&self, database: &str, statement: &str) -> String {
        let output = run(Command::new(self.bin.join("psql"))
            .args([
                "-X",
                "-A",
                "-t",
                "-q",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                USER,
                "-d",
                database,
                "-c",
                statement,
            ])
            .arg("-h")
            .arg(self.host())
            .env("PGPASSWORD", PASSWORD)
            .env_remove("PGHOST")
            .env_remove("PGPORT"));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// What pg_dump makes of a database, without its owner: `custom` or `plain`.
    pub fn dump(&self, database: &str, format: &str, to: &Path) {
        run(Command::new(self.bin.join("pg_dump"))
            .args(["--no-owner", "--no-acl", "-U", USER, "-d", database])
            .arg(format!("--format={format}"))
            .arg("-f")
            .arg(to)
            .arg("-h")
            .arg(self.host())
            .env("PGPASSWORD", PASSWORD)
            .env_remove("PGHOST")
            .env_remove("PGPORT"));
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Fast shutdown: connections that are still there are ended.
        let _ = kill_process(Pid::from_child(&self.server), Signal::INT);
        let _ = self.server.wait();
    }
}

fn serve(bin: &Path, data: &Path, sockets: &Path) -> Child {
    let mut command = as_postgres(&bin.join("postgres"));
    command.arg("-D").arg(data).arg("-k").arg(sockets);
    command.args([
        "-c",
        "listen_addresses=",
        "-c",
        "fsync=off",
        "-c",
        "shared_buffers=16MB",
    ]);
    let mut server = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .expect("the server can be started");
    let lines = Lines::read(server.stderr.take().expect("stderr is a pipe"));
    let ready = |line: &str| line.contains("ready to accept connections").then_some(());
    let found = lines.find(0, std::time::Duration::from_secs(30), ready);
    assert!(
        found.is_some(),
        "PostgreSQL does not start:\n{}",
        lines.text()
    );
    server
}

/// PostgreSQL's programs refuse root.
fn as_postgres(program: &Path) -> Command {
    if !geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args([
            "--reuid",
            "postgres",
            "--regid",
            "postgres",
            "--init-groups",
            "--",
        ])
        .arg(program);
    command.current_dir("/");
    command
}

/// `postgres (PostgreSQL) 15.14 (Debian …)` → 15
fn major_of(bin: &Path) -> u32 {
    let said = run(Command::new(bin.join("postgres")).arg("--version"));
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let version = said
        .split(' ')
        .nth(2)
        .and_then(|text| text.split('.').next());
    let major = version.and_then(|major| major.trim().parse().ok());
    major.unwrap_or_else(|| panic!("no version: {said}"))
}

fn programs() -> Result<PathBuf, String> {
    let named = std::env::var_os("HOTCLUB_TEST_PG_BIN").map(PathBuf::from);
    let debian = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut found: Vec<_> = debian.map(|entry| entry.path().join("bin")).collect();
    found.sort();
    named
        .or_else(|| found.pop())
        .filter(|bin| bin.join("initdb").exists())
        .ok_or_else(|| {
            "PostgreSQL's programs are missing (`cargo xtask setup` installs them)".to_owned()
        })
}

impl Postgres {
    /// The machine's own major version; 0 where there is none.
    pub fn major() -> u32 {
        programs().map_or(0, |bin| major_of(&bin))
    }

    /// The folder with the programs of a newer major version than the machine's own, and that version.
    pub fn newer() -> Result<(PathBuf, u32), String> {
        let missing = "PostgreSQL of a newer version is missing (`cargo xtask setup` installs it)";
        let bin = std::env::var_os("HOTCLUB_TEST_NEWER_PG_BIN").ok_or(missing)?;
        let bin = PathBuf::from(bin);
        let major = major_of(&bin);
        Ok((bin, major))
    }

    /// Whether the machine has PostgreSQL's programs, which a managed cluster needs.
    pub fn available() -> Result<(), String> {
        programs().map(drop)
    }
}
