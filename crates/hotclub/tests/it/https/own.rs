//! Certificates of one's own.

use std::fs;

use hotclub_testkit::{Launch, until};

use super::{certificate, curl, folder, s_client};
use crate::serve::app;
use crate::up::{refused, says};

fn secured(launch: Launch, files: &(std::path::PathBuf, std::path::PathBuf)) -> Launch {
    launch
        .arg("--certfile")
        .arg(&files.0)
        .arg("--keyfile")
        .arg(&files.1)
}

#[test]
fn an_app_is_told_that_it_is_asked_over_https() {
    let folder = folder();
    let files = certificate(folder.dir(), "a", &["a.test"]);
    let program = secured(app("environ_dump"), &files).serve();
    for version in ["--http1.1", "--http2", "--tlsv1.3", "--tls-max 1.2"] {
        let mut arguments = vec!["/x?y=1"];
        arguments.extend(version.split(' '));
        let (status, body) = curl(&program, &files.0, "a.test", &arguments);
        assert_eq!(status, 200, "{version}");
        let environ: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(environ["wsgi.url_scheme"], "https");
        assert_eq!(environ["HTTP_X_FORWARDED_PROTO"], "https");
        assert_eq!(environ["SERVER_NAME"], "a.test");
        let protocol = if version == "--http1.1" { "1.1" } else { "2" };
        let spoken = environ["SERVER_PROTOCOL"].as_str().unwrap();
        assert!(spoken.starts_with(&format!("HTTP/{protocol}")), "{spoken}");
    }
    // TLS 1.1 is over.
    let old = ["/", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0"];
    assert_eq!(curl(&program, &files.0, "a.test", &old).0, 0);
    program.stop();
}

#[test]
fn a_large_upload_arrives_and_comes_back_whole() {
    let folder = folder();
    let files = certificate(folder.dir(), "a", &["a.test"]);
    let program = secured(app("input_ways"), &files).serve();
    let body: String = (0..300_000).map(|n| format!("{n} ")).collect();
    let upload = folder.path("upload");
    fs::write(&upload, &body).unwrap();
    let data = format!("@{}", upload.display());
    for version in ["--http1.1", "--http2"] {
        let arguments = ["/read", version, "--data-binary", &data];
        let (status, answer) = curl(&program, &files.0, "a.test", &arguments);
        assert_eq!(status, 200, "{version} {answer:.200}");
        assert_eq!(answer, format!("b'{body}'"), "{version}");
    }
    program.stop();
}

#[test]
fn a_session_is_resumed_for_its_own_name_and_for_no_other() {
    let folder = folder();
    let files = certificate(folder.dir(), "a", &["a.test", "b.test"]);
    let program = secured(app("hello"), &files).serve();
    for version in ["-tls1_3", "-tls1_2"] {
        let kept = folder.path("session");
        let kept = kept.to_str().unwrap();
        // TLS 1.3 sends tickets behind the handshake: a request makes openssl stay until they are here.
        let mut first = std::process::Command::new("openssl");
        first
            .args(["s_client", "-connect", &super::https_address(&program)])
            .args(["-servername", "a.test", version, "-sess_out", kept])
            .args(["-ign_eof"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null());
        let mut child = first.spawn().unwrap();
        let request = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), request).unwrap();
        assert!(child.wait_with_output().unwrap().status.success());

        let same = s_client(&program, "a.test", &[version, "-sess_in", kept]);
        assert!(same.contains("\nReused, "), "{same}");
        let other = s_client(&program, "b.test", &[version, "-sess_in", kept]);
        assert!(other.contains("\nNew, "), "{other}");
        assert!(!other.contains("\nReused, "), "{other}");
    }
    program.stop();
}

#[test]
fn new_files_are_taken_and_unusable_ones_change_nothing() {
    let folder = folder();
    let files = certificate(folder.dir(), "a", &["a.test"]);
    let other = certificate(folder.dir(), "b", &["a.test"]);
    let program = secured(app("hello"), &files).serve();
    let fingerprint = |program| {
        let text = s_client(program, "a.test", &["-showcerts"]);
        let start = text.find("-----BEGIN").unwrap();
        text[start..start + 400].to_owned()
    };
    let first = fingerprint(&program);
    // Half of a renewal.
    fs::copy(&other.0, &files.0).unwrap();
    assert_eq!(fingerprint(&program), first);
    fs::copy(&other.1, &files.1).unwrap();
    program.says("the certificate is reloaded");
    until("the new certificate", || {
        (fingerprint(&program) != first).then_some(())
    });
    program.stop();
}

#[test]
fn files_that_cannot_be_used_are_shown_with_their_line() {
    let project = folder();
    certificate(project.dir(), "a", &["a.test"]);
    certificate(project.dir(), "b", &["a.test"]);
    project.write("empty.pem", "nothing\n");
    project.write("manage.py", "");
    for (certificate, key, texts) in [
        (
            "missing.pem",
            "a.key",
            [
                "missing.pem cannot be read: No such file",
                "hotclub.toml:3:15",
            ],
        ),
        (
            "a.pem",
            "b.key",
            ["belongs to another certificate", "hotclub.toml:4:7"],
        ),
        (
            "empty.pem",
            "a.key",
            ["there is no certificate in it", "hotclub.toml:3:15"],
        ),
        ("a.pem", "a.pem", ["no private key", "hotclub.toml:4:7"]),
    ] {
        let text = format!(
            "hosts = [\"a.test\"]\n[https]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n\
             [server]\nlisten = [\"https://127.0.0.1:0\"]\n"
        );
        project.write("hotclub.toml", &text);
        says(&refused(&project), &texts);
    }
}
