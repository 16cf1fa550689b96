//! Mistreats the real program under load and counts what it costs. Here the short form; `cargo xtask chaos` runs
//! the same with the counts of [`count`]'s second argument, on the release build, and keeps the results.

mod backups;
mod containers;
mod databases;
mod deadlines;
mod deaths;
mod deploys;
mod garbage;
mod hostile;
mod kills;
mod oom;
mod reloads;
mod slow;
mod soak;
mod upgrades;

use std::time::Duration;

use hotclub_testkit::{Process, Program, Question, Signal, Weather, until};
use rustix::process::{Pid, kill_process};
use serde_json::{Value, json};

/// How often: `short` among the tests, `long` under `cargo xtask chaos`, less with its `--times`.
fn count(short: usize, long: usize) -> usize {
    let at_most = std::env::var("HOTCLUB_CHAOS_TIMES").ok();
    let at_most = at_most.and_then(|text| text.parse().ok());
    match is_long() {
        true => at_most.map_or(long, |most: usize| long.min(most)),
        false => short,
    }
}

fn is_long() -> bool {
    std::env::var_os("HOTCLUB_CHAOS_RESULTS").is_some()
}

/// Length of the soak: `cargo xtask chaos --minutes`.
fn soak() -> Duration {
    let minutes = std::env::var("HOTCLUB_CHAOS_MINUTES").ok();
    let minutes: u64 = minutes.and_then(|text| text.parse().ok()).unwrap_or(1);
    Duration::from_secs(60 * minutes.max(1))
}

/// Failures that are kept with their reasons.
const KEPT: usize = 50;

/// Keeps a row of the table, and of what failed when and why.
fn record(name: &str, did: usize, outcome: &hotclub_testkit::Outcome, more: &Value) {
    let few = outcome.failures.iter().take(KEPT);
    let row = json!({
        "name": name,
        "did": did,
        "good": outcome.good,
        "failed": outcome.failures.len(),
        "seconds": (outcome.took.as_secs_f64() * 10.0).round() / 10.0,
        "slowest_ms": outcome.slowest.as_secs_f64().mul_add(1000.0, 0.0).round(),
        "more": more,
        "failures": few.map(ToString::to_string).collect::<Vec<_>>(),
    });
    eprintln!("chaos: {row}");
    if let Some(folder) = std::env::var_os("HOTCLUB_CHAOS_RESULTS") {
        let file = std::path::Path::new(&folder).join(format!("{name}.json"));
        std::fs::write(file, row.to_string()).expect("the results can be written");
    }
}

/// Answers with what was asked, after up to four milliseconds; POSTs are noted in a file first.
const ECHO: &str = r#"
import os, random, time

def application(environ, start_response):
    body = environ["wsgi.input"].read()
    if environ["REQUEST_METHOD"] == "POST":
        log = os.open("runs", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(log, environ["PATH_INFO"].encode() + b"\n")
        os.close(log)
    time.sleep(random.random() * 0.004)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode() + b" " + body]
"#;

fn get(n: u64) -> Question {
    Question {
        method: "GET",
        path: format!("/get/{n}"),
        body: Vec::new(),
        expected: Some(format!("/get/{n} ").into_bytes()),
    }
}

fn post(n: u64) -> Question {
    Question {
        method: "POST",
        path: format!("/post/{n}"),
        body: n.to_string().into_bytes(),
        expected: Some(format!("/post/{n} {n}").into_bytes()),
    }
}

/// Kept connections that ask one thing after the other.
fn weather(connections: usize, ask: fn(u64) -> Question) -> Weather {
    Weather {
        connections,
        keep_alive: true,
        pace: Duration::from_millis(1),
        ask,
    }
}

fn kill(process: &Process) {
    let pid = Pid::from_raw(process.pid.cast_signed()).unwrap();
    // It may have ended by itself.
    let _ = kill_process(pid, Signal::KILL);
}

/// Different every time; chaos need not be repeatable to be fair.
fn random(below: usize) -> usize {
    use std::hash::{BuildHasher, RandomState};
    let number = RandomState::new().hash_one(0);
    usize::try_from(number % below as u64).unwrap()
}

/// What the log says of the requests that failed, beside the lines about workers that died with them.
fn told_of(program: &Program, outcome: &hotclub_testkit::Outcome) -> Vec<String> {
    let failures: Vec<_> = outcome.failures.iter().take(KEPT).collect();
    let lines = program.stderr.all();
    let is_of = |line: &&String| {
        let named = |failure: &&hotclub_testkit::Failure| {
            line.contains(&format!("{} {} (", failure.method, failure.path))
        };
        failures.iter().any(named)
    };
    lines.iter().filter(is_of).cloned().collect()
}

#[track_caller]
fn until_workers(program: &Program, count: usize) {
    until("the workers to be there", || {
        (program.workers().len() == count).then_some(())
    });
}

#[track_caller]
fn until_gone(process: &Process) {
    until("a process to be gone", || {
        (!process.is_alive()).then_some(())
    });
}
