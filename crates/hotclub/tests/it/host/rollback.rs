//! Going back does nothing again that a deploy has done: it is counted, not timed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hotclub_testkit::{Project, need, python};
use serde_json::Value;

use super::django::{notes, say};
use super::{command, done, home, host, kept, server, text};

/// A folder of programs that note each time they are run, then do what those behind them do.
fn watched(server: &Project) -> String {
    let log = server.path("runs");
    fs::write(&log, "").unwrap();
    fs::set_permissions(&log, fs::Permissions::from_mode(0o666)).unwrap();
    let log = text(&log).to_owned();
    let behind = "PATH=${PATH#*:} exec python3 \"$@\"";
    let postgres = "echo 'postgres (PostgreSQL) 15.1'";
    for (name, then) in [("python3", behind), ("postgres", postgres), ("initdb", "")] {
        let script = format!("#!/bin/sh\necho {name} >> {log}\n{then}\n");
        server.write(&format!("bin/{name}"), &script);
        let program = server.path(&format!("bin/{name}"));
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    log
}

/// From here on the environment's own Python notes itself, too.
fn watch_environments(server: &Project, log: &str) {
    let envs = fs::read_dir(kept(server, "notes").join("state/envs")).unwrap();
    for environment in envs.flatten().filter(|entry| entry.path().is_dir()) {
        let libraries = fs::read_dir(environment.path().join("lib")).unwrap();
        for library in libraries.flatten() {
            let note = library.path().join("site-packages/noted.pth");
            let line = format!(
                "import os; open({log:?}, 'a').write(str(os.getpid()) + open('/proc/self/cmdline').read().replace('\\0', ' ') + '\\n')\n"
            );
            fs::write(note, line).unwrap();
        }
    }
}

fn taken(log: &str) -> Vec<String> {
    let lines = fs::read_to_string(Path::new(log)).unwrap();
    fs::write(Path::new(log), "").unwrap();
    // A virtualenv's Python reads such files twice.
    let mut lines: Vec<String> = lines.lines().map(str::to_owned).collect();
    lines.dedup();
    lines
}

/// Runs it; its steps, by name and state, and its answer.
#[track_caller]
fn steps(server: &Project, words: &[&str]) -> (Vec<(String, String)>, Value) {
    let ended = command(server, words).end_within(super::PATIENCE);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    let events = ended.events();
    let of = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
    let steps = events.iter().filter(|event| event["event"] == "step");
    let steps = steps.map(|event| (of(event, "name"), of(event, "state")));
    (steps.collect(), events.last().cloned().unwrap_or_default())
}

#[test]
fn going_back_installs_collects_and_asks_nothing_and_starts_one_python() {
    let python = need!(python());
    let server = server();
    let folder = notes(&server, &python);
    let log = watched(&server);
    let mut program = host(&server).on_path(&server.path("bin")).serve();
    done(&server, &["deploy", text(&folder)]);
    say(&server, "one", "two");
    server.write("notes/assets/site.css", "body { color: blue }");
    done(&server, &["deploy", text(&folder)]);
    assert!(taken(&log).contains(&"python3".to_owned()), "it is watched");
    watch_environments(&server, &log);
    let expected = [
        ("dependencies", "skipped"),
        ("settings", "skipped"),
        ("static files", "skipped"),
        ("migrations", "skipped"),
        ("app", "done"),
    ];
    for (words, says) in [
        (&["rollback", "notes"][..], "one"),
        (&["rollback", "notes", "2"], "two"),
    ] {
        let (steps, answer) = steps(&server, words);
        let steps: Vec<_> = steps
            .iter()
            .map(|(name, state)| (&**name, &**state))
            .collect();
        assert_eq!(steps, expected, "{words:?}");
        let ran = taken(&log);
        assert_eq!(ran.len(), 1, "the fork server, and nothing else: {ran:#?}");
        assert_eq!(home(&program, "localhost").1, says);
        eprintln!("{words:?}: live after {} s", answer["live_after"]);
    }
    program.forget_descriptors();
    program.stop();
}
