//! Requests and their answers.

use hotclub_testkit::{Gate, asking, code, get, until};

use super::{TELLS, connect, h2c};
use crate::serve::serve;

#[test]
fn a_request_reaches_the_app_as_one_of_http_1_would() {
    let (_project, launch) = h2c(TELLS, 1);
    let program = launch.args(["--access-logfile", "-"]).serve();
    let mut client = connect(&program);
    let mut fields = get("example.com:8000", "/a%20b?c=d").to_vec();
    fields.extend([
        ("user-agent", "test"),
        ("cookie", "a=1"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x_real_ip", "1.2.3.4"),
        ("cookie", "b=2"),
        ("te", "trailers"),
        ("accept", "x"),
        ("accept", "y"),
    ]);
    client.ask(1, &fields, true).unwrap();
    let answer = client.answer(1).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.field("content-type"), Some("text/plain"));
    assert!(answer.field("date").is_some());
    assert_eq!(
        answer.field("content-length").map(str::to_owned),
        Some(answer.body.len().to_string())
    );
    let text = answer.text();
    for line in [
        "REQUEST_METHOD: GET",
        "SERVER_PROTOCOL: HTTP/2.0",
        "PATH_INFO: /a b",
        "QUERY_STRING: c=d",
        "RAW_URI: /a%20b?c=d",
        "HTTP_HOST: example.com:8000",
        "SERVER_NAME: example.com",
        "SERVER_PORT: 8000",
        "HTTP_COOKIE: a=1; b=2",
        "HTTP_ACCEPT: x,y",
        "HTTP_X_FORWARDED_FOR: 127.0.0.1",
        "HTTP_X_REAL_IP: 127.0.0.1",
        "REMOTE_ADDR: 127.0.0.1",
    ] {
        assert!(text.contains(&format!("{line}\n")), "{line} in {text}");
    }
    assert!(!text.contains("HTTP_TE"), "{text}");
    assert!(!text.contains("CONTENT_LENGTH"), "{text}");
    drop(client);
    let line = "\"GET /a%20b?c=d HTTP/2.0\" 200";
    until("the log's line", || {
        program.stdout.text().contains(line).then_some(())
    });
    program.stop();
}

#[test]
fn a_body_is_complete_before_the_app_is_asked() {
    let (_project, launch) = h2c(TELLS, 1);
    let program = launch.serve();
    let mut client = connect(&program);
    // Beyond what stays in memory, and beyond the windows.
    let body: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    client.ask(1, &asking("POST", "a", "/"), false).unwrap();
    // Another request on the same connection does not wait for it.
    client.ask(3, &get("a", "/other"), true).unwrap();
    assert_eq!(client.answer(3).unwrap().status, 200);
    client.upload(1, &body).unwrap();
    let answer = client.answer(1).unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("x-length"), Some("3000000"));
    assert!(answer.body.ends_with(&body));
    assert!(answer.text().contains("CONTENT_LENGTH: 3000000\n"));

    let mut fields = asking("POST", "a", "/").to_vec();
    fields.push(("content-length", "0"));
    client.ask(5, &fields, true).unwrap();
    assert!(
        client
            .answer(5)
            .unwrap()
            .text()
            .contains("CONTENT_LENGTH: 0\n")
    );

    // Trailers are read and not passed on.
    client.ask(7, &asking("POST", "a", "/"), false).unwrap();
    client.data(7, b"hello", false).unwrap();
    client.ask(7, &[("x-trailer", "t")], true).unwrap();
    let answer = client.answer(7).unwrap();
    assert!(answer.text().ends_with("\n\nhello"), "{answer:?}");
    assert!(!answer.text().contains("TRAILER"), "{answer:?}");
    drop(client);
    program.stop();
}

#[test]
fn bodies_that_are_too_large_are_413_and_the_connection_goes_on() {
    let (_project, launch) = h2c(TELLS, 1);
    let program = launch.args(["--limit", "max_body=100KiB"]).serve();
    let mut client = connect(&program);
    let mut fields = asking("POST", "a", "/").to_vec();
    fields.push(("content-length", "200000"));
    client.ask(1, &fields, false).unwrap();
    let answer = client.answer(1).unwrap();
    assert_eq!((answer.status, answer.complete), (413, true));
    assert!(answer.text().contains("larger than 102400 bytes"));
    client.ask(3, &asking("POST", "a", "/"), false).unwrap();
    client.data(3, &[0; 16384], false).unwrap();
    for _ in 0..7 {
        client.data(3, &[0; 16384], false).unwrap();
    }
    let answer = client.answer(3).unwrap();
    assert_eq!((answer.status, answer.complete), (413, true), "{answer:?}");
    client.ask(5, &get("a", "/"), true).unwrap();
    assert_eq!(client.answer(5).unwrap().status, 200);
    drop(client);
    program.stop();
}

