//! PostgreSQL's server programs. Debian's package starts a cluster of its own when it is installed;
//! tests make theirs, so that is switched off during the install and put back as it was.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::apt::{Apt, as_root};
use crate::project;

const PROGRAMS: [&str; 5] = ["initdb", "postgres", "pg_ctl", "psql", "pg_dump"];
const DEBIAN: &str = "/usr/lib/postgresql";
const CREATE_CLUSTER: &str = "/etc/postgresql-common/createcluster.conf";

/// The folder that holds the server's programs, of the newest version there.
pub(super) fn provide(apt: &mut Apt) -> Result<PathBuf> {
    if let Some(bin) = find() {
        return Ok(bin);
    }
    // The settings file belongs to postgresql-common, so that comes first.
    apt.install(&["postgresql-common"])?;
    let installed = without_a_cluster(|| apt.install(&["postgresql"]));
    installed?;
    find().context("postgresql is installed, but its programs are not in /usr/lib/postgresql")
}

fn find() -> Option<PathBuf> {
    let mut folders: Vec<_> = fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let major: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((major, entry.path().join("bin")))
        })
        .collect();
    folders.sort();
    let on_path = project::on_path("postgres")
        .and_then(|program| fs::canonicalize(program).ok())
        .and_then(|program| program.parent().map(Path::to_owned));
    let debian = folders.into_iter().rev().map(|(_, bin)| bin);
    debian
        .chain(on_path)
        .find(|bin| PROGRAMS.iter().all(|name| bin.join(name).exists()))
}

fn without_a_cluster(install: impl FnOnce() -> Result<()>) -> Result<()> {
    let before = fs::read_to_string(CREATE_CLUSTER)
        .with_context(|| format!("cannot read {CREATE_CLUSTER}"))?;
    write_as_root(&format!("{before}\ncreate_main_cluster = false\n"))?;
    let installed = install();
    write_as_root(&before)?;
    installed
}

fn write_as_root(text: &str) -> Result<()> {
    let mut tee = as_root("tee");
    let mut child = tee
        .arg(CREATE_CLUSTER)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        std::io::Write::write_all(&mut input, text.as_bytes())?;
    }
    anyhow::ensure!(child.wait()?.success(), "cannot write {CREATE_CLUSTER}");
    Ok(())
}

/// The command, run as a user that PostgreSQL's server accepts (it refuses root), and told to shut
/// down should this process be killed.
pub(crate) fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "INT"]);
    if rustix::process::geteuid().is_root() {
        command.args([
            "--reuid",
            "postgres",
            "--regid",
            "postgres",
            "--init-groups",
        ]);
    }
    command.arg("--").arg(program);
    command
}
