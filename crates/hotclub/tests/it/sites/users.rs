//! Under `hotclub host` started by root, whose rights a site's code has.

use std::os::unix::fs::{PermissionsExt, lchown};
use std::path::Path;

use hotclub_testkit::{Launch, Program, Project, Python, need, python, until};

use super::apart::{front, is_root};
use super::host::{host, server};
use crate::up::says;

/// A user that no system knows by name.
const SOMEBODY: u32 = 61_234;

/// Says who it is and what it can reach, when it is asked for `/facts?FRONT,DAEMON,SECRET`.
const FACTS: &str = r#"
from django.core.wsgi import get_wsgi_application
import json, os
django = get_wsgi_application()

def attempt(what):
    try:
        what()
        return "done"
    except OSError as error:
        return error.__class__.__name__

def application(environ, start_response):
    if environ["PATH_INFO"] != "/facts":
        return django(environ, start_response)
    front, daemon, secret = environ["QUERY_STRING"].split(",")
    facts = {"uid": os.getuid(), "groups": os.getgroups(), "home": os.environ.get("HOME")}
    for name, pid in (("front", int(front)), ("daemon", int(daemon))):
        facts["kill the " + name] = attempt(lambda: os.kill(pid, 0))
        facts["memory of the " + name] = attempt(lambda: open(f"/proc/{pid}/mem", "rb"))
        facts["environment of the " + name] = attempt(lambda: open(f"/proc/{pid}/environ", "rb").read())
    facts["another's secret"] = attempt(lambda: open(secret, "rb"))
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(facts).encode()]
"#;

/// `server()` with the Django site `shop`.
fn with_shop(python: &Python) -> Project {
    let server = server();
    let folder = server.path("shop");
    std::fs::create_dir(&folder).unwrap();
    python.run(&folder, &["-m", "django", "startproject", "shop", "."]);
    server
        .write("shop/requirements.txt", &(python.pinned("Django") + "\n"))
        .write(
            "shop/hotclub.toml",
            "hosts = [\"shop.example\"]\n[app]\nworkers = 1\n",
        )
        .write("shop/shop/wsgi.py", FACTS)
        .edit(
            "shop/shop/settings.py",
            "ALLOWED_HOSTS = []",
            "ALLOWED_HOSTS = ['shop.example']",
        )
        .write("host.toml", "sites = [\"a\", \"b\", \"shop\"]\n");
    server
}

/// Gives a folder with all in it to somebody.
fn give(path: &Path, user: u32) {
    lchown(path, Some(user), Some(user)).unwrap();
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), user);
        }
    }
}

fn launch(server: &Project) -> Launch {
    host(server).allow("DEBUG is on")
}

fn shop(program: &Program, path: &str) -> hotclub_testkit::Response {
    program.get_with(path, &[("Host", "shop.example")])
}

#[test]
fn an_apps_code_runs_as_the_owner_of_its_folder_and_survives_the_front() {
    let python = need!(python());
    if !is_root() {
        return hotclub_testkit::skip("only root can run others' code as others");
    }
    let server = with_shop(&python);
    give(&server.path("shop"), SOMEBODY);
    let secret = server.path("a/.env");
    server.write("a/.env", "SECRET=1\n");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut program = launch(&server).serve();
    program.allow("the front's process");
    let front_before = front(&program);
    let asked = format!(
        "/facts?{},{},{}",
        front_before.pid,
        program.pid(),
        secret.display()
    );
    let facts = shop(&program, &asked).expect(200).json();
    assert_eq!(facts["uid"], SOMEBODY, "{facts:#}");
    assert_eq!(facts["groups"].as_array().unwrap().len(), 0, "{facts:#}");
    assert_ne!(facts["home"], "/root", "{facts:#}");
    let tried = facts.as_object().unwrap();
    for (what, outcome) in tried.iter().filter(|(what, _)| what.contains(' ')) {
        assert_eq!(outcome, "PermissionError", "{what}: {facts:#}");
    }
    for process in program.fork_servers().iter().chain(&program.workers()) {
        let uid = process.status("Uid").unwrap();
        assert!(
            uid.split_whitespace().all(|id| id == SOMEBODY.to_string()),
            "{uid}"
        );
    }
    // What Django collected as that user is ours afterwards, and the front may read it.
    shop(&program, "/static/admin/css/base.css").expect(200);
    assert_eq!(
        std::os::unix::fs::MetadataExt::uid(
            &std::fs::metadata(server.path("shop/db.sqlite3")).unwrap()
        ),
        SOMEBODY
    );

    let killed = rustix::process::Pid::from_raw(front_before.pid.cast_signed()).unwrap();
    rustix::process::kill_process(killed, rustix::process::Signal::KILL).unwrap();
    until("the app is back", || {
        (shop(&program, "/admin/").status == 302).then_some(())
    });
    assert_ne!(front(&program).pid, front_before.pid);
    program.forget_descriptors();
    program.stop();
}

#[test]
fn no_app_runs_as_root_unless_that_is_written() {
    let python = need!(python());
    if !is_root() {
        return hotclub_testkit::skip("only root can run others' code as others");
    }
    let server = with_shop(&python);
    let program = launch(&server).serve();
    let error = program.event(0, "error");
    says(
        &error,
        &[
            "no app runs as root",
            "useradd --system",
            "hotclub-shop",
            "chown -R",
        ],
    );
    assert_eq!(shop(&program, "/").status, 503);
    program.stop();
}
