//! examples/portfolio, on SQLite and on PostgreSQL.

use std::time::Duration;

use hotclub_testkit::{Load, Postgres, Program, Project, need, python};

use crate::hotclub;
use crate::up::up;

/// Runs `manage.py` while the site is served.
pub(crate) fn manage(project: &Project, arguments: &[&str], environment: &[(&str, &str)]) {
    let mut launch = hotclub()
        .arg("manage")
        .arg(project.dir())
        .arg("--")
        .args(arguments);
    for (name, value) in environment {
        launch = launch.env(name, value);
    }
    let ended = launch.end_within(Duration::from_secs(120));
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
}

fn pages(program: &Program) {
    let home = program.get("/").expect(200);
    let text = home.text();
    let after = |start: &str| {
        let from = text
            .find(start)
            .unwrap_or_else(|| panic!("no {start:?} in {text}"));
        let rest = &text[from..];
        let end = rest.find(['"', ' ', ',']).unwrap();
        rest[..end].to_owned()
    };
    let picture = program.get(&after("/media/")).expect(200);
    assert!(
        picture
            .header("content-type")
            .unwrap()
            .starts_with("image/"),
        "{:?}",
        picture.headers
    );
    assert_eq!(picture.header("x-content-type-options"), Some("nosniff"));
    let style = program.get(&after("/static/")).expect(200);
    assert!(
        style.header("cache-control").unwrap().contains("immutable"),
        "{:?}",
        style.headers
    );
    for path in [
        "/art/",
        "/writing/",
        "/about/",
        "/contact/",
        "/sitemap.xml",
        "/robots.txt",
        "/admin/login/",
    ] {
        program.get(path).expect(200);
    }
    program.get("/nothing/of/the/kind/").expect(404);
}

#[test]
fn the_portfolio_is_served_with_its_sample_art_on_postgres() {
    need!(python());
    need!(Postgres::available());
    let project = Project::copy_of("examples/portfolio");
    let program = up(&project).serve();
    assert!(
        program.served()["database"]
            .as_str()
            .unwrap()
            .starts_with("PostgreSQL"),
        "{}",
        program.served()
    );
    manage(&project, &["seed"], &[]);
    pages(&program);
    let load = Load::start(program.address(), "/", 4);
    load.more(100);
    load.finish().lost_nothing();
    program.stop();
}

#[test]
fn the_portfolio_is_served_with_its_sample_art_on_sqlite() {
    need!(python());
    let project = Project::copy_of("examples/portfolio");
    project.write("hotclub.toml", "[database]\nengine = \"sqlite\"\n");
    let program = up(&project).serve();
    assert!(
        program.served()["database"]
            .as_str()
            .unwrap()
            .starts_with("SQLite"),
        "{}",
        program.served()
    );
    manage(&project, &["seed"], &[]);
    pages(&program);
    program.stop();
}
