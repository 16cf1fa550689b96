//! The public suite http-cache-tests, which is published by npm, and Node to run it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::apt::Apt;
use crate::{command, project};

const LIMIT: Duration = Duration::from_secs(300);
/// Its tests are what `tests/http_cache/expected.txt` speaks of.
const SUITE: &str = "http-cache-tests@0.4.5";

/// The folder where it is installed.
pub(super) fn provide(apt: &mut Apt) -> Result<PathBuf> {
    apt.provide("node", &["nodejs"])?;
    let folder = project::tools().join("http-cache-tests");
    let stamp = folder.join("made-from.txt");
    if fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == SUITE) {
        return Ok(folder);
    }
    let npm = apt.provide("npm", &["npm"])?;
    fs::create_dir_all(&folder)?;
    let mut install = Command::new(npm);
    install.arg("install").arg("--prefix").arg(&folder).args([
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
        SUITE,
    ]);
    command::quiet(&mut install, LIMIT).context("npm could not install http-cache-tests")?;
    // Written last, as the virtualenv's.
    fs::write(&stamp, SUITE)?;
    Ok(folder)
}
