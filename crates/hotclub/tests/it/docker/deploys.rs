//! Releases whose app is in a container, under `hotclub host`.

use std::path::PathBuf;
use std::time::Duration;

use hotclub_testkit::{Docker, Launch, Program, Project, engine, until, until_within};

use super::{CONFIG, site_in, views};
use crate::host::{done, home, host, kept, refused, server, text};
use crate::up::says;

pub(super) const PATIENCE: Duration = Duration::from_secs(240);

/// A host, and the folder of the site `boxed` that is deployed to it.
pub(crate) fn boxed(docker: &Docker, word: &str) -> (Project, PathBuf, Program) {
    let server = server();
    docker.ask(&["volume", "create", "data"]);
    site_in(&server, "boxed/", word);
    server.write("boxed/hotclub.toml", &deployed());
    let folder = server.path("boxed");
    let program = in_engine(docker, &server).serve();
    done(&server, &["deploy", text(&folder)]);
    (server, folder, program)
}

fn deployed() -> String {
    let config = format!("hosts = [\"localhost\"]\n{CONFIG}");
    let volumes = "\"data:/srv/data\", \"src/kept:/srv/kept\"";
    config
        .replace(
            "timeout = \"2s\"",
            "workers = 2\ntimeout = \"300s\"\ngraceful_timeout = \"300s\"",
        )
        .replace("\"data:/srv/data\"", volumes)
}

fn in_engine(docker: &Docker, server: &Project) -> Launch {
    host(server).env("DOCKER_HOST", docker.host())
}

#[test]
fn releases_of_a_docker_site_are_gone_back_to_without_a_build_and_a_failed_one_leaves_nothing() {
    let docker = engine!();
    let (server, folder, mut program) = boxed(&docker, "one");
    let get = |program: &Program, path: &str| program.get_with(path, &[("Host", "localhost")]);
    assert_eq!(home(&program, "localhost"), (200, "one".to_owned()));
    let style = get(&program, "/static/app/style.css").expect(200);
    assert!(style.text().contains("black"));
    let upload = get(&program, "/upload").expect(200).text().to_owned();
    assert_eq!(get(&program, &upload).text(), "a picture");

    // A request that is under way is answered by the code that it came to.
    let mut held = program.connect();
    held.send("GET /held HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let data = kept(&server, "boxed").join("data/src/kept");
    until("the request to be under way", || {
        data.join("held").exists().then_some(())
    });
    server.write("boxed/src/views.py", &views("two"));
    let deploy = crate::host::command(&server, &["deploy", text(&folder)]).start();
    until_within(PATIENCE, "the new release to serve", || {
        (home(&program, "localhost").1 == "two").then_some(())
    });
    std::fs::write(data.join("go"), "").unwrap();
    assert_eq!(held.read("GET").unwrap().expect(200).text(), "one");
    assert_eq!(deploy.end_within(PATIENCE).code, Some(0));
    assert_eq!(get(&program, &upload).text(), "a picture");

    // It imports nothing that exists.
    server.write("boxed/src/views.py", "import nothing_like_that\n");
    program.allow("Traceback");
    program.allow("Error");
    let error = refused(&server, &["deploy", text(&folder)]);
    says(&error, &["not deployed, release 2 goes on"]);
    server.append("boxed/src/Dockerfile", "RUN exit 3\n");
    let error = refused(&server, &["deploy", text(&folder)]);
    says(
        &error,
        &[
            "not deployed, release 2 goes on",
            "the image could not be built",
        ],
    );
    assert_eq!(home(&program, "localhost").1, "two");

    done(&server, &["rollback", "boxed"]);
    assert_eq!(home(&program, "localhost").1, "one");
    until("old containers to go", || {
        (docker.containers("hotclub-boxed-app").len() == 1).then_some(())
    });
    // It had no site when it was started.
    program.forget_descriptors();
    program.stop();
    assert_eq!(docker.containers(""), [""; 0], "nothing is left");

    // What is live outlives the host, and so does its image.
    let program = in_engine(&docker, &server).serve();
    assert_eq!(home(&program, "localhost").1, "one");
    done(&server, &["reload", "boxed"]);
    assert_eq!(home(&program, "localhost").1, "one");
    program.stop();
}
