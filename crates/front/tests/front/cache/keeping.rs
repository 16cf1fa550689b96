//! What is kept, how it is answered with, and how it goes.

use std::time::Duration;

use hotclub_front::Purge;

use super::{ask, body, counting, is_hit, story, text};
use crate::backend::{Backend, field};
use crate::support::{keep, until};

#[test]
fn a_page_that_may_be_kept_is_asked_for_once() {
    let backend = Backend::saying(body(
        "Cache-Control: max-age=600\r\nETag: \"a\"\r\nCache-Tag: x, y\r\nX-Own: 1\r\n",
        "0123456789",
    ));
    let served = keep(&backend, |_| {});
    let (head, page) = ask(&served, "GET /p?q=1", "");
    assert_eq!(story(&head), "Hotclub; fwd=uri-miss; stored");
    assert!(
        field(&head, "age").is_none() && field(&head, "cache-tag").is_none(),
        "{head}"
    );
    let (head, again) = ask(&served, "GET /p?q=1", "");
    assert!(
        is_hit(&head) && again == page && field(&head, "x-own").is_some(),
        "{head}"
    );
    assert!(
        field(&head, "age").is_some() && field(&head, "date").is_some(),
        "{head}"
    );
    assert!(field(&head, "cache-tag").is_none(), "{head}");
    let (head, _) = ask(&served, "HEAD /p?q=1", "");
    assert!(
        is_hit(&head) && field(&head, "content-length").as_deref() == Some("10"),
        "{head}"
    );
    let (head, none) = ask(&served, "GET /p?q=1", "If-None-Match: \"a\"\r\n");
    assert!(
        head.starts_with("HTTP/1.1 304") && none.is_empty(),
        "{head}"
    );
    let (head, part) = ask(&served, "GET /p?q=1", "Range: bytes=2-4\r\n");
    assert!(head.starts_with("HTTP/1.1 206") && part == b"234", "{head}");
    let (head, _) = ask(&served, "GET /p?q=1", "Range: bytes=50-\r\n");
    assert!(head.starts_with("HTTP/1.1 416"), "{head}");
    assert_eq!(backend.seen().len(), 1);
    let (head, _) = ask(&served, "GET /p?q=2", "");
    assert!(!is_hit(&head));
    let (head, _) = ask(&served, "GET /other", "Cache-Control: only-if-cached\r\n");
    assert!(head.starts_with("HTTP/1.1 504"), "{head}");
}

#[test]
fn nothing_is_kept_of_pages_that_say_nothing_unless_the_site_wants_it() {
    let backend = counting("");
    let served = keep(&backend, |_| {});
    for number in ["page 0", "page 1"] {
        assert_eq!(text(&ask(&served, "GET /", "").1), number);
    }
    let served = keep(&backend, |cache| {
        cache.anonymous = Some(Duration::from_secs(600))
    });
    for _ in 0..2 {
        assert_eq!(text(&ask(&served, "GET /", "").1), "page 2");
    }
}

