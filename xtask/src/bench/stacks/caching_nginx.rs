//! NGINX with `proxy_cache` in front of Gunicorn: what keeps pages for visitors without cookies for as long as Hotclub's
//! `[cache] anonymous` does, by NGINX's own documentation.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use rustix::process::Signal;

use super::app_server::AppServer;
use super::front::{Front, Upstream, Wiring};
use super::nginx;
use crate::bench::server::Server;
use crate::bench::stack::{Job, Stack};
use crate::bench::world::World;
use crate::http;

pub(in crate::bench) struct CachingNginx {
    bin: PathBuf,
}

/// After this line of the server block stands what is about the cache.
const BEFORE: &str = "            proxy_set_header X-Forwarded-Proto $scheme;\n";
/// Two seconds, one request at a time, an older page while a newer one is made, nothing of visitors with cookies.
const CACHED: &str = "            proxy_cache pages;
            proxy_cache_key $scheme$host$request_uri;
            proxy_cache_valid 200 2s;
            proxy_cache_lock on;
            proxy_cache_use_stale updating error timeout http_500 http_502 http_503;
            proxy_cache_background_update on;
            proxy_cache_bypass $http_cookie $http_authorization;
            proxy_no_cache $http_cookie $http_authorization;
";

impl CachingNginx {
    pub(in crate::bench) fn new(world: &World) -> Result<Self> {
        Ok(Self { bin: world.bin()? })
    }
}

impl Stack for CachingNginx {
    fn name(&self) -> &str {
        "nginx(proxy_cache)+gunicorn"
    }

    fn refuses(&self, job: &Job) -> Option<&'static str> {
        job.tls.then_some("it is for HTTP here")
    }

    fn start(&self, job: &Job) -> Result<Server> {
        let site = &job.site;
        let (app, listen) = (http::free_port()?, http::free_port()?);
        let mut server = Server::new(listen, false);
        let mut gunicorn = AppServer::Gunicorn.command(job, app, &self.bin);
        server.spawn(&mut gunicorn, &site.log(self.name()), Signal::TERM)?;
        let config = nginx::config(&Wiring {
            listen,
            app: Some((app, Upstream::Http)),
            files: Front::Nginx.files_of(site),
            certificate: None,
            scratch: &site.scratch,
        });
        ensure!(config.contains(BEFORE), "NGINX's configuration has changed");
        // Nothing of a turn before.
        let folder = tempfile::Builder::new()
            .prefix("pages-")
            .tempdir_in(&site.scratch)?
            .keep();
        let zone = format!(
            "    proxy_cache_path {} keys_zone=pages:10m max_size=256m;\n    server {{",
            folder.display()
        );
        let config = config
            .replace(BEFORE, &format!("{BEFORE}{CACHED}"))
            .replacen("    server {", &zone, 1);
        let file = site.scratch.join("nginx-cache.conf");
        fs::write(&file, &config)?;
        server.configs.insert("nginx.conf".to_owned(), config);
        let mut nginx = nginx::command(&file, &site.scratch);
        server.spawn(&mut nginx, &site.log("nginx-cache"), Signal::TERM)?;
        server.ready(&site.path)
    }
}
