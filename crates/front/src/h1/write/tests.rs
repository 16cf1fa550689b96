use super::*;
use bytes::Bytes;

fn head_of(response: &Response, version: Version, is_head: bool, keep_alive: bool) -> String {
    let terms = Terms {
        version,
        is_head,
        keep_alive,
    };
    let mut out = Vec::new();
    let transfer = transfer(response, terms);
    write_head(&mut out, response, transfer, terms, keep_alive, "now");
    String::from_utf8(out).unwrap()
}

#[test]
fn a_head_has_what_the_response_does_not_say() {
    let response = Response::new(200, Body::Bytes(Bytes::from_static(b"hello")));
    assert_eq!(
        head_of(&response, Version::Http11, false, true),
        "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 5\r\n\r\n"
    );
    assert_eq!(
        head_of(&response, Version::Http10, true, true),
        "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n"
    );
    assert_eq!(
        head_of(&response, Version::Http11, false, false),
        "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"
    );
}

#[test]
fn a_response_without_body_has_no_length_where_there_can_be_none() {
    let empty = Response::new(204, Body::Empty);
    assert!(!head_of(&empty, Version::Http11, false, true).contains("Content-Length"));
    let empty = Response::new(404, Body::Empty);
    assert!(head_of(&empty, Version::Http11, false, true).contains("Content-Length: 0\r\n"));
    let mut told = Response::new(200, Body::Bodiless);
    told.fields.push(b"Content-Length", b"7");
    assert!(head_of(&told, Version::Http11, true, true).contains("Content-Length: 7\r\n"));
}

#[test]
fn a_date_and_a_reason_that_are_given_are_kept() {
    let mut response = Response::new(299, Body::Empty);
    response.reason = Some(Bytes::from_static(b"Fine"));
    response.fields.push(b"date", b"then");
    let head = head_of(&response, Version::Http11, false, true);
    assert_eq!(
        head,
        "HTTP/1.1 299 Fine\r\ndate: then\r\nContent-Length: 0\r\n\r\n"
    );
}
