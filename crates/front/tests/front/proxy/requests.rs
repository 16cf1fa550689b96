//! What an upstream is told.

use hotclub_front::TrustedProxies;
use hotclub_testkit::conformance::{self, HTTP1, bytes};

use super::{FINE, get, with};
use crate::backend::{Backend, field};
use crate::support::{pass_on, pass_on_trusting};

#[test]
fn a_request_is_passed_on_byte_for_byte_with_what_is_known_of_the_client() {
    let backend = Backend::saying(FINE);
    let served = pass_on(&[&backend], |_| {});
    let target = "/a%20b//c;d=e/%2F%c3%A9?x=%zz&y='\"|";
    let fields = "User-Agent: me\r\nX-Thing: a\r\nx-thing: b\r\nCookie: c=d\r\n";
    let answer = served.ask(&with(&format!("GET {target}"), fields, ""));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nfine\n"), "{answer}");
    let seen = backend.seen();
    let head = &seen[0].head;
    assert!(
        head.starts_with(&format!("GET {target} HTTP/1.1\r\nHost: example.com\r\n")),
        "{head}"
    );
    assert!(
        head.contains("\r\nX-Thing: a\r\nx-thing: b\r\nCookie: c=d\r\n"),
        "{head}"
    );
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "example.com"),
        ("x-real-ip", "127.0.0.1"),
    ] {
        assert_eq!(
            field(head, name).as_deref(),
            Some(value),
            "{name} in {head}"
        );
    }
    assert!(
        field(head, "x-request-id").is_some_and(|id| id.len() == 32),
        "{head}"
    );
    assert!(
        field(head, "via").is_some_and(|via| via.starts_with("1.1 hotclub-")),
        "{head}"
    );
    for name in [
        "connection",
        "content-length",
        "transfer-encoding",
        "upgrade",
        "te",
    ] {
        assert_eq!(field(head, name), None, "{name} in {head}");
    }
}

#[test]
fn what_a_client_says_of_itself_is_believed_of_trusted_proxies_only() {
    let backend = Backend::saying(FINE);
    let fields = "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nX-Real-IP: 1.2.3.4\r\n\
                  X_Forwarded_For: 9.9.9.9\r\nForwarded: for=9.9.9.9\r\nProxy: evil\r\n";
    let served = pass_on(&[&backend], |_| {});
    served.ask(&with("GET /", fields, ""));
    let trusted = TrustedProxies::parse(["127.0.0.1"]).unwrap();
    let served = pass_on_trusting(&[&backend], trusted, |_| {});
    served.ask(&with("GET /", fields, ""));
    let seen = backend.seen();
    for (head, forwarded, scheme, real) in [
        (&seen[0].head, "127.0.0.1", "http", "127.0.0.1"),
        (
            &seen[1].head,
            "203.0.113.9, 127.0.0.1",
            "https",
            "203.0.113.9",
        ),
    ] {
        assert_eq!(field(head, "x-forwarded-for").as_deref(), Some(forwarded));
        assert_eq!(field(head, "x-forwarded-proto").as_deref(), Some(scheme));
        assert_eq!(field(head, "x-real-ip").as_deref(), Some(real));
        for name in ["x_forwarded_for", "forwarded", "proxy"] {
            assert_eq!(field(head, name), None, "{name} in {head}");
        }
    }
}

#[test]
fn connection_cannot_take_away_what_we_add() {
    let backend = Backend::saying(FINE);
    let served = pass_on(&[&backend], |_| {});
    let head = "GET / HTTP/1.1\r\nHost: example.com\r\nConnection: close, X-Forwarded-Host, \
                X-Forwarded-For, X-Real-IP, Host, Via, X-Own\r\nX-Own: mine\r\nTE: trailers\r\n\
                Keep-Alive: 5\r\n\r\n";
    served.ask(head.as_bytes());
    let head = &backend.seen()[0].head;
    for name in [
        "host",
        "x-forwarded-host",
        "x-forwarded-for",
        "x-real-ip",
        "via",
    ] {
        assert!(field(head, name).is_some(), "{name} in {head}");
    }
    for name in ["x-own", "connection", "te", "keep-alive"] {
        assert_eq!(field(head, name), None, "{name} in {head}");
    }
}

#[test]
fn a_body_goes_on_with_its_length_however_it_came() {
    let backend = Backend::saying(FINE);
    let served = pass_on(&[&backend], |_| {});
    let large = "x".repeat(300_000);
    let chunked = "5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nX-Trailer: no\r\n\r\n";
    let lengthy = format!("Content-Length: {}\r\n", large.len());
    served.ask(&with("POST /a", "Content-Length: 5\r\n", "hello"));
    served.ask(&with("POST /b", "Transfer-Encoding: chunked\r\n", chunked));
    served.ask(&with("PUT /c", &lengthy, &large));
    served.ask(&with("POST /d", "Content-Length: 0\r\n", ""));
    served.ask(&with("POST /e", "", ""));
    let seen = backend.seen();
    let bodies = ["hello", "hello!", &large, "", ""];
    for (seen, body) in seen.iter().zip(bodies) {
        assert_eq!(seen.body, body.as_bytes(), "{}", seen.head);
        assert_eq!(field(&seen.head, "transfer-encoding"), None);
        assert_eq!(field(&seen.head, "x-trailer"), None);
    }
    let lengths: Vec<_> = seen
        .iter()
        .map(|seen| field(&seen.head, "content-length"))
        .collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        lengths,
        [some("5"), some("6"), some("300000"), some("0"), None]
    );
}

