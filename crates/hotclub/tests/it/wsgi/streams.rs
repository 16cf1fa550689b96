//! Answers that come piece by piece, and clients that do not wait for their end.

use hotclub_testkit::{Framing, Gate, until};

use crate::serve::app;

#[test]
fn parts_are_sent_when_the_app_yields_them() {
    let gate = Gate::new();
    let program = app("stream").serve();
    let mut connection = program.connect();
    let target = gate.path().display();
    connection
        .send(format!("GET /?{target} HTTP/1.1\r\nHost: a\r\n\r\n"))
        .unwrap();
    let head = connection.read_head("GET").unwrap().expect(200);
    assert_eq!(head.framing, Framing::Chunked);
    assert_eq!(connection.read_chunk().unwrap().unwrap(), b"first");
    // The second part is not there before the gate is open.
    gate.open();
    assert_eq!(connection.read_chunk().unwrap().unwrap(), b"second");
    assert_eq!(connection.read_chunk().unwrap(), None);
    drop(connection);
    program.stop();
}

#[test]
fn a_client_that_leaves_ends_the_iteration_and_close_is_called() {
    let program = app("close_counted").args(["--workers", "1"]).serve();
    let mut connection = program.connect();
    connection
        .send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    connection.read_head("GET").unwrap().expect(200);
    connection.read_chunk().unwrap().unwrap();
    drop(connection);
    // The only worker answers, so it has left the endless app.
    until("close() to be called", || {
        (program.get("/count").expect(200).text() == "1").then_some(())
    });
    program.stop();
}

#[test]
fn close_is_called_once_for_every_kind_of_end() {
    let program = app("close_counted")
        .args(["--workers", "1"])
        .allow("Traceback ")
        .serve();
    let mut calls = 0;
    for path in ["/whole", "/empty", "/first", "/second"] {
        let _ = program
            .connect()
            .ask(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        calls += 1;
        assert_eq!(program.get("/count").text(), calls.to_string(), "{path}");
    }
    let _ = program
        .connect()
        .ask("HEAD /whole HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(program.get("/count").text(), (calls + 1).to_string());
    program.stop();
}
