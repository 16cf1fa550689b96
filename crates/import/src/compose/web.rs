//! A web server in the Compose file, and what gets its certificates: Hotclub's front takes their place.

use std::path::PathBuf;

use super::app::volume;
use super::service::Service;
use crate::stack::Mount;
use crate::{Reading, shelf};

pub(super) fn read(service: &Service<'_>, reading: &mut Reading<'_>) {
    reading
        .ledger
        .taken(service.leaf.id, "the web server is Hotclub's front");
    let volumes = service.leaf.get("volumes");
    let mut configs = Vec::new();
    for entry in volumes.iter().flat_map(|leaf| leaf.list()) {
        let Some((source, target)) = volume(entry) else {
            continue;
        };
        if !source.starts_with(['.', '/']) {
            continue;
        }
        let host = shelf::joined(service.dir, source);
        if target.contains("/etc/nginx") {
            configs.push(shelf::relative(reading.options.dir, &host));
        }
        reading.stack.mounts.push(Mount {
            host,
            target: PathBuf::from(target),
        });
    }
    let is_nginx = service
        .leaf
        .text_of("image")
        .is_some_and(|image| image.contains("nginx"))
        || service.leaf.get("build").is_some();
    let hint = match (configs.is_empty(), is_nginx) {
        (false, _) => format!(
            "name it, too, unless it is named: hotclub import … {}",
            configs.join(" ")
        ),
        (true, true) => "name its configuration, too: hotclub import … nginx.conf".to_owned(),
        (true, false) => {
            "write its rules into hotclub.toml: hosts, [[redirect]], [[proxy]], [headers]"
                .to_owned()
        }
    };
    reading.ledger.open(
        service.leaf.id,
        "its configuration is a file of its own",
        hint,
    );
    let ports = service.leaf.get("ports");
    for port in ports.iter().flat_map(|leaf| leaf.texts()) {
        if let Some((published, inside)) = port
            .split('/')
            .next()
            .and_then(|port| port.rsplit_once(':'))
        {
            let number = published.rsplit(':').next().unwrap_or(published);
            reading
                .stack
                .web_ports
                .push((number.to_owned(), inside.to_owned()));
        }
    }
}

pub(super) fn certificates(service: &Service<'_>, reading: &mut Reading<'_>) {
    reading.ledger.taken(
        service.leaf.id,
        "certificates are ordered and renewed by Hotclub, for `hosts`, where [server] listen has an https:// address",
    );
}
