//! Deploys, releases and going back, on sites that need no Python.

use std::process::Command;

use super::{beside, command, done, home, host, kept, pages, refused, releases, server, text};
use crate::up::says;

#[test]
fn a_site_is_deployed_replaced_taken_back_and_removed() {
    let server = server();
    let site = pages(&server, "a", "one");
    let mut program = host(&server).serve();
    assert_eq!(home(&program, "a.example").0, 421);

    let first = done(&server, &["deploy", text(&site)]);
    assert_eq!(
        (&first["site"], &first["release"]),
        (&"a".into(), &1.into())
    );
    assert_eq!(home(&program, "a.example"), (200, "one".to_owned()));
    // What was sent is what is served, whatever becomes of the folder.
    pages(&server, "a", "two");
    assert_eq!(home(&program, "a.example").1, "one");
    done(&server, &["deploy", text(&site)]);
    assert_eq!(home(&program, "a.example").1, "two");

    let listed = done(&server, &["releases", "a"]);
    assert_eq!(listed["releases"][0]["is_live"], true);
    assert_eq!(listed["releases"][1]["from"], text(&site));
    let back = done(&server, &["rollback", "a"]);
    assert_eq!((&back["release"], &back["before"]), (&1.into(), &2.into()));
    assert_eq!(home(&program, "a.example").1, "one");
    says(
        &refused(&server, &["rollback", "a"]),
        &["no release before 1", "2, 1"],
    );
    done(&server, &["rollback", "a", "2"]);
    assert_eq!(home(&program, "a.example").1, "two");

    let status = done(&server, &["status"]);
    let site = &status["sites"][0];
    assert_eq!(
        (&site["state"], &site["release"]),
        (&"serving".into(), &2.into())
    );
    assert_eq!(site["releases"], serde_json::json!([2, 1]));

    done(&server, &["remove", "a"]);
    assert_eq!(home(&program, "a.example").0, 421);
    assert!(kept(&server, "a").join("releases/2").exists());
    says(
        &refused(&server, &["reload", "a"]),
        &["no site is called `a`"],
    );
    program.forget_descriptors();
    program.stop();
}

#[test]
fn five_releases_are_kept_and_the_live_one_is_among_them() {
    let server = server();
    let mut program = host(&server).serve();
    for number in 1..=7 {
        let site = pages(&server, "a", &format!("release {number}"));
        done(&server, &["deploy", text(&site)]);
    }
    assert_eq!(releases(&server, "a"), ["3", "4", "5", "6", "7"]);
    assert_eq!(home(&program, "a.example").1, "release 7");
    program.forget_descriptors();
    program.stop();
}

#[test]
fn what_cannot_be_deployed_leaves_nothing_and_the_live_release_serving() {
    let server = server();
    let site = pages(&server, "a", "one");
    let mut program = host(&server).serve();
    done(&server, &["deploy", text(&site)]);
    done(&server, &["deploy", text(&pages(&server, "b", "b"))]);

    server.write("a/hotclub.toml", "hosts = [\"b.example\"]\n[statik]\n");
    says(
        &refused(&server, &["deploy", text(&site), "--site", "a"]),
        &["statik"],
    );
    server.write(
        "a/hotclub.toml",
        "hosts = [\"b.example\"]\n[static]\nroot = \"public\"\n",
    );
    let error = refused(&server, &["deploy", text(&site)]);
    says(
        &error,
        &[
            "not deployed, release 1 goes on",
            "the host `b.example` is that of two sites",
        ],
    );
    assert_eq!(releases(&server, "a"), ["1"]);
    assert_eq!(home(&program, "a.example").1, "one");

    // A file as large as no disk, that takes none of it.
    pages(&server, "a", "one");
    let large = std::fs::File::create(server.path("a/large")).unwrap();
    large.set_len(1 << 43).unwrap();
    says(
        &refused(&server, &["deploy", text(&site)]),
        &["MiB left", "make room first"],
    );
    assert_eq!(releases(&server, "a"), ["1"]);
    program.forget_descriptors();
    program.stop();
}

#[test]
fn archives_and_repositories_are_deployed_like_folders() {
    let server = server();
    let site = pages(&server, "a", "of an archive");
    let archive = server.path("shop.tar.gz");
    run(Command::new("tar")
        .arg("-czf")
        .arg(&archive)
        .arg("-C")
        .arg(server.dir())
        .arg("a"));
    let mut program = host(&server).serve();
    let made = done(&server, &["deploy", text(&archive)]);
    assert_eq!(made["site"], "shop");
    assert_eq!(home(&program, "a.example").1, "of an archive");

    pages(&server, "a", "of a zip");
    let zip = server.path("shop.zip");
    run(Command::new("python3")
        .args(["-m", "zipfile", "-c"])
        .arg(&zip)
        .arg(&site));
    assert_eq!(done(&server, &["deploy", text(&zip)])["site"], "shop");
    assert_eq!(home(&program, "a.example").1, "of a zip");

    pages(&server, "a", "of a repository");
    let git = |arguments: &[&str]| {
        let author = ["-c", "user.name=x", "-c", "user.email=x@example.com"];
        run(Command::new("git")
            .current_dir(&site)
            .args(author)
            .args(arguments));
    };
    git(&["init", "--quiet", "--initial-branch", "main"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "x"]);
    let url = format!("file://{}#main", site.display());
    done(&server, &["deploy", &url, "--site", "shop"]);
    assert_eq!(home(&program, "a.example").1, "of a repository");
    let listed = done(&server, &["releases", "shop"]);
    let from = listed["releases"][0]["from"].as_str().unwrap();
    assert!(from.starts_with(&url) && from.contains(" at "), "{from}");
    program.forget_descriptors();
    program.stop();
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

#[test]
fn only_one_deploy_of_a_site_goes_on_at_a_time_and_only_one_host_of_a_state() {
    let server = server();
    let site = pages(&server, "a", "one");
    let mut program = host(&server).serve();
    done(&server, &["deploy", text(&site)]);
    let lock = std::fs::File::open(kept(&server, "a").join("lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    says(
        &refused(&server, &["deploy", text(&site)]),
        &["another deploy or rollback of a"],
    );
    drop(lock);
    done(&server, &["deploy", text(&site)]);
    let second = beside(&server).fail();
    assert!(
        second.stdout.contains("another host keeps its sites"),
        "{}",
        second.stdout
    );
    program.forget_descriptors();
    program.stop();
}

#[test]
fn the_control_socket_is_its_owners_and_speaks_one_version() {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;
    let server = server();
    let nobody = command(&server, &["status"]).fail();
    assert!(
        nobody.stdout.contains("no host listens"),
        "{}",
        nobody.stdout
    );
    let program = host(&server).serve();
    let path = server.state().join("control.sock");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for (asked, says) in [
        ("{\"hotclub\":2,\"do\":\"status\"}\n", "speaks version 1"),
        ("{\"hotclub\":1,\"do\":\"dance\"}\n", "this is no request"),
        ("GET / HTTP/1.1\n", "refused"),
    ] {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.write_all(asked.as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        assert!(
            line.contains("\"event\":\"refused\"") && line.contains(says),
            "{line}"
        );
    }
    program.stop();
    assert!(!path.exists(), "it goes with the host");
}
