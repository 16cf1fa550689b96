//! A container engine and images for it. There is no registry: one small Debian serves as `python:3.11-slim` and as
//! `postgres:15`, made once and kept below `target/docker`.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::apt::Apt;
use crate::{command, project};

const LIMIT: Duration = Duration::from_secs(900);
const SCRIPT: &str = include_str!("docker.sh");
const ENTRYPOINT: &str = "crates/testkit/docker/postgres-entrypoint.sh";

pub(super) fn provide(apt: &mut Apt, python: &Path) -> Result<()> {
    apt.provide_file("/usr/sbin/dockerd", &["docker.io"])?;
    apt.provide("docker", &["docker-cli"])?;
    let home = project::target().join("docker");
    let entrypoint = project::root().join(ENTRYPOINT);
    let recipe = format!("{SCRIPT}{}", std::fs::read_to_string(&entrypoint)?);
    if std::fs::read_to_string(home.join("ready")).is_ok_and(|made| made == recipe) {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        bail!("a container engine can be started by root only");
    }
    let packages = ["debootstrap", "debian-archive-keyring"];
    apt.provide_file("/usr/sbin/debootstrap", &packages)?;
    eprintln!("  making images for containers");
    std::fs::create_dir_all(&home)?;
    let script = home.join("make.sh");
    std::fs::write(&script, SCRIPT)?;
    let mut make = std::process::Command::new("sh");
    make.arg(&script).arg(&home).arg(python).arg(&entrypoint);
    let made = command::quiet(&mut make, LIMIT);
    if let Ok(reason) = std::fs::read_to_string(home.join("forbidden")) {
        // Not missing: the tests say so, each for itself.
        eprintln!("  {reason}");
        return Ok(());
    }
    made.context("the images cannot be made")?;
    std::fs::write(home.join("ready"), recipe)?;
    Ok(())
}
