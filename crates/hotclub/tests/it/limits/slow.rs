//! Slow heads, slow bodies, slow readers, idle connections: none holds the worker, each is cut.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use hotclub_testkit::{Program, Raw};

use super::limited;

/// More than the limits below, less than what would be cut without them.
const SOON: Duration = Duration::from_secs(6);

#[track_caller]
fn serves_others(program: &Program) {
    let began = Instant::now();
    assert!(program.get("/").expect(200).text().starts_with("0 "));
    assert!(began.elapsed() < Duration::from_millis(900));
}

fn many(program: &Program, sends: &str) -> Vec<Raw> {
    let one = |_| {
        let mut connection = program.connect();
        connection.send(sends).unwrap();
        connection
    };
    (0..100).map(one).collect()
}

#[test]
fn slow_heads_are_answered_408_and_hold_no_worker() {
    let (_project, launch) = limited(&["header_timeout=1s"]);
    let program = launch.serve();
    let began = Instant::now();
    let slow = many(&program, "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ");
    let silent: Vec<_> = (0..10).map(|_| program.connect()).collect();
    serves_others(&program);
    for mut connection in slow {
        connection.read("GET").unwrap().expect(408);
        assert!(connection.is_closed());
    }
    for mut connection in silent {
        assert!(connection.is_closed());
    }
    assert!(began.elapsed() < SOON);
    program.stop();
}

#[test]
fn stalled_bodies_are_answered_408_and_hold_no_worker() {
    let (_project, launch) = limited(&["idle_timeout=1s"]);
    let program = launch.serve();
    let began = Instant::now();
    let half = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nhalf";
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    let mut slow = many(&program, half);
    slow.extend(many(&program, chunked));
    serves_others(&program);
    for mut connection in slow {
        connection.read("POST").unwrap().expect(408);
    }
    assert!(began.elapsed() < SOON);
    program.stop();
}

#[test]
fn readers_that_stall_are_cut_and_hold_no_worker() {
    let (_project, launch) = limited(&["idle_timeout=1s", "max_buffered=1MiB"]);
    let program = launch.serve();
    let began = Instant::now();
    let slow: Vec<_> = many(&program, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        .into_iter()
        .take(8)
        .collect();
    serves_others(&program);
    std::thread::sleep(Duration::from_secs(2));
    for mut connection in slow {
        let mut answer = connection.read_head("GET").unwrap().expect(200);
        connection.read_body(&mut answer).unwrap();
        assert!(!answer.complete, "all of it came to one who did not read");
    }
    assert!(began.elapsed() < 2 * SOON);
    program.stop();
}

#[test]
fn idle_connections_are_closed() {
    let (_project, launch) = limited(&["idle_timeout=1s"]);
    let program = launch.serve();
    let mut kept: Vec<_> = (0..20).map(|_| program.connect()).collect();
    for connection in &mut kept {
        let answer = connection
            .ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap()
            .expect(200);
        assert!(answer.keeps_alive());
    }
    let began = Instant::now();
    for mut connection in kept {
        assert!(connection.is_closed());
    }
    assert!(began.elapsed() < SOON);
    program.stop();
}

/// Never idle, and yet far below the rate: the grace of 10 s is all the sender gets, and the reader a
/// little more for what the kernel's buffers took.
#[test]
fn bodies_and_readers_that_trickle_are_cut_after_the_grace() {
    let (_project, launch) = limited(&["min_rate=1MB"]);
    let program = launch.serve();
    let mut sender = program.connect();
    sender
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        .unwrap();
    let mut reader = program.connect();
    reader
        .send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    let began = Instant::now();
    let mut sent = true;
    while sent && began.elapsed() < Duration::from_secs(20) {
        sent = sender.send("x").is_ok();
        std::thread::sleep(Duration::from_millis(100));
    }
    let lasted = began.elapsed();
    assert!(
        (9..16).contains(&lasted.as_secs()),
        "the sender was cut after {lasted:?}"
    );
    serves_others(&program);
    std::thread::sleep(Duration::from_secs(20).saturating_sub(began.elapsed()));
    let cut = loop {
        match reader.take(1_000_000) {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(
        matches!(
            cut.kind(),
            ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof
        ),
        "{cut}"
    );
    drop((sender, reader));
    program.stop();
}
