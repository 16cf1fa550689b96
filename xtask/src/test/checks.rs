//! Checks without tests: rustfmt, clippy, cargo-deny.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::Context;
use super::step::Outcome;
use crate::setup::Need;
use crate::{command, project};

const LIMIT: Duration = Duration::from_secs(1200);

pub(crate) fn fmt(_: &Context) -> Result<Outcome> {
    check(
        Command::new("cargo").args(["fmt", "--all", "--check"]),
        "hint: cargo fmt --all",
    )
}

pub(crate) fn clippy(_: &Context) -> Result<Outcome> {
    let mut clippy = Command::new("cargo");
    clippy.args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]);
    check(&mut clippy, "lints, see above")
}

/// Licences, sources and bans need nothing from outside. The advisories' database is fetched from a
/// git host that not every machine reaches: then they are not checked, and the summary says so.
pub(crate) fn deny(context: &Context) -> Result<Outcome> {
    if context.tools.lacks(Need::Deny) {
        return Ok(Outcome::skipped(
            "dependencies not checked: cargo-deny is missing",
        ));
    }
    let program = context
        .tools
        .deny
        .as_ref()
        .context("cargo-deny was not looked for")?;
    let deny = |checks: &[&str]| {
        let mut command = Command::new(program);
        command.args(["--workspace", "check"]).args(checks);
        command
    };
    let mut outcome = check(&mut deny(&["bans", "licenses", "sources"]), "see above")?;
    let advisories = command::quiet(&mut deny(&["advisories"]), Duration::from_secs(180));
    match advisories.map_err(|error| error.to_string()) {
        Ok(_) => eprintln!("  advisories ok"),
        Err(text) if text.contains("failed to fetch") || text.contains("unable to") => {
            outcome
                .notes
                .push("advisories not checked: their database cannot be fetched here".into());
        }
        Err(text) => outcome.problems.push(text),
    }
    Ok(outcome)
}

/// What a worker may send to the front. The other direction is fuzzed in Python, see `sites::python`.
const FRAMES: [&str; 2] = ["frames", "reply"];
/// For each direction between front and worker, in CI.
pub(super) const LONG: u64 = 60;

/// The short form of `cargo xtask fuzz`. In CI a minute for each of [`FRAMES`] and a quarter for the others, elsewhere
/// five seconds.
pub(crate) fn fuzz(_: &Context) -> Result<Outcome> {
    let seconds = |target: &str| match (project::in_ci(), FRAMES.contains(&target)) {
        (true, true) => LONG,
        (true, false) => 15,
        (false, _) => 5,
    };
    let broken = crate::fuzz::all(&crate::fuzz::TARGETS, seconds)?;
    Ok(Outcome {
        problems: broken
            .into_iter()
            .map(|target| format!("fuzzing broke {target}; what did it is in target/fuzz/{target}"))
            .collect(),
        ..Outcome::default()
    })
}

/// Runs a check; a failure is one problem with the hint.
pub(crate) fn check(command: &mut Command, hint: &str) -> Result<Outcome> {
    command.current_dir(project::root());
    let finished = command::shown(command, LIMIT)?;
    let mut outcome = Outcome::default();
    if !finished.success {
        outcome
            .problems
            .push(format!("`{}` failed; {hint}", command::describe(command)));
    }
    Ok(outcome)
}
