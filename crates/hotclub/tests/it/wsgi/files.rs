//! `wsgi.file_wrapper`.

use std::fs;

use hotclub_testkit::repository;

use crate::serve::{app, app_of, serve};

#[test]
fn a_file_is_sent_whole_and_for_head_not_at_all() {
    let program = app("file_whole").serve();
    let expected = fs::read(repository().join("tests/wsgi_apps/file_whole.py")).unwrap();
    let mut connection = program.connect();
    let answer = connection
        .ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap()
        .expect(200);
    assert_eq!(answer.body, expected);
    let head = connection
        .ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap()
        .expect(200);
    assert!(head.body.is_empty());
    connection
        .ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap()
        .expect(200);
    drop(connection);
    program.stop();
}

#[test]
fn what_is_wrapped_is_sent_from_where_it_stands() {
    let program = app("file_ways").serve();
    let text = "0123456789".repeat(10);
    for (way, expected) in [
        ("plain", &text[..]),
        ("moved", &text[95..]),
        ("unbuffered", &text[90..]),
        ("named", &text[90..]),
        ("zipped", &text[..]),
        ("memory", &text[..]),
        ("empty", ""),
        ("plain/10", &text[..10]),
    ] {
        let answer = program.get(&format!("/{way}")).expect(200);
        assert_eq!(answer.text(), expected, "{way}");
    }
    program.stop();
}

#[test]
fn a_large_file_frees_its_worker_while_a_slow_client_reads() {
    let project = app_of(
        "import os\ndef application(e, s):\n    s('200 OK', [('Content-Type', 'video/mp4')])\n    \
         if e['PATH_INFO'] == '/quick':\n        return [b'quick']\n    \
         return e['wsgi.file_wrapper'](open(os.environ['FILE'], 'rb'))\n",
    );
    let file = project.path("large.bin");
    fs::write(&file, vec![7; 30_000_000]).unwrap();
    let program = serve("app", project.dir(), 1).env("FILE", &file).serve();
    let mut slow = program.connect();
    slow.send("GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = slow.read_head("GET").unwrap().expect(200);
    // Most of the file is unread, and the only worker serves somebody else.
    assert_eq!(program.get("/quick").expect(200).text(), "quick");
    slow.read_body(&mut answer).unwrap();
    assert_eq!(answer.body.len(), 30_000_000);
    drop(slow);
    program.stop();
}
