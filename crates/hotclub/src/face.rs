//! What visitors see of a site beside its app: hosts, folders, pages, proxies, redirects. From the configuration to
//! what the front is given.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hotclub_app::Lane;
use hotclub_config::{Fault, RedirectFrom, RuntimeKind, Site, Static, Upstream};
use hotclub_django::find::{self, FindError};
use hotclub_front::files::{FileMount, MountKind, MountOptions, PageRules, Pages};
use hotclub_front::{
    AppRoute, Dress, Gate, GateFault, Mount, NamedFiles, Proxy, Redirect, Site as FrontSite, Table,
};

use serde::{Deserialize, Serialize};

use crate::console::Failure;
use crate::https;
use crate::own_log::OwnLog;
use crate::up::site::{self, Folder};

/// The file in a site's state folder that closes the site.
const MAINTENANCE: &str = "maintenance";

/// A site without its app, before its folders are opened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Face {
    site: Arc<Site>,
    /// Bytes of a body, where the site's file says so.
    max_body: Option<u64>,
    folders: Vec<Folder>,
    /// Where a file called `maintenance` closes the site.
    state: Option<PathBuf>,
    /// Opened by the supervisor.
    #[serde(skip)]
    log: Option<OwnLog>,
}

impl Face {
    /// With the folders that the file names, and of those that were `detected` what these do not replace.
    pub(crate) fn new(site: Arc<Site>, detected: Vec<Folder>) -> Result<Self, Failure> {
        let folders = site::folders(&site, detected)?;
        let max_body = site.sets("limits.max_body").then_some(site.limits.max_body);
        Ok(Self {
            site,
            max_body,
            folders,
            state: None,
            log: None,
        })
    }

    /// The site's name.
    pub(crate) fn name(&self) -> &str {
        &self.site.name
    }

    /// What lies in this folder can close the site.
    pub(crate) fn kept_in(mut self, state: &Path) -> Self {
        self.state = Some(state.to_owned());
        self
    }

    /// Its requests are written there, and not in the host's log.
    pub(crate) fn logged(mut self, log: Option<OwnLog>) -> Self {
        self.log = log;
        self
    }

    pub(crate) fn log(&self) -> Option<&OwnLog> {
        self.log.as_ref()
    }

    /// Everything that it opens, or that those open that it is made of.
    pub(crate) fn sees(&self) -> Vec<PathBuf> {
        let site = &self.site;
        let gate = &site.gate;
        let upstreams = site.proxies.iter().flat_map(|proxy| {
            let sockets = proxy.to.iter().filter_map(|to| match to {
                Upstream::Unix(path) => Some(path),
                Upstream::Http { .. } | Upstream::Https { .. } => None,
            });
            sockets.chain(&proxy.ca)
        });
        let folders = self.folders.iter().map(Folder::path);
        let pages = site.pages.iter().map(|pages| &pages.root);
        let users = gate.access.iter().filter_map(|rule| rule.users.as_ref());
        let errors = gate.errors.values().chain(&gate.maintenance.page);
        let all = upstreams.chain(folders).chain(pages).chain(users);
        let flag = self.state.iter().map(|state| state.join(MAINTENANCE));
        all.chain(errors).cloned().chain(flag).collect()
    }

    /// Opens the folders and puts everything in its place. Of the proxies that are `known` those stay that are as
    /// the file says: their health and connections outlive a reload.
    pub(crate) fn open(
        &self,
        lanes: Option<Vec<Lane>>,
        known: &[Arc<Proxy>],
    ) -> Result<FrontSite, Failure> {
        let site = &self.site;
        let app = lanes.map(|lanes| AppRoute {
            lanes,
            retry: site.app.retry,
            named_files: NamedFiles::Serve,
        });
        let proxy = |config: &hotclub_config::Proxy| {
            let known = known.iter().find(|proxy| proxy.is_of(config)).cloned();
            known.map_or_else(|| opened(config), Ok)
        };
        let proxies = site.proxies.iter().map(proxy);
        let mut mounts = proxies
            .map(|proxy| proxy.map(Mount::proxy))
            .collect::<Result<Vec<Mount>, Failure>>()?;
        for folder in &self.folders {
            mounts.push(folder.open()?);
        }
        if let Some(pages) = &site.pages {
            mounts.push(open_pages(pages)?);
        }
        let mut exact = Vec::new();
        for redirect in &site.redirects {
            let to = Redirect::new(redirect.status, &redirect.to);
            match &redirect.from {
                RedirectFrom::Exact(path) => exact.push((path.clone(), to)),
                RedirectFrom::Below(url) => mounts.push(Mount::redirect(url.as_str(), to)),
            }
        }
        let moved = site
            .moved
            .iter()
            .map(|(from, to)| (from.clone(), to.clone()));
        let made = FrontSite::new(&*site.name, site.hosts.clone(), mounts, app);
        let (gate, dress) = self.guards()?;
        let made = made.moving(moved).redirecting(exact).guarded(gate, dress);
        let made = made.over_https(https::rules(&site.https));
        Ok(made.compressing(site.compress).keeping(&site.cache))
    }

