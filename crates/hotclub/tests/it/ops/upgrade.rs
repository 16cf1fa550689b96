//! SIGUSR2: the program is replaced while it serves.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hotclub_testkit::{Ended, Gate, Launch, Project, Raw, Signal, process, until};

use crate::serve::{PID_APP, app_of, interpreter};

/// `hotclub serve` by a name of its own, which can be made to lead elsewhere, with a pid file.
pub(crate) struct Installed {
    project: Project,
    program: PathBuf,
    pub(crate) pid_file: PathBuf,
}

impl Installed {
    pub(crate) fn new(source: &str) -> Self {
        let project = app_of(source);
        let program = project.dir().join("hotclub");
        symlink(env!("CARGO_BIN_EXE_hotclub"), &program).unwrap();
        let pid_file = project.dir().join("pid");
        Self {
            project,
            program,
            pid_file,
        }
    }

    pub(crate) fn launch(&self, bind: &str) -> Launch {
        Launch::new(&self.program)
            .args(["serve", "app", "--workers", "2", "--bind", bind])
            .arg("--chdir")
            .arg(self.project.dir())
            .arg("--python")
            .arg(interpreter())
            .arg("--pid")
            .arg(&self.pid_file)
    }

    pub(crate) fn pid(&self) -> u32 {
        std::fs::read_to_string(&self.pid_file)
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    }

