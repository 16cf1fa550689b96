//! A stack: one way to serve a site, and how it is started.

use anyhow::Result;

use super::granian::Granian;
use super::gunicorn::NginxGunicorn;
use super::hotclub::Hotclub;
use super::results::Startup;
use super::server::Server;
use super::site::Site;
use crate::setup::Tools;

pub(super) struct Job<'a> {
    pub(super) site: &'a Site,
    pub(super) workers: u32,
    /// False when only the app server's own processes are of interest.
    pub(super) with_proxy: bool,
}

pub(super) trait Stack {
    fn name(&self) -> &'static str;

    /// Starts the stack and returns once the site answers 200.
    fn start(&self, job: &Job<'_>) -> Result<Server>;

    /// Seconds from the command to the first 200. A server that prepares nothing has one kind of
    /// start, measured `times` over.
    fn startup(&self, site: &Site, workers: u32, times: u32) -> Result<Startup> {
        let mut later_s = Vec::new();
        for _ in 0..=times {
            let server = self.start(&Job {
                site,
                workers,
                with_proxy: true,
            })?;
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

pub(super) fn all(tools: &Tools, wants: impl Fn(&str) -> bool) -> Result<Vec<Box<dyn Stack>>> {
    let mut stacks: Vec<Box<dyn Stack>> = Vec::new();
    if wants("hotclub") {
        match Hotclub::new(tools) {
            Ok(hotclub) => stacks.push(Box::new(hotclub)),
            Err(error) => eprintln!("skipped: hotclub: {error:#}"),
        }
    }
    if wants("nginx-gunicorn") {
        stacks.push(Box::new(NginxGunicorn::new(tools)?));
    }
    if wants("granian") {
        stacks.push(Box::new(Granian::new(tools)?));
    }
    Ok(stacks)
}
