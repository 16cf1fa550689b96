use super::*;
use crate::request::{Ends, Scheme};
use crate::trust::TrustedProxies;

fn read(head: &[u8]) -> Result<(Request, Message), HeadError> {
    let context = policy::Context {
        ends: &Ends {
            peer: "198.51.100.7:4000".parse().ok(),
            local: None,
            scheme: Scheme::Http,
            server_name: None,
        },
        trusted: &TrustedProxies::default(),
        id: Default::default(),
    };
    let mut request = Request::default();
    parse(head, &Limits::default(), &context, &mut request).map(|message| (request, message))
}

fn message(fields: &str) -> Result<Message, HeadError> {
    read(format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes()).map(|(_, m)| m)
}

#[test]
fn a_head_is_understood() {
    let head = b"POST /a%20b?c=d HTTP/1.1\r\nHost: Example.com:80\r\nX: y \t\r\nContent-Length: 12\r\n\r\n";
    let (request, message) = read(head).unwrap();
    assert_eq!(request.method, b"POST");
    assert_eq!(request.target, b"/a%20b?c=d");
    assert_eq!(request.path.bytes(), b"/a b");
    assert_eq!(request.query(), b"c=d");
    assert_eq!(request.host(), Some(&b"Example.com"[..]));
    assert_eq!(request.written_port(), Some(&b"80"[..]));
    assert_eq!(request.fields.get("x"), Some(&b"y"[..]));
    assert_eq!(message.framing, Framing::Length(12));
    assert!(message.keep_alive && !message.expects);
}

#[test]
fn the_end_of_a_head_is_found_however_it_was_split() {
    let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
    for at in 0..head.len() {
        let mut scanned = 0;
        let early = find_end(&head[..at], &mut scanned).unwrap();
        let end = early.or_else(|| find_end(head, &mut scanned).unwrap());
        assert_eq!(end, Some(head.len() - 4), "{at}");
    }
}

#[test]
fn connections_are_kept_as_the_version_says() {
    for (line, fields, kept) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: x, CLOSE\r\n", false),
        ("1.1", "Connection: x\r\nConnection: close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let head = format!("GET / HTTP/{line}\r\nHost: a\r\n{fields}\r\n");
        assert_eq!(read(head.as_bytes()).unwrap().1.keep_alive, kept, "{head}");
    }
}

#[test]
fn bodies_are_framed_in_one_way_only() {
    for (fields, framing) in [
        ("", Framing::None),
        ("Content-Length: 0\r\n", Framing::Length(0)),
        ("Content-Length:  5 \r\n", Framing::Length(5)),
        ("Content-Length: 005\r\n", Framing::Length(5)),
        ("Transfer-Encoding: Chunked\r\n", Framing::Chunked),
    ] {
        assert_eq!(message(fields).unwrap().framing, framing, "{fields}");
    }
    for (fields, error) in [
        (
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            HeadError::TwoLengths,
        ),
        (
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            HeadError::ContentLength,
        ),
        ("Content-Length: +5\r\n", HeadError::ContentLength),
        ("Transfer-Encoding: gzip, chunked\r\n", HeadError::Coding),
        (
            "Transfer-Encoding: chunked, gzip\r\n",
            HeadError::TransferEncoding,
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            HeadError::TransferEncoding,
        ),
    ] {
        assert_eq!(message(fields), Err(error), "{fields}");
    }
}

#[test]
fn only_a_body_is_waited_for_with_100_continue() {
    let expects = |fields: &str| message(fields).map(|m| m.expects);
    assert_eq!(
        expects("Expect: 100-Continue\r\nContent-Length: 1\r\n"),
        Ok(true)
    );
    assert_eq!(expects("Expect: 100-continue\r\n"), Ok(false));
    assert_eq!(expects("Expect: x\r\n"), Err(HeadError::Expectation));
    let old = b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";
    assert!(!read(old).unwrap().1.expects);
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(0_u8.., 0..200)) {
        let _ = read(&bytes);
        let _ = find_end(&bytes, &mut 0);
    }

    #[test]
    fn nearly_valid_heads_do_not_make_it_panic(
        words in proptest::collection::vec(proptest::sample::select(vec![
            "GET ", "/", "%", "..", " HTTP/1.1", "\r\n", "\n", "Host: a", "Host:", ": ", "Content-Length: ",
            "5", "Transfer-Encoding: ", "chunked", ",", "http://", "?", "[::1]", "Connection: ", "\0", "\u{e9}",
        ]), 0..24)
    ) {
        let head = words.concat();
        let _ = read(head.as_bytes());
        let _ = find_end(head.as_bytes(), &mut 0);
    }

    #[test]
    fn a_split_makes_no_difference(
        words in proptest::collection::vec(proptest::sample::select(vec![
            "GET / HTTP/1.1", "\r\n", "\r", "\n", "a: b", "x",
        ]), 0..16),
        at in 0_usize..80,
    ) {
        let head = words.concat();
        let (first, whole) = (&head.as_bytes()[..at.min(head.len())], head.as_bytes());
        let at_once = find_end(whole, &mut 0);
        let mut scanned = 0;
        let in_two = match find_end(first, &mut scanned) {
            Ok(None) => find_end(whole, &mut scanned),
            known => known,
        };
        assert_eq!(in_two, at_once);
    }
}
