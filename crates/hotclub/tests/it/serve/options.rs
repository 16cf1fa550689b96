//! Options that reach the app and its processes.

use std::fs;

use hotclub_testkit::{Gate, Process, need, process, until};

use super::{app, app_of, serve};
use crate::hotclub;

/// Says what it finds in its process, as JSON.
const FACTS: &str = r#"
import json, os, sys
try:
    import beside
except ImportError:
    beside = None

def application(environ, start_response):
    facts = {
        "pid": os.getpid(), "cwd": os.getcwd(), "beside": getattr(beside, "WORD", None),
        "one": os.environ.get("ONE"), "two": os.environ.get("TWO"),
        "control": os.environ.get("HOTCLUB_CONTROL"),
        "multithread": environ["wsgi.multithread"],
        "uid": os.getuid(), "gid": os.getgid(), "groups": os.getgroups(),
        "fds": {name: os.readlink("/proc/self/fd/" + name)
                for name in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + name)
                or os.path.islink("/proc/self/fd/" + name)},
    }
    body = json.dumps(facts).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
"#;

#[test]
fn env_chdir_and_pythonpath_reach_the_app() {
    let project = app_of(FACTS);
    project.write("more/beside.py", "WORD = 'found'\n");
    let program = serve("app", project.dir(), 1)
        .args(["--pythonpath"])
        .arg(project.path("more"))
        .args(["--env", "ONE=1", "-e", "TWO=a=b $HOME"])
        .serve();
    let facts = program.get("/").expect(200).json();
    assert_eq!(facts["cwd"], project.dir().to_str().unwrap());
    assert_eq!(facts["beside"], "found");
    assert_eq!(
        (facts["one"].as_str(), facts["two"].as_str()),
        (Some("1"), Some("a=b $HOME"))
    );
    assert!(
        facts["control"].is_null(),
        "the control socket's name is the app's no more"
    );
    program.stop();
}

#[test]
fn the_pid_file_names_the_program_and_goes_with_it() {
    let project = app_of(FACTS);
    let file = project.path("run.pid");
    let program = serve("app", project.dir(), 1)
        .arg("--pid")
        .arg(&file)
        .serve();
    assert_eq!(
        fs::read_to_string(&file).unwrap().trim(),
        program.pid().to_string()
    );
    program.stop();
    assert!(!file.exists());
}

#[test]
fn threads_of_one_worker_serve_at_the_same_time() {
    let gate = Gate::new();
    let program = app("gate")
        .args(["--workers", "1", "--threads", "2"])
        .serve();
    let mut first = program.connect();
    let target = gate.path().display();
    first
        .send(format!("GET /?{target} HTTP/1.1\r\nHost: a\r\n\r\n"))
        .unwrap();
    let entered = gate.wait();
    let other = Gate::new();
    let mut second = program.connect();
    let request = format!(
        "GET /?{} HTTP/1.1\r\nHost: a\r\n\r\n",
        other.path().display()
    );
    second.send(request).unwrap();
    other.open();
    assert_eq!(second.read("GET").unwrap().expect(200).text(), "open");
    drop(entered);
    assert_eq!(first.read("GET").unwrap().expect(200).text(), "open");
    drop((first, second));
    program.stop();
}

#[test]
fn without_preload_each_worker_imports_the_app_itself() {
    let project = app_of(
        "import os\nBORN = os.getpid()\ndef application(e, s):\n    s('200 OK', [])\n    \
         return [b'same' if BORN == os.getpid() else b'other']\n",
    );
    for (option, expected) in [("--no-preload", "same"), ("--preload", "other")] {
        let program = serve("app", project.dir(), 2).arg(option).serve();
        assert_eq!(program.get("/").expect(200).text(), expected, "{option}");
        program.stop();
    }
}

#[test]
fn workers_run_as_the_wanted_user_and_hold_no_descriptor_they_should_not() {
    if !is_root() {
        return hotclub_testkit::skip("--user needs root, and this is not");
    }
    let project = app_of(FACTS);
    // Debian's own interpreter: others may lie where that user cannot go.
    let program = hotclub()
        .args([
            "serve",
            "app",
            "-b",
            "127.0.0.1:0",
            "--python",
            "/usr/bin/python3",
        ])
        .args(["--user", "nobody", "--group", "nogroup"])
        .within(project.dir())
        .serve();
    let facts = program.get("/").expect(200).json();
    assert_eq!(facts["uid"], 65534);
    assert_eq!(facts["gid"], 65534);
    assert!(
        !facts["groups"].as_array().unwrap().contains(&0.into()),
        "{}",
        facts["groups"]
    );
    let worker: Process = need!(process(pid_of(&facts)).ok_or("the worker is gone".to_owned()));
    let uids = worker.status("Uid").unwrap();
    assert!(uids.split_whitespace().all(|uid| uid == "65534"), "{uids}");

    let sockets = facts["fds"]
        .as_object()
        .unwrap()
        .values()
        .filter(|v| v.as_str().unwrap().starts_with("socket:"));
    // The queue's end, the reply socket, and what takes the queue's place when the worker leaves.
    assert_eq!(sockets.count(), 3, "{:#}", facts["fds"]);
    let others: Vec<_> = facts["fds"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(number, target)| {
            let target = target.as_str().unwrap();
            let known = [
                "socket:",
                "pipe:",
                "/dev/null",
                "/proc/",
                "/memfd:hotclub",
                "anon_inode:",
            ];
            number.parse::<u32>().unwrap() > 2
                && !known.iter().any(|start| target.starts_with(start))
        })
        .collect();
    assert!(others.is_empty(), "{others:?}");
    program.stop();
}

#[test]
fn a_worker_is_recycled_after_max_requests_without_a_failed_request() {
    let project = app_of(super::PID_APP);
    let program = serve("app", project.dir(), 2)
        .args(["--max-requests", "50", "--max-requests-jitter", "10"])
        .serve();
    let load = hotclub_testkit::Load::start(program.address(), "/", 4);
    let first: Vec<_> = program.workers();
    until("both first workers to be recycled", || {
        (!first.iter().any(Process::is_alive)).then_some(())
    });
    load.more(100);
    load.finish().lost_nothing();
    until("both workers to be there", || {
        (program.workers().len() == 2).then_some(())
    });
    program.stop();
}

/// Both first workers go under load, and nobody notices.
fn recycles_both(program: &hotclub_testkit::Program) {
    let load = hotclub_testkit::Load::start(program.address(), "/", 4);
    let first: Vec<_> = program.workers();
    until("both first workers to be recycled", || {
        (!first.iter().any(Process::is_alive)).then_some(())
    });
    load.more(100);
    load.finish().lost_nothing();
}

#[test]
fn an_old_worker_is_recycled_without_a_failed_request() {
    let project = app_of(super::PID_APP);
    let program = serve("app", project.dir(), 2)
        .args(["--max-worker-lifetime", "1"])
        .serve();
    recycles_both(&program);
    program.stop();
}

/// Grows by a megabyte with each request.
const GROWS: &str = r#"
HELD = []

def application(environ, start_response):
    HELD.append(b"x" * 1_000_000)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"more"]
"#;

#[test]
fn a_worker_that_has_grown_too_large_is_recycled_without_a_failed_request() {
    let project = app_of(GROWS);
    let program = serve("app", project.dir(), 2)
        .args(["--max-worker-memory", "120MB"])
        .serve();
    recycles_both(&program);
    program.stop();
}

fn pid_of(facts: &serde_json::Value) -> u32 {
    facts["pid"].as_u64().unwrap().try_into().unwrap()
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}
