//! Ten thousand slow connections of four kinds beside ordinary ones.

use std::time::Duration;

use hotclub_testkit::{
    Crowd, Outcome, Program, Project, Steady, Timings, descriptors, until_within,
};
use serde_json::json;

use super::{count, is_long, record};
use crate::limits::{memory, open_files};
use crate::serve::{app_of, serve};

const EACH: usize = 2500;
/// Time for all of them to arrive, or for all they took to be given back.
const GATHERING: Duration = Duration::from_secs(120);

/// Answers with its process id; `/large` is a picture that does not fit into the kernel's buffers.
const APP: &str = r#"
import os
LARGE = b"0123456789abcdef" * 8192

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [LARGE if environ["PATH_INFO"] == "/large" else str(os.getpid()).encode()]
"#;

fn program() -> (Project, Program) {
    let project = app_of(APP);
    let program = serve("app", project.dir(), 2).serve();
    (project, program)
}

/// Ordinary visitors; far below what the server can do, so that they measure it and not themselves.
fn visitors(length: Duration) -> Steady {
    Steady {
        path: "/",
        rate: 400.0,
        connections: 8,
        length,
        patience: Duration::from_secs(5),
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// 99th percentiles in milliseconds.
#[derive(Default)]
struct Times {
    rounds: Vec<f64>,
    seconds: Vec<f64>,
}

impl Times {
    fn add(&mut self, timings: &Timings) {
        self.rounds.push(timings.p99_ms());
        self.seconds.extend(timings.p99_ms_by_second());
    }
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[track_caller]
fn good(timings: Timings) -> Timings {
    let few = &timings.failures[..timings.failures.len().min(5)];
    assert_eq!(timings.failed(), 0, "{few:?}");
    timings
}

#[track_caller]
fn gather(program: &Program, counts: [usize; 4]) -> Crowd {
    let crowd = Crowd::gather(program.address(), counts);
    assert!(crowd.settle(GATHERING), "{:?}", crowd.settled());
    crowd
}

/// All four kinds are there, in their numbers, and nobody else notices: no worker is held, every other request
/// is answered, memory and descriptors come back. Quiet and slow times take turns, so that what else the machine
/// does meets both; how long answers take is judged at length only, for the short form shares its machine with
/// other tests.
#[test]
fn ten_thousand_slow_connections_hurt_nobody_and_leave_nothing() {
    if !open_files(4 * EACH as u64 + 3000) {
        return hotclub_testkit::skip("the hard limit of open files is too low");
    }
    let (_project, program) = program();
    let visitors = visitors(Duration::from_secs(count(3, 6) as u64));
    good(visitors.run(program.address()));
    let files = descriptors(program.pid()).len();
    let before = memory(&program);
    let taken = || memory(&program).saturating_sub(before) / (4 * EACH) as u64;

    let idle = gather(&program, [0, 0, 0, 4 * EACH]);
    let idle_bytes = taken();
    idle.leave();

    let (mut quiet, mut slow) = (Times::default(), Times::default());
    let (mut bytes, mut anew) = (0, 0);
    let mut outcome = Outcome::default();
    for _ in 0..count(1, 7) {
        until_within(GATHERING, "all descriptors to be given back", || {
            (descriptors(program.pid()).len() <= files + 2).then_some(())
        });
        quiet.add(&good(visitors.run(program.address())));
        let crowd = gather(&program, [EACH; 4]);
        let timings = good(visitors.run(program.address()));
        // Those that were cut are on their way back.
        let settled = crowd.settled();
        assert!(
            settled.iter().all(|kind| *kind > EACH * 9 / 10),
            "{settled:?}"
        );
        let open = descriptors(program.pid()).len();
        assert!(open > 4 * EACH * 9 / 10, "{open}");
        bytes = bytes.max(taken());
        anew += crowd.leave();
        slow.add(&timings);
        outcome.good += timings.good.len() as u64;
        outcome.slowest = outcome.slowest.max(timings.quantile(1.0));
        outcome.took += visitors.length;
    }
    until_within(GATHERING, "all memory to be given back", || {
        (memory(&program) < before + (8 << 20)).then_some(())
    });
    let (without, with) = (median(&quiet.seconds), median(&slow.seconds));
    let more = json!({
        "p99_ms_without": rounded(without), "p99_ms_with": rounded(with), "ratio": rounded(with / without),
        "p99_ms_rounds": [rounded(median(&quiet.rounds)), rounded(median(&slow.rounds))],
        "bytes_an_idle_connection": idle_bytes, "bytes_a_connection": bytes, "cut_and_made_anew": anew,
        "rounds_without": quiet.rounds, "rounds_with": slow.rounds,
        "seconds_without": quiet.seconds, "seconds_with": slow.seconds,
    });
    record("slow_clients", 4 * EACH, &outcome, &more);
    assert!(!is_long() || with <= 1.5 * without, "{more}");
    program.stop();
}
