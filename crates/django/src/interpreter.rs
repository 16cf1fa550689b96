//! Chooses the Python that an environment is made with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use hotclub_supervise::RunAs;
use pep440_rs::{Version, VersionSpecifiers};
use serde::Deserialize;
use tokio::process::Command;

use crate::environment::{EnvironmentError, Maker};
use crate::find::Project;
use crate::lockfile::{Dependencies, Tool, folders};
use crate::ownership::become_user;

/// Workers run on CPython 3.9 and later.
const OLDEST: (u64, u64) = (3, 9);
const NEWEST_KNOWN: u64 = 16;

/// What a Python said about itself.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Interpreter {
    /// The real one, also when a virtualenv's or a version manager's stand-in was asked.
    pub(crate) path: PathBuf,
    /// `3.11.2`.
    pub(crate) version: String,
    pub(crate) ensurepip: bool,
    pub(crate) pip: bool,
}

const ASK: &str = "import importlib.util as u, json, platform, sys
found = {'path': getattr(sys, '_base_executable', None) or sys.executable,
         'version': platform.python_version(),
         'ensurepip': bool(u.find_spec('ensurepip')), 'pip': bool(u.find_spec('pip'))}
print(json.dumps(found))";

/// Which versions will do, and who said so.
struct Wish {
    versions: Versions,
    /// As the source wrote it.
    text: String,
    source: String,
}

enum Versions {
    /// `3.11` or `3.11.7`; of the latter the patch is not insisted on.
    Minor(u64, u64),
    /// Any of these.
    Specifiers(Vec<VersionSpecifiers>),
}

impl Wish {
    fn is_met_by(&self, version: &Version) -> bool {
        match &self.versions {
            Versions::Minor(major, minor) => version.release().starts_with(&[*major, *minor]),
            Versions::Specifiers(any) => any.iter().any(|each| each.contains(version)),
        }
    }
}

impl Interpreter {
    pub(crate) fn is_newer_than(&self, other: &Self) -> bool {
        let version = |found: &Self| found.version.parse::<Version>().ok();
        version(self) > version(other)
    }
}

/// The newest on this machine that is no test version.
pub(crate) async fn newest(user: Option<RunAs>) -> Option<Interpreter> {
    let mut newest: Option<Interpreter> = None;
    for candidate in candidates(None) {
        let found = ask(&candidate, user).await;
        let Some(found) = found.filter(|found| serves(found, None)) else {
            continue;
        };
        let stable = found
            .version
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
        if stable
            && newest
                .as_ref()
                .is_none_or(|newest| found.is_newer_than(newest))
        {
            newest = Some(found);
        }
    }
    newest
}

/// `option` is `[app] python`: a version or a path. Also answers whether anybody but the machine
/// decided.
pub(crate) async fn choose(
    project: &Project,
    dependencies: &Dependencies,
    Maker {
        python: option,
        user,
    }: Maker<'_>,
) -> Result<(Interpreter, bool), EnvironmentError> {
    if let Some(path) = option.filter(|option| option.contains('/')) {
        return Ok((at_path(&project.root.join(path), user).await?, true));
    }
    let wish = wish(project, dependencies, option)?;
    let mut seen: Vec<Interpreter> = Vec::new();
    for candidate in candidates(wish.as_ref()) {
        let Some(found) = ask(&candidate, user).await else {
            continue;
        };
        if serves(&found, wish.as_ref()) {
            return Ok((found, wish.is_some()));
        }
        if !seen.iter().any(|known| known.version == found.version) {
            seen.push(found);
        }
    }
    Err(none(wish, &seen))
}

/// The minor version that an image is to have: `usual` if it will do, else the nearest below it, else the nearest above.
pub(crate) fn minor_for(
    project: &Project,
    dependencies: &Dependencies,
    option: Option<&str>,
    usual: (u64, u64),
) -> Result<(u64, u64), EnvironmentError> {
    let Some(wish) = wish(project, dependencies, option)? else {
        return Ok(usual);
    };
    if let Versions::Minor(major, minor) = wish.versions {
        return Ok((major, minor));
    }
    let below = (OLDEST.1..=usual.1).rev();
    // A bound such as `>3.12.1` is met by the version's later releases.
    let mut all = below.chain(usual.1 + 1..=NEWEST_KNOWN);
    let is_met = |minor: &u64| wish.is_met_by(&Version::new([usual.0, *minor, 99]));
    Ok(all.find(is_met).map_or(usual, |minor| (usual.0, minor)))
}

