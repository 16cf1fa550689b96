//! HTTP/1.1 and 1.0.

use hotclub_testkit::conformance::{self, Case, HTTP1, bytes};
use hotclub_testkit::{Raw, until};

use super::{APP, Expected};
use crate::serve::{app_of, serve};

const MARKER: &[u8] = b"GET /marker HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn each_request_of_http_1_becomes_what_the_rfc_says() {
    let project = app_of(APP);
    let program = serve("app", project.dir(), 2)
        .args(["--access-logfile", "-"])
        .serve();
    let cases = conformance::read(HTTP1);
    assert!(cases.len() >= 200, "{}", cases.len());
    let mut expected = Expected::default();
    let failed = conformance::failed(&cases, |case| {
        let mut connection = program.connect();
        // It may be answered, and closed, before all of it was sent.
        let _ = connection.send([&bytes(case.column(0))[..], MARKER].concat());
        if case.is_refused() {
            check_refused(case, &mut connection);
        } else {
            let kept = check_answered(case, &mut connection);
            expected.add(case.outcome == "200", kept);
        }
    });
    assert_eq!(failed, 0, "of {}", cases.len());
    expected.check(&program);
    // Refused or not, each has its line.
    let lines = cases.len() + expected.markers + 1;
    until("the access log", || {
        (program.stdout.count() == lines).then_some(())
    });
    program.stop();
}

/// Two rules are of HTTP/1.1 alone: that there is a Host, and that an expectation counts.
#[test]
fn what_http_1_1_refuses_http_1_0_refuses_too() {
    let project = app_of(APP);
    let program = serve("app", project.dir(), 1).serve();
    let all = conformance::read(HTTP1);
    let same = |case: &&Case| {
        let own = case.outcome == "417" || case.column(0).contains("HTTP/1.1⏎⏎");
        case.is_refused() && !own && case.column(0).contains("HTTP/1.1")
    };
    let cases: Vec<_> = all.iter().filter(same).collect();
    assert!(cases.len() > 120, "{}", cases.len());
    let failed = conformance::failed(cases.iter().copied(), |case| {
        let mut connection = program.connect();
        let request = case.column(0).replace("HTTP/1.1", "HTTP/1.0");
        let _ = connection.send([&bytes(&request)[..], MARKER].concat());
        let all = String::from_utf8_lossy(&connection.read_to_end().unwrap()).into_owned();
        assert!(
            ["HTTP/1.1 4", "HTTP/1.1 5"]
                .iter()
                .any(|begin| all.starts_with(begin)),
            "{all}"
        );
        assert_eq!(all.matches("HTTP/1.1 ").count(), 1, "{all}");
    });
    assert_eq!(failed, 0, "of {}", cases.len());
    Expected::default().check(&program);
    program.stop();
}

/// One answer, which ends the connection.
fn check_refused(case: &Case, connection: &mut Raw) {
    let all = connection.read_to_end().unwrap();
    let all = String::from_utf8_lossy(&all);
    let begin = format!("HTTP/1.1 {} ", case.outcome);
    assert!(all.starts_with(&begin), "{all}");
    assert!(all.contains("\r\nConnection: close\r\n"), "{all}");
    assert_eq!(all.matches("HTTP/1.1 ").count(), 1, "{all}");
}

/// Its own answer, and the marker's if the connection is kept.
fn check_answered(case: &Case, connection: &mut Raw) -> bool {
    let method = case.column(0).split(' ').next().unwrap_or_default();
    let answer = connection.read(method).unwrap();
    assert_eq!(Some(answer.status), case.status(), "{answer:?}");
    assert!(answer.complete, "{answer:?}");
    assert_eq!(answer.keeps_alive(), !case.closes, "{answer:?}");
    case.check_seen(1, &answer.body);
    if case.closes {
        assert!(connection.is_closed());
        return false;
    }
    let marker = connection.read("GET").unwrap();
    assert!(marker.text().contains("PATH_INFO=/marker\n"), "{marker:?}");
    true
}
