//! `hotclub top`, on a pseudo-terminal and for scripts.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use hotclub_testkit::until;
use nix::pty::{Winsize, openpty};

use super::{command, done, host, pages, server, text};
use crate::hotclub;

#[test]
fn top_draws_on_a_terminal_until_it_is_told_to_end_and_tells_scripts() {
    let server = server();
    let mut program = host(&server).serve();
    done(&server, &["deploy", text(&pages(&server, "a", "one"))]);

    let told = command(&server, &["top", "--count", "2"]).end_within(Duration::from_secs(60));
    let looks = told.events();
    assert_eq!(looks.len(), 2, "{}", told.stdout);
    let site = &looks[1]["sites"][0];
    assert_eq!((&site["name"], &site["workers"]), (&"a".into(), &0.into()));
    let control = server.state().join("control.sock");
    let blind = hotclub().arg("top").arg("--control").arg(&control).fail();
    blind.says("there is none").says("hotclub top --json");

    let size = Winsize {
        ws_row: 30,
        ws_col: 110,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let pty = openpty(Some(&size), None).unwrap();
    let terminal = |end: &std::os::fd::OwnedFd| Stdio::from(end.try_clone().unwrap());
    let mut top = Command::new(env!("CARGO_BIN_EXE_hotclub"))
        .args(["top", "--control"])
        .arg(&control)
        .env("TERM", "xterm")
        .stdin(terminal(&pty.slave))
        .stdout(terminal(&pty.slave))
        .stderr(terminal(&pty.slave))
        .spawn()
        .unwrap();
    let mut screen = File::from(pty.master);
    let mut seen = String::new();
    while !seen.contains("requests/s") {
        let mut piece = [0; 4096];
        let read = screen.read(&mut piece).unwrap();
        seen.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    assert!(
        seen.contains("1 sites") && seen.contains("q ends"),
        "{seen}"
    );
    screen.write_all(b"q").unwrap();
    let status = until("it to end", || top.try_wait().unwrap());
    assert!(status.success(), "{status}");
    program.forget_descriptors();
    program.stop();
}
