//! What becomes of an upstream's answer.

use std::io::Write as _;

use super::{FINE, get, with};
use crate::backend::Backend;
use crate::support::{pass_on, read_response};

fn ask(answer: &str, request: &[u8]) -> String {
    let backend = Backend::saying_once(answer);
    pass_on(&[&backend], |_| {}).ask(request)
}

#[test]
fn an_answer_is_passed_on_however_it_is_framed() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nX-Sum: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nhello",
        "HTTP/1.0 200 OK\r\n\r\nhello",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ] {
        let got = ask(answer, &get("/"));
        let (head, body) = got.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{answer:?}: {got}");
        let is_chunked = head.contains("\r\nTransfer-Encoding: chunked");
        let body: String = match is_chunked {
            true => body
                .lines()
                .skip(1)
                .step_by(2)
                .filter(|l| !l.is_empty())
                .collect(),
            false => body.to_owned(),
        };
        assert_eq!(body, "hello", "{answer:?}: {got}");
        assert!(!got.contains("X-Sum") && !got.contains("Link:"), "{got}");
        assert_eq!(got.matches("HTTP/1.1 ").count(), 1, "{got}");
    }
}

#[test]
fn fields_go_on_but_for_those_of_the_connection() {
    let got = ask(
        "HTTP/1.1 302 Look There\r\nLocation: http://127.0.0.1:1/x\r\nSet-Cookie: a=b\r\nset-cookie: c=d\r\n\
         Connection: keep-alive, X-Hop, Content-Length\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nTrailer: X\r\n\
         Proxy-Authenticate: Basic\r\nDate: then\r\nContent-Length: 0\r\n\r\n",
        &get("/"),
    );
    assert!(got.starts_with("HTTP/1.1 302 Look There\r\n"), "{got}");
    for line in [
        "Location: http://127.0.0.1:1/x",
        "Set-Cookie: a=b",
        "set-cookie: c=d",
        "Date: then",
        "Content-Length: 0",
    ] {
        assert!(got.contains(&format!("\r\n{line}\r\n")), "{line}: {got}");
    }
    for name in ["X-Hop", "Keep-Alive", "Trailer", "Proxy-Authenticate"] {
        assert!(!got.contains(name), "{name}: {got}");
    }
    assert_eq!(got.matches("Date: ").count(), 1, "{got}");
}

#[test]
fn what_has_no_body_has_none_and_keeps_its_length() {
    let told = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n";
    let got = ask(told, &with("HEAD /", "", ""));
    assert!(
        got.contains("\r\nContent-Length: 7\r\n") && got.ends_with("\r\n\r\n"),
        "{got}"
    );
    let got = ask(
        "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 7\r\n\r\n",
        &get("/"),
    );
    assert!(
        got.contains("\r\nETag: \"x\"\r\n") && got.ends_with("\r\n\r\n"),
        "{got}"
    );
    let got = ask("HTTP/1.1 204 No Content\r\n\r\n", &get("/"));
    assert!(
        got.starts_with("HTTP/1.1 204 ") && !got.contains("Content-Length"),
        "{got}"
    );
}

#[test]
fn an_answer_that_could_be_read_in_two_ways_is_502() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(200));
    let large = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "b".repeat(100_000));
    let hop = format!("HTTP/1.1 200 OK\r\nConnection: {}\r\n\r\n", "a,".repeat(50));
    let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(50);
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA b: c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA : c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\x01c\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "hello",
        "",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        &many,
        &large,
        &hop,
        &interim,
    ] {
        let got = ask(answer, &get("/"));
        let shown = &answer[..answer.len().min(120)];
        assert!(
            got.starts_with("HTTP/1.1 502 Bad Gateway\r\n"),
            "{shown:?}: {got}"
        );
        assert!(got.contains("The site did not answer."), "{shown:?}: {got}");
        assert!(!got.contains("hello"), "{shown:?}: {got}");
    }
}

#[test]
fn an_answer_that_breaks_off_is_seen_to_break_off() {
    for (answer, whole) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", false),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nx\r\n",
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\nagain\r\n0\r\n\r\n",
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            true,
        ),
    ] {
        let got = ask(answer, &get("/"));
        // What is cut off at once may be cut off before its head.
        assert!(
            got.is_empty() || got.starts_with("HTTP/1.1 200 "),
            "{answer:?}: {got}"
        );
        assert_eq!(got.ends_with("0\r\n\r\n"), whole, "{answer:?}: {got}");
        assert!(!got.contains("again"), "{got}");
    }
}

#[test]
fn a_connection_is_used_again_when_nothing_is_left_on_it() {
    let backend = Backend::saying(FINE);
    let served = pass_on(&[&backend], |_| {});
    let mut stream = served.connect();
    for _ in 0..5 {
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
            .unwrap();
        assert_eq!(read_response(&mut stream).1, b"fine\n");
    }
    assert_eq!((backend.connections(), backend.seen().len()), (1, 5));
}

#[test]
fn a_connection_with_anything_left_on_it_is_not_used_again() {
    for answer in [
        // More than was announced: an answer to a question nobody asked.
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfine\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfine\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nfine\n",
        "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nfine\n",
    ] {
        let backend = Backend::saying(answer);
        let served = pass_on(&[&backend], |_| {});
        for _ in 0..3 {
            let got = served.ask(&get("/"));
            assert!(
                got.contains("fine\n") && !got.contains("evil"),
                "{answer:?}: {got}"
            );
            assert_eq!(got.matches("HTTP/1.1 ").count(), 1, "{got}");
        }
        assert_eq!(backend.connections(), 3, "{answer:?}");
    }
}

#[test]
fn a_body_that_an_upstream_sends_to_a_head_request_is_nobodys_answer() {
    let backend = Backend::saying(FINE);
    let served = pass_on(&[&backend], |_| {});
    let got = served.ask(&with("HEAD /", "", ""));
    assert!(got.ends_with("\r\n\r\n"), "{got}");
    let got = served.ask(&get("/"));
    assert!(
        got.starts_with("HTTP/1.1 200 ") && got.ends_with("fine\n"),
        "{got}"
    );
    assert_eq!(backend.connections(), 2);
}
