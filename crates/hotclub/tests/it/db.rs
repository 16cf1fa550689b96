//! `hotclub db`: while the site is up, and while nothing runs.

use std::time::Duration;

use hotclub_testkit::{Ended, Launch, Postgres, Program, Project, need, python};
use serde_json::Value;

use crate::hotclub;
use crate::up::postgres::{DB_SETTINGS, count, project};
use crate::up::{says, up};

const LIMIT: Duration = Duration::from_secs(120);

pub(crate) fn db(project: &Project, command: &str, arguments: &[&str]) -> Launch {
    hotclub()
        .args(["db", command])
        .arg(project.dir())
        .args(arguments)
        // Not `of` the project: its processes are those of an `up` that may run beside.
        .env("XDG_STATE_HOME", project.state())
}

#[track_caller]
pub(crate) fn good(launch: Launch) -> Ended {
    let ended = launch.end_within(LIMIT);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    ended
}

#[track_caller]
pub(crate) fn bad(launch: Launch, texts: &[&str]) {
    let ended = launch.end_within(LIMIT);
    assert_eq!(ended.code, Some(1), "{}\n{}", ended.stdout, ended.stderr);
    says(
        &Value::from_iter([("message", ended.stderr.clone())]),
        texts,
    );
    assert!(ended.stderr.contains("hint:"), "{}", ended.stderr);
}

pub(crate) fn backups(project: &Project) -> Value {
    let ended = good(db(project, "backups", &["--json"]));
    serde_json::from_str(&ended.stdout).unwrap()
}

pub(crate) fn post(program: &Program, times: usize) {
    for _ in 0..times {
        program.request("POST", "/", &[], b"").expect(200);
    }
}

#[test]
fn a_postgres_site_is_backed_up_and_restored_while_it_is_up_and_while_it_is_not() {
    let python = need!(python());
    need!(Postgres::available());
    let project = project(&python, DB_SETTINGS, &[]);
    project
        .append(
            "mysite/settings.py",
            "MEDIA_URL = '/media/'\nMEDIA_ROOT = BASE_DIR / 'media'\n",
        )
        .write("media/a.txt", "first");
    bad(
        db(&project, "backup", &[]),
        &["not been up yet", "hotclub up"],
    );
    let program = up(&project).serve();
    post(&program, 2);
    let made = good(db(&project, "backup", &[]));
    assert!(made.stderr.contains("proven in"), "{}", made.stderr);
    post(&program, 3);
    project.write("media/a.txt", "second");

    let restored = good(db(&project, "restore", &[]));
    assert!(
        restored.stderr.contains("hotclub db undo"),
        "{}",
        restored.stderr
    );
    count(&program, "postgresql 2");
    assert_eq!(project.read("media/a.txt"), "first");
    post(&program, 1);
    let listed = backups(&project);
    assert_eq!(listed["backups"][0]["proof"]["state"], "proven");
    assert_eq!(listed["backups"][0]["reason"], "manual");
    assert_eq!(listed["backups"][0]["media_files"], 1);
    assert_eq!(listed["old"].as_array().unwrap().len(), 1, "{listed:#}");
    program.stop();

    // Nothing runs: the server is started for the time, and nothing stays of it.
    good(db(&project, "undo", &[]));
    assert_eq!(project.read("media/a.txt"), "second");
    good(db(&project, "backup", &["--json"]));
    good(db(&project, "drop-old", &[]));
    let listed = backups(&project);
    assert_eq!(listed["backups"].as_array().unwrap().len(), 2, "{listed:#}");
    assert_eq!(listed["old"].as_array().unwrap().len(), 0, "{listed:#}");
    let table = good(db(&project, "backups", &[])).stdout;
    assert_eq!(table.matches("proven").count(), 2, "{table}");
    bad(db(&project, "undo", &[]), &["nothing was put aside"]);
    let program = up(&project).serve();
    count(&program, "postgresql 5");
    program.stop();
}

#[test]
fn a_sqlite_site_is_backed_up_and_restored_while_it_is_up() {
    let python = need!(python());
    let project = project(&python, "", &[]);
    project.write("hotclub.toml", "[database]\nengine = \"sqlite\"\n");
    let program = up(&project).serve();
    post(&program, 2);
    good(db(&project, "backup", &[]));
    post(&program, 3);
    good(db(&project, "restore", &[]));
    count(&program, "sqlite 2");
    good(db(&project, "undo", &[]));
    count(&program, "sqlite 5");
    good(db(&project, "drop-old", &[]));
    program.stop();
}
