//! `hotclub install` below a folder of the test's own.

use std::process::Command;

use hotclub_testkit::Project;

use crate::hotclub;

#[test]
fn install_says_each_thing_it_made_and_uninstall_keeps_the_data() {
    let place = Project::empty();
    let run = |command: &str, more: &[&str]| {
        let launch = hotclub().arg(command).arg("--root").arg(place.dir());
        let ended = launch
            .args(more)
            .end_within(std::time::Duration::from_secs(60));
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended
    };
    let made = run("install", &[]);
    for path in [
        "etc/hotclub/host.toml",
        "etc/systemd/system/hotclub.service",
        "etc/systemd/system/hotclub.socket",
        "usr/local/bin/hotclub",
        "var/lib/hotclub",
        "run/hotclub",
    ] {
        assert!(place.path(path).exists(), "{path}");
        made.says(place.path(path).to_str().unwrap());
    }
    place.write("etc/hotclub/host.toml", "# mine\n");
    place.write("var/lib/hotclub/sites/a/env", "A=1\n");
    run("install", &[]);
    assert_eq!(place.read("etc/hotclub/host.toml"), "# mine\n");
    verify(&place);

    run("uninstall", &[]).says("kept: ");
    assert!(!place.path("etc/systemd/system/hotclub.service").exists());
    assert_eq!(place.read("var/lib/hotclub/sites/a/env"), "A=1\n");
    run("uninstall", &["--data"]);
    assert!(!place.path("var/lib/hotclub").exists() && !place.path("etc/hotclub").exists());
}

/// By systemd's own reader, where there is one.
fn verify(place: &Project) {
    let read = Command::new("systemd-analyze")
        .args(["verify", "--recursive-errors=no"])
        .arg(format!("--root={}", place.dir().display()))
        .arg("hotclub.service")
        .output();
    if let Ok(read) = read {
        let said = String::from_utf8_lossy(&read.stderr);
        let ours = said
            .lines()
            .filter(|line| line.contains("hotclub") && line.contains("nknown"));
        assert_eq!(ours.count(), 0, "{said}");
    }
}
