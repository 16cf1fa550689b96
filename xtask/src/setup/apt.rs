//! Debian's and Ubuntu's packages: installed only when missing and only when we may (root, or sudo
//! that asks for no password).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{command, project};

const LIMIT: Duration = Duration::from_secs(900);

#[derive(Default)]
pub(crate) struct Apt {
    /// `apt-get update` is done once a run, and only when something is to be installed.
    updated: bool,
}

impl Apt {
    /// The program's path, after installing the packages if it was not there.
    pub(crate) fn provide(&mut self, program: &str, packages: &[&str]) -> Result<PathBuf> {
        if let Some(path) = project::on_path(program) {
            return Ok(path);
        }
        self.install(packages)?;
        project::on_path(program)
            .with_context(|| format!("{packages:?} installed, but `{program}` is not on PATH"))
    }

    /// As `provide`, for programs outside most users' PATH.
    pub(crate) fn provide_file(&mut self, path: &str, packages: &[&str]) -> Result<PathBuf> {
        if !Path::new(path).exists() {
            self.install(packages)?;
        }
        Ok(PathBuf::from(path))
    }

    pub(crate) fn install(&mut self, packages: &[&str]) -> Result<()> {
        let list = packages.join(" ");
        if project::on_path("apt-get").is_none() {
            bail!("no apt-get here\n  hint: install what Debian calls {list}");
        }
        if !may_install() {
            bail!("not root, and sudo wants a password\n  hint: sudo apt-get install {list}");
        }
        if !self.updated {
            eprintln!("  updating the package lists");
            command::quiet(as_root("apt-get").args(["-q", "update"]), LIMIT)?;
            self.updated = true;
        }
        eprintln!("  installing {list}");
        let mut install = as_root("env");
        install.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"]);
        install.args([
            "-o",
            "DPkg::Lock::Timeout=120",
            "install",
            "--no-install-recommends",
        ]);
        command::quiet(install.args(packages), LIMIT).map(drop)
    }
}

/// The command, through sudo where we are not root.
pub(super) fn as_root(program: &str) -> Command {
    if rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["-n", program]);
    command
}

fn may_install() -> bool {
    let sudo_works = || {
        let mut probe = Command::new("sudo");
        probe
            .args(["-n", "true"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    };
    rustix::process::geteuid().is_root() || sudo_works()
}
