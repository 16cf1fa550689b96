//! The private virtualenv of a project.
//!
//! A virtualenv cannot be moved, so it is built where it stays, in a folder named by the digest of
//! all that decides about it, and a marker written last says that it is complete. What a crash left
//! without its marker is removed by the next build.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use hotclub_supervise::RunAs;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::app::log_file;
use crate::export::requirements_file;
use crate::find::Project;
use crate::installer::Workshop;
use crate::interpreter::{self, Interpreter};
use crate::lockfile::{Dependencies, Tool};
use crate::ownership::{self, Links};
use crate::progress::{Report, Step, say};
use crate::run;

/// Changes when environments are built in another way than before.
const RECIPE: &str = "1";

/// A complete virtualenv at `<state>/envs/<digest>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    pub dir: PathBuf,
    /// Of the lock files, the interpreter and the tool: same digest, same environment.
    pub digest: String,
    /// The interpreter's full version, as `3.11.2`.
    pub python_version: String,
    /// Whether this call built it (or found it ready).
    pub built: bool,
}

impl Environment {
    pub fn bin(&self) -> PathBuf {
        self.dir.join("bin")
    }

    pub fn python(&self) -> PathBuf {
        self.bin().join("python")
    }

    /// Whether it is still what it was when it was built.
    pub fn stands(&self) -> bool {
        is_complete(&self.dir)
    }

    /// A program of the environment, or the bare name to be looked up on PATH.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        let own = self.bin().join(name);
        if own.exists() {
            own
        } else {
            PathBuf::from(name)
        }
    }
}

#[derive(Debug, Error)]
pub enum EnvironmentError {
    #[error(
        "no Python {wanted} on this machine (wanted by {wanted_by}); found: {}",
        found(seen)
    )]
    NoPython {
        wanted: String,
        wanted_by: String,
        seen: Vec<String>,
    },
    #[error("[app] python is {}, which is no Python 3.9 or later", path.display())]
    NotPython { path: PathBuf },
    #[error("[app] python is \"{text}\", which is neither a version such as 3.11 nor a path")]
    BadVersion { text: String },
    #[error("this Python has neither pip nor ensurepip, and uv is not on PATH")]
    NoPip,
    #[error("a uv.lock needs uv, which is not on PATH and could not be fetched")]
    NoUv { log: PathBuf },
    #[error("{what} failed\n{output}")]
    Failed {
        what: &'static str,
        output: String,
        log: PathBuf,
    },
    #[error("{} cannot be read as a lock file of {tool}", file.display())]
    BadLock { file: PathBuf, tool: &'static str },
    #[error("{program} could not be run: {source}")]
    Run { program: String, source: io::Error },
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
}

fn found(seen: &[String]) -> String {
    if seen.is_empty() {
        "none".into()
    } else {
        seen.join(", ")
    }
}

impl EnvironmentError {
    /// In the words of uv or of pip.
    fn wants_another_python(&self) -> bool {
        let Self::Failed { output, .. } = self else {
            return false;
        };
        let output = output.to_lowercase();
        [
            "does not satisfy python",
            "require a different python",
            "requires-python",
        ]
        .iter()
        .any(|words| output.contains(words))
    }

    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoPython { seen, .. } if seen.is_empty() => {
                "install Python (on Debian: apt install python3 python3-venv)".into()
            }
            Self::NoPython { seen, .. } => format!(
                "install that version, or try another with `python = \"{}\"` under [app] in \
                 hotclub.toml",
                seen[0]
                    .rsplit_once('.')
                    .map_or(&*seen[0], |(minor, _)| minor)
            ),
            Self::NotPython { .. } => "name the interpreter itself, as /usr/bin/python3".into(),
            Self::BadVersion { .. } => "write `python = \"3.11\"`".into(),
            Self::NoPip => "apt install python3-venv".into(),
            Self::NoUv { log } => {
                format!(
                    "install uv; what happened when it was fetched is in {}",
                    log.display()
                )
            }
            Self::Failed { log, .. } if self.wants_another_python() => format!(
                "install a newer Python, or choose one with `python = \"3.x\"` under [app] in \
                 hotclub.toml; all output is in {}",
                log.display()
            ),
            Self::Failed { log, .. } => format!("all output is in {}", log.display()),
            Self::BadLock { tool, .. } => format!("lock the project again with {tool}"),
            Self::Run { .. } | Self::File { .. } => return None,
        })
    }
}

/// Who makes an environment, and with what.
#[derive(Clone, Copy, Debug, Default)]
pub struct Maker<'a> {
    /// `[app] python`.
    pub python: Option<&'a str>,
    /// Whom packages' own code runs as while they are installed, and who is to run the interpreter; `None`: as we do.
    pub user: Option<RunAs>,
}

