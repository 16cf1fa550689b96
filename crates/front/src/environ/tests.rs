use super::*;
use crate::request::{Scheme, Version};

fn request() -> Request {
    let mut request = Request {
        method: b"POST".to_vec(),
        target: b"/a%20b/%C3%A9?x=%20&y".to_vec(),
        query_at: Some(14),
        authority: b"example.com:8000".to_vec(),
        host_len: 11,
        client: "203.0.113.9".parse().ok(),
        client_port: Some(4711),
        ..Request::default()
    };
    request.path.decode(b"/a%20b/%C3%A9").unwrap();
    request.fields.push(b"Host", b"example.com:8000");
    request
}

fn ends(local: Option<&str>) -> Ends {
    Ends {
        peer: None,
        local: local.map(|text| text.parse().unwrap()),
        scheme: Scheme::Http,
        server_name: None,
    }
}

fn pairs(request: &Request, ends: &Ends, len: Option<u64>) -> Vec<(String, Vec<u8>)> {
    let header = hotclub_wire::RequestHeader {
        kind: hotclub_wire::RequestKind::Request,
        body_by_descriptor: false,
        lane: 0,
        environ_len: 0,
        id: 1,
        body_len: 0,
        queued_at: 0,
    };
    let message = write(request, ends, len).unwrap().finish(header);
    let words: Vec<_> = message[hotclub_wire::HEADER_LEN..]
        .split(|b| *b == 0)
        .collect();
    assert_eq!(words.len() % 2, 0);
    words
        .chunks(2)
        .map(|pair| {
            (
                String::from_utf8(pair[0].to_vec()).unwrap(),
                pair[1].to_vec(),
            )
        })
        .collect()
}

fn get(pairs: &[(String, Vec<u8>)], name: &str) -> Option<String> {
    let values: Vec<_> = pairs.iter().filter(|(n, _)| n == name).collect();
    assert!(values.len() < 2, "{name} is there twice");
    values
        .first()
        .map(|(_, v)| String::from_utf8_lossy(v).into_owned())
}

#[test]
fn a_request_becomes_cgi_variables() {
    let mut request = request();
    request.fields.push(b"Content-Type", b"text/plain");
    request.fields.push(b"X-Some-Thing", b"v\xe9");
    let pairs = pairs(&request, &ends(None), Some(12));
    for (name, value) in [
        ("REQUEST_METHOD", "POST"),
        ("SCRIPT_NAME", ""),
        ("PATH_INFO", "/a b/\u{e9}"),
        ("QUERY_STRING", "x=%20&y"),
        ("RAW_URI", "/a%20b/%C3%A9?x=%20&y"),
        ("REQUEST_URI", "/a%20b/%C3%A9?x=%20&y"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_NAME", "example.com"),
        ("SERVER_PORT", "8000"),
        ("REMOTE_ADDR", "203.0.113.9"),
        ("REMOTE_PORT", "4711"),
        ("wsgi.url_scheme", "http"),
        ("CONTENT_TYPE", "text/plain"),
        ("CONTENT_LENGTH", "12"),
        ("HTTP_HOST", "example.com:8000"),
    ] {
        assert_eq!(get(&pairs, name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(get(&pairs, "HTTP_CONTENT_TYPE"), None);
    let raw = pairs
        .iter()
        .find(|(n, _)| n == "HTTP_X_SOME_THING")
        .unwrap();
    assert_eq!(raw.1, b"v\xe9");
}

#[test]
fn repeated_fields_are_joined_and_cookies_as_cookies() {
    let mut request = request();
    for (name, value) in [
        ("Accept", "a"),
        ("Cookie", "x=1"),
        ("accept", "b"),
        ("cookie", "y=2"),
        ("X", "only"),
        ("ACCEPT", "c"),
    ] {
        request.fields.push(name.as_bytes(), value.as_bytes());
    }
    let pairs = pairs(&request, &ends(None), None);
    assert_eq!(get(&pairs, "HTTP_ACCEPT").as_deref(), Some("a,b,c"));
    assert_eq!(get(&pairs, "HTTP_COOKIE").as_deref(), Some("x=1; y=2"));
    assert_eq!(get(&pairs, "HTTP_X").as_deref(), Some("only"));
    assert_eq!(get(&pairs, "CONTENT_LENGTH"), None);
}

#[test]
fn without_a_host_the_socket_says_where_we_are() {
    let request = Request {
        authority: Vec::new(),
        host_len: 0,
        version: Version::Http10,
        client: None,
        client_port: None,
        ..request()
    };
    let pairs = pairs(&request, &ends(Some("[::ffff:192.0.2.1]:81")), None);
    assert_eq!(get(&pairs, "SERVER_NAME").as_deref(), Some("192.0.2.1"));
    assert_eq!(get(&pairs, "SERVER_PORT").as_deref(), Some("81"));
    assert_eq!(get(&pairs, "REMOTE_ADDR").as_deref(), Some(""));
    assert_eq!(get(&pairs, "REMOTE_PORT"), None);
}

#[test]
fn the_default_port_is_the_schemes() {
    let request = Request {
        authority: b"[::1]".to_vec(),
        host_len: 5,
        scheme: Scheme::Https,
        ..request()
    };
    let pairs = pairs(&request, &ends(None), Some(0));
    assert_eq!(get(&pairs, "SERVER_NAME").as_deref(), Some("[::1]"));
    assert_eq!(get(&pairs, "SERVER_PORT").as_deref(), Some("443"));
    assert_eq!(get(&pairs, "wsgi.url_scheme").as_deref(), Some("https"));
    assert_eq!(get(&pairs, "CONTENT_LENGTH").as_deref(), Some("0"));
}

proptest::proptest! {
    #[test]
    fn every_name_is_there_once(names in proptest::collection::vec("[a-cA-C]{1,2}", 0..20)) {
        let mut request = request();
        for name in &names {
            request.fields.push(name.as_bytes(), b"v");
        }
        let pairs = pairs(&request, &ends(None), None);
        for name in &names {
            let cgi = format!("HTTP_{}", name.to_ascii_uppercase());
            let count = names.iter().filter(|n| n.eq_ignore_ascii_case(name)).count();
            assert_eq!(get(&pairs, &cgi).unwrap().len(), 2 * count - 1);
        }
    }
}

#[test]
fn decimals_are_decimal() {
    for number in [0, 7, 10, 65535, u64::MAX] {
        assert_eq!(
            Decimal::new(number).as_bytes(),
            number.to_string().as_bytes()
        );
    }
}
