//! Valid requests get what RFC 9110 and 9112 say, and slow or leaving clients cost nothing.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::support::{read_response, read_to_end, serve, until};

const HELLO: &str = "GET /static/hello.txt HTTP/1.1\r\nHost: example.com\r\n\r\n";

#[test]
fn requests_are_answered_one_after_another_on_one_connection() {
    let served = serve(|_| {});
    let mut stream = served.connect();
    for _ in 0..3 {
        stream.write_all(HELLO.as_bytes()).unwrap();
        let (head, body) = read_response(&mut stream);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("\r\nDate: "), "{head}");
        assert!(
            !head.contains("Connection:") && !head.contains("Server:"),
            "{head}"
        );
        assert_eq!(body, b"hello\n");
    }
    drop(stream);
    let log = served.log();
    assert_eq!(log.len(), 3);
    assert!(
        log[0].contains("\"GET /static/hello.txt HTTP/1.1\" 200 6 \"-\" \"-\""),
        "{}",
        log[0]
    );
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let served = serve(|_| {});
    let missing = "GET /missing HTTP/1.1\r\nHost: example.com\r\n\r\n";
    let last = "GET /static/hello.txt HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n";
    let answer = served.ask(format!("{HELLO}{missing}{HELLO}{last}").as_bytes());
    let statuses: Vec<_> = answer
        .match_indices("HTTP/1.1 ")
        .map(|(at, _)| &answer[at + 9..at + 12])
        .collect();
    assert_eq!(statuses, ["200", "404", "200", "200"]);
    assert!(answer.contains("\r\nConnection: close\r\n"));
}

#[test]
fn it_makes_no_difference_how_a_request_was_split() {
    let served = serve(|_| {});
    for at in 1..HELLO.len() {
        let mut stream = served.connect();
        stream.write_all(&HELLO.as_bytes()[..at]).unwrap();
        stream.write_all(&HELLO.as_bytes()[at..]).unwrap();
        assert_eq!(read_response(&mut stream).1, b"hello\n", "{at}");
    }
}

#[test]
fn a_body_nobody_wants_is_skipped_or_ends_the_connection() {
    let served = serve(|limits| limits.linger_time = Duration::from_millis(300));
    let with = |framing: &str, body: &str| {
        format!("POST /missing HTTP/1.1\r\nHost: example.com\r\n{framing}\r\n\r\n{body}{HELLO}")
    };
    for request in [
        with("Content-Length: 5", "hello"),
        with(
            "Transfer-Encoding: chunked",
            "5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n",
        ),
    ] {
        let mut stream = served.connect();
        stream.write_all(request.as_bytes()).unwrap();
        assert!(
            read_response(&mut stream).0.starts_with("HTTP/1.1 404 "),
            "{request}"
        );
        assert_eq!(read_response(&mut stream).1, b"hello\n");
    }
    for request in [
        with("Content-Length: 100000", &"x".repeat(100_000)),
        with("Transfer-Encoding: chunked", "5\nhello\r\n0\r\n\r\n"),
        with("Transfer-Encoding: chunked", "+5\r\nhello\r\n0\r\n\r\n"),
        with("Transfer-Encoding: chunked", "0\r\nHost: x\r\n\r\n"),
        with("Expect: 100-continue\r\nContent-Length: 5", ""),
    ] {
        let answer = served.ask(request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    }
}

#[test]
fn http_1_0_closes_unless_asked_not_to() {
    let served = serve(|_| {});
    let answer = served.ask(b"GET /static/hello.txt HTTP/1.0\r\nHost: example.com\r\n\r\n");
    assert!(answer.contains("\r\nConnection: close\r\n") && answer.ends_with("hello\n"));
    let mut stream = served.connect();
    for _ in 0..2 {
        let request = b"GET /static/hello.txt HTTP/1.0\r\nHost: example.com\r\nConnection: keep-alive\r\n\r\n";
        stream.write_all(request).unwrap();
        let (head, _) = read_response(&mut stream);
        assert!(head.contains("\r\nConnection: keep-alive\r\n"), "{head}");
    }
}

#[test]
fn head_has_the_fields_of_get_and_no_body() {
    let served = serve(|_| {});
    let answer = served.ask(
        b"HEAD /static/hello.txt HTTP/1.1\r\nHost: example.com\r\n\r\n\
          HEAD /missing HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n",
    );
    assert!(answer.contains("\r\nContent-Length: 6\r\n"), "{answer}");
    assert!(answer.contains("HTTP/1.1 404 Not Found\r\n") && answer.ends_with("\r\n\r\n"));
    assert!(!answer.contains("<h1>"));
}

#[test]
fn hosts_and_methods_find_what_they_name() {
    let served = serve(|_| {});
    for (request, status) in [
        (
            "GET /static/hello.txt HTTP/1.1\r\nHost: EXAMPLE.com:8000\r\n",
            "200",
        ),
        (
            "GET http://example.com/static/hello.txt HTTP/1.1\r\nHost: example.com\r\n",
            "200",
        ),
        (
            "GET /static/hello.txt HTTP/1.1\r\nHost: example.com.\r\n",
            "200",
        ),
        (
            "GET /static/hello.txt HTTP/1.1\r\nHost: other.example\r\n",
            "421",
        ),
        ("GET /static/hello.txt HTTP/1.0\r\n", "404"),
        ("OPTIONS * HTTP/1.1\r\nHost: example.com\r\n", "204"),
        ("TRACE / HTTP/1.1\r\nHost: example.com\r\n", "405"),
        (
            "POST /static/hello.txt HTTP/1.1\r\nHost: example.com\r\nContent-Length: 0\r\n",
            "405",
        ),
        (
            "GET /static%2Fhello.txt HTTP/1.1\r\nHost: example.com\r\n",
            "404",
        ),
        ("GET /static HTTP/1.1\r\nHost: example.com\r\n", "404"),
        ("GET /static../x HTTP/1.1\r\nHost: example.com\r\n", "404"),
    ] {
        let answer = served.ask(format!("{request}Connection: close\r\n\r\n").as_bytes());
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request}: {answer}"
        );
    }
}

