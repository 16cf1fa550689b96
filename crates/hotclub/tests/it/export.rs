//! `hotclub export`: what is written is read by those for whom it is.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hotclub_testkit::{Ended, Project, Raw, need, python, until};

use crate::hotclub;
use crate::up::up;

fn portfolio() -> Project {
    let project = Project::copy_of("examples/portfolio");
    project.write(
        "hotclub.toml",
        "hosts = [\"portfolio.example\"]\n[database]\nengine = \"sqlite\"\n[[redirect]]\nfrom = \"/old/*\"\nto = \"/art/*\"\n\
         [headers]\nset = { X-Frame-Options = \"DENY\" }\n",
    );
    project
}

fn export(project: &Project, kind: &str, more: &[&str]) -> Ended {
    let launch = hotclub()
        .args(["export", kind])
        .arg(project.dir())
        .args(more)
        .of(project);
    launch.allow("warning").end_within(Duration::from_secs(240))
}

fn exported(project: &Project, kind: &str, more: &[&str]) {
    let ended = export(project, kind, more);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
}

/// A real NGINX on a Unix socket, until it is dropped.
struct Nginx {
    program: Child,
    socket: PathBuf,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.program);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
        let _ = self.program.wait();
    }
}

impl Nginx {
    /// The exported file in the frame that its image has around it. `nginx -t` must find nothing.
    fn start(folder: &Path, config: &str, app: &str) -> Nginx {
        let socket = folder.join("nginx.sock");
        let place = folder.display();
        let config = config
            .replace("listen 80;", &format!("listen unix:{};", socket.display()))
            .replace("    listen [::]:80;\n", "")
            .replace("http://web:8000", app);
        let whole = format!(
            "daemon off; pid {place}/nginx.pid; error_log stderr; events {{}}\nhttp {{ include /etc/nginx/mime.types; access_log off;\n\
             client_body_temp_path {place}/a; proxy_temp_path {place}/b; fastcgi_temp_path {place}/c; uwsgi_temp_path {place}/d; \
             scgi_temp_path {place}/e;\n{config}}}\n"
        );
        let file = folder.join("whole.conf");
        std::fs::write(&file, whole).unwrap();
        let nginx = || {
            let mut command = Command::new("/usr/sbin/nginx");
            command
                .arg("-e")
                .arg("stderr")
                .arg("-p")
                .arg(folder)
                .arg("-c")
                .arg(&file)
                .stdin(Stdio::null());
            command
        };
        let tested = nginx().arg("-t").output().unwrap();
        assert!(
            tested.status.success(),
            "{}",
            String::from_utf8_lossy(&tested.stderr)
        );
        let program = nginx().spawn().unwrap();
        let nginx = Nginx { program, socket };
        until("NGINX listens", || Raw::connect(&nginx.address()).ok());
        nginx
    }

    fn address(&self) -> String {
        format!("unix:{}", self.socket.display())
    }

    fn get(&self, path: &str) -> hotclub_testkit::Response {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: portfolio.example\r\nConnection: close\r\n\r\n");
        Raw::connect(&self.address()).unwrap().ask(request).unwrap()
    }
}

