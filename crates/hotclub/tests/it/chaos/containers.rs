//! Deploys of a site in containers under load: no request is lost, and no container is left.

use hotclub_testkit::{Storm, engine, until};
use serde_json::Value;

use super::deploys::home_pages;
use super::{count, record};
use crate::docker::deploys::boxed;
use crate::docker::views;
use crate::host::{done, home, text};

#[test]
fn deploys_of_a_docker_site_under_load_lose_no_request() {
    let docker = engine!();
    let (server, folder, mut program) = boxed(&docker, "0");
    // What is asked of the database has tests of its own.
    server.append("boxed/hotclub.toml", "[release]\ncommand = []\n");
    let rounds = count(5, 50);
    let storm = Storm::start(program.address(), &home_pages());
    for round in 1..=rounds {
        let words = round.to_string();
        server.write("boxed/src/views.py", &views(&words));
        done(&server, &["deploy", text(&folder)]);
        assert_eq!(home(&program, "localhost").1, words);
        storm.more(20);
    }
    let outcome = storm.finish().lost_nothing();
    record("containers", rounds, &outcome, &Value::Null);
    until("old containers to go", || {
        (docker.containers("hotclub-boxed-app").len() == 1).then_some(())
    });
    program.forget_descriptors();
    program.stop();
    assert_eq!(docker.containers(""), [""; 0], "nothing is left");
}
