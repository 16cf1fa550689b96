//! Requests that are passed on to other servers, well-behaved ones and others.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod answers;
mod choosing;
mod failing;
mod requests;
mod secured;
mod streaming;
mod tunnels;

/// The answer of a server that has nothing to say.
const FINE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfine\n";

/// A GET that ends its connection.
fn get(path: &str) -> Vec<u8> {
    with(&format!("GET {path}"), "", "")
}

/// A request that ends its connection; `fields` are whole lines.
fn with(line: &str, fields: &str, body: &str) -> Vec<u8> {
    let head = format!("{line} HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n");
    format!("{head}{fields}\r\n{body}").into_bytes()
}
