//! `[[process]]`, under `up` and under `host`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use hotclub_testkit::{
    Process, Program, Project, Signal, need, process, python, until, until_within,
};
use rustix::process::{Pid, kill_process};

use super::django::{notes, say};
use super::{done, host, server, text};
use crate::up::{plain, up};

/// Says who it is in a file of its own, and that it ends.
const BEAT: &str = r#"
import os, pathlib, re, signal, sys, time
WORDS = re.search("WORDS = '(.*)'", open('config/urls.py').read()).group(1)
here = pathlib.Path(sys.argv[1])
def end(*_):
    (here / 'beats').open('a').write(f'-{os.getpid()} {WORDS}\n')
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
(here / 'beats').open('a').write(f'+{os.getpid()} {WORDS}\n')
print('beating', flush=True)
while True:
    time.sleep(60)
"#;

fn beats(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("beats")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn until_beats(folder: &Path, count: usize) -> Vec<String> {
    until_within(
        Duration::from_secs(60),
        "the process to have said so",
        || {
            let beats = beats(folder);
            (beats.len() >= count).then_some(beats)
        },
    )
}

fn pid(beat: &str) -> u32 {
    let number = beat[1..].split(' ').next();
    number.unwrap().parse().unwrap()
}

fn beating(server: &Project, site: &str) {
    let said = server.base().join("said");
    std::fs::create_dir(&said).unwrap();
    // Whoever the process runs as.
    let everybody = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(&said, everybody).unwrap();
    let command = format!("python beat.py {}", said.display());
    let entry = format!("[[process]]\nname = \"beat\"\ncommand = \"{command}\"\n");
    server
        .write(&format!("{site}beat.py"), BEAT)
        .append(&format!("{site}hotclub.toml"), &entry);
}

#[test]
fn a_process_runs_exactly_once_and_is_replaced_after_the_switch() {
    let python = need!(python());
    let server = server();
    let folder = notes(&server, &python);
    beating(&server, "notes/");
    let base = &server.base().join("said");
    let program = host(&server).allow("it ended").serve();
    done(&server, &["deploy", text(&folder)]);
    let first = until_beats(base, 1).remove(0);
    assert!(first.ends_with(" one"), "{first}");

    // It is started again, whoever ends it.
    kill(pid(&first));
    let again = until_beats(base, 2).remove(1);
    say(&server, "one", "two");
    done(&server, &["deploy", text(&folder)]);
    let all = until_beats(base, 4);
    assert_eq!(
        all[2],
        format!("-{} one", pid(&again)),
        "the old one ends first"
    );
    assert!(
        all[3].starts_with('+') && all[3].ends_with(" two"),
        "{all:?}"
    );
    let status = done(&server, &["status", "notes"]);
    assert_eq!(status["sites"][0]["processes"][0]["pid"], pid(&all[3]));

    // A host that was killed leaves it running; the next one ends it before it starts another.
    program.kill();
    let mut program = host(&server).allow("earlier Hotclub").serve();
    let all = until_beats(base, 6);
    assert_eq!(all[4], format!("-{} two", pid(&all[3])));
    until_gone(pid(&all[3]));
    program.forget_descriptors();
    program.stop();
    assert_eq!(until_beats(base, 7)[6], format!("-{} two", pid(&all[5])));
}

#[test]
fn up_runs_processes_and_a_reload_gives_them_the_new_code() {
    let python = need!(python());
    let project = plain(&python);
    project
        .write("hotclub.toml", "[database]\nengine = \"sqlite\"\n")
        .write("config/urls.py", "WORDS = 'one'\n");
    beating(&project, "");
    let base = project.base().join("said");
    let mut program = up(&project).serve();
    until_beats(&base, 1);
    project.write("config/urls.py", "WORDS = 'two'\n");
    reload(&program);
    let all = until_beats(&base, 3);
    assert!(
        all[1].starts_with('-') && all[2].ends_with(" two"),
        "{all:?}"
    );
    program.forget_descriptors();
    program.stop();
    assert_eq!(until_beats(&base, 4).len(), 4);
}

fn reload(program: &Program) {
    let before = program.stdout.all().len();
    program.signal(Signal::HUP);
    program.event(before, "reloaded");
}

fn kill(pid: u32) {
    let pid = Pid::from_raw(pid.cast_signed()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

fn until_gone(pid: u32) {
    until("a process to be gone", || {
        let there = process(pid).is_some_and(|process: Process| !process.is_zombie());
        (!there).then_some(())
    });
}
