//! NGINX: server blocks, with or without the `http` around them. `parse` knows the grammar, `block` enters every
//! directive into the ledger and follows includes, the other files say what the directives come to.

mod access;
mod block;
mod folder;
mod listen;
mod location;
mod parse;
mod pass;
mod plain;
mod redirect;
mod server;

use std::path::Path;

use block::{Block, Gatherer};

use crate::ledger::Fate;
use crate::{ImportError, Input, Reading};

/// Reads all NGINX files of a call as one configuration.
pub(crate) fn read(inputs: &[&Input], reading: &mut Reading<'_>) -> Result<(), ImportError> {
    let mut top = Vec::new();
    for input in inputs {
        let directives = parse::parse(&input.text).map_err(|error| ImportError::Syntax {
            reason: format!("{}: {error}", input.shown),
        })?;
        let dir = input.path.parent().unwrap_or(Path::new("/"));
        let mut gatherer = Gatherer::new(reading.options, &mut reading.ledger, dir);
        top.extend(gatherer.gather(directives, &input.shown, None, ""));
    }
    reading.stack.from_nginx = true;
    reading.stack.has_app |= has_manage_py(reading);
    let mut site = Site::default();
    outside(&top, &mut site, reading);
    server::all(&site, reading);
    Ok(())
}

/// What stands outside of server blocks.
#[derive(Default)]
pub(crate) struct Site<'b> {
    servers: Vec<&'b Block>,
    /// `http`'s own directives, which hold for every server.
    shared: Vec<&'b Block>,
    upstreams: Vec<&'b Block>,
    /// `limit_req_zone`s.
    zones: Vec<&'b Block>,
    /// Locations and the like in a file that is itself included in a server.
    loose: Vec<&'b Block>,
}

fn outside<'b>(blocks: &'b [Block], site: &mut Site<'b>, reading: &mut Reading<'_>) {
    const OF_THE_PROCESS: [&str; 12] = [
        "user",
        "worker_processes",
        "pid",
        "error_log",
        "worker_rlimit_nofile",
        "load_module",
        "daemon",
        "master_process",
        "pcre_jit",
        "worker_cpu_affinity",
        "timer_resolution",
        "env",
    ];
    for block in blocks {
        match block.name.as_str() {
            "http" => outside(&block.inside, site, reading),
            "server" if !block.inside.is_empty() || block.is_block => site.servers.push(block),
            "upstream" => site.upstreams.push(block),
            "limit_req_zone" => site.zones.push(block),
            "location" | "listen" | "server_name" | "root" | "rewrite" => site.loose.push(block),
            "events" => reading
                .ledger
                .taken(block.id, "not needed: Hotclub's front chooses by itself"),
            "stream" | "mail" => reading.ledger.unsupported(
                block.id,
                "only HTTP is served",
                "keep NGINX, or HAProxy, for this",
            ),
            "map" | "geo" | "split_clients" => upgrade_map(block, reading),
            name if OF_THE_PROCESS.contains(&name) => reading
                .ledger
                .taken(block.id, "not needed: it is about NGINX's own processes"),
            _ => site.shared.push(block),
        }
    }
}

/// `map $http_upgrade $connection_upgrade` is in every guide for WebSockets.
fn upgrade_map(block: &Block, reading: &mut Reading<'_>) {
    match block.args.first().map(String::as_str) {
        Some("$http_upgrade") => reading.ledger.taken(block.id, "not needed: WebSockets are passed on without it"),
        _ => reading.ledger.unsupported(
            block.id,
            "variables of the configuration's own have no equal",
            "decide it in the app, or write one [[redirect]], [[access]] or [[proxy]] for each case",
        ),
    }
}

fn has_manage_py(reading: &mut Reading<'_>) -> bool {
    let (shelf, dir) = (reading.options.shelf, reading.options.dir);
    let found = ["", "src", "app", "backend"]
        .iter()
        .any(|sub| shelf.read(&dir.join(sub).join("manage.py")).is_some());
    if !found && !reading.stack.has_app {
        let hint = "say what the app is: name the Compose file or Procfile, too, or --command 'gunicorn …'";
        let said = "no manage.py lies beside hotclub.toml, and no input names an app: what is proxied stays proxied";
        reading
            .ledger
            .note(Fate::Open, "app", said, Some(hint.to_owned()));
    }
    found
}
