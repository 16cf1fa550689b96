//! What is a request and what is none, by the RFCs: the tables in `tests/conformance/`, over real connections to
//! an app that tells what reached it.

mod http1;
mod http2;
mod lint;

use hotclub_testkit::Program;

/// Answers with what it sees, and says on stderr that it was asked.
const APP: &str = r#"
import sys

def application(environ, start_response):
    body = environ["wsgi.input"].read()
    print("REACHED", environ["RAW_URI"], file=sys.stderr, flush=True)
    seen = [
        f"{name}={value}".encode("latin-1")
        for name, value in environ.items()
        if isinstance(value, str)
    ]
    text = b"\n".join(seen) + b"\nbody=" + body + b"\n"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [text]
"#;

/// What an app must have been asked when all is over.
#[derive(Default)]
struct Expected {
    requests: usize,
    markers: usize,
}

impl Expected {
    fn add(&mut self, reaches: bool, marker: bool) {
        self.requests += usize::from(reaches) + usize::from(marker);
        self.markers += usize::from(marker);
    }

    /// One request more, so that what was said of all before it has been read.
    fn check(&self, program: &Program) {
        program.get("/last").expect(200);
        program.says("REACHED /last");
        let stderr = program.stderr.text();
        let reached = || stderr.lines().filter(|line| line.starts_with("REACHED"));
        let markers = reached().filter(|line| line.ends_with(" /marker")).count();
        assert_eq!(
            (reached().count(), markers),
            (self.requests + 1, self.markers)
        );
    }
}
