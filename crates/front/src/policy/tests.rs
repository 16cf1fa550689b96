use super::*;

struct Case {
    peer: Option<&'static str>,
    trusted: &'static [&'static str],
    fields: Vec<(&'static str, &'static str)>,
}

impl Case {
    fn from_stranger(fields: &[(&'static str, &'static str)]) -> Request {
        Case {
            peer: Some("198.51.100.7:4000"),
            trusted: &[],
            fields: fields.to_vec(),
        }
        .run()
    }

    fn from_proxy(fields: &[(&'static str, &'static str)]) -> Request {
        Case {
            peer: Some("10.0.0.2:4000"),
            trusted: &["10.0.0.0/8"],
            fields: fields.to_vec(),
        }
        .run()
    }

    fn run(&self) -> Request {
        let mut request = Request {
            authority: b"example.com".to_vec(),
            host_len: 11,
            ..Request::default()
        };
        let context = Context {
            ends: &Ends {
                peer: self.peer.map(|peer| peer.parse().unwrap()),
                local: None,
                scheme: Scheme::Http,
                server_name: None,
            },
            trusted: &TrustedProxies::parse(self.trusted.iter().copied()).unwrap(),
            id: RequestId::accept(b"made-here").unwrap(),
        };
        let fields = self
            .fields
            .iter()
            .map(|(n, v)| (n.as_bytes(), v.as_bytes()));
        apply(fields, &context, &mut request).unwrap();
        request
    }
}

fn all(request: &Request, name: &str) -> Vec<String> {
    request
        .fields
        .all(name)
        .map(|v| String::from_utf8_lossy(v).into_owned())
        .collect()
}

#[test]
fn names_with_an_underscore_are_dropped() {
    let request =
        Case::from_stranger(&[("X_Forwarded_Proto", "https"), ("a_b", "1"), ("a-b", "2")]);
    assert!(all(&request, "X_Forwarded_Proto").is_empty());
    assert!(all(&request, "a_b").is_empty());
    assert_eq!(all(&request, "a-b"), ["2"]);
}

#[test]
fn hop_by_hop_fields_and_those_that_connection_names_are_dropped() {
    let request = Case::from_stranger(&[
        ("Connection", "close, X-Secret"),
        ("connection", "Other"),
        ("x-secret", "1"),
        ("OTHER", "1"),
        ("Keep-Alive", "300"),
        ("TE", "trailers"),
        ("Trailer", "x"),
        ("Transfer-Encoding", "chunked"),
        ("Upgrade", "h2c"),
        ("Proxy-Connection", "close"),
        ("Proxy-Authorization", "Basic x"),
        ("Cookie", "a=b"),
    ]);
    let names: Vec<_> = request
        .fields
        .iter()
        .map(|(n, _)| String::from_utf8_lossy(n).into_owned())
        .collect();
    let expected = [
        "Host",
        "Cookie",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Real-IP",
        "X-Request-ID",
    ];
    assert_eq!(names, expected);
}

#[test]
fn connection_cannot_remove_what_we_say() {
    let request = Case::from_stranger(&[(
        "Connection",
        "X-Forwarded-Host, X-Forwarded-For, X-Forwarded-Proto, X-Real-IP, X-Request-ID, Host",
    )]);
    for (name, value) in [
        ("X-Forwarded-Host", "example.com"),
        ("X-Forwarded-For", "198.51.100.7"),
        ("X-Forwarded-Proto", "http"),
        ("X-Real-IP", "198.51.100.7"),
        ("X-Request-ID", "made-here"),
        ("Host", "example.com"),
    ] {
        assert_eq!(all(&request, name), [value], "{name}");
    }
}

#[test]
fn connection_cannot_remove_what_a_trusted_proxy_says() {
    let request = Case::from_proxy(&[
        ("Connection", "X-Forwarded-For, X-Forwarded-Proto"),
        ("X-Forwarded-For", "203.0.113.9"),
        ("X-Forwarded-Proto", "https"),
    ]);
    assert_eq!(all(&request, "X-Real-IP"), ["203.0.113.9"]);
    assert_eq!(request.scheme, Scheme::Https);
}

