//! What comes back is compressed on its way.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{Read as _, Write as _};
use std::sync::{Mutex, mpsc};

use hotclub_config::Compress;

use crate::backend::{Backend, field};
use crate::support::{Served, compress, read_response};

const CODINGS: [&str; 3] = ["zstd", "br", "gzip"];

fn page() -> String {
    (0..2000)
        .map(|n| format!("<p>It don't mean a thing, number {n}</p>\n"))
        .collect()
}

fn answer(fields: &str, body: &str) -> String {
    let len = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n{fields}Content-Length: {len}\r\n\r\n{body}"
    )
}

fn ask(served: &Served, method: &str, fields: &str) -> (String, Vec<u8>) {
    let head =
        format!("{method} / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n{fields}\r\n");
    let (head, body) = served.ask_bytes(head.as_bytes());
    let body = match field(&head, "transfer-encoding") {
        Some(_) => dechunk(&body),
        None => body,
    };
    (head, body)
}

/// The data of a chunked body, as far as it came; panics at what is none.
fn dechunk(mut body: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    while let Some(at) = body.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&body[..at]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        let Some(chunk) = body.get(at + 2..at + 2 + size + 2) else {
            break;
        };
        data.extend_from_slice(&chunk[..size]);
        body = &body[at + 2 + chunk.len()..];
    }
    data
}

/// As far as it can be read.
fn decode(coding: &str, bytes: &[u8]) -> Vec<u8> {
    let mut reader: Box<dyn std::io::Read + '_> = match coding {
        "br" => Box::new(brotli::Decompressor::new(bytes, 4096)),
        "zstd" => Box::new(zstd::stream::read::Decoder::new(bytes).unwrap()),
        "gzip" => Box::new(flate2::read::GzDecoder::new(bytes)),
        _ => Box::new(bytes),
    };
    let mut out = Vec::new();
    let mut piece = [0; 8192];
    while let Ok(count @ 1..) = reader.read(&mut piece) {
        out.extend_from_slice(&piece[..count]);
    }
    out
}

#[test]
fn a_page_is_compressed_as_the_client_likes_it() {
    let backend = Backend::saying(answer(
        "ETag: \"x\"\r\nAccept-Ranges: bytes\r\nVary: Cookie\r\n",
        &page(),
    ));
    let served = compress(&backend, Compress::Safe);
    for coding in CODINGS {
        let (head, body) = ask(&served, "GET", &format!("Accept-Encoding: {coding}\r\n"));
        assert_eq!(
            field(&head, "content-encoding").as_deref(),
            Some(coding),
            "{head}"
        );
        assert_eq!(field(&head, "etag").as_deref(), Some("W/\"x\""));
        assert_eq!(field(&head, "content-length"), None);
        assert_eq!(field(&head, "accept-ranges"), None);
        assert!(head.contains("\r\nVary: Cookie\r\n"), "{head}");
        assert!(head.contains("\r\nVary: Accept-Encoding\r\n"), "{head}");
        assert!(body.len() < page().len() / 5, "{coding}: {}", body.len());
        assert!(decode(coding, &body) == page().as_bytes(), "{coding}");
    }
    let (head, body) = ask(&served, "GET", "");
    assert!(head.contains("\r\nVary: Accept-Encoding\r\n"), "{head}");
    assert_eq!(field(&head, "content-encoding"), None);
    assert_eq!(field(&head, "etag").as_deref(), Some("\"x\""));
    assert!(body == page().as_bytes());
}

#[test]
fn head_says_what_get_would_say() {
    let backend = Backend::saying_once(
        answer("ETag: \"x\"\r\n", "").replace("Content-Length: 0", "Content-Length: 9000"),
    );
    let served = compress(&backend, Compress::Safe);
    let (head, body) = ask(&served, "HEAD", "Accept-Encoding: br\r\n");
    assert_eq!(
        field(&head, "content-encoding").as_deref(),
        Some("br"),
        "{head}"
    );
    assert_eq!(field(&head, "content-length"), None);
    assert_eq!(field(&head, "etag").as_deref(), Some("W/\"x\""));
    assert!(body.is_empty());
}

