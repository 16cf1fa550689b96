//! Who is mistreated beside Hotclub, each run as its own documentation advises, with as many workers.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use rustix::process::Signal;

use crate::bench::server::Server;
use crate::bench::stacks::nginx;
use crate::setup::Tools;
use crate::{command, descendants, http, project};

pub(super) const WORKERS: u32 = 2;
const APP: &str = "storm:app";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rival {
    Hotclub,
    /// Gunicorn's default workers, alone. Its documentation says: put it behind a proxy that buffers.
    GunicornSync,
    /// Its workers with four threads, which keep connections, alone.
    GunicornThreads,
    /// What its documentation advises.
    NginxGunicorn,
    Granian,
}

impl Rival {
    pub(super) const ALL: [Self; 5] = [
        Self::Hotclub,
        Self::GunicornSync,
        Self::GunicornThreads,
        Self::NginxGunicorn,
        Self::Granian,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hotclub => "Hotclub",
            Self::GunicornSync => "Gunicorn, sync",
            Self::GunicornThreads => "Gunicorn, gthread",
            Self::NginxGunicorn => "NGINX + Gunicorn",
            Self::Granian => "Granian",
        }
    }

    /// Starts it; returns once it serves. Logs go to `scratch`.
    pub(super) fn start(self, tools: &Tools, scratch: &Path) -> Result<Server> {
        let address = http::free_port()?;
        let mut server = Server::new(address, false);
        let log = scratch.join("server.log");
        match self {
            Self::Hotclub => {
                let mut serve = Command::new(project::target().join("release/hotclub"));
                serve.args(["serve", APP, "--bind", &address.to_string()]);
                serve.arg("--python").arg(python(tools)?);
                spawn(&mut server, &mut serve, &log)?;
            }
            Self::GunicornSync => spawn(&mut server, &mut gunicorn(tools, &address)?, &log)?,
            Self::GunicornThreads => {
                let mut gunicorn = gunicorn(tools, &address)?;
                gunicorn.args(["--worker-class", "gthread", "--threads", "4"]);
                spawn(&mut server, &mut gunicorn, &log)?;
            }
            Self::NginxGunicorn => {
                let behind = http::free_port()?;
                spawn(&mut server, &mut gunicorn(tools, &behind)?, &log)?;
                let config = nginx::write_config(scratch, address, behind)?;
                let mut nginx = Command::new("/usr/sbin/nginx");
                nginx.args(["-g", "daemon off;"]).arg("-c").arg(&config);
                nginx.arg("-p").arg(scratch);
                nginx.arg("-e").arg(scratch.join("nginx-start.log"));
                server.spawn(&mut nginx, &scratch.join("nginx.log"), Signal::TERM)?;
            }
            Self::Granian => {
                let mut granian = Command::new(python(tools)?.with_file_name("granian"));
                granian.args(["--interface", "wsgi", APP, "--host", "127.0.0.1", "--port"]);
                granian.arg(address.port().to_string());
                granian.args(["--respawn-failed-workers", "--workers-kill-timeout", "30"]);
                spawn(&mut server, &mut granian, &log)?;
            }
        }
        server.ready("/")
    }

    /// The workers that live now.
    pub(super) fn workers(self, server: &Server) -> Vec<i32> {
        let master = server.first();
        let is_worker = |process: &&descendants::Process| match self {
            Self::Hotclub => process.command == "hotclub-worker",
            _ => process.parent == master,
        };
        let tree = descendants::tree(master);
        let alive = tree.iter().filter(|process| process.state != 'Z');
        alive.filter(is_worker).map(|process| process.pid).collect()
    }
}

fn python(tools: &Tools) -> Result<PathBuf> {
    tools.python.clone().context("no virtualenv")
}

fn gunicorn(tools: &Tools, address: &std::net::SocketAddr) -> Result<Command> {
    let mut gunicorn = Command::new(python(tools)?.with_file_name("gunicorn"));
    gunicorn.args([APP, "--bind", &address.to_string()]);
    Ok(gunicorn)
}

/// The app server, which gets the signals.
fn spawn(server: &mut Server, command: &mut Command, log: &Path) -> Result<()> {
    command.args(["--workers", &WORKERS.to_string()]);
    command
        .current_dir(project::root().join("bench/apps"))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    server.spawn(command, log, Signal::TERM)
}

/// `cargo build --release`.
pub(super) fn build() -> Result<()> {
    let mut build = Command::new("cargo");
    build.args(["build", "--release", "--locked", "--package", "hotclub"]);
    command::quiet(build.current_dir(project::root()), super::BUILD).map(drop)
}