/// Builds the environment, or finds it complete. `state` is an absolute
/// path. Two builds of one state folder wait for each other.
pub async fn build(
    project: &Project,
    dependencies: &Dependencies,
    maker: Maker<'_>,
    state: &Path,
    report: Report<'_>,
) -> Result<Environment, EnvironmentError> {
    let user = maker.user;
    let envs = state.join("envs");
    let (mut interpreter, decided) = interpreter::choose(project, dependencies, maker).await?;
    if !decided && let Some(instead) = remembered(&envs, dependencies, (&interpreter, user)).await?
    {
        interpreter = instead;
    }
    let first = place(&envs, dependencies, &interpreter)?;
    if is_complete(&first.dir) {
        return Ok(first);
    }
    fs::create_dir_all(&envs).map_err(at(&envs))?;
    let _lock = lock(&envs).await?;
    if is_complete(&first.dir) {
        return Ok(first);
    }
    remove_incomplete(&envs);
    let log = log_file(state, "environment");
    run::clear_log(&log);
    let workshop = Workshop {
        state,
        log: &log,
        interpreter: &interpreter,
        user,
        report,
    };
    match fill(&workshop, dependencies, &first.dir).await {
        Ok(()) => complete(first),
        Err(error) if !decided && error.wants_another_python() => {
            with_newer_python(&workshop, dependencies, &envs, &first)
                .await?
                .ok_or(error)
        }
        Err(error) => Err(error),
    }
}

fn place(
    envs: &Path,
    dependencies: &Dependencies,
    interpreter: &Interpreter,
) -> Result<Environment, EnvironmentError> {
    let digest = digest(dependencies, interpreter)?;
    let python_version = interpreter.version.clone();
    Ok(Environment {
        dir: envs.join(&digest),
        digest,
        python_version,
        built: false,
    })
}

fn complete(environment: Environment) -> Result<Environment, EnvironmentError> {
    mark_complete(&environment.dir)?;
    Ok(Environment {
        built: true,
        ..environment
    })
}

/// Nobody said which Python, and the packages refuse the usual one: the newest is tried, and
/// remembered for the next start. `None`: there is no newer one.
async fn with_newer_python(
    workshop: &Workshop<'_>,
    dependencies: &Dependencies,
    envs: &Path,
    refused: &Environment,
) -> Result<Option<Environment>, EnvironmentError> {
    let newest = interpreter::newest(workshop.user).await;
    let Some(newest) = newest.filter(|found| found.is_newer_than(workshop.interpreter)) else {
        return Ok(None);
    };
    let _ = fs::remove_dir_all(&refused.dir);
    let environment = place(envs, dependencies, &newest)?;
    let workshop = Workshop {
        interpreter: &newest,
        ..*workshop
    };
    fill(&workshop, dependencies, &environment.dir).await?;
    let environment = complete(environment)?;
    let note = instead(envs, &refused.digest);
    fs::write(&note, newest.path.as_os_str().as_encoded_bytes()).map_err(at(&note))?;
    Ok(Some(environment))
}

fn instead(envs: &Path, digest: &str) -> PathBuf {
    envs.join(format!("{digest}.instead"))
}

/// The Python that served in place of `usual`, if it is still there.
async fn remembered(
    envs: &Path,
    dependencies: &Dependencies,
    (usual, user): (&Interpreter, Option<RunAs>),
) -> Result<Option<Interpreter>, EnvironmentError> {
    let note = instead(envs, &digest(dependencies, usual)?);
    let Ok(path) = fs::read_to_string(note) else {
        return Ok(None);
    };
    Ok(interpreter::ask(Path::new(&path), user).await)
}

