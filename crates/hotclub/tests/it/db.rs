//! `hotclub db`: while the site is up, and while nothing runs.

mod upgrade;

use std::io::{Read, Write};
use std::time::Duration;

use hotclub_testkit::{Ended, Launch, Postgres, Program, Project, need, python, until_within};
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
    let rows = [
        "--",
        "-A",
        "-t",
        "-c",
        "SELECT current_user, count(*) FROM django_session",
    ];
    let shell = good(db(&project, "shell", &rows));
    assert_eq!(shell.stdout.trim(), "site|3");
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

    // The day's own is made when the last is older than a day.
    good(db(&project, "backup", &["--daily"]));
    let (folder, made_at) = newest(&project);
    let manifest = format!("{folder}/manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let aged = text.replace(&format!("\"made_at\": {made_at}"), "\"made_at\": 1000000");
    assert_ne!(aged, text);
    std::fs::write(manifest, aged).unwrap();
    let program = up(&project).serve();
    let is_daily = || {
        let all = backups(&project);
        let all = all["backups"].as_array().unwrap().iter();
        (all.filter(|one| one["reason"] == "daily").count() == 2).then_some(())
    };
    until_within(LIMIT, "the day's backup", is_daily);
    program.stop();
}

fn newest(project: &Project) -> (String, u64) {
    let newest = &backups(project)["backups"][0];
    let folder = newest["folder"].as_str().unwrap().to_owned();
    (folder, newest["made_at"].as_u64().unwrap())
}

#[test]
fn a_backup_that_fails_is_told_and_holds_migrations_back() {
    let python = need!(python());
    let project = project(&python, "", &[]);
    let told = "[database.backup]\ncommand = \"echo $HOTCLUB_SITE: $HOTCLUB_MESSAGE > told\"\n";
    let (url, posted) = listening();
    project.write(
        "hotclub.toml",
        &format!("[database]\nengine = \"sqlite\"\n{told}url = \"{url}\"\n"),
    );
    up(&project).serve().stop();
    // A file where the folder belongs.
    std::fs::remove_dir_all(project.path(".hotclub/backups")).unwrap();
    project.write(".hotclub/backups", "");
    let told = project.path("told");
    let here = |launch: Launch| launch.within(project.dir());
    bad(here(db(&project, "backup", &[])), &["backups"]);
    let text = project.read("told");
    assert!(text.starts_with("site: cannot "), "{text}");
    let posted = posted.join().unwrap();
    assert!(
        posted.starts_with("POST /hook/key HTTP/1.1\r\n"),
        "{posted}"
    );
    let body = posted.split("\r\n\r\n").last().unwrap_or_default();
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["site"], "site", "{body}");
    assert_eq!(body["text"].as_str(), Some(text.trim()), "{body}");
    std::fs::remove_file(&told).unwrap();

    project.append("mysite/urls.py", "# changed\n");
    up(&project).serve().stop();
    project
        .write("poems/__init__.py", "")
        .write("poems/migrations/__init__.py", "")
        .write("poems/migrations/0001_initial.py", MIGRATION)
        .edit(
            "mysite/settings.py",
            "INSTALLED_APPS = [",
            "INSTALLED_APPS = ['poems',",
        );
    let refused = crate::up::refusal(here(up(&project)));
    says(&refused, &["backups", "before_migrations = false"]);
    assert!(told.exists());
    project.edit(
        "hotclub.toml",
        "[database.backup]",
        "[database.backup]\nbefore_migrations = false",
    );
    up(&project).serve().stop();
}

/// Somewhere a notice can be posted to, and what came there.
fn listening() -> (String, std::thread::JoinHandle<String>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook/key", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut text, mut piece) = (String::new(), [0; 4096]);
        // A JSON object ends the request.
        while !text.ends_with('}') {
            match stream.read(&mut piece).unwrap() {
                0 => break,
                read => text += &String::from_utf8_lossy(&piece[..read]),
            }
        }
        stream
            .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
            .unwrap();
        text
    });
    (url, thread)
}

const MIGRATION: &str = "from django.db import migrations\nclass Migration(migrations.Migration):\n    initial = True\n";

#[test]
fn a_dump_from_elsewhere_takes_the_place_of_a_postgres_sites_data_and_can_be_undone() {
    let python = need!(python());
    need!(Postgres::available());
    let project = project(&python, DB_SETTINGS, &[]);
    let program = up(&project).serve();
    post(&program, 3);
    // What somebody else's server holds: the same tables, other rows, in both of pg_dump's shapes.
    let elsewhere = need!(Postgres::start());
    let sql = "CREATE TABLE django_session (session_key varchar(40) PRIMARY KEY, session_data text, expire_date timestamptz); \
               INSERT INTO django_session SELECT n::text, 'x', now() FROM generate_series(1, 7) n";
    elsewhere.psql("site", sql);
    for (format, name) in [("custom", "old.dump"), ("plain", "old.sql")] {
        elsewhere.dump("site", format, &project.path(name));
    }
    project
        .write("bad.sql", "SELECT 1;\n\\connect postgres\n")
        .write("empty.sql", "SELECT 1;\n");
    let import = |name: &str| {
        let dump = project.path(name);
        hotclub()
            .args(["db", "import"])
            .arg(dump)
            .arg(project.dir())
            .env("XDG_STATE_HOME", project.state())
    };
    bad(import("bad.sql"), &["line 2 is a command of psql"]);
    bad(import("empty.sql"), &["holds no tables"]);
    count(&program, "postgresql 3");
    for name in ["old.dump", "old.sql"] {
        good(import(name));
        count(&program, "postgresql 7");
        good(db(&project, "undo", &[]));
        count(&program, "postgresql 3");
    }
    program.stop();
}
