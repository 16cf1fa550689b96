//! NGINX as the guide wires it: Debian's nginx.conf, three `proxy_set_header` lines, `alias` for files.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::front::{Upstream, Wiring};

pub(super) fn command(config: &Path, scratch: &Path) -> Command {
    let mut nginx = Command::new("/usr/sbin/nginx");
    nginx.arg("-c").arg(config).args(["-g", "daemon off;"]);
    nginx.arg("-p").arg(scratch);
    nginx.arg("-e").arg(scratch.join("nginx-start.log"));
    nginx
}

/// Debian's nginx.conf and the guide's server block in front of an app that speaks HTTP.
pub(crate) fn write_config(scratch: &Path, front: SocketAddr, app: SocketAddr) -> Result<PathBuf> {
    let text = config(&Wiring {
        listen: front,
        app: Some((app, Upstream::Http)),
        files: Vec::new(),
        certificate: None,
        scratch,
    });
    let path = scratch.join("nginx.conf");
    fs::write(&path, text)?;
    Ok(path)
}

pub(super) fn config(wiring: &Wiring<'_>) -> String {
    let folder = wiring.scratch.display();
    let mut text = String::new();
    if rustix::process::geteuid().is_root() {
        text.push_str("user www-data;\n");
    }
    let (suffix, certificate) = match wiring.certificate {
        None => ("", String::new()),
        Some(tls) => (
            " ssl http2",
            format!(
                "        ssl_certificate {};\n        ssl_certificate_key {};\n        \
                 ssl_protocols TLSv1.2 TLSv1.3;\n        ssl_session_cache shared:SSL:10m;\n",
                tls.chain.display(),
                tls.key.display()
            ),
        ),
    };
    let _ = write!(
        text,
        "worker_processes auto;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
worker_rlimit_nofile 30000;
events {{ worker_connections 16384; }}
http {{
    sendfile on;
    tcp_nopush on;
    types_hash_max_size 2048;
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log {folder}/nginx-access.log;
    gzip on;
    client_max_body_size 100m;
    server {{
        listen {}{suffix};
        server_name 127.0.0.1;
{certificate}{}{}    }}
}}
",
        wiring.listen,
        files(wiring),
        app(wiring),
    );
    text
}

fn files(wiring: &Wiring<'_>) -> String {
    let locations = wiring.files.iter().map(|(url, folder)| {
        let folder = folder.display();
        format!("        location {url} {{ alias {folder}/; }}\n")
    });
    locations.collect()
}

fn app(wiring: &Wiring<'_>) -> String {
    match wiring.app {
        None => String::new(),
        Some((app, Upstream::Uwsgi)) => format!(
            "        location / {{\n            uwsgi_pass {app};\n            \
             include /etc/nginx/uwsgi_params;\n        }}\n"
        ),
        Some((app, Upstream::Http)) => format!(
            "        location / {{
            proxy_pass http://{app};
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}\n"
        ),
    }
}
