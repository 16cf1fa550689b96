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
