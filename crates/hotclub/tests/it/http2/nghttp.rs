//! Clients that other people wrote: h2load, nghttp and curl.

use std::process::{Command, Output};

use hotclub_testkit::need;

use super::{TELLS, h2c};
use crate::https::{certificate, https_address};

const SMALL: &str = r#"
def application(environ, start_response):
    length = int(environ["QUERY_STRING"] or 5)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"x" * length]
"#;

/// The output of a program that must be there, and that must be content.
fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output: Output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (said(&output.stdout), said(&output.stderr));
    assert!(output.status.success(), "{program}: {stdout}\n{stderr}");
    Ok(stdout)
}

#[test]
fn h2load_loses_nothing() {
    let (_project, launch) = h2c(SMALL, 2);
    let program = launch.serve();
    let url = |query: &str| format!("http://{}/?{query}", program.address());
    for (arguments, query) in [
        (["-n2000", "-c10", "-m20"], "5"),
        (["-n200", "-c4", "-m10"], "300000"),
        (["-n500", "-c1", "-m100"], "20000"),
    ] {
        let url = url(query);
        let mut arguments = arguments.to_vec();
        // Windows as small as they usually are, too.
        arguments.extend(["-w16", &url]);
        let told = need!(run("h2load", &arguments));
        let all = arguments[0].trim_start_matches("-n");
        let good = format!("{all} succeeded, 0 failed, 0 errored, 0 timeout");
        assert!(told.contains(&good), "{told}");
        assert!(told.contains(&format!("{all} 2xx")), "{told}");
    }
    program.stop();
}

#[test]
fn h2load_over_tls_loses_nothing() {
    let (project, launch) = h2c(SMALL, 2);
    let (chain, key) = certificate(project.dir(), "a", &["a.test"]);
    let launch = launch.arg("--certfile").arg(chain);
    let program = launch.arg("--keyfile").arg(key).serve();
    let url = format!("https://{}/?50000", https_address(&program));
    let told = need!(run("h2load", &["-n500", "-c10", "-m20", &url]));
    assert!(told.contains("Application protocol: h2\n"), "{told}");
    let good = "500 succeeded, 0 failed, 0 errored, 0 timeout";
    assert!(told.contains(good), "{told}");
    program.stop();
}

#[test]
fn curl_and_nghttp_are_understood() {
    let (project, launch) = h2c(TELLS, 1);
    let program = launch.serve();
    let url = format!("http://{}/path?a=b", program.address());
    let body = project.dir().join("body");
    std::fs::write(&body, vec![b'x'; 3_000_000]).unwrap();
    let data = format!("@{}", body.display());
    let told = need!(run(
        "curl",
        &[
            "-sS",
            "--http2-prior-knowledge",
            "-d",
            &data,
            "-w",
            "%{http_version}",
            &url
        ],
    ));
    assert!(told.contains("SERVER_PROTOCOL: HTTP/2.0\n"));
    assert!(told.contains("CONTENT_LENGTH: 3000000\n"));
    assert!(told.ends_with("x2"));
    let told = need!(run("nghttp", &["-H", "x-a: b", &url]));
    assert!(told.contains("HTTP_X_A: b\n"), "{told}");
    assert!(told.contains("QUERY_STRING: a=b\n"), "{told}");
    program.stop();
}
