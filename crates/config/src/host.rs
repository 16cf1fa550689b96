//! `host.toml` and all sites that it names, read together: a host may be only one site's, and so may a name.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::fault::{Fault, Faults, Positions};
use crate::load::{lone, read, with_env_files};
use crate::model::{Limits, Log, Server, Site};
use crate::{FILE_NAME, read as reading};

/// The file of a server.
pub const HOST_FILE: &str = "/etc/hotclub/host.toml";

/// What `host.toml` says.
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    pub file: PathBuf,
    /// Folders with a `hotclub.toml`, as they are written; in the order of the file, or of the names.
    pub places: Vec<PathBuf>,
    /// The site that answers for hosts that are nobody's.
    pub default: Option<String>,
    pub limits: Limits,
    pub log: Log,
    pub server: Server,
    /// Whom the front runs as; `None`: a user of that purpose, if there is one.
    pub front_user: Option<String>,
    /// Whom the sites' code runs as, by their names; those that are not there run as the owners of their folders.
    pub users: BTreeMap<String, String>,
    pub(crate) positions: Positions,
    pub(crate) warnings: Faults,
}

/// A server's sites with their faults, which are all found before one is said.
#[derive(Debug, Clone, PartialEq)]
pub struct Household {
    pub host: Host,
    pub sites: Vec<Site>,
    pub warnings: Faults,
}

/// A site whose folder the host keeps itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// Whatever its file says.
    pub name: String,
    pub dir: PathBuf,
}

/// Reads `host.toml`, each site's file, and the env files that those name. `deployed`: sites besides those; `None`:
/// there can be none, and a file that leads to no site is a fault.
///
/// # Errors
/// Everything that is wrong in any of them, and between them.
pub fn load_host(file: &Path, deployed: Option<&[Deployed]>) -> Result<Household, Faults> {
    let text = read(file).map_err(|error| lone(unreadable(file, &error)))?;
    let mut host = reading::host(&text, file)?;
    let mut found = std::mem::take(&mut host.warnings);
    if !host.positions.contains("sites") {
        match beside(file, deployed.is_some()) {
            Ok(places) => host.places = places,
            Err(fault) => found.push(fault),
        }
    }
    let mut sites = Vec::with_capacity(host.places.len());
    for (at, place) in host.places.iter().enumerate() {
        match site(&host, at, place) {
            Ok(mut site) => {
                found.extend(std::mem::take(&mut site.warnings));
                sites.push(site);
            }
            Err(faults) => found.extend(faults),
        }
    }
    for deployed in deployed.unwrap_or_default() {
        match crate::load(&deployed.dir) {
            Ok(mut site) => {
                site.name.clone_from(&deployed.name);
                found.extend(std::mem::take(&mut site.warnings));
                sites.push(site);
            }
            Err(faults) => found.extend(faults),
        }
    }
    collisions(&host, &sites, &mut found);
    // Where sites can be deployed, one that is named may come later.
    if deployed.is_none() {
        names(&host, &sites, &mut found);
    }
    let warnings = found.split()?;
    Ok(Household {
        host,
        sites,
        warnings,
    })
}

/// The folders in `sites/` beside the file, links to folders included.
fn beside(file: &Path, may_be_none: bool) -> Result<Vec<PathBuf>, Fault> {
    let folder = file.parent().unwrap_or(Path::new("")).join("sites");
    let listed = match std::fs::read_dir(&folder) {
        Ok(listed) => listed,
        Err(error) if may_be_none && error.kind() == io::ErrorKind::NotFound => {
            return Ok(Vec::new());
        }
        Err(error) => {
            let message = format!("{} cannot be read: {error}", folder.display());
            let hint = "name the sites in host.toml: sites = [\"/srv/portfolio\"], or link their folders there";
            return Err(Fault::without_place(message).hint(hint));
        }
    };
    let visible = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !name.starts_with('.') && path.is_dir()
    };
    let mut places: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).collect();
    places.retain(visible);
    places.sort();
    Ok(places)
}

