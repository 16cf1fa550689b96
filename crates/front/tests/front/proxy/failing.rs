//! Upstreams that are away, slow, or do not listen.

use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::{FINE, get, with};
use crate::backend::Backend;
use crate::support::{pass_on, read_response, read_to_end, until};

#[test]
fn nobody_at_the_address_is_502_and_silence_is_504() {
    let backend = Backend::saying(FINE);
    let served = pass_on(&[&backend], |proxy| {
        // Nothing listens on port 1 of this address.
        proxy.to = vec!["http://127.0.0.1:1".parse().unwrap()];
    });
    let answer = served.ask(&get("/"));
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert!(!answer.contains("127.0.0.1"), "{answer}");
    let silent = Backend::start(|_, stream| stream.read(&mut [0]).is_ok());
    let served = pass_on(&[&silent], |proxy| {
        proxy.response_timeout = Duration::from_millis(100);
    });
    let answer = served.ask(&get("/"));
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    assert!(
        answer.contains("The site took too long to answer."),
        "{answer}"
    );
    until("the connection is closed", || silent.open() == 0);
}

#[test]
fn an_answer_that_stops_in_the_middle_is_cut_off_after_a_while() {
    let stuck = Backend::start(|_, stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfine\n")
            .unwrap();
        stream.read(&mut [0]).is_ok()
    });
    let served = pass_on(&[&stuck], |proxy| {
        proxy.idle_timeout = Duration::from_millis(100);
    });
    let answer = served.ask(&get("/"));
    assert!(answer.ends_with("\r\n\r\nfine\n"), "{answer}");
    assert!(answer.contains("Content-Length: 9\r\n"), "{answer}");
}

#[test]
fn an_upstream_that_takes_nothing_is_504() {
    // Accepted by the kernel, read by nobody.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let backend = Backend::saying(FINE);
    let served = pass_on(&[&backend], |proxy| {
        proxy.to = vec![format!("http://{address}").parse().unwrap()];
        proxy.send_timeout = Duration::from_millis(200);
    });
    let body = "x".repeat(20_000_000);
    let answer = served.ask(&with(
        "POST /",
        &format!("Content-Length: {}\r\n", body.len()),
        &body,
    ));
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
}

#[test]
fn a_kept_connection_that_was_closed_meanwhile_costs_no_get() {
    // Says that it keeps the connection, reads the next request, and closes.
    let peers = Mutex::new(HashSet::new());
    let backend = Backend::start(move |_, stream| {
        let is_first = peers.lock().unwrap().insert(stream.peer_addr().unwrap());
        is_first && stream.write_all(FINE.as_bytes()).is_ok()
    });
    let served = pass_on(&[&backend], |_| {});
    for _ in 0..4 {
        let answer = served.ask(&get("/"));
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    // A POST may have been seen: it is not sent again.
    let post = with("POST /", "Content-Length: 2\r\n", "hi");
    let outcomes: Vec<bool> = (0..2)
        .map(|_| served.ask(&post).starts_with("HTTP/1.1 200 "))
        .collect();
    let posts = backend
        .seen()
        .iter()
        .filter(|seen| seen.head.starts_with("POST"))
        .count();
    assert_eq!(posts, 2, "{outcomes:?}");
}

#[test]
fn a_get_that_died_on_a_new_connection_is_not_sent_again() {
    let backend = Backend::start(|_, _| false);
    let other = Backend::start(|_, _| false);
    let served = pass_on(&[&backend, &other], |_| {});
    let answer = served.ask(&get("/"));
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert_eq!(backend.seen().len() + other.seen().len(), 1);
}

#[test]
fn an_upload_that_is_refused_early_gets_the_refusal() {
    let backend = Backend::start(|_, stream| {
        stream
            .write_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nbig\n")
            .unwrap();
        false
    });
    let body = "x".repeat(20_000_000);
    let fields = format!("Content-Length: {}\r\nX-Unread: 1\r\n", body.len());
    for buffered in [true, false] {
        let served = pass_on(&[&backend], |proxy| proxy.buffer_requests = buffered);
        let mut stream = served.connect();
        stream.write_all(&with("POST /", &fields, "")).unwrap();
        let mut writer = stream.try_clone().unwrap();
        let body = body.clone();
        let writing = std::thread::spawn(move || drop(writer.write_all(body.as_bytes())));
        let (head, body) = read_response(&mut stream);
        assert!(
            head.starts_with("HTTP/1.1 413 Content Too Large\r\n"),
            "{buffered}: {head}"
        );
        assert_eq!(body, b"big\n");
        drop(stream);
        writing.join().unwrap();
    }
}

#[test]
fn a_body_that_an_upstream_left_unread_is_no_request_of_its_own() {
    // It answers before it has read the body, and would take the rest for the next request.
    let hidden = "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n";
    let body = hidden.repeat(40_000);
    let backend = Backend::start(|_, stream| {
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            .is_ok()
    });
    let served = pass_on(&[&backend], |_| {});
    let fields = format!("Content-Length: {}\r\nX-Unread: 1\r\n", body.len());
    let answer = served.ask(&with("POST /", &fields, &body));
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    until("the connection is closed", || backend.open() == 0);
    served.ask(&get("/next"));
    assert_eq!(backend.connections(), 2);
}

#[test]
fn a_client_that_leaves_takes_its_request_along() {
    let backend = Backend::start(|_, stream| stream.read(&mut [0]).is_ok_and(|count| count > 0));
    let served = pass_on(&[&backend], |_| {});
    let mut stream = served.connect();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
        .unwrap();
    until("the request is there", || backend.seen().len() == 1);
    drop(stream);
    until("the connection is closed", || backend.open() == 0);
}

#[test]
fn a_client_that_leaves_in_the_middle_of_an_answer_ends_it() {
    let backend = Backend::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let piece = [b'x'; 65536];
        while stream.write_all(&piece).is_ok() {}
        false
    });
    let served = pass_on(&[&backend], |_| {});
    let mut stream = served.connect();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
        .unwrap();
    stream.read_exact(&mut [0; 1000]).unwrap();
    drop(stream);
    until("the connection is closed", || backend.open() == 0);
}

#[test]
fn an_old_connection_is_noticed_to_be_closed() {
    let backend = Backend::start(|_, stream| {
        stream.write_all(FINE.as_bytes()).unwrap();
        false
    });
    let served = pass_on(&[&backend], |_| {});
    for _ in 0..3 {
        let mut stream = served.connect();
        stream.write_all(b"POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        assert!(read_to_end(&mut stream).starts_with("HTTP/1.1 200 "));
        let closed = Instant::now();
        until("the upstream has closed", || backend.open() == 0);
        assert!(closed.elapsed() < Duration::from_secs(20));
    }
}