/// Removes all environments of this state folder but `kept` (their digests).
pub fn prune(state: &Path, kept: &[&str]) -> io::Result<()> {
    for entry in fs::read_dir(state.join("envs"))?.flatten() {
        let name = entry.file_name();
        if !kept.iter().any(|digest| name == *digest) && entry.path().is_dir() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> EnvironmentError {
    move |source| EnvironmentError::File {
        path: path.to_path_buf(),
        source,
    }
}

async fn fill(
    workshop: &Workshop<'_>,
    dependencies: &Dependencies,
    dir: &Path,
) -> Result<(), EnvironmentError> {
    let python = &workshop.interpreter.version;
    say(
        workshop.report,
        Step::Environment,
        format!("virtualenv with Python {python}"),
    );
    let installer = workshop.installer().await;
    installer.virtualenv(workshop, dir).await?;
    let list = requirements_file(workshop, &installer, dependencies, dir).await?;
    let cwd = dependencies.file.parent().unwrap_or(Path::new("/"));
    let name = dependencies
        .file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    say(
        workshop.report,
        Step::Environment,
        format!("installing packages from {name}"),
    );
    let arguments = ["-r".into(), list.into_os_string()];
    let Some(user) = workshop.user else {
        return installer.install(workshop, dir, cwd, &arguments).await;
    };
    ownership::give(dir, user).map_err(at(dir))?;
    let installed = installer.install(workshop, dir, cwd, &arguments).await;
    // Theirs no longer, whatever came of it: a worker shall not change what it runs.
    ownership::take_back(dir, Links::Keep).map_err(at(dir))?;
    installed
}

fn digest(
    dependencies: &Dependencies,
    interpreter: &Interpreter,
) -> Result<String, EnvironmentError> {
    let mut digest = Sha256::new();
    for part in [RECIPE, dependencies.tool.name(), &interpreter.version] {
        digest.update(part);
        digest.update([0]);
    }
    digest.update(interpreter.path.as_os_str().as_encoded_bytes());
    let mut files = vec![dependencies.file.clone()];
    let mut next = 0;
    while next < files.len() {
        let file = files[next].clone();
        let content = fs::read(&file).map_err(at(&file))?;
        digest.update([0]);
        digest.update(&content);
        if dependencies.tool == Tool::Requirements {
            let more = included(&file, &String::from_utf8_lossy(&content));
            files.extend(
                more.into_iter()
                    .filter(|path| !files.contains(path))
                    .collect::<Vec<_>>(),
            );
        }
        next += 1;
    }
    Ok(digest
        .finalize()
        .iter()
        .take(12)
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// The files that a requirements file takes in with `-r` and `-c`.
fn included(file: &Path, content: &str) -> Vec<PathBuf> {
    let dir = file.parent().unwrap_or(Path::new("/"));
    let options = ["-r", "--requirement", "-c", "--constraint"];
    let path = |line: &str| {
        let rest = options
            .iter()
            .find_map(|option| line.trim().strip_prefix(option))?;
        let path = dir.join(rest.trim_start_matches([' ', '=', '\t']).trim());
        path.is_file().then_some(path)
    };
    content.lines().filter_map(path).collect()
}

/// Holds as long as the file is open; a crash releases it.
async fn lock(envs: &Path) -> Result<File, EnvironmentError> {
    let path = envs.join(".lock");
    let file = File::create(&path).map_err(at(&path))?;
    let locked = tokio::task::spawn_blocking(move || {
        flock(&file, FlockOperation::LockExclusive).map(|()| file)
    });
    let locked = locked.await.map_err(io::Error::other).map_err(at(&path))?;
    locked.map_err(io::Error::from).map_err(at(&path))
}

fn remove_incomplete(envs: &Path) {
    let entries = fs::read_dir(envs).into_iter().flatten().flatten();
    for dir in entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
    {
        if !is_complete(&dir) {
            // What cannot be removed is built over, or fails there with its reason.
            let _ = fs::remove_dir_all(dir);
        }
    }
}

/// Complete, and still where it was built: scripts in it hold its path.
pub(crate) fn is_complete(dir: &Path) -> bool {
    let marked = fs::read(dir.join("complete"));
    marked.is_ok_and(|path| path == dir.as_os_str().as_encoded_bytes())
        && dir.join("bin/python").exists()
}

pub(crate) fn mark_complete(dir: &Path) -> Result<(), EnvironmentError> {
    let path = dir.join("complete");
    // Packages may have put anything there, a link too.
    let _ = fs::remove_file(&path);
    let made = File::create_new(&path);
    made.and_then(|mut file| file.write_all(dir.as_os_str().as_encoded_bytes()))
        .map_err(at(&path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_for_the_pythons_sake_is_told_from_other_failures() {
        let failed = |output: &str| {
            let (what, output, log) = ("x", output.to_owned(), PathBuf::new());
            EnvironmentError::Failed { what, output, log }
        };
        for output in [
            "the current Python version (3.11.7) does not satisfy Python>=3.12",
            "ERROR: Ignored the following versions that require a different python version: 6.1",
        ] {
            assert!(failed(output).wants_another_python(), "{output}");
        }
        assert!(!failed("no matching distribution found").wants_another_python());
    }

    #[test]
    fn files_that_a_requirements_file_includes_are_part_of_the_digest() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["base.txt", "limits.txt"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let content = "-r base.txt\n--constraint=limits.txt\n-r missing.txt\nDjango\n";
        let found = included(&dir.path().join("requirements.txt"), content);
        assert_eq!(
            found,
            [dir.path().join("base.txt"), dir.path().join("limits.txt")]
        );
    }
}
