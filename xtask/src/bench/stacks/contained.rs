//! Hotclub with the app in a container: what that costs beside the same on the host.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};
use hotclub_testkit::Docker;
use rustix::process::Signal;

use crate::bench::server::Server;
use crate::bench::stack::{Job, Stack};
use crate::bench::stacks::hotclub::Hotclub;
use crate::http;

pub(in crate::bench) const NAME: &str = "hotclub, in a container";

/// The test's image has the packages; PostgreSQL's socket and the pictures are shared.
const DOCKERFILE: &str = "FROM python:3.11-slim\nCOPY . /app\nWORKDIR /app\n";

pub(in crate::bench) struct Contained {
    hotclub: Hotclub,
    /// Started once, and ended with the run.
    docker: RefCell<Option<Docker>>,
}

impl Contained {
    pub(in crate::bench) fn new(hotclub: Hotclub) -> Self {
        Self {
            hotclub,
            docker: RefCell::default(),
        }
    }

    fn engine(&self) -> Result<String> {
        let mut docker = self.docker.borrow_mut();
        if let Some(docker) = &*docker {
            return Ok(docker.host());
        }
        if let Some(reason) = Docker::forbidden() {
            bail!("{reason}");
        }
        let started = Docker::start().map_err(|reason| anyhow!("{reason}"))?;
        let host = started.host();
        *docker = Some(started);
        Ok(host)
    }
}

impl Stack for Contained {
    fn name(&self) -> &str {
        NAME
    }

    fn refuses(&self, job: &Job) -> Option<&'static str> {
        let is_whole = job.site.project.is_some() && !job.tls;
        (!is_whole).then_some("it runs whole projects, without TLS here")
    }

    fn start(&self, job: &Job) -> Result<Server> {
        let project = job.site.project.as_ref().context("no project")?;
        let dockerfile = job.site.folder.join("Dockerfile");
        fs::write(&dockerfile, DOCKERFILE)?;
        fs::write(project.join("hotclub.toml"), settings(job))?;
        let address = http::free_port()?;
        let mut up = Command::new(self.hotclub.program());
        up.arg("up").arg(project);
        up.args(["--listen", &address.to_string()]);
        up.args(["--workers", &job.workers.to_string()]);
        up.env("DOCKER_HOST", self.engine()?);
        let mut server = Server::new(address, false);
        server.spawn(&mut up, &job.site.log("contained"), Signal::TERM)?;
        let server = server.ready(&job.site.path)?;
        // The next stack's project is this one.
        fs::remove_file(dockerfile)?;
        Ok(server)
    }
}

fn settings(job: &Job) -> String {
    let shared = |path: &Path| format!("\"{0}:{0}\"", path.display());
    let env = &job.site.env;
    let socket = env.get("DB_HOST").map_or("/tmp", String::as_str);
    let media = job.site.folder.join("mediafiles");
    let mut text = format!(
        "name = \"bench\"\n[runtime]\nkind = \"docker\"\ncontext = \"src\"\nvolumes = [{}, \"{}:/app/mediafiles\"]\n[env]\nset = {{ ",
        shared(Path::new(socket)),
        media.display()
    );
    let pairs: Vec<String> = env
        .iter()
        .map(|(name, value)| format!("{name} = {value:?}"))
        .collect();
    let _ = writeln!(text, "{} }}", pairs.join(", "));
    text
}
