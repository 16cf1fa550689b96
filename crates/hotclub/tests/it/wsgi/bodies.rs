//! Requests' bodies: whole, by descriptor, chunked, late.

use std::time::Duration;

use crate::serve::{app, app_of, serve};

/// Answers with length and digest of the body, and with what its file is.
const DIGEST: &str = r#"
import hashlib, os

def application(environ, start_response):
    body = environ["wsgi.input"]
    digest, size = hashlib.sha256(), 0
    while True:
        piece = body.read(65536)
        if not piece:
            break
        digest.update(piece)
        size += len(piece)
    text = f"{size} {digest.hexdigest()} {environ.get('CONTENT_LENGTH')} {environ.get('wsgi.input_terminated')}"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [text.encode()]
"#;

/// Bytes that repeat nowhere near a buffer's length.
fn body(size: usize) -> Vec<u8> {
    (0u64..)
        .flat_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())
        .take(size)
        .collect()
}

fn digest(bytes: &[u8]) -> String {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut child = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .to_owned()
}

#[test]
fn bodies_of_every_size_arrive_whole() {
    let project = app_of(DIGEST);
    let program = serve("app", project.dir(), 2).serve();
    for size in [0, 1, 1000, 65_535, 65_536, 65_537, 1_000_000, 20_000_000] {
        let body = body(size);
        let answer = program.request("POST", "/", &[], &body).expect(200);
        assert_eq!(
            answer.text(),
            format!("{size} {} {size} True", digest(&body))
        );
    }
    program.stop();
}

#[test]
fn a_chunked_body_arrives_with_its_length() {
    let project = app_of(DIGEST);
    let program = serve("app", project.dir(), 1).serve();
    let body = body(200_000);
    let mut request = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(7000) {
        request.extend(format!("{:x}\r\n", chunk.len()).bytes());
        request.extend(chunk);
        request.extend(b"\r\n");
    }
    request.extend(b"0\r\n\r\n");
    let mut connection = program.connect();
    let answer = connection.ask(&request).unwrap().expect(200);
    assert_eq!(
        answer.text(),
        format!("200000 {} 200000 True", digest(&body))
    );
    // The connection is where it should be for the next request.
    connection
        .ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap()
        .expect(200);
    drop(connection);
    program.stop();
}

#[test]
fn a_slow_upload_holds_no_worker() {
    let project = app_of(DIGEST);
    let program = serve("app", project.dir(), 1).serve();
    let mut slow = program.connect();
    slow.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n")
        .unwrap();
    slow.send_slowly(b"0123456789", 1, Duration::from_millis(5))
        .unwrap();
    // The only worker is free meanwhile.
    program.get("/").expect(200);
    slow.send_slowly(b"0123456789", 1, Duration::from_millis(5))
        .unwrap();
    let answer = slow.read("POST").unwrap().expect(200);
    assert!(answer.text().starts_with("20 "), "{}", answer.text());
    drop(slow);
    program.stop();
}

#[test]
fn expect_continue_is_answered_before_the_body_is_sent() {
    let project = app_of(DIGEST);
    let program = serve("app", project.dir(), 1).serve();
    let mut connection = program.connect();
    connection
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        .unwrap();
    assert_eq!(connection.read_head("POST").unwrap().status, 100);
    connection.send("12345").unwrap();
    let answer = connection.read("POST").unwrap().expect(200);
    assert!(answer.text().starts_with("5 "), "{}", answer.text());
    drop(connection);
    program.stop();
}

#[test]
fn a_client_that_leaves_amid_its_upload_reaches_no_app() {
    let project = app_of("def application(e, s):\n    raise SystemError('called')\n");
    let program = serve("app", project.dir(), 1).serve();
    let mut connection = program.connect();
    connection
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n")
        .unwrap();
    connection.send(body(200_000)).unwrap();
    drop(connection);
    program.stop();
}

#[test]
fn every_way_of_reading_gives_what_a_file_would_give() {
    let program = app("input_ways").serve();
    for (way, expected) in [
        ("read", r"b'one\ntwo\nthree'"),
        ("read-size", r"[b'one\n', b'two\n', b'three']"),
        ("readline", r"[b'one\n', b'two\n', b'three']"),
        ("readlines", r"[b'one\n', b'two\n', b'three']"),
        ("iter", r"[b'one\n', b'two\n', b'three']"),
        ("unread", "None"),
    ] {
        let answer = program
            .request("POST", &format!("/{way}"), &[], b"one\ntwo\nthree")
            .expect(200);
        assert_eq!(answer.text(), expected, "{way}");
    }
    program.stop();
}
