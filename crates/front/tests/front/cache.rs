//! What is kept of answers, and for whom. What Django makes of it is among the program's own tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod failing;
mod http2;
mod keeping;
mod privacy;
mod together;

use std::io::Write as _;
use std::net::TcpStream;

use crate::backend::{Backend, Seen, field};
use crate::support::{Served, read_response};

/// Asks, over a connection of its own.
fn ask(served: &Served, line: &str, fields: &str) -> (String, Vec<u8>) {
    let mut stream = served.connect();
    send(&mut stream, line, fields);
    match line.starts_with("HEAD") {
        true => served.ask_bytes(&request(line, &format!("Connection: close\r\n{fields}"))),
        false => read_response(&mut stream),
    }
}

fn request(line: &str, fields: &str) -> Vec<u8> {
    format!("{line} HTTP/1.1\r\nHost: example.com\r\n{fields}\r\n").into_bytes()
}

fn send(stream: &mut TcpStream, line: &str, fields: &str) {
    stream.write_all(&request(line, fields)).unwrap();
}

/// What the cache said of an answer.
fn story(head: &str) -> String {
    field(head, "cache-status").unwrap_or_default()
}

fn is_hit(head: &str) -> bool {
    story(head).contains("; hit")
}

fn body(fields: &str, body: &str) -> String {
    let len = body.len();
    format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {len}\r\n\r\n{body}")
}

/// Answers each request with a page that no other got, and these fields.
fn counting(fields: &'static str) -> Backend {
    let count = std::sync::atomic::AtomicUsize::new(0);
    Backend::start(move |_: &Seen, stream| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        stream
            .write_all(body(fields, &format!("page {number}")).as_bytes())
            .is_ok()
    })
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}
