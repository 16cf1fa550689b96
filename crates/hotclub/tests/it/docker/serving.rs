//! The life of a site in a container: as on the host.

use std::collections::HashSet;
use std::process::Command;

use hotclub_testkit::{Docker, Load, Process, Signal, descendants, engine, process, until};

use super::{site, up_in, views};

#[test]
fn a_site_in_a_docker_container_is_served_through_a_socket_and_publishes_no_port() {
    let docker = engine!();
    let project = site("inside");
    let program = up_in(&docker, &project).serve();
    assert_eq!(program.get("/").expect(200).text(), "inside");
    let who = program.get("/who").expect(200).text().to_owned();
    assert!(who.starts_with("1234 "), "the image's user: {who}");

    // The front serves what the container collected and what it keeps.
    let style = program.get("/static/app/style.css").expect(200);
    assert!(style.text().contains("black"));
    let url = program.get("/upload").expect(200).text().to_owned();
    assert_eq!(program.get(&url).expect(200).text(), "a picture");

    let ports = docker.ask(&["ps", "--format", "{{.Names}} {{.Ports}}"]);
    assert!(!ports.contains("->"), "{ports}");
    let listening = listening([program.pid(), docker.pid()]);
    assert_eq!(listening, [program.address()], "the front's alone");

    assert_eq!(docker.containers("hotclub-boxed-app").len(), 1);
    program.stop();
    assert_eq!(docker.containers(""), [""; 0], "nothing is left");
}

#[test]
fn reloads_of_a_docker_container_under_load_lose_nothing() {
    let docker = engine!();
    let project = site("old");
    let mut program = up_in(&docker, &project).serve();
    program.forget_descriptors();
    let load = Load::start(program.address(), "/", 4);
    load.more(100);
    for word in ["second", "third"] {
        project.write("src/views.py", &views(word));
        let line = program.stdout.count();
        program.note_family();
        program.signal(Signal::HUP);
        program.event(line, "reloaded");
        load.more(100);
    }
    let tally = load.finish().lost_nothing();
    let expected = ["old", "second", "third"].map(str::to_owned);
    assert_eq!(tally.bodies.into_iter().collect::<Vec<_>>(), expected);
    until("old containers to go", || {
        (docker.containers("hotclub-boxed-app").len() == 1).then_some(())
    });
    program.stop();
    assert_eq!(docker.containers(""), [""; 0], "nothing is left");
}

#[test]
fn a_hung_and_a_killed_worker_in_a_docker_container_are_replaced() {
    let docker = engine!();
    let project = site("inside");
    let mut program = up_in(&docker, &project).allow(" ERROR ").serve();
    program.forget_descriptors();
    program.get("/hang").expect(504);
    program.says("waits_for_ever");
    program.get("/").expect(200);

    // The hung one may still be dying.
    let killed = until("two workers", || {
        let now = workers(&docker);
        (now.len() == 2).then_some(now)
    });
    for worker in &killed {
        kill(worker.pid);
    }
    until("other workers", || {
        let now = workers(&docker);
        (now.len() == 2 && !now.iter().any(|worker| killed.contains(worker))).then_some(())
    });
    program.get("/").expect(200);

    // With its fork server, process 1 of the container, everything in it dies; another one is started.
    let first = docker.containers("hotclub-boxed-app");
    docker.ask(&["kill", &first[0]]);
    until("another container", || {
        let now = docker.containers("hotclub-boxed-app");
        (now.len() == 1 && now != first).then_some(())
    });
    program.get("/").expect(200);
    program.stop();
    assert_eq!(docker.containers(""), [""; 0], "nothing is left");
}

#[test]
fn a_killed_hotclub_leaves_no_docker_container_to_the_next_one() {
    let docker = engine!();
    let project = site("inside");
    up_in(&docker, &project).serve().kill();
    let program = up_in(&docker, &project).serve();
    assert_eq!(docker.containers("hotclub-boxed-app").len(), 1);
    assert_eq!(program.get("/").expect(200).text(), "inside");
    program.stop();
}

/// Addresses on which these processes, or any that they started, listen.
fn listening(pids: [u32; 2]) -> Vec<String> {
    let output = Command::new("ss").args(["-ltnpH"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let started = pids.into_iter().flat_map(descendants);
    let family: HashSet<u32> = started.map(|process| process.pid).chain(pids).collect();
    let is_theirs = |line: &&str| {
        let pids = line.split("pid=").skip(1);
        let mut pids = pids.filter_map(|rest| rest.split(',').next()?.parse().ok());
        pids.any(|pid: u32| family.contains(&pid))
    };
    let lines = text.lines().filter(is_theirs);
    let addresses = lines.filter_map(|line| line.split_whitespace().nth(3));
    addresses.map(str::to_owned).collect()
}

/// Workers in containers, as this machine numbers them.
fn workers(docker: &Docker) -> Vec<Process> {
    let containers = docker.containers("hotclub-boxed-app");
    let pids = containers.iter().flat_map(|name| {
        let top = docker
            .cli(&["top", name.as_str(), "-eo", "pid,comm"])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&top.stdout).into_owned();
        let lines = text.lines().filter(|line| line.contains("hotclub-worker"));
        let pid = |line: &str| line.split_whitespace().next()?.parse::<u32>().ok();
        lines.filter_map(pid).collect::<Vec<_>>()
    });
    pids.filter_map(process).collect()
}

fn kill(pid: u32) {
    use rustix::process::{Pid, Signal, kill_process};
    let pid = Pid::from_raw(pid.cast_signed()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}
