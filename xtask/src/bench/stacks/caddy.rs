//! Caddy, by a Caddyfile as its documentation writes them: `reverse_proxy`, `handle_path`, `file_server`.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::front::Wiring;
use crate::bench::world::World;

pub(super) fn command(config: &Path, world: &World) -> Result<Command> {
    let mut caddy = Command::new(world.bin()?.join("caddy"));
    caddy
        .args(["run", "--adapter", "caddyfile", "--config"])
        .arg(config);
    // Its state, which it would keep in the home folder.
    caddy
        .env("XDG_DATA_HOME", world.folder())
        .env("XDG_CONFIG_HOME", world.folder());
    Ok(caddy)
}

pub(super) fn config(wiring: &Wiring<'_>) -> String {
    let (scheme, tls) = match wiring.certificate {
        None => ("http", String::new()),
        Some(tls) => (
            "https",
            format!("    tls {} {}\n", tls.chain.display(), tls.key.display()),
        ),
    };
    let files: String = wiring
        .files
        .iter()
        .map(|(url, folder)| {
            let folder = folder.display();
            format!(
                "    handle_path {url}* {{\n        root * {folder}\n        file_server\n    }}\n"
            )
        })
        .collect();
    let app = wiring.app.map_or_else(String::new, |(app, _)| {
        format!("    handle {{\n        reverse_proxy {app}\n    }}\n")
    });
    // The host is what the requests name; the port is the run's.
    let (ip, port) = (wiring.listen.ip(), wiring.listen.port());
    format!(
        "{{\n    admin off\n    auto_https off\n    default_sni {ip}\n}}\n\
         {scheme}://:{port} {{\n    bind {ip}\n    encode zstd gzip\n{tls}{files}{app}}}\n"
    )
}
