//! `hotclub import` of the portfolio's classic stack, up to the site that comes of it.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use hotclub_testkit::{Ended, Postgres, Project, need, python};
use serde_json::Value;

use crate::hotclub;
use crate::up::up;

fn import(project: &Project, more: &[&str]) -> Ended {
    hotclub()
        .arg("import")
        .args(["classic/docker-compose.yml", "classic/nginx.conf"])
        .args(more)
        .within(project.dir())
        .of(project)
        .end_within(Duration::from_secs(60))
}

/// The portfolio with the env files of its classic stack.
fn classic() -> Project {
    let project = Project::copy_of("examples/portfolio");
    for (from, to) in [
        ("classic/env.prod.example", "classic/.env.prod"),
        ("classic/env.prod.db.example", "classic/.env.prod.db"),
    ] {
        project.write(to, &project.read(from));
    }
    project
}

#[test]
fn the_classic_stack_is_imported_and_comes_up_on_a_postgres_of_its_own() {
    need!(python());
    need!(Postgres::available());
    let project = classic();
    let ended = import(&project, &["--host", "portfolio.example", "--json"]);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    let items = told["items"].as_array().unwrap();
    let is = |what: &str| {
        let item = items.iter().find(|item| item["what"] == what);
        item.unwrap_or_else(|| panic!("{what} is not in {items:#?}"))["fate"].clone()
    };
    assert_eq!(is("services.web.ports[0]"), "mended");
    assert_eq!(is("server › location /static/ › alias"), "mended");
    assert_eq!(is("services.db.volumes[0]"), "open");
    assert!(
        items.iter().all(|item| item["fate"] != "unsupported"),
        "{items:#?}"
    );
    assert!(
        !ended.stdout.contains("change-this-password"),
        "no secret is told"
    );

    let checked = hotclub()
        .arg("check")
        .arg(project.dir())
        .of(&project)
        .end_within(Duration::from_secs(240));
    assert_eq!(
        checked.code,
        Some(0),
        "{}\n{}",
        checked.stdout,
        checked.stderr
    );

    let program = up(&project).serve();
    let database = program.served()["database"].as_str().unwrap().to_owned();
    assert!(database.starts_with("PostgreSQL "), "{database}");
    program.get("/about/").expect(200);
    project.write("src/mediafiles/sketch.txt", "an upload of the old stack");
    let upload = program.get("/media/sketch.txt").expect(200);
    assert_eq!(upload.text(), "an upload of the old stack");
    program.stop();
}

#[test]
fn a_file_that_is_there_is_not_written_over() {
    let project = classic();
    project.write("hotclub.toml", "name = \"mine\"\n");
    let ended = import(&project, &[]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("hint: --force"), "{}", ended.stderr);
    assert_eq!(project.read("hotclub.toml"), "name = \"mine\"\n");
    let shown = import(&project, &["--dry-run"]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    assert!(
        shown.stdout.contains("engine = \"postgres\""),
        "{}",
        shown.stdout
    );
    assert!(
        shown.stdout.contains("--host example.com"),
        "the placeholder is asked about: {}",
        shown.stdout
    );
    assert_eq!(project.read("hotclub.toml"), "name = \"mine\"\n");
    let ended = import(&project, &["--force"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        project
            .read("hotclub.toml")
            .contains("engine = \"postgres\"")
    );
}

#[test]
fn secrets_of_a_compose_file_are_in_a_file_that_others_cannot_read() {
    let project = Project::empty();
    let text = "services:\n  web:\n    build: .\n    command: gunicorn a.wsgi\n    environment:\n      SECRET_KEY: hush\n";
    project.write("compose.yml", text);
    let ended = hotclub()
        .args(["import", "compose.yml"])
        .within(project.dir())
        .of(&project)
        .end_within(Duration::from_secs(60));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!ended.stdout.contains("hush"), "{}", ended.stdout);
    let mode = std::fs::metadata(project.path("hotclub.toml"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(
        project
            .read("hotclub.toml")
            .contains("SECRET_KEY = \"hush\"")
    );
}
