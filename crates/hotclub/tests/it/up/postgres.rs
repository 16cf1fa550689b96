//! PostgreSQL: a cluster of Hotclub's own, and one that is somebody else's.

use std::fs;
use std::time::Duration;

use hotclub_testkit::{Postgres, Program, Project, Python, Signal, need, python, unused_port};

use super::{refusal, says, state_of, up};

/// Settings that read DB_* names, as the guide has them, and SQLite without.
pub(crate) const DB_SETTINGS: &str = r#"
import os
DATABASES = {"default": {
    "ENGINE": os.environ.get("DB_ENGINE", "django.db.backends.sqlite3"),
    "NAME": os.environ.get("DB_NAME", BASE_DIR / "db.sqlite3"),
    "USER": os.environ.get("DB_USER", ""), "PASSWORD": os.environ.get("DB_PASSWORD", ""),
    "HOST": os.environ.get("DB_HOST", ""), "PORT": os.environ.get("DB_PORT", ""),
}}
"#;

/// Settings that read DATABASE_URL.
const URL_SETTINGS: &str = r#"
import environ
DATABASES = {"default": environ.Env().db("DATABASE_URL", default=f"sqlite:///{BASE_DIR}/db.sqlite3")}
"#;

/// Counts sessions, and adds one at each POST.
const VIEWS: &str = r#"
from django.contrib.sessions.models import Session
from django.db import connection
from django.http import HttpResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

@csrf_exempt
def count(request):
    if request.method == "POST":
        Session.objects.create(session_key=f"k{Session.objects.count()}", session_data="", expire_date=timezone.now())
    return HttpResponse(f"{connection.vendor} {Session.objects.count()}")

urlpatterns = [path("", count)]
"#;

pub(crate) fn project(python: &Python, settings: &str, more: &[&str]) -> Project {
    let mut packages = vec!["psycopg", "psycopg-binary"];
    packages.extend(more);
    let project = Project::startproject(python, "mysite", &packages);
    project
        .append("mysite/settings.py", settings)
        .write("mysite/urls.py", VIEWS);
    project
}

#[track_caller]
pub(crate) fn count(program: &Program, expected: &str) {
    assert_eq!(program.get("/").expect(200).text(), expected);
}

#[test]
fn db_settings_get_a_postgres_of_their_own_whose_data_survives_a_restart() {
    let python = need!(python());
    need!(Postgres::available());
    let project = project(&python, DB_SETTINGS, &[]);
    let program = up(&project).serve();
    assert!(
        program.served()["database"]
            .as_str()
            .unwrap()
            .starts_with("PostgreSQL"),
        "{}",
        program.served()
    );
    count(&program, "postgresql 0");
    program.request("POST", "/", &[], b"").expect(200);
    assert!(!project.path("db.sqlite3").exists());
    let ports = postgres_listens(&program);
    assert!(ports.is_empty(), "PostgreSQL listens on {ports:?}");
    // Ctrl-C, as from a keyboard.
    program.stop_by(Signal::INT);
    assert!(
        log(&project).contains("database system is shut down"),
        "{}",
        log(&project)
    );

    let program = up(&project).serve();
    assert_eq!(state_of(&program, "migrations"), "skipped");
    count(&program, "postgresql 1");
    assert!(
        !log(&project).contains("automatic recovery"),
        "{}",
        log(&project)
    );
    program.stop();
    let asked = crate::hotclub()
        .arg("inspect")
        .arg(project.dir())
        .of(&project);
    let told = asked.end_within(Duration::from_secs(60)).stdout;
    assert!(
        told.contains("unknown: the site's own PostgreSQL does not run"),
        "{told}"
    );
}

#[test]
fn database_url_settings_get_a_postgres_too() {
    let python = need!(python());
    need!(Postgres::available());
    let project = project(&python, URL_SETTINGS, &[]);
    project.append("requirements.txt", "django-environ\n");
    let program = up(&project).serve();
    count(&program, "postgresql 0");
    program.stop();
}

#[test]
fn after_a_kill_postgres_recovers_and_the_data_is_there() {
    let python = need!(python());
    need!(Postgres::available());
    let project = project(&python, DB_SETTINGS, &[]);
    let program = up(&project).serve();
    program.request("POST", "/", &[], b"").expect(200);
    program.kill();
    // Fewer than the workers may come to want.
    let conf = ".hotclub/postgres/data/postgresql.conf";
    project.append(conf, "max_connections = 12\n");
    let program = up(&project).serve();
    count(&program, "postgresql 1");
    let warned = program.events("warning");
    let says = |warning: &serde_json::Value| warning.to_string().contains("admits 12 connections");
    assert!(warned.iter().any(says), "{warned:#?}");
    program.stop();
}

#[test]
fn the_password_of_the_postgres_is_nowhere_to_be_seen() {
    let python = need!(python());
    need!(Postgres::available());
    let project = project(&python, DB_SETTINGS, &[]);
    let program = up(&project).serve();
    let worker = &program.workers()[0];
    let environ = fs::read(format!("/proc/{}/environ", worker.pid)).unwrap();
    let environ = String::from_utf8_lossy(&environ).into_owned();
    let password = environ
        .split('\0')
        .find_map(|pair| pair.strip_prefix("DB_PASSWORD="))
        .unwrap()
        .to_owned();
    assert!(password.len() >= 16, "{password}");
    assert!(
        password
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_~.".contains(c)),
        "URL-safe: {password}"
    );
    for process in hotclub_testkit::descendants(program.pid()) {
        assert!(
            !process.command().contains(&password),
            "{}",
            process.command()
        );
    }
    assert!(
        !program.stdout.text().contains(&password) && !program.stderr.text().contains(&password)
    );
    program.stop();
}

