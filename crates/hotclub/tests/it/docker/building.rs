//! Images that are built by the Dockerfile that Hotclub writes.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use hotclub_testkit::{Ended, Project, engine, need, python};

use super::deploys::PATIENCE;
use super::{MANAGE, SETTINGS, views};
use crate::hotclub;
use crate::up::up;

/// Packages for images, behind a certificate that nobody knows; until it is dropped.
struct Index {
    program: Child,
    port: u16,
}

impl Drop for Index {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

const SERVE: &str = r#"
import functools, http.server, ssl, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

impl Index {
    fn start(python: &Path, wheels: &Path, (certificate, key): (&Path, &Path)) -> Self {
        let mut program = Command::new(python)
            .args(["-c", SERVE])
            .args([wheels, certificate, key])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(program.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap();
        Self { program, port }
    }
}

/// `hotclub export dockerfile`, and what it wrote.
fn exported(project: &Project, docker: &str) -> String {
    let launch = hotclub().args(["export", "dockerfile"]).arg(project.dir());
    let launch = launch
        .of(project)
        .env("DOCKER_HOST", docker)
        .allow("warning");
    let Ended { code, stderr, .. } = launch.end_within(PATIENCE);
    assert_eq!(code, Some(0), "{stderr}");
    project.read("export/dockerfile/Dockerfile")
}

#[test]
fn a_docker_image_is_built_without_a_dockerfile_and_with_the_hosts_authority() {
    let docker = engine!();
    let python = need!(python());
    let project = Project::empty();
    let (certificate, key) = crate::https::certificate(project.dir(), "index", &["localhost"]);
    let index = Index::start(python.path(), &docker.wheels(), (&certificate, &key));
    project.write("requirements.txt", "Django\n");
    project.write("src/manage.py", MANAGE);
    project.write("src/site_settings.py", SETTINGS);
    project.write("src/app/__init__.py", "");
    project.write("src/views.py", &views("built"));
    project.write("src/.env", "PASSWORD=not for an image\n");
    let config = format!(
        "name = \"boxed\"\n[app]\npython = \"3.11\"\n[runtime]\nkind = \"docker\"\nca_bundle = {:?}\n\
         build_network = \"host\"\nvolumes = [\"./data:/srv/data\"]\n\
         args = {{ PIP_NO_INDEX = \"1\", PIP_FIND_LINKS = \"https://localhost:{}/\" }}\n",
        certificate, index.port
    );
    project.write("hotclub.toml", &config);
    let program = up(&project).env("DOCKER_HOST", docker.host()).serve();
    assert_eq!(program.get("/").expect(200).text(), "built");
    let who = program.get("/who").expect(200).text().to_owned();
    assert!(who.starts_with("10001 "), "not root: {who}");
    let upload = program.get("/upload").expect(200).text().to_owned();
    assert_eq!(program.get(&upload).expect(200).text(), "a picture");

    let shown = project.read(".hotclub/Dockerfile.hotclub");
    assert!(
        shown.starts_with("FROM python:3.11-slim AS build\n"),
        "{shown}"
    );
    assert!(!shown.contains("gunicorn"), "{shown}");
    let container = &docker.containers("hotclub-boxed-app")[0];
    let listing = docker.ask(&["exec", container, "ls", "-a", "/", "/app", "/app/src"]);
    for gone in [".env", ".hotclub", "hotclub-ca.pem"] {
        assert!(!listing.lines().any(|name| name == gone), "{listing}");
    }
    program.stop();
    for none in ["Dockerfile", "Dockerfile.hotclub", ".dockerignore"] {
        assert!(!project.path(none).exists(), "{none}");
    }

    let text = exported(&project, &docker.host());
    assert!(
        text.contains("CMD [\"gunicorn\",\"views:application\""),
        "{text}"
    );
    assert!(!text.contains("ca.pem"), "{text}");
}
