//! What a worker that runs as another user holds and can reach.

use std::path::Path;

use super::is_root;
use crate::hotclub;
use crate::serve::app_of;

/// Tries, from within a request, what an attacker in the app would.
const ATTACKER: &str = r#"
import ctypes, json, os, socket, stat

LIBC = ctypes.CDLL(None, use_errno=True)
PIDFD_OPEN, PIDFD_GETFD = 434, 438

def attempt(what):
    try:
        return repr(what())
    except OSError as error:
        return error.__class__.__name__

def steal(pid):
    """Any descriptor of another process."""
    pidfd = LIBC.syscall(PIDFD_OPEN, pid, 0)
    taken = [number for number in range(64) if LIBC.syscall(PIDFD_GETFD, pidfd, number, 0) >= 0]
    os.close(pidfd)
    return taken

def state(one, listens):
    if listens:
        return " listening"
    try:
        return "" if one.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) else " ended"
    except BlockingIOError:
        return ""

def descriptors():
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            target, mode = os.readlink("/proc/self/fd/" + name), os.fstat(int(name)).st_mode
        except OSError:
            continue
        kind = target.split(":")[0]
        if stat.S_ISSOCK(mode):
            with socket.socket(fileno=os.dup(int(name))) as one:
                listens = one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                kind = f"{one.family.name} {one.type.name}{state(one, listens)}"
        found[name] = kind
    return found

def application(environ, start_response):
    front = int(environ["QUERY_STRING"])
    facts = {
        "uid": os.getuid(),
        "descriptors": descriptors(),
        "front's descriptors": attempt(lambda: os.listdir(f"/proc/{front}/fd")),
        "front's memory": attempt(lambda: open(f"/proc/{front}/mem", "rb").close()),
        "kill the front": attempt(lambda: os.kill(front, 15)),
        "stolen": steal(front),
        "back to root": attempt(lambda: os.setuid(0)),
        "capabilities": [line for line in open("/proc/self/status") if line.startswith("Cap")],
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(facts).encode()]
"#;

#[test]
fn a_worker_holds_its_queue_its_reply_socket_and_nothing_of_the_front() {
    if !is_root() {
        return hotclub_testkit::skip("--user needs root, and this is not");
    }
    // The system's own: another user may not enter the folder of the tests' Python.
    const PYTHON: &str = "/usr/bin/python3";
    if !Path::new(PYTHON).exists() {
        return hotclub_testkit::skip("there is no /usr/bin/python3");
    }
    let project = app_of(ATTACKER);
    let program = hotclub()
        .args(["serve", "app", "--bind", "127.0.0.1:0", "--python", PYTHON])
        .arg("--chdir")
        .arg(project.dir())
        .args(["--user", "nobody", "--group", "nogroup"])
        .serve();
    let facts = program
        .get(&format!("/?{}", program.pid()))
        .expect(200)
        .json();
    assert_eq!(facts["uid"], 65534);
    let descriptors = facts["descriptors"].as_object().unwrap();
    let mut kinds: Vec<_> = descriptors
        .iter()
        .filter(|(number, _)| number.parse::<u32>().unwrap() > 2)
        .map(|(_, kind)| kind.as_str().unwrap())
        .collect();
    kinds.sort_unstable();
    // The queue; what takes its place when the worker leaves; the reply socket; the scoreboard. No listening
    // socket, none of the network, no control socket, nothing of whoever started the program.
    let meant = [
        "/memfd",
        "AF_UNIX SOCK_SEQPACKET",
        "AF_UNIX SOCK_SEQPACKET ended",
        "AF_UNIX SOCK_STREAM",
    ];
    assert_eq!(kinds, meant, "{facts:#}");
    for attempt in [
        "front's descriptors",
        "front's memory",
        "kill the front",
        "back to root",
    ] {
        assert_eq!(facts[attempt], "PermissionError", "{attempt}: {facts:#}");
    }
    assert_eq!(facts["stolen"].as_array().unwrap().len(), 0, "{facts:#}");
    for line in facts["capabilities"].as_array().unwrap() {
        let line = line.as_str().unwrap();
        let none = line.starts_with("CapBnd") || line.trim().ends_with("0000000000000000");
        assert!(none, "{line}");
    }
    program.stop();
}