#[test]
fn a_stranger_is_not_believed() {
    let request = Case::from_stranger(&[
        ("X-Forwarded-For", "1.1.1.1"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Prefix", "/evil"),
        ("x-forwarded-anything", "1"),
        ("X-Real-IP", "1.1.1.1"),
        ("Forwarded", "for=1.1.1.1"),
        ("Proxy", "http://evil"),
        ("X-Request-ID", "forged"),
    ]);
    assert_eq!(all(&request, "X-Forwarded-For"), ["198.51.100.7"]);
    assert_eq!(all(&request, "X-Forwarded-Proto"), ["http"]);
    assert_eq!(all(&request, "X-Forwarded-Host"), ["example.com"]);
    assert_eq!(all(&request, "X-Real-IP"), ["198.51.100.7"]);
    assert_eq!(all(&request, "X-Request-ID"), ["made-here"]);
    for gone in [
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-Anything",
        "Forwarded",
        "Proxy",
    ] {
        assert!(all(&request, gone).is_empty(), "{gone}");
    }
    assert_eq!(request.scheme, Scheme::Http);
    assert_eq!(request.client, "198.51.100.7".parse().ok());
    assert_eq!(request.client_port, Some(4000));
}

#[test]
fn a_trusted_proxy_is_believed_up_to_the_first_stranger() {
    let request = Case::from_proxy(&[
        ("X-Forwarded-For", "6.6.6.6"),
        ("X-Forwarded-For", "203.0.113.9, 10.0.0.9"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "shop.example"),
        ("X-Forwarded-Port", "443"),
        ("X-Real-IP", "6.6.6.6"),
        ("X-Request-ID", "abc-123"),
        ("Proxy", "http://evil"),
    ]);
    assert_eq!(
        all(&request, "X-Forwarded-For"),
        ["6.6.6.6, 203.0.113.9, 10.0.0.9, 10.0.0.2"]
    );
    assert_eq!(all(&request, "X-Real-IP"), ["203.0.113.9"]);
    assert_eq!(all(&request, "X-Forwarded-Host"), ["shop.example"]);
    assert_eq!(all(&request, "X-Forwarded-Port"), ["443"]);
    assert!(all(&request, "Proxy").is_empty());
    assert_eq!(request.id.as_str(), "abc-123");
    assert_eq!(request.client, "203.0.113.9".parse().ok());
    assert_eq!(request.client_port, None);
    assert_eq!(request.scheme, Scheme::Https);
}

#[test]
fn nonsense_from_a_trusted_proxy_is_replaced() {
    let request = Case::from_proxy(&[
        ("X-Forwarded-For", "unknown"),
        ("X-Forwarded-Proto", "gopher"),
        ("X-Forwarded-Host", "a b<c>"),
        ("X-Request-ID", "a b"),
    ]);
    assert_eq!(request.client, "10.0.0.2".parse().ok());
    assert_eq!(request.scheme, Scheme::Http);
    assert_eq!(all(&request, "X-Forwarded-Host"), ["example.com"]);
    assert_eq!(request.id.as_str(), "made-here");
}

#[test]
fn a_peer_on_a_unix_socket_has_no_address() {
    let case = Case {
        peer: None,
        trusted: &[],
        fields: vec![("X-Forwarded-For", "1.1.1.1")],
    };
    let request = case.run();
    assert_eq!(request.client, None);
    assert!(all(&request, "X-Forwarded-For").is_empty());
    let case = Case {
        trusted: &["unix"],
        ..case
    };
    assert_eq!(case.run().client, "1.1.1.1".parse().ok());
}

#[test]
fn a_connection_field_with_endless_names_is_refused() {
    let many = "a,".repeat(50);
    let fields = [(&b"Connection"[..], many.as_bytes())];
    let context = Context {
        ends: &Ends {
            peer: None,
            local: None,
            scheme: Scheme::Http,
            server_name: None,
        },
        trusted: &TrustedProxies::default(),
        id: RequestId::default(),
    };
    let refused = apply(fields.into_iter(), &context, &mut Request::default());
    assert_eq!(refused, Err(PolicyError::ConnectionOptions));
}
