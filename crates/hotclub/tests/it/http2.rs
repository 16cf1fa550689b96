//! HTTP/2 without TLS, with clients that begin with it: `serve --h2c`, `[server] h2c`.

mod abuse;
mod nghttp;
mod requests;

use hotclub_testkit::{Frames, Launch, Program, Project};

use crate::serve::{app_of, serve};

/// Tells what reached it, as `name: value` lines, and the body.
const TELLS: &str = r#"
import sys

def application(environ, start_response):
    body = environ["wsgi.input"].read()
    print("REACHED", environ["REQUEST_METHOD"], environ["RAW_URI"], file=sys.stderr, flush=True)
    lines = [
        f"{name}: {value}"
        for name, value in sorted(environ.items())
        if name.isupper() and isinstance(value, str)
    ]
    text = "\n".join(lines).encode("latin-1") + b"\n\n" + body
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Length", str(len(body)))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [text]
"#;

/// `serve --h2c` of this app.
fn h2c(source: &str, workers: u32) -> (Project, Launch) {
    let project = app_of(source);
    let launch = serve("app", project.dir(), workers).arg("--h2c");
    (project, launch)
}

fn connect(program: &Program) -> Frames {
    let address = program.address().trim_start_matches("http://");
    Frames::connect(address, &[]).unwrap()
}

fn asking_post() -> [(&'static str, &'static str); 4] {
    hotclub_testkit::asking("POST", "a", "/")
}
