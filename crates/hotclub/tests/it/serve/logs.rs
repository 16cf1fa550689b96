//! The access log.

use std::fs;

use hotclub_testkit::{Program, until};
use serde_json::Value;

use super::app;

#[test]
fn the_combined_log_has_one_line_a_request_with_control_characters_escaped() {
    let folder = hotclub_testkit::folder();
    let file = folder.path().join("access.log");
    let program = app("hello").arg("--access-logfile").arg(&file).serve();
    ask(&program);
    let lines = until("two lines", || two_lines(&file));
    assert!(lines[0].starts_with("127.0.0.1 - - ["), "{}", lines[0]);
    assert!(
        lines[0].contains("\"GET /a?b=%0a HTTP/1.1\" 200 6 "),
        "{}",
        lines[0]
    );
    assert!(lines[0].contains(r#""say \"hi\"\x09\xe9""#), "{}", lines[0]);
    assert!(
        lines
            .iter()
            .all(|line| line.chars().all(|c| c.is_ascii_graphic() || c == ' ')),
        "{lines:?}"
    );
    program.stop();
}

#[test]
fn the_log_says_where_what_is_no_request_came_from() {
    let program = app("hello").args(["--access-logfile", "-"]).serve();
    let mut raw = program.connect();
    raw.send("GET / HTTP/1.1\nHost: a\n\n").unwrap();
    raw.read("GET").unwrap().expect(400);
    let line = until("a line", || program.stdout.all().first().cloned());
    assert!(line.starts_with("127.0.0.1 - - ["), "{line}");
    drop(raw);
    program.stop();
}

#[test]
fn the_log_says_how_long_an_app_had_a_request_that_it_did_not_answer_in_time() {
    let gate = hotclub_testkit::Gate::new();
    let program = app("gate")
        .args(["--access-logfile", "-", "--access-log-json"])
        .args(["--timeout", "1"])
        .allow(" ERROR ")
        .serve();
    program
        .get(&format!("/?{}", gate.path().display()))
        .expect(504);
    let line = until("a line", || program.stdout.all().first().cloned());
    let entry: Value = serde_json::from_str(&line).unwrap();
    let seconds = |name: &str| entry[name].as_f64().unwrap();
    assert!(seconds("app_seconds") >= 1.0, "{entry}");
    assert!(seconds("queue_seconds") > 0.0, "{entry}");
    assert!(seconds("seconds") >= seconds("app_seconds"), "{entry}");
    program.stop();
}

#[test]
fn the_json_log_on_stdout_has_times_bytes_and_the_request_id() {
    let program = app("hello")
        .args(["--access-logfile", "-", "--access-log-json"])
        .serve();
    ask(&program);
    let lines = until("two lines", || {
        (program.stdout.count() >= 2).then(|| program.stdout.all())
    });
    let entry: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(entry["method"], "GET");
    assert_eq!(entry["target"], "/a?b=%0a");
    assert_eq!(entry["status"], 200);
    assert_eq!(entry["bytes"], 6);
    assert_eq!(entry["agent"], "say \"hi\"\t\u{e9}");
    assert_eq!(entry["remote"], "127.0.0.1");
    for name in ["seconds", "queue_seconds", "app_seconds"] {
        assert!(
            entry[name].as_f64().is_some_and(|seconds| seconds >= 0.0),
            "{name}: {entry}"
        );
    }
    assert!(entry["app_seconds"].as_f64().unwrap() > 0.0, "{entry}");
    assert!(!entry["id"].as_str().unwrap().is_empty());
    let other: Value = serde_json::from_str(&lines[1]).unwrap();
    assert_ne!(entry["id"], other["id"]);
    program.stop();
}

#[test]
fn sigusr1_opens_the_log_anew_after_it_was_moved() {
    let folder = hotclub_testkit::folder();
    let file = folder.path().join("access.log");
    let program = app("hello").arg("--access-logfile").arg(&file).serve();
    program.get("/first").expect(200);
    until("the first line", || lines_of(&file).first().cloned());
    fs::rename(&file, folder.path().join("moved.log")).unwrap();
    program.signal(hotclub_testkit::Signal::USR1);
    until("the new file", || file.exists().then_some(()));
    program.get("/second").expect(200);
    let line = until("a line in the new file", || {
        lines_of(&file).first().cloned()
    });
    assert!(line.contains("/second"), "{line}");
    program.stop();
}

fn ask(program: &Program) {
    let mut connection = program.connect();
    let odd = b"GET /a?b=%0a HTTP/1.1\r\nHost: a\r\nUser-Agent: say \"hi\"\t\xe9\r\n\r\n";
    connection.ask(odd).unwrap().expect(200);
    connection
        .ask("GET /second HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap()
        .expect(200);
}

fn lines_of(file: &std::path::Path) -> Vec<String> {
    fs::read_to_string(file)
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect()
}

fn two_lines(file: &std::path::Path) -> Option<Vec<String>> {
    Some(lines_of(file)).filter(|lines| lines.len() >= 2)
}
