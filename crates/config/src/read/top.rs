//! The top level: name, hosts, and the sections in the order of the model.

use toml::de::{DeTable, DeValue};

use super::reader::{Reader, Section};
use super::{app, data, edge, proxy};
use crate::model::{Compress, Site};
use crate::name;
use crate::value::{self, Wrong};

const COMPRESS: [(&str, Compress); 3] = [
    ("safe", Compress::Safe),
    ("always", Compress::Always),
    ("off", Compress::Off),
];

pub(super) fn read(reader: &mut Reader, document: &DeTable<'_>) -> Site {
    let mut top = reader.root(document);
    let mut site = Site::detected(reader.dir());
    if let Some(name) = reader.get(&mut top, "name", site_name) {
        site.name = name;
    }
    site.hosts = hosts(reader, &mut top);
    if let Some(compress) = reader.get(&mut top, "compress", |v| value::word(v, &COMPRESS)) {
        site.compress = compress;
    }
    site.app = app::app(reader, &mut top);
    site.env = data::env(reader, &mut top);
    site.database = data::database(reader, &mut top);
    let mut mounts = edge::Mounts::default();
    site.files = edge::files(reader, &mut top, &mut mounts);
    site.proxies = proxy::proxies(reader, &mut top, &mut mounts);
    site.processes = app::processes(reader, &mut top);
    site.release = app::release(reader, &mut top);
    site.runtime = app::runtime(reader, &mut top);
    site.limits = edge::limits(reader, &mut top);
    site.log = edge::log(reader, &mut top);
    site.server = edge::server(reader, &mut top);
    reader.end(top);
    site
}

/// A name of a site or a process.
pub(super) fn site_name(value: &DeValue<'_>) -> Result<String, Wrong> {
    let text = value::text(value, "\"portfolio\"")?;
    if name::is_name(&text) {
        return Ok(text);
    }
    let nearest = name::nearest_name(&text).unwrap_or_else(|| "portfolio".to_owned());
    let expected = "a name of small letters, digits, `-` and `_`, at most 63";
    Err(Wrong::value(expected, "this is no such name").example(value::quoted(&nearest)))
}

fn hosts(reader: &mut Reader, top: &mut Section<'_>) -> Vec<String> {
    let hosts = reader
        .list(top, "hosts", "[\"example.com\"]", host)
        .unwrap_or_default();
    for (at, host) in hosts.iter().enumerate() {
        if let Some(first) = hosts[..at].iter().position(|earlier| earlier == host) {
            let keys = (format!("hosts.{first}"), format!("hosts.{at}"));
            let message = format!("the host `{host}` is named twice");
            reader.collision((&keys.0, &keys.1), message, "remove one of them".to_owned());
        }
    }
    hosts
}

fn host(value: &DeValue<'_>) -> Result<String, Wrong> {
    let text = value::text(value, "[\"example.com\"]")?;
    match name::host_problem(&text) {
        None => Ok(text.to_ascii_lowercase()),
        Some(problem) => {
            Err(Wrong::value("a host name", problem)
                .example("[\"example.com\", \"*.example.com\"]"))
        }
    }
}
