//! `listen`: the addresses of Hotclub's own front.

use hotclub_config::Listen;

use super::block::Block;
use super::redirect;
use crate::Reading;

pub(super) fn read(server: &Block, reading: &mut Reading<'_>) {
    let mut any = false;
    for block in server.all("listen") {
        any = true;
        one(server, block, reading);
    }
    if !any && !redirect::is_only_redirect(server) {
        add("0.0.0.0:80", false, reading);
    }
}

fn one(server: &Block, block: &Block, reading: &mut Reading<'_>) {
    let mut tls = server.find("ssl").is_some_and(|ssl| ssl.arg(0) == "on");
    for option in block.args.iter().skip(1) {
        let name = option.split('=').next().unwrap_or(option);
        match name {
            "ssl" => tls = true,
            "proxy_protocol" => {
                reading.ledger.open(
                    block.id,
                    "connections begin with a PROXY header",
                    "write [server] proxy_protocol = true and, in trusted_proxies, who sends it",
                );
            }
            "quic" => {
                return reading.ledger.unsupported(
                    block.id,
                    "HTTP/3 is not served by import's choice",
                    "HTTP/1.1 and HTTP/2 are; clients fall back by themselves",
                );
            }
            _ => {}
        }
    }
    let Some(address) = address(block.arg(0), reading) else {
        return reading.ledger.open(
            block.id,
            "this address is not read",
            "write [server] listen",
        );
    };
    match add(&address, tls, reading) {
        true => {
            let scheme = if tls { "https://" } else { "" };
            reading
                .ledger
                .taken(block.id, format!("[server] listen: {scheme}{address}"));
        }
        false => reading.ledger.open(
            block.id,
            "Hotclub cannot listen there",
            "write [server] listen",
        ),
    }
}

fn add(address: &str, tls: bool, reading: &mut Reading<'_>) -> bool {
    let text = match tls {
        true => format!("https://{address}"),
        false => address.to_owned(),
    };
    let reads = text.parse::<Listen>().is_ok();
    if reads {
        reading.draft.table("server").add("listen", text);
    }
    reads
}

/// NGINX's spelling as an address: `80`, `[::]:80`, `*:80`, `127.0.0.1`, `unix:/x`.
fn address(text: &str, reading: &Reading<'_>) -> Option<String> {
    if text.starts_with("unix:") {
        return Some(text.to_owned());
    }
    if text.parse::<u16>().is_ok() {
        return Some(format!("0.0.0.0:{}", published(text, reading)));
    }
    if let Some(port) = text.strip_prefix("*:") {
        return Some(format!("0.0.0.0:{}", published(port, reading)));
    }
    match text.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => {
            Some(format!("{host}:{}", published(port, reading)))
        }
        _ if text.is_empty() => None,
        _ => Some(format!("{text}:80")),
    }
}

/// NGINX in a container listens inside, and is reached where Compose published it.
fn published<'p>(port: &'p str, reading: &'p Reading<'_>) -> &'p str {
    let ports = &reading.stack.web_ports;
    ports
        .iter()
        .find(|(_, inside)| inside == port)
        .map_or(port, |(outside, _)| outside)
}
