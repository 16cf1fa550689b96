//! Hotclub: `hotclub serve` for the bare app, `hotclub up` for the portfolio.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;

use super::results::Startup;
use super::server::Server;
use super::site::Site;
use super::stack::{Job, Stack};
use crate::setup::Tools;
use crate::{command, http, project};

const BUILD: Duration = Duration::from_secs(1800);

pub(super) struct Hotclub {
    program: PathBuf,
    python: PathBuf,
}

impl Hotclub {
    /// Builds the program; an error when it does not serve yet.
    pub(super) fn new(tools: &Tools) -> Result<Self> {
        let mut build = Command::new("cargo");
        build.args(["build", "--release", "--locked", "--package", "hotclub"]);
        command::quiet(build.current_dir(project::root()), BUILD)?;
        let program = project::target().join("release/hotclub");
        let help = command::quiet(Command::new(&program).args(["serve", "--help"]), BUILD)?;
        anyhow::ensure!(help.contains("--bind"), "this build has no `hotclub serve`");
        let python = tools.python.clone().context("no virtualenv")?;
        Ok(Self { program, python })
    }

    fn serve(&self, job: &Job<'_>) -> Result<Server> {
        let address = http::free_port()?;
        let mut serve = Command::new(&self.program);
        serve.args(["serve", &job.site.module, "--bind", &address.to_string()]);
        serve
            .args(["--workers", &job.workers.to_string(), "--chdir"])
            .arg(&job.site.folder);
        serve.arg("--python").arg(&self.python).envs(&job.site.env);
        let mut server = Server::new(address);
        let log = job.site.log("hotclub");
        server.spawn(&mut serve, &log, Signal::TERM)?;
        server.ready(job.site.path, &log)
    }

    fn up(&self, site: &Site, project: &Path, workers: u32, own_database: bool) -> Result<Server> {
        let address = http::free_port()?;
        let mut up = Command::new(&self.program);
        up.arg("up")
            .arg(project)
            .args(["--listen", &address.to_string()]);
        up.args(["--workers", &workers.to_string()]);
        let database = |name: &str| name.starts_with("DB_");
        up.envs(
            site.env
                .iter()
                .filter(|(name, _)| !(own_database && database(name.as_str()))),
        );
        let mut server = Server::new(address);
        let log = site.log("hotclub");
        server.spawn(&mut up, &log, Signal::TERM)?;
        server.ready(site.path, &log)
    }
}

impl Stack for Hotclub {
    fn name(&self) -> &'static str {
        "hotclub"
    }

    fn start(&self, job: &Job<'_>) -> Result<Server> {
        match &job.site.project {
            Some(project) => self.up(job.site, project, job.workers, false),
            None => self.serve(job),
        }
    }

    /// The first start does everything (dependencies, database, migrations, static files) in a fresh
    /// copy of the project with a database of its own; the later ones find it done.
    fn startup(&self, site: &Site, workers: u32, times: u32) -> Result<Startup> {
        let fresh = site.fresh_copy()?;
        let mut later_s = Vec::new();
        for _ in 0..=times {
            let server = match &fresh {
                Some(project) => self.up(site, project, workers, true)?,
                None => self.serve(&Job {
                    site,
                    workers,
                    with_proxy: true,
                })?,
            };
            later_s.push(server.took.as_secs_f64());
        }
        let first_s = later_s.remove(0);
        Ok(Startup {
            stack: self.name().to_owned(),
            first_s,
            later_s,
        })
    }
}