#[test]
fn a_postgres_of_the_users_own_is_used_as_it_is() {
    let python = need!(python());
    let cluster = need!(Postgres::start());
    let project = project(&python, DB_SETTINGS, &[]);
    let program = foreign(&project, &cluster, "right", "site").serve();
    count(&program, "postgresql 0");
    program.request("POST", "/", &[], b"").expect(200);
    assert_eq!(
        cluster.psql("site", "select count(*) from django_session"),
        "1"
    );
    program.stop();
    assert!(
        !project.path(".hotclub/postgres").exists(),
        "no cluster of our own was needed"
    );
}

#[test]
fn a_postgres_of_the_users_own_is_migrated_again_only_once_somebody_changed_it() {
    let python = need!(python());
    let cluster = need!(Postgres::start());
    let project = project(&python, DB_SETTINGS, &[]);
    let start = || {
        let program = foreign(&project, &cluster, "right", "site").serve();
        count(&program, "postgresql 0");
        let migrations = state_of(&program, "migrations");
        program.stop();
        migrations
    };
    assert_eq!(start(), "done");
    assert_eq!(start(), "skipped");
    cluster.psql(
        "site",
        "drop table django_session; delete from django_migrations where app = 'sessions'",
    );
    assert_eq!(start(), "done");
    assert_eq!(start(), "skipped");
}

#[test]
fn a_postgres_that_refuses_is_told_apart_by_its_reason() {
    let python = need!(python());
    let cluster = need!(Postgres::start());
    let project = project(&python, DB_SETTINGS, &[]);
    project.write("hotclub.toml", "[database]\nwait = \"2s\"\n");
    let wrong = refusal(foreign(&project, &cluster, "wrong", "site"));
    says(&wrong, &["password"]);
    assert!(
        !wrong.to_string().contains("\"wrong\""),
        "a password in {wrong}"
    );
    says(
        &refusal(foreign(&project, &cluster, "right", "nowhere")),
        &["nowhere"],
    );
    let port = unused_port();
    let nobody = foreign(&project, &cluster, "right", "site")
        .env("DB_HOST", "127.0.0.1")
        .env("DB_PORT", port.to_string());
    let error = refusal(nobody);
    says(&error, &[&port.to_string()]);
    assert!(error["hint"].is_string(), "{error:#}");
}

#[test]
fn a_postgres_that_dies_ends_the_program_with_an_error() {
    let python = need!(python());
    need!(Postgres::available());
    let project = project(&python, DB_SETTINGS, &[]);
    let program = up(&project).serve();
    let server = program
        .named("postgres")
        .into_iter()
        .find(|process| process.parent == program.pid());
    let server = server.expect("PostgreSQL is a child of the program");
    let pid = rustix::process::Pid::from_raw(server.pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    let ended = program.end_within(Duration::from_secs(60));
    assert_eq!(ended.code, Some(1), "{}\n{}", ended.stdout, ended.stderr);
    assert!(
        ended.stdout.contains("PostgreSQL ended"),
        "{}",
        ended.stdout
    );
    // And the next start recovers.
    let program = up(&project).serve();
    count(&program, "postgresql 0");
    program.stop();
}

fn foreign(
    project: &Project,
    cluster: &Postgres,
    password: &str,
    database: &str,
) -> hotclub_testkit::Launch {
    up(project)
        .env("DB_ENGINE", "django.db.backends.postgresql")
        .env("DB_HOST", cluster.host())
        .env("DB_NAME", database)
        .env("DB_USER", cluster.owner().0)
        .env("DB_PASSWORD", password)
}

/// The cluster's own log.
fn log(project: &Project) -> String {
    let mut text = String::new();
    let mut folders = vec![project.path(".hotclub/postgres")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
        {
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().contains("log") {
                text += &fs::read_to_string(path).unwrap_or_default();
            }
        }
    }
    text
}

/// TCP sockets that the program's PostgreSQL listens on, by inode.
fn postgres_listens(program: &Program) -> Vec<String> {
    let tcp = ["tcp", "tcp6"]
        .map(|file| fs::read_to_string(format!("/proc/net/{file}")).unwrap_or_default());
    let listening: Vec<String> = tcp
        .iter()
        .flat_map(|text| text.lines().skip(1))
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields.get(3) == Some(&"0A"))
        .filter_map(|fields| fields.get(9).map(|inode| format!("socket:[{inode}]")))
        .collect();
    let held = |pid: u32| {
        let entries = fs::read_dir(format!("/proc/{pid}/fd"))
            .into_iter()
            .flatten()
            .flatten();
        entries
            .filter_map(|entry| fs::read_link(entry.path()).ok())
            .map(|target| target.display().to_string())
    };
    let servers = program.named("postgres");
    servers
        .iter()
        .flat_map(|server| held(server.pid))
        .filter(|socket| listening.contains(socket))
        .collect()
}
