//! `--proxy-protocol`: the client is whom the proxy names, and who is no proxy is not served.

use std::time::Duration;

use hotclub_testkit::{Program, until};

use super::{app_of, serve};

const APP: &str = r#"
import sys

def application(environ, start_response):
    print("REACHED", environ["PATH_INFO"], file=sys.stderr, flush=True)
    start_response("200 OK", [("Content-Type", "text/plain")])
    names = ["REMOTE_ADDR", "REMOTE_PORT", "HTTP_X_FORWARDED_FOR", "wsgi.url_scheme"]
    return [" ".join(str(environ.get(name)) for name in names).encode()]
"#;

const LINE: &str = "PROXY TCP4 203.0.113.9 198.51.100.7 56324 443\r\n";
const REQUEST: &str = "GET /a HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\n\
                       X-Forwarded-Proto: https\r\n\r\n";

fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let signature = b"\r\n\r\n\0\r\nQUIT\n";
    let len = (rest.len() as u16).to_be_bytes();
    [&signature[..], &[command, family], &len, rest].concat()
}

fn proxied(trusted: &str, more: &[&str]) -> (hotclub_testkit::Project, Program) {
    let project = app_of(APP);
    let program = serve("app", project.dir(), 1)
        .args(["--proxy-protocol", "--forwarded-allow-ips", trusted])
        .args(["--access-logfile", "-", "--limit", "header_timeout=2s"])
        .args(more)
        .serve();
    (project, program)
}

fn ask(program: &Program, header: &[u8]) -> String {
    let mut connection = program.connect();
    let answer = connection.ask_behind(header, REQUEST).unwrap().expect(200);
    answer.text().to_owned()
}

#[test]
fn the_client_is_whom_the_proxy_names() {
    let (_project, program) = proxied("127.0.0.1", &["--h2c"]);
    let client = "203.0.113.9 56324 203.0.113.9 http";
    assert_eq!(ask(&program, LINE.as_bytes()), client);
    let four = [203, 0, 113, 9, 198, 51, 100, 7, 0xdc, 0x04, 1, 0xbb];
    assert_eq!(ask(&program, &binary(0x21, 0x11, &four)), client);
    let with_fields = [&four[..], &[0x20; 1000]].concat();
    assert_eq!(ask(&program, &binary(0x21, 0x11, &with_fields)), client);
    let six = "PROXY TCP6 2001:db8::1 ::1 1 2\r\n";
    let client = "2001:db8::1 1 2001:db8::1 http";
    assert_eq!(ask(&program, six.as_bytes()), client);
    // The proxy itself: it is trusted to tell of others.
    let proxy = "1.2.3.4 None 1.2.3.4, 127.0.0.1 https";
    assert_eq!(ask(&program, b"PROXY UNKNOWN\r\n"), proxy);
    assert_eq!(ask(&program, &binary(0x20, 0, &[])), proxy);
    // Byte by byte, and with HTTP/2 behind it.
    let mut slow = program.connect();
    let pause = Duration::from_micros(200);
    slow.send_slowly(LINE.as_bytes(), 1, pause).unwrap();
    assert_eq!(slow.ask(REQUEST).unwrap().expect(200).status, 200);
    drop(slow);
    let mut client = hotclub_testkit::Frames::connect_behind(program.address(), LINE.as_bytes());
    client
        .ask(1, &hotclub_testkit::get("a", "/"), true)
        .unwrap();
    assert!(
        client
            .answer(1)
            .unwrap()
            .text()
            .starts_with("203.0.113.9 56324 ")
    );
    drop(client);
    until("the log's lines", || {
        let log = program.stdout.text();
        (log.matches("203.0.113.9 - - ").count() == 5).then_some(())
    });
    program.stop();
}

#[test]
fn without_a_good_header_nothing_reaches_the_app() {
    let (_project, program) = proxied("127.0.0.1", &[]);
    let overlong = format!("PROXY UNKNOWN {}\r\n", "x".repeat(100));
    let bad: [&[u8]; 9] = [
        b"",
        b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PROXY TCP4 203.0.113.9 198.51.100.7 56324\r\n",
        b"PROXY TCP4 203.0.113.9 198.51.100.7 56324 443\n",
        b"PROXY TCP5 203.0.113.9 198.51.100.7 56324 443\r\n",
        overlong.as_bytes(),
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c123456789012",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x04abcd",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
    ];
    for header in bad {
        let mut connection = program.connect();
        // It may be closed before all was sent.
        let _ = connection.send([header, REQUEST.as_bytes()].concat());
        assert_eq!(connection.read_to_end().unwrap(), b"", "{header:?}");
    }
    // Twice is once too often: the second is no request.
    let mut connection = program.connect();
    connection.send(format!("{LINE}{LINE}{REQUEST}")).unwrap();
    assert_eq!(connection.read("GET").unwrap().status, 400);
    drop(connection);
    // A header that does not come is not waited for.
    for half in ["PROXY TCP4 203", "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c1234"] {
        let mut connection = program.connect();
        connection.send(half).unwrap();
        assert!(connection.is_closed(), "{half:?}");
    }
    assert!(!program.stderr.text().contains("REACHED"));
    program.says("connections closed at once, the last because");
    program.stop();
}

#[test]
fn who_is_no_trusted_proxy_is_closed() {
    let (_project, program) = proxied("10.0.0.0/8", &[]);
    let mut connection = program.connect();
    let _ = connection.send(format!("{LINE}{REQUEST}"));
    assert_eq!(connection.read_to_end().unwrap(), b"");
    program.says("not from a trusted proxy");
    assert!(!program.stderr.text().contains("REACHED"));
    program.stop();
}

#[test]
fn places_are_counted_for_whom_the_proxy_names() {
    let limit = ["--limit", "max_connections_per_address=2"];
    let (_project, program) = proxied("127.0.0.1", &limit);
    let mut two: Vec<_> = (0..2).map(|_| program.connect()).collect();
    for connection in &mut two {
        connection
            .ask_behind(LINE.as_bytes(), REQUEST)
            .unwrap()
            .expect(200);
    }
    let mut third = program.connect();
    let _ = third.send(format!("{LINE}{REQUEST}"));
    assert_eq!(third.read_to_end().unwrap(), b"");
    let other = "PROXY TCP4 203.0.113.10 198.51.100.7 56324 443\r\n";
    ask(&program, other.as_bytes());
    drop(two);
    until("a place to be free", || {
        let mut again = program.connect();
        again.ask_behind(LINE.as_bytes(), REQUEST).ok()
    });
    program.stop();
}

#[test]
fn a_server_that_would_serve_nobody_does_not_start() {
    let project = app_of(APP);
    serve("app", project.dir(), 1)
        .arg("--proxy-protocol")
        .fail()
        .says("no proxy is trusted")
        .says("--forwarded-allow-ips");
}
