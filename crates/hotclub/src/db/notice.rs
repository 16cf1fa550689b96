//! Tells somebody that a backup failed: by the command that the site names.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use hotclub_config::Backup;

use crate::console::{Console, Failure};

/// A command that hangs must not hold the site's start.
const PATIENCE: Duration = Duration::from_secs(60);

/// For a project's folder.
pub(super) async fn send(dir: &Path, failure: &Failure) {
    // A configuration that cannot be read names nobody; its faults have been said.
    if let Ok(site) = crate::site_file::load(dir, &Console::quiet()) {
        run(&site.database.backup, &site.name, failure).await;
    }
}

/// Runs the command with the message in its environment and on its standard input's place nothing.
pub(super) async fn run(rules: &Backup, site: &str, failure: &Failure) {
    let Some(command) = &rules.command else {
        return;
    };
    let mut shell = tokio::process::Command::new("sh");
    shell
        .arg("-c")
        .arg(command)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    shell
        .env("HOTCLUB_SITE", site)
        .env("HOTCLUB_MESSAGE", &failure.message);
    let ended = tokio::time::timeout(PATIENCE, shell.status()).await;
    if !matches!(ended, Ok(Ok(status)) if status.success()) {
        tracing::warn!(command, "nobody could be told that a backup failed");
    }
}
