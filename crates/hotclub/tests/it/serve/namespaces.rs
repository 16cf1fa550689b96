//! In a PID namespace whose processes know neither our session nor our process group: they have no number there.

use std::time::Duration;

use hotclub_testkit::{Load, Process, forbidden, until};

use super::{app_of, serve};

/// Answers with the numbers of its process and of its session.
const NUMBERS: &str = r#"
import os

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {os.getsid(0)}".encode()]
"#;

#[test]
fn workers_and_fork_server_are_replaced_where_the_session_has_no_number() {
    let project = app_of(NUMBERS);
    let launch = serve("app", project.dir(), 2).allow(" ERROR ");
    let mut program = match launch.contained(&["--mount-proc"]) {
        Ok(launch) => launch.serve(),
        Err(reason) => return forbidden(&reason),
    };
    let numbers = program.get("/").expect(200).text().to_owned();
    let (pid, session) = numbers.split_once(' ').unwrap();
    assert_eq!(session, "0", "the session began outside");
    let outside: Vec<_> = program
        .workers()
        .iter()
        .map(|w| w.pid.to_string())
        .collect();
    assert!(
        !outside.contains(&pid.to_owned()),
        "{pid} is a number of the namespace"
    );

    let load = Load::start(program.address(), "/", 2);
    replaces_a_worker(&program, &load);
    let fork_server = program.fork_servers()[0].clone();
    kill(&fork_server);
    until("another fork server", || {
        let all = program.fork_servers();
        (all.len() == 1 && all[0] != fork_server).then_some(())
    });
    // One of those that the dead fork server had left, and whoever takes its place.
    replaces_a_worker(&program, &load);
    replaces_a_worker(&program, &load);
    load.more(100);
    load.finish().lost_nothing();
    program.forget_descriptors();
    program.stop();
}

#[test]
fn the_processes_of_another_namespace_in_proc_are_refused() {
    let project = app_of(NUMBERS);
    let launch = serve("app", project.dir(), 1);
    let ended = match launch.contained(&[]) {
        Ok(launch) => launch.end_within(Duration::from_secs(20)),
        Err(reason) => return forbidden(&reason),
    };
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    ended.says("/proc shows the processes of another PID namespace");
    ended.says("hint: ");
}

fn replaces_a_worker(program: &hotclub_testkit::Program, load: &Load) {
    let victim = program.workers()[0].clone();
    kill(&victim);
    until("both places to be filled", || {
        let all = program.workers();
        (all.len() == 2 && !all.contains(&victim)).then_some(())
    });
    load.more(50);
}

fn kill(process: &Process) {
    let pid = rustix::process::Pid::from_raw(process.pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}
