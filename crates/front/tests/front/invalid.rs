//! Requests that could be read in two ways are refused, and nothing behind them is served.
#![allow(clippy::unwrap_used, clippy::expect_used)]

/// Follows each invalid request: a second answer would be this one's.
pub(crate) const NEXT: &str = "GET /static/hello.txt HTTP/1.1\r\nHost: example.com\r\n\r\n";

pub(crate) const HEADS: &[(&str, &str)] = &[
    // The request line.
    ("400", "\r\nGET / HTTP/1.1\r\nHost: example.com\r\n\r\n"),
    ("400", "\nGET / HTTP/1.1\r\nHost: example.com\r\n\r\n"),
    ("400", "\r\n\r\nGET / HTTP/1.1\r\nHost: example.com\r\n\r\n"),
    ("400", "GET / HTTP/1.1\nHost: example.com\r\n\r\n"),
    ("400", "GET / HTTP/1.1\r\nHost: example.com\n\r\n"),
    ("400", "GET / HTTP/1.1\r\nHost: example.com\r\n\n"),
    ("400", "GET / HTTP/1.1\nHost: example.com\n\n"),
    ("400", "GET / HTTP/1.1\rHost: example.com\r\n\r\n"),
    ("400", "GET / HTTP/1.1\r\nHost: example.com\rX: y\r\n\r\n"),
    ("400", "GET /\r\n\r\n"),
    ("400", "GET\r\n\r\n"),
    ("400", "GET  / HTTP/1.1\r\nHost: example.com\r\n\r\n"),
    ("400", "GET /  HTTP/1.1\r\nHost: example.com\r\n\r\n"),
    ("400", "GET / HTTP/1.1 \r\nHost: example.com\r\n\r\n"),
    ("400", " GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"),
    ("400", "GET\t/ HTTP/1.1\r\nHost: example.com\r\n\r\n"),
    ("400", "G@T / HTTP/1.1\r\nHost: example.com\r\n\r\n"),
    ("400", "GET: / HTTP/1.1\r\nHost: example.com\r\n\r\n"),
    (
        "501",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHI / HTTP/1.1\r\nHost: example.com\r\n\r\n",
    ),
    ("400", "GET / http/1.1\r\nHost: example.com\r\n\r\n"),
    ("400", "GET / HTTP/11\r\nHost: example.com\r\n\r\n"),
    ("400", "GET / HTTP/1.1x\r\nHost: example.com\r\n\r\n"),
    ("400", "GET / HTTP/1,1\r\nHost: example.com\r\n\r\n"),
    ("505", "GET / HTTP/1.2\r\nHost: example.com\r\n\r\n"),
    ("505", "GET / HTTP/2.0\r\nHost: example.com\r\n\r\n"),
    ("505", "GET / HTTP/0.9\r\nHost: example.com\r\n\r\n"),
    ("505", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("400", "\x16\x03\x01\x02"),
    // The target.
    ("400", "GET /a#b HTTP/1.1\r\nHost: example.com\r\n\r\n"),
    ("400", "GET /\u{e9} HTTP/1.1\r\nHost: example.com\r\n\r\n"),
    ("400", "GET /a\tb HTTP/1.1\r\nHost: example.com\r\n\r\n"),
    ("400", "GET /a\x7fb HTTP/1.1\r\nHost: example.com\r\n\r\n"),
    ("400", "GET /a\0b HTTP/1.1\r\nHost: example.com\r\n\r\n"),
    ("400", "GET /%zz HTTP/1.1\r\nHost: example.com\r\n\r\n"),
    ("400", "GET /%4 HTTP/1.1\r\nHost: example.com\r\n\r\n"),
    ("400", "GET /%00 HTTP/1.1\r\nHost: example.com\r\n\r\n"),
    ("400", "GET /a\\b HTTP/1.1\r\nHost: example.com\r\n\r\n"),
    (
        "400",
        "GET /static/../static/hello.txt HTTP/1.1\r\nHost: example.com\r\n\r\n",
    ),
    (
        "400",
        "GET /static/%2e%2e/x HTTP/1.1\r\nHost: example.com\r\n\r\n",
    ),
    ("400", "GET * HTTP/1.1\r\nHost: example.com\r\n\r\n"),
    (
        "400",
        "GET example.com:80 HTTP/1.1\r\nHost: example.com\r\n\r\n",
    ),
    (
        "400",
        "GET static/hello.txt HTTP/1.1\r\nHost: example.com\r\n\r\n",
    ),
    (
        "400",
        "GET ftp://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n",
    ),
    (
        "400",
        "GET http://user@example.com/ HTTP/1.1\r\nHost: user@example.com\r\n\r\n",
    ),
    ("400", "GET http:///x HTTP/1.1\r\nHost: \r\n\r\n"),
    (
        "501",
        "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
    ),
    ("501", "CONNECT / HTTP/1.1\r\nHost: example.com\r\n\r\n"),
    // Host.
    ("400", "GET / HTTP/1.1\r\n\r\n"),
    (
        "400",
        "GET / HTTP/1.1\r\nHost: example.com\r\nHost: example.com\r\n\r\n",
    ),
    ("400", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
    ("400", "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    ("400", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    ("400", "GET / HTTP/1.1\r\nHost: example.com/evil\r\n\r\n"),
    ("400", "GET / HTTP/1.1\r\nHost: example.com:+80\r\n\r\n"),
    ("400", "GET / HTTP/1.1\r\nHost: example.com:99999\r\n\r\n"),
    ("400", "GET / HTTP/1.1\r\nHost: evil@example.com\r\n\r\n"),
    ("400", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    ("400", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"),
    (
        "400",
        "GET http://other.example/ HTTP/1.1\r\nHost: example.com\r\n\r\n",
    ),
    // Fields.
    ("400", "GET / HTTP/1.1\r\nHost : example.com\r\n\r\n"),
    ("400", "GET / HTTP/1.1\r\n Host: example.com\r\n\r\n"),
    (
        "400",
        "GET / HTTP/1.1\r\nHost: example.com\r\nA: b\r\n c\r\n\r\n",
    ),
    ("400", "GET / HTTP/1.1\r\nHost: example.com\r\nA\r\n\r\n"),
    ("400", "GET / HTTP/1.1\r\nHost: example.com\r\n: b\r\n\r\n"),
    (
        "400",
        "GET / HTTP/1.1\r\nHost: example.com\r\nA B: c\r\n\r\n",
    ),
    (
        "400",
        "GET / HTTP/1.1\r\nHost: example.com\r\nA: b\0c\r\n\r\n",
    ),
    (
        "400",
        "GET / HTTP/1.1\r\nHost: example.com\r\nA: b\x01c\r\n\r\n",
    ),
    (
        "400",
        "GET / HTTP/1.1\r\nHost: example.com\r\n\u{e9}: b\r\n\r\n",
    ),
    (
        "400",
        "GET / HTTP/1.1\r\nHost: example.com\r\nA\x0b: b\r\n\r\n",
    ),
    (
        "417",
        "PUT / HTTP/1.1\r\nHost: example.com\r\nExpect: a-miracle\r\nContent-Length: 1\r\n\r\nx",
    ),
    // Framing.
    (
        "400",
        "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: +5\r\n\r\nhello",
    ),
    (
        "400",
        "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: -5\r\n\r\nhello",
    ),
    (
        "400",
        "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5, 5\r\n\r\nhello",
    ),
    (
        "400",
        "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5 5\r\n\r\nhello",
    ),
    (
        "400",
        "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 0x5\r\n\r\nhello",
    ),
    (
        "400",
        "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5_0\r\n\r\nhello",
    ),
    (
        "400",
        "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length:\r\n\r\nhello",
    ),
    (
        "400",
        "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 99999999999999999999\r\n\r\n",
    ),
    (
        "400",
        "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    ),
    (
        "400",
        "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\ncontent-length: 6\r\n\r\nhello",
    ),
    (
        "400",
        "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "400",
        "POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    ),
    (
        "400",
        "POST / HTTP/1.0\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "400",
        "POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: identity\r\n\r\n",
    ),
    (
        "400",
        "POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    ),
    (
        "400",
        "POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "400",
        "POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
    ),
    (
        "400",
        "POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "400",
        "POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n",
    ),
    (
        "400",
        "POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    ),
    (
        "400",
        "POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "501",
        "POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "501",
        "POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: , chunked\r\n\r\n0\r\n\r\n",
    ),
];

#[test]
fn an_invalid_request_is_refused_and_nothing_behind_it_is_served() {
    assert!(HEADS.len() >= 60);
    let served =
        crate::support::serve(|limits| limits.linger_time = std::time::Duration::from_millis(300));
    for (status, request) in HEADS {
        let answer = served.ask(format!("{request}{NEXT}").as_bytes());
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request:?}: {answer}"
        );
        assert!(
            answer.contains("\r\nConnection: close\r\n"),
            "{request:?}: {answer}"
        );
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            1,
            "{request:?}: {answer}"
        );
        assert!(!answer.contains("hello\n"), "{request:?}");
    }
    let log = served.log();
    assert_eq!(log.len(), HEADS.len());
}

#[test]
fn heads_that_are_too_large_are_refused() {
    let served =
        crate::support::serve(|limits| limits.linger_time = std::time::Duration::from_millis(300));
    let line = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: example.com\r\n\r\n");
    let fields = |count: usize, len: usize| {
        let many = format!("A: {}\r\n", "b".repeat(len)).repeat(count);
        format!("GET / HTTP/1.1\r\nHost: example.com\r\n{many}\r\n")
    };
    for (status, request) in [
        ("414", line(&format!("/{}", "a".repeat(9000)))),
        ("414", line(&format!("/{}", "a".repeat(100_000)))),
        ("431", fields(200, 1)),
        ("431", fields(1, 40_000)),
        ("431", fields(10, 5_000)),
        (
            "400",
            format!(
                "GET / HTTP/1.1\r\nHost: example.com\r\nConnection: {}\r\n\r\n",
                "a,".repeat(99)
            ),
        ),
    ] {
        let answer = served.ask(format!("{request}{NEXT}").as_bytes());
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    }
}