fn site(host: &Host, at: usize, place: &Path) -> Result<Site, Faults> {
    let key = format!("sites.{at}");
    let (dir, file) = match place.file_name().is_some_and(|name| name == FILE_NAME) {
        true => (place.parent().unwrap_or(place), place.to_path_buf()),
        false => (place, place.join(FILE_NAME)),
    };
    if !dir.is_dir() {
        let message = format!("there is no folder {}", dir.display());
        let hint = "correct the path; it starts at host.toml's folder";
        return Err(lone(host.positions.fault(&key, message).hint(hint)));
    }
    let text = read(&file).map_err(|error| {
        let message = format!("{} cannot be read: {error}", file.display());
        let fault = host.positions.fault(&key, message);
        lone(match error.kind() {
            io::ErrorKind::NotFound => fault.hint("a site on a host has at least `hosts` there"),
            _ => fault,
        })
    })?;
    with_env_files(crate::parse(&text, &file)?)
}

/// What only all files together show.
fn collisions(host: &Host, sites: &[Site], found: &mut Faults) {
    for (at, site) in sites.iter().enumerate() {
        for earlier in &sites[..at] {
            same_name(earlier, site, found);
            same_hosts(earlier, site, found);
        }
        let is_default = host.default.as_deref() == Some(&site.name);
        if site.hosts.is_empty() && !is_default {
            let message = format!(
                "the site `{}` has no `hosts`: nobody could reach it",
                site.name
            );
            let fault = site.fault_at("name", message);
            let file = site.dir.join(FILE_NAME);
            let hint = format!("add hosts = [\"example.com\"] to {}", file.display());
            found.push(fault.hint(hint));
        }
    }
}

/// That the sites that `host.toml` names are there.
fn names(host: &Host, sites: &[Site], found: &mut Faults) {
    for name in host.users.keys() {
        if !sites.iter().any(|site| site.name == *name) {
            let key = format!("users.{name}");
            let message = format!("no site is called `{name}`");
            found.push(host.positions.fault(&key, message));
        }
    }
    let named = |name: &String| sites.iter().any(|site| site.name == *name);
    if let Some(default) = host.default.as_ref().filter(|name| !named(name)) {
        let names: Vec<&str> = sites.iter().map(|site| site.name.as_str()).collect();
        let fault = host
            .positions
            .fault("default", format!("no site is called `{default}`"));
        found.push(fault.hint(format!("the sites here are {}", names.join(", "))));
    }
}

fn same_name(earlier: &Site, site: &Site, found: &mut Faults) {
    if earlier.name != site.name {
        return;
    }
    let message = format!(
        "two sites are called `{}`: {} and {}",
        site.name,
        earlier.dir.display(),
        site.dir.display()
    );
    let fault = site.fault_at("name", message);
    let fault = fault.and_there(&earlier.positions, "name", "the other is here");
    found.push(fault.hint("give one of them another `name`: state, database and logs go by it"));
}

fn same_hosts(earlier: &Site, site: &Site, found: &mut Faults) {
    for host in site.all_hosts() {
        if !earlier.all_hosts().any(|other| other == host) {
            continue;
        }
        let message = format!(
            "the host `{}` is that of two sites: {} and {}",
            crate::shown_host(host),
            earlier.name,
            site.name
        );
        let fault = site.fault_at(&site.place_of_host(host), message);
        let there = earlier.place_of_host(host);
        let fault = fault.and_there(&earlier.positions, &there, "the other is here");
        found.push(fault.hint("remove it from one of them"));
    }
}

fn unreadable(file: &Path, error: &io::Error) -> Fault {
    let fault = Fault::without_place(format!("{} cannot be read: {error}", file.display()));
    match error.kind() {
        io::ErrorKind::NotFound => {
            fault.hint("name the file with --config, or write one: sites = [\"/srv/portfolio\"]")
        }
        _ => fault,
    }
}
