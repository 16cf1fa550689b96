//! cargo-deny: the one on PATH, or one built here, pinned (once). Without
//! optimisation: it is built in half the time and needs a second more.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::{command, project};

const VERSION: &str = "0.20.2";
const LIMIT: Duration = Duration::from_secs(900);

pub(super) fn provide() -> Result<PathBuf> {
    if let Some(program) = project::on_path("cargo-deny") {
        return Ok(program);
    }
    let root = project::tools().join("cargo-deny");
    let program = root.join("bin/cargo-deny");
    let has_version = || {
        let mut ask = Command::new(&program);
        let answer = command::quiet(ask.arg("--version"), Duration::from_secs(30));
        answer.is_ok_and(|text| text.contains(VERSION))
    };
    if program.exists() && has_version() {
        return Ok(program);
    }
    eprintln!("  building cargo-deny {VERSION} (once, a minute or two)");
    let mut install = Command::new("cargo");
    install.args([
        "install",
        "--locked",
        "--force",
        "--debug",
        "cargo-deny",
        "--version",
        VERSION,
    ]);
    install.env("CARGO_PROFILE_DEV_DEBUG", "0");
    command::quiet(install.arg("--root").arg(&root), LIMIT)?;
    Ok(program)
}
