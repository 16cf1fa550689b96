//! Puts packages into a virtualenv: with uv where it can be had, with pip otherwise.
//!
//! uv works several times as fast and needs no pip in the environment, hence no `python3-venv` of
//! Debian's. It does not read pip's settings, so index and certificate are handed over.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hotclub_supervise::RunAs;
use tokio::process::Command;

use crate::environment::{EnvironmentError, at};
use crate::interpreter::Interpreter;
use crate::ownership::{self, become_user};
use crate::progress::{Report, Step, say};
use crate::run::{Ran, run, tail};

/// A machine that gets nothing from an index in this time is served by pip, which says why.
const UV_PATIENCE: Duration = Duration::from_secs(90);

/// Where tools and logs are kept, and how to tell the user.
#[derive(Clone, Copy)]
pub(crate) struct Workshop<'a> {
    pub(crate) state: &'a Path,
    pub(crate) log: &'a Path,
    pub(crate) interpreter: &'a Interpreter,
    /// Whom packages' own code runs as.
    pub(crate) user: Option<RunAs>,
    pub(crate) report: Report<'a>,
}

pub(crate) enum Installer {
    Uv {
        program: PathBuf,
        settings: Vec<(String, OsString)>,
    },
    Pip,
}

impl Workshop<'_> {
    pub(crate) async fn run(&self, command: Command) -> Result<Ran, EnvironmentError> {
        let program = command
            .as_std()
            .get_program()
            .to_string_lossy()
            .into_owned();
        let log = self.log.to_path_buf();
        let ran = run(command, &log, Step::Environment, self.report).await;
        ran.map_err(|source| EnvironmentError::Run { program, source })
    }

    /// Like `run`, but an exit code other than 0 is an error.
    pub(crate) async fn run_well(
        &self,
        what: &'static str,
        command: Command,
    ) -> Result<(), EnvironmentError> {
        let ran = self.run(command).await?;
        if ran.status.success() {
            return Ok(());
        }
        let output = tail(&meaningful(&ran.lines), 12);
        Err(EnvironmentError::Failed {
            what,
            output,
            log: self.log.to_path_buf(),
        })
    }

    pub(crate) async fn installer(&self) -> Installer {
        match self.uv().await {
            Some(program) => {
                let settings = self.settings_of_pip().await;
                Installer::Uv { program, settings }
            }
            None => Installer::Pip,
        }
    }

    /// Whether whoever installs packages may run a program.
    async fn can_run(&self, program: &Path) -> bool {
        if self.user.is_none() {
            return true;
        }
        let mut command = clean(program);
        command.arg("--version").current_dir("/");
        become_user(&mut command, self.user);
        let output = command.kill_on_drop(true).output().await;
        output.is_ok_and(|output| output.status.success())
    }

    /// uv on PATH, or one of our own.
    async fn uv(&self) -> Option<PathBuf> {
        if let Some(found) = on_path("uv")
            && self.can_run(&found).await
        {
            return Some(found);
        }
        let dir = self.state.join("tools/uv");
        let own = dir.join("bin/uv");
        if own.is_file() {
            return Some(own);
        }
        say(self.report, Step::Environment, "getting uv");
        let fetched = tokio::time::timeout(UV_PATIENCE, self.fetch_uv(&dir)).await;
        matches!(fetched, Ok(Ok(())))
            .then_some(own)
            .filter(|own| own.is_file())
    }

    /// With the Python's own pip into a folder, or else in a virtualenv that brings pip.
    async fn fetch_uv(&self, dir: &Path) -> Result<(), EnvironmentError> {
        let _ = fs::remove_dir_all(dir);
        let mut pip = clean(&self.interpreter.path);
        if self.interpreter.pip {
            pip.args(["-m", "pip", "install", "--quiet", "--target"])
                .arg(dir);
        } else if self.interpreter.ensurepip {
            self.virtualenv(dir, true).await?;
            pip = clean(&dir.join("bin/python"));
            pip.args(["-m", "pip", "install", "--quiet"]);
        } else {
            return Err(EnvironmentError::NoPip);
        }
        pip.args(["--no-input", "--only-binary", ":all:", "uv"]);
        self.run_well("getting uv", pip).await
    }

    pub(crate) async fn virtualenv(&self, dir: &Path, pip: bool) -> Result<(), EnvironmentError> {
        let mut command = clean(&self.interpreter.path);
        command.args(["-m", "venv"]);
        if !pip {
            command.arg("--without-pip");
        }
        command.arg(dir);
        self.run_well("making the virtualenv", command).await
    }

    /// pip's index and certificate, as uv calls them; what the user set for uv itself stays.
    async fn settings_of_pip(&self) -> Vec<(String, OsString)> {
        let listed = self.pip_config().await;
        let lookup = |key: &str| {
            [":env:.", "install.", "global."]
                .iter()
                .find_map(|section| {
                    let start = format!("{section}{key}=");
                    let line = listed.iter().find_map(|line| line.strip_prefix(&start))?;
                    Some(line.trim_matches(['\'', '"']).to_owned())
                })
        };
        let words = |text: String, between: &str| {
            text.replace("\\n", " ")
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(between)
        };
        let mut found: Vec<(&str, Option<String>)> = vec![
            ("UV_DEFAULT_INDEX", lookup("index-url")),
            (
                "UV_INDEX",
                lookup("extra-index-url").map(|text| words(text, " ")),
            ),
            ("SSL_CERT_FILE", lookup("cert")),
            (
                "UV_INSECURE_HOST",
                lookup("trusted-host").map(|text| words(text, " ")),
            ),
            ("UV_NO_INDEX", lookup("no-index")),
        ];
        let links = lookup("find-links").map(|text| existing_links(&words(text, " ")));
        found.push(("UV_FIND_LINKS", links));
        found
            .into_iter()
            .filter(|(name, _)| std::env::var_os(name).is_none())
            .filter_map(|(name, value)| {
                let value = value.filter(|value| !value.is_empty())?;
                Some((name.to_owned(), OsString::from(value)))
            })
            .collect()
    }

    /// `pip config list` knows the files and their order; without pip there are the variables.
    async fn pip_config(&self) -> Vec<String> {
        if self.interpreter.pip {
            let mut command = clean(&self.interpreter.path);
            command
                .args(["-m", "pip", "config", "list"])
                .kill_on_drop(true);
            let output = command.output().await;
            if let Ok(output) = output
                .as_ref()
                .map(|output| String::from_utf8_lossy(&output.stdout))
            {
                return output.lines().map(str::to_owned).collect();
            }
        }
        let variables = std::env::vars().filter_map(|(name, value)| {
            let key = name.strip_prefix("PIP_")?.to_lowercase().replace('_', "-");
            Some(format!(":env:.{key}={value}"))
        });
        variables.collect()
    }
}

