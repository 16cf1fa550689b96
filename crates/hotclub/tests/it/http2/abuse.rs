//! What a hostile client of HTTP/2 tries: each attempt ends its own connection or stream, others are served
//! meanwhile, and the memory comes back.

use std::time::{Duration, Instant};

use hotclub_testkit::{
    END_HEADERS, Frame, Frames, Program, Question, Signal, Storm, Weather, block, code, get, kind,
};

use super::{connect, h2c};

const APP: &str = r#"
import sys, time

class Large:
    def __init__(self):
        self.left = 300
    def __iter__(self):
        return self
    def __next__(self):
        self.left -= 1
        if not self.left:
            raise StopIteration
        return b"x" * 10000
    def close(self):
        print("CLOSED", file=sys.stderr, flush=True)

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    environ["wsgi.input"].read()
    if environ["PATH_INFO"] == "/large":
        return Large()
    if environ["PATH_INFO"] == "/slow":
        time.sleep(0.3)
    return [environ["PATH_INFO"].encode() + b" "]
"#;

fn frame(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Vec<u8> {
    Frame::new(kind, flags, stream, payload).encode()
}

fn head(stream: u32, flags: u8) -> Vec<u8> {
    frame(kind::HEADERS, flags, stream, block(&get("a", "/")))
}

/// Sends pieces until the connection is ended; the code of the GOAWAY.
fn flood(program: &Program, begin: &[u8], mut piece: impl FnMut(u32) -> Vec<u8>) -> Option<u32> {
    let mut client = connect(program);
    client.send_bytes(begin).unwrap();
    for turn in 0..200_u32 {
        let pieces: Vec<u8> = (0..500).flat_map(|n| piece(turn * 500 + n)).collect();
        if client.send_bytes(&pieces).is_err() {
            break;
        }
    }
    client.goaway().unwrap()
}

/// Ordinary requests, over HTTP/1 so that nothing is shared with the attempts.
fn weather() -> Weather {
    Weather {
        connections: 2,
        keep_alive: true,
        pace: Duration::from_millis(5),
        ask: |n| Question {
            method: "GET",
            path: format!("/{n}"),
            body: Vec::new(),
            expected: Some(format!("/{n} ").into_bytes()),
        },
    }
}

fn resident(program: &Program) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn floods_end_their_own_connection_and_nothing_else() {
    let (_project, launch) = h2c(APP, 2);
    let program = launch.serve();
    let storm = Storm::start(program.address(), &weather());
    storm.more(20);
    let before = resident(&program);
    let calm = Some(code::ENHANCE_YOUR_CALM);
    let odd = |n: u32| 2 * n + 1;
    for round in 0..3 {
        let rapid_reset = flood(&program, b"", |n| {
            let mut pair = head(odd(n), END_HEADERS | 1);
            pair.extend(frame(
                kind::RST_STREAM,
                0,
                odd(n),
                code::CANCEL.to_be_bytes(),
            ));
            pair
        });
        assert_eq!(rapid_reset, calm, "rapid reset, {round}");
        let pings = flood(&program, b"", |_| frame(kind::PING, 0, 0, [0; 8]));
        assert_eq!(pings, calm, "pings, {round}");
        let settings = flood(&program, b"", |_| frame(kind::SETTINGS, 0, 0, []));
        assert_eq!(settings, calm, "settings, {round}");
        let tables = flood(&program, b"", |n| {
            frame(kind::SETTINGS, 0, 0, [0, 1, 0, 0, n as u8, 0])
        });
        assert_eq!(tables, calm, "table sizes, {round}");
        let priorities = flood(&program, b"", |n| {
            frame(kind::PRIORITY, 0, odd(n), [0, 0, 0, 0, 1])
        });
        assert_eq!(priorities, calm, "priorities, {round}");
        let unknown = flood(&program, b"", |_| frame(0xbe, 0, 0, [0; 100]));
        assert_eq!(unknown, calm, "unknown frames, {round}");
        let windows = flood(&program, b"", |_| {
            frame(kind::WINDOW_UPDATE, 0, 0, [0, 0, 0, 1])
        });
        assert_eq!(windows, calm, "windows, {round}");
        let begun = head(1, END_HEADERS);
        let empty = flood(&program, &begun, |_| frame(kind::DATA, 0, 1, []));
        assert_eq!(empty, calm, "empty data, {round}");
        let padded = flood(&program, &begun, |_| frame(kind::DATA, 8, 1, [0]));
        assert!(padded.is_some(), "padding, {round}");
        let tiny = flood(&program, &begun, |_| frame(kind::DATA, 0, 1, [0]));
        assert_eq!(tiny, calm, "data by the byte, {round}");
        let continued = flood(&program, &head(1, 0), |_| {
            frame(kind::CONTINUATION, 0, 1, [])
        });
        assert_eq!(continued, calm, "continuations, {round}");
        let fields = flood(&program, &head(1, 0), |n| {
            frame(
                kind::CONTINUATION,
                0,
                1,
                block(&[(&format!("x-{n}"), &"v".repeat(100))]),
            )
        });
        assert!(fields.is_some(), "continued fields, {round}");
        let concurrent = flood(&program, b"", |n| head(odd(n), END_HEADERS));
        assert_eq!(concurrent, calm, "streams beyond the limit, {round}");
    }
    storm.more(20);
    storm.finish().lost_nothing();
    let mut client = connect(&program);
    client.ask(1, &get("a", "/"), true).unwrap();
    assert_eq!(client.answer(1).unwrap().status, 200);
    drop(client);
    let after = resident(&program);
    assert!(after < before + (24 << 20), "{before} became {after}");
    program.stop();
}

#[test]
fn requests_taken_back_one_by_one_run_out_too() {
    let (_project, launch) = h2c(APP, 2);
    let program = launch.serve();
    let mut client = connect(&program);
    let mut taken_back = 0;
    for n in 0..1000_u32 {
        let stream = 2 * n + 1;
        // The ping's echo says that the request was seen.
        let sent = client
            .ask(stream, &get("a", "/slow"), true)
            .and_then(|()| client.echo())
            .and_then(|()| client.reset(stream, code::CANCEL));
        if sent.is_err() {
            break;
        }
        taken_back += 1;
    }
    assert!((190..400).contains(&taken_back), "{taken_back}");
    drop(client);
    assert_eq!(program.get("/").expect(200).status, 200);
    program.stop();
}

#[test]
fn closed_windows_hold_nothing_for_long() {
    let (_project, launch) = h2c(APP, 2);
    let program = launch
        .args(["--limit", "idle_timeout=2s", "--limit", "max_buffered=4MiB"])
        .serve();
    let address = program.address().trim_start_matches("http://");
    let before = resident(&program);
    // The number of SETTINGS_INITIAL_WINDOW_SIZE is 4.
    let mut stalled = Frames::connect(address, &[(4, 0)]).unwrap();
    for n in 0..50 {
        stalled.ask(2 * n + 1, &get("a", "/large"), true).unwrap();
    }
    // Windows as wide as they can be, and nobody reads.
    let mut deaf = Frames::connect(address, &[(4, 0x7fff_ffff)]).unwrap();
    let most = (0x7fff_ffff_u32 - 65_535).to_be_bytes();
    deaf.send(&Frame::new(kind::WINDOW_UPDATE, 0, 0, most))
        .unwrap();
    for n in 0..50 {
        deaf.ask(2 * n + 1, &get("a", "/large"), true).unwrap();
    }
    let answer = stalled.answer(1).unwrap();
    assert_eq!((answer.status, answer.complete), (200, false));
    assert_eq!(answer.ended_by, Some(code::CANCEL));
    hotclub_testkit::until("100 iterators to be closed", || {
        (program.stderr.text().matches("CLOSED").count() == 100).then_some(())
    });
    // The one that reads is answered still.
    stalled.ask(201, &get("a", "/"), true).unwrap();
    let window = 1000_u32.to_be_bytes();
    stalled
        .send(&Frame::new(kind::WINDOW_UPDATE, 0, 201, window))
        .unwrap();
    assert_eq!(stalled.answer(201).unwrap().text(), "/ ");
    // The one that does not is cut off.
    drop(stalled);
    let began = Instant::now();
    while deaf.read().is_ok_and(|frame| frame.is_some()) {}
    assert!(began.elapsed() < Duration::from_secs(15));
    drop(deaf);
    let after = resident(&program);
    assert!(after < before + (24 << 20), "{before} became {after}");
    program.stop();
}

#[test]
fn whoever_begins_and_does_not_go_on_is_closed() {
    let (_project, launch) = h2c(APP, 1);
    let limits = ["--limit", "header_timeout=1s", "--limit", "idle_timeout=2s"];
    let program = launch.args(limits).serve();
    let mut silent = connect(&program);
    let mut half = connect(&program);
    half.ask(1, &get("a", "/"), true).unwrap();
    assert_eq!(half.answer(1).unwrap().status, 200);
    half.send_bytes(&head(3, 0)).unwrap();
    let mut idle = connect(&program);
    idle.ask(1, &get("a", "/"), true).unwrap();
    assert_eq!(idle.answer(1).unwrap().status, 200);
    let mut pinging = connect(&program);
    pinging.ask(1, &get("a", "/"), true).unwrap();
    let mut body = connect(&program);
    body.ask(1, &super::asking_post(), false).unwrap();
    assert_eq!(silent.goaway().unwrap(), Some(code::NO_ERROR));
    assert_eq!(half.goaway().unwrap(), None);
    while pinging.echo().is_ok() {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(idle.goaway().unwrap(), Some(code::NO_ERROR));
    // A body that does not come costs its stream; the connection goes on.
    let answer = body.answer(1).unwrap();
    assert_eq!(answer.status, 408);
    body.ask(3, &get("a", "/"), true).unwrap();
    assert_eq!(body.answer(3).unwrap().status, 200);
    drop((silent, half, idle, pinging, body));
    program.stop();
}

#[test]
fn a_stop_finishes_the_requests_under_way_and_asks_for_no_more() {
    let (_project, launch) = h2c(APP, 1);
    let program = launch.serve();
    let mut client = connect(&program);
    let mut idle = connect(&program);
    idle.ask(1, &get("a", "/"), true).unwrap();
    assert_eq!(idle.answer(1).unwrap().status, 200);
    client.ask(1, &get("a", "/slow"), true).unwrap();
    client.echo().unwrap();
    program.signal(Signal::TERM);
    let answer = client.answer(1).unwrap();
    assert_eq!((answer.status, answer.complete), (200, true));
    assert_eq!(answer.ended_by, Some(code::NO_ERROR), "no GOAWAY before it");
    client.goaway().unwrap();
    assert_eq!(idle.goaway().unwrap(), Some(code::NO_ERROR));
    program.end_within(Duration::from_secs(10));
}
