//! Where it listens.

use std::net::TcpListener;

use hotclub_testkit::{Project, Raw, folder, need, python};

use super::{app, app_of, interpreter, serve};
use crate::hotclub;

#[test]
fn a_compose_files_command_works_after_changing_one_word() {
    let python = need!(python());
    let project = Project::startproject(&python, "christinanissi", &[]);
    let command = "gunicorn christinanissi.wsgi:application --bind 127.0.0.1:0";
    let changed = command.replace("gunicorn", "serve");
    let program = hotclub()
        .args(changed.split(' '))
        .within(project.dir())
        .on_path(python.path().parent().unwrap())
        .serve();
    let page = program.get("/").expect(200);
    assert!(page.text().contains("install worked"), "{}", page.text());
    program.stop();
}

#[test]
fn ipv4_ipv6_and_a_unix_socket_are_listened_on_at_once() {
    let folder = folder();
    let socket = folder.path().join("app.sock");
    let program = app("hello")
        .args(["-b", "[::1]:0", "-b", &format!("unix:{}", socket.display())])
        .serve();
    assert_eq!(program.urls().len(), 3, "{:?}", program.urls());
    assert!(
        program.urls()[1].starts_with("http://[::1]:"),
        "{:?}",
        program.urls()
    );
    for url in program.urls() {
        let mut connection = Raw::connect(url).unwrap();
        let answer = connection
            .ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .unwrap();
        assert_eq!(answer.expect(200).text(), "hello\n", "{url}");
    }
    program.stop();
    assert!(!socket.exists(), "the socket's file is still there");
}

#[test]
fn web_concurrency_and_port_are_honoured() {
    let project = app_of(super::PID_APP);
    let program = hotclub()
        .args(["serve", "app", "--python"])
        .arg(interpreter())
        .within(project.dir())
        .env("WEB_CONCURRENCY", "3")
        .env("PORT", "0")
        .serve();
    assert_eq!(program.workers().len(), 3);
    program.get("/").expect(200);
    program.stop();
}

#[test]
fn empty_variables_say_nothing_and_wrong_ones_are_named() {
    let project = app_of(super::PID_APP);
    let launch = || {
        hotclub()
            .args(["serve", "app", "--python"])
            .arg(interpreter())
            .within(project.dir())
    };
    let program = launch()
        .args(["--bind", "127.0.0.1:0"])
        .env("WEB_CONCURRENCY", "")
        .env("PORT", "")
        .env("FORWARDED_ALLOW_IPS", "")
        .serve();
    assert_eq!(program.workers().len(), 1);
    program.stop();
    for (name, value) in [("WEB_CONCURRENCY", "two"), ("PORT", "99999")] {
        launch()
            .env(name, value)
            .fail()
            .says(&format!("{name} is {value}"))
            .says("hint: ");
    }
    launch()
        .args(["--bind", "unix:/is-not-there/app.sock"])
        .fail()
        .says("/is-not-there")
        .says("hint: there is no folder");
}

#[test]
fn a_port_that_is_taken_is_named_with_a_hint() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let project = app_of(super::PID_APP);
    let ended = hotclub()
        .args(["serve", "app", "--bind", &address])
        .within(project.dir())
        .fail();
    ended
        .says("error: cannot listen on")
        .says(&address)
        .says("hint: ");
}

#[test]
fn a_wrong_option_is_a_usage_error() {
    let ended = hotclub()
        .args(["serve"])
        .end_within(std::time::Duration::from_secs(10));
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    let project = app_of(super::PID_APP);
    let ended = serve("app", project.dir(), 1)
        .args(["--bind", "nowhere"])
        .end_within(std::time::Duration::from_secs(10));
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    ended.says("nowhere");
}

#[test]
fn a_stale_unix_socket_of_a_crashed_server_is_replaced() {
    let folder = folder();
    let socket = format!("unix:{}/app.sock", folder.path().display());
    let project = app_of(super::PID_APP);
    let launch = || serve("app", project.dir(), 1).args(["--bind", &socket]);
    launch().serve().kill();
    let program = launch().serve();
    let mut connection = Raw::connect(&socket).unwrap();
    connection
        .ask("GET / HTTP/1.0\r\n\r\n")
        .unwrap()
        .expect(200);
    drop(connection);
    // A second server must not take the socket from the first.
    launch().fail().says("error: ");
    program.get("/").expect(200);
    program.stop();
}