/// uv refuses a folder of wheels that is not there, which pip overlooks.
fn existing_links(links: &str) -> String {
    let exists = |link: &&str| link.contains("://") || Path::new(link).is_dir();
    links
        .split(' ')
        .filter(exists)
        .collect::<Vec<_>>()
        .join(",")
}

impl Installer {
    /// A virtualenv that this installer can fill.
    pub(crate) async fn virtualenv(
        &self,
        workshop: &Workshop<'_>,
        dir: &Path,
    ) -> Result<(), EnvironmentError> {
        let has_ensurepip = workshop.interpreter.ensurepip;
        match self {
            Self::Uv { .. } => workshop.virtualenv(dir, false).await,
            Self::Pip if has_ensurepip => workshop.virtualenv(dir, true).await,
            Self::Pip if workshop.interpreter.pip => workshop.virtualenv(dir, false).await,
            Self::Pip => Err(EnvironmentError::NoPip),
        }
    }

    /// Installs what `arguments` name into the virtualenv, from `cwd`, to which relative paths in
    /// requirements refer.
    pub(crate) async fn install(
        &self,
        workshop: &Workshop<'_>,
        environment: &Path,
        cwd: &Path,
        arguments: &[OsString],
    ) -> Result<(), EnvironmentError> {
        let python = environment.join("bin/python");
        let mut command = match self {
            Self::Uv { program, settings } => {
                let mut command = uv(program, settings, workshop.state);
                command
                    .args(["pip", "install", "--compile-bytecode", "--python"])
                    .arg(python);
                command
            }
            Self::Pip if workshop.interpreter.ensurepip => {
                let mut command = clean(&python);
                command.args(["-m", "pip", "install", "--no-input"]);
                command
            }
            Self::Pip => {
                let mut command = clean(&workshop.interpreter.path);
                command.args(["-m", "pip", "--python"]).arg(python);
                command.args(["install", "--no-input"]);
                command
            }
        };
        command.args(arguments).current_dir(cwd);
        if workshop.user.is_some() {
            let home = workshop.state.join("home");
            ownership::home(&home, workshop.user).map_err(at(&home))?;
            become_user(&mut command, workshop.user);
            command.env("HOME", home).env_remove("XDG_CACHE_HOME");
            command
                .env_remove("UV_CACHE_DIR")
                .env_remove("PIP_CACHE_DIR");
        }
        workshop
            .run_well("installing the project's packages", command)
            .await
    }
}

/// uv that makes no decision of its own about interpreters, and finds a place for its cache.
pub(crate) fn uv(program: &Path, settings: &[(String, OsString)], state: &Path) -> Command {
    let mut command = clean(program);
    command
        .envs(settings.iter().cloned())
        .env("UV_PYTHON_DOWNLOADS", "never");
    command.env_remove("VIRTUAL_ENV").env("UV_NO_PROGRESS", "1");
    if std::env::home_dir().is_none_or(|home| !home.is_dir()) {
        command.env("UV_CACHE_DIR", state.join("cache/uv"));
    }
    command
}

/// A command whose Python is not led astray by what surrounds Hotclub.
pub(crate) fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    for name in [
        "PYTHONHOME",
        "PYTHONPATH",
        "PYTHONDONTWRITEBYTECODE",
        "PIP_REQUIRE_VIRTUALENV",
    ] {
        command.env_remove(name);
    }
    command
        .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
        // What we make is a private environment, whoever we are.
        .env("PIP_ROOT_USER_ACTION", "ignore")
        .env("PYTHONUNBUFFERED", "1");
    command
}

pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// Leaves out what does not tell why an installation failed.
fn meaningful(lines: &[String]) -> Vec<String> {
    let dull = |line: &&String| {
        let line = line.trim_start();
        ![
            "Collecting",
            "Downloading",
            "Using cached",
            "Looking in",
            "Obtaining",
            "Requirement already",
        ]
        .iter()
        .any(|start| line.starts_with(start))
    };
    lines.iter().filter(dull).cloned().collect()
}
