//! Who may ask for what, how often, and what is said beside it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use hotclub_testkit::{Program, Project, need, python, until};

use crate::hotclub;
use crate::up::{plain, refused, says, up};

fn site(config: &str) -> Project {
    let project = Project::empty();
    let config = format!("[static]\nroot = \"public\"\n{config}");
    project
        .write("hotclub.toml", &config)
        .write("public/index.html", "home")
        .write("public/admin/index.html", "admin");
    project
}

fn serve(project: &Project) -> Program {
    let launch = hotclub().arg("up").arg(project.dir());
    launch
        .args(["--listen", "127.0.0.1:0", "--json"])
        .of(project)
        .serve()
}

/// `hotclub passwd`, with the password on standard input.
fn passwd(name: &str, password: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hotclub"))
        .args(["passwd", name])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(password.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_password_is_asked_for_and_what_passwd_printed_is_known() {
    let project = site("[[access]]\nurl = \"/admin/\"\nusers = \"users.txt\"\nrealm = \"Staff\"\n");
    project.write("users.txt", &passwd("anna", "pass:word\n"));
    let program = serve(&project);
    assert_eq!(program.get("/").expect(200).text(), "home");
    let refused = program.get("/admin/").expect(401);
    let challenge = "Basic realm=\"Staff\", charset=\"UTF-8\"";
    assert_eq!(refused.header("www-authenticate"), Some(challenge));
    // `anna:pass:word` and `anna:wrong`.
    for (field, status) in [
        ("Basic YW5uYTpwYXNzOndvcmQ=", 200),
        ("basic YW5uYTpwYXNzOndvcmQ=", 200),
        ("Basic YW5uYTp3cm9uZw==", 401),
        ("Bearer YW5uYTpwYXNzOndvcmQ=", 401),
    ] {
        let answer = program.get_with("/admin/", &[("Authorization", field)]);
        assert_eq!(answer.status, status, "{field}");
        if status == 200 {
            // No cache on the way keeps it for others.
            let cached = answer.header("cache-control").unwrap();
            assert!(cached.starts_with("private, "), "{cached}");
        }
    }
    for path in [
        "/admin",
        "//admin/",
        "/admin;x/",
        "/%61dmin/",
        "/admin/index.html",
    ] {
        assert_eq!(program.get(path).status, 401, "{path}");
    }
    program.stop();
}

#[test]
fn addresses_rates_and_maintenance_have_answers_of_their_own() {
    let project = site(
        "[[access]]\nurl = \"/admin/\"\nallow = [\"10.0.0.0/8\"]\n\
         [[rate]]\nurl = \"/login/\"\nlimit = \"2/h\"\n\
         [headers]\npreset = \"secure\"\n\
         [errors]\n404 = \"lost.html\"\n\
         [maintenance]\npage = \"closed.html\"\nretry_after = \"10m\"\n\
         [server]\ntrusted_proxies = [\"127.0.0.1\"]\n",
    );
    project
        .write("lost.html", "lost")
        .write("closed.html", "closed");
    let program = serve(&project);
    let from = |path: &str, address: &str| program.get_with(path, &[("X-Forwarded-For", address)]);
    assert_eq!(from("/admin/", "192.0.2.1").status, 403);
    assert_eq!(from("/admin/", "10.1.2.3").status, 200);
    assert_eq!(from("/admin/", "10.1.2.3, 192.0.2.1").status, 403);

    for _ in 0..2 {
        assert_eq!(from("/login/", "2001:db8::1").expect(404).text(), "lost");
    }
    // Another address of the same customer.
    let often = from("/login/", "2001:db8::2").expect(429);
    let wait: u64 = often.header("retry-after").unwrap().parse().unwrap();
    assert!((1700..=1800).contains(&wait), "{wait}");
    assert_eq!(from("/login/", "2001:db8:0:1::2").status, 404);

    let home = program.get("/").expect(200);
    assert_eq!(home.headers_named("x-content-type-options"), ["nosniff"]);
    assert_eq!(home.header("x-frame-options"), Some("SAMEORIGIN"));

    let flag = |wanted: &str| {
        let ended = hotclub()
            .args(["maintenance", wanted])
            .arg(project.dir())
            .of(&project);
        let ended = ended.end_within(std::time::Duration::from_secs(20));
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    };
    flag("on");
    let closed = until("the site to be closed", || {
        let answer = program.get("/");
        (answer.status == 503).then_some(answer)
    });
    assert_eq!(closed.text(), "closed");
    assert_eq!(closed.header("retry-after"), Some("600"));
    flag("off");
    until("the site to be open", || {
        (program.get("/").status == 200).then_some(())
    });
    program.stop();
}

#[test]
fn what_the_rules_name_and_cannot_be_used_is_said_at_its_line() {
    let project = site(
        "[[access]]\nurl = \"/admin/\"\nusers = \"users.txt\"\n\
         [[rate]]\nurl = \"/login/\"\nlimit = \"often\"\n\
         [headers]\nset = { Content-Length = \"1\" }\n[errors]\n200 = \"x.html\"\n",
    );
    says(
        &refused(&project),
        &[
            "`rate.limit` must be a count and a time",
            "hotclub.toml:8:9",
            "this one belongs to the connection",
            "this is no status from 400 to 599",
        ],
    );
    project.write(
        "hotclub.toml",
        "[static]\nroot = \"public\"\n[[access]]\nurl = \"/admin/\"\nusers = \"users.txt\"\n[errors]\n502 = \"gone.html\"\n",
    );
    project.write("users.txt", "anna:secret\n");
    says(
        &refused(&project),
        &[
            "users.txt:1: this is no hash",
            "hotclub.toml:5:9",
            "gone.html cannot be shown",
            "hotclub passwd",
        ],
    );
}

#[test]
fn a_body_limit_of_a_path_holds_before_the_app_is_asked() {
    let python = need!(python());
    let project = plain(&python);
    project.write(
        "hotclub.toml",
        "[limits]\nmax_body = \"2KB\"\n[[access]]\nurl = \"/admin/\"\nmax_body = \"1KB\"\n\
         [headers]\npreset = \"secure\"\n",
    );
    let program = up(&project).serve();
    let post = |path: &str, bytes: usize| program.request("POST", path, &[], &vec![b'a'; bytes]);
    let refused = post("/admin/", 1001).expect(413);
    assert!(
        refused.text().contains("larger than 1000 bytes"),
        "{}",
        refused.text()
    );
    assert_eq!(post("/x/", 2001).status, 413);
    assert_eq!(
        post("/admin/login/", 1000).status,
        403,
        "Django's CSRF check"
    );
    // Django's own word stays.
    let login = program.get("/admin/login/").expect(200);
    assert_eq!(login.headers_named("x-frame-options"), ["DENY"]);
    assert_eq!(login.headers_named("permissions-policy").len(), 1);
    program.stop();
}
