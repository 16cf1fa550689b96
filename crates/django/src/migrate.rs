//! The release commands, which for Django are `python manage.py migrate --noinput`.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::app::App;
use crate::inspect::{missing_driver, missing_hint};
use crate::progress::{Report, Step};
use crate::run::{self, Ran, run_over, tail};
use crate::traceback::shorten;

pub const DEFAULT_COMMAND: &str = "python manage.py migrate --noinput";

#[derive(Debug, Error)]
pub enum MigrateError {
    /// `cause` is Django's own message, with the user's frames when it was an exception.
    #[error("`{command}` failed ({status})\n{cause}")]
    Failed {
        command: String,
        status: String,
        cause: String,
        log: PathBuf,
    },
    #[error("`{command}` is not a command: {source}")]
    Unreadable {
        command: String,
        source: shell_words::ParseError,
    },
    #[error("a release command is empty")]
    Empty,
    #[error("`{command}` could not be run: {source}")]
    Run { command: String, source: io::Error },
}

impl MigrateError {
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Failed { cause, .. } if cause.contains("4_0.E001") => {
                "write CSRF_TRUSTED_ORIGINS with a scheme, as https://example.com; `*` alone is \
                 refused by Django"
                    .into()
            }
            Self::Failed { cause, .. } if missing_driver(cause).is_some() => format!(
                "add {} to the project's dependencies and lock them",
                missing_driver(cause).unwrap_or_default()
            ),
            Self::Failed { cause, log, .. } => match missing_module(cause) {
                Some(module) => missing_hint(module),
                None => format!("all output is in {}", log.display()),
            },
            Self::Unreadable { .. } | Self::Empty => {
                "see `command` under [release] in hotclub.toml; it is split like a shell's words, \
                 but no shell runs it"
                    .into()
            }
            Self::Run { .. } => {
                "it is looked for in the project's environment, then on PATH".into()
            }
        })
    }
}

/// The module that a traceback's last line misses.
fn missing_module(cause: &str) -> Option<&str> {
    let said = cause.trim_end().lines().last()?.trim();
    let named = said.strip_prefix("ModuleNotFoundError: No module named '")?;
    named.strip_suffix('\'')
}

/// Runs the commands one after the other in manage.py's folder; the first that fails ends it. All
/// output goes to `<state>/log/release.log`. `held` is the standard input of each, at whose end it stands: a lock on
/// it outlives us for as long as a command does.
pub async fn run(
    app: &App,
    commands: &[String],
    held: &File,
    report: Report<'_>,
) -> Result<(), MigrateError> {
    let log = app.log("release");
    run::clear_log(&log);
    for command in commands {
        let ran = one(app, command, (held, &log), report).await?;
        if !ran.status.success() {
            let cause = cause(app, &ran.lines);
            let (command, status) = (command.clone(), ran.status.to_string());
            return Err(MigrateError::Failed {
                command,
                status,
                cause,
                log,
            });
        }
    }
    Ok(())
}

async fn one(
    app: &App,
    command: &str,
    (held, log): (&File, &Path),
    report: Report<'_>,
) -> Result<Ran, MigrateError> {
    let words = shell_words::split(command).map_err(|source| MigrateError::Unreadable {
        command: command.into(),
        source,
    })?;
    let (program, arguments) = words.split_first().ok_or(MigrateError::Empty)?;
    let mut process = app.command(program);
    process.args(arguments);
    let failed = |source| MigrateError::Run {
        command: command.into(),
        source,
    };
    let held = held.try_clone().map_err(failed)?;
    let ran = run_over(held.into(), process, (log, Step::Migrate), report).await;
    ran.map_err(failed)
}

/// An exception shortened to the user's frames, or the last lines (Django's CommandError and
/// SystemCheckError come without a traceback).
pub(crate) fn cause(app: &App, lines: &[String]) -> String {
    let text = lines.join("\n");
    let short = shorten(&text, &app.project.root, &app.not_the_users());
    short.unwrap_or_else(|| tail(lines, 15))
}