#[test]
fn an_invalid_request_reaches_no_upstream_and_neither_does_what_follows() {
    let backend = Backend::saying(FINE);
    let served = pass_on(&[&backend], |_| {});
    let cases = conformance::read(HTTP1);
    let refused = cases.iter().filter(|case| case.is_refused());
    let failed = conformance::failed(refused, |case| {
        let request = case.column(0).replace("Host: a⏎", "Host: example.com⏎");
        let answer = served.ask(&[bytes(&request), get("/next")].concat());
        let begin = format!("HTTP/1.1 {} ", case.outcome);
        assert!(answer.starts_with(&begin), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    });
    assert_eq!(failed, 0);
    assert_eq!(backend.seen().len(), 0, "{:?}", backend.seen());
    assert_eq!(backend.connections(), 0);
}

#[test]
fn a_body_that_looks_like_a_request_stays_a_body() {
    let backend = Backend::saying(FINE);
    let served = pass_on(&[&backend], |_| {});
    let hidden = "GET /admin HTTP/1.1\r\nHost: x\r\n\r\n";
    let lengthy = format!("Content-Length: {}\r\n", hidden.len());
    let chunked = format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len());
    served.ask(&with("GET /a", &lengthy, hidden));
    served.ask(&with("POST /b", "Transfer-Encoding: chunked\r\n", &chunked));
    served.ask(&get("/c"));
    let lines: Vec<_> = backend
        .seen()
        .iter()
        .map(|seen| seen.head[..7].to_owned())
        .collect();
    assert_eq!(lines, ["GET /a ", "POST /b", "GET /c "]);
    assert!(
        backend.seen()[..2]
            .iter()
            .all(|seen| seen.body == hidden.as_bytes())
    );
}

#[test]
fn a_mount_may_be_taken_off_the_path_and_a_host_put_in() {
    let backend = Backend::saying(FINE);
    let mount = |url: &str| hotclub_config::Mount::parse(url).unwrap();
    let served = pass_on(&[&backend], |proxy| {
        proxy.url = mount("/a b/");
        proxy.strip_prefix = true;
        proxy.host = Some("inside.example:81".to_owned());
    });
    for path in ["/a%20b/c%2Fd?e", "/%61%20b/", "/a%20b", "/a%20b?x"] {
        let answer = served.ask(&get(path));
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
    }
    for path in ["/", "/a%20b%2Fc", "/a%20bc", "/c/a%20b/"] {
        let answer = served.ask(&get(path));
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
    }
    let seen = backend.seen();
    let lines: Vec<_> = seen
        .iter()
        .map(|seen| seen.head.lines().next().unwrap())
        .collect();
    let expected = ["/c%2Fd?e", "/", "/", "/?x"].map(|path| format!("GET {path} HTTP/1.1"));
    assert_eq!(lines, expected);
    assert_eq!(
        field(&seen[0].head, "host").as_deref(),
        Some("inside.example:81")
    );
    assert_eq!(
        field(&seen[0].head, "x-forwarded-host").as_deref(),
        Some("example.com")
    );
}

#[test]
fn whole_segments_are_passed_on_and_nothing_beside_them() {
    let backend = Backend::saying(FINE);
    let served = pass_on(&[&backend], |proxy| {
        proxy.url = hotclub_config::Mount::parse("/api/").unwrap();
    });
    for (path, status) in [
        ("/api/", "200"),
        ("/api", "200"),
        ("/api/x%2F..y", "200"),
        ("/apis", "404"),
        ("/api../x", "404"),
        ("/API/", "404"),
        ("/api%2Fx", "404"),
        ("/api/../x", "400"),
        ("/api/%2e%2e/x", "400"),
        ("/api/x%2F..%2Fy", "400"),
    ] {
        let answer = served.ask(&get(path));
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{path}: {answer}"
        );
    }
    assert_eq!(backend.seen().len(), 3);
}

#[test]
fn a_client_of_http_1_0_gets_its_answer_and_the_end() {
    let backend = Backend::saying(FINE);
    let served = pass_on(&[&backend], |_| {});
    let answer = served.ask(b"GET / HTTP/1.0\r\nHost: example.com\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\r\nConnection: close\r\n"));
    let head = &backend.seen()[0].head;
    assert!(
        head.starts_with("GET / HTTP/1.1\r\nHost: example.com\r\n"),
        "{head}"
    );
    assert!(field(head, "via").unwrap().starts_with("1.0 hotclub-"));
}

#[test]
fn a_request_that_comes_back_is_refused() {
    let backend = Backend::saying(FINE);
    let served = pass_on(&[&backend], |_| {});
    served.ask(&with("GET /", "Via: 1.0 fred, 1.1 p.example\r\n", ""));
    let via = field(&backend.seen()[0].head, "via").unwrap();
    assert!(
        via.starts_with("1.0 fred, 1.1 p.example, 1.1 hotclub-"),
        "{via}"
    );
    let answer = served.ask(&with("GET /", &format!("Via: {via}\r\n"), ""));
    assert!(answer.starts_with("HTTP/1.1 508 "), "{answer}");
    assert_eq!(backend.seen().len(), 1);
}
