//! Requests that run too long, in workers of one and of several threads.

use std::time::{Duration, Instant};

use hotclub_testkit::{Gate, process, until};

use super::{until_gone, until_workers};
use crate::serve::{app_of, serve};

/// `/hang` starts a process in a session of its own, says its id in a file and never returns; `/gate` waits.
const HANGS: &str = r#"
import subprocess, time

def hangs_for_ever():
    child = subprocess.Popen(["sleep", "300"], start_new_session=True)
    with open("child", "w") as file:
        file.write(str(child.pid))
    with open("hanging", "w"):
        pass
    while True:
        time.sleep(0.01)

def waits_at_the_gate(path):
    with open(path, "rb") as gate:
        gate.read()

def application(environ, start_response):
    if environ["PATH_INFO"] == "/hang":
        hangs_for_ever()
    if environ["PATH_INFO"] == "/gate":
        waits_at_the_gate(environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]
"#;

#[test]
fn a_deadline_names_the_request_and_kills_what_the_worker_started() {
    let project = app_of(HANGS);
    let program = serve("app", project.dir(), 1)
        .args(["--timeout", "1"])
        .allow(" ERROR ")
        .serve();
    let began = Instant::now();
    program.get("/hang?a=1").expect(504);
    let took = began.elapsed();
    assert!(took > Duration::from_millis(990), "too early: {took:?}");
    // It would hang for ever: how late is too late depends on what else the machine does.
    assert!(took < Duration::from_secs(30), "too late: {took:?}");
    let overdue = program.says("ran past its deadline");
    assert!(overdue.contains("GET /hang?a=1 ("), "{overdue}");
    program.says("in hangs_for_ever");
    let death = program.says("killed by signal 9 (SIGKILL)");
    assert!(death.contains("a request ran past its deadline"), "{death}");
    assert!(death.contains("GET /hang?a=1 ("), "{death}");
    assert!(death.contains("MiB"), "{death}");
    let child: u32 = project.read("child").parse().unwrap();
    until("its child to be killed and reaped", || {
        process(child).is_none().then_some(())
    });
    program.get("/").expect(200);
    program.stop();
}

#[test]
fn a_deadline_in_one_thread_lets_the_others_finish() {
    let project = app_of(HANGS);
    let gates = [Gate::new(), Gate::new()];
    let program = serve("app", project.dir(), 1)
        .args(["--timeout", "5", "--threads", "3"])
        .allow(" ERROR ")
        .serve();
    let worker = program.workers()[0].clone();
    let mut hanging = program.connect();
    hanging
        .send("GET /hang HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    until("the request to hang", || {
        project.path("hanging").exists().then_some(())
    });
    // The other two come later, so that their deadlines are still to come when the first is over: this is the time
    // that a busy machine may take for what follows.
    std::thread::sleep(Duration::from_secs(4));
    let mut others = [program.connect(), program.connect()];
    for (other, gate) in others.iter_mut().zip(&gates) {
        let target = gate.path().display();
        let head = format!("POST /gate?{target} HTTP/1.1\r\nHost: a\r\n");
        other.send(head + "Content-Length: 0\r\n\r\n").unwrap();
    }
    let entered = gates.each_ref().map(Gate::wait);
    assert_eq!(hanging.read("GET").unwrap().status, 504);
    program.says("in hangs_for_ever");
    program.says("in waits_at_the_gate");
    assert!(worker.is_alive(), "the others' worker was killed");
    // A replacement serves meanwhile.
    program.get("/").expect(200);
    drop(entered);
    for other in &mut others {
        assert_eq!(other.read("POST").unwrap().expect(200).text(), "ok");
    }
    // Nobody is left in it but who hangs: it goes before its second deadline.
    until_gone(&worker);
    until_workers(&program, 1);
    drop((hanging, others));
    program.stop();
}
