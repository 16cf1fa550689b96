//! `hotclub host`: all sites of a server behind one front. And `hotclub up` of a site without an app, which
//! is the same with one site.
//!
//! Under `host` the front is a process of its own (`crate::apart`); under `up` it is a part of this one.

mod ask;
mod deploy;
mod desk;
mod env;
mod household;
mod latency;
mod logs;
mod rollback;
pub(crate) mod stage;
mod status;
mod tenant;
mod unpack;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hotclub_config::{Deployed, Faults, Limits, Listen, Log, Server, Site};
use hotclub_front::Observer;
use rustix::fs::FlockOperation;

use crate::apart;
use crate::cache::Desk as CacheDesk;
use crate::cli::{HostArgs, UpArgs};
use crate::console::{Console, Event, Failure};
use crate::control::{self, Socket};
use crate::listeners::Listeners;
use crate::owner::Owner;
use crate::project::State;
use crate::releases::{self, Home};
use crate::signals::Signals;
use crate::site_file;
use crate::systemd::Systemd;
use crate::{Origin, users};
pub(crate) use latency::Latency;
pub(crate) use status::{SiteStatus, Status, Wrong};

use ask::Asker;
use desk::Desk;
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
    /// `host.toml`, and the folder in which deployed sites are kept, where there can be any.
    Server(PathBuf, Option<PathBuf>),
    /// One site's folder: it answers for this machine's own names, too.
    Site(PathBuf),
}

impl Source {
    pub(crate) fn read(&self, console: &Console) -> Result<Wanted, Failure> {
        match self {
            Self::Server(file, state) => read(file, state.as_deref(), None, console),
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

/// Reads `host.toml`, all that it names, and the live releases of `state`, of which `candidate` takes its site's
/// place; every fault is said at once.
pub(crate) fn read(
    file: &Path,
    state: Option<&Path>,
    candidate: Option<Deployed>,
    console: &Console,
) -> Result<Wanted, Failure> {
    let file = std::path::absolute(file)?;
    let mut deployed = state.map(releases::deployed).transpose()?;
    if let (Some(deployed), Some(candidate)) = (&mut deployed, candidate) {
        deployed.retain(|other| other.name != candidate.name);
        deployed.push(candidate);
    }
    let read = hotclub_config::load_host(&file, deployed.as_deref());
    let mut read = read.map_err(|faults| faults_of(&faults))?;
    let mut found = Faults::default();
    for site in &mut read.sites {
        let own = state.map(|state| Home::of(state, &site.name).env_file());
        let laid = own.map_or(Ok(()), |own| hotclub_config::lay_over(site, &own));
        found.extend(laid.err().unwrap_or_default());
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
    std::fs::create_dir_all(&args.state)?;
    let state = args.state.canonicalize()?;
    let source = Source::Server(std::path::absolute(&args.config)?, Some(state.clone()));
    let wanted = source.read(console)?;
    let apart = Separation {
        user: users::of_front(wanted.front_user.as_deref())?,
        can_mount: origin.can_mount,
    };
    let _lock = alone_with(&state)?;
    let socket = args.control.clone();
    let socket = socket.unwrap_or_else(|| control::socket_of(&state));
    let socket = Socket::open(&socket, args.control_group.as_deref())?;
    let (asker, asks) = Asker::new();
    let visits = Arc::default();
    let desk = Desk::new(asker, (&source, state.as_path()), &visits, console);
    let opening = Opening {
        source,
        listeners: listeners(&args.listen, &wanted, systemd)?,
        log: crate::up::access_log(&wanted.log, args.json)?,
        visits,
        state,
        apart: Some(apart),
        asks,
    };
    // What is asked ends with those who answer.
    let _asked = AbortOnDrop(tokio::spawn(control::serve(socket, Arc::new(desk))));
    serve(opening, wanted, None, console, systemd).await
}

/// A task that ends with us.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One host at a time keeps its sites in a folder; the kernel's lock, released by a crash.
fn alone_with(state: &Path) -> Result<File, Failure> {
    let path = state.join("host.lock");
    let opened = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)?;
    let locked = rustix::fs::flock(&opened, FlockOperation::NonBlockingLockExclusive);
    locked.map_err(|_taken| {
        Failure::new(format!(
            "another host keeps its sites in {}",
            state.display()
        ))
        .hint("stop that one, or give this one a folder of its own with --state")
    })?;
    Ok(opened)
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
    let desk = site.cache.enabled.then(|| DeskOf {
        folder: State::folder_without_app(&site),
        site: site.name.clone(),
    });
    let wanted = only(site);
    let listeners = listeners(&args.listen, &wanted, systemd)?;
    owner.become_them()?;
    // For bodies on their way to another server; gone with us.
    let state = tempfile::Builder::new().prefix("hotclub-").tempdir()?;
    let opening = Opening {
        source,
        listeners,
        log: crate::up::access_log(&wanted.log, args.json)?,
        visits: Arc::default(),
        state: state.path().to_owned(),
        apart: None,
        // Nobody asks.
        asks: Asker::new().1,
    };
    serve(opening, wanted, desk, console, systemd).await
}

/// Where `hotclub cache` is answered.
struct DeskOf {
    folder: PathBuf,
    site: String,
}

impl DeskOf {
    fn open(self, front: Observer) -> Result<CacheDesk, Failure> {
        std::fs::create_dir_all(&self.folder)?;
        CacheDesk::open(&self.folder, &self.site, front)
    }
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
    desk: Option<DeskOf>,
    console: &Console,
    systemd: &Systemd,
) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let household = Household::open(opening, wanted, console, systemd).await?;
    let desk = desk.zip(household.observer());
    let _desk = desk.map(|(desk, front)| desk.open(front)).transpose()?;
    household.run(&mut signals).await;
    console.event(&Event::Stopped, "stopped");
    Ok(())
}
