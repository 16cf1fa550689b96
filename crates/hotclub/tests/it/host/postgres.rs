//! Deploys over a PostgreSQL of the site's own, as whoever runs the tests: a backup before each migration, a migration
//! that fails, going back, and one log of app, front and database.

use std::path::PathBuf;
use std::time::Duration;

use hotclub_testkit::{Postgres, Program, Project, Python, need, python, until, until_within};
use rustix::fs::FlockOperation;
use serde_json::Value;

use super::django::{notes, notes_of, say, write};
use super::{command, done, home, host, kept, refused, releases, server, text};
use crate::hotclub;
use crate::up::postgres::DB_SETTINGS;
use crate::up::says;

/// The notes, on PostgreSQL.
pub(crate) fn notes_on_postgres(server: &Project, python: &Python) -> PathBuf {
    let folder = notes(server, python);
    let packages = ["Django", "psycopg", "psycopg-binary"].map(|name| python.pinned(name));
    server
        .write("notes/requirements.txt", &(packages.join("\n") + "\n"))
        .append("notes/config/settings.py", DB_SETTINGS)
        .write(
            "notes/hotclub.toml",
            "hosts = [\"localhost\"]\n[app]\nworkers = 2\n[database]\nengine = \"postgres\"\n",
        )
        .append("host.toml", "[log]\naccess = \"access.log\"\n");
    folder
}

/// The site's database without a version, and with the machine's own.
pub(crate) fn pins() -> (&'static str, String) {
    let free = "engine = \"postgres\"\n";
    (free, format!("{free}version = {}\n", Postgres::major()))
}

/// A migration that runs `code`.
fn migration(server: &Project, (number, after): (&str, &str), code: &str) {
    let code = code.replace('\n', "\n    ");
    let text = format!(
        "from django.db import migrations\n\ndef run(apps, editor):\n    {code}\n\n\
         class Migration(migrations.Migration):\n    dependencies = [('notes', '{after}')]\n    \
         operations = [migrations.RunPython(run)]\n"
    );
    server.write(&format!("notes/notes/migrations/{number}.py"), &text);
}

#[test]
fn a_migration_that_fails_over_postgres_leaves_the_old_release_serving_and_a_backup() {
    let python = need!(python());
    need!(Postgres::available());
    let server = server();
    let folder = notes_on_postgres(&server, &python);
    let mut program = host(&server).allow("Traceback").allow("Error").serve();
    done(&server, &["deploy", text(&folder)]);
    write(&program, "first");

    migration(&server, ("0002_more", "0001_initial"), "pass");
    say(&server, "one", "two");
    done(&server, &["deploy", text(&folder)]);
    let listed = done(&server, &["releases", "notes"]);
    let ran = &listed["releases"][0]["migrations"];
    assert_eq!(ran, &serde_json::json!(["notes.0002_more"]));
    assert_eq!(reasons(&server), ["migration"]);

    migration(
        &server,
        ("0003_worse", "0002_more"),
        "apps.get_model('notes', 'Note').objects.all().delete()\nraise ValueError('no good')",
    );
    say(&server, "two", "three");
    let error = refused(&server, &["deploy", text(&folder)]);
    says(&error, &["not deployed, release 2 goes on", "no good"]);
    assert_eq!(home(&program, "localhost").1, "two");
    assert_eq!(notes_of(&program), "first");
    assert_eq!(releases(&server, "notes"), ["1", "2"]);
    assert_eq!(reasons(&server), ["migration", "migration"]);

    a_follower_hears_what_comes(&server, &program);
    the_days_backup_is_made_when_the_last_is_a_day_old(&server);
    let back = done(&server, &["rollback", "notes", "--anyway"]);
    eprintln!(
        "back in {} s, all of it in {} s",
        back["live_after"], back["seconds"]
    );
    assert_eq!(home(&program, "localhost").1, "one");
    assert!(notes_of(&program).starts_with("first,followed"));
    one_log_of_all(&server);
    let status = done(&server, &["status", "notes"]);
    assert!(status["sites"][0]["backup_age"].is_u64(), "{status:#}");
    program.forget_descriptors();
    program.stop();
}

fn of_the_site_by_its_name(server: &Project, words: &[&str]) -> Value {
    let launch = hotclub().env("HOTCLUB_STATE", server.state()).arg("db");
    let ended = launch.args(words).end_within(Duration::from_secs(120));
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    serde_json::from_str(&ended.stdout).unwrap_or_default()
}

/// Why there are backups; all of them proven.
fn reasons(server: &Project) -> Vec<String> {
    let listed = of_the_site_by_its_name(server, &["backups", "notes", "--json"]);
    let backups = listed["backups"].as_array().cloned().unwrap_or_default();
    let reason = |backup: &Value| {
        assert!(backup["proof"].to_string().contains("proven"), "{backup:#}");
        backup["reason"].as_str().unwrap_or_default().to_owned()
    };
    backups.iter().map(reason).collect()
}

