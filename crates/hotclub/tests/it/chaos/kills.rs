//! `kill -9` of workers and fork servers under load.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use hotclub_testkit::{Program, Storm, until};
use serde_json::json;

use super::{
    ECHO, count, get, is_long, kill, post, random, record, told_of, until_gone, until_workers,
    weather,
};
use crate::serve::{app_of, serve};

/// Kills a random worker `times` times, some milliseconds after the last was replaced.
fn rampage(program: &Program, storm: &Storm, times: usize) {
    for _ in 0..times {
        let workers = until("a worker", || {
            let workers = program.workers();
            (workers.len() > 1).then_some(workers)
        });
        let victim = &workers[random(workers.len())];
        kill(victim);
        until_gone(victim);
        std::thread::sleep(Duration::from_millis(10 + random(20) as u64));
        assert!(storm.failures() < 1000, "it does not heal");
    }
}

#[test]
fn killed_workers_lose_no_get() {
    let project = app_of(ECHO);
    let program = serve("app", project.dir(), 3).serve();
    let storm = Storm::start(program.address(), &weather(6, get));
    let times = count(60, 1000);
    rampage(&program, &storm, times);
    storm.more(50);
    let outcome = storm.finish();
    let log = told_of(&program, &outcome);
    record("kills_gets", times, &outcome, &json!({"log": log}));
    outcome.lost_nothing();
    until_workers(&program, 3);
    program.stop();
}

#[test]
fn killed_workers_cost_a_post_each_at_most_and_run_none_twice() {
    let project = app_of(ECHO);
    let program = serve("app", project.dir(), 3)
        .allow("the worker died with the request in hand")
        .serve();
    let storm = Storm::start(program.address(), &weather(6, post));
    let times = count(60, 1000);
    rampage(&program, &storm, times);
    storm.more(50);
    let outcome = storm.finish();
    let runs = project.read("runs");
    let all: Vec<_> = runs.lines().collect();
    let different: HashSet<_> = all.iter().collect();
    let twice = all.len() - different.len();
    record("kills_posts", times, &outcome, &json!({"twice": twice}));
    assert_eq!(twice, 0, "POSTs ran twice");
    assert!(
        outcome.failures.len() <= times,
        "{:?}",
        outcome.failures.len()
    );
    for failure in &outcome.failures {
        assert!(
            failure.status == Some(502) && failure.complete,
            "no clean 502: {failure:?}"
        );
    }
    let lost = outcome.good.saturating_sub(different.len() as u64);
    assert_eq!(lost, 0, "answered and never run");
    until_workers(&program, 3);
    program.stop();
}

#[test]
fn killed_fork_servers_lose_nothing_and_no_place() {
    let project = app_of(ECHO);
    let program = serve("app", project.dir(), 2).allow(" ERROR ").serve();
    let storm = Storm::start(program.address(), &weather(4, get));
    let times = count(5, 15);
    for turn in 0..times {
        let fork_server = until("a fork server", || program.fork_servers().first().cloned());
        if turn % 2 == 0 {
            // A replacement is being forked when the fork server dies.
            kill(&program.workers()[0]);
            std::thread::sleep(Duration::from_micros(random(4000) as u64));
        }
        kill(&fork_server);
        until("another fork server", || {
            let others = program.fork_servers();
            others
                .iter()
                .any(|other| *other != fork_server)
                .then_some(())
        });
        until_workers(&program, 2);
        storm.more(20);
    }
    let outcome = storm.finish();
    record("kills_fork_servers", times, &outcome, &json!({}));
    outcome.lost_nothing();
    // Every place is still alive: whoever is killed now is replaced.
    for worker in program.workers() {
        kill(&worker);
        until_gone(&worker);
    }
    until_workers(&program, 2);
    program.get("/x").expect(200);
    program.stop();
}

/// From the kill to the line that says that another worker pulls from the queue, on an idle server.
#[test]
fn a_killed_worker_is_replaced_quickly() {
    let project = app_of(ECHO);
    let program = serve("app", project.dir(), 2).serve();
    let mut times = Vec::new();
    for _ in 0..count(10, 200) {
        for worker in program.workers() {
            // A worker that has done nothing is part of a crash loop.
            for n in 0..4 {
                program.get(&format!("/{n}")).expect(200);
            }
            let line = program.stderr.count();
            let began = Instant::now();
            kill(&worker);
            program.says_from(line, "place is filled again");
            times.push(began.elapsed().as_secs_f64() * 1000.0);
        }
    }
    times.sort_by(f64::total_cmp);
    let (median, last) = (times[times.len() / 2], times[times.len() - 1]);
    let outcome = hotclub_testkit::Outcome::default();
    let more =
        json!({"median_ms": median, "p95_ms": times[times.len() * 95 / 100], "slowest_ms": last});
    record("replacement", times.len(), &outcome, &more);
    // The aim is 20 ms on a machine of its own. Among other tests only that it happens is judged.
    assert!(!is_long() || median < 200.0, "{times:?}");
    program.stop();
}
