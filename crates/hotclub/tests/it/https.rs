//! HTTPS, with the clients that people have: curl and openssl.

mod acme;
mod moods;
mod own;
mod trust;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use hotclub_testkit::{Program, Project};

/// A certificate for `names`, made by itself, with its key: `NAME.pem` and `NAME.key`.
pub(crate) fn certificate(folder: &Path, name: &str, names: &[&str]) -> (PathBuf, PathBuf) {
    let (chain, key) = (
        folder.join(format!("{name}.pem")),
        folder.join(format!("{name}.key")),
    );
    let names = names.iter().map(|name| format!("DNS:{name}"));
    let names: Vec<_> = names.chain(["IP:127.0.0.1".to_owned()]).collect();
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt"]);
    openssl.args(["ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"]);
    openssl.args(["-subj", "/CN=test", "-addext"]);
    openssl.args(["basicConstraints=critical,CA:FALSE", "-addext"]);
    openssl.arg(format!("subjectAltName={}", names.join(",")));
    openssl.arg("-out").arg(&chain).arg("-keyout").arg(&key);
    run(&mut openssl);
    (chain, key)
}

#[track_caller]
pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    output
}

/// `HOST:PORT` of the program's https listener.
#[track_caller]
pub(crate) fn https_address(program: &Program) -> String {
    let url = program
        .urls()
        .iter()
        .find_map(|u| u.strip_prefix("https://"));
    url.expect("it serves https").to_owned()
}

/// What curl gets from `https://NAME/PATH`, trusting `ca`: status, version of HTTP and body. The status is 0 when
/// no connection came about.
pub(crate) fn curl(program: &Program, ca: &Path, name: &str, arguments: &[&str]) -> (u16, String) {
    let address = https_address(program);
    let port = address.rsplit(':').next().unwrap();
    let path = arguments.first().copied().unwrap_or("/");
    let output = Command::new("curl")
        .args(["-s", "-w", "\n%{http_code}", "--max-time", "20"])
        .args(["--noproxy", "*", "--connect-to"])
        .arg(format!("::{address}"))
        .arg("--cacert")
        .arg(ca)
        .args(&arguments[1.min(arguments.len())..])
        .arg(format!("https://{name}:{port}{path}"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

/// One handshake of openssl's; what it says about it.
pub(crate) fn s_client(program: &Program, name: &str, arguments: &[&str]) -> String {
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &https_address(program)])
        .args(["-servername", name])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A folder for certificates and sessions.
pub(crate) fn folder() -> Project {
    Project::empty()
}
