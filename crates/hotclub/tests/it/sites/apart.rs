//! Under `hotclub host` the front is a process of its own: what it is not, and what becomes of the sites without it.

use std::path::{Path, PathBuf};

use hotclub_testkit::{Process, Program, Project, until};

use super::host::{home, host, server};

pub(super) fn front(program: &Program) -> Process {
    until("the front is there", || {
        program.named("hotclub-front").into_iter().next()
    })
}

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A path as the front sees it.
fn seen(front: &Process, path: &Path) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{}/root", front.pid));
    root.join(path.strip_prefix("/").unwrap())
}

#[test]
fn what_reads_network_bytes_has_no_rights_and_sees_what_it_serves_alone() {
    let server = server();
    server.write("a/.env", "SECRET=1\n");
    let program = host(&server).serve();
    let front = front(&program);
    assert_ne!(front.pid, program.pid());
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(front.status(set).unwrap(), "0000000000000000", "{set}");
    }
    assert_eq!(front.status("NoNewPrivs").unwrap(), "1");
    assert_eq!(front.status("Seccomp").unwrap(), "2");
    let note = program.events("note").remove(0);
    let note = note["message"].as_str().unwrap().to_owned();
    for held in ["Landlock", "seccomp"] {
        assert!(note.contains(held) && !note.contains("without"), "{note}");
    }
    assert_eq!(home(&program, "a.example").1, "a");
    if !is_root() {
        return program.stop();
    }
    let ids = front.status("Uid").unwrap();
    assert!(ids.split_whitespace().all(|id| id != "0"), "{ids}");
    let ids = front.status("Gid").unwrap();
    assert!(ids.split_whitespace().all(|id| id != "0"), "{ids}");
    assert_eq!(front.status("Groups").unwrap(), "");
    assert_eq!(front.status("CapBnd").unwrap(), "0000000000000000");
    // Not dumpable: what /proc has of it is root's.
    let owner = std::fs::metadata(format!("/proc/{}/environ", front.pid)).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&owner), 0);
    assert!(seen(&front, &server.path("a/public/index.html")).exists());
    for hidden in [
        server.path("a/.env"),
        server.path("a/hotclub.toml"),
        server.path("host.toml"),
        "/etc/passwd".into(),
        "/proc/self".into(),
        "/bin/sh".into(),
    ] {
        assert!(!seen(&front, &hidden).exists(), "{}", hidden.display());
    }
    program.stop();
}

#[test]
fn a_front_that_is_killed_is_replaced_and_the_sites_come_back() {
    let server = server();
    let mut program = host(&server).serve();
    program.allow("the front's process");
    assert_eq!(home(&program, "a.example").1, "a");
    let first = front(&program);
    let address = program.address().to_owned();
    let before = program.stdout.all().len();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(first.pid.cast_signed()).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    program.event(before, "error");
    until("the sites are back", || {
        let answer = program.get_with("/", &[("Host", "a.example")]);
        (answer.status == 200).then_some(())
    });
    assert_eq!(home(&program, "b.example").1, "b");
    assert_eq!(program.address(), address);
    assert_ne!(front(&program).pid, first.pid);
    program.forget_descriptors();
    program.stop();
}

#[test]
fn a_front_whose_supervisor_is_killed_leaves() {
    let server = server();
    let program = host(&server).serve();
    let front = front(&program);
    program.kill();
    assert!(!front.is_alive());
}

#[test]
fn folders_that_are_swapped_and_flags_that_are_set_are_seen() {
    let server: Project = server();
    let program = host(&server).serve();
    assert_eq!(home(&program, "a.example").1, "a");
    server.write("a/next/index.html", "next");
    std::fs::rename(server.path("a/public"), server.path("a/old")).unwrap();
    std::fs::rename(server.path("a/next"), server.path("a/public")).unwrap();
    until("the new folder is served", || {
        (home(&program, "a.example").1 == "next").then_some(())
    });
    server.write("a/.hotclub/maintenance", "");
    until("the site is closed", || {
        (home(&program, "a.example").0 == 503).then_some(())
    });
    assert_eq!(home(&program, "b.example").0, 200);
    std::fs::remove_file(server.path("a/.hotclub/maintenance")).unwrap();
    until("the site is open", || {
        (home(&program, "a.example").0 == 200).then_some(())
    });
    program.stop();
}
