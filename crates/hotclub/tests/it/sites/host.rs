//! `hotclub host`: several sites behind one front.

use hotclub_testkit::{Launch, Program, Project, Signal, need, python};

use super::apart::is_root;
use crate::hotclub;
use crate::up::says;

/// A server with the two static sites `a` and `b`.
pub(super) fn server() -> Project {
    let server = Project::empty();
    for name in ["a", "b"] {
        let config = format!("hosts = [\"{name}.example\"]\n[static]\nroot = \"public\"\n");
        server
            .write(&format!("{name}/hotclub.toml"), &config)
            .write(&format!("{name}/public/index.html"), name);
    }
    server.write("host.toml", "sites = [\"a\", \"b/hotclub.toml\"]\n");
    server
}

pub(super) fn host(server: &Project) -> Launch {
    hotclub()
        .arg("host")
        .arg("--config")
        .arg(server.path("host.toml"))
        .arg("--state")
        .arg(server.state())
        .args(["--listen", "127.0.0.1:0", "--json"])
        .of(server)
}

#[track_caller]
pub(super) fn home(program: &Program, host: &str) -> (u16, String) {
    let answer = program.get_with("/", &[("Host", host)]);
    (answer.status, answer.text().to_owned())
}

fn reload(program: &Program, event: &str) -> serde_json::Value {
    let before = program.stdout.all().len();
    program.signal(Signal::HUP);
    program.event(before, event)
}

#[test]
fn each_site_answers_for_its_own_hosts_only() {
    let server = server();
    let program = host(&server).serve();
    assert_eq!(home(&program, "a.example"), (200, "a".to_owned()));
    assert_eq!(home(&program, "B.example:8000"), (200, "b".to_owned()));
    for host in ["c.example", "localhost", "127.0.0.1", "x.a.example"] {
        assert_eq!(home(&program, host).0, 421, "{host}");
    }
    let mut raw = program.connect();
    let old = raw.ask(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(old.status, 404);
    program.stop();
}

#[test]
fn the_default_site_answers_for_every_other_host() {
    let server = server();
    server.write("host.toml", "sites = [\"a\", \"b\"]\ndefault = \"b\"\n");
    let program = host(&server).serve();
    assert_eq!(home(&program, "a.example").1, "a");
    assert_eq!(home(&program, "c.example").1, "b");
    program.stop();
}

#[test]
fn a_reload_adds_and_removes_sites_and_a_fault_in_one_changes_none() {
    let server = server();
    let mut program = host(&server).serve();
    program.allow("not reloaded");
    server
        .write(
            "c/hotclub.toml",
            "hosts = [\"c.example\", \"b.example\"]\n[statik]\n",
        )
        .write("c/public/index.html", "c")
        .write("host.toml", "sites = [\"b\", \"c\"]\n");
    let error = reload(&program, "error");
    says(
        &error,
        &[
            "not reloaded",
            "c/hotclub.toml:2:2",
            "did you mean `static`?",
        ],
    );
    assert_eq!(home(&program, "a.example").0, 200);
    assert_eq!(home(&program, "c.example").0, 421);

    server.write(
        "c/hotclub.toml",
        "hosts = [\"c.example\"]\n[static]\nroot = \"public\"\n",
    );
    let served = reload(&program, "serving");
    let names: Vec<_> = served["sites"]
        .as_array()
        .unwrap()
        .iter()
        .map(|site| &site["name"])
        .collect();
    assert_eq!(names, ["b", "c"]);
    assert_eq!(home(&program, "a.example").0, 421);
    assert_eq!(home(&program, "b.example").1, "b");
    assert_eq!(home(&program, "c.example").1, "c");
    program.forget_descriptors();
    program.stop();
}

#[test]
fn hosts_and_names_that_two_sites_claim_are_shown_in_both_files() {
    let server = server();
    server.write(
        "b/hotclub.toml",
        "hosts = [\"b.example\", \"a.example\"]\nname = \"a\"\n[static]\nroot = \"gone\"\n",
    );
    let check = hotclub()
        .arg("check")
        .arg("--config")
        .arg(server.path("host.toml"))
        .of(&server);
    let ended = check.fail();
    ended
        .says("two sites are called `a`")
        .says("the host `a.example` is that of two sites")
        .says("a/hotclub.toml:1:10")
        .says("b/hotclub.toml:1:23")
        .says("remove it from one of them");
    let ended = host(&server).fail();
    assert!(
        ended.stdout.contains("two sites are called"),
        "{}",
        ended.stdout
    );
}

#[test]
fn folders_beside_the_file_are_sites_when_it_names_none() {
    let server = server();
    server.write("host.toml", "");
    std::fs::create_dir(server.path("sites")).unwrap();
    for name in ["a", "b"] {
        std::os::unix::fs::symlink(server.path(name), server.path("sites").join(name)).unwrap();
    }
    let program = host(&server).serve();
    assert_eq!(home(&program, "a.example").1, "a");
    assert_eq!(home(&program, "b.example").1, "b");
    program.stop();
}

#[test]
fn a_site_that_does_not_start_keeps_no_other_down() {
    let python = need!(python());
    let server = server();
    let folder = server.path("shop");
    std::fs::create_dir(&folder).unwrap();
    python.run(&folder, &["-m", "django", "startproject", "shop", "."]);
    let requirements = python.pinned("Django") + "\n";
    server
        .write("shop/requirements.txt", &requirements)
        .write(
            "shop/hotclub.toml",
            "hosts = [\"shop.example\"]\n[app]\nworkers = 1\n",
        )
        .edit(
            "shop/shop/settings.py",
            "ALLOWED_HOSTS = []",
            "ALLOWED_HOSTS = ['shop.example']",
        )
        .edit(
            "shop/shop/wsgi.py",
            "import os",
            "import os, nothing_like_that",
        )
        .write("host.toml", "sites = [\"a\", \"b\", \"shop\"]\n");
    if is_root() {
        // Where it must be written.
        let users = "sites = [\"a\", \"b\", \"shop\"]\n[users]\nshop = \"root\"\n";
        server.write("host.toml", users);
    }
    let mut program = host(&server).serve();
    program.allow("ModuleNotFoundError");
    program.allow("Traceback");
    let error = program.event(0, "error");
    assert_eq!(error["site"], "shop");
    says(&error, &["down, tried again in"]);
    assert_eq!(home(&program, "a.example").0, 200);
    let down = program
        .get_with("/admin/", &[("Host", "shop.example")])
        .expect(503);
    assert!(down.header("retry-after").is_some());

    server.edit(
        "shop/shop/wsgi.py",
        "import os, nothing_like_that",
        "import os",
    );
    reload(&program, "serving");
    let up = program.get_with("/admin/", &[("Host", "shop.example")]);
    up.expect(302);
    // Once more, over what stands: the same ground, a new generation.
    let before = program.workers();
    reload(&program, "serving");
    let up = program.get_with("/admin/", &[("Host", "shop.example")]);
    up.expect(302);
    assert!(
        program
            .workers()
            .iter()
            .any(|worker| !before.contains(worker))
    );
    program.forget_descriptors();
    program.stop();
}
