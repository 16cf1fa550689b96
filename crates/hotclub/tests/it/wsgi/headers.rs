//! The header policy, as the app sees it.

use std::fmt::Write;

use hotclub_testkit::Program;
use serde_json::Value;

use crate::serve::app;

fn environ(program: &Program, headers: &[(&str, &str)]) -> Value {
    let mut request = String::from("GET /a%20b/%C3%A9?x=%20 HTTP/1.1\r\nHost: Example.com:81\r\n");
    for (name, value) in headers {
        write!(request, "{name}: {value}\r\n").unwrap();
    }
    request.push_str("\r\n");
    program.connect().ask(request).unwrap().expect(200).json()
}

#[test]
fn the_environ_is_complete_and_decoded_once() {
    let program = app("environ_dump").serve();
    let environ = environ(
        &program,
        &[
            ("Accept", "a"),
            ("Accept", "b"),
            ("Cookie", "a=1"),
            ("Cookie", "b=2"),
        ],
    );
    let port = program.address().rsplit_once(':').unwrap().1;
    for (name, expected) in [
        ("REQUEST_METHOD", "GET"),
        ("SCRIPT_NAME", ""),
        // Bytes as Latin-1, which is what PEP 3333 asks for.
        ("PATH_INFO", "/a b/\u{c3}\u{a9}"),
        ("QUERY_STRING", "x=%20"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("wsgi.url_scheme", "http"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("HTTP_X_FORWARDED_FOR", "127.0.0.1"),
        ("HTTP_X_FORWARDED_PROTO", "http"),
    ] {
        assert_eq!(environ[name], expected, "{name}: {environ:#}");
    }
    assert!(
        environ["HTTP_HOST"]
            .as_str()
            .unwrap()
            .eq_ignore_ascii_case("example.com:81")
    );
    assert!(
        ["81", port].contains(&environ["SERVER_PORT"].as_str().unwrap()),
        "{}",
        environ["SERVER_PORT"]
    );
    let accept = environ["HTTP_ACCEPT"].as_str().unwrap().replace(", ", ",");
    assert_eq!(accept, "a,b");
    assert_eq!(environ["HTTP_COOKIE"], "a=1; b=2");
    assert!(!environ["HTTP_X_REQUEST_ID"].as_str().unwrap().is_empty());
    program.stop();
}

#[test]
fn underscores_hop_by_hop_fields_and_proxy_are_dropped() {
    let program = app("environ_dump").serve();
    let environ = environ(
        &program,
        &[
            ("X_Forwarded_For", "6.6.6.6"),
            ("X_Secret", "a"),
            ("X-Kept", "a"),
            ("Connection", "keep-alive, X-Named, X-Forwarded-For"),
            ("X-Named", "a"),
            ("TE", "trailers"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy", "http://evil"),
            ("Proxy-Authorization", "a"),
            ("Upgrade", "h2c"),
        ],
    );
    assert_eq!(environ["HTTP_X_KEPT"], "a");
    assert_eq!(
        environ["HTTP_X_FORWARDED_FOR"], "127.0.0.1",
        "the front's own field stays"
    );
    for name in [
        "HTTP_X_SECRET",
        "HTTP_X_NAMED",
        "HTTP_CONNECTION",
        "HTTP_TE",
        "HTTP_KEEP_ALIVE",
        "HTTP_PROXY",
        "HTTP_PROXY_AUTHORIZATION",
        "HTTP_UPGRADE",
    ] {
        assert!(environ[name].is_null(), "{name}: {environ:#}");
    }
    program.stop();
}

const FORGED: [(&str, &str); 6] = [
    ("X-Forwarded-For", "203.0.113.7"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "forged.example"),
    ("X-Real-IP", "203.0.113.7"),
    ("Forwarded", "for=203.0.113.7;proto=https"),
    ("X-Request-ID", "told-by-the-proxy"),
];

#[test]
fn what_a_stranger_says_about_the_client_is_not_believed() {
    let program = app("environ_dump").serve();
    let environ = environ(&program, &FORGED);
    assert_eq!(environ["REMOTE_ADDR"], "127.0.0.1");
    assert_eq!(environ["wsgi.url_scheme"], "http");
    assert_eq!(environ["HTTP_X_FORWARDED_FOR"], "127.0.0.1");
    assert_eq!(environ["HTTP_X_FORWARDED_PROTO"], "http");
    assert!(environ["HTTP_FORWARDED"].is_null());
    assert!(
        !environ.to_string().contains("forged.example"),
        "{environ:#}"
    );
    assert!(!environ.to_string().contains("203.0.113.7"), "{environ:#}");
    assert_ne!(environ["HTTP_X_REQUEST_ID"], "told-by-the-proxy");
    program.stop();
}

#[test]
fn a_trusted_proxy_is_believed() {
    let program = app("environ_dump")
        .args(["--forwarded-allow-ips", "127.0.0.1,10.0.0.0/8"])
        .serve();
    let environ_ = environ(&program, &FORGED);
    assert_eq!(environ_["REMOTE_ADDR"], "203.0.113.7");
    assert_eq!(environ_["wsgi.url_scheme"], "https");
    assert_eq!(environ_["HTTP_X_FORWARDED_PROTO"], "https");
    assert_eq!(environ_["HTTP_X_FORWARDED_HOST"], "forged.example");
    assert_eq!(environ_["HTTP_X_REQUEST_ID"], "told-by-the-proxy");
    // The nearest address that is no proxy of ours; what stands before it may be invented.
    let chain = [("X-Forwarded-For", "6.6.6.6, 203.0.113.9, 10.1.2.3")];
    assert_eq!(environ(&program, &chain)["REMOTE_ADDR"], "203.0.113.9");
    program.stop();
}
