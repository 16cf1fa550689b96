//! Where the sites of a server are seen, and all that the household asks of it: to start a site's generation and ask
//! it the first request, to show what stands, to let visitors in and out, and to tell what it counted.
//!
//! The household starts everything else and knows no lane, no table and no thread of the front.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use hotclub_app::{BufferUsage, Buffers, Generation, Place, Spec};
use hotclub_front::{
    Connections, Front, Keyring, Options, Proxy, Site as FrontSite, SiteTotals, Table,
};

use crate::console::{Console, Failure};
use crate::face::Face;
use crate::house::Beginning;
use crate::listeners::Listeners;
use crate::probe::Probe;
use crate::tuning;

/// The front of a household. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Stage(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    front: Front,
    buffers: Arc<Buffers>,
    /// Of the sites as they are shown, by name: what an upstream's health and connections are kept in.
    proxies: Mutex<HashMap<String, Vec<Arc<Proxy>>>>,
}

/// A generation before it is started.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) probe: Option<&'a Probe>,
    /// Takes the whole traceback of an app that cannot be imported.
    pub(crate) traceback: Option<&'a Path>,
}

/// A site that can be shown: everything that it needs was opened.
#[derive(Clone, Debug)]
pub(crate) struct Ready(Arc<FrontSite>);

/// Everything that is shown at once.
#[derive(Debug, Default)]
pub(crate) struct Bill {
    pub(crate) sites: Vec<Ready>,
    /// The name of the site for hosts that are nobody's.
    pub(crate) default: Option<String>,
    /// There is but one site, and it answers for this machine's own names, too.
    pub(crate) is_alone: bool,
}

/// What was counted since the start.
#[derive(Clone, Debug, Default)]
#[expect(dead_code, reason = "told by the control socket, which is being built")]
pub(crate) struct Observed {
    /// By site; under an empty name what belongs to none.
    pub(crate) sites: Vec<(String, SiteTotals)>,
    pub(crate) connections: Connections,
    pub(crate) refused_by_address: u64,
    pub(crate) turned_away: u64,
    pub(crate) buffers: BufferUsage,
}

impl Stage {
    /// A front that shows nothing and lets nobody in yet.
    pub(super) fn open(options: Options) -> Result<Self, Failure> {
        let buffers = Arc::clone(&options.buffers);
        Ok(Self(Arc::new(Inner {
            front: Front::start(options)?,
            buffers,
            proxies: Mutex::default(),
        })))
    }

    /// The account of bodies, for a [`Spec`].
    pub(crate) fn buffers(&self) -> &Arc<Buffers> {
        &self.0.buffers
    }

    /// Where certificates are put.
    pub(super) fn keyring(&self) -> Arc<Keyring> {
        self.0.front.keyring()
    }

    /// Starts a generation and asks it its first request. It serves once it is shown.
    pub(crate) async fn start(
        &self,
        part: Part<'_>,
        console: &Console,
    ) -> Result<Generation, Failure> {
        let beginning = Beginning {
            spec: part.spec,
            probe: part.probe,
            traceback: part.traceback,
            place: &Place::Here(self.0.front.runtimes().to_vec()),
        };
        tuning::start(beginning, console).await
    }

    /// Opens what a site needs to be shown: folders, pages, users, its generation's lanes.
    pub(crate) async fn ready(
        &self,
        face: &Face,
        generation: Option<&Generation>,
    ) -> Result<Ready, Failure> {
        let known = self.known(face.name());
        let site = face.open(generation.map(Generation::lanes), &known)?;
        Ok(Ready(Arc::new(site)))
    }

    /// A site of which nothing can be shown now.
    pub(crate) fn closed(&self, site: &hotclub_config::Site) -> Ready {
        let hosts = site.all_hosts().map(str::to_owned).collect();
        Ready(Arc::new(FrontSite::closed(&*site.name, hosts)))
    }

    /// Requests that come from now on find this and nothing else. Those under way keep what they have.
    pub(crate) fn show(&self, bill: Bill) {
        let sites: Vec<_> = bill.sites.into_iter().map(|Ready(site)| site).collect();
        let proxies = |site: &Arc<FrontSite>| (site.name.clone(), site.proxies().collect());
        let proxies: HashMap<_, Vec<_>> = sites.iter().map(proxies).collect();
        // A site that is closed for now comes back to those that it had.
        self.lock().extend(
            proxies
                .into_iter()
                .filter(|(_, proxies)| !proxies.is_empty()),
        );
        self.lock()
            .retain(|name, _| sites.iter().any(|site| site.name == *name));
        let named = |site: &&Arc<FrontSite>| Some(&site.name) == bill.default.as_ref();
        let default = sites.iter().find(named).cloned();
        let table = Table::new(sites.iter().cloned(), default);
        let table = match (bill.is_alone, sites.into_iter().next()) {
            (true, Some(only)) => table.with_own(only),
            _ => table,
        };
        self.0.front.swap(Arc::new(table));
    }

    /// Lets visitors in.
    pub(super) fn accept(&self, listeners: &Listeners) {
        let listeners = listeners.iter();
        listeners.for_each(|listener| self.0.front.accept(listener));
    }

    /// Lets nobody else in.
    pub(super) fn stop_accepting(&self) {
        self.0.front.stop_accepting();
    }

    /// Opens the access log's file anew, after it was moved away.
    pub(super) fn reopen_log(&self) {
        self.0.front.reopen_log();
    }

    /// Finishes requests under way, and cuts what is left at `deadline`.
    pub(super) async fn drain(&self, deadline: Instant) {
        self.0.front.drain(deadline).await;
    }

    /// What was counted since the start.
    #[expect(
        dead_code,
        reason = "asked by the control socket, which is being built"
    )]
    pub(crate) async fn observe(&self) -> Observed {
        let observer = self.0.front.observer();
        Observed {
            connections: observer.connections().await,
            sites: observer.sites(),
            refused_by_address: observer.refused_by_address(),
            turned_away: observer.turned_away(),
            buffers: self.0.buffers.usage(),
        }
    }

    /// Ends the front at once; the access log is flushed.
    pub(super) async fn end(self) {
        // Its threads are waited for.
        let _ended = tokio::task::spawn_blocking(move || drop(self)).await;
    }

    fn known(&self, site: &str) -> Vec<Arc<Proxy>> {
        self.lock().get(site).cloned().unwrap_or_default()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Vec<Arc<Proxy>>>> {
        let proxies = self.0.proxies.lock();
        proxies.unwrap_or_else(PoisonError::into_inner)
    }
}
