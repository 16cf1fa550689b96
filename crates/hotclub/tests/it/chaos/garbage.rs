//! A worker that writes what it should not on its reply stream.

use hotclub_testkit::{Storm, until};
use serde_json::json;

use super::{count, get, record, until_gone, until_workers, weather};
use crate::serve::{app_of, serve};

/// POST `/KIND/N` breaks the protocol that way; everything else echoes.
const APP: &str = r#"
import array, os, random, socket, struct, time

def frame(kind, request, status=0, head=b"", body_len=0, flags=0):
    return struct.pack("<BBHIQQQ", kind, flags, status, len(head), request, body_len, 0) + head

def replies():
    for name in os.listdir("/proc/self/fd"):
        try:
            found = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue
        if found.family == socket.AF_UNIX and found.type == socket.SOCK_STREAM:
            yield found

def own_request(environ):
    # The frames of this very request: its number is in the last claim of our slot.
    import gc
    for thing in gc.get_objects():
        if type(thing).__name__ == "Answer" and thing.environ is environ:
            return thing.request
    return 1

def misbehave(kind, request):
    rights = lambda fds: [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
    for reply in replies():
        reply.settimeout(2)
        try:
            if kind == "random":
                reply.sendall(os.urandom(random.randrange(32, 100000)))
            elif kind == "kind":
                reply.sendall(frame(9, request))
            elif kind == "unknown":
                reply.sendall(frame(1, request + 10**9, 200, b"OK"))
            elif kind == "body-first":
                reply.sendall(frame(2, request, body_len=5) + b"hello")
            elif kind == "two-heads":
                reply.sendall(frame(1, request, 200, b"OK") * 2)
            elif kind == "huge":
                reply.sendall(frame(1, request, 200, b"OK", body_len=2**40))
            elif kind == "long-head":
                reply.sendall(struct.pack("<BBHIQQQ", 1, 0, 200, 2**31, request, 0, 0))
            elif kind == "no-file":
                head = frame(1, request, 200, b"OK")
                reply.sendall(head + frame(3, request, head=bytes(8), body_len=10, flags=1))
            elif kind == "pipe":
                read, write = os.pipe()
                reply.sendall(frame(1, request, 200, b"OK"))
                reply.sendmsg([frame(3, request, head=bytes(8), body_len=10, flags=1)], rights([read]))
            elif kind == "descriptors":
                reply.sendall(frame(1, request, 200, b"OK", body_len=2**20))
                for _ in range(100):
                    reply.sendmsg([b"x"], rights([0]))
            elif kind == "truncated":
                reply.sendall(frame(1, request, 200, b"OK", body_len=100)[:random.randrange(1, 33)])
                os._exit(9)
            elif kind == "cut-body":
                reply.sendall(frame(1, request, 200, b"OK\0Content-Length\x00100", body_len=100) + b"x" * 50)
                os._exit(9)
            elif kind == "status":
                reply.sendall(frame(1, request, 7, b"OK", flags=1))
            elif kind == "after-end":
                reply.sendall(frame(1, request, 200, b"OK", flags=1) * 2)
        except OSError:
            pass
    time.sleep(30)  # it is killed here

def application(environ, start_response):
    if environ["REQUEST_METHOD"] == "POST":
        misbehave(environ["PATH_INFO"].split("/")[1], own_request(environ))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode() + b" "]
"#;

const KINDS: [&str; 14] = [
    "random",
    "kind",
    "unknown",
    "body-first",
    "two-heads",
    "huge",
    "long-head",
    "no-file",
    "pipe",
    "descriptors",
    "truncated",
    "cut-body",
    "status",
    "after-end",
];

#[test]
fn a_worker_that_breaks_the_protocol_is_replaced_and_nothing_else_happens() {
    let project = app_of(APP);
    let program = serve("app", project.dir(), 3).allow(" ERROR ").serve();
    let storm = Storm::start(program.address(), &weather(3, get));
    let rounds = count(1, 30);
    for turn in 0..KINDS.len() * rounds {
        let kind = KINDS[turn % KINDS.len()];
        let before = program.workers();
        let mut connection = program.connect();
        connection
            .send(format!(
                "POST /{kind}/{turn} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
            ))
            .unwrap();
        let broken = until(&format!("a worker to be replaced after {kind}"), || {
            before.iter().find(|worker| !worker.is_alive())
        });
        until_gone(broken);
        // Whatever the client gets, it gets it soon, and it is no whole 200 with a part of a body.
        if let Ok(answer) = connection.read("POST") {
            let whole = answer.status == 200 && answer.complete;
            assert!(
                !whole || kind == "two-heads" || kind == "after-end",
                "{kind}: {answer:?}"
            );
        }
        until_workers(&program, 3);
    }
    storm.more(20);
    let outcome = storm.finish();
    record(
        "garbage",
        KINDS.len() * rounds,
        &outcome,
        &json!({"kinds": KINDS}),
    );
    outcome.lost_nothing();
    program.stop();
}
