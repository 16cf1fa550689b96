//! The fronts that peers stand behind: proxies that buffer, and that serve static and media files.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use rustix::process::Signal;

use super::{caddy, haproxy, nginx};
use crate::bench::server::Server;
use crate::bench::site::Site;
use crate::bench::world::World;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum Front {
    Nginx,
    Caddy,
    /// Proxies only: it serves no files.
    Haproxy,
}

/// How the app behind a front is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum Upstream {
    Http,
    /// uWSGI's own protocol, which NGINX speaks.
    Uwsgi,
}

/// What a front's configuration is made of.
pub(in crate::bench) struct Wiring<'a> {
    /// Where it listens.
    pub(in crate::bench) listen: SocketAddr,
    /// Where the app is; `None` for a front that serves nothing but files.
    pub(in crate::bench) app: Option<(SocketAddr, Upstream)>,
    /// URL prefixes (`/static/`) and their folders.
    pub(in crate::bench) files: Vec<(&'static str, PathBuf)>,
    pub(in crate::bench) certificate: Option<&'a Certificate>,
    /// For configuration, logs and pid files.
    pub(in crate::bench) scratch: &'a Path,
}

/// Of this run, signed by itself.
#[derive(Clone, Debug)]
pub(in crate::bench) struct Certificate {
    /// PEM files; `both` is the one behind the other, as HAProxy wants it.
    pub(in crate::bench) chain: PathBuf,
    pub(in crate::bench) key: PathBuf,
    pub(in crate::bench) both: PathBuf,
}

impl Front {
    pub(in crate::bench) const ALL: [Self; 3] = [Self::Nginx, Self::Caddy, Self::Haproxy];

    pub(in crate::bench) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
            Self::Haproxy => "haproxy",
        }
    }

    pub(in crate::bench) fn serves_files(self) -> bool {
        self != Self::Haproxy
    }

    /// Writes its configuration and starts it as one more process of `server`.
    pub(in crate::bench) fn spawn(
        self,
        server: &mut Server,
        wiring: &Wiring<'_>,
        world: &World,
    ) -> Result<()> {
        let (name, config) = match self {
            Self::Nginx => ("nginx.conf", nginx::config(wiring)),
            Self::Caddy => ("Caddyfile", caddy::config(wiring)),
            Self::Haproxy => ("haproxy.cfg", haproxy::config(wiring)),
        };
        let file = wiring.scratch.join(name);
        std::fs::write(&file, &config)?;
        server.configs.insert(name.to_owned(), config);
        let mut command = match self {
            Self::Nginx => nginx::command(&file, wiring.scratch),
            Self::Caddy => caddy::command(&file, world)?,
            Self::Haproxy => {
                let mut haproxy = Command::new("/usr/sbin/haproxy");
                haproxy.arg("-db").arg("-f").arg(&file);
                haproxy
            }
        };
        let log = wiring.scratch.join(format!("{}.log", self.name()));
        // NGINX's TERM is its fast stop: nothing is under way when a turn ends.
        server.spawn(&mut command, &log, Signal::TERM)
    }

    /// The folders of the site that it serves.
    pub(in crate::bench) fn files_of(self, site: &Site) -> Vec<(&'static str, PathBuf)> {
        if self.serves_files() {
            site.files.clone()
        } else {
            Vec::new()
        }
    }
}
