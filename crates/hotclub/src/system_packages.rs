//! Installs Debian packages where Hotclub may: as root, or where sudo asks for no password.

use std::process::Stdio;

use tokio::process::Command;

/// Installs `package`; whether it is there now. Says nothing: the caller knows what it was for.
pub(crate) async fn install(package: &str) -> bool {
    let Some(prefix) = may_install().await else {
        return false;
    };
    let apt = |arguments: &[&str]| {
        let mut words: Vec<&str> = prefix.to_vec();
        words.extend([
            "env",
            "DEBIAN_FRONTEND=noninteractive",
            "apt-get",
            "-q",
            "-y",
        ]);
        words.extend(arguments);
        quiet(&words)
    };
    // The lists of a new machine are empty or old.
    succeeds(apt(&["install", "--no-install-recommends", package])).await
        || (succeeds(apt(&["update"])).await
            && succeeds(apt(&["install", "--no-install-recommends", package])).await)
}

/// What has to stand before `apt-get`; `None` when it would ask for a password or is not there.
async fn may_install() -> Option<&'static [&'static str]> {
    if !succeeds(quiet(&["apt-get", "--version"])).await {
        return None;
    }
    if rustix::process::geteuid().is_root() {
        return Some(&[]);
    }
    succeeds(quiet(&["sudo", "-n", "true"]))
        .await
        .then_some(&["sudo", "-n"])
}

fn quiet(words: &[&str]) -> Option<Command> {
    let (program, arguments) = words.split_first()?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.kill_on_drop(true);
    Some(command)
}

async fn succeeds(command: Option<Command>) -> bool {
    let Some(mut command) = command else {
        return false;
    };
    command.status().await.is_ok_and(|status| status.success())
}
