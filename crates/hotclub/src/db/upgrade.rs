//! `hotclub db upgrade`, and the way back: while nothing runs on the data. A host that serves the site lets it down for
//! the time, and raises it again whatever becomes of us.

use std::path::{Path, PathBuf};

use hotclub_postgres::backup::{Report, Store};
use hotclub_postgres::upgrade::{self, Before, Plan};
use hotclub_postgres::{Cluster, Error, Options};

use super::holdings::{self, find};
use crate::cli::{AtHost, DbUpgradeArgs, OldArgs};
use crate::console::{Console, Failure};
use crate::control::{Client, Request, socket_of};
use crate::project::learnt;
use crate::project::{Project, State, is_contained};
use crate::releases::Release;
use crate::signals::Signals;
use crate::up::database::cluster_of;
use crate::up::release;

/// A site on a cluster of its own, which nobody serves from now.
struct Held {
    project: Project,
    state: State,
    store: Store,
    /// The host that waits for us.
    host: Option<Client>,
}

pub(super) async fn run(args: &DbUpgradeArgs, console: &Console) -> Result<(), Failure> {
    let to = args.to;
    let before = held(&args.dir, &args.host, console, async |held, report| {
        held.allows(to)?;
        let plan = Plan {
            options: options(&held.project, &held.state)?,
            to,
            site: &held.project.site.name,
            wait: held.project.site.database.wait,
        };
        let upgraded = upgrade::upgrade(&plan, &held.store, report).await;
        let before = upgraded.map_err(|error| super::failure(&error))?;
        let keep = held.project.site.database.backup.keep;
        let pruned = held.store.prune(keep as usize);
        pruned.map_err(|error| super::failure(&error))?;
        Ok(before)
    });
    let before = before.await?;
    let from = before.major;
    console.done(&format!("PostgreSQL {to} is live, in place of {from}"));
    kept(&args.dir, console);
    Ok(())
}

/// Goes back to what an upgrade put aside.
pub(super) async fn undo(args: &OldArgs, console: &Console) -> Result<(), Failure> {
    let stamp = args.when.as_deref();
    let before = held(&args.dir, &args.host, console, async |held, report| {
        let wanted = |before: &&Before| stamp.is_none_or(|stamp| before.stamp == stamp);
        if let Some(before) = aside(&held.state).iter().find(wanted) {
            held.allows(before.major)?;
        }
        let options = options(&held.project, &held.state)?;
        let back = upgrade::back(&options, &held.store, stamp, report).await;
        let before = back.map_err(|error| super::failure(&error))?;
        // Its rows are older: what is newer migrates again.
        let _ = std::fs::remove_file(release::file(&held.state));
        Ok(before)
    });
    let major = before.await?.major;
    console.done(&format!(
        "what was before is live; what PostgreSQL {major} held is put aside"
    ));
    kept(&args.dir, console);
    Ok(())
}

fn kept(dir: &Path, console: &Console) {
    let dir = dir.display();
    console.note(&format!(
        "what was live before is kept: `hotclub db undo {dir}` goes back, `hotclub db drop-old {dir}` drops it"
    ));
}

/// What upgrades of a project's cluster have put aside, the newest first.
pub(super) fn aside(state: &State) -> Vec<Before> {
    upgrade::kept(&state.dir.join("postgres"))
}

/// Drops it: all, or the one of a stamp.
pub(super) fn drop_aside(state: &State, stamp: Option<&str>) -> Result<usize, Failure> {
    let gone = upgrade::drop_kept(&state.dir.join("postgres"), stamp);
    Ok(gone.map_err(|error| super::failure(&error))?.len())
}

