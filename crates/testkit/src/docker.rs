//! A container engine of the tests' own: its images were made by `cargo xtask setup`, and nobody else uses it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::fs::FlockOperation;
use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

use crate::project::repository;
use crate::wait::until_within;

const START: Duration = Duration::from_secs(60);

/// Runs until it is dropped. One at a time: another test waits for it.
#[derive(Debug)]
pub struct Docker {
    engine: Child,
    folder: TempDir,
    _lock: File,
}

impl Docker {
    /// Why no container can be run on this machine, whatever is installed.
    #[must_use]
    pub fn forbidden() -> Option<String> {
        std::fs::read_to_string(repository().join("target/docker/forbidden")).ok()
    }

    /// Starts it, or says why there is none.
    pub fn start() -> Result<Self, String> {
        let home = repository().join("target/docker");
        if !home.join("ready").exists() {
            return Err("there are no images (`cargo xtask setup` makes them)".to_owned());
        }
        if !geteuid().is_root() {
            return Err("a container engine can be started by root only".to_owned());
        }
        let lock = File::create(home.join("lock")).map_err(|error| error.to_string())?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive).map_err(|e| e.to_string())?;
        let folder = crate::folder();
        let engine = spawn(folder.path())?;
        let mut docker = Self {
            engine,
            folder,
            _lock: lock,
        };
        docker.answers()?;
        docker.clean();
        Ok(docker)
    }

    /// Ends the engine, and all containers with it, does what is asked, and starts it again over the same data.
    pub fn restart(&mut self, meanwhile: impl FnOnce()) {
        self.end();
        meanwhile();
        self.engine = spawn(self.folder.path()).expect("it was started before");
        self.answers().expect("it answered before");
    }

    fn end(&mut self) {
        // Its own containerd ends with it.
        let _ = kill_process(Pid::from_child(&self.engine), Signal::TERM);
        let _ = self.engine.wait();
    }

    fn answers(&mut self) -> Result<(), String> {
        let up = until_within(START, "the engine", || {
            let over = self.engine.try_wait().expect("it can be waited for");
            let answers = self.cli(&["info"]).output();
            let answers = answers.is_ok_and(|output| output.status.success());
            (answers || over.is_some()).then_some(answers)
        });
        if up {
            return Ok(());
        }
        let log = std::fs::read_to_string(self.folder.path().join("log"));
        Err(format!("dockerd ended: {}", log.unwrap_or_default()))
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    /// Django and what else images are made with, as packages.
    pub fn wheels(&self) -> PathBuf {
        repository().join("target/docker/wheels")
    }

    pub fn pid(&self) -> u32 {
        self.engine.id()
    }

    /// What DOCKER_HOST says for it.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Its client.
    pub fn cli(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command
            .args(arguments)
            .env("DOCKER_HOST", self.host())
            .stdin(Stdio::null());
        command
    }

    /// What the client says; panics unless it succeeds.
    #[track_caller]
    pub fn ask(&self, arguments: &[&str]) -> String {
        let output = self.cli(arguments).output().expect("the client is there");
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {arguments:?}: {error}");
        said
    }

    /// Names of all containers, running or not, whose name begins with this.
    pub fn containers(&self, start: &str) -> Vec<String> {
        let all = self.ask(&["ps", "--all", "--format", "{{.Names}}"]);
        let names = all.lines().filter(|name| name.starts_with(start));
        names.map(str::to_owned).collect()
    }

    /// What an earlier test that failed has left.
    fn clean(&self) {
        for (list, remove) in [
            (&["ps", "-aq"][..], &["rm", "-f"][..]),
            (&["volume", "ls", "-q"][..], &["volume", "rm", "-f"][..]),
            (
                &["network", "ls", "-q", "--filter", "type=custom"][..],
                &["network", "rm"][..],
            ),
        ] {
            for id in self.ask(list).lines() {
                self.ask(&[remove, &[id]].concat());
            }
        }
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.clean();
        }
        self.end();
    }
}

fn spawn(folder: &Path) -> Result<Child, String> {
    let at = |name: &str| folder.join(name);
    let log = File::options().create(true).append(true).open(at("log"));
    Command::new("dockerd")
        .arg("--data-root")
        .arg(repository().join("target/docker/data"))
        .arg("--exec-root")
        .arg(at("exec"))
        .arg("--pidfile")
        .arg(at("pid"))
        .arg("--host")
        .arg(format!("unix://{}", at("docker.sock").display()))
        // Containers of tests talk to each other and to nobody else: no rule of this machine is changed.
        .args(["--bridge=none", "--iptables=false", "--ip6tables=false"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.map_err(|error| error.to_string())?)
        .spawn()
        .map_err(|error| format!("dockerd: {error}"))
}
