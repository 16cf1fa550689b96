//! What can be wrong with an engine, an image or a build, and what is said then.

use hotclub_testkit::{Load, engine, until_within};

use super::deploys::PATIENCE;
use super::{CONFIG, data, site, up_in};
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
    docker.ask(&["volume", "create", "hotclub-boxed-postgres"]);
    let with_data = data::project("version = 15", "");
    let error = refusal(up_in(&docker, &with_data));
    says(
        &error,
        &["volume hotclub-boxed-postgres exists and is not Hotclub's"],
    );
    docker.ask(&["volume", "rm", "hotclub-boxed-postgres"]);
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

#[test]
fn a_volume_in_docker_that_is_full_is_told() {
    let docker = engine!();
    let options = [
        "--opt",
        "type=tmpfs",
        "--opt",
        "device=tmpfs",
        "--opt",
        "o=size=8m",
    ];
    docker.ask(&[&["volume", "create", "small"][..], &options].concat());
    let project = data::project(
        "engine = \"postgres\"\nversion = 15\nvolume = \"small\"",
        data::ENV,
    );
    let error = refusal(up_in(&docker, &project));
    says(
        &error,
        &[
            "No space left on device",
            "the disk is full: make room first",
        ],
    );
}

#[test]
fn a_worker_in_docker_that_takes_too_much_memory_is_told_as_out_of_memory() {
    let docker = engine!();
    let project = site("x");
    project.write("hotclub.toml", &format!("{CONFIG}memory = \"150MB\"\n"));
    let hungry = "def hungry(request):\n    return HttpResponse(str(len(b'x' * 400_000_000)))\nurlpatterns.append(path('hungry', hungry))\n";
    project.append("src/views.py", hungry);
    let mut program = up_in(&docker, &project)
        .allow(" ERROR ")
        .allow("out of memory")
        .serve();
    program.forget_descriptors();
    program.get("/hungry").expect(502);
    program.says("out of memory");
    until_within(PATIENCE, "an answer", || {
        (program.get("/").status == 200).then_some(())
    });
    program.stop();
}

#[test]
fn a_restart_of_the_docker_engine_is_survived() {
    let mut docker = engine!();
    let project = data::project("version = 15", "");
    let mut program = up_in(&docker, &project)
        .allow(" ERROR ")
        .allow(" WARN ")
        .serve();
    program.forget_descriptors();
    program.get("/add").expect(200);
    let load = Load::start(program.address(), "/", 2);
    load.more(20);
    docker.restart(|| {});
    until_within(PATIENCE, "the site to be back with its data", || {
        let who = program.get("/who");
        (who.status == 200 && who.text().ends_with(" 1")).then_some(())
    });
    load.finish();
    let all = docker.containers("hotclub-boxed");
    assert_eq!(all.len(), 2, "app and database: {all:?}");
    program.stop();
    assert_eq!(docker.containers(""), [""; 0], "nothing is left");
}