async fn at_path(path: &Path, user: Option<RunAs>) -> Result<Interpreter, EnvironmentError> {
    let found = ask(path, user).await;
    let found = found.filter(|found| serves(found, None));
    found.ok_or_else(|| EnvironmentError::NotPython {
        path: path.to_path_buf(),
    })
}

fn serves(found: &Interpreter, wish: Option<&Wish>) -> bool {
    let Ok(version) = found.version.parse::<Version>() else {
        return false;
    };
    let release = version.release();
    let new_enough = (release[0], release.get(1).copied().unwrap_or(0)) >= OLDEST;
    new_enough && wish.is_none_or(|wish| wish.is_met_by(&version))
}

fn none(wish: Option<Wish>, seen: &[Interpreter]) -> EnvironmentError {
    let seen: Vec<String> = seen.iter().map(|found| found.version.clone()).collect();
    let (wanted, source) = match wish {
        Some(wish) => (wish.text, wish.source),
        None => (
            format!("{}.{} or later", OLDEST.0, OLDEST.1),
            "Hotclub".into(),
        ),
    };
    EnvironmentError::NoPython {
        wanted,
        wanted_by: source,
        seen,
    }
}

/// Runs it as `user`, who may not reach every one, in `/`, where no `.python-version` makes a version manager's stand-in refuse.
pub(crate) async fn ask(path: &Path, user: Option<RunAs>) -> Option<Interpreter> {
    let mut command = Command::new(path);
    become_user(&mut command, user);
    command
        .args(["-I", "-c", ASK])
        .current_dir("/")
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let output = command.kill_on_drop(true).output().await.ok()?;
    serde_json::from_slice(&output.stdout).ok()
}

fn wish(
    project: &Project,
    dependencies: &Dependencies,
    option: Option<&str>,
) -> Result<Option<Wish>, EnvironmentError> {
    if let Some(option) = option {
        let wish = minor(option, "[app] python");
        return wish.map(Some).ok_or_else(|| EnvironmentError::BadVersion {
            text: option.into(),
        });
    }
    let pinned = folders(project).into_iter().find_map(|dir| {
        let text = fs::read_to_string(dir.join(".python-version")).ok()?;
        minor(text.lines().next()?.trim(), ".python-version")
    });
    Ok(pinned.or_else(|| declared(dependencies)))
}

/// `3.11`, `3.11.7`, `python3.11`, `cpython-3.11`.
fn minor(text: &str, source: &str) -> Option<Wish> {
    let digits = text.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let mut parts = digits
        .split('.')
        .map(|part| part.trim().parse::<u64>().ok());
    let (major, minor) = (parts.next()??, parts.next()??);
    let versions = Versions::Minor(major, minor);
    Some(Wish {
        versions,
        text: text.into(),
        source: source.into(),
    })
}

/// What the project's own files require.
fn declared(dependencies: &Dependencies) -> Option<Wish> {
    if dependencies.tool == Tool::Pipenv {
        let lock: serde_json::Value =
            serde_json::from_slice(&fs::read(&dependencies.file).ok()?).ok()?;
        let text = lock.pointer("/_meta/requires/python_version")?.as_str()?;
        return minor(text, "Pipfile.lock");
    }
    let dir = dependencies.file.parent()?;
    let pyproject = fs::read_to_string(dir.join("pyproject.toml")).ok()?;
    let pyproject: toml::Table = pyproject.parse().ok()?;
    let project = pyproject
        .get("project")
        .and_then(|found| found.get("requires-python"));
    let poetry = || {
        let poetry = pyproject.get("tool")?.get("poetry")?;
        poetry.get("dependencies")?.get("python")
    };
    let text = project.or_else(poetry)?.as_str()?;
    let versions = Versions::Specifiers(specifiers(text)?);
    Some(Wish {
        versions,
        text: text.into(),
        source: "pyproject.toml".into(),
    })
}

