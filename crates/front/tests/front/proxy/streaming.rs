//! Bodies that are passed on while they are made.

use std::io::{Read as _, Write as _};
use std::sync::Mutex;
use std::sync::mpsc;

use super::{FINE, get, with};
use crate::backend::{Backend, field};
use crate::support::{pass_on, read_response, read_to_end};

#[test]
fn events_arrive_one_by_one() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let backend = Backend::start(move |_, stream| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        for number in 0..3 {
            stream
                .write_all(format!("9\r\ndata: {number}\n\n\r\n").as_bytes())
                .unwrap();
            wait.lock().unwrap().recv().unwrap();
        }
        stream.write_all(b"0\r\n\r\n").is_ok()
    });
    let served = pass_on(&[&backend], |_| {});
    let mut stream = served.connect();
    stream.write_all(&get("/")).unwrap();
    let (head, _) = read_response(&mut stream);
    assert!(
        head.contains("\r\nContent-Type: text/event-stream\r\n"),
        "{head}"
    );
    for number in 0..3 {
        // Each is here before the upstream is told to go on.
        let mut event = [0; 14];
        stream.read_exact(&mut event).unwrap();
        assert_eq!(event, format!("9\r\ndata: {number}\n\n\r\n").as_bytes());
        go.send(()).unwrap();
    }
    assert_eq!(read_to_end(&mut stream), "0\r\n\r\n");
}

#[test]
fn a_body_that_is_not_buffered_arrives_as_it_is_sent() {
    for (framing, first, second, end) in [
        ("Content-Length: 10", "hello", "again", ""),
        (
            "Transfer-Encoding: chunked",
            "5\r\nhello\r\n",
            "5\r\nagain\r\n",
            "0\r\n\r\n",
        ),
    ] {
        let (found, heard) = mpsc::channel();
        let backend = Backend::start(move |_, stream| {
            let mut piece = [0; 1024];
            let mut all = String::new();
            while !all.contains("again") || (all.contains("\r\n") && !all.ends_with("0\r\n\r\n")) {
                let count = stream.read(&mut piece).unwrap();
                assert!(count > 0);
                all.push_str(std::str::from_utf8(&piece[..count]).unwrap());
                found.send(all.clone()).unwrap();
            }
            stream.write_all(FINE.as_bytes()).is_ok()
        });
        let served = pass_on(&[&backend], |proxy| proxy.buffer_requests = false);
        let mut stream = served.connect();
        let fields = format!("{framing}\r\nX-Unread: 1\r\n");
        stream.write_all(&with("POST /", &fields, first)).unwrap();
        // It is there before the rest was sent.
        let mut here = heard.recv().unwrap();
        while !here.contains("hello") {
            here = heard.recv().unwrap();
        }
        assert!(!here.contains("again"), "{here}");
        stream
            .write_all(format!("{second}{end}").as_bytes())
            .unwrap();
        let (head, body) = read_response(&mut stream);
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!(body, b"fine\n");
        let asked = &backend.seen()[0].head;
        let (name, value) = framing.split_once(": ").unwrap();
        assert_eq!(field(asked, name).as_deref(), Some(value), "{asked}");
    }
}

#[test]
fn a_client_that_waits_to_be_asked_is_asked_when_the_upstream_is_there() {
    let backend = Backend::saying(FINE);
    for buffered in [true, false] {
        let served = pass_on(&[&backend], |proxy| proxy.buffer_requests = buffered);
        let mut stream = served.connect();
        let fields = "Content-Length: 5\r\nExpect: 100-continue\r\n";
        stream.write_all(&with("POST /", fields, "")).unwrap();
        assert!(read_response(&mut stream).0.starts_with("HTTP/1.1 100 "));
        stream.write_all(b"hello").unwrap();
        assert!(read_response(&mut stream).0.starts_with("HTTP/1.1 200 "));
    }
    assert!(
        backend
            .seen()
            .iter()
            .all(|seen| field(&seen.head, "expect").is_none())
    );
    assert!(backend.seen().iter().all(|seen| seen.body == b"hello"));
}

#[test]
fn a_body_that_is_not_buffered_and_breaks_the_rules_never_looks_complete() {
    for (fields, body, status) in [
        (
            "Transfer-Encoding: chunked\r\n",
            "5\r\nhello\r\nx\r\n0\r\n\r\n",
            "400",
        ),
        (
            "Transfer-Encoding: chunked\r\n",
            "5\r\nhello\r\n0\r\nHost: x\r\n\r\n",
            "400",
        ),
        ("Content-Length: 999999999999\r\n", "hello", "413"),
    ] {
        let backend = Backend::saying(FINE);
        let served = pass_on(&[&backend], |proxy| proxy.buffer_requests = false);
        let next = "GET /next HTTP/1.1\r\nHost: example.com\r\n\r\n";
        let answer = served.ask(&[&with("POST /", fields, body)[..], next.as_bytes()].concat());
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{body:?}: {answer}"
        );
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        assert_eq!(backend.seen().len(), 0, "{body:?}: {:?}", backend.seen());
    }
}

#[test]
fn a_connection_is_kept_after_a_body_that_was_passed_through() {
    let backend = Backend::saying(FINE);
    let served = pass_on(&[&backend], |proxy| proxy.buffer_requests = false);
    let mut stream = served.connect();
    let request = "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\n\r\nhello";
    for _ in 0..3 {
        stream.write_all(request.as_bytes()).unwrap();
        assert_eq!(read_response(&mut stream).1, b"fine\n");
    }
    assert_eq!(backend.seen().len(), 3);
}

#[test]
fn a_large_answer_goes_through_with_flat_memory() {
    const LEN: usize = 60_000_000;
    let backend = Backend::start(|_, stream| {
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {LEN}\r\n\r\n").unwrap();
        let piece = vec![b'x'; 1_000_000];
        (0..LEN / piece.len()).all(|_| stream.write_all(&piece).is_ok())
    });
    let served = pass_on(&[&backend], |_| {});
    let mut stream = served.connect();
    stream.write_all(&get("/")).unwrap();
    let mut received = 0;
    let mut piece = vec![0; 65536];
    loop {
        match stream.read(&mut piece).unwrap() {
            0 => break,
            count => received += count,
        }
    }
    assert!(received > LEN && received < LEN + 500, "{received}");
}
