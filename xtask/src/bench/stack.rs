//! A stack: one way to serve a site, and how it is started.
//!
//! What takes part by default is listed here. A workload may bring stacks of its own
//! (`Workload::stacks`).

use std::rc::Rc;

use anyhow::{Context, Result};

use super::server::Server;
use super::site::Site;
use super::stacks::app_server::AppServer;
use super::stacks::composed::Composed;
use super::stacks::front::Front;
use super::stacks::hotclub::Hotclub;
use super::world::World;

/// What a stack is asked to serve, and how.
#[derive(Clone)]
pub(super) struct Job {
    pub(super) site: Rc<Site>,
    pub(super) workers: u32,
    /// False when only the app server's own processes are of interest.
    pub(super) with_front: bool,
    /// HTTPS with the world's certificate, HTTP/2 where the stack can. HTTP otherwise.
    pub(super) tls: bool,
}

pub(super) trait Stack {
    fn name(&self) -> &str;

    /// Why it cannot do the job by what it is; such a stack is left out, and the tables say so.
    fn refuses(&self, job: &Job) -> Option<&'static str>;

    /// Starts it and returns once the site answers 200.
    fn start(&self, job: &Job) -> Result<Server>;

    /// The very first start of the project, where the stack itself installs, makes a database, migrates and
    /// collects. `None` for those that have all that done for them beforehand.
    fn start_fresh(&self, _job: &Job) -> Option<Result<Server>> {
        None
    }
}

/// In a plain run. NGINX + Gunicorn first after Hotclub: the stack of most guides.
pub(super) const USUAL: [&str; 5] = [
    "hotclub",
    "nginx+gunicorn",
    "nginx+uwsgi",
    "nginx+granian",
    "granian",
];

/// What `--full` adds.
pub(super) const FURTHER: [&str; 5] = [
    "nginx+gthread",
    "caddy+granian",
    "haproxy+gthread",
    "nginx+uvicorn",
    "uvicorn",
];

/// Whether [`by_name`] knows it.
pub(super) fn is_known(name: &str) -> bool {
    name == "hotclub" || parts(name).is_some()
}

/// The stack of this name: `hotclub`, an app server, or `FRONT+APPSERVER`.
pub(super) fn by_name(name: &str, world: &World) -> Result<Rc<dyn Stack>> {
    if name == "hotclub" {
        return Ok(Rc::new(Hotclub::of_this_tree(world)?));
    }
    let (front, app) = parts(name).with_context(|| format!("no stack is called {name:?}"))?;
    Ok(Rc::new(Composed::new(front, app, world)?))
}

fn parts(name: &str) -> Option<(Option<Front>, AppServer)> {
    let (front, app) = match name.split_once('+') {
        Some((front, app)) => (
            Some(Front::ALL.into_iter().find(|known| known.name() == front)?),
            app,
        ),
        None => (None, name),
    };
    let app = AppServer::ALL
        .into_iter()
        .find(|known| known.name() == app)?;
    Some((front, app))
}
