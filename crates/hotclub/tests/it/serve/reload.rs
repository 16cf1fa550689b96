//! New code without a lost request.

use hotclub_testkit::{Load, Project, Signal, until};

use super::serve;

fn words(word: &str) -> String {
    format!(
        "def application(environ, start_response):\n    start_response('200 OK', [])\n    \
         return [b'{word}']\n"
    )
}

fn project() -> Project {
    let project = Project::empty();
    project.write("app.py", &words("old"));
    project
}

#[test]
fn sighup_reloads_under_load_and_loses_nothing() {
    let project = project();
    let mut program = serve("app", project.dir(), 2).serve();
    let load = Load::start(program.address(), "/", 4);
    load.more(200);
    for word in ["second", "third", "fourth"] {
        project.write("app.py", &words(word));
        let line = program.stderr.count();
        program.note_family();
        program.signal(Signal::HUP);
        program.says_from(line, "reloaded");
        load.more(100);
    }
    let tally = load.finish().lost_nothing();
    let expected = ["fourth", "old", "second", "third"].map(str::to_owned);
    assert_eq!(tally.bodies.into_iter().collect::<Vec<_>>(), expected);
    until("old generations to leave", || {
        (program.fork_servers().len() == 1).then_some(())
    });
    program.stop();
}

#[test]
fn a_changed_file_reloads_and_a_broken_edit_keeps_the_old_code_serving() {
    let project = project();
    let program = serve("app", project.dir(), 1).arg("--reload").serve();
    assert_eq!(program.get("/").expect(200).text(), "old");

    let line = program.stderr.count();
    project.write("app.py", &words("new"));
    program.says_from(line, "reloaded in");
    assert_eq!(program.get("/").expect(200).text(), "new");

    let line = program.stderr.count();
    project.write("app.py", "def application(environ, start_response:\n");
    program.says_from(line, "error: not reloaded");
    let place = program.says_from(line, "app.py:1");
    assert!(place.contains("app.py:1"), "{place}");
    assert_eq!(program.get("/").expect(200).text(), "new");

    let line = program.stderr.count();
    project.write("app.py", &words("repaired"));
    program.says_from(line, "reloaded in");
    assert_eq!(program.get("/").expect(200).text(), "repaired");
    until("old generations to leave", || {
        (program.fork_servers().len() == 1).then_some(())
    });
    program.stop();
}

#[test]
fn a_request_in_flight_during_a_reload_is_answered_by_the_old_code() {
    let project = Project::empty();
    let app = |word: &str| {
        format!(
            "def application(environ, start_response):\n    if environ['QUERY_STRING']:\n        \
             open(environ['QUERY_STRING'], 'rb').read()\n    start_response('200 OK', [])\n    \
             return [b'{word}']\n"
        )
    };
    project.write("app.py", &app("old"));
    let gate = hotclub_testkit::Gate::new();
    let program = serve("app", project.dir(), 1).serve();
    let mut slow = program.connect();
    slow.send(format!(
        "GET /?{} HTTP/1.1\r\nHost: a\r\n\r\n",
        gate.path().display()
    ))
    .unwrap();
    let entered = gate.wait();
    project.write("app.py", &app("new"));
    program.signal(Signal::HUP);
    program.says("reloaded");
    assert_eq!(program.get("/").expect(200).text(), "new");
    drop(entered);
    assert_eq!(slow.read("GET").unwrap().expect(200).text(), "old");
    drop(slow);
    until("the old generation to leave", || {
        (program.fork_servers().len() == 1).then_some(())
    });
    program.stop();
}

/// Its import waits at the gate.
fn slow(gate: &hotclub_testkit::Gate, word: &str) -> String {
    format!(
        "open('{}', 'rb').read()\n{}",
        gate.path().display(),
        words(word)
    )
}

#[test]
fn a_stop_during_a_slow_reload_is_obeyed_at_once() {
    let project = project();
    let gate = hotclub_testkit::Gate::new();
    let program = serve("app", project.dir(), 1).serve();
    project.write("app.py", &slow(&gate, "new"));
    program.signal(Signal::HUP);
    let importing = gate.wait();
    assert_eq!(program.get("/").expect(200).text(), "old");
    program.signal(Signal::TERM);
    let ended = program.end_within(std::time::Duration::from_secs(15));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    drop(importing);
}

#[test]
fn whoever_asks_for_a_reload_during_a_reload_gets_one_more() {
    let project = project();
    let gate = hotclub_testkit::Gate::new();
    let mut program = serve("app", project.dir(), 1).serve();
    project.write("app.py", &slow(&gate, "second"));
    program.signal(Signal::HUP);
    let importing = gate.wait();
    project.write("app.py", &words("third"));
    program.signal(Signal::HUP);
    program.says("another reload follows");
    program.signal(Signal::TTIN);
    program.says("the number of workers is changed");
    drop(importing);
    until("the newest code", || {
        (program.get("/").expect(200).text() == "third").then_some(())
    });
    until("two workers of it", || {
        let alone = program.fork_servers().len() == 1;
        (alone && program.workers().len() == 2).then_some(())
    });
    let told = program.stderr.all();
    let reloads = told.iter().filter(|line| line.contains("reloaded in"));
    assert_eq!(reloads.count(), 2, "{told:#?}");
    // One worker more has a socket more.
    program.forget_descriptors();
    program.stop();
}

#[test]
fn an_old_generation_that_still_drains_is_killed_by_a_second_signal() {
    let gate = hotclub_testkit::Gate::new();
    let program = super::app("gate")
        .args(["--graceful-timeout", "300", "--timeout", "0"])
        .serve();
    let mut connection = program.connect();
    let target = gate.path().display();
    let request = format!("GET /?{target} HTTP/1.1\r\nHost: a\r\n\r\n");
    connection.send(request).unwrap();
    let entered = gate.wait();
    program.signal(Signal::HUP);
    program.says("reloaded");
    program.signal(Signal::TERM);
    program.says("finishing requests");
    program.signal(Signal::TERM);
    let ended = program.end_within(std::time::Duration::from_secs(15));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    drop((connection, entered));
}