async fn held(
    dir: &Path,
    at: &AtHost,
    console: &Console,
    work: impl AsyncFnOnce(&Held, Report<'_>) -> Result<Before, Failure>,
) -> Result<Before, Failure> {
    console.begin("database");
    let mut signals = Signals::listen()?;
    let mut held = Held::take(dir, at, console).await?;
    let report = |message: &str| console.progress(message);
    let outcome = tokio::select! {
        outcome = work(&held, &report) => outcome,
        _ = signals.stop() => Err(Failure::new("interrupted")
            .hint("the next start clears away what is left over; the data are what they were")),
    };
    let up_again = held.let_go(console).await;
    let before = outcome?;
    up_again?;
    Ok(before)
}

impl Held {
    async fn take(dir: &Path, at: &AtHost, console: &Console) -> Result<Self, Failure> {
        let (project, state) = find(dir, console)?;
        if is_contained(&project.site) {
            return Err(Failure::new("a PostgreSQL in a container is not upgraded by this command").hint(
                "make a backup, name another `version` and another `volume` under [database], start, and `hotclub db import` its dump",
            ));
        }
        let is_managed = learnt::last(&state).is_some_and(|learnt| learnt.managed);
        if !is_managed {
            return Err(Failure::new("this site has no PostgreSQL of Hotclub's own")
                .hint("start it once (hotclub up), or upgrade its database where it runs"));
        }
        let store =
            Store::open(&holdings::folder(&state)).map_err(|error| super::failure(&error))?;
        let host = match is_in_use(&project, &state).await? {
            true => Some(ask_to_hold(&project, at, console).await?),
            false => None,
        };
        Ok(Self {
            project,
            state,
            store,
            host,
        })
    }

    /// A version that the site's file insists on must be the one that comes, or the next start would refuse the data.
    fn allows(&self, to: u32) -> Result<(), Failure> {
        match self.project.site.database.version {
            Some(pinned) if pinned != to => Err(Failure::new(format!(
                "hotclub.toml says version = {pinned}, and the data are to become PostgreSQL {to}'s"
            ))
            .hint(
                "leave `version` out of [database] (data keep their version without it), let the site have that \
                 (reload or deploy), then try again",
            )),
            _ => Ok(()),
        }
    }

    /// The host raises the site again.
    async fn let_go(&mut self, console: &Console) -> Result<(), Failure> {
        let Some(mut host) = self.host.take() else {
            return Ok(());
        };
        console.progress("waiting for the site to serve again");
        host.say(&serde_json::json!({})).await?;
        host.answer(console).await.map(drop)
    }
}

/// The cluster, of whatever version it is.
fn options(project: &Project, state: &State) -> Result<Options, Failure> {
    Ok(Options {
        version: None,
        ..cluster_of(project, state)?
    })
}

/// Whether somebody runs the cluster just now.
async fn is_in_use(project: &Project, state: &State) -> Result<bool, Failure> {
    let options = options(project, state)?;
    if Cluster::is_new(&options.dir) {
        return Ok(false);
    }
    match Cluster::prepare(options).await {
        Ok(_) => Ok(false),
        Err(Error::Locked { .. }) => Ok(true),
        Err(error) => Err(super::failure(&error)),
    }
}

async fn ask_to_hold(project: &Project, at: &AtHost, console: &Console) -> Result<Client, Failure> {
    let socket = socket(project, at);
    let mut client = Client::connect(&socket).await.map_err(|failure| {
        let message = format!(
            "the site is being served, and its host cannot be asked to let it down: {}",
            failure.message
        );
        Failure::new(message)
            .hint("end the `hotclub up` that serves it, or name the host's socket with --control")
    })?;
    console.progress("the host lets the site down for the time");
    let site = project.site.name.clone();
    client.say(&Request::Hold { site }.asked()).await?;
    client.wanted(console).await?;
    Ok(client)
}

fn socket(project: &Project, at: &AtHost) -> PathBuf {
    if let Some(control) = &at.control {
        return control.clone();
    }
    let home = Release::around(&project.found.root).and_then(|release| release.home());
    let state = home.and_then(|home| Some(home.dir().parent()?.parent()?.to_owned()));
    state.map_or_else(|| crate::control::SOCKET.into(), |state| socket_of(&state))
}
