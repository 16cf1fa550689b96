//! Ten thousand idle connections.

use std::net::TcpStream;
use std::time::Instant;

use hotclub_testkit::{Launch, Raw, until};

use super::{memory, open_files};
use crate::serve::{app_of, interpreter};

const CONNECTIONS: u64 = 10_000;
/// Measured: about 1.1 kB in a debug build. Room for another allocator, none for a buffer each.
const MOST_EACH: u64 = 4096;

const FILES_APP: &str = r#"
import resource

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(resource.getrlimit(resource.RLIMIT_NOFILE)[0]).encode()]
"#;

/// The program is started with a soft limit of 256 descriptors, as a careless service manager might.
#[test]
fn ten_thousand_idle_connections_take_little_memory_and_workers_keep_their_limit_of_files() {
    if !open_files(CONNECTIONS + 500) {
        return hotclub_testkit::skip("the hard limit of open files is too low");
    }
    let project = app_of(FILES_APP);
    let program = Launch::new("sh")
        .args(["-c", "ulimit -S -n 256; exec \"$0\" \"$@\""])
        .args([env!("CARGO_BIN_EXE_hotclub"), "serve", "app"])
        .args(["--bind", "127.0.0.1:0", "--chdir"])
        .arg(project.dir())
        .arg("--python")
        .arg(interpreter())
        .serve();
    assert_eq!(program.get("/").expect(200).text(), "256");

    // Once before, so that what is made once is not counted for the connections.
    let address = program.address();
    let connect = || TcpStream::connect(address).unwrap();
    drop((0..200).map(|_| connect()).collect::<Vec<_>>());
    let before = memory(&program);
    let fresh: Vec<_> = (0..CONNECTIONS / 2).map(|_| connect()).collect();
    let used = |_| {
        let mut connection = Raw::connect(address).unwrap();
        let answer = connection.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(answer.unwrap().expect(200).text(), "256");
        connection
    };
    let kept: Vec<_> = (0..CONNECTIONS / 2).map(used).collect();
    let descriptors = || {
        std::fs::read_dir(format!("/proc/{}/fd", program.pid()))
            .unwrap()
            .count() as u64
    };
    until("all connections to be there", || {
        (descriptors() > CONNECTIONS).then_some(())
    });
    let each = memory(&program).saturating_sub(before) / CONNECTIONS;
    let began = Instant::now();
    program.get("/").expect(200);
    eprintln!(
        "{each} bytes of memory an idle connection; one request among {CONNECTIONS}: {:?}",
        began.elapsed()
    );
    assert!(each < MOST_EACH, "{each} bytes an idle connection");
    drop((fresh, kept));
    until("all connections to be gone", || {
        (descriptors() < 200).then_some(())
    });
    until("their memory to be given back", || {
        (memory(&program) < before + (3 << 20)).then_some(())
    });
    program.stop();
}
