//! Granian, as its documentation advises for WSGI: the interface named, everything else left alone.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use rustix::process::Signal;

use super::server::Server;
use super::stack::{Job, Stack};
use crate::http;
use crate::setup::Tools;

pub(super) struct Granian {
    program: PathBuf,
}

impl Granian {
    pub(super) fn new(tools: &Tools) -> Result<Self> {
        let python = tools.python.as_ref().context("no virtualenv")?;
        Ok(Self {
            program: python.with_file_name("granian"),
        })
    }
}

impl Stack for Granian {
    fn name(&self) -> &'static str {
        "granian"
    }

    fn start(&self, job: &Job<'_>) -> Result<Server> {
        let site = job.site;
        let address = http::free_port()?;
        let mut server = Server::new(address);
        let mut granian = Command::new(&self.program);
        granian.args(["--interface", "wsgi", "--workers", &job.workers.to_string()]);
        granian.args([
            "--host",
            &address.ip().to_string(),
            "--port",
            &address.port().to_string(),
        ]);
        granian
            .arg(&site.module)
            .current_dir(&site.folder)
            .envs(&site.env);
        let log = site.log("granian");
        server.spawn(&mut granian, &log, Signal::TERM)?;
        server.ready(site.path, &log)
    }
}
