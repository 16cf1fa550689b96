//! An app server, alone or behind a front.

use std::path::PathBuf;

use anyhow::Result;
use rustix::process::Signal;

use super::app_server::AppServer;
use super::front::{Front, Upstream, Wiring};
use crate::bench::server::Server;
use crate::bench::stack::{Job, Stack};
use crate::bench::world::World;
use crate::http;

pub(in crate::bench) struct Composed {
    name: String,
    front: Option<Front>,
    app: AppServer,
    bin: PathBuf,
    world: World,
}

impl Composed {
    pub(in crate::bench) fn new(
        front: Option<Front>,
        app: AppServer,
        world: &World,
    ) -> Result<Self> {
        let name = match front {
            Some(front) => format!("{}+{}", front.name(), app.name()),
            None => app.name().to_owned(),
        };
        Ok(Self {
            name,
            front,
            app,
            bin: world.bin()?,
            world: world.clone(),
        })
    }
}

impl Stack for Composed {
    fn name(&self) -> &str {
        &self.name
    }

    fn refuses(&self, job: &Job) -> Option<&'static str> {
        if job.tls && self.front.is_none() {
            return Some("TLS is its front's business");
        }
        self.app.refuses(job)
    }

    fn start(&self, job: &Job) -> Result<Server> {
        let site = &job.site;
        let app_address = http::free_port()?;
        let front = self.front.filter(|_| job.with_front);
        let listen = match front {
            Some(_) => http::free_port()?,
            None => app_address,
        };
        let mut server = Server::new(listen, job.tls);
        let alone = Job {
            with_front: front.is_some(),
            ..job.clone()
        };
        let log = site.log(&self.name);
        let mut command = self.app.command(&alone, app_address, &self.bin);
        server.spawn(&mut command, &log, Signal::TERM)?;
        if let Some(front) = front {
            let uwsgi = front == Front::Nginx && self.app == AppServer::Uwsgi;
            let upstream = if uwsgi {
                Upstream::Uwsgi
            } else {
                Upstream::Http
            };
            let certificate = job.tls.then(|| self.world.certificate()).transpose()?;
            let wiring = Wiring {
                listen,
                app: Some((app_address, upstream)),
                files: front.files_of(site),
                certificate: certificate.as_deref(),
                scratch: &site.scratch,
            };
            front.spawn(&mut server, &wiring, &self.world)?;
        }
        server.ready(&site.path)
    }
}
