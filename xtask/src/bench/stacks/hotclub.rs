//! Hotclub: `hotclub serve` for a bare app, `hotclub up` for a project.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;

use crate::bench::server::Server;
use crate::bench::stack::{Job, Stack};
use crate::bench::stacks::front::Certificate;
use crate::bench::world::World;
use crate::{command, http, project};

const BUILD: Duration = Duration::from_secs(1800);

pub(in crate::bench) struct Hotclub {
    name: String,
    program: PathBuf,
    python: PathBuf,
    world: World,
    /// What `hotclub.toml` says, for `up`.
    settings: &'static str,
}

impl Hotclub {
    /// This tree's, built with the release profile.
    pub(in crate::bench) fn of_this_tree(world: &World) -> Result<Self> {
        build(project::root())?;
        let program = project::target().join("release/hotclub");
        Self::of("hotclub".to_owned(), program, world)
    }

    /// Another build; `name` begins with `hotclub`.
    pub(in crate::bench) fn of(name: String, program: PathBuf, world: &World) -> Result<Self> {
        Ok(Self {
            name,
            program,
            python: world.python()?,
            world: world.clone(),
            settings: "",
        })
    }

    /// With these settings, and a name that says so.
    pub(in crate::bench) fn set(self, name: &str, settings: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            settings,
            ..self
        }
    }

    pub(in crate::bench) fn program(&self) -> &Path {
        &self.program
    }

    fn serve(&self, job: &Job) -> Result<Server> {
        let address = http::free_port()?;
        let mut serve = Command::new(&self.program);
        serve.args(["serve", &job.site.module, "--bind", &address.to_string()]);
        serve
            .args(["--workers", &job.workers.to_string(), "--chdir"])
            .arg(&job.site.folder);
        if job.tls {
            let tls = self.world.certificate()?;
            serve
                .arg("--certfile")
                .arg(&tls.chain)
                .arg("--keyfile")
                .arg(&tls.key);
        }
        serve.arg("--python").arg(&self.python).envs(&job.site.env);
        self.started(&mut serve, Server::new(address, job.tls), job)
    }

    /// In `project`, a copy of the site's; with `own_database` Hotclub makes one.
    pub(in crate::bench) fn up(
        &self,
        job: &Job,
        project: &Path,
        own_database: bool,
    ) -> Result<Server> {
        let address = http::free_port()?;
        let mut up = Command::new(&self.program);
        up.arg("up")
            .arg(project)
            .args(["--workers", &job.workers.to_string()]);
        let mut settings = self.settings.to_owned();
        if job.tls {
            settings.push_str(&https(&*self.world.certificate()?));
            up.args(["--listen", &format!("https://{address}")]);
        } else {
            up.args(["--listen", &address.to_string()]);
        }
        fs::write(project.join("hotclub.toml"), settings)?;
        let inherited = |name: &str| !(own_database && name.starts_with("DB_"));
        up.envs(job.site.env.iter().filter(|(name, _)| inherited(name)));
        self.started(&mut up, Server::new(address, job.tls), job)
    }

    fn started(&self, command: &mut Command, mut server: Server, job: &Job) -> Result<Server> {
        let log = job.site.log(&self.name);
        server.spawn(command, &log, Signal::TERM)?;
        server.ready(&job.site.path)
    }
}

impl Stack for Hotclub {
    fn name(&self) -> &str {
        &self.name
    }

    fn refuses(&self, _job: &Job) -> Option<&'static str> {
        None
    }

    fn start(&self, job: &Job) -> Result<Server> {
        match &job.site.project {
            Some(project) => self.up(job, project, false),
            None => self.serve(job),
        }
    }

    fn start_fresh(&self, job: &Job) -> Option<Result<Server>> {
        let project = job.site.fresh_copy().transpose()?;
        Some(project.and_then(|project| self.up(job, &project, true)))
    }
}

/// `cargo build --release` of the tree at `root`, into this tree's target folder.
pub(in crate::bench) fn build(root: &Path) -> Result<()> {
    let mut build = Command::new("cargo");
    build.args(["build", "--release", "--locked", "--package", "hotclub"]);
    build
        .arg("--target-dir")
        .arg(project::target())
        .current_dir(root);
    command::quiet(&mut build, BUILD)
        .context("the release build failed")
        .map(drop)
}

fn https(tls: &Certificate) -> String {
    format!(
        "[https]\ncertificate = \"{}\"\nkey = \"{}\"\n",
        tls.chain.display(),
        tls.key.display()
    )
}