#[test]
fn a_page_that_may_have_changed_is_asked_about() {
    let backend = Backend::start(|seen, stream| {
        use std::io::Write as _;
        let answer = match field(&seen.head, "if-none-match").as_deref() {
            Some("\"a\"") => "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nCache-Control: no-cache\r\nX-New: 1\r\n\r\n"
                .to_owned(),
            _ => body("ETag: \"a\"\r\nCache-Control: no-cache\r\nX-New: 0\r\n", "page"),
        };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let served = keep(&backend, |_| {});
    ask(&served, "GET /", "");
    // The client's own copy is another one.
    let (head, page) = ask(&served, "GET /", "If-None-Match: \"z\"\r\n");
    assert!(
        head.starts_with("HTTP/1.1 200") && text(&page) == "page",
        "{head}"
    );
    assert_eq!(field(&head, "x-new").as_deref(), Some("1"));
    assert_eq!(story(&head), "Hotclub; fwd=stale; fwd-status=304; stored");
    let (head, _) = ask(&served, "GET /", "If-None-Match: \"a\"\r\n");
    assert!(head.starts_with("HTTP/1.1 304"), "{head}");
    assert_eq!(backend.seen().len(), 3);
}

#[test]
fn forms_of_a_page_are_kept_apart() {
    let backend = counting("Cache-Control: max-age=600\r\nVary: Accept-Language\r\n");
    let served = keep(&backend, |_| {});
    let page = |language: &str| {
        let fields = format!("Accept-Language: {language}\r\n");
        text(&ask(&served, "GET /", &fields).1).to_owned()
    };
    assert_eq!(
        [page("de"), page("fr"), page("de"), page("fr")],
        ["page 0", "page 1", "page 0", "page 1"]
    );
    let (head, _) = ask(&served, "GET /", "");
    assert_eq!(story(&head), "Hotclub; fwd=vary-miss; stored");
}

#[test]
fn what_changes_a_page_makes_what_is_kept_of_it_out_of_date() {
    let backend = Backend::start(|seen, stream| {
        use std::io::Write as _;
        let answer = match seen.head.starts_with("POST") {
            true => {
                "HTTP/1.1 303 See Other\r\nLocation: /list\r\nContent-Length: 0\r\n\r\n".to_owned()
            }
            false => body("Cache-Control: max-age=600\r\n", "page"),
        };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let served = keep(&backend, |_| {});
    for path in ["/form", "/list", "/other"] {
        ask(&served, &format!("GET {path}"), "");
    }
    ask(&served, "POST /form", "Content-Length: 0\r\n");
    for (path, kept) in [("/form", false), ("/list", false), ("/other", true)] {
        let (head, _) = ask(&served, &format!("GET {path}"), "");
        assert_eq!(is_hit(&head), kept, "{path}: {head}");
    }
}

#[test]
fn a_purge_forgets_what_it_names() {
    let backend = Backend::start(|seen, stream| {
        use std::io::Write as _;
        let tag = if seen.head.contains("/b") {
            "posts"
        } else {
            "pages"
        };
        let fields = format!("Cache-Control: max-age=600\r\nCache-Tag: all, {tag}\r\n");
        stream.write_all(body(&fields, "page").as_bytes()).is_ok()
    });
    let served = keep(&backend, |_| {});
    let fill = || {
        for path in ["/a", "/b", "/b/c"] {
            ask(&served, &format!("GET {path}"), "");
        }
    };
    let purge = |text: Option<&str>| served.front.observer().purge("site", &Purge::read(text));
    for (wanted, gone) in [
        (Some("/b"), 1),
        (Some("/b*"), 2),
        (Some("posts"), 2),
        (Some("pages"), 1),
        (Some("all"), 3),
        (Some("none"), 0),
        (None, 3),
    ] {
        fill();
        assert_eq!(purge(wanted), Some(gone), "{wanted:?}");
    }
    assert_eq!(served.front.observer().purge("other", &Purge::All), None);
}

#[test]
fn text_is_encoded_once_for_all_who_take_it() {
    let long = "It don't mean a thing. ".repeat(500);
    let backend = Backend::saying(body(
        "Content-Type: text/plain\r\nETag: \"a\"\r\nCache-Control: max-age=600\r\n",
        &long,
    ));
    let served = keep(&backend, |_| {});
    let (_, plain) = ask(&served, "GET /", "");
    assert_eq!(plain.len(), long.len());
    for _ in 0..2 {
        let (head, encoded) = ask(&served, "GET /", "Accept-Encoding: gzip\r\n");
        assert!(is_hit(&head) && encoded.len() < 1000, "{head}");
        assert_eq!(field(&head, "content-encoding").as_deref(), Some("gzip"));
        assert_eq!(field(&head, "etag").as_deref(), Some("W/\"a\""));
        assert_eq!(field(&head, "vary").as_deref(), Some("Accept-Encoding"));
    }
    let (head, plain) = ask(&served, "GET /", "");
    assert!(
        is_hit(&head) && plain.len() == long.len() && field(&head, "content-encoding").is_none()
    );
}

#[test]
fn what_is_long_is_kept_in_a_file_and_what_is_too_long_is_not_kept() {
    let long = "0123456789".repeat(100_000);
    let backend = Backend::saying(body("Cache-Control: max-age=600\r\n", &long));
    let served = keep(&backend, |_| {});
    let (_, page) = ask(&served, "GET /", "");
    assert!(page == long.as_bytes());
    until("it is kept", || {
        served.front.observer().caches()[0].1.answers == 1
    });
    let (head, page) = ask(&served, "GET /", "");
    assert!(is_hit(&head) && page == long.as_bytes(), "{head}");
    let (head, part) = ask(&served, "GET /", "Range: bytes=500000-500009\r\n");
    assert!(
        head.starts_with("HTTP/1.1 206") && part == b"0123456789",
        "{head}"
    );
    let stats = served.front.observer().caches()[0].1;
    assert_eq!(stats.disk, 1_000_000);
    assert!(stats.memory < 10_000, "{stats:?}");
    let served = keep(&backend, |cache| cache.max_object = 900_000);
    for _ in 0..2 {
        let (head, page) = ask(&served, "GET /", "");
        assert!(!is_hit(&head) && page == long.as_bytes(), "{head}");
    }
}

#[test]
fn memory_is_bounded() {
    let page = "x".repeat(20_000);
    let backend = Backend::saying(body("Cache-Control: max-age=600\r\n", &page));
    let served = keep(&backend, |cache| cache.max_memory = 1_000_000);
    for number in 0..100 {
        ask(&served, &format!("GET /{number}"), "");
    }
    let stats = served.front.observer().caches()[0].1;
    assert!(stats.memory <= 1_000_000 && stats.answers > 10, "{stats:?}");
}
