use std::fs;

use super::*;
use crate::files::{MountKind, MountOptions};
use crate::message::Body;
use crate::mount::Mount;

struct Named {
    folder: tempfile::TempDir,
    site: Site,
}

/// `/media/` for everybody, `/private/` for the app only, and a secret beside both.
fn named_files() -> Named {
    let folder = tempfile::tempdir().unwrap();
    let mount = |name: &str, kind| {
        let path = folder.path().join(name);
        fs::create_dir(&path).unwrap();
        fs::write(path.join("a b.txt"), "0123456789").unwrap();
        FileMount::open(&path, MountOptions::new(kind)).unwrap()
    };
    let mounts = vec![
        Mount::new("/media/", mount("media", MountKind::Media)),
        Mount::internal("/private/", mount("private", MountKind::Internal)),
    ];
    fs::write(folder.path().join("secret.txt"), "secret").unwrap();
    std::os::unix::fs::symlink("../secret.txt", folder.path().join("private/link.txt")).unwrap();
    let site = Site::new("site", vec![], mounts, None);
    Named { folder, site }
}

fn request(method: &str, lines: &[(&str, &str)]) -> Request {
    let mut request = Request {
        method: method.into(),
        ..Request::default()
    };
    for (name, value) in lines {
        request.fields.push(name.as_bytes(), value.as_bytes());
    }
    request
}

fn answer(lines: &[(&str, &str)]) -> Response {
    let mut answer = Response::new(200, Body::Bytes("the app's own".into()));
    for (name, value) in lines {
        answer.fields.push(name.as_bytes(), value.as_bytes());
    }
    answer
}

fn text(response: &Response, name: &str) -> Option<String> {
    let value = response.fields.get(name)?;
    Some(String::from_utf8_lossy(value).into_owned())
}

fn len(response: &Response) -> u64 {
    match &response.body {
        Body::File { len, .. } => *len,
        Body::Bytes(bytes) => bytes.len() as u64,
        _ => 0,
    }
}

#[test]
fn a_url_or_a_path_of_an_internal_mount_is_sent() {
    let Named { folder, site } = named_files();
    let path = folder.path().join("private/a b.txt");
    for (field, value) in [
        ("X-Accel-Redirect", "/private/a%20b.txt"),
        ("x-accel-redirect", "/private/a b.txt?download=1"),
        ("X-Sendfile", path.to_str().unwrap()),
    ] {
        for method in ["GET", "POST"] {
            let request = request(method, &[]);
            let response = resolve(&request, &site, answer(&[(field, value)])).unwrap();
            assert_eq!((response.status, len(&response)), (200, 10), "{value}");
            assert!(text(&response, field).is_none());
            assert_eq!(
                text(&response, "Cache-Control").as_deref(),
                Some("private, no-cache")
            );
        }
    }
}

#[test]
fn what_the_app_said_is_kept_and_what_was_said_of_its_body_is_not() {
    let Named { site, .. } = &named_files();
    let answer = answer(&[
        ("Content-Type", "application/x-photo"),
        ("Content-Length", "13"),
        ("ETag", "\"app\""),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
        ("Cache-Control", "no-store"),
        ("Content-Disposition", "inline"),
        ("X-Accel-Redirect", "/private/a%20b.txt"),
    ]);
    let asked = request("GET", &[("Range", "bytes=2-4")]);
    let response = resolve(&asked, site, answer).unwrap();
    assert_eq!((response.status, len(&response)), (206, 3));
    for (name, value) in [
        ("Content-Type", "application/x-photo"),
        ("Cache-Control", "no-store"),
        ("Content-Disposition", "inline"),
        ("Content-Range", "bytes 2-4/10"),
    ] {
        assert_eq!(text(&response, name).as_deref(), Some(value), "{name}");
        assert_eq!(response.fields.all(name).count(), 1, "{name}");
    }
    assert_eq!(response.fields.all("Set-Cookie").count(), 2);
    assert!(response.fields.get("Content-Length").is_none());
    assert_ne!(text(&response, "ETag").as_deref(), Some("\"app\""));
}

#[test]
fn conditions_are_those_of_the_file() {
    let Named { site, .. } = &named_files();
    let ask = |lines: &[(&str, &str)]| {
        let answer = answer(&[
            ("Content-Type", "text/html"),
            ("Set-Cookie", "a=1"),
            ("X-Accel-Redirect", "/private/a%20b.txt"),
        ]);
        resolve(&request("GET", lines), site, answer).unwrap()
    };
    let etag = text(&ask(&[]), "ETag").unwrap();
    let unchanged = ask(&[("If-None-Match", &etag)]);
    assert_eq!(unchanged.status, 304);
    assert!(unchanged.fields.get("Set-Cookie").is_some());
    assert!(unchanged.fields.get("Content-Type").is_none());
    let beyond = ask(&[("Range", "bytes=10-")]);
    assert_eq!(beyond.status, 416);
    assert!(beyond.fields.get("Content-Type").is_none());
}

#[test]
fn nothing_outside_an_internal_mount_is_sent() {
    let Named { folder, site } = named_files();
    let inside = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let rows = [
        ("X-Accel-Redirect", "/media/a%20b.txt".to_owned()),
        ("X-Accel-Redirect", "/private/../secret.txt".to_owned()),
        ("X-Accel-Redirect", "/private/%2e%2e/secret.txt".to_owned()),
        ("X-Accel-Redirect", "/private%2fa%20b.txt".to_owned()),
        ("X-Accel-Redirect", "//private/a%20b.txt".to_owned()),
        ("X-Accel-Redirect", "/privat".to_owned()),
        ("X-Accel-Redirect", "@private".to_owned()),
        ("X-Accel-Redirect", "http://private/".to_owned()),
        ("X-Accel-Redirect", String::new()),
        ("X-Sendfile", inside("media/a b.txt")),
        ("X-Sendfile", inside("private/../secret.txt")),
        ("X-Sendfile", inside("private2")),
        ("X-Sendfile", "private/a b.txt".to_owned()),
        ("X-Sendfile", "/etc/passwd".to_owned()),
    ];
    for (field, value) in rows {
        let outcome = resolve(&request("GET", &[]), &site, answer(&[(field, &value)]));
        let error = outcome.unwrap_err();
        assert!(
            matches!(error, NamedFileError::Outside { .. }),
            "{value}: {error}"
        );
    }
    for value in [
        "/private/",
        "/private/none",
        "/private/.env",
        "/private/link.txt",
    ] {
        let answer = answer(&[("X-Accel-Redirect", value)]);
        let error = resolve(&request("GET", &[]), &site, answer).unwrap_err();
        assert!(
            matches!(error, NamedFileError::Missing { .. }),
            "{value}: {error}"
        );
    }
}

#[test]
fn an_answer_that_is_no_200_keeps_its_own_body() {
    let Named { site, .. } = &named_files();
    let mut answer = answer(&[("X-Accel-Redirect", "/private/a%20b.txt")]);
    answer.status = 403;
    let response = resolve(&request("GET", &[]), site, answer).unwrap();
    assert_eq!((response.status, len(&response)), (403, 13));
    assert!(response.fields.is_empty());
}
