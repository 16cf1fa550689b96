//! What visitors see of a site beside its app: hosts, folders, pages, proxies, redirects. From the configuration to
//! what the front is given.

use std::sync::Arc;

use hotclub_app::Lane;
use hotclub_config::{RedirectFrom, Site, Static};
use hotclub_django::find::{self, FindError};
use hotclub_front::files::{FileMount, MountKind, MountOptions, PageRules, Pages};
use hotclub_front::{AppRoute, Mount, NamedFiles, Proxy, Redirect, Site as FrontSite, Table};

use crate::console::Failure;
use crate::https;
use crate::up::site::{self, Folder};

/// A site without its app, before its folders are opened.
#[derive(Clone, Debug)]
pub(crate) struct Face {
    site: Arc<Site>,
    folders: Vec<Folder>,
    proxies: Vec<Arc<Proxy>>,
}

impl Face {
    /// With the folders that the file names, and of those that were `detected` what these do not replace. Of the
    /// proxies that are `known` those stay that are as the file says: their health and connections outlive a
    /// reload.
    pub(crate) fn new(
        site: Arc<Site>,
        detected: Vec<Folder>,
        known: &[Arc<Proxy>],
    ) -> Result<Self, Failure> {
        let folders = site::folders(&site, detected)?;
        let proxy = |config: &hotclub_config::Proxy| {
            let known = known.iter().find(|proxy| proxy.is_of(config)).cloned();
            known.unwrap_or_else(|| Arc::new(Proxy::new(config.clone())))
        };
        let proxies = site.proxies.iter().map(proxy).collect();
        Ok(Self {
            site,
            folders,
            proxies,
        })
    }

    /// What other servers answer.
    pub(crate) fn proxies(&self) -> &[Arc<Proxy>] {
        &self.proxies
    }

    /// Opens the folders and puts everything in its place.
    pub(crate) fn open(&self, lanes: Option<Vec<Lane>>) -> Result<FrontSite, Failure> {
        let site = &self.site;
        let app = lanes.map(|lanes| AppRoute {
            lanes,
            retry: site.app.retry,
            named_files: NamedFiles::Serve,
        });
        let mut mounts: Vec<Mount> = self.proxies.iter().cloned().map(Mount::proxy).collect();
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
        let made = made.moving(moved).redirecting(exact);
        let made = made.over_https(https::rules(&site.https));
        Ok(made.compressing(site.compress))
    }
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
    if site.sets("app") || !has_other {
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
