//! `hotclub up` of folders without an app.

use hotclub_testkit::{Program, Project, Signal, need, python};

use crate::hotclub;
use crate::up::{plain, refused, says, up};

fn site(config: &str) -> Project {
    let project = Project::empty();
    project
        .write("hotclub.toml", config)
        .write("public/index.html", "home")
        .write("public/about.html", "about")
        .write("public/docs/index.html", "docs")
        .write("public/404.html", "nothing here")
        .write("public/style.css", "body {}");
    project
}

fn serve(project: &Project) -> Program {
    let launch = hotclub().arg("up").arg(project.dir());
    launch
        .args(["--listen", "127.0.0.1:0", "--json"])
        .of(project)
        .serve()
}

#[track_caller]
fn status(program: &Program, path: &str, host: &str) -> u16 {
    program.get_with(path, &[("Host", host)]).status
}

#[test]
fn a_folder_of_pages_needs_no_python() {
    let project = site("[static]\nroot = \"public\"\n");
    let program = serve(&project);
    assert_eq!(program.get("/").expect(200).text(), "home");
    assert_eq!(program.get("/about").expect(200).text(), "about");
    assert_eq!(program.get("/docs/").expect(200).text(), "docs");
    let moved = program.get("/docs?a=1").expect(301);
    assert_eq!(moved.header("location"), Some("/docs/?a=1"));
    assert_eq!(program.get("/missing").expect(404).text(), "nothing here");
    let style = program.get("/style.css").expect(200);
    assert_eq!(
        style.header("content-type"),
        Some("text/css; charset=utf-8")
    );
    assert!(program.workers().is_empty());
    program.stop();
}

#[test]
fn redirects_keep_path_and_query() {
    let project = site(
        "[static]\nroot = \"public\"\n\
         [[redirect]]\nfrom = \"/old\"\nto = \"/about\"\n\
         [[redirect]]\nfrom = \"/blog/*\"\nto = \"https://blog.example/*\"\nstatus = 308\n",
    );
    let program = serve(&project);
    let moved = program.get("/old?x=1").expect(301);
    assert_eq!(moved.header("location"), Some("/about?x=1"));
    let moved = program.get("/blog/2024/%C3%BC?x=1").expect(308);
    let location = "https://blog.example/2024/%C3%BC?x=1";
    assert_eq!(moved.header("location"), Some(location));
    let top = program.get("/blog?x=1").expect(308);
    assert_eq!(top.header("location"), Some("https://blog.example/?x=1"));
    program.get("/older").expect(404);
    program.stop();
}

#[test]
fn only_the_hosts_of_a_site_are_answered_and_the_machines_own_names() {
    let project = site(
        "hosts = [\"example.com\", \"*.example.com\", \"münchen.example\"]\nwww = \"redirect\"\n\
         [static]\nroot = \"public\"\n",
    );
    let program = serve(&project);
    for (host, expected) in [
        ("example.com", 200),
        ("EXAMPLE.com:8000", 200),
        ("a.example.com", 200),
        ("a.b.example.com", 421),
        ("xn--mnchen-3ya.example", 200),
        ("www.xn--mnchen-3ya.example", 301),
        ("other.example", 421),
        ("localhost", 200),
        ("127.0.0.1", 200),
        ("127.0.0.2", 421),
    ] {
        assert_eq!(status(&program, "/", host), expected, "{host}");
    }
    let moved = program.get_with("/about?a=1", &[("Host", "www.example.com:8000")]);
    let location = "http://example.com:8000/about?a=1";
    assert_eq!(moved.expect(301).header("location"), Some(location));
    let posted = program.request("POST", "/about", &[("Host", "www.example.com")], b"a=1");
    posted.expect(308);
    program.stop();
}

#[test]
fn a_reload_reads_the_file_again_and_a_fault_changes_nothing() {
    let project = site("[static]\nroot = \"public\"\n");
    let mut program = serve(&project);
    program.allow("not reloaded");
    project.write(
        "hotclub.toml",
        "[static]\nroot = \"missing\"\nurl = \"nowhere\"\n",
    );
    let before = program.stdout.all().len();
    program.signal(Signal::HUP);
    let error = program.event(before, "error");
    says(
        &error,
        &[
            "not reloaded",
            "hotclub.toml:3:7",
            "write url = \"/nowhere/\"",
        ],
    );
    program.get("/about").expect(200);
    project.write(
        "hotclub.toml",
        "[static]\nroot = \"public\"\n[[redirect]]\nfrom = \"/new\"\nto = \"/about\"\n",
    );
    let before = program.stdout.all().len();
    program.signal(Signal::HUP);
    program.event(before, "serving");
    program.get("/new").expect(301);
    program.stop();
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let project = site(
        "hosts = [\"example.com\", \"https://b.example\"]\ncanonical = \"c.example\"\n\
         [static]\nroot = \"nowhere\"\nurl = \"/old/\"\n\
         [[redirect]]\nfrom = \"/old/*\"\nto = \"/new\"\n",
    );
    let error = refused(&project);
    says(
        &error,
        &[
            "every entry of `hosts` must be a host name",
            "which is not in `hosts`",
            "`/old/` is mounted twice",
        ],
    );
    project.write("hotclub.toml", "[static]\nroot = \"nowhere\"\n");
    says(
        &refused(&project),
        &["there is no folder", "hotclub.toml:2:8"],
    );
    project.write(
        "hotclub.toml",
        "[app]\nworkers = 1\n[static]\nroot = \"public\"\n",
    );
    says(&refused(&project), &["leaves no path for `[app]`"]);
}

#[test]
fn an_app_keeps_what_pages_and_redirects_leave() {
    let python = need!(python());
    let project = plain(&python);
    project
        .edit(
            "mysite/settings.py",
            "ALLOWED_HOSTS = []",
            "ALLOWED_HOSTS = ['example.com', 'localhost']",
        )
        .edit("mysite/settings.py", "DEBUG = True", "DEBUG = False")
        .write("handbook/index.html", "handbook")
        .write(
            "hotclub.toml",
            "hosts = [\"example.com\"]\n[static]\nurl = \"/handbook/\"\nroot = \"handbook\"\n\
             [[redirect]]\nfrom = \"/manual/*\"\nto = \"/handbook/*\"\n",
        );
    let program = up(&project).serve();
    let get = |path: &str| program.get_with(path, &[("Host", "example.com")]);
    assert_eq!(get("/handbook/").expect(200).text(), "handbook");
    get("/manual/x").expect(301);
    get("/admin/").expect(302);
    assert_eq!(status(&program, "/admin/", "other.example"), 421);
    assert_eq!(status(&program, "/admin/", "localhost"), 302);
    program.stop();
}
