//! The top level: name, hosts, and the sections in the order of the model.

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::reader::{Reader, Section};
use super::{access, app, cache, data, edge, hosts, https, proxy, runtime, web};
use crate::host::Host;
use crate::model::{Compress, Site};
use crate::value::{self, Wrong};
use crate::{defaults, name};

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
    let hosts = hosts::read(reader, &mut top);
    site.hosts = hosts.served;
    site.moved = hosts.moved;
    site.written_hosts = hosts.written;
    if let Some(compress) = reader.get(&mut top, "compress", |v| value::word(v, &COMPRESS)) {
        site.compress = compress;
    }
    site.app = app::app(reader, &mut top);
    site.env = data::env(reader, &mut top);
    site.database = data::database(reader, &mut top);
    let mut mounts = edge::Mounts::default();
    site.files = edge::files(reader, &mut top, &mut mounts);
    site.proxies = proxy::proxies(reader, &mut top, &mut mounts);
    site.pages = web::pages(reader, &mut top, &mut mounts);
    site.redirects = web::redirects(reader, &mut top, &mut mounts);
    site.gate = access::gate(reader, &mut top);
    site.cache = cache::cache(reader, &mut top);
    no_app_left(reader, &site);
    site.processes = app::processes(reader, &mut top);
    site.release = app::release(reader, &mut top);
    site.runtime = runtime::runtime(reader, &mut top);
    data::no_container_without_containers(reader, &site);
    site.limits = edge::limits(reader, &mut top);
    site.log = edge::log(reader, &mut top);
    site.server = edge::server(reader, &mut top, &[defaults::LISTEN]);
    site.https = https::https(reader, &mut top);
    proxy::no_circle(reader, &site);
    reader.end(top);
    site
}

/// A whole site of pages leaves an app nothing to answer.
fn no_app_left(reader: &mut Reader, site: &Site) {
    let at = site
        .proxies
        .iter()
        .position(|proxy| proxy.url.as_str() == "/");
    if let Some(at) = at
        && reader.has("app")
    {
        let message = "`[[proxy]]` at `/` leaves no path for `[app]`".to_owned();
        let hint = "give [[proxy]] a url of its own, such as url = \"/api/\", or remove [app]";
        reader.collision(
            ("app", &format!("proxy.{at}.url")),
            message,
            hint.to_owned(),
        );
    }
    let is_whole = site
        .pages
        .as_ref()
        .is_some_and(|pages| pages.url.as_str() == "/");
    if is_whole && reader.has("app") {
        let message = "`[static]` at `/` leaves no path for `[app]`".to_owned();
        let hint = "give [static] a url of its own, such as url = \"/docs/\", or remove [app]";
        reader.collision(("app", "static"), message, hint.to_owned());
    }
}

/// What `host.toml` says; the places are joined to its folder.
pub(super) fn host(reader: &mut Reader, document: &DeTable<'_>, file: &Path) -> Host {
    const EXAMPLE: &str = "[\"/srv/portfolio\"]";
    let mut top = reader.root(document);
    let places = reader.list(&mut top, "sites", EXAMPLE, |v| value::text(v, EXAMPLE));
    let default = reader.get(&mut top, "default", site_name);
    let limits = edge::limits(reader, &mut top);
    let log = edge::log(reader, &mut top);
    let server = edge::server(reader, &mut top, &defaults::HOST_LISTEN);
    let user = |value: &DeValue<'_>| value::text(value, "\"hotclub-front\"");
    let front_user = reader.get(&mut top, "front_user", user);
    let users = users(reader, &mut top);
    reader.end(top);
    let places = places.unwrap_or_default();
    let dir = reader.dir();
    Host {
        file: file.to_path_buf(),
        places: places.iter().map(|place| dir.join(place)).collect(),
        default,
        limits,
        log,
        server,
        front_user,
        users,
        positions: Default::default(),
        warnings: Default::default(),
    }
}

/// `[users]`: whom the sites' code runs as.
fn users(reader: &mut Reader, top: &mut Section<'_>) -> BTreeMap<String, String> {
    let mut users = BTreeMap::new();
    for (site, _, value) in reader.free_table(top, "users") {
        match value::text(value.get_ref(), "\"alice\"") {
            Ok(user) => drop(users.insert(site, user)),
            Err(wrong) => reader.wrong(&format!("users.{site}"), &site, value.span(), wrong),
        }
    }
    users
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
