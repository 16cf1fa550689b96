use super::*;
use crate::policy::PolicyError;
use crate::request::{Ends, Scheme};
use crate::trust::TrustedProxies;

fn read(method: &str, uri: &str, fields: &[(&str, &str)]) -> Result<(Request, Message), HeadError> {
    let mut builder = http::Request::builder().method(method).uri(uri);
    for (name, value) in fields {
        builder = builder.header(*name, *value);
    }
    let (parts, ()) = builder.body(()).unwrap().into_parts();
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
    super::read(&parts, &Limits::default(), &context, &mut request)
        .map(|message| (request, message))
}

fn get(fields: &[(&str, &str)]) -> Result<(Request, Message), HeadError> {
    read("GET", "http://example.com/", fields)
}

#[test]
fn a_head_is_understood() {
    let fields = [("content-length", "12"), ("x-a", "b"), ("x_b", "c")];
    let (request, message) = read("POST", "https://Example.com:80/a%20b?c=d", &fields).unwrap();
    assert_eq!(request.version, Version::Http2);
    assert_eq!(request.scheme, Scheme::Http);
    assert_eq!(
        (&request.method[..], &request.target[..]),
        (&b"POST"[..], &b"/a%20b?c=d"[..])
    );
    assert_eq!(request.path.bytes(), b"/a b");
    assert_eq!(request.query(), b"c=d");
    assert_eq!(request.host(), Some(&b"Example.com"[..]));
    assert_eq!(request.fields.get("host"), Some(&b"Example.com:80"[..]));
    assert_eq!(request.fields.get("x-a"), Some(&b"b"[..]));
    assert_eq!(request.fields.get("x_b"), None);
    assert_eq!((message.length, message.expects), (Some(12), false));
}

#[test]
fn crumbs_are_one_cookie_and_count_as_one_field() {
    let mut fields = vec![("x-a", "b")];
    fields.extend([("cookie", "c=d"); 500]);
    let (request, _) = get(&fields).unwrap();
    let cookies: Vec<_> = request.fields.all("cookie").collect();
    assert_eq!(cookies, [vec!["c=d"; 500].join("; ").as_bytes()]);
    assert_eq!(
        get(&[("cookie", "a=1")]).unwrap().0.fields.get("cookie"),
        Some(&b"a=1"[..])
    );
}

#[test]
fn one_host_from_either_place() {
    let only_host = |fields: &[(&str, &str)]| read("GET", "/", fields);
    let host = |outcome: Result<(Request, Message), HeadError>| {
        outcome.map(|(request, _)| request.host().unwrap().to_vec())
    };
    assert_eq!(host(only_host(&[("host", "a")])), Ok(b"a".to_vec()));
    assert_eq!(
        host(get(&[("host", "EXAMPLE.com")])),
        Ok(b"example.com".to_vec())
    );
    assert_eq!(host(only_host(&[])), Err(HeadError::HostCount));
    let two = [("host", "a"), ("host", "a")];
    assert_eq!(host(only_host(&two)), Err(HeadError::HostCount));
    assert_eq!(host(get(&[("host", "a")])), Err(HeadError::HostMismatch));
    let user = read("GET", "http://user@example.com/", &[]);
    assert!(matches!(host(user), Err(HeadError::Host(_))));
}

#[test]
fn what_http_1_refuses_is_refused() {
    let many: Vec<_> = (0..101).map(|n| (format!("x-{n}"), "v")).collect();
    let many: Vec<_> = many
        .iter()
        .map(|(name, value)| (&name[..], *value))
        .collect();
    let large = "v".repeat(33_000);
    let options = vec!["x"; 40].join(",");
    for (method, uri, fields, expected) in [
        (
            "CONNECT",
            "example.com:443",
            vec![],
            TargetError::Connect.into(),
        ),
        (
            "GET",
            "*",
            vec![("host", "a")],
            TargetError::Asterisk.into(),
        ),
        ("GET", "http://a/\u{e9}", vec![], TargetError::Byte.into()),
        (
            "GET",
            "http://a/a/../b",
            vec![],
            crate::path::PathError::Dots.into(),
        ),
        (
            "GET",
            "http://a/%00",
            vec![],
            crate::path::PathError::Nul.into(),
        ),
        (
            "GET",
            "http://a/",
            vec![("expect", "more")],
            HeadError::Expectation,
        ),
        (
            "GET",
            "http://a/",
            vec![("content-length", "+5")],
            HeadError::ContentLength,
        ),
        (
            "GET",
            "http://a/",
            vec![("content-length", "5"), ("content-length", "5")],
            HeadError::ContentLength,
        ),
        (
            "GET",
            "http://a/",
            vec![("x-a", " b")],
            HeadError::Malformed,
        ),
        (
            "GET",
            "http://a/",
            vec![("x-a", "b\t")],
            HeadError::Malformed,
        ),
        (
            "GET",
            "http://a/",
            many,
            HeadError::ManyFields { limit: 100 },
        ),
        (
            "GET",
            "http://a/",
            vec![("x-a", &large[..])],
            HeadError::Large { limit: 32768 },
        ),
        (
            "GET",
            "http://a/",
            vec![("connection", &options[..])],
            PolicyError::ConnectionOptions.into(),
        ),
        (
            "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHI",
            "http://a/",
            vec![],
            HeadError::Method,
        ),
    ] {
        let outcome = read(method, uri, &fields).map(|_| ());
        assert_eq!(
            outcome,
            Err(expected),
            "{method} {uri} {:?}",
            fields.first()
        );
    }
}
