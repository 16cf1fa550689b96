//! Files that an app answers with: named by X-Accel-Redirect or X-Sendfile, or given as descriptors.

use std::fs;

use hotclub_testkit::{Program, Project, Python, need, python};

use crate::serve::{app_of, serve};
use crate::up::{plain, up};

const VIEWS: &str = r#"
import os, signal
from django.http import FileResponse, HttpResponse
from django.urls import path

def named(request):
    answer = HttpResponse(content_type=request.GET.get("type", ""))
    answer.set_cookie("seen", "yes")
    for field in ("X-Accel-Redirect", "X-Sendfile"):
        if field in request.GET:
            answer[field] = request.GET[field]
    return answer

def given(request):
    return FileResponse(open(request.GET["path"], "rb"))

def dies(request):
    with open(request.GET["path"], "a") as runs:
        runs.write("run\n")
    os.kill(os.getpid(), signal.SIGKILL)

urlpatterns = [
    path("", lambda request: HttpResponse("home")),
    path("named", named), path("given", given), path("dies", dies),
]
"#;

const CONFIG: &str = r#"
[app]
retry = false

[[files]]
url = "/protected/"
path = "media/private"
internal = true
"#;

/// The internal folder lies in the public one, and at another URL.
fn project(python: &Python) -> Project {
    let project = plain(python);
    project
        .write("mysite/urls.py", VIEWS)
        .write("hotclub.toml", CONFIG)
        .write("media/open.txt", "open")
        .write("media/private/a b.txt", "0123456789")
        .write("media/private/deep/c.txt", "deep")
        .append(
            "mysite/settings.py",
            "\nMEDIA_URL = '/media/'\nMEDIA_ROOT = BASE_DIR / 'media'\n",
        );
    std::os::unix::fs::symlink("private", project.path("media/link")).unwrap();
    project
}

#[test]
fn internal_mounts_are_reached_by_the_app_and_by_nobody_else() {
    let python = need!(python());
    let project = project(&python);
    let program = up(&project)
        .allow("no internal mount holds")
        .allow("the worker died with the request in hand")
        .serve();
    assert_eq!(program.get("/media/open.txt").expect(200).text(), "open");
    visitors_get_none(&program);
    apps_get_theirs(&program, &project);
    nothing_else_is_sent(&program, &project);
    is_not_run_again(&program, &project);
    program.stop();
}

fn visitors_get_none(program: &Program) {
    for target in [
        "/protected/a%20b.txt",
        "/protected/deep/c.txt",
        "/%70rotected/deep/c.txt",
        "/protected%2Fdeep/c.txt",
        "/protected/deep%2fc.txt",
        "//protected/deep/c.txt",
        "/protected//deep/c.txt",
        "/./protected/deep/c.txt",
        "/x/../protected/deep/c.txt",
        "/x/%2e%2e/protected/deep/c.txt",
        "/protected/",
        "/protected",
        "http://localhost/protected/deep/c.txt",
        "/media/private/deep/c.txt",
        "/media/%70rivate/deep/c.txt",
        "/media/private%2Fdeep%2Fc.txt",
        "/media//private/deep/c.txt",
        "/media/link/deep/c.txt",
        "/media/../media/private/deep/c.txt",
        "/media/private/../private/deep/c.txt",
    ] {
        for method in ["GET", "POST"] {
            let answer = program.request(
                method,
                target,
                &[("X-Accel-Redirect", "/protected/deep/c.txt")],
                b"",
            );
            assert!(
                (400..500).contains(&answer.status),
                "{target}: {}",
                answer.status
            );
            assert!(!answer.text().contains("deep\n") && answer.text() != "deep");
        }
    }
}

fn apps_get_theirs(program: &Program, project: &Project) {
    let path = project
        .path("media/private/a%20b.txt")
        .display()
        .to_string();
    for query in [
        "X-Accel-Redirect=/protected/a%2520b.txt&type=text/x-photo".to_owned(),
        format!("X-Sendfile={path}&type=text/x-photo"),
    ] {
        let target = format!("/named?{query}");
        let whole = program.get(&target).expect(200);
        assert_eq!(whole.text(), "0123456789");
        assert_eq!(whole.header("content-type"), Some("text/x-photo"));
        assert!(whole.header("set-cookie").unwrap().contains("seen=yes"));
        assert!(whole.header("x-accel-redirect").is_none());
        assert!(whole.header("x-sendfile").is_none());
        let etag = whole.header("etag").unwrap().to_owned();
        let part = program
            .get_with(&target, &[("Range", "bytes=3-5")])
            .expect(206);
        assert_eq!(part.text(), "345");
        assert_eq!(part.header("content-range"), Some("bytes 3-5/10"));
        let same = program.get_with(&target, &[("If-None-Match", &etag)]);
        assert!(same.expect(304).header("set-cookie").is_some());
        let head = program.request("HEAD", &target, &[], b"").expect(200);
        assert_eq!(head.length(), Some(10));
    }
    let given = project.path("media/private/deep/c.txt");
    let target = format!("/given?path={}", given.display());
    let part = program.get_with(&target, &[("Range", "bytes=1-2")]);
    assert_eq!(part.expect(206).text(), "ee", "Django's FileResponse");
    // Without a type of the app's own, the file's.
    let plain = program.get("/named?X-Accel-Redirect=/protected/deep/c.txt");
    assert!(
        plain
            .expect(200)
            .header("content-type")
            .unwrap()
            .starts_with("text/plain")
    );
}

