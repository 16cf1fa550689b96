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
