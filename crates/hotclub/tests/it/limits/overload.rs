//! More requests than the app can take.

use std::time::{Duration, Instant};

use hotclub_testkit::{Gate, Load, Program, until};

use super::{limited, memory};
use crate::serve::app;

/// In the kernel's queue and the worker's hand, for one worker.
const IN_FLIGHT: usize = 8;
const BACKLOG: usize = 20;

#[test]
fn beyond_the_queue_503_comes_at_once_and_what_was_queued_is_served() {
    let gate = Gate::new();
    let backlog = BACKLOG.to_string();
    let program = app("gate")
        .args(["--workers", "1", "--backlog", &backlog])
        .serve();
    let target = gate.path().display();
    let request = format!("GET /?{target} HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut waiting: Vec<_> = (0..IN_FLIGHT + BACKLOG)
        .map(|_| program.connect())
        .collect();
    for connection in &mut waiting {
        connection.send(&request).unwrap();
    }
    // Once the first is refused, all places are taken.
    until("the queue to be full", || {
        let mut one = program.connect();
        one.send(&request).unwrap();
        one.answers_within(Duration::from_millis(100)).then_some(())
    });
    let began = Instant::now();
    for _ in 0..500 {
        let refused = program.connect().ask(&request).unwrap().expect(503);
        assert!(refused.header("retry-after").is_some());
    }
    let each = began.elapsed() / 500;
    eprintln!("503 after {each:?}");
    assert!(each < Duration::from_millis(20), "{each:?}");
    let told = program.stderr.all();
    let lines = told.iter().filter(|line| line.contains("answered 503"));
    assert!((1..10).contains(&lines.count()), "{told:#?}");
    let mut served = 0;
    for mut connection in waiting {
        gate.open();
        let answer = connection.read("GET").unwrap();
        served += usize::from(answer.status == 200);
        if answer.status != 200 {
            break;
        }
    }
    assert_eq!(served, IN_FLIGHT + BACKLOG);
    program.stop();
}

#[test]
fn after_an_overload_the_server_is_as_before() {
    let (_project, launch) = limited(&[]);
    let program = launch.args(["--backlog", "10"]).serve();
    overload(&program);
    let before = memory(&program);
    for _ in 0..4 {
        overload(&program);
    }
    let after = memory(&program);
    eprintln!("memory before {before}, after {after}");
    assert!(
        after < before + before / 10,
        "{before} bytes have become {after}"
    );
    program.stop();
}

/// Some are refused, which is what this is about; and then one is served.
fn overload(program: &Program) {
    let load = Load::start(program.address(), "/", 64);
    load.more(3000);
    let tally = load.finish();
    assert!(tally.good > 0);
    assert!(
        tally
            .failures
            .iter()
            .all(|failure| failure.starts_with("503")),
        "{:?}",
        tally
            .failures
            .iter()
            .find(|failure| !failure.starts_with("503"))
    );
    program.get("/").expect(200);
}
