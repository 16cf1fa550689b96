//! What can be wrong with an engine, an image or a build, and what is said then.

use hotclub_testkit::engine;

use super::{CONFIG, site, up_in};
use crate::up::{refusal, says, up};

#[test]
fn an_engine_that_is_not_running_is_named_with_its_socket() {
    let project = site("x");
    let nowhere = project.path("nowhere.sock");
    let error = refusal(up(&project).env("DOCKER_HOST", format!("unix://{}", nowhere.display())));
    says(
        &error,
        &[
            "no container engine answers at",
            "nowhere.sock",
            "systemctl start docker",
        ],
    );
    let error = refusal(up(&project).env("DOCKER_HOST", "tcp://127.0.0.1:2375"));
    says(&error, &["is no Unix socket", "write unix:///"]);
}

#[test]
fn a_docker_build_that_fails_is_a_short_message_and_a_log() {
    let docker = engine!();
    let project = site("x");
    let line = "RUN echo before && echo went-wrong >&2 && exit 3\n";
    project.append("src/Dockerfile", line);
    let error = refusal(up_in(&docker, &project));
    says(
        &error,
        &["the image could not be built", "went-wrong", "build.log"],
    );
    let log = std::fs::read_to_string(project.path(".hotclub/log/build.log")).unwrap();
    assert!(
        log.contains("FROM python:3.11-slim") && log.contains("before"),
        "{log}"
    );

    project.write(
        "hotclub.toml",
        &CONFIG.replace("context = \"src\"", "dockerfile = \"No.file\""),
    );
    let error = refusal(up_in(&docker, &project));
    says(&error, &["No.file is not in the build context"]);
}

#[test]
fn an_image_that_docker_cannot_get_is_named() {
    let docker = engine!();
    let project = site("x");
    let image = "image = \"registry.invalid/nobody/nothing:1\"";
    project.write("hotclub.toml", &CONFIG.replace("context = \"src\"", image));
    let error = refusal(up_in(&docker, &project));
    says(
        &error,
        &[
            "registry.invalid/nobody/nothing:1 cannot be pulled",
            "can the registry be reached",
        ],
    );
}

#[test]
fn what_is_not_hotclubs_in_docker_is_left_alone() {
    let docker = engine!();
    let project = site("x");
    docker.ask(&["network", "create", "hotclub-boxed"]);
    docker.ask(&[
        "create",
        "--name",
        "hotclub-boxed-app-1",
        "--network",
        "none",
        "python:3.11-slim",
    ]);
    let error = refusal(up_in(&docker, &project));
    says(
        &error,
        &[
            "network hotclub-boxed exists and is not Hotclub's",
            "another name",
        ],
    );
    docker.ask(&["network", "rm", "hotclub-boxed"]);
    let program = up_in(&docker, &project).serve();
    program.get("/").expect(200);
    program.stop();
    assert_eq!(docker.containers("hotclub-"), ["hotclub-boxed-app-1"]);
}

#[test]
fn an_entrypoint_in_docker_that_ends_is_explained() {
    let docker = engine!();
    let project = site("x");
    project.write(
        "src/entrypoint.sh",
        "case \"$*\" in *hotclub_worker*) exit 7;; esac\nexec \"$@\"\n",
    );
    let error = refusal(up_in(&docker, &project));
    says(
        &error,
        &["the fork server ended before it was ready", "exec \"$@\""],
    );
}
