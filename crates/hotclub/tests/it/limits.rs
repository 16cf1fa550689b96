//! What peers and apps cannot do to the server: slow clients, floods, full disks, files that are not
//! theirs, descriptors that are not theirs.

mod addresses;
mod bodies;
mod idle;
mod named_files;
mod overload;
mod privileges;
mod slow;

use std::fs;

use hotclub_testkit::{Launch, Program, Project};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::serve::{app_of, serve};

/// One worker; answers at once, but for `/large` (20 MB) and what is posted (its length).
const APP: &str = r#"
import hashlib
LARGE = b"0123456789abcdef" * 1_250_000

def application(environ, start_response):
    if environ["PATH_INFO"] == "/large":
        start_response("200 OK", [("Content-Length", str(len(LARGE)))])
        return [LARGE]
    body = environ["wsgi.input"].read()
    answer = f"{len(body)} {hashlib.sha256(body).hexdigest()}".encode()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [answer]
"#;

/// The app above with one worker and these limits.
fn limited(limits: &[&str]) -> (Project, Launch) {
    let project = app_of(APP);
    let mut launch = serve("app", project.dir(), 1);
    for limit in limits {
        launch = launch.args(["--limit", limit]);
    }
    (project, launch)
}

/// Lets this test program open so many files, if it may.
pub(crate) fn open_files(enough: u64) -> bool {
    let ours = getrlimit(Resource::Nofile);
    if ours.maximum.is_some_and(|most| most < enough) {
        return false;
    }
    let raised = Rlimit {
        current: ours.maximum.map(|most| most.min(65_536)).or(Some(65_536)),
        ..ours
    };
    setrlimit(Resource::Nofile, raised).is_ok()
}

/// Bytes of memory that the program itself has.
pub(crate) fn memory(program: &Program) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/statm", program.pid())).unwrap();
    let pages: u64 = status.split(' ').nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size() as u64
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
