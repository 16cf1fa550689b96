//! Rust's tests, by cargo-nextest where it is installed and by `cargo test` elsewhere.
//!
//! Every run selects the whole workspace, so that features are resolved the same way and nothing is
//! built twice; what kind of target is run makes the difference between the steps.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::Context;
use super::count;
use super::step::Outcome;
use crate::setup::Need;
use crate::{command, project};

const LIMIT: Duration = Duration::from_secs(2700);

/// Tests with one of these words in their name need that thing; they are left out, and counted as
/// skipped, where it is missing.
const NAMED_NEEDS: [(&str, Need); 9] = [
    ("browser", Need::Browser),
    ("postgres", Need::Postgres),
    ("newer_major", Need::NewerPostgres),
    ("docker::", Need::Docker),
    ("_docker_", Need::Docker),
    ("https", Need::Https),
    ("nghttp", Need::Nghttp),
    ("real_nginx", Need::Nginx),
    ("strace", Need::Strace),
];

/// Tests beside the code, then the examples in documentation.
pub(crate) fn unit(context: &Context) -> Result<Outcome> {
    let mut outcome = tests(context, &["--lib", "--bins"], None)?;
    if context.filter.is_empty() {
        let mut doc = Command::new("cargo");
        doc.args(["test", "--workspace", "--locked", "--doc", "--quiet"]);
        outcome.absorb(count_run(context, &mut doc, count::cargo_test)?);
    }
    Ok(outcome)
}

/// Every `tests/` folder; `part` keeps to tests with that word in their name.
pub(crate) fn integration(context: &Context, part: Option<&str>) -> Result<Outcome> {
    if !any_test_folder() {
        return Ok(Outcome {
            notes: vec!["no crate has a tests/ folder".into()],
            ..Outcome::default()
        });
    }
    tests(context, &["--test", "*"], part)
}

fn tests(context: &Context, targets: &[&str], part: Option<&str>) -> Result<Outcome> {
    let nextest = project::on_path("cargo-nextest").is_some();
    let left_out = left_out(context);
    let mut command = Command::new("cargo");
    if nextest {
        command.args(["nextest", "run", "--config-file", "xtask/nextest.toml"]);
        command.args([
            "--no-fail-fast",
            "--no-tests=pass",
            "--workspace",
            "--locked",
        ]);
        command.args(targets).args(nextest_filter(&left_out));
        command.args(part).args(&context.filter);
    } else {
        command
            .args(["test", "--no-fail-fast", "--workspace", "--locked"])
            .args(targets);
        command
            .arg("--")
            .args(left_out.iter().flat_map(|word| ["--skip", word]));
        command.args(part).args(&context.filter);
    }
    let read = if nextest {
        count::nextest
    } else {
        count::cargo_test
    };
    let mut outcome = count_run(context, &mut command, read)?;
    for word in left_out {
        outcome.notes.push(format!(
            "tests with `{word}` in their name were left out: see setup"
        ));
    }
    if outcome.tests.skipped > 0 {
        let crates = project::root().join("crates");
        outcome.notes.extend(reasons_of_ignored(&crates));
    }
    Ok(outcome)
}

/// What stands behind `#[ignore = ` in the tests below a folder.
fn reasons_of_ignored(folder: &Path) -> Vec<String> {
    let mut reasons = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            reasons.extend(reasons_of_ignored(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let reason = |line: &str| {
                let rest = line.trim().strip_prefix("#[ignore = \"")?;
                Some(format!("skipped: {}", rest.strip_suffix("\"]")?))
            };
            reasons.extend(text.lines().filter_map(reason));
        }
    }
    reasons
}

fn left_out(context: &Context) -> Vec<&'static str> {
    let lacking = |(_, need): &&(&str, Need)| context.tools.lacks(*need);
    // In CI they run and fail: what can be installed may not be missing there.
    if project::in_ci() {
        return Vec::new();
    }
    NAMED_NEEDS
        .iter()
        .filter(lacking)
        .map(|(word, _)| *word)
        .collect()
}

fn nextest_filter(left_out: &[&str]) -> Vec<String> {
    if left_out.is_empty() {
        return Vec::new();
    }
    let tests: Vec<_> = left_out
        .iter()
        .map(|word| format!("test({word})"))
        .collect();
    vec!["-E".into(), format!("not ({})", tests.join(" | "))]
}

pub(crate) fn count_run(
    context: &Context,
    command: &mut Command,
    read: fn(&str) -> count::Count,
) -> Result<Outcome> {
    if command.get_current_dir().is_none() {
        command.current_dir(project::root());
    }
    context.tools.export(command);
    let finished = command::shown(command, LIMIT)?;
    let mut outcome = Outcome {
        tests: read(&finished.output),
        ..Outcome::default()
    };
    if !finished.success && outcome.tests.failed == 0 {
        let text = command::describe(command);
        outcome
            .problems
            .push(format!("`{text}` failed before or beside its tests"));
    }
    Ok(outcome)
}

fn any_test_folder() -> bool {
    let crates = std::fs::read_dir(project::root().join("crates"))
        .into_iter()
        .flatten()
        .flatten();
    crates
        .map(|entry| entry.path().join("tests"))
        .any(|tests| tests.is_dir())
}