#[test]
fn what_is_small_or_encoded_or_off_stays_as_it_is() {
    let encoded = answer("Content-Encoding: gzip\r\n", &page());
    for (mode, said) in [
        (Compress::Safe, answer("", "hello")),
        (Compress::Safe, encoded),
        (Compress::Off, answer("", &page())),
    ] {
        let backend = Backend::saying(said.clone());
        let served = compress(&backend, mode);
        let (head, body) = ask(&served, "GET", "Accept-Encoding: gzip, br, zstd\r\n");
        assert_eq!(field(&head, "vary"), None, "{head}");
        assert!(said.as_bytes().ends_with(&body) && !body.is_empty());
        assert!(field(&head, "content-encoding").is_none_or(|coding| coding == "gzip"));
    }
}

#[test]
fn pages_that_another_site_asks_for_with_cookies_are_not_compressed() {
    let backend = Backend::saying(answer("", &page()));
    let https = "Accept-Encoding: gzip\r\nX-Forwarded-Proto: https\r\n";
    for (mode, fields, expected) in [
        (Compress::Safe, "", true),
        (
            Compress::Safe,
            "Cookie: a=b\r\nSec-Fetch-Site: cross-site\r\n",
            false,
        ),
        (Compress::Safe, "Cookie: a=b\r\n", false),
        (
            Compress::Safe,
            "Cookie: a=b\r\nSec-Fetch-Site: same-origin\r\n",
            true,
        ),
        (
            Compress::Always,
            "Cookie: a=b\r\nSec-Fetch-Site: cross-site\r\n",
            true,
        ),
    ] {
        let served = compress(&backend, mode);
        let (head, body) = ask(&served, "GET", &format!("{https}{fields}"));
        assert_eq!(
            field(&head, "content-encoding").is_some(),
            expected,
            "{fields}: {head}"
        );
        assert!(head.contains("\r\nVary: Accept-Encoding\r\n"), "{head}");
        let coding = if expected { "gzip" } else { "" };
        assert!(decode(coding, &body) == page().as_bytes(), "{fields}");
    }
}

#[test]
fn a_compressed_event_is_not_held_back() {
    for coding in CODINGS {
        let (go, wait) = mpsc::channel::<()>();
        let wait = Mutex::new(wait);
        let backend = Backend::start(move |_, stream| {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
                .unwrap();
            for number in 0..3 {
                stream
                    .write_all(format!("data: {number}\n\n").as_bytes())
                    .unwrap();
                wait.lock().unwrap().recv().unwrap();
            }
            false
        });
        let served = compress(&backend, Compress::Safe);
        let mut stream = served.connect();
        let head = format!(
            "GET / HTTP/1.1\r\nHost: example.com\r\nAccept-Encoding: {coding}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let (head, _) = read_response(&mut stream);
        assert_eq!(
            field(&head, "content-encoding").as_deref(),
            Some(coding),
            "{head}"
        );
        let mut received = Vec::new();
        let mut expected = String::new();
        for number in 0..3 {
            expected.push_str(&format!("data: {number}\n\n"));
            let mut piece = [0; 1024];
            while decode(coding, &dechunk(&received)) != expected.as_bytes() {
                let count = stream.read(&mut piece).unwrap();
                assert!(count > 0, "{coding}: the end after {received:?}");
                received.extend_from_slice(&piece[..count]);
            }
            go.send(()).unwrap();
        }
        stream.read_to_end(&mut received).unwrap();
        assert!(received.ends_with(b"\r\n0\r\n\r\n"), "{coding}");
    }
}

#[test]
fn a_large_body_passes_in_pieces() {
    const TIMES: usize = 200;
    let backend = Backend::start(|_, stream| {
        let page = page();
        let len = page.len() * TIMES;
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: {len}\r\n\r\n"
        )
        .unwrap();
        (0..TIMES).all(|_| stream.write_all(page.as_bytes()).is_ok())
    });
    let served = compress(&backend, Compress::Safe);
    for coding in CODINGS {
        let (head, body) = ask(&served, "GET", &format!("Accept-Encoding: {coding}\r\n"));
        assert_eq!(field(&head, "content-encoding").as_deref(), Some(coding));
        let decoded = decode(coding, &body);
        assert!(
            decoded == page().repeat(TIMES).as_bytes(),
            "{coding}: {}",
            decoded.len()
        );
    }
}

#[test]
fn a_body_that_breaks_off_never_looks_complete() {
    let page = page();
    let cut = answer("", &page).replace("Content-Length: ", "Content-Length: 9");
    let backend = Backend::saying_once(cut);
    let served = compress(&backend, Compress::Safe);
    let head =
        "GET / HTTP/1.1\r\nHost: example.com\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n";
    let (_, body) = served.ask_bytes(head.as_bytes());
    assert!(!body.ends_with(b"\r\n0\r\n\r\n"));
}
