//! Type=notify, socket activation, WatchdogSec.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hotclub_testkit::{Launch, Signal, folder};

use crate::serve::{PID_APP, app_of, interpreter, serve};

/// The service manager's ear.
struct Ear {
    socket: UnixDatagram,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Ear {
    fn new() -> Self {
        let folder = folder();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        Self {
            socket,
            path,
            _folder: folder,
        }
    }

    fn next(&self) -> String {
        let mut buffer = [0; 1000];
        let count = self.socket.recv(&mut buffer).expect("a message comes");
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    }

    /// The next message that has this in it.
    #[track_caller]
    fn hears(&self, text: &str) -> String {
        let began = Instant::now();
        loop {
            let message = self.next();
            if message.contains(text) {
                return message;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "no {text}");
        }
    }
}

#[test]
fn systemd_is_told_when_it_serves_reloads_and_stops() {
    let ear = Ear::new();
    let project = app_of(PID_APP);
    let program = serve("app", project.dir(), 1)
        .env("NOTIFY_SOCKET", &ear.path)
        .serve();
    assert_eq!(ear.next(), "STATUS=importing the app\n");
    let ready = ear.next();
    let expected = format!("READY=1\nSTATUS=serving {}\n", program.urls()[0]);
    assert_eq!(ready, expected);

    program.signal(Signal::HUP);
    let reloading = ear.next();
    assert!(
        reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="),
        "{reloading}"
    );
    assert_eq!(ear.next(), expected);
    program.says("reloaded");

    project.write("app.py", "nonsense(");
    program.signal(Signal::HUP);
    ear.hears("RELOADING=1");
    let why = ear.hears("READY=1");
    assert!(why.contains("not reloaded, the old code goes on"), "{why}");

    program.signal(Signal::TERM);
    let stopping = ear.next();
    assert!(stopping.starts_with("STOPPING=1\n"), "{stopping}");
    let ended = program.end_within(Duration::from_secs(20));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn the_app_does_not_see_what_was_meant_for_the_program() {
    let ear = Ear::new();
    let project = app_of(
        "import os\n\ndef application(environ, start_response):\n    start_response('200 OK', [])\n    \
         return [' '.join(sorted(os.environ)).encode()]\n",
    );
    let program = serve("app", project.dir(), 1)
        .env("NOTIFY_SOCKET", &ear.path)
        .env("WATCHDOG_USEC", "60000000")
        .env("LISTEN_FDS", "1")
        .serve();
    let names = program.get("/").expect(200).text().to_owned();
    for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS"] {
        assert!(!names.split(' ').any(|seen| seen == name), "{names}");
    }
    program.stop();
}

#[test]
fn the_watchdog_hears_that_it_lives() {
    let ear = Ear::new();
    let project = app_of(PID_APP);
    let program = serve("app", project.dir(), 1)
        .env("NOTIFY_SOCKET", &ear.path)
        .env("WATCHDOG_USEC", "400000")
        .serve();
    ear.hears("READY=1");
    let began = Instant::now();
    for _ in 0..5 {
        assert_eq!(ear.hears("WATCHDOG"), "WATCHDOG=1\n");
    }
    let elapsed = began.elapsed();
    assert!(
        elapsed < Duration::from_millis(400) * 5,
        "5 pings took {elapsed:?}"
    );
    program.stop();
}

#[test]
fn a_watchdog_of_another_process_hears_nothing() {
    let ear = Ear::new();
    let project = app_of(PID_APP);
    let program = serve("app", project.dir(), 1)
        .env("NOTIFY_SOCKET", &ear.path)
        .env("WATCHDOG_USEC", "20000")
        .env("WATCHDOG_PID", "1")
        .serve();
    ear.hears("READY=1");
    program.get("/").expect(200);
    program.signal(Signal::TERM);
    assert!(ear.next().starts_with("STOPPING=1"));
    program.end_within(Duration::from_secs(20));
}

/// Does what systemd does for a .socket unit: binds, listens, puts the sockets at 3 and executes the program.
const ACTIVATE: &str = r"
import fcntl, os, socket, sys
sockets = []
for address in sys.argv[1].split():
    if address.startswith('/'):
        s = socket.socket(socket.AF_UNIX)
        s.bind(address)
    else:
        s = socket.socket()
        s.bind((address, 0))
        print(s.getsockname()[1], file=sys.stderr, flush=True)
    s.listen(64)
    sockets.append(s)
high = [fcntl.fcntl(s, fcntl.F_DUPFD, 50) for s in sockets]
for number, fd in enumerate(high):
    os.dup2(fd, 3 + number, inheritable=True)
    os.close(fd)
os.environ['LISTEN_PID'] = str(os.getpid())
os.environ['LISTEN_FDS'] = str(len(sockets))
os.execv(sys.argv[2], sys.argv[2:])
";

#[test]
fn the_sockets_of_socket_activation_are_served_and_their_files_stay() {
    let folder = folder();
    let path = folder.path().join("site.sock");
    let project = app_of(PID_APP);
    let program = Launch::new(interpreter())
        .args(["-c", ACTIVATE])
        .arg(format!("{} 127.0.0.1", path.display()))
        .args([
            env!("CARGO_BIN_EXE_hotclub"),
            "serve",
            "app",
            "--bind",
            "127.0.0.1:1",
        ])
        .arg("--chdir")
        .arg(project.dir())
        .arg("--python")
        .arg(interpreter())
        .serve();
    assert_eq!(program.urls().len(), 2, "{:?}", program.urls());
    assert_eq!(program.urls()[0], format!("unix:{}", path.display()));
    for url in program.urls() {
        let mut connection = hotclub_testkit::Raw::connect(url).unwrap();
        connection
            .ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap()
            .expect(200);
    }
    program.stop();
    assert!(path.exists(), "the file is systemd's");
}

#[test]
fn an_announced_socket_that_is_not_there_is_an_error() {
    let project = app_of(PID_APP);
    let script = "export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" \"$@\"";
    let ended = Launch::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_hotclub"), "serve", "app"])
        .arg("--chdir")
        .arg(project.dir())
        .fail();
    ended.says("LISTEN_FDS announces").says("hint:");
}