#[test]
fn a_real_nginx_serves_the_site_by_the_configuration_that_compose_was_exported_with() {
    need!(python());
    if !Path::new("/usr/sbin/nginx").exists() {
        return hotclub_testkit::skip("nginx is missing (`cargo xtask setup` installs it)");
    }
    let project = portfolio();
    project.write(
        "hotclub.toml",
        &format!(
            "{}[env]\nset = {{ DJANGO_ALLOWED_HOSTS = \"portfolio.example 127.0.0.1\" }}\n",
            project.read("hotclub.toml")
        ),
    );
    exported(
        &project,
        "compose",
        &["--output", project.path("out").to_str().unwrap()],
    );
    for (name, holds) in [
        (
            "docker-compose.yml",
            "    command:\n      - gunicorn\n      - \"portfolio.wsgi:application\"",
        ),
        (
            "docker-compose.yml",
            "condition: service_completed_successfully",
        ),
        (
            "docker-compose.yml",
            "python manage.py migrate --noinput && python manage.py collectstatic --noinput",
        ),
        ("docker-compose.yml", "context: .."),
        ("Dockerfile", "USER 10001"),
        ("nginx.conf", "client_max_body_size"),
    ] {
        let text = project.read(&format!("out/{name}"));
        assert!(text.contains(holds), "{holds} is not in {name}:\n{text}");
    }
    let mode = std::fs::metadata(project.path("out/app.env"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(
        mode & 0o777,
        0o600,
        "the app's environment holds its secrets"
    );

    // The app, as NGINX reaches it; the folders of files lie where the image has them.
    let program = up(&project).serve();
    let folder = hotclub_testkit::folder();
    std::fs::create_dir_all(folder.path().join("static")).unwrap();
    std::fs::write(folder.path().join("static/a.css"), "body{}").unwrap();
    let config = project.read("out/nginx.conf").replace(
        "/app/src/staticfiles",
        &format!("{}/static", folder.path().display()),
    );
    let nginx = Nginx::start(
        folder.path(),
        &config,
        &format!("http://{}", program.address()),
    );
    let home = nginx.get("/").expect(200);
    assert_eq!(home.header("x-frame-options"), Some("DENY"));
    let style = nginx.get("/static/a.css").expect(200);
    assert_eq!(
        (style.text(), style.header("content-type")),
        ("body{}", Some("text/css"))
    );
    let moved = nginx.get("/old/x?y=1");
    assert_eq!(moved.status, 301);
    assert!(
        moved.header("location").unwrap().ends_with("/art/x?y=1"),
        "{:?}",
        moved.headers
    );
    drop(nginx);
    program.stop();

    let again = export(
        &project,
        "compose",
        &["--output", project.path("out").to_str().unwrap()],
    );
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("hint: --force"), "{}", again.stderr);
}

#[test]
fn exported_manifests_are_what_the_published_schemas_of_kubernetes_want() {
    let python = need!(python());
    let project = portfolio();
    project.write(
        "hotclub.toml",
        &project.read("hotclub.toml").replace("sqlite", "postgres"),
    );
    exported(
        &project,
        "kubernetes",
        &["--image", "registry.example/portfolio:1"],
    );
    let text = project.read("export/kubernetes/manifests.yaml");
    for kind in [
        "Secret",
        "PersistentVolumeClaim",
        "ConfigMap",
        "Job",
        "Deployment",
        "Service",
        "Ingress",
        "CronJob",
        "StatefulSet",
    ] {
        assert!(
            text.contains(&format!("\nkind: {kind}\n")),
            "there is no {kind} in\n{text}"
        );
    }
    assert!(
        text.contains("- name: Host\n"),
        "probes say the site's Host: {text}"
    );
    let validated = Command::new(python.program("kubernetes-validate"))
        .args(["--strict", "export/kubernetes/manifests.yaml"])
        .current_dir(project.dir())
        .output()
        .unwrap();
    assert!(
        validated.status.success(),
        "{}{}\n{text}",
        String::from_utf8_lossy(&validated.stdout),
        String::from_utf8_lossy(&validated.stderr)
    );
}

#[test]
fn a_stack_and_a_unit_are_exported() {
    need!(python());
    let project = portfolio();
    exported(
        &project,
        "swarm",
        &["--image", "registry.example/portfolio:1"],
    );
    let stack = project.read("export/swarm/stack.yml");
    assert!(
        !stack.contains("build:") && !stack.contains("depends_on"),
        "Swarm knows neither: {stack}"
    );
    assert!(
        stack.contains("image: \"registry.example/portfolio:1\""),
        "{stack}"
    );
    exported(&project, "systemd", &["--user", "www"]);
    let unit = project.read("export/systemd/hotclub.service");
    for line in [
        "Type=notify",
        "User=www",
        "Restart=always",
        &format!("up \"{}\"", project.dir().display()),
    ] {
        assert!(unit.contains(line), "{line} is not in\n{unit}");
    }
}