fn nothing_else_is_sent(program: &Program, project: &Project) {
    let secret = project.path("mysite/settings.py").display().to_string();
    let start = program.stderr.all().len();
    for query in [
        "X-Accel-Redirect=/media/open.txt".to_owned(),
        "X-Accel-Redirect=/protected/../open.txt".to_owned(),
        "X-Accel-Redirect=/".to_owned(),
        format!("X-Sendfile={secret}"),
        "X-Sendfile=/etc/passwd".to_owned(),
        format!(
            "X-Sendfile={}/../open.txt",
            project.path("media/private").display()
        ),
    ] {
        let answer = program.get(&format!("/named?{query}")).expect(502);
        assert!(!answer.text().contains("SECRET") && !answer.text().contains("root:"));
    }
    program.says_from(start, "hint: add the folder to hotclub.toml");
    program
        .get("/named?X-Accel-Redirect=/protected/none")
        .expect(404);
}

/// `[app] retry = false`: what a dying worker had in hand is lost, even a GET.
fn is_not_run_again(program: &Program, project: &Project) {
    let runs = project.path("runs.txt");
    let start = program.stderr.all().len();
    program
        .get(&format!("/dies?path={}", runs.display()))
        .expect(502);
    assert_eq!(fs::read_to_string(runs).unwrap(), "run\n");
    program.says_from(start, "SIGKILL");
}

#[test]
fn a_folder_that_is_internal_is_not_media_as_well() {
    let python = need!(python());
    let project = project(&python);
    let config = CONFIG.replace("media/private", "media");
    project.write("hotclub.toml", &config);
    let program = up(&project).serve();
    program.get("/media/open.txt").expect(404);
    let named = program.get("/named?X-Accel-Redirect=/protected/open.txt");
    assert_eq!(named.expect(200).text(), "open");
    program.stop();
}

#[test]
fn a_file_response_answers_ranges_and_frees_its_worker() {
    let project = app_of(
        "import os\ndef application(e, s):\n    fields = [('Content-Type', 'video/mp4')]\n    \
         if e['QUERY_STRING']: fields.append(('ETag', '\"v1\"'))\n    \
         if e['PATH_INFO'] == '/own': fields.append(('Accept-Ranges', 'none'))\n    \
         s('200 OK', fields)\n    return e['wsgi.file_wrapper'](open(os.environ['FILE'], 'rb'))\n",
    );
    let file = project.path("video.bin");
    fs::write(&file, "0123456789").unwrap();
    let program = serve("app", project.dir(), 1).env("FILE", &file).serve();
    let whole = program.get("/").expect(200);
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    assert_eq!((whole.text(), whole.length()), ("0123456789", Some(10)));
    for (range, status, text, said) in [
        ("bytes=0-", 206, "0123456789", "bytes 0-9/10"),
        ("bytes=2-4", 206, "234", "bytes 2-4/10"),
        ("bytes=-3", 206, "789", "bytes 7-9/10"),
        ("bytes=10-", 416, "", "bytes */10"),
        ("bytes=0-1,5-6", 200, "0123456789", ""),
        ("lines=1-2", 200, "0123456789", ""),
    ] {
        let answer = program.get_with("/", &[("Range", range)]).expect(status);
        assert_eq!(answer.text(), text, "{range}");
        assert_eq!(
            answer.header("content-range").unwrap_or(""),
            said,
            "{range}"
        );
        assert_eq!(answer.length(), Some(text.len()), "{range}");
    }
    let range = ("Range", "bytes=1-2");
    program
        .get_with("/?v", &[range, ("If-Range", "\"v1\"")])
        .expect(206);
    program
        .get_with("/?v", &[range, ("If-Range", "\"v2\"")])
        .expect(200);
    program.get_with("/own", &[range]).expect(200);
    program.stop();
}
