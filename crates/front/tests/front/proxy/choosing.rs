//! Several upstreams: who is asked, who is left alone, who is found again.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use hotclub_config::{Balance, Health};

use super::{FINE, get, with};
use crate::backend::{Backend, field};
use crate::support::{pass_on, until};

fn ask(served: &crate::support::Served) -> String {
    served.ask(&get("/"))
}

#[test]
fn requests_go_round() {
    let backends = [FINE; 3].map(Backend::saying);
    let served = pass_on(&backends.each_ref(), |proxy| {
        proxy.balance = Balance::RoundRobin
    });
    for _ in 0..9 {
        assert!(ask(&served).starts_with("HTTP/1.1 200 "));
    }
    assert!(backends.iter().all(|backend| backend.seen().len() == 3));
}

#[test]
fn the_one_with_the_least_to_do_is_asked() {
    let busy = Backend::start(|_, stream| stream.read(&mut [0]).is_ok_and(|count| count > 0));
    let idle = Backend::saying(FINE);
    let served = pass_on(&[&busy, &idle], |_| {});
    let mut waiting = Vec::new();
    while busy.seen().is_empty() {
        let mut stream = served.connect();
        stream.write_all(&get("/")).unwrap();
        waiting.push(stream);
        let seen = || busy.seen().len() + idle.seen().len();
        until("the request is there", || seen() == waiting.len());
    }
    let before = idle.seen().len();
    for _ in 0..6 {
        assert!(ask(&served).starts_with("HTTP/1.1 200 "));
    }
    assert_eq!((busy.seen().len(), idle.seen().len()), (1, before + 6));
}

#[test]
fn where_nobody_listens_another_is_asked() {
    let backend = Backend::saying(FINE);
    let served = pass_on(&[&backend], |proxy| {
        proxy.to.push("http://127.0.0.1:1".parse().unwrap());
        proxy.balance = Balance::RoundRobin;
    });
    let post = with("POST /", "Content-Length: 2\r\n", "hi");
    for _ in 0..8 {
        // Nothing was sent to the one that is away, so a POST may go elsewhere, too.
        assert!(served.ask(&post).starts_with("HTTP/1.1 200 "));
    }
    assert_eq!(backend.seen().len(), 8);
}

#[test]
fn without_retries_a_failure_is_a_failure_and_three_are_an_outage() {
    let backend = Backend::saying(FINE);
    let served = pass_on(&[&backend], |proxy| {
        proxy.to.push("http://127.0.0.1:1".parse().unwrap());
        proxy.balance = Balance::RoundRobin;
        proxy.retries = 0;
        proxy.fail_pause = Duration::from_secs(600);
    });
    let statuses: Vec<_> = (0..20).map(|_| ask(&served)[9..12].to_owned()).collect();
    assert_eq!(
        statuses.iter().filter(|status| *status == "502").count(),
        3,
        "{statuses:?}"
    );
    assert!(
        statuses[6..].iter().all(|status| status == "200"),
        "{statuses:?}"
    );
}

#[test]
fn one_that_is_left_alone_is_found_again() {
    let well = Arc::new(AtomicBool::new(false));
    let is_well = Arc::clone(&well);
    let shaky = Backend::start(move |_, stream| {
        is_well.load(SeqCst) && stream.write_all(FINE.as_bytes()).is_ok()
    });
    let other = Backend::saying(FINE);
    let served = pass_on(&[&shaky, &other], |proxy| {
        proxy.balance = Balance::RoundRobin;
        proxy.max_fails = 1;
        proxy.fail_pause = Duration::from_millis(50);
    });
    until("it is left alone", || {
        ask(&served).starts_with("HTTP/1.1 502 ")
    });
    assert!(ask(&served).starts_with("HTTP/1.1 200 "));
    well.store(true, SeqCst);
    let failed = shaky.seen().len();
    until("it is asked again", || {
        ask(&served);
        shaky.seen().len() > failed + 3
    });
}

#[test]
fn a_health_check_takes_one_out_and_puts_it_back() {
    let well = Arc::new(AtomicBool::new(false));
    let is_well = Arc::clone(&well);
    let checked = Backend::start(move |seen, stream| {
        let is_check = seen.head.starts_with("GET /up ");
        let answer = match is_check && !is_well.load(SeqCst) {
            true => "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
            false => FINE,
        };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let served = pass_on(&[&checked], |proxy| {
        proxy.health = Some(Health {
            path: "/up".to_owned(),
            interval: Duration::from_millis(20),
            timeout: Duration::from_secs(5),
            host: Some("inside.example".to_owned()),
        });
    });
    until("it is out", || ask(&served).starts_with("HTTP/1.1 503 "));
    assert!(ask(&served).contains("\r\nRetry-After: 1\r\n"));
    well.store(true, SeqCst);
    until("it is back", || ask(&served).starts_with("HTTP/1.1 200 "));
    let seen = checked.seen();
    let is_check = |head: &&str| head.starts_with("GET /up ");
    let check = seen.iter().map(|seen| &*seen.head).find(is_check).unwrap();
    assert_eq!(field(check, "host").as_deref(), Some("inside.example"));
}

#[test]
fn checks_end_when_no_table_has_the_proxy() {
    let backend = Backend::saying_once(FINE);
    let served = pass_on(&[&backend], |proxy| {
        proxy.health = Some(Health {
            path: "/up".to_owned(),
            interval: Duration::from_millis(5),
            timeout: Duration::from_secs(5),
            host: None,
        });
    });
    until("it is checked", || backend.seen().len() > 3);
    let kept = Arc::downgrade(&served.front.table());
    served.front.swap(Arc::default());
    until("the table is gone", || kept.strong_count() == 0);
    until("the last check is over", || backend.open() == 0);
    let seen = backend.seen().len();
    assert!(served.ask(&get("/")).starts_with("HTTP/1.1 421 "));
    assert!(backend.seen().len() <= seen + 1);
}

#[test]
fn an_upstream_may_be_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = vec![0; 2000];
        let count = stream.read(&mut head).unwrap();
        stream.write_all(FINE.as_bytes()).unwrap();
        String::from_utf8_lossy(&head[..count]).into_owned()
    });
    let backend = Backend::saying(FINE);
    let served = pass_on(&[&backend], |proxy| {
        proxy.to = vec![hotclub_config::Upstream::Unix(path)];
    });
    assert!(ask(&served).ends_with("\r\n\r\nfine\n"));
    assert!(
        serving
            .join()
            .unwrap()
            .contains("\r\nHost: example.com\r\n")
    );
}
