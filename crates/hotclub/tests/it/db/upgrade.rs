//! `hotclub db upgrade`: from the machine's PostgreSQL to a newer major version, and back; of a project, and of a site
//! that a host serves.

use hotclub_testkit::{Launch, Postgres, Project, need, python, until};
use serde_json::Value;

use super::{backups, bad, db, good, post};
use crate::host::django::{notes_of, write};
use crate::host::postgres::{notes_on_postgres, pins};
use crate::host::{done, host, server, text};
use crate::hotclub;
use crate::up::postgres::{DB_SETTINGS, count, project};
use crate::up::up;

fn database(program: &hotclub_testkit::Program) -> String {
    let text = program.served()["database"].as_str();
    text.unwrap_or_default().to_owned()
}

fn asked(project: &Project, bin: &std::path::Path, query: &str) -> String {
    let words = ["--admin", "--", "-A", "-t", "-c", query];
    let shell = good(db(project, "shell", &words).on_path(bin));
    shell.stdout.trim().to_owned()
}

#[test]
fn a_site_moves_to_a_newer_major_of_postgres_and_back_and_forth() {
    let python = need!(python());
    need!(Postgres::available());
    let (bin, newer) = need!(Postgres::newer());
    let project = project(&python, DB_SETTINGS, &[]);
    let to = newer.to_string();
    let upgrade = |to: &str| db(&project, "upgrade", &[to]).on_path(&bin);
    let program = up(&project).serve();
    let older = database(&program);
    post(&program, 2);
    let served = ["is being served", "hotclub up"];
    bad(
        upgrade(&to).env("HOTCLUB_SOCKET", project.path("none")),
        &served,
    );
    program.stop();
    bad(upgrade("99"), &["PostgreSQL 99 is not installed"]);
    bad(upgrade("9"), &["PostgreSQL 9 is not installed"]);

    // What a person has set, in a file and in the database.
    let conf = ".hotclub/postgres/data/postgresql.conf";
    project.append(conf, "log_min_duration_statement = 4321\n");
    asked(&project, &bin, "ALTER DATABASE site SET work_mem = '7MB'");
    let told = good(upgrade(&to)).stderr;
    assert!(told.contains(&format!("PostgreSQL {to} is live")), "{told}");
    bad(upgrade(&to), &["is not newer"]);
    let settings = asked(
        &project,
        &bin,
        "SHOW work_mem; SHOW log_min_duration_statement; SHOW server_version_num",
    );
    assert!(
        settings.starts_with(&format!("7MB\n4321ms\n{to}")),
        "{settings}"
    );

    let program = up(&project).on_path(&bin).serve();
    assert!(database(&program).starts_with(&format!("PostgreSQL {to}")));
    count(&program, "postgresql 2");
    post(&program, 1);
    program.stop();
    let listed = backups(&project);
    assert_eq!(listed["backups"][0]["reason"], "upgrade", "{listed:#}");
    assert_eq!(listed["backups"][0]["proof"]["state"], "proven");
    assert_eq!(listed["upgraded"].as_array().map(Vec::len), Some(1));

    // Back without what was written since, which is kept; and forth again with it.
    good(db(&project, "undo", &[]).on_path(&bin));
    let program = up(&project).serve();
    assert_eq!(database(&program), older);
    count(&program, "postgresql 2");
    program.stop();
    good(db(&project, "undo", &[]).on_path(&bin));
    good(db(&project, "drop-old", &[]).on_path(&bin));
    assert_eq!(backups(&project)["upgraded"], Value::Array(Vec::new()));
    let program = up(&project).on_path(&bin).serve();
    count(&program, "postgresql 3");
    program.stop();
}

/// `hotclub db …` at a site of the server, by its name.
fn of_the_site(server: &Project, words: &[&str]) -> Launch {
    hotclub()
        .env("HOTCLUB_STATE", server.state())
        .arg("db")
        .args(words)
}

#[test]
fn a_host_lets_its_site_down_while_its_postgres_moves_to_a_newer_major() {
    let python = need!(python());
    need!(Postgres::available());
    let (bin, newer) = need!(Postgres::newer());
    let server = server();
    let folder = notes_on_postgres(&server, &python);
    let (free, pinned) = pins();
    server.edit("notes/hotclub.toml", free, &pinned);
    let mut program = host(&server).on_path(&bin).serve();
    done(&server, &["deploy", text(&folder)]);
    write(&program, "first");
    let to = newer.to_string();
    let upgrade = || of_the_site(&server, &["upgrade", "notes", &to]).on_path(&bin);
    bad(upgrade(), &["says version =", "leave `version` out"]);
    assert_eq!(notes_of(&program), "first");

    server.edit("notes/hotclub.toml", &pinned, free);
    done(&server, &["deploy", text(&folder)]);
    good(upgrade());
    assert_eq!(notes_of(&program), "first");
    write(&program, "second");
    let version = of_the_site(
        &server,
        &[
            "shell",
            "notes",
            "--",
            "-A",
            "-t",
            "-c",
            "SHOW server_version",
        ],
    );
    let version = good(version.on_path(&bin)).stdout;
    assert!(version.starts_with(&to), "{version}");

    // Whoever held the site is killed: the host raises it again.
    let undo = of_the_site(&server, &["undo", "notes"])
        .on_path(&bin)
        .start();
    until("the site to be let down", || {
        let answer = program.get_with("/", &[("Host", "localhost")]);
        (answer.status == 503).then_some(())
    });
    undo.kill();
    let notes = until("the site to be back", || {
        let answer = program.get_with("/notes", &[("Host", "localhost")]);
        (answer.status == 200).then(|| answer.text().to_owned())
    });
    assert!(notes == "first" || notes == "first,second", "{notes}");
    program.forget_descriptors();
    program.stop();
}