    /// Another file in the program's place.
    fn install(&self, script: &str) {
        let fresh = self.project.dir().join("fresh");
        std::fs::write(&fresh, script).unwrap();
        std::fs::set_permissions(&fresh, PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::rename(fresh, &self.program).unwrap();
    }
}

pub(crate) fn send(pid: u32, signal: Signal) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

pub(crate) fn is_alive(pid: u32) -> bool {
    process(pid).is_some_and(|process| process.is_alive())
}

/// Replaces the program and waits until the old one is gone.
fn upgrade(installed: &Installed) -> u32 {
    let old = installed.pid();
    send(old, Signal::USR2);
    let new = until("another process in the pid file", || {
        Some(installed.pid()).filter(|pid| *pid != old)
    });
    until("the old program to leave", || {
        (!is_alive(old)).then_some(())
    });
    new
}

#[test]
fn unix_sockets_metrics_and_the_number_of_workers_outlive_an_upgrade() {
    let installed = Installed::new(PID_APP);
    let path = installed.project.dir().join("site.sock");
    let bind = format!("unix:{}", path.display());
    let metrics = installed.project.dir().join("metrics.sock");
    let told_at = format!("unix:{}", metrics.display());
    let program = installed
        .launch(&bind)
        .args(["--metrics", &told_at])
        .serve();
    program.signal(Signal::TTIN);
    until("three workers", || {
        (program.workers().len() == 3).then_some(())
    });
    let new = upgrade(&installed);
    let family = hotclub_testkit::descendants(new);
    let workers = family.iter().filter(|p| p.name.contains("worker")).count();
    assert_eq!(workers, 3, "{family:?}");
    Raw::connect(&bind)
        .unwrap()
        .ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap()
        .expect(200);
    let told = Raw::connect(&told_at)
        .unwrap()
        .ask("GET /metrics HTTP/1.1\r\n\r\n")
        .unwrap()
        .expect(200);
    let idle = "hotclub_workers{site=\"app\",state=\"idle\"} 3";
    assert!(told.text().contains(idle), "{}", told.text());
    send(new, Signal::TERM);
    until("the new program to leave", || {
        (!is_alive(new)).then_some(())
    });
    assert!(!path.exists() && !metrics.exists());
    program.end_within(Duration::from_secs(5));
}

/// `hotclub upgrade` with these arguments.
pub(crate) fn hotclub_upgrade(arguments: &[&str]) -> Ended {
    let moment = Duration::from_secs(60);
    let command = crate::hotclub().arg("upgrade").args(arguments);
    command.end_within(moment)
}

#[test]
fn the_command_upgrade_returns_when_the_new_program_serves() {
    let installed = Installed::new(PID_APP);
    let program = installed.launch("127.0.0.1:0").serve();
    let file = installed.pid_file.to_str().unwrap().to_owned();
    let first = program.pid();
    let ended = hotclub_upgrade(&["--pid-file", &file, "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let second = installed.pid();
    let event = &ended.events()[0];
    assert_eq!(event["event"], "upgraded");
    assert_eq!(
        (&event["old"], &event["pid"]),
        (&first.into(), &second.into())
    );
    // The file names the new one already, so that the next can follow at once.
    let ended = hotclub_upgrade(&["--pid", &second.to_string()]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let third = installed.pid();
    ended.says(&format!("process {third} serves in the place of {second}"));
    send(third, Signal::TERM);
    until("the last programs to leave", || {
        (!is_alive(second) && !is_alive(third)).then_some(())
    });
    program.end_within(Duration::from_secs(5));
}

#[test]
fn the_command_upgrade_says_why_the_old_program_goes_on() {
    let installed = Installed::new(PID_APP);
    let program = installed
        .launch("127.0.0.1:0")
        .allow("not upgraded")
        .serve();
    let pid = program.pid().to_string();
    installed
        .project
        .write("app.py", "import nothing_like_that\n");
    for _ in 0..2 {
        let ended = hotclub_upgrade(&["--pid", &pid]);
        assert_eq!(ended.code, Some(1));
        ended
            .says(&format!(
                "not upgraded, process {pid} goes on: the app app cannot"
            ))
            .says("ModuleNotFoundError: No module named 'nothing_like_that'")
            .says("hint: ");
    }
    installed.install("no program at all\n");
    hotclub_upgrade(&["--pid", &pid]).says("cannot be started");
    installed.install("#!/bin/sh\nexit 7\n");
    hotclub_upgrade(&["--pid", &pid]).says("ended before it served (exit status: 7)");
    program.get("/").expect(200);
    program.stop();
}

#[test]
fn the_command_upgrade_signals_nobody_who_is_no_server() {
    let folder = Project::empty();
    let file = folder.dir().join("pid");
    let file = file.to_str().unwrap();
    for (arguments, words) in [
        (["--pid", "1"], "process 1 is no running `hotclub serve`"),
        (["--pid", "4194304"], "there is no process 4194304"),
        (["--pid-file", file], "cannot be read"),
    ] {
        let ended = hotclub_upgrade(&arguments);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        ended.says(words).says("hint: ");
    }
    assert_eq!(hotclub_upgrade(&[]).code, Some(2));
}

/// Stopped while the new program imports the app.
#[test]
fn the_command_upgrade_notices_that_the_server_was_stopped() {
    let installed = Installed::new(PID_APP);
    let mut program = installed.launch("127.0.0.1:0").serve();
    // It has the new one to talk to.
    program.forget_descriptors();
    let gate = Gate::new();
    let source = format!("open({:?}).read()\n{PID_APP}", gate.path());
    installed.project.write("app.py", &source);
    let asking = crate::hotclub()
        .args(["upgrade", "--pid", &program.pid().to_string()])
        .start();
    let waiting = gate.wait();
    program.stop();
    drop(waiting);
    let ended = asking.end_within(Duration::from_secs(20));
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    ended.says("was told to stop meanwhile");
}

fn fails_and_goes_on(installed: &Installed, words: &str) {
    let program = installed
        .launch("127.0.0.1:0")
        .allow("not upgraded")
        .serve();
    break_it(installed);
    for _ in 0..2 {
        let line = program.stderr.count();
        program.signal(Signal::USR2);
        program.says_from(line, "not upgraded, the old program goes on");
        program.says_from(line, words);
        program.get("/").expect(200);
    }
    assert_eq!(installed.pid(), program.pid());
    program.stop();
}

fn break_it(installed: &Installed) {
    if installed.program.is_symlink() {
        installed
            .project
            .write("app.py", "import nothing_like_that\n");
    }
}

#[test]
fn a_new_program_that_cannot_start_leaves_the_old_one_serving() {
    let installed = Installed::new(PID_APP);
    fails_and_goes_on(&installed, "nothing_like_that");
}

#[test]
fn a_file_that_was_replaced_by_something_broken_leaves_the_old_one_serving() {
    let installed = Installed::new(PID_APP);
    let program = installed.launch("127.0.0.1:0").serve();
    installed.install("#!/bin/sh\nexit 7\n");
    program.signal(Signal::USR2);
    program.says("the new program ended before it served (exit status: 7)");
    program.get("/").expect(200);
    installed.install("no program at all\n");
    program.signal(Signal::USR2);
    program.says("cannot be started");
    program.get("/").expect(200);
    std::fs::remove_file(&installed.program).unwrap();
    symlink(env!("CARGO_BIN_EXE_hotclub"), &installed.program).unwrap();
    let new = upgrade(&installed);
    Raw::connect(program.address())
        .unwrap()
        .ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap()
        .expect(200);
    send(new, Signal::TERM);
    until("the new program to leave", || {
        (!is_alive(new)).then_some(())
    });
    program.end_within(Duration::from_secs(5));
}

#[test]
fn systemd_learns_who_is_the_service_before_the_new_one_speaks() {
    let installed = Installed::new(PID_APP);
    let path = installed.project.dir().join("notify");
    let ear = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    ear.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let next = || {
        let mut buffer = [0; 1000];
        let count = ear.recv(&mut buffer).expect("a message comes");
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    };
    let program = installed
        .launch("127.0.0.1:0")
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "60000000")
        .serve();
    while !next().starts_with("WATCHDOG=1") {}
    let new = upgrade(&installed);
    let mut all = Vec::new();
    while all
        .last()
        .is_none_or(|message: &String| !message.starts_with("WATCHDOG=1"))
    {
        all.push(next());
    }
    let main_pid = all.iter().position(|m| *m == format!("MAINPID={new}\n"));
    let ready = all.iter().position(|m| m.starts_with("READY=1\n"));
    assert!(main_pid.is_some() && main_pid < ready, "{all:?}");
    send(new, Signal::TERM);
    until("the new program to leave", || {
        (!is_alive(new)).then_some(())
    });
    program.end_within(Duration::from_secs(5));
}

/// The path of the program survives being started without one.
#[test]
fn a_program_that_was_found_on_the_path_is_found_again() {
    let installed = Installed::new(PID_APP);
    let folder: &Path = installed.project.dir();
    let program = Launch::new("hotclub")
        .on_path(folder)
        .args(["serve", "app", "--bind", "127.0.0.1:0"])
        .within(folder)
        .arg("--python")
        .arg(interpreter())
        .arg("--pid")
        .arg(&installed.pid_file)
        .serve();
    let new = upgrade(&installed);
    send(new, Signal::TERM);
    until("the new program to leave", || {
        (!is_alive(new)).then_some(())
    });
    program.end_within(Duration::from_secs(5));
}