/// PEP 440 specifiers, and Poetry's `^3.11`, `~3.11` and `||` besides.
fn specifiers(text: &str) -> Option<Vec<VersionSpecifiers>> {
    text.split("||")
        .map(|any| any.split(',').map(translated).collect::<Option<Vec<_>>>())
        .try_fold(Vec::new(), |mut all, parts| {
            all.push(parts?.join(",").parse().ok()?);
            Some(all)
        })
}

fn translated(part: &str) -> Option<String> {
    let part = part.trim();
    if part == "*" {
        return Some(">=3".into());
    }
    if let Some(version) = part.strip_prefix('^') {
        let major: u64 = version.split('.').next()?.parse().ok()?;
        return Some(format!(">={version},<{}", major + 1));
    }
    let tilde = part.strip_prefix('~').filter(|rest| !rest.starts_with('='));
    if let Some(version) = tilde {
        let mut numbers = version.split('.');
        let (major, minor) = (numbers.next()?, numbers.next()?.parse::<u64>().ok()?);
        return Some(format!(">={version},<{major}.{}", minor + 1));
    }
    let bare = part.starts_with(|letter: char| letter.is_ascii_digit());
    Some(if bare {
        format!("=={part}")
    } else {
        part.into()
    })
}

/// What `python3` means to the user first, then every other Python that can be found, new to old.
fn candidates(wish: Option<&Wish>) -> Vec<PathBuf> {
    let mut names: Vec<String> = Vec::new();
    if let Some(Wish {
        versions: Versions::Minor(major, minor),
        ..
    }) = wish
    {
        names.push(format!("python{major}.{minor}"));
    }
    names.extend(["python3".into(), "python".into()]);
    let older = (OLDEST.1..=NEWEST_KNOWN).rev();
    names.extend(older.map(|minor| format!("python3.{minor}")));
    let mut dirs: Vec<PathBuf> = std::env::var_os("PATH")
        .iter()
        .flat_map(std::env::split_paths)
        .collect();
    dirs.extend(["/usr/local/bin", "/usr/bin"].map(PathBuf::from));
    let mut found: Vec<PathBuf> = Vec::new();
    for name in &names {
        found.extend(
            dirs.iter()
                .map(|dir| dir.join(name))
                .filter(|path| path.is_file()),
        );
    }
    found.extend(of_version_managers());
    let mut unique: Vec<PathBuf> = Vec::new();
    for path in found {
        if !unique.contains(&path) {
            unique.push(path);
        }
    }
    unique
}

fn of_version_managers() -> Vec<PathBuf> {
    let Some(home) = std::env::home_dir() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for dir in [
        ".pyenv/versions",
        ".local/share/uv/python",
        ".local/share/mise/installs/python",
    ] {
        let entries = fs::read_dir(home.join(dir)).into_iter().flatten().flatten();
        found.extend(entries.map(|entry| entry.path().join("bin/python3")));
    }
    found.retain(|path| path.is_file());
    found.sort();
    found.reverse();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meets(specifier: &str, version: &str) -> bool {
        let versions = Versions::Specifiers(specifiers(specifier).unwrap());
        let wish = Wish {
            versions,
            text: String::new(),
            source: String::new(),
        };
        wish.is_met_by(&version.parse().unwrap())
    }

    #[test]
    fn poetrys_carets_and_tildes_are_understood() {
        assert!(meets("^3.11", "3.13.1") && !meets("^3.11", "3.10.2"));
        assert!(meets("~3.11", "3.11.9") && !meets("~3.11", "3.12.0"));
        assert!(meets(">=3.9,<4.0", "3.12.0") && meets("*", "3.9.1"));
        assert!(meets("~3.9 || ^3.12", "3.12.4") && !meets("~3.9 || ^3.12", "3.10.1"));
        assert!(meets("~=3.10", "3.12.0"));
    }

    #[test]
    fn a_pinned_patch_is_not_insisted_on() {
        let wish = minor("3.11.7", "x").unwrap();
        assert!(wish.is_met_by(&"3.11.2".parse().unwrap()));
        assert!(!wish.is_met_by(&"3.1.1".parse().unwrap()));
        assert!(minor("pypy", "x").is_none());
    }
}