    fn guards(&self) -> Result<(Option<Gate>, Option<Dress>), Failure> {
        let site = &self.site;
        let opened = guards(&site.gate, self.state.as_deref(), self.max_body);
        let (gate, dress) = opened.map_err(|faults| {
            let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
            Failure::new(texts.join("\n"))
        })?;
        let gate = Some(gate).filter(|gate| !gate.is_open());
        Ok((gate, Some(dress).filter(|dress| !dress.is_plain())))
    }
}

/// Reads all files that access rules and error pages name; says all that cannot be.
pub(crate) fn guards(
    wanted: &hotclub_config::Gate,
    state: Option<&Path>,
    max_body: Option<u64>,
) -> Result<(Gate, Dress), Vec<GateFault>> {
    match (Gate::open(wanted, state, max_body), Dress::open(wanted)) {
        (Ok(gate), Ok(dress)) => Ok((gate, dress)),
        (gate, dress) => {
            let faults = gate.err().into_iter().chain(dress.err());
            Err(faults.flatten().collect())
        }
    }
}

fn opened(config: &hotclub_config::Proxy) -> Result<Arc<Proxy>, Failure> {
    Proxy::new(config.clone()).map(Arc::new).map_err(|error| {
        Failure::new(format!("[[proxy]] {}: {error}", config.url)).hint(error.hint())
    })
}

/// What cannot be used to believe other servers over https.
pub(crate) fn proxy_faults(site: &Site) -> Vec<Fault> {
    let fault = |(at, config): (usize, &hotclub_config::Proxy)| {
        let error = Proxy::new(config.clone()).err()?;
        let key = format!("proxy.{at}.{}", error.key());
        Some(site.fault_at(&key, error.to_string()).hint(error.hint()))
    };
    site.proxies.iter().enumerate().filter_map(fault).collect()
}

fn open_pages(pages: &Static) -> Result<Mount, Failure> {
    let mut options = MountOptions::new(MountKind::Static);
    options.cache_control.clone_from(&pages.cache);
    let url = &pages.url;
    let files = FileMount::open(&pages.root, options)
        .map_err(|error| Failure::new(format!("[static] {url}: {error}")))?;
    let rules = PageRules {
        pages: true,
        listing: pages.index,
        fallback: pages.fallback.clone(),
        not_found: Some(pages.not_found.clone()),
    };
    Ok(Mount::pages(url.as_str(), Pages::new(files, rules)))
}

/// The table of a site that has the front to itself: without `hosts` it answers everybody, and Django's
/// ALLOWED_HOSTS decides.
pub(crate) fn alone(site: &Site, made: FrontSite) -> Table {
    let made = Arc::new(made);
    match site.all_hosts().next() {
        None => Table::new([], Some(made)),
        Some(_) => Table::new([Arc::clone(&made)], None).with_own(made),
    }
}

/// Whether a site has an app: it says so, or one is found, or nothing else would answer.
pub(crate) fn has_app(site: &Site) -> bool {
    let has_other = site.pages.is_some()
        || !site.redirects.is_empty()
        || !site.proxies.is_empty()
        || !site.files.is_empty();
    let in_an_image = site.runtime.kind == RuntimeKind::Docker;
    if site.sets("app") || !has_other || in_an_image {
        return true;
    }
    let is_whole = |pages: &Static| pages.url.as_str() == "/";
    if site.pages.as_ref().is_some_and(is_whole) {
        return false;
    }
    !matches!(
        find::find(&site.dir, None),
        Err(FindError::NoManagePy { .. })
    )
}
