//! `/static/` and `/media/`, served by the front.

use std::fs;

use hotclub_testkit::{Program, Project, Python, need, python, until};

use super::{plain, up};

fn project(python: &Python) -> Project {
    let project = plain(python);
    let long = "body { color: rebeccapurple; }\n".repeat(200);
    project
        .write("assets/css/site.css", &long)
        .write("assets/data.bin", &"0123456789".repeat(1000))
        .write("media/picture.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>")
        .write("media/page.html", "<script>alert(1)</script>")
        .write("media/.hidden", "secret")
        .append(
            "mysite/settings.py",
            "\nSTATICFILES_DIRS = [BASE_DIR / 'assets']\nMEDIA_URL = '/media/'\nMEDIA_ROOT = BASE_DIR / 'media'\n\
             STORAGES = {\n    'default': {'BACKEND': 'django.core.files.storage.FileSystemStorage'},\n    \
             'staticfiles': {'BACKEND': 'django.contrib.staticfiles.storage.ManifestStaticFilesStorage'},\n}\n",
        );
    std::os::unix::fs::symlink("/etc/passwd", project.path("media/link")).unwrap();
    project
}

#[test]
fn static_files_have_validators_ranges_and_compressed_siblings() {
    let python = need!(python());
    let project = project(&python);
    let program = up(&project).serve();
    let plain = program.get("/static/css/site.css").expect(200);
    assert!(
        plain
            .header("content-type")
            .unwrap()
            .starts_with("text/css")
    );
    let etag = plain.header("etag").unwrap().to_owned();
    assert!(etag.starts_with('"'), "a strong validator: {etag}");
    let modified = plain.header("last-modified").unwrap().to_owned();
    assert_eq!(
        plain.body,
        fs::read(project.path("assets/css/site.css")).unwrap()
    );

    not_modified(&program, ("If-None-Match", &etag));
    not_modified(&program, ("If-Modified-Since", &modified));
    let head = program
        .request("HEAD", "/static/css/site.css", &[], b"")
        .expect(200);
    assert_eq!(head.length(), Some(plain.body.len()));
    program
        .request("POST", "/static/css/site.css", &[], b"a")
        .expect(405);

    for (accepted, coding) in [
        ("br", "br"),
        ("gzip", "gzip"),
        ("gzip, br", "br"),
        ("identity", ""),
    ] {
        let answer = program
            .get_with("/static/css/site.css", &[("Accept-Encoding", accepted)])
            .expect(200);
        assert_eq!(
            answer.header("content-encoding").unwrap_or(""),
            coding,
            "{accepted}"
        );
        assert!(
            answer
                .header("vary")
                .unwrap_or("")
                .to_lowercase()
                .contains("accept-encoding"),
            "{:?}",
            answer.headers
        );
        if !coding.is_empty() {
            assert!(answer.body.len() < plain.body.len() / 4);
            assert_ne!(
                answer.header("etag"),
                Some(&*etag),
                "another representation, another validator"
            );
        }
    }

    let part = program
        .get_with("/static/data.bin", &[("Range", "bytes=5-14")])
        .expect(206);
    assert_eq!(
        (part.text(), part.header("content-range")),
        ("5678901234", Some("bytes 5-14/10000"))
    );
    assert_eq!(
        program
            .get_with("/static/data.bin", &[("Range", "bytes=-3")])
            .expect(206)
            .text(),
        "789"
    );
    program
        .get_with("/static/data.bin", &[("Range", "bytes=10000-")])
        .expect(416);
    let stale = [("Range", "bytes=0-1"), ("If-Range", "\"other\"")];
    assert_eq!(
        program
            .get_with("/static/data.bin", &stale)
            .expect(200)
            .body
            .len(),
        10_000
    );
    program.stop();
}

#[track_caller]
fn not_modified(program: &Program, condition: (&str, &str)) {
    let answer = program
        .get_with("/static/css/site.css", &[condition])
        .expect(304);
    assert!(answer.body.is_empty());
}

#[test]
fn names_that_django_hashed_are_immutable_and_others_are_not() {
    let python = need!(python());
    let project = project(&python);
    let program = up(&project).serve();
    let page = program.get("/static/staticfiles.json");
    let manifest = if page.status == 200 {
        page.json()
    } else {
        serde_json::from_str(
            &fs::read_to_string(project.path(".hotclub/static/staticfiles.json")).unwrap(),
        )
        .unwrap()
    };
    let hashed = manifest["paths"]["css/site.css"].as_str().unwrap();
    let answer = program.get(&format!("/static/{hashed}")).expect(200);
    let caching = answer.header("cache-control").unwrap();
    assert!(
        caching.contains("immutable") && caching.contains("max-age=31536000"),
        "{caching}"
    );
    let answer = program.get("/static/css/site.css").expect(200);
    assert!(
        !answer
            .header("cache-control")
            .unwrap_or("")
            .contains("immutable")
    );
    program.stop();
}

#[test]
fn media_cannot_run_in_a_visitors_browser() {
    let python = need!(python());
    let project = project(&python);
    let program = up(&project).serve();
    for path in ["/media/page.html", "/media/picture.svg"] {
        let answer = program.get(path).expect(200);
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        let shown = answer.header("content-disposition").unwrap_or("");
        let sandboxed = answer.header("content-security-policy").is_some();
        assert!(
            shown.starts_with("attachment") || sandboxed,
            "{path}: {:?}",
            answer.headers
        );
    }
    // What is uploaded while it serves is there at once, and gone at once.
    project.write("media/new.txt", "fresh");
    assert_eq!(program.get("/media/new.txt").expect(200).text(), "fresh");
    project.write("media/new.txt", "changed");
    // The front looks at the disk again once a second.
    until("the change to be seen", || {
        (program.get("/media/new.txt").expect(200).text() == "changed").then_some(())
    });
    fs::remove_file(project.path("media/new.txt")).unwrap();
    until("the removal to be seen", || {
        (program.get("/media/new.txt").status == 404).then_some(())
    });
    program.stop();
}

#[test]
fn nothing_outside_the_folders_is_reached_by_any_spelling() {
    let python = need!(python());
    let project = project(&python);
    let program = up(&project).serve();
    for path in [
        "/media/../mysite/settings.py",
        "/media/..%2fmysite/settings.py",
        "/media/%2e%2e/mysite/settings.py",
        "/media/%2e%2e%2fmysite%2fsettings.py",
        "/media../mysite/settings.py",
        "/media/..%5cmysite%5csettings.py",
        "/media/%252e%252e/mysite/settings.py",
        "/static/../db.sqlite3",
        "/static/../../db.sqlite3",
        "/static..%2f..%2fdb.sqlite3",
        "/media//etc/passwd",
        "/media/%2fetc/passwd",
        "/media/link",
        "/media/.hidden",
        "/media/%00",
        "/media/picture.svg%00.html",
        "/media/",
        "/media",
        "/static/",
        "/static/css",
        "/static/css/",
    ] {
        let answer = program.get(path);
        assert!(
            matches!(answer.status, 301 | 308 | 400 | 403 | 404),
            "{path}: {} {:.300}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        let body = String::from_utf8_lossy(&answer.body);
        let leaks = ["root:x:0", "SECRET_KEY =", "SQLite format", "secret\n"];
        assert!(
            !leaks.iter().any(|leak| body.contains(leak)),
            "{path}: {body}"
        );
    }
    program.get("/media/picture.svg").expect(200);
    program.stop();
}
