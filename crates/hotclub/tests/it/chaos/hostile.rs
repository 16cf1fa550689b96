//! Apps that do to their process what they should not: none harms another worker, the front or the log.

use std::time::Duration;

use hotclub_testkit::{Process, Storm, descendants, until, until_within};
use serde_json::json;

use super::{count, get, kill, record, until_gone, until_workers, weather};
use crate::serve::{app_of, serve};

const APP: &str = r#"
import multiprocessing, os, shutil, signal, subprocess, sys, tempfile, threading, time

threading.Thread(target=lambda: time.sleep(3600), name="reporter", daemon=True).start()

def square(number):
    return number * number

def act(way):
    if way == "exit":
        os._exit(0)
    if way == "sys-exit":
        sys.exit("bye")
    if way == "alarm":
        signal.setitimer(signal.ITIMER_REAL, 0.05)
    if way == "close":
        os.closerange(3, 4096)
    if way == "close-standard":
        os.closerange(0, 3)
    if way == "stderr":
        for _ in range(50):
            os.write(2, (b"y" * 99 + b"\n") * 1000)
    if way == "print":
        for _ in range(50):
            print(("z" * 99 + "\n") * 1000, file=sys.stderr)
    if way == "nonblocking":
        os.set_blocking(2, False)
    if way == "cwd":
        folder = tempfile.mkdtemp()
        os.chdir(folder)
        os.rmdir(folder)
    if way == "pool":
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.map(square, [1, 2, 3]) == [1, 4, 9]
    if way == "outlives":
        subprocess.Popen(["sleep", "4"], start_new_session=True)
        subprocess.Popen(["sleep", "4"])
        os._exit(1)
    if way == "threads":
        for _ in range(50):
            threading.Thread(target=lambda: time.sleep(2)).start()
    if way == "signals":
        for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGALRM, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)
    if way == "parent":
        os.kill(os.getppid(), signal.SIGTERM)
    if way == "group":
        os.killpg(os.getpgid(0), signal.SIGTERM)
    if way == "daemon":
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(2)
            os._exit(0)
        os.wait()
    if way == "recursion":
        class Deep:
            def __repr__(self):
                return repr(self)
        sys.setrecursionlimit(10**9)
        repr(Deep())
    if way == "memory":
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29))
        bytearray(2**30)
    if way == "own-folder":
        shutil.rmtree(os.getcwd())

def application(environ, start_response):
    if environ["REQUEST_METHOD"] == "POST":
        act(environ["PATH_INFO"].split("/")[1])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode() + b" "]
"#;

/// The last deletes the folder of the app itself.
const WAYS: [&str; 20] = [
    "exit",
    "sys-exit",
    "alarm",
    "close",
    "close-standard",
    "stderr",
    "print",
    "nonblocking",
    "cwd",
    "pool",
    "outlives",
    "threads",
    "signals",
    "parent",
    "group",
    "daemon",
    "recursion",
    "memory",
    "exit",
    "own-folder",
];

#[test]
fn no_app_harms_another_worker_the_front_or_the_log() {
    let project = app_of(APP);
    let program = serve("app", project.dir(), 3)
        .allow(" ERROR ")
        .allow("Traceback ")
        .serve();
    program.says("the app started threads while it was imported");
    let storm = Storm::start(program.address(), &weather(3, get));
    let rounds = count(1, 10);
    for round in 0..rounds {
        for way in WAYS {
            if way == "own-folder" && round + 1 < rounds {
                continue;
            }
            let answer = program.request("POST", &format!("/{way}"), &[], b"");
            assert!(
                matches!(answer.status, 200 | 500 | 502),
                "{way}: {}",
                answer.status
            );
            storm.more(10);
            until("a fork server", || program.fork_servers().first().cloned());
            until_workers(&program, 3);
        }
    }
    let outcome = storm.finish();
    record(
        "hostile",
        WAYS.len() * rounds,
        &outcome,
        &json!({"ways": WAYS}),
    );
    outcome.lost_nothing();
    // Its log still speaks.
    let line = program.stderr.count();
    program.request("POST", "/exit", &[], b"").expect(502);
    program.says_from(line, "a worker ended with exit code 0");
    // Workers that lost their fork server are watched by a descriptor each: those that are left are replaced.
    for worker in program.workers() {
        kill(&worker);
        until_gone(&worker);
    }
    until_workers(&program, 3);
    // What outlived its worker was let live, and is reaped.
    until_within(
        Duration::from_secs(15),
        "what outlived to be reaped",
        || {
            let family = descendants(program.pid());
            let others = |process: &&Process| !process.name.starts_with("hotclub-");
            (family.iter().filter(others).count() == 0).then_some(())
        },
    );
    program.stop();
}
