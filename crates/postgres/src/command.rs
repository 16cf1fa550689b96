//! Runs PostgreSQL's programs to their end: as the right user, with an environment of their own.

use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::error::Error;
use crate::user::RunAs;

/// A command for one of the programs. Nothing is inherited: a stray PGDATA or LC_ALL would change what is
/// made, and messages must stay in the language that `Error::hint` reads. Dropping to the user also
/// clears the supplementary groups (the standard library does so for a root parent).
pub(crate) fn command(program: &Path, user: Option<&RunAs>) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("LC_ALL", "C")
        .current_dir("/");
    if let Some(zone) = std::env::var_os("TZ") {
        command.env("TZ", zone);
    }
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid);
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs a command, feeds it `input`, and fails with its output when it does not end well.
pub(crate) async fn run(
    mut command: Command,
    name: &'static str,
    input: &str,
) -> Result<(), Error> {
    let program = std::path::PathBuf::from(command.as_std().get_program());
    let spawn = |source| Error::Spawn { program, source };
    // A group of its own: Ctrl-C must not stop it half-way, its caller decides.
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut child = command.spawn().map_err(spawn)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read its input says why by its status.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let output = child
        .wait_with_output()
        .await
        .map_err(Error::io("wait for", name))?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let text = String::from_utf8_lossy(&output.stderr);
            Err(Error::Failed {
                program: name,
                status: output.status,
                output: last_lines(&text, 12),
            })
        }
    }
}

/// The end of a program's output.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
