//! Sites of a host that have an access log of their own, which the front may not write itself.

use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::Path;

use hotclub_testkit::{Program, Project, Signal, until};

use super::apart::{front, is_root};
use super::host::{home, host, server};
use crate::up::says;

/// Whose site `a` is where we are root.
const SOMEBODY: u32 = 61_235;

/// `server()`, whose site `a` has a log of its own in a folder of its own.
fn logging(more: &str) -> Project {
    let server = server();
    server.write(
        "a/hotclub.toml",
        &format!(
            "hosts = [\"a.example\"]\n[static]\nroot = \"public\"\n[log]\naccess = \"log/access.log\"\n{more}"
        ),
    );
    server.write("a/log/README", "");
    server.write(
        "host.toml",
        "sites = [\"a\", \"b\"]\n[log]\naccess = \"host.log\"\n",
    );
    if is_root() {
        for path in ["a", "a/log"] {
            lchown(server.path(path), Some(SOMEBODY), Some(SOMEBODY)).unwrap();
        }
    }
    server
}

fn read(server: &Project, name: &str) -> String {
    std::fs::read_to_string(server.path(name)).unwrap_or_default()
}

/// Waits until the file has so many lines; they.
fn lines(server: &Project, name: &str, count: usize) -> Vec<String> {
    until(name, || {
        let text = read(server, name);
        (text.lines().count() >= count).then(|| text.lines().map(str::to_owned).collect())
    })
}

fn ask(program: &Program, path: &str, host: &str) {
    program.get_with(path, &[("Host", host)]);
}

#[test]
fn a_sites_own_log_has_its_requests_and_the_hosts_log_those_of_others() {
    let server = logging("format = \"json\"\n");
    let mut program = host(&server).serve();
    ask(&program, "/", "a.example");
    ask(&program, "/none", "b.example");
    let own = lines(&server, "a/log/access.log", 1);
    let line: serde_json::Value = serde_json::from_str(&own[0]).unwrap();
    assert_eq!(
        (&line["status"], &line["site"]),
        (&200.into(), &"a".into()),
        "{line}"
    );
    let others = lines(&server, "host.log", 1);
    assert!(
        others.len() == 1 && others[0].contains("\"GET /none HTTP/1.1\" 404"),
        "{others:?}"
    );
    let owner = std::fs::metadata(server.path("a/log/access.log"))
        .unwrap()
        .uid();
    if is_root() {
        assert_eq!(owner, SOMEBODY);
    }

    // Put aside by logrotate or a hand.
    std::fs::rename(
        server.path("a/log/access.log"),
        server.path("a/log/access.log.1"),
    )
    .unwrap();
    program.signal(Signal::USR1);
    until("a new file is there", || {
        server.path("a/log/access.log").exists().then_some(())
    });
    ask(&program, "/second", "a.example");
    assert!(lines(&server, "a/log/access.log", 1)[0].contains("/second"));
    assert_eq!(read(&server, "a/log/access.log.1").lines().count(), 1);

    // A newer state of the site writes on.
    let before = program.stdout.all().len();
    program.signal(Signal::HUP);
    program.event(before, "serving");
    ask(&program, "/third", "a.example");
    lines(&server, "a/log/access.log", 2);

    // So does another front.
    program.allow("the front's process");
    let first = front(&program);
    let killed = rustix::process::Pid::from_raw(first.pid.cast_signed()).unwrap();
    rustix::process::kill_process(killed, rustix::process::Signal::KILL).unwrap();
    until("the site is back", || {
        (home(&program, "a.example").0 == 200).then_some(())
    });
    lines(&server, "a/log/access.log", 3);

    // What is asked last is written when all has ended.
    ask(&program, "/last", "a.example");
    program.forget_descriptors();
    program.stop();
    assert!(read(&server, "a/log/access.log").trim_end().ends_with('}'));
    assert!(read(&server, "a/log/access.log").contains("/last"));
    assert!(!read(&server, "host.log").contains("/last"));
}

#[test]
fn a_sites_own_log_is_put_aside_when_it_has_grown_and_goes_with_the_site() {
    let server = logging("rotate = \"300B\"\nkeep = 2\n");
    let mut program = host(&server).serve();
    until("files are put aside", || {
        ask(
            &program,
            "/a-long-path-so-that-a-file-is-full-soon",
            "a.example",
        );
        server.path("a/log/access.log.2").exists().then_some(())
    });
    server.write(
        "host.toml",
        "sites = [\"b\"]\n[log]\naccess = \"host.log\"\n",
    );
    let before = program.stdout.all().len();
    program.signal(Signal::HUP);
    program.event(before, "serving");
    let open = |pid: u32| {
        let open = hotclub_testkit::descriptors(pid).into_iter();
        open.filter(|file| file.contains("access.log")).count()
    };
    until("the file is closed", || {
        (open(program.pid()) == 0).then_some(())
    });
    program.forget_descriptors();
    program.stop();
}

#[test]
fn a_site_has_no_file_written_that_its_owner_could_not_write() {
    if !is_root() {
        return hotclub_testkit::skip("only root writes with the rights of others");
    }
    let server = logging("");
    let precious = server.path("precious");
    server.write("precious", "as it was\n");
    std::fs::set_permissions(&precious, std::fs::Permissions::from_mode(0o600)).unwrap();
    symlink(&precious, server.path("a/log/access.log")).unwrap();
    let program = host(&server).serve();
    let error = program.event(0, "error");
    says(
        &error,
        &["[log] access", "access.log", "ermission denied", "61235"],
    );
    assert_eq!(home(&program, "a.example").0, 503);
    assert_eq!(home(&program, "b.example").0, 200);
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "as it was\n");
    program.stop();
}

#[test]
fn what_is_no_file_is_no_log() {
    let server = logging("");
    let fifo: &Path = &server.path("a/log/access.log");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o666),
        0,
    )
    .unwrap();
    let program = host(&server).serve();
    says(&program.event(0, "error"), &["[log] access", "access.log"]);
    assert_eq!(home(&program, "b.example").0, 200);
    program.stop();
}
