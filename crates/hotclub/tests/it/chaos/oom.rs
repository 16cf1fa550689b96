//! A worker that the kernel kills for want of memory, for real.

use hotclub_testkit::{Cgroup, forbidden};

use crate::serve::{app_of, serve};

/// `/eat` takes memory until the kernel has had enough.
const EATS: &str = r#"
def application(environ, start_response):
    if environ["PATH_INFO"] == "/eat":
        with open("runs", "a") as runs:
            runs.write("x")
        hoard = []
        while True:
            hoard.append(b"x" * (1 << 20))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]
"#;

/// Enough for the program, built for tests, and all its processes.
const MEMORY: u64 = 320 << 20;

#[test]
fn an_oom_kill_is_known_by_the_kernels_evidence_and_held_against_its_request() {
    let cgroup = match Cgroup::with_memory(MEMORY) {
        Ok(cgroup) => cgroup,
        Err(reason) => return forbidden(&reason),
    };
    let project = app_of(EATS);
    let program = serve("app", project.dir(), 1)
        .confined(&cgroup)
        .allow("the worker died with the request in hand")
        .serve();
    program.request("POST", "/eat", &[], b"").expect(502);
    let line = program.says("a worker was killed by signal 9 (SIGKILL)");
    assert!(
        line.contains("out of memory: the kernel's OOM killer struck in this cgroup"),
        "{line}"
    );
    assert!(line.contains("POST /eat ("), "{line}");
    assert!(line.contains("MiB"), "{line}");
    assert_eq!(cgroup.oom_kills(), 1);
    // A GET has a second worker and no third: this kill does not count as one from outside.
    program.get("/eat").expect(502);
    assert_eq!(project.read("runs"), "xxx");
    assert_eq!(cgroup.oom_kills(), 3);
    program.get("/").expect(200);
    program.stop();
}
