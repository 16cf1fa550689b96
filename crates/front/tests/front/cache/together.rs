//! Many who want the same at once.

use std::io::{Read as _, Write as _};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use super::{ask, body, is_hit, request, send, story, text};
use crate::backend::Backend;
use crate::support::{Served, keep, until};

/// Holds answers back until it is opened.
#[derive(Default)]
struct Gate(Mutex<bool>, Condvar);

impl Gate {
    fn pass(&self) {
        let open = self.1.wait_while(self.0.lock().unwrap(), |open| !*open);
        drop(open.unwrap());
    }

    fn open(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }
}

fn gated(gate: &'static Gate, answer: String) -> Backend {
    Backend::start(move |_, stream| {
        gate.pass();
        stream.write_all(answer.as_bytes()).is_ok()
    })
}

fn gate() -> &'static Gate {
    Box::leak(Box::default())
}

fn busy(served: &Served) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(served.front.observer().connections()).busy
}

#[test]
fn many_who_ask_at_once_cost_one_request() {
    let gate = gate();
    let backend = gated(gate, body("Cache-Control: max-age=600\r\n", "page"));
    let served = keep(&backend, |cache| cache.wait = Duration::from_secs(60));
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..20)
            .map(|_| scope.spawn(|| ask(&served, "GET /", "")))
            .collect();
        until("all have asked", || busy(&served) == 20);
        gate.open();
        let mut stories: Vec<_> = asking
            .into_iter()
            .map(|one| one.join().unwrap())
            .map(|(head, page)| {
                assert_eq!(text(&page), "page");
                story(&head)
            })
            .collect();
        stories.sort();
        assert!(
            stories.contains(&"Hotclub; fwd=uri-miss; stored".to_owned()),
            "{stories:?}"
        );
    });
    assert_eq!(backend.seen().len(), 1);
}

#[test]
fn nobody_waits_for_longer_than_the_site_wants() {
    let gate = gate();
    let backend = gated(gate, body("Cache-Control: max-age=600\r\n", "page"));
    let served = keep(&backend, |cache| cache.wait = Duration::from_millis(50));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| ask(&served, "GET /", ""));
        until("the first has asked", || backend.seen().len() == 1);
        let second = scope.spawn(|| ask(&served, "GET /", ""));
        until("the second asks for itself", || backend.seen().len() == 2);
        gate.open();
        first.join().unwrap();
        second.join().unwrap();
    });
}

/// What one client reads slowly is there for all others.
#[test]
fn a_slow_reader_holds_nobody_up() {
    let long = "x".repeat(6_000_000);
    let backend = Backend::saying(body("Cache-Control: max-age=600\r\n", &long));
    let served = keep(&backend, |cache| cache.wait = Duration::from_secs(60));
    let mut slow = served.connect();
    send(&mut slow, "GET /", "");
    slow.read_exact(&mut [0; 100]).unwrap();
    let (_, page) = ask(&served, "GET /", "");
    assert_eq!(page.len(), long.len());
    assert_eq!(backend.seen().len(), 1);
}

#[test]
fn a_first_visitor_who_leaves_spoils_nothing_for_the_others() {
    let gate = gate();
    let backend = gated(gate, body("Cache-Control: max-age=600\r\n", "page"));
    let served = keep(&backend, |cache| cache.wait = Duration::from_secs(60));
    let mut first = served.connect();
    first.write_all(&request("GET /", "")).unwrap();
    until("the first has asked", || backend.seen().len() == 1);
    std::thread::scope(|scope| {
        let second = scope.spawn(|| ask(&served, "GET /", ""));
        until("the second waits", || busy(&served) == 2);
        drop(first);
        until("the second asks in its place", || backend.seen().len() == 2);
        gate.open();
        assert_eq!(text(&second.join().unwrap().1), "page");
    });
    let (head, _) = ask(&served, "GET /", "");
    assert!(is_hit(&head), "{head}");
}