#[test]
fn heads_have_no_body_and_an_expectation_is_met() {
    let (_project, launch) = h2c(TELLS, 1);
    let program = launch.serve();
    let mut client = connect(&program);
    client.ask(1, &asking("HEAD", "a", "/"), true).unwrap();
    let answer = client.answer(1).unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert!(answer.complete);
    let mut fields = asking("POST", "a", "/").to_vec();
    fields.push(("expect", "100-continue"));
    client.ask(3, &fields, false).unwrap();
    let frame = client.next_head(3).unwrap();
    assert_eq!(frame, [(":status".to_owned(), "100".to_owned())]);
    client.data(3, b"now", true).unwrap();
    assert!(client.answer(3).unwrap().text().ends_with("now"));
    drop(client);
    program.stop();
}

const STREAMS: &str = r#"
import sys, time

class Endless:
    def __iter__(self):
        return self
    def __next__(self):
        time.sleep(0.01)
        return b"x" * 1000
    def close(self):
        print("CLOSED", file=sys.stderr, flush=True)

def application(environ, start_response):
    start_response("200 OK", [])
    if environ["PATH_INFO"] == "/endless":
        return Endless()
    if environ["PATH_INFO"] == "/breaks":
        return iter_and_fail(environ["QUERY_STRING"])
    return [b"a" * 100000, b"b" * 100000]

def iter_and_fail(gate):
    yield b"begun"
    open(gate).close()
    raise RuntimeError("it broke off")
"#;

#[test]
fn a_client_that_takes_its_request_back_ends_the_apps_iterator() {
    let (_project, launch) = h2c(STREAMS, 1);
    let program = launch.serve();
    let mut client = connect(&program);
    client.ask(1, &get("a", "/endless"), true).unwrap();
    client.next_data(1).unwrap();
    client.reset(1, code::CANCEL).unwrap();
    program.says("CLOSED");
    // The only worker is free, and so is the connection.
    client.ask(3, &get("a", "/"), true).unwrap();
    let answer = client.answer(3).unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, 200_000));
    drop(client);
    program.stop();
}

#[test]
fn an_answer_that_breaks_off_is_reset_and_others_go_on() {
    let (_project, launch) = h2c(STREAMS, 1);
    let program = launch.allow("Traceback").serve();
    let mut client = connect(&program);
    // What was not sent yet goes with the reset: the app fails when its beginning has arrived.
    let gate = Gate::new();
    let breaks = format!("/breaks?{}", gate.path().display());
    client.ask(1, &get("a", &breaks), true).unwrap();
    let head = client.next_head(1).unwrap();
    assert_eq!(head[0], (":status".to_owned(), "200".to_owned()));
    assert_eq!(client.next_data(1).unwrap(), b"begun");
    gate.open();
    let answer = client.answer(1).unwrap();
    assert!(!answer.complete && answer.ended_by.is_some(), "{answer:?}");
    client.ask(3, &get("a", "/"), true).unwrap();
    assert!(client.answer(3).unwrap().complete);
    drop(client);
    program.stop();
}

#[test]
fn http_1_is_spoken_beside_it_and_without_the_option_alone() {
    let (project, launch) = h2c(TELLS, 1);
    let program = launch.serve();
    assert_eq!(program.get("/").expect(200).status, 200);
    let mut plain = program.connect();
    let upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n\
                   Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n";
    let answer = plain.ask(upgrade).unwrap().expect(200);
    assert!(answer.text().contains("SERVER_PROTOCOL: HTTP/1.1"));
    drop(plain);
    // What begins like the preface and is something else is HTTP/1.
    let mut plain = program.connect();
    let answer = plain.ask("PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(answer.expect(200).status, 200);
    drop(plain);
    program.stop();
    let program = serve("app", project.dir(), 1).serve();
    let mut client = connect(&program);
    client.ask(1, &get("a", "/"), true).unwrap();
    assert_eq!(client.answer(1).map_or(0, |answer| answer.status), 0);
    drop(client);
    program.stop();
}
