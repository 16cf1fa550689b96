//! Workers that hang, die or are killed.

use std::time::{Duration, Instant};

use hotclub_testkit::{Gate, Load, Process, descriptors, until};

use super::{PID_APP, app_of, serve};

/// Waits at the gate that the query names, as a function with a telling name.
const HANGS: &str = r#"
def waits_for_ever(path):
    with open(path, "rb") as gate:
        gate.read()

def application(environ, start_response):
    body = environ["wsgi.input"].read()
    if environ["QUERY_STRING"]:
        waits_for_ever(environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"done " + environ["REQUEST_METHOD"].encode()]
"#;

#[test]
fn a_request_that_takes_too_long_is_a_504_and_its_stack_is_logged() {
    let project = app_of(HANGS);
    let gate = Gate::new();
    let program = serve("app", project.dir(), 1)
        .args(["--timeout", "1"])
        .allow(" ERROR ")
        .serve();
    program
        .get(&format!("/?{}", gate.path().display()))
        .expect(504);
    program.says("waits_for_ever");
    // A new worker takes over.
    program.get("/").expect(200);
    program.stop();
}

#[test]
fn who_waited_too_long_for_a_worker_gets_503_and_who_was_in_hand_is_served() {
    let project = app_of(HANGS);
    let gate = Gate::new();
    let program = serve("app", project.dir(), 1).serve();
    let target = gate.path().display();
    let mut served = program.connect();
    served
        .send(format!("GET /?{target} HTTP/1.1\r\nHost: a\r\n\r\n"))
        .unwrap();
    let entered = gate.wait();
    let began = Instant::now();
    let waited = program.get("/").expect(503);
    let took = began.elapsed();
    assert!(waited.header("retry-after").is_some());
    assert!(took > Duration::from_millis(9900), "too early: {took:?}");
    assert!(took < Duration::from_secs(40), "too late: {took:?}");
    drop(entered);
    served.read("GET").unwrap().expect(200);
    drop(served);
    program.get("/").expect(200);
    program.stop();
}

/// Sends the beginning of its answer and hangs, or ends its process before it has answered anything.
const BREAKS_OFF: &str = r#"
import os, time

def application(environ, start_response):
    if environ["PATH_INFO"] == "/die":
        os._exit(3)
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"the beginning"
    while environ["PATH_INFO"] == "/hang":
        time.sleep(0.01)
"#;

#[test]
fn a_deadline_after_the_head_cuts_the_answer_so_that_the_client_can_tell() {
    let project = app_of(BREAKS_OFF);
    let program = serve("app", project.dir(), 1)
        .args(["--timeout", "1"])
        .allow(" ERROR ")
        .serve();
    let answer = program.get("/hang");
    assert_eq!(answer.status, 200);
    assert!(!answer.complete, "{answer:?}");
    assert_eq!(answer.text(), "the beginning");
    program.says("GET /hang (");
    program.get("/").expect(200);
    program.stop();
}

#[test]
fn a_crash_loop_backs_off_says_so_and_does_not_end_the_server() {
    let project = app_of(BREAKS_OFF);
    let program = serve("app", project.dir(), 1).allow(" ERROR ").serve();
    for _ in 0..6 {
        program.request("POST", "/die", &[], b"").expect(502);
    }
    let line = program.says("workers keep dying; the next one starts after a pause");
    assert!(line.contains("delay="), "{line}");
    program.get("/").expect(200);
    program.stop();
}

#[test]
fn a_killed_worker_costs_a_post_in_its_hands_a_502() {
    let project = app_of(HANGS);
    let gate = Gate::new();
    let program = serve("app", project.dir(), 1).allow(" ERROR ").serve();
    let mut connection = program.connect();
    let target = gate.path().display();
    let request = format!("POST /?{target} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
    connection.send(request).unwrap();
    let entered = gate.wait();
    kill_workers(&program);
    assert_eq!(connection.read("POST").unwrap().status, 502);
    drop((entered, connection));
    program.get("/").expect(200);
    program.stop();
}

#[test]
fn a_killed_worker_costs_a_get_nothing() {
    let project = app_of(HANGS);
    let gate = Gate::new();
    let program = serve("app", project.dir(), 1).serve();
    let mut connection = program.connect();
    let target = gate.path().display();
    connection
        .send(format!("GET /?{target} HTTP/1.1\r\nHost: a\r\n\r\n"))
        .unwrap();
    let entered = gate.wait();
    let killed = program.workers();
    kill_workers(&program);
    // While it dies, it still holds the gate.
    until("the worker's death", || {
        (!killed.iter().any(Process::is_alive)).then_some(())
    });
    until("another worker to come to the same gate", || {
        let at_the_gate = |worker: &Process| {
            descriptors(worker.pid)
                .iter()
                .any(|name| gate.path().to_str() == Some(name))
        };
        let all = program.workers();
        all.iter()
            .any(|worker| !killed.contains(worker) && at_the_gate(worker))
            .then_some(())
    });
    drop(entered);
    assert_eq!(
        connection.read("GET").unwrap().expect(200).text(),
        "done GET"
    );
    drop(connection);
    program.stop();
}

#[test]
fn killing_workers_under_load_loses_no_get() {
    let project = app_of(PID_APP);
    let program = serve("app", project.dir(), 2).serve();
    let load = Load::start(program.address(), "/", 4);
    for _ in 0..5 {
        load.more(100);
        let victim = program.workers()[0].clone();
        kill(victim.pid);
        until("the worker's death", || (!victim.is_alive()).then_some(()));
    }
    load.more(200);
    load.finish().lost_nothing();
    until("both workers to be there", || {
        (program.workers().len() == 2).then_some(())
    });
    program.stop();
}

#[test]
fn a_killed_fork_server_is_replaced_while_its_workers_serve() {
    let project = app_of(PID_APP);
    let mut program = serve("app", project.dir(), 2).allow(" ERROR ").serve();
    let load = Load::start(program.address(), "/", 2);
    let victim = program.fork_servers()[0].clone();
    kill(victim.pid);
    until("another fork server", || {
        let all = program.fork_servers();
        (all.len() == 1 && all[0] != victim).then_some(())
    });
    load.more(100);
    load.finish().lost_nothing();
    until("both workers to be there", || {
        (program.workers().len() == 2).then_some(())
    });
    // Workers whose parent died are watched by descriptors of their own.
    program.forget_descriptors();
    program.stop();
}

#[test]
fn killing_the_program_ends_its_workers() {
    let project = app_of(PID_APP);
    serve("app", project.dir(), 2).serve().kill();
}

fn kill_workers(program: &hotclub_testkit::Program) {
    program.workers().iter().for_each(|worker| kill(worker.pid));
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}