#[test]
fn a_large_file_arrives_whole() {
    let served = serve(|_| {});
    let mut stream = served.connect();
    stream
        .write_all(b"GET /static/large.bin HTTP/1.1\r\nHost: example.com\r\n\r\n")
        .unwrap();
    let (_, body) = read_response(&mut stream);
    assert_eq!(body.len(), 5_000_000);
    assert!(
        body.iter()
            .enumerate()
            .all(|(at, b)| *b == (at % 251) as u8)
    );
}

#[test]
fn slow_heads_idle_connections_and_slow_readers_are_ended() {
    let served = serve(|limits| {
        limits.head_time = Duration::from_millis(300);
        limits.idle_time = Duration::from_millis(300);
        limits.idle_time = Duration::from_millis(300);
        limits.linger_time = Duration::from_millis(300);
    });
    let began = Instant::now();
    let mut silent = served.connect();
    let mut slow = served.connect();
    slow.write_all(b"GET / HTTP/1.1\r\nHo").unwrap();
    let mut idle = served.connect();
    idle.write_all(HELLO.as_bytes()).unwrap();
    let mut reader = served.connect();
    let many = "GET /static/large.bin HTTP/1.1\r\nHost: example.com\r\n\r\n".repeat(20);
    reader.write_all(many.as_bytes()).unwrap();
    assert_eq!(read_to_end(&mut silent), "");
    assert!(read_to_end(&mut slow).starts_with("HTTP/1.1 408 "));
    assert!(read_to_end(&mut idle).ends_with("hello\n"));
    until("a reader that does not read stays", || {
        served.front.connections() == 0
    });
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_drain_ends_idle_connections_and_lets_requests_finish() {
    let served = serve(|_| {});
    let mut idle = served.connect();
    idle.write_all(HELLO.as_bytes()).unwrap();
    read_response(&mut idle);
    let mut busy = served.connect();
    busy.write_all(b"GET /static/hello.txt HTTP/1.1\r\nHo")
        .unwrap();
    until("both are there", || served.front.connections() == 2);
    served.front.stop_accepting();
    let front = &served.front;
    std::thread::scope(|scope| {
        let drained = scope.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime
                .unwrap()
                .block_on(front.drain(Instant::now() + Duration::from_secs(20)));
        });
        assert_eq!(read_to_end(&mut idle), "");
        busy.write_all(b"st: example.com\r\n\r\n").unwrap();
        let answer = read_to_end(&mut busy);
        assert!(
            answer.ends_with("hello\n") && answer.contains("Connection: close"),
            "{answer}"
        );
        drained.join().unwrap();
    });
    assert_eq!(served.front.connections(), 0);
}

#[test]
fn a_unix_socket_serves_too() {
    let served = serve(|_| {});
    let path = served.folder.path().join("front.sock");
    let address = hotclub_front::Address::Unix(path.clone());
    let listener = hotclub_front::Listener::bind(&address).unwrap();
    served.front.accept(&std::sync::Arc::new(listener));
    let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
    let request = HELLO.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert!(answer.ends_with("hello\n"), "{answer}");
}
