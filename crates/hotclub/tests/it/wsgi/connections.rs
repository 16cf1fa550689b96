//! Connections that carry several requests, and those that break the rules.

use crate::serve::{app, app_of, serve};

const ECHO_PATH: &str =
    "def application(e, s):\n    s('200 OK', [])\n    return [e['PATH_INFO'].encode('latin-1')]\n";

#[test]
fn a_connection_is_kept_for_many_requests() {
    let program = app("hello").serve();
    let mut connection = program.connect();
    for _ in 0..200 {
        let answer = connection
            .ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap()
            .expect(200);
        assert!(answer.keeps_alive());
    }
    drop(connection);
    program.stop();
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let project = app_of(ECHO_PATH);
    let program = serve("app", project.dir(), 2).serve();
    let mut connection = program.connect();
    let requests: String = (0..50)
        .map(|n| format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n"))
        .collect();
    connection.send(requests).unwrap();
    for n in 0..50 {
        assert_eq!(
            connection.read("GET").unwrap().expect(200).text(),
            format!("/{n}")
        );
    }
    drop(connection);
    program.stop();
}

#[test]
fn a_request_that_comes_byte_by_byte_is_understood() {
    let project = app_of(ECHO_PATH);
    let program = serve("app", project.dir(), 1).serve();
    let mut connection = program.connect();
    let pause = std::time::Duration::from_micros(200);
    connection
        .send_slowly(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n", 1, pause)
        .unwrap();
    assert_eq!(connection.read("GET").unwrap().expect(200).text(), "/slow");
    drop(connection);
    program.stop();
}

#[test]
fn connection_close_closes() {
    let program = app("hello").serve();
    let mut connection = program.connect();
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = connection.ask(request).unwrap().expect(200);
    assert!(!answer.keeps_alive(), "{:?}", answer.headers);
    assert!(connection.is_closed());
    program.stop();
}

/// None of these may reach the app, nor may what follows them on the connection.
#[test]
fn malformed_requests_are_refused_and_nothing_after_them_is_read() {
    let project = app_of(
        "import sys\ndef application(e, s):\n    print('REACHED', e['PATH_INFO'], file=sys.stderr)\n    s('200 OK', [])\n    return [b'reached']\n",
    );
    let program = serve("app", project.dir(), 1).serve();
    let bad: &[&[u8]] = &[
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n12345",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n123456",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\n12345\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123456\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\n12345\r\n0\r\n\r\n",
        b"GET / HTTP/3.7\r\nHost: a\r\n\r\n",
    ];
    for request in bad {
        let text = String::from_utf8_lossy(request);
        let mut connection = program.connect();
        let smuggled = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
        connection.send([*request, smuggled].concat()).unwrap();
        let answer = connection
            .read("GET")
            .unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert!(
            matches!(answer.status, 400 | 411 | 501 | 505),
            "{text:?}: {answer:?}"
        );
        assert!(!answer.keeps_alive(), "{text:?}: {:?}", answer.headers);
        assert!(connection.is_closed(), "{text:?}: more came");
    }
    program.get("/fine").expect(200);
    program.says("REACHED /fine");
    assert_eq!(
        program.stderr.text().matches("REACHED").count(),
        1,
        "{}",
        program.stderr.text()
    );
    program.stop();
}

#[test]
fn heads_beyond_the_limits_are_refused() {
    let program = app("hello").serve();
    let mut connection = program.connect();
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(200_000));
    // It may be answered, and closed, before all of it was sent.
    let _ = connection.send(long);
    if let Ok(answer) = connection.read("GET") {
        assert!(
            matches!(answer.status, 400 | 413 | 414 | 431),
            "{}",
            answer.status
        );
    }
    let mut connection = program.connect();
    let fields: String = (0..1000).map(|n| format!("X-{n}: a\r\n")).collect();
    let _ = connection.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    assert!(matches!(connection.read("GET").unwrap().status, 400 | 431));
    program.get("/").expect(200);
    program.stop();
}
