//! `hotclub host`: all sites of a server behind one front. And `hotclub up` of a site without an app, which
//! is the same with one site.
//!
//! Under `host` the front is a process of its own (`crate::apart`); under `up` it is a part of this one.

mod household;
pub(crate) mod stage;
mod tenant;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hotclub_config::{Faults, Limits, Listen, Log, Server, Site};

use crate::apart;
use crate::cli::{HostArgs, UpArgs};
use crate::console::{Console, Event, Failure};
use crate::listeners::Listeners;
use crate::owner::Owner;
use crate::signals::Signals;
use crate::site_file;
use crate::systemd::Systemd;
use crate::{Origin, users};
use household::{Household, Opening, Separation};

/// What is to be served, as the files say now.
pub(crate) struct Wanted {
    pub(crate) sites: Vec<Arc<Site>>,
    /// The site for hosts that are nobody's.
    pub(crate) default: Option<String>,
    pub(crate) limits: Limits,
    pub(crate) log: Log,
    pub(crate) server: Server,
    /// Whom the front runs as.
    pub(crate) front_user: Option<String>,
    /// Whom the sites' code runs as, by their names.
    pub(crate) users: BTreeMap<String, String>,
}

/// Where that is written.
pub(crate) enum Source {
    /// `host.toml`.
    Server(PathBuf),
    /// One site's folder: it answers for this machine's own names, too.
    Site(PathBuf),
}

impl Source {
    pub(crate) fn read(&self, console: &Console) -> Result<Wanted, Failure> {
        match self {
            Self::Server(file) => read(file, console),
            Self::Site(dir) => site_file::load(dir, console).map(only),
        }
    }
}

fn only(site: Site) -> Wanted {
    let answers_everybody = site.all_hosts().next().is_none();
    Wanted {
        default: answers_everybody.then(|| site.name.clone()),
        limits: site.limits.clone(),
        log: site.log.clone(),
        server: site.server.clone(),
        front_user: None,
        users: BTreeMap::new(),
        sites: vec![Arc::new(site)],
    }
}

/// Reads `host.toml` and all that it names; every fault is said at once.
pub(crate) fn read(file: &Path, console: &Console) -> Result<Wanted, Failure> {
    let file = std::path::absolute(file)?;
    let read = hotclub_config::load_host(&file).map_err(|faults| faults_of(&faults))?;
    let mut found = Faults::default();
    for site in &read.sites {
        found.extend(site_file::faults(site));
    }
    if !found.is_empty() {
        return Err(faults_of(&found));
    }
    if !read.warnings.is_empty() {
        console.doubts(&read.warnings.to_string());
    }
    Ok(Wanted {
        sites: read.sites.into_iter().map(Arc::new).collect(),
        default: read.host.default,
        limits: read.host.limits,
        log: read.host.log,
        server: read.host.server,
        front_user: read.host.front_user,
        users: read.host.users,
    })
}

fn faults_of(faults: &Faults) -> Failure {
    let files = "host.toml, or a file that it names, is not as it should be";
    Failure::new(files).detail(faults.to_string())
}

/// Keeps to itself, as somebody who holds all sites' secrets should: nobody else of our user may look into our
/// memory, and what we mount nobody else sees. Whether that can be done is returned. To be called while there is but
/// one thread.
pub(crate) fn withdraw() -> bool {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    // It cannot fail with this argument.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    rustix::process::geteuid().is_root() && apart::withdraw().is_ok()
}

pub(crate) async fn run(
    args: &HostArgs,
    console: &Console,
    origin: &Origin,
) -> Result<(), Failure> {
    let systemd = &origin.systemd;
    let source = Source::Server(std::path::absolute(&args.config)?);
    let wanted = source.read(console)?;
    let state = std::path::absolute(&args.state)?;
    let apart = Separation {
        user: users::of_front(wanted.front_user.as_deref())?,
        can_mount: origin.can_mount,
    };
    let opening = Opening {
        source,
        listeners: listeners(&args.listen, &wanted, systemd)?,
        log: crate::up::access_log(&wanted.log, args.json)?,
        state,
        apart: Some(apart),
    };
    serve(opening, wanted, console, systemd).await
}

/// `hotclub up` of a site without an app.
pub(crate) async fn alone(
    site: Site,
    args: &UpArgs,
    console: &Console,
    systemd: &Systemd,
    owner: &Owner,
) -> Result<(), Failure> {
    let source = Source::Site(site.dir.clone());
    let wanted = only(site);
    let listeners = listeners(&args.listen, &wanted, systemd)?;
    owner.become_them()?;
    // For bodies on their way to another server; gone with us.
    let state = tempfile::Builder::new().prefix("hotclub-").tempdir()?;
    let opening = Opening {
        source,
        listeners,
        log: crate::up::access_log(&wanted.log, args.json)?,
        state: state.path().to_owned(),
        apart: None,
    };
    serve(opening, wanted, console, systemd).await
}

fn listeners(wished: &[Listen], wanted: &Wanted, systemd: &Systemd) -> Result<Listeners, Failure> {
    let addresses = match wished.is_empty() {
        true => &wanted.server.listen,
        false => wished,
    };
    Listeners::activated_or_open(systemd, addresses, "--listen")
}

async fn serve(
    opening: Opening,
    wanted: Wanted,
    console: &Console,
    systemd: &Systemd,
) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let household = Household::open(opening, wanted, console, systemd).await?;
    household.run(&mut signals).await;
    console.event(&Event::Stopped, "stopped");
    Ok(())
}
