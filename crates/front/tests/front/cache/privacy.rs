//! Never a personal page to somebody else.

use std::io::Write as _;
use std::time::Duration;

use super::{ask, body, counting, is_hit, text};
use crate::backend::{Backend, field};
use crate::support::{Served, keep};

fn generous(backend: &Backend) -> Served {
    keep(backend, |cache| {
        cache.anonymous = Some(Duration::from_secs(600))
    })
}

const ALICE: &str = "Cookie: sessionid=alice\r\n";
const BOB: &str = "Cookie: sessionid=bob\r\n";
const BASIC: &str = "Authorization: Basic YTpi\r\n";

#[test]
fn a_page_for_somebody_who_is_known_is_for_nobody_else() {
    for fields in [
        "",
        "Cache-Control: max-age=600\r\n",
        "Cache-Control: max-age=600\r\nVary: Cookie\r\n",
    ] {
        let backend = counting(fields);
        let served = generous(&backend);
        let page = |who| text(&ask(&served, "GET /", who).1).to_owned();
        let mut seen: Vec<_> = [ALICE, BOB, BASIC].map(page).into();
        let anonymous = page("");
        seen.push(anonymous.clone());
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 4, "{fields:?}: {seen:?}");
        assert_eq!(page(""), anonymous);
    }
}

#[test]
fn a_page_for_unknown_visitors_is_for_no_other() {
    let backend = counting("");
    let served = generous(&backend);
    let page = |who| text(&ask(&served, "GET /", who).1).to_owned();
    let anonymous = page("");
    for who in [
        ALICE,
        BASIC,
        "HX-Request: true\r\n",
        "X-Requested-With: XMLHttpRequest\r\n",
    ] {
        assert_ne!(page(who), anonymous, "{who}");
    }
    assert_eq!(page(""), anonymous);
    // A HEAD of theirs is not answered from it, either.
    let (head, _) = ask(&served, "HEAD /", ALICE);
    assert!(!is_hit(&head), "{head}");
}

#[test]
fn an_answer_that_sets_a_cookie_or_is_private_is_never_kept() {
    for fields in [
        "Set-Cookie: sessionid=1\r\n",
        "Set-Cookie: sessionid=1\r\nCache-Control: public, max-age=600\r\n",
        "Cache-Control: private\r\n",
        "Cache-Control: no-store\r\n",
        "Cache-Control: max-age=0, no-cache, no-store, must-revalidate, private\r\nExpires: Thu, 01 Jan 1970 00:00:00 GMT\r\n",
        "Vary: *\r\n",
    ] {
        let backend = counting(fields);
        let served = generous(&backend);
        for number in ["page 0", "page 1"] {
            let (head, page) = ask(&served, "GET /", "");
            assert!(text(&page) == number && !is_hit(&head), "{fields}: {head}");
        }
    }
}

#[test]
fn hosts_and_methods_and_bodies_are_not_mixed_up() {
    let backend = counting("Cache-Control: max-age=600\r\n");
    let served = generous(&backend);
    let (_, first) = ask(&served, "GET /", "");
    let other = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    assert_ne!(served.ask_bytes(other).1, first);
    for (line, fields) in [
        ("POST /", "Content-Length: 0\r\n"),
        ("GET /", "Content-Length: 2\r\n\r\n{}"),
        ("OPTIONS /", ""),
    ] {
        let bytes =
            format!("{line} HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n{fields}\r\n");
        assert_ne!(
            served.ask_bytes(bytes.as_bytes()).1,
            first,
            "{line} {fields}"
        );
    }
}

/// The page is made while somebody logs in: what the one flight brings is not for the others who waited.
#[test]
fn those_who_wait_for_a_page_that_turns_out_personal_get_one_of_their_own() {
    let backend = Backend::start(|seen, stream| {
        let number = field(&seen.head, "x-request-id").unwrap();
        stream
            .write_all(body("Set-Cookie: a=b\r\n", &number).as_bytes())
            .is_ok()
    });
    let served = generous(&backend);
    let pages = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| ask(&served, "GET /", "").1))
            .collect();
        let mut pages: Vec<_> = asking.into_iter().map(|one| one.join().unwrap()).collect();
        pages.sort();
        pages.dedup();
        pages
    });
    assert_eq!(pages.len(), 8);
}
