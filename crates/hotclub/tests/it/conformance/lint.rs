//! What we answer, judged by somebody else: httplint over files, an app's answers, and what another server answered.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use hotclub_testkit::{Program, Project, Python, Response, need, python};
use serde_json::{Value, json};

use crate::hotclub;
use crate::serve::{app_of, serve};

/// Answers of an ordinary app: a page, a stream, a file, a redirect, an error.
const APP: &str = r#"
import os

PAGE = b"<!doctype html><title>a page</title><p>" + b"some text " * 400

def application(environ, start_response):
    path = environ["PATH_INFO"].removeprefix("/app")
    html = ("Content-Type", "text/html; charset=utf-8")
    if path == "/stream":
        start_response("200 OK", [html])
        return iter([PAGE, PAGE])
    if path == "/file":
        start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
        return environ["wsgi.file_wrapper"](open(__file__, "rb"))
    if path == "/moved":
        start_response("302 Found", [("Location", "/app/"), ("Content-Length", "0")])
        return []
    if path == "/empty":
        start_response("204 No Content", [])
        return []
    if path == "/raises":
        raise RuntimeError("as asked")
    start_response("200 OK", [html, ("ETag", '"1"'), ("Cache-Control", "max-age=60"),
                              ("Content-Length", str(len(PAGE)))])
    return [PAGE]
"#;

/// A line a request: method, path, further fields (`Name: value`, separated by `|`), the status that is expected.
const FILES: &str = "
    GET /                | | 200
    HEAD /               | | 200
    GET /about           | | 200
    GET /docs            | | 301
    GET /docs/           | | 200
    GET /missing         | | 404
    GET /style.css       | Accept-Encoding: gzip, br | 200
    GET /style.css       | Range: bytes=0-9 | 206
    GET /style.css       | Range: bytes=0-0,5-9 | 206
    GET /style.css       | Range: bytes=999999- | 416
    GET /style.css       | If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT | 304
    GET /style.css       | If-None-Match: * | 304
    GET /style.css       | If-Match: \"x\" | 412
    POST /style.css      | | 405
    OPTIONS /style.css   | | 405
    GET /old             | | 301
    GET /down/           | | 200
    GET /down/text.txt   | | 200
    GET /down/page.html  | | 200
    GET /secret/         | | 401
    GET /closed/         | | 403
    GET /often/          | | 404
    GET /often/          | | 429
";
const APPS: &str = "
    GET /app/            | | 200
    GET /app/            | Accept-Encoding: gzip | 200
    GET /app/            | Accept-Encoding: br | 200
    HEAD /app/           | | 200
    HEAD /app/           | Accept-Encoding: zstd | 200
    GET /app/stream      | | 200
    GET /app/stream      | Accept-Encoding: zstd | 200
    HEAD /app/stream     | | 200
    GET /app/file        | | 200
    GET /app/file        | Range: bytes=0-9 | 206
    GET /app/moved       | | 302
    GET /app/empty       | | 204
    GET /app/raises      | | 500
";
/// Beside those of the app.
const PROXIED: &str = "
    GET /nobody/         | | 502
";

/// Asks each line; what came, as the linter reads it.
fn asked(program: &Program, host: &str, lines: &str) -> Vec<Value> {
    let lines = lines.trim().lines().map(str::trim);
    lines.map(|line| one(program, host, line)).collect()
}

fn one(program: &Program, host: &str, line: &str) -> Value {
    let mut columns = line.split('|').map(str::trim);
    let (method, path) = columns.next().unwrap().split_once(' ').unwrap();
    let status: u16 = line.rsplit('|').next().unwrap().trim().parse().unwrap();
    let fields = columns.next().unwrap();
    let given = fields.split_once(": ").into_iter();
    let fields: Vec<_> = [("Host", host)].into_iter().chain(given).collect();
    let mut request = format!("{method} {path} HTTP/1.1\r\n");
    for (name, value) in &fields {
        request += &format!("{name}: {value}\r\n");
    }
    let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let mut connection = program.connect();
    let answer: Response = connection.ask(request + "\r\n").unwrap();
    assert_eq!(
        answer.status,
        status,
        "{line}: {}",
        String::from_utf8_lossy(&answer.body)
    );
    assert!(answer.complete, "{line}");
    json!({
        "at": at.unwrap().as_secs_f64(), "name": line, "method": method, "url": format!("http://{host}{}", path.trim()), "request": fields,
        "status": status, "reason": answer.reason, "fields": answer.headers,
        "body": answer.body.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
    })
}

/// What the linter finds wrong.
fn linted(python: &Python, cases: &[Value]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/conformance/lint.py");
    let mut lint = Command::new(python.path())
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let text = serde_json::to_vec(cases).unwrap();
    lint.stdin.take().unwrap().write_all(&text).unwrap();
    let output = lint.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn site(upstream: &str) -> Project {
    let site = Project::empty();
    let config = format!(
        "hosts = [\"a.example\"]\ncompress = \"always\"\n\
         [static]\nroot = \"public\"\n\
         [[redirect]]\nfrom = \"/old\"\nto = \"/about\"\n\
         [[files]]\nurl = \"/down/\"\npath = \"down\"\nindex = true\n\
         [[proxy]]\nurl = \"/app/\"\nto = \"http://{upstream}\"\n\
         [[proxy]]\nurl = \"/nobody/\"\nto = \"http://127.0.0.1:1\"\n\
         [[access]]\nurl = \"/secret/\"\nusers = \"users.txt\"\n\
         [[access]]\nurl = \"/closed/\"\nallow = [\"10.0.0.1\"]\n\
         [[rate]]\nurl = \"/often/\"\nlimit = \"1/h\"\n\
         [headers]\npreset = \"secure\"\n"
    );
    let style = "body { color: teal }\n".repeat(100);
    site.write("hotclub.toml", &config)
        .write(
            "users.txt",
            "a:$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC\n",
        )
        .write("public/index.html", "<!doctype html><title>home</title>")
        .write("public/about.html", "<!doctype html><title>about</title>")
        .write(
            "public/docs/index.html",
            "<!doctype html><title>docs</title>",
        )
        .write("public/404.html", "<!doctype html><title>none</title>")
        .write("public/style.css", &style)
        .write("down/text.txt", "text\n")
        .write("down/page.html", "<!doctype html><title>page</title>");
    site
}

#[test]
fn a_linter_finds_no_fault_with_what_is_answered() {
    let python = need!(python());
    let app = app_of(APP);
    let app = serve("app", app.dir(), 1)
        .allow("as asked")
        .allow("Traceback")
        .serve();
    let site = site(app.address());
    let launch = hotclub().arg("up").arg(site.dir());
    let mut program = launch
        .args(["--listen", "127.0.0.1:0", "--json"])
        .of(&site)
        .allow("upstream http://127.0.0.1:1")
        .serve();
    let mut cases = asked(&app, "a.example", APPS);
    for lines in [FILES, APPS, PROXIED] {
        cases.extend(asked(&program, "a.example", lines));
    }
    let wrong = linted(&python, &cases);
    assert_eq!(wrong, "", "of {} answers", cases.len());
    // Connections to the app that are kept for a while.
    program.forget_descriptors();
    program.stop();
    app.stop();
}
