//! NGINX + Gunicorn, wired as the guide does it: Gunicorn's sync workers on a local port, NGINX in
//! front with Debian's defaults and three `proxy_set_header` lines.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use rustix::process::Signal;

use super::server::Server;
use super::stack::{Job, Stack};
use crate::http;
use crate::setup::Tools;

pub(super) struct NginxGunicorn {
    gunicorn: PathBuf,
}

impl NginxGunicorn {
    pub(super) fn new(tools: &Tools) -> Result<Self> {
        let python = tools.python.as_ref().context("no virtualenv")?;
        Ok(Self {
            gunicorn: python.with_file_name("gunicorn"),
        })
    }
}

impl Stack for NginxGunicorn {
    fn name(&self) -> &'static str {
        "nginx-gunicorn"
    }

    fn start(&self, job: &Job<'_>) -> Result<Server> {
        let site = job.site;
        let app_address = http::free_port()?;
        let front_address = if job.with_proxy {
            http::free_port()?
        } else {
            app_address
        };
        let mut server = Server::new(front_address);

        let mut gunicorn = Command::new(&self.gunicorn);
        gunicorn.args([&site.module, "--bind", &app_address.to_string()]);
        gunicorn.args(["--workers", &job.workers.to_string()]);
        if !job.with_proxy {
            // Memory is compared with the thriftiest way to run it.
            gunicorn.arg("--preload");
        }
        gunicorn.current_dir(&site.folder).envs(&site.env);
        let log = site.log("gunicorn");
        server.spawn(&mut gunicorn, &log, Signal::TERM)?;

        if job.with_proxy {
            let config = write_config(&site.scratch, front_address, app_address)?;
            let mut nginx = Command::new("/usr/sbin/nginx");
            nginx
                .arg("-c")
                .arg(&config)
                .args(["-g", "daemon off;"])
                .arg("-p")
                .arg(&site.scratch);
            nginx.arg("-e").arg(site.log("nginx-start"));
            // QUIT is NGINX's graceful stop, TERM its fast one.
            server.spawn(&mut nginx, &site.log("nginx"), Signal::TERM)?;
        }
        server.ready(site.path, &log)
    }
}

/// Debian's nginx.conf and the guide's server block; only paths and ports are ours.
pub(crate) fn write_config(scratch: &Path, front: SocketAddr, app: SocketAddr) -> Result<PathBuf> {
    let folder = scratch.display();
    let mut text = String::new();
    if rustix::process::geteuid().is_root() {
        text.push_str("user www-data;\n");
    }
    write!(
        text,
        "worker_processes auto;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 768; }}
http {{
    sendfile on;
    tcp_nopush on;
    types_hash_max_size 2048;
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log {folder}/nginx-access.log;
    gzip on;
    server {{
        listen {front};
        server_name 127.0.0.1;
        location / {{
            proxy_pass http://{app};
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
}}
"
    )?;
    let path = scratch.join("nginx.conf");
    fs::write(&path, text)?;
    Ok(path)
}
