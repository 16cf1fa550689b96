//! What the log says of a worker's end.

use hotclub_testkit::Program;

use crate::serve::{app_of, serve};

const DIES: &str = r#"
import ctypes, os, signal, sys, time

def deep(n):
    return deep(n + 1)

def application(environ, start_response):
    way = environ["PATH_INFO"]
    if way == "/kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if way == "/segv":
        ctypes.string_at(0)
    if way == "/exit0":
        os._exit(0)
    if way == "/exit7":
        os._exit(7)
    if way == "/alarm":
        signal.alarm(1)
        time.sleep(30)
    if way == "/close":
        os.closerange(3, 4096)
    if way == "/sys-exit":
        sys.exit(3)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]
"#;

/// POSTs, so that nothing is run again, and returns the line about the worker's end.
fn end(program: &Program, path: &str, status: u16, line: &str) -> String {
    let from = program.stderr.count();
    let answer = program.request("POST", path, &[("X-Request-ID", "given")], b"");
    assert_eq!(answer.status, status, "{path}");
    let text = program.says_from(from, line);
    program.get("/").expect(200);
    text
}

#[test]
fn the_log_says_what_a_worker_died_of_and_with_what_in_hand() {
    let project = app_of(DIES);
    let program = serve("app", project.dir(), 1)
        .allow(" ERROR ")
        .allow("Traceback ")
        .serve();
    for (path, line) in [
        ("/kill", "a worker was killed by signal 9 (SIGKILL)"),
        ("/segv", "a worker was killed by signal 11 (SIGSEGV)"),
        ("/exit0", "a worker ended with exit code 0"),
        ("/exit7", "a worker ended with exit code 7"),
        ("/alarm", "a worker was killed by signal 14 (SIGALRM)"),
    ] {
        let text = end(&program, path, 502, line);
        assert!(text.contains(&format!("POST {path} (")), "{text}");
        assert!(text.contains("MiB"), "{text}");
    }
    let text = end(
        &program,
        "/close?x=1",
        502,
        "a worker ended with exit code 4",
    );
    assert!(text.contains("POST /close?x=1 ("), "{text}");
    assert!(text.contains("closed under it, by the app"), "{text}");
    let lines = program.stderr.all();
    let deaths = lines.iter().filter(|line| line.contains("exit code 4"));
    assert_eq!(deaths.count(), 1, "a POST ran again in the next worker");
    // sys.exit is answered, and the worker stays.
    let before = program.workers()[0].clone();
    program.request("POST", "/sys-exit", &[], b"").expect(500);
    assert!(before.is_alive(), "sys.exit cost a worker");
    program.stop();
}
