//! Reloads and recyclings under load.

use std::time::Duration;

use hotclub_testkit::{Project, Question, Signal, Storm, Weather, until};
use serde_json::json;

use super::{ECHO, count, get, record, until_workers, weather};
use crate::serve::{PID_APP, app_of, serve};

fn reloads(name: &str, keep_alive: bool) {
    let project: Project = app_of(ECHO);
    let mut program = serve("app", project.dir(), 2).serve();
    let weather = Weather {
        keep_alive,
        pace: Duration::from_millis(2),
        ..weather(4, get)
    };
    let storm = Storm::start(program.address(), &weather);
    let times = count(8, 200);
    for _ in 0..times {
        let line = program.stderr.count();
        program.note_family();
        program.signal(Signal::HUP);
        program.says_from(line, "reloaded in");
        storm.more(20);
    }
    let outcome = storm.finish();
    record(name, times, &outcome, &json!({}));
    outcome.lost_nothing();
    until("old generations to leave", || {
        (program.fork_servers().len() == 1).then_some(())
    });
    program.stop();
}

#[test]
fn reloads_with_kept_connections_lose_nothing() {
    reloads("reloads_keep_alive", true);
}

#[test]
fn reloads_with_a_connection_a_request_lose_nothing() {
    reloads("reloads_close", false);
}

#[test]
fn recycling_loses_nothing() {
    let project = app_of(PID_APP);
    let program = serve("app", project.dir(), 2)
        .args(["--max-requests", "20", "--max-requests-jitter", "20"])
        .serve();
    let any = |_| Question {
        method: "GET",
        path: "/".to_owned(),
        ..Question::default()
    };
    let storm = Storm::start(program.address(), &weather(4, any));
    let times = count(30, 1000);
    // Each body is the id of a process that had not answered before.
    while storm.bodies() < times + 2 {
        storm.more(20);
    }
    let outcome = storm.finish();
    record("recyclings", times, &outcome, &json!({}));
    outcome.lost_nothing();
    until_workers(&program, 2);
    program.stop();
}
