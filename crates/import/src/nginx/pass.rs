//! `proxy_pass` and its kin: to the app, whose place Hotclub takes, or to another server.

use hotclub_config::Upstream;

use super::block::Block;
use super::server::Around;
use super::{Site, redirect};
use crate::Reading;
use crate::draft::Keys;

/// A `proxy_pass` taken apart.
struct Target {
    scheme: String,
    /// Host and port, socket, or an upstream's name.
    address: String,
    /// What follows: `/`, `/api/`, or nothing.
    path: String,
}

fn target(text: &str) -> Option<Target> {
    let (scheme, rest) = text.split_once("://")?;
    if let Some(socket) = rest.strip_prefix("unix:") {
        let (socket, path) = socket.split_once(':').unwrap_or((socket, ""));
        return Some(Target {
            scheme: scheme.to_owned(),
            address: format!("unix:{socket}"),
            path: path.to_owned(),
        });
    }
    let (address, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    Some(Target {
        scheme: scheme.to_owned(),
        address: address.to_owned(),
        path: path.to_owned(),
    })
}

/// The addresses behind a name.
fn servers(address: &str, site: &Site<'_>) -> Vec<String> {
    let upstream = site
        .upstreams
        .iter()
        .find(|upstream| upstream.arg(0) == address);
    match upstream {
        Some(upstream) => upstream
            .all("server")
            .map(|server| server.arg(0).to_owned())
            .collect(),
        None => vec![address.to_owned()],
    }
}

fn is_app(address: &str, site: &Site<'_>, reading: &Reading<'_>) -> bool {
    servers(address, site)
        .iter()
        .any(|server| reading.stack.is_app(server) || reading.stack.is_app(&format!("{server}:80")))
}

/// Whether a server passes anything to the app.
pub(super) fn leads_to_app(server: &Block, site: &Site<'_>, reading: &Reading<'_>) -> bool {
    let passes = |block: &Block| {
        passed(block)
            .and_then(target)
            .is_some_and(|target| is_app(&target.address, site, reading))
    };
    server
        .inside
        .iter()
        .any(|block| passes(block) || (block.name == "location" && block.inside.iter().any(passes)))
}

fn passed(block: &Block) -> Option<&str> {
    matches!(
        block.name.as_str(),
        "proxy_pass" | "uwsgi_pass" | "fastcgi_pass"
    )
    .then(|| block.arg(0))
}

/// `proxy_pass` in a location of a prefix. `path` is `/` for named locations.
pub(super) fn read(
    block: &Block,
    location: &Block,
    path: &str,
    around: &Around<'_>,
    reading: &mut Reading<'_>,
) {
    let text = block.arg(0);
    let Some(target) = target(text) else {
        // uwsgi_pass takes an address without a scheme.
        let known = block.name == "uwsgi_pass" && reading.stack.has_app;
        return match known {
            true => reading
                .ledger
                .taken(block.id, "the app server is Hotclub's own"),
            false => reading.ledger.unsupported(
                block.id,
                "this is no http:// address",
                "write [[proxy]] with to = \"http://…\"",
            ),
        };
    };
    let to_app = is_app(&target.address, around.site, reading);
    if to_app || (reading.stack.has_app && path == "/") {
        return app(block, &target, to_app, reading);
    }
    other(block, location, path, &target, around, reading);
}

fn app(block: &Block, target: &Target, known: bool, reading: &mut Reading<'_>) {
    reading.stack.has_app = true;
    match known {
        true => reading.ledger.taken(
            block.id,
            "the app: there is no second server, and no port between the two",
        ),
        false => reading.ledger.taken(
            block.id,
            format!(
                "the app: Hotclub runs it itself, in the place of what listens at {}",
                target.address
            ),
        ),
    }
    if !matches!(target.path.as_str(), "" | "/") {
        reading.ledger.open(
            block.id,
            "the app saw another path than the visitor",
            "set FORCE_SCRIPT_NAME, or change the URLs",
        );
    }
}

fn other(
    block: &Block,
    location: &Block,
    path: &str,
    target: &Target,
    around: &Around<'_>,
    reading: &mut Reading<'_>,
) {
    let Some(mount) = redirect::mount(path) else {
        return reading
            .ledger
            .open(block.id, "this path is not read", "write a [[proxy]]");
    };
    let mut to: Vec<String> = Vec::new();
    for server in servers(&target.address, around.site) {
        let text = match server.starts_with("unix:") {
            true => server,
            false => format!("{}://{server}", target.scheme),
        };
        if text.contains('$') || text.parse::<Upstream>().is_err() {
            return reading.ledger.unsupported(
                block.id,
                "this address is not read",
                "write [[proxy]] with to = \"http://host:port\"",
            );
        }
        to.push(text);
    }
    let mut keys = Keys::default().with("url", mount.as_str());
    match to.as_slice() {
        [one] => keys.set("to", one.as_str()),
        _ => keys.set("to", to.clone()),
    };
    if !target.path.is_empty() && target.path != mount {
        match target.path.as_str() {
            "/" if mount != "/" => drop(keys.set("strip_prefix", true)),
            "/" => {}
            _ => {
                return reading.ledger.unsupported(
                    block.id,
                    "the path is changed on its way",
                    "Hotclub passes it on as it came, or without the mount: [[proxy]] strip_prefix = true",
                );
            }
        }
    }
    options(location, &mut keys, reading);
    if to.iter().any(|to| to.starts_with("https://")) && !redirect::reads("proxy", &keys) {
        return reading.ledger.unsupported(
            block.id,
            "an https:// upstream is not supported",
            "write http://, if the way to it is a private one",
        );
    }
    if !redirect::reads("proxy", &keys) {
        return reading.ledger.unsupported(
            block.id,
            "this proxy has no equal",
            "docs/proxy.md says what a [[proxy]] can do",
        );
    }
    match reading.draft.push("proxy", keys) {
        true => reading.ledger.taken(block.id, format!("[[proxy]] {mount}")),
        false => reading
            .ledger
            .open(block.id, format!("{mount} stands there twice"), "keep one"),
    }
}

/// Times and the Host of a proxied location.
fn options(location: &Block, keys: &mut Keys, reading: &mut Reading<'_>) {
    for block in &location.inside {
        let key = match block.name.as_str() {
            "proxy_connect_timeout" => "connect_timeout",
            "proxy_send_timeout" => "send_timeout",
            "proxy_read_timeout" => "response_timeout",
            "proxy_set_header"
                if block.arg(0).eq_ignore_ascii_case("host") && !block.arg(1).contains('$') =>
            {
                keys.set("host", block.arg(1));
                reading.ledger.taken(block.id, "[[proxy]] host");
                continue;
            }
            _ => continue,
        };
        if let Some(seconds) = super::plain::seconds(block.arg(0)).filter(|seconds| *seconds > 0) {
            keys.set(key, format!("{seconds}s"));
            reading.ledger.taken(block.id, format!("[[proxy]] {key}"));
        }
    }
}

/// Upstream blocks, behind those who use them.
pub(super) fn upstreams(site: &Site<'_>, reading: &mut Reading<'_>) {
    for upstream in &site.upstreams {
        let to_app = is_app(upstream.arg(0), site, reading)
            || reading.draft.entries("proxy").next().is_none();
        for block in &upstream.inside {
            one_upstream(block, to_app, reading);
        }
        if upstream.inside.is_empty() {
            reading.ledger.taken(upstream.id, "empty");
        }
    }
}

fn one_upstream(block: &Block, to_app: bool, reading: &mut Reading<'_>) {
    let options = block.args.get(1..).unwrap_or_default();
    match block.name.as_str() {
        "server" if to_app => reading
            .ledger
            .taken(block.id, "the app: Hotclub runs it itself"),
        "server"
            if options.iter().any(|option| {
                option.starts_with("weight") || option == "backup" || option == "down"
            }) =>
        {
            reading.ledger.unsupported(
                block.id,
                "servers of a pool are alike",
                "leave out of `to` what should get nothing",
            );
        }
        "server" => reading.ledger.taken(block.id, "[[proxy]] to"),
        "keepalive" | "keepalive_timeout" | "keepalive_requests" | "zone" | "least_conn" => {
            reading.ledger.taken(
                block.id,
                "connections are kept, and the server with the fewest gets the next request",
            );
        }
        _ if to_app => reading.ledger.taken(
            block.id,
            "not needed: the kernel hands each request to an idle worker",
        ),
        _ => reading.ledger.unsupported(
            block.id,
            "this way of choosing a server has no equal",
            "[[proxy]] balance is \"least_conn\" or \"round_robin\"",
        ),
    }
}