/// `logs --follow`: what app, front and database say from then on.
#[track_caller]
fn a_follower_hears_what_comes(server: &Project, program: &Program) {
    let follower = command(server, &["logs", "notes", "--follow", "-n", "0"]).start();
    let hears = |what: &[&str]| {
        until(&format!("{what:?}"), || {
            let lines = follower.stdout.all();
            let has = |line: &String| what.iter().all(|word| line.contains(word));
            lines.iter().any(has).then_some(())
        });
    };
    // The first line tells that it listens.
    until("the follower to listen", || {
        write(program, "followed");
        let lines = follower.stdout.all();
        lines
            .iter()
            .any(|line| line.contains("followed"))
            .then_some(())
    });
    hears(&[" app ", "noted followed"]);
    hears(&[" front ", "POST /notes"]);
    let shell = hotclub().env("HOTCLUB_STATE", server.state());
    let wrong = shell.args(["db", "shell", "notes", "--", "-c", "SELECT nonsense"]);
    assert_eq!(wrong.end_within(Duration::from_secs(60)).code, Some(1));
    hears(&[" postgres ", "nonsense"]);
    follower.kill();
}

fn the_days_backup_is_made_when_the_last_is_a_day_old(server: &Project) {
    let made = of_the_site_by_its_name(server, &["backup", "notes", "--daily", "--json"]);
    let (name, at) = (made["name"].as_str().unwrap(), &made["made_at"]);
    let manifest = kept(server, "notes")
        .join("state/backups")
        .join(name)
        .join("manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let aged = text.replace(&format!("\"made_at\": {at}"), "\"made_at\": 1000000");
    assert_ne!(aged, text);
    std::fs::write(manifest, aged).unwrap();
    // From the next start on it is due.
    done(server, &["restart", "notes"]);
    until_within(Duration::from_secs(120), "the day's backup", || {
        let daily = reasons(server)
            .into_iter()
            .filter(|reason| reason == "daily");
        (daily.count() == 2).then_some(())
    });
}

#[track_caller]
fn one_log_of_all(server: &Project) {
    let said = |words: &[&str]| -> Vec<String> {
        let ended = command(server, words).end_within(Duration::from_secs(60));
        let events = ended.events().into_iter();
        let lines = events.filter_map(|event| Some(event["line"].as_str()?.to_owned()));
        lines.collect()
    };
    // The front hands its lines over in groups.
    let lines = until("the front's lines", || {
        let lines = said(&["logs", "notes", "-n", "1000"]);
        let has = |who: &str| lines.iter().any(|line| line.contains(who));
        (has(" front ") && has("POST /notes") && has(" postgres ")).then_some(lines)
    });
    let times: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(times.is_sorted(), "{lines:#?}");
}

#[test]
fn release_commands_that_outlive_a_killed_host_keep_the_next_deploy_waiting() {
    let python = need!(python());
    let server = server();
    let folder = notes(&server, &python);
    let gate = server.path("gate");
    std::fs::create_dir(&gate).unwrap();
    std::fs::set_permissions(&gate, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let program = host(&server).allow("").serve();
    done(&server, &["deploy", text(&folder)]);
    let code = format!(
        "import os, time\ngate = {gate:?}\nopen(gate + '/began', 'w').close()\nfor _ in range(6000):\n    \
         if os.path.exists(gate + '/open'):\n        break\n    time.sleep(0.02)"
    );
    migration(&server, ("0002_slow", "0001_initial"), &code);
    let deploy = command(&server, &["deploy", text(&folder)]).start();
    until("the migration to run", || {
        gate.join("began").exists().then_some(())
    });
    program.kill();
    deploy.end_within(Duration::from_secs(60));

    let mut program = host(&server).allow("").serve();
    let error = refused(&server, &["deploy", text(&folder)]);
    says(&error, &["of an earlier deploy", "release.lock"]);
    std::fs::write(gate.join("open"), "").unwrap();
    let lock = std::fs::File::open(kept(&server, "notes").join("state/release.lock")).unwrap();
    until("the migration to end", || {
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).ok()
    });
    drop(lock);
    say(&server, "one", "two");
    done(&server, &["deploy", text(&folder)]);
    assert_eq!(home(&program, "localhost").1, "two");
    program.forget_descriptors();
    program.stop();
}

#[test]
fn a_host_of_roots_says_how_to_make_the_user_that_an_app_needs() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let python = need!(python());
    let server = server();
    let folder = notes(&server, &python);
    let program = host(&server).allow("no app runs as root").serve();
    let error = refused(&server, &["deploy", text(&folder), "--site", "orphan"]);
    says(&error, &["useradd --system", "hotclub-orphan"]);
    assert_eq!(releases(&server, "orphan"), [""; 0]);
    program.stop();
}
