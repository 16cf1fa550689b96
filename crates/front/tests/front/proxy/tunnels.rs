//! Upgrades: another protocol, once the upstream has agreed to it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use super::FINE;
use crate::backend::{Backend, field};
use crate::support::{pass_on, read_response, until};

const ASKING: &str = "GET /ws HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\
                      Sec-Thing: 1\r\n\r\n";
const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\
                      Sec-Answer: 2\r\n\r\n";

/// Agrees, then sends back what it gets, to the end.
fn echo(stream: &mut TcpStream) -> bool {
    stream.write_all(AGREED.as_bytes()).unwrap();
    let mut piece = [0; 1024];
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        if stream.write_all(&piece[..count]).is_err() {
            break;
        }
    }
    false
}

fn read(stream: &mut TcpStream, len: usize) -> String {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn bytes_pass_in_both_directions_after_the_101() {
    let backend = Backend::start(|_, stream| echo(stream));
    let served = pass_on(&[&backend], |_| {});
    let mut stream = served.connect();
    stream.write_all(ASKING.as_bytes()).unwrap();
    let (head, _) = read_response(&mut stream);
    assert!(
        head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
        "{head}"
    );
    for line in ["Connection: Upgrade", "Upgrade: echo", "Sec-Answer: 2"] {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{line}: {head}");
    }
    for name in ["Content-Length", "Transfer-Encoding", "Connection: close"] {
        assert!(!head.contains(name), "{name}: {head}");
    }
    for text in ["a", "hello", &"x".repeat(100_000)] {
        let mut writer = stream.try_clone().unwrap();
        let sent = text.to_owned();
        let writing = std::thread::spawn(move || writer.write_all(sent.as_bytes()).unwrap());
        assert_eq!(read(&mut stream, text.len()), text);
        writing.join().unwrap();
    }
    let asked = &backend.seen()[0].head;
    assert_eq!(field(asked, "upgrade").as_deref(), Some("echo"));
    assert_eq!(field(asked, "connection").as_deref(), Some("Upgrade"));
    assert_eq!(field(asked, "sec-thing").as_deref(), Some("1"));
    drop(stream);
    until("the upstream's end is closed", || backend.open() == 0);
    until("the log's line", || served.has_logged());
    let log = served.log();
    assert!(
        log[0].contains("\"GET /ws HTTP/1.1\" 101 100006 "),
        "{}",
        log[0]
    );
}

#[test]
fn nothing_of_the_clients_goes_on_before_the_101() {
    let (go, wait) = mpsc::channel::<()>();
    let (found, early) = mpsc::channel();
    let wait = std::sync::Mutex::new(wait);
    let backend = Backend::start(move |_, stream| {
        wait.lock().unwrap().recv().unwrap();
        stream.set_nonblocking(true).unwrap();
        found.send(stream.read(&mut [0; 64]).is_ok()).unwrap();
        stream.set_nonblocking(false).unwrap();
        echo(stream)
    });
    let served = pass_on(&[&backend], |_| {});
    let mut stream = served.connect();
    stream
        .write_all(format!("{ASKING}too early").as_bytes())
        .unwrap();
    until("the request is there", || backend.seen().len() == 1);
    go.send(()).unwrap();
    assert!(
        !early.recv().unwrap(),
        "the upstream has read what came too early"
    );
    read_response(&mut stream);
    assert_eq!(read(&mut stream, 9), "too early");
}

#[test]
fn without_a_101_what_follows_is_a_request() {
    let backend = Backend::saying(FINE);
    let served = pass_on(&[&backend], |_| {});
    let mut stream = served.connect();
    let next = "GET /next HTTP/1.1\r\nHost: example.com\r\n\r\n";
    stream
        .write_all(format!("{ASKING}{next}").as_bytes())
        .unwrap();
    for _ in 0..2 {
        let (head, body) = read_response(&mut stream);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert_eq!(body, b"fine\n");
    }
    // And it is held to the rules of one.
    let mut stream = served.connect();
    stream
        .write_all(format!("{ASKING}GET /evil HTTP/1.1\nHost: x\n\n").as_bytes())
        .unwrap();
    assert!(read_response(&mut stream).0.starts_with("HTTP/1.1 200 "));
    assert!(read_response(&mut stream).0.starts_with("HTTP/1.1 400 "));
    assert!(
        !backend
            .seen()
            .iter()
            .any(|seen| seen.head.contains("/evil"))
    );
}

#[test]
fn only_a_get_that_asks_for_one_protocol_can_be_upgraded() {
    let backend = Backend::start(|seen, stream| match field(&seen.head, "upgrade") {
        Some(_) => echo(stream),
        None => stream.write_all(FINE.as_bytes()).is_ok(),
    });
    let served = pass_on(&[&backend], |_| {});
    for request in [
        "POST / HTTP/1.1\r\nConnection: Upgrade, close\r\nUpgrade: echo\r\nContent-Length: 0\r\n",
        "GET / HTTP/1.1\r\nConnection: Upgrade, close\r\nUpgrade: echo\r\nContent-Length: 0\r\n",
        "GET / HTTP/1.1\r\nConnection: close\r\nUpgrade: echo\r\n",
        "GET / HTTP/1.1\r\nConnection: Upgrade, close\r\n",
        "GET / HTTP/1.1\r\nConnection: Upgrade, close\r\nUpgrade: echo, other\r\n",
        "GET / HTTP/1.1\r\nConnection: Upgrade, close\r\nUpgrade: echo\r\nUpgrade: other\r\n",
        "GET / HTTP/1.1\r\nConnection: Upgrade, close\r\nUpgrade:\r\n",
        "GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: echo\r\n",
    ] {
        let answer = served.ask(format!("{request}Host: example.com\r\n\r\n").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 200 "), "{request}: {answer}");
    }
    assert!(
        backend
            .seen()
            .iter()
            .all(|seen| field(&seen.head, "connection").is_none())
    );
}

#[test]
fn a_101_to_another_protocol_than_was_asked_for_is_502() {
    let answer = AGREED.replace("Upgrade: echo", "Upgrade: other");
    let backend = Backend::saying_once(answer);
    let served = pass_on(&[&backend], |_| {});
    let mut stream = served.connect();
    stream.write_all(ASKING.as_bytes()).unwrap();
    assert!(read_response(&mut stream).0.starts_with("HTTP/1.1 502 "));
}

#[test]
fn each_direction_ends_by_itself() {
    // Hears everything before it says anything.
    let backend = Backend::start(|_, stream| {
        stream.write_all(AGREED.as_bytes()).unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).unwrap();
        stream.write_all(&heard).unwrap();
        false
    });
    let served = pass_on(&[&backend], |_| {});
    let mut stream = served.connect();
    stream.write_all(ASKING.as_bytes()).unwrap();
    read_response(&mut stream);
    stream.write_all(b"all of it").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "all of it");
}

#[test]
fn a_tunnel_in_which_nothing_moves_ends() {
    let backend = Backend::start(|_, stream| echo(stream));
    let served = pass_on(&[&backend], |proxy| {
        proxy.tunnel_timeout = Duration::from_millis(200);
    });
    let mut stream = served.connect();
    stream.write_all(ASKING.as_bytes()).unwrap();
    read_response(&mut stream);
    stream.write_all(b"ping").unwrap();
    assert_eq!(read(&mut stream, 4), "ping");
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    until("the upstream's end is closed", || backend.open() == 0);
}
