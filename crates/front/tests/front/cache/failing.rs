//! What is kept stands in for an app that is slow or broken.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use super::{ask, body, is_hit, story, text};
use crate::backend::Backend;
use crate::support::{Served, keep, until};

/// Pages with numbers, until it is broken.
fn breakable(fields: &'static str) -> (Backend, Arc<AtomicBool>) {
    let broken = Arc::new(AtomicBool::new(false));
    let (state, count) = (Arc::clone(&broken), AtomicUsize::new(0));
    let backend = Backend::start(move |_, stream| {
        let number = count.fetch_add(1, SeqCst);
        let answer = match state.load(SeqCst) {
            true => "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_owned(),
            false => body(fields, &format!("page {number}")),
        };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    (backend, broken)
}

fn asked(served: &Served) -> (String, String) {
    let (head, page) = ask(served, "GET /", "");
    (head, text(&page).to_owned())
}

#[test]
fn a_broken_app_is_stood_in_for_within_bounds() {
    let (backend, broken) = breakable("Cache-Control: max-age=0, stale-if-error=600\r\n");
    let served = keep(&backend, |_| {});
    assert_eq!(asked(&served).1, "page 0");
    assert_eq!(asked(&served).1, "page 1");
    broken.store(true, SeqCst);
    let (head, page) = asked(&served);
    assert!(
        head.starts_with("HTTP/1.1 200") && page == "page 1",
        "{head}"
    );
    assert!(story(&head).ends_with("detail=app-failed"), "{head}");
    assert!(head.contains("\r\nAge: "), "{head}");
    broken.store(false, SeqCst);
    assert_eq!(asked(&served).1, "page 3");
    for strict in ["must-revalidate", "proxy-revalidate", "no-cache"] {
        let fields =
            format!("Cache-Control: max-age=0, {strict}, stale-if-error=600\r\nETag: \"a\"\r\n");
        let (backend, broken) = breakable(fields.leak());
        let served = keep(&backend, |_| {});
        asked(&served);
        broken.store(true, SeqCst);
        assert!(asked(&served).0.starts_with("HTTP/1.1 500"), "{strict}");
    }
}

#[test]
fn an_app_that_cannot_be_reached_is_stood_in_for() {
    let backend = Backend::saying(body(
        "Cache-Control: max-age=0, stale-if-error=600\r\n",
        "page",
    ));
    let served = keep(&backend, |_| {});
    asked(&served);
    drop(backend);
    until("nobody answers any more", || {
        story(&asked(&served).0).contains("app-failed")
    });
    assert_eq!(asked(&served).1, "page");
}

#[test]
fn an_error_is_kept_for_nobody() {
    let (backend, broken) = breakable("");
    let served = keep(&backend, |cache| {
        cache.anonymous = Some(Duration::from_secs(600))
    });
    broken.store(true, SeqCst);
    assert!(asked(&served).0.starts_with("HTTP/1.1 500"));
    broken.store(false, SeqCst);
    assert_eq!(asked(&served).1, "page 1");
}

#[test]
fn a_page_is_renewed_while_the_old_one_is_shown() {
    let (backend, _) = breakable("Cache-Control: max-age=0, stale-while-revalidate=600\r\n");
    let served = keep(&backend, |_| {});
    assert_eq!(asked(&served).1, "page 0");
    let (head, page) = asked(&served);
    assert!(is_hit(&head) && page == "page 0", "{head}");
    until("a newer one is there", || asked(&served).1 != "page 0");
}
