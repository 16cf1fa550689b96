//! HTTP/2.

use hotclub_testkit::conformance::{self, Case, HTTP2, bytes, words};
use hotclub_testkit::{Answered, END, END_HEADERS, Frame, Frames, block, code, get, kind};

use super::{APP, Expected};
use crate::serve::{app_of, serve};

const PSEUDO: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":authority", "a"),
    (":path", "/"),
];
/// Bytes of a header block in one frame.
const FRAME: usize = 16_000;

#[test]
fn each_request_of_http_2_becomes_what_the_rfc_says() {
    let project = app_of(APP);
    let program = serve("app", project.dir(), 2).arg("--h2c").serve();
    let cases = conformance::read(HTTP2);
    assert!(cases.len() >= 80, "{}", cases.len());
    let mut expected = Expected::default();
    let failed = conformance::failed(&cases, |case| {
        let mut client = Frames::connect(program.address(), &[]).unwrap();
        // The connection may have ended before all was sent.
        let sent = ask(&mut client, case);
        let answer = client.answer(1).unwrap();
        check(case, &answer);
        let marker = sent
            .and_then(|()| client.ask(3, &get("a", "/marker"), true))
            .and_then(|()| client.answer(3))
            .unwrap_or_default();
        let lives = case.outcome != "goaway";
        assert_eq!(
            marker.status,
            if lives { 200 } else { 0 },
            "{answer:?} {marker:?}"
        );
        expected.add(case.outcome == "200", lives);
    });
    assert_eq!(failed, 0, "of {}", cases.len());
    expected.check(&program);
    program.stop();
}

fn ask(client: &mut Frames, case: &Case) -> std::io::Result<()> {
    let block = block(&fields(case.column(0)));
    let body = bytes(case.column(1));
    let end = if body.is_empty() { END } else { 0 };
    let mut frames = block.chunks(FRAME).peekable();
    let (mut kind, mut flags) = (kind::HEADERS, end);
    while let Some(part) = frames.next() {
        let last = if frames.peek().is_none() {
            END_HEADERS
        } else {
            0
        };
        client.send(&Frame::new(kind, flags | last, 1, part))?;
        (kind, flags) = (kind::CONTINUATION, 0);
    }
    if body.is_empty() {
        return Ok(());
    }
    client.data(1, &body, true)
}

type Field = (Vec<u8>, Vec<u8>);

fn fields(column: &str) -> Vec<Field> {
    let mut pseudo: Vec<Field> = PSEUDO.map(|(n, v)| (n.into(), v.into())).to_vec();
    let (mut middle, mut last) = (Vec::new(), Vec::new());
    for (name, value) in words(column) {
        if let Some(name) = name.strip_prefix(b"-") {
            pseudo.retain(|(n, _)| n != name);
        } else if let Some(name) = name.strip_prefix(b"&") {
            last.push((name.to_vec(), value));
        } else if let Some(field) = pseudo.iter_mut().find(|(n, _)| *n == name) {
            field.1 = value;
        } else {
            middle.push((name, value));
        }
    }
    pseudo.into_iter().chain(middle).chain(last).collect()
}

fn check(case: &Case, answer: &Answered) {
    match case.outcome.as_str() {
        "goaway" => {
            assert!(!answer.complete && answer.status == 0, "{answer:?}");
        }
        "reset" => {
            assert_eq!(answer.status, 0, "{answer:?}");
            assert_eq!(answer.ended_by, Some(code::PROTOCOL_ERROR));
        }
        _ => {
            assert_eq!(Some(answer.status), case.status(), "{answer:?}");
            assert!(answer.complete, "{answer:?}");
            case.check_seen(2, &answer.body);
        }
    }
}
