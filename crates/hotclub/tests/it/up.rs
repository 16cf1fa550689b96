//! `hotclub up`.

mod failures;
mod files;
mod fresh;
mod owner;
pub(crate) mod postgres;
mod restart;
mod settings;
mod starters;
mod tuning;

use std::time::Duration;

use hotclub_testkit::{Launch, Program, Project, Python};
use serde_json::Value;

use crate::hotclub;

/// `hotclub up PROJECT` with two workers, on a port of its own, with events for scripts.
pub(crate) fn up(project: &Project) -> Launch {
    hotclub()
        .arg("up")
        .arg(project.dir())
        .args(["--listen", "127.0.0.1:0", "--workers", "2", "--json"])
        .of(project)
}

/// Runs it, which must end with exit code 1 and one error; returns that.
#[track_caller]
pub(crate) fn refused(project: &Project) -> Value {
    refusal(up(project))
}

#[track_caller]
pub(crate) fn refusal(launch: Launch) -> Value {
    let ended = launch.end_within(Duration::from_secs(120));
    assert_eq!(ended.code, Some(1), "{}\n{}", ended.stdout, ended.stderr);
    let errors: Vec<_> = ended
        .events()
        .into_iter()
        .filter(|event| event["event"] == "error")
        .collect();
    assert_eq!(errors.len(), 1, "{}\n{}", ended.stdout, ended.stderr);
    let text = errors[0].to_string();
    assert!(!text.contains("panicked"), "{text}");
    errors[0].clone()
}

/// Panics unless the whole error, message, detail and hint, has this text.
#[track_caller]
pub(crate) fn says(error: &Value, texts: &[&str]) {
    let all: Vec<_> = ["message", "detail", "hint"]
        .iter()
        .filter_map(|key| error[key].as_str())
        .collect();
    let all = all.join("\n");
    for text in texts {
        assert!(all.contains(text), "{text:?} is not in:\n{all}");
    }
}

/// A project made by `django-admin startproject`, unmodified but for its requirements.
pub(crate) fn plain(python: &Python) -> Project {
    Project::startproject(python, "mysite", &[])
}

/// The state of each step of a start: `done` or `skipped`.
pub(crate) fn steps(program: &Program) -> Vec<(String, String)> {
    let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
    let steps = program.events("step");
    steps
        .iter()
        .map(|step| (text(step, "name"), text(step, "state")))
        .collect()
}

#[track_caller]
pub(crate) fn state_of(program: &Program, step: &str) -> String {
    let found = steps(program).into_iter().find(|(name, _)| name == step);
    found
        .unwrap_or_else(|| panic!("no step {step:?} in {:?}", steps(program)))
        .1
}
