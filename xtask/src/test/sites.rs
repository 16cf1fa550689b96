//! Python: checks and tests of `python/`, and the example site's own tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::checks::{LONG, check};
use super::rust::count_run;
use super::step::Outcome;
use super::{Context, count};
use crate::project;
use crate::setup::Need;

const MISSING: &str = "Python's tests were left out: the virtualenv is missing, see setup";

/// Folders with Python of this repository, where they exist.
const CHECKED: [&str; 4] = ["python", "tests", "examples", "bench/apps"];

pub(crate) fn python(context: &Context) -> Result<Outcome> {
    if context.tools.lacks(Need::Python) {
        return Ok(Outcome::skipped(MISSING));
    }
    let folders = CHECKED
        .into_iter()
        .filter(|folder| project::root().join(folder).is_dir());
    let folders: Vec<_> = folders.collect();
    let mut outcome = Outcome::default();
    let ruff = |task: &[&str]| {
        let mut ruff = Command::new(beside(context, "ruff"));
        ruff.args(task).args(&folders);
        ruff
    };
    outcome.absorb(check(&mut ruff(&["check"]), "hint: ruff check --fix")?);
    outcome.absorb(check(
        &mut ruff(&["format", "--check"]),
        "hint: ruff format",
    )?);
    let packages = packages(&project::root().join("python"))?;
    if !packages.is_empty() {
        let mut mypy = Command::new(beside(context, "mypy"));
        mypy.arg("--strict")
            .args(packages)
            .env("MYPYPATH", "python");
        outcome.absorb(check(&mut mypy, "see above")?);
    }
    if project::root().join("python/tests").is_dir() {
        let mut pytest = interpreter(context)?;
        pytest
            .args(["-m", "pytest", "-q", "-ra", "python/tests"])
            .env("PYTHONPATH", "python");
        if project::in_ci() {
            pytest.env("HOTCLUB_FUZZ_SECONDS", LONG.to_string());
        }
        outcome.absorb(count_run(context, &mut pytest, count::pytest)?);
    }
    Ok(outcome)
}

pub(crate) fn portfolio(context: &Context) -> Result<Outcome> {
    if context.tools.lacks(Need::Python) {
        return Ok(Outcome::skipped(MISSING));
    }
    let Some(manage) = manage_py() else {
        return Ok(Outcome {
            notes: vec!["no examples/portfolio yet".into()],
            ..Outcome::default()
        });
    };
    let folder = manage.parent().unwrap_or(project::root());
    let mut tests = interpreter(context)?;
    tests
        .args(["manage.py", "test", "--noinput"])
        .current_dir(folder);
    count_run(context, &mut tests, count::unittest)
}

/// The portfolio's manage.py: in its folder or in `src/`.
pub(crate) fn manage_py() -> Option<PathBuf> {
    let portfolio = project::root().join("examples/portfolio");
    [portfolio.join("manage.py"), portfolio.join("src/manage.py")]
        .into_iter()
        .find(|file| file.is_file())
}

fn interpreter(context: &Context) -> Result<Command> {
    let python = context
        .tools
        .python
        .as_ref()
        .context("the virtualenv was not looked for")?;
    let mut command = Command::new(python);
    // Nothing of the user's Python reaches the tests, and the tests leave nothing in the tree.
    command
        .env_remove("PYTHONHOME")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg("-W")
        .arg("default");
    Ok(command)
}

fn beside(context: &Context, program: &str) -> PathBuf {
    let python = context.tools.python.as_deref();
    python.map_or_else(|| program.into(), |python| python.with_file_name(program))
}

/// The packages below `python/`, and its tests.
fn packages(python: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(python).into_iter().flatten() {
        let path = entry?.path();
        if path.join("__init__.py").is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
