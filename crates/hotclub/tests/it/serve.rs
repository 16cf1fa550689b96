//! `hotclub serve`.

mod bind;
mod deaths;
mod failures;
mod logs;
mod namespaces;
mod options;
mod proxy_protocol;
mod reload;
mod signals;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use hotclub_testkit::{Launch, Project, python, repository};

use crate::hotclub;

/// An interpreter for apps that need nothing but the standard library.
pub(crate) fn interpreter() -> PathBuf {
    python().map_or_else(|_| "python3".into(), |python| python.path().to_owned())
}

/// A server of a test's own that says its port on stdout. Ended when dropped.
pub(crate) struct Helper {
    child: Child,
    pub(crate) port: u16,
}

impl Helper {
    pub(crate) fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap();
        Self { child, port }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// `hotclub serve` of an app in `folder`, with `workers` of them, on a port of its own.
pub(crate) fn serve(app: &str, folder: &Path, workers: u32) -> Launch {
    hotclub()
        .args([
            "serve",
            app,
            "--bind",
            "127.0.0.1:0",
            "--workers",
            &workers.to_string(),
        ])
        .arg("--chdir")
        .arg(folder)
        .arg("--python")
        .arg(interpreter())
        .env("PYTHONDONTWRITEBYTECODE", "1")
}

/// One of the apps in `tests/wsgi_apps`, which show one behaviour each.
pub(crate) fn app(name: &str) -> Launch {
    serve(name, &repository().join("tests/wsgi_apps"), 2)
}

/// A folder with `app.py`.
pub(crate) fn app_of(source: &str) -> Project {
    let project = Project::empty();
    project.write("app.py", source);
    project
}

/// Answers with its process id.
pub(crate) const PID_APP: &str = r#"
import os

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"#;
