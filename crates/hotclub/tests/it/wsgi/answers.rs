//! What becomes of an app's answer.

use hotclub_testkit::{Framing, Raw};

use crate::serve::app;

fn ask(connection: &mut Raw, method: &str, path: &str) -> hotclub_testkit::Response {
    connection
        .ask(format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
        .unwrap()
}

#[test]
fn an_answer_with_its_length_has_it_and_one_without_is_complete_too() {
    let program = app("hello").serve();
    let mut connection = program.connect();
    let answer = ask(&mut connection, "GET", "/").expect(200);
    assert_eq!(
        (answer.framing, answer.text()),
        (Framing::Length, "hello\n")
    );
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    assert!(answer.header("date").is_some());
    drop(connection);
    program.stop();

    let program = app("list_without_length").serve();
    let mut connection = program.connect();
    let answer = ask(&mut connection, "GET", "/").expect(200);
    assert!(answer.complete && answer.keeps_alive());
    assert!(!answer.body.is_empty());
    drop(connection);
    program.stop();
}

#[test]
fn head_has_the_gets_head_and_no_body() {
    let program = app("hello").serve();
    let mut connection = program.connect();
    let get = ask(&mut connection, "GET", "/");
    let head = ask(&mut connection, "HEAD", "/").expect(200);
    assert_eq!(head.length(), get.length());
    assert_eq!(head.framing, Framing::None);
    // Were there a body, it would be taken for the next answer's head.
    ask(&mut connection, "GET", "/").expect(200);
    drop(connection);
    program.stop();

    let program = app("body_for_head").serve();
    let mut connection = program.connect();
    ask(&mut connection, "HEAD", "/").expect(200);
    ask(&mut connection, "HEAD", "/").expect(200);
    drop(connection);
    program.stop();
}

#[test]
fn http_1_0_gets_no_chunks_and_its_connection_is_closed() {
    for name in ["hello", "hello_stream"] {
        let program = app(name).serve();
        let mut connection = program.connect();
        let answer = connection
            .ask("GET / HTTP/1.0\r\n\r\n")
            .unwrap()
            .expect(200);
        assert_ne!(answer.framing, Framing::Chunked, "{name}");
        assert_eq!(answer.header("transfer-encoding"), None);
        assert!(!answer.body.is_empty());
        assert!(connection.is_closed(), "{name}");
        program.stop();
    }
}

#[test]
fn http_1_0_may_keep_a_connection_when_it_asks() {
    let program = app("hello").serve();
    let mut connection = program.connect();
    for _ in 0..2 {
        let request = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
        let answer = connection.ask(request).unwrap().expect(200);
        assert!(answer.keeps_alive(), "{:?}", answer.headers);
    }
    drop(connection);
    program.stop();
}

#[test]
fn statuses_without_a_body_have_none() {
    let program = app("without_body").serve();
    let mut connection = program.connect();
    for status in [204, 304] {
        let answer = ask(&mut connection, "GET", &format!("/{status}")).expect(status);
        assert_eq!(answer.header("transfer-encoding"), None, "{status}");
        if status == 204 {
            assert_eq!(answer.header("content-length"), None);
        }
        assert!(answer.keeps_alive());
    }
    drop(connection);
    program.stop();
}

#[test]
fn an_error_before_the_head_is_a_500_that_tells_nothing() {
    for name in [
        "app_raises",
        "start_never",
        "start_twice",
        "returns_none",
        "str_body",
    ] {
        let program = app(name).allow("Traceback ").serve();
        let answer = program.get("/").expect(500);
        assert!(
            !answer.text().contains("Traceback"),
            "{name}: {}",
            answer.text()
        );
        program.says("Traceback");
        program.stop();
    }
}

#[test]
fn an_error_after_the_head_cuts_the_answer_so_that_the_client_can_tell() {
    let program = app("iterator_raises").allow("Traceback ").serve();
    for path in ["/", "/second", "/later"] {
        let Ok(answer) = program
            .connect()
            .ask(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
        else {
            continue;
        };
        assert!(
            answer.status == 500 || !answer.complete,
            "{path}: {answer:?}"
        );
    }
    program.stop();

    let program = app("exc_info_after_head").allow("Traceback ").serve();
    // A reset may overtake what was sent before it.
    if let Ok(answer) = program.connect().ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n") {
        assert!(!answer.complete, "{answer:?}");
        assert!("begun".starts_with(answer.text()), "{answer:?}");
    }
    program.says("raised again");
    program.stop();
}

#[test]
fn exc_info_replaces_a_head_that_was_not_sent() {
    let program = app("exc_info_before_head").serve();
    let answer = program.get("/").expect(503);
    assert_eq!((answer.text(), answer.header("x-first")), ("sorry", None));
    program.stop();
}

#[test]
fn the_imperative_write_comes_before_what_is_returned() {
    let program = app("write_callable").serve();
    let answer = program.get("/").expect(200);
    assert_eq!(answer.text(), "written, again, returned");
    program.stop();
}

#[test]
fn heads_that_would_split_a_response_are_refused() {
    let program = app("odd_heads").allow("Traceback ").serve();
    let mut connection = program.connect();
    for path in [
        "newline",
        "return",
        "nul",
        "escape",
        "newline-name",
        "space-name",
        "colon-name",
        "empty-name",
        "beyond-latin1",
        "reason-newline",
        "status-number",
        "status-short",
        "status-word",
        "length-word",
        "length-sign",
        "two-lengths",
    ] {
        let answer = ask(&mut connection, "GET", &format!("/{path}")).expect(500);
        for name in ["x-bad", "x-more", "set-cookie"] {
            assert_eq!(answer.header(name), None, "{path}");
        }
        if !answer.keeps_alive() {
            connection = program.connect();
        }
    }
    drop(connection);
    program.stop();
}

#[test]
fn unusual_heads_that_are_right_arrive() {
    let program = app("unusual_heads").serve();
    let latin = program.get("/latin1").expect(200);
    assert_eq!(latin.header("x-name"), Some("caf\u{e9}"));
    assert_eq!(latin.header("x-tab"), Some("a\tb"));
    assert_eq!(latin.header("x-empty"), Some(""));
    assert_eq!(
        program
            .get("/twice")
            .expect(200)
            .headers_named("set-cookie"),
        ["a=1", "b=2"]
    );
    assert_eq!(
        program.get("/same-length-twice").expect(200).length(),
        Some(4)
    );
    let hop = program.get("/hop-by-hop").expect(200);
    assert_eq!(hop.header("x-kept"), Some("yes"));
    assert_eq!(hop.text(), "body");
    program.get("/no-reason").expect(299);
    program.stop();
}

#[test]
fn a_body_that_is_not_as_long_as_promised_is_never_taken_for_a_whole_one() {
    let program = app("wrong_length").allow("Traceback ").serve();
    // Promised length, number of parts, their size.
    for path in [
        "/10/1/9/list",
        "/10/1/11/list",
        "/10/3/3/list",
        "/10/3/4/list",
        "/10/1/9/",
        "/10/3/4/",
        "/10/2/4/",
        "/10/2/5/",
    ] {
        let asked = program
            .connect()
            .ask(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let Ok(answer) = asked else { continue };
        if answer.status == 200 && answer.complete {
            assert_eq!(
                Some(answer.body.len()),
                answer.length(),
                "{path}: {answer:?}"
            );
        }
    }
    program.stop();
}
