//! Over HTTP/2 the same is kept, found and told as over HTTP/1.

use std::io::Write as _;

use hotclub_testkit::{Answered, Frames, asking};

use super::{ask, body, counting, is_hit};
use crate::backend::{Backend, field};
use crate::support::{Served, keep};

fn over_http2(
    served: &Served,
    stream: u32,
    client: &mut Frames,
    line: (&str, &str),
    fields: &[(&str, &str)],
) -> Answered {
    let mut all = asking(line.0, "example.com", line.1).to_vec();
    all.extend(fields);
    client.ask(stream, &all, true).unwrap();
    let answer = client.answer(stream).unwrap();
    assert!(answer.complete, "{answer:?} from {}", served.address);
    answer
}

fn connect(served: &Served) -> Frames {
    Frames::connect(&served.address.to_string(), &[]).unwrap()
}

#[test]
fn what_one_version_made_is_kept_for_the_other() {
    let backend = counting("Cache-Control: max-age=600\r\nETag: \"a\"\r\n");
    let served = keep(&backend, |_| {});
    let mut client = connect(&served);
    let first = over_http2(&served, 1, &mut client, ("GET", "/p"), &[]);
    assert_eq!((first.status, first.text().as_str()), (200, "page 0"));
    assert_eq!(
        first.field("cache-status"),
        Some("Hotclub; fwd=uri-miss; stored")
    );
    let again = over_http2(&served, 3, &mut client, ("GET", "/p"), &[]);
    let told = again.field("cache-status").unwrap();
    assert!(told.starts_with("Hotclub; hit; ttl="), "{told}");
    assert_eq!(again.body, first.body);
    assert!(again.field("age").is_some(), "{again:?}");
    let (head, page) = ask(&served, "GET /p", "");
    assert!(is_hit(&head) && page == first.body, "{head}");

    let head = over_http2(&served, 5, &mut client, ("HEAD", "/p"), &[]);
    assert_eq!(
        (head.status, head.field("content-length")),
        (200, Some("6"))
    );
    assert!(head.body.is_empty() && head.field("cache-status").unwrap().contains("; hit"));
    let own = [("if-none-match", "\"a\"")];
    let unchanged = over_http2(&served, 7, &mut client, ("GET", "/p"), &own);
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    let part = [("range", "bytes=0-3")];
    let part = over_http2(&served, 9, &mut client, ("GET", "/p"), &part);
    assert_eq!((part.status, part.text().as_str()), (206, "page"));
    assert_eq!(backend.seen().len(), 1);
}

#[test]
fn what_may_have_changed_is_asked_about_and_a_post_makes_it_out_of_date() {
    let backend = Backend::start(|seen, stream| {
        let answer = match field(&seen.head, "if-none-match").as_deref() {
            Some("\"a\"") => {
                "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nCache-Control: no-cache\r\n\r\n"
                    .to_owned()
            }
            _ if seen.head.starts_with("GET /kept") => {
                body("Cache-Control: max-age=600\r\n", "kept")
            }
            _ => body("ETag: \"a\"\r\nCache-Control: no-cache\r\n", "page"),
        };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let served = keep(&backend, |_| {});
    let mut client = connect(&served);
    over_http2(&served, 1, &mut client, ("GET", "/"), &[]);
    let again = over_http2(&served, 3, &mut client, ("GET", "/"), &[]);
    assert_eq!((again.status, again.text().as_str()), (200, "page"));
    assert_eq!(
        again.field("cache-status"),
        Some("Hotclub; fwd=stale; fwd-status=304; stored")
    );
    over_http2(&served, 5, &mut client, ("GET", "/kept"), &[]);
    over_http2(&served, 7, &mut client, ("POST", "/kept"), &[]);
    let anew = over_http2(&served, 9, &mut client, ("GET", "/kept"), &[]);
    assert_eq!(
        anew.field("cache-status"),
        Some("Hotclub; fwd=uri-miss; stored")
    );
}

#[test]
fn a_visitor_with_cookies_gets_nothing_that_is_kept_for_strangers() {
    let backend = counting("");
    let served = keep(&backend, |cache| {
        cache.anonymous = Some(std::time::Duration::from_secs(600));
    });
    let mut client = connect(&served);
    let cookies = [("cookie", "sessionid=1")];
    let asked = [(1, &[][..]), (3, &cookies[..]), (5, &cookies[..]), (7, &[])];
    let pages = asked.map(|(stream, fields)| {
        over_http2(&served, stream, &mut client, ("GET", "/"), fields).text()
    });
    assert_eq!(pages, ["page 0", "page 1", "page 2", "page 0"]);
}
