//! Signals other than SIGHUP.

use std::time::Duration;

use hotclub_testkit::{Gate, Raw, Signal, until};

use super::{app, app_of, serve};

#[test]
fn sigttin_and_sigttou_change_the_number_of_workers() {
    let program = app("hello").serve();
    assert_eq!(program.workers().len(), 2);
    program.signal(Signal::TTIN);
    until("three workers", || {
        (program.workers().len() == 3).then_some(())
    });
    program.signal(Signal::TTOU);
    program.signal(Signal::TTOU);
    until("one or two workers", || {
        (program.workers().len() <= 2).then_some(())
    });
    until("one worker", || {
        program.signal(Signal::TTOU);
        (program.workers().len() == 1).then_some(())
    });
    program.signal(Signal::TTOU);
    program.get("/").expect(200);
    assert_eq!(program.workers().len(), 1, "the last worker stays");
    program.stop();
}

/// A request that is in the app until the gate is opened.
fn in_flight(program: &hotclub_testkit::Program, gate: &Gate) -> (Raw, std::fs::File) {
    let mut connection = program.connect();
    let target = gate.path().display();
    connection
        .send(format!("GET /?{target} HTTP/1.1\r\nHost: a\r\n\r\n"))
        .unwrap();
    let entered = gate.wait();
    (connection, entered)
}

#[test]
fn sigterm_lets_a_request_in_flight_finish_and_accepts_no_other() {
    let gate = Gate::new();
    let program = app("gate").serve();
    let address = program.address().to_owned();
    let (mut connection, entered) = in_flight(&program, &gate);
    program.signal(Signal::TERM);
    program.says("finishing requests");
    until("the port to be closed", || {
        Raw::connect(&address).is_err().then_some(())
    });
    drop(entered);
    let answer = connection.read("GET").unwrap().expect(200);
    assert_eq!(answer.text(), "open");
    assert!(
        !answer.keeps_alive(),
        "a server that leaves says so: {:?}",
        answer.headers
    );
    let ended = program.end_within(Duration::from_secs(20));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn a_serve_that_still_imports_the_app_ends_at_once() {
    let gate = Gate::new();
    let project = app_of(&format!("open({:?}).read()\n", gate.path()));
    let program = serve("app", project.dir(), 1).start();
    let importing = gate.wait();
    program.signal(Signal::TERM);
    let ended = program.end_within(Duration::from_secs(5));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    drop(importing);
}

#[test]
fn an_idle_connection_does_not_hold_the_end_up() {
    let program = app("hello").serve();
    let mut idle = program.connect();
    idle.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap()
        .expect(200);
    let never_used = program.connect();
    program.signal(Signal::INT);
    let ended = program.end_within(Duration::from_secs(5));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(idle.is_closed());
    drop(never_used);
}

#[test]
fn a_second_signal_hurries() {
    let gate = Gate::new();
    let program = app("gate")
        .args(["--graceful-timeout", "300", "--timeout", "0"])
        .serve();
    let (connection, entered) = in_flight(&program, &gate);
    program.signal(Signal::TERM);
    program.says("finishing requests");
    program.signal(Signal::TERM);
    let ended = program.end_within(Duration::from_secs(10));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    drop((connection, entered));
}

#[test]
fn a_request_that_outlasts_the_graceful_timeout_is_given_up() {
    let gate = Gate::new();
    let program = app("gate")
        .args(["--graceful-timeout", "1", "--timeout", "0"])
        .serve();
    let (connection, entered) = in_flight(&program, &gate);
    program.signal(Signal::TERM);
    let ended = program.end_within(Duration::from_secs(15));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    drop((connection, entered));
}

#[test]
fn sigquit_ends_it_at_once() {
    let gate = Gate::new();
    let program = app("gate").serve();
    let (connection, entered) = in_flight(&program, &gate);
    program.signal(Signal::QUIT);
    program.end_within(Duration::from_secs(10));
    drop((connection, entered));
}
