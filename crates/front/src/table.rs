//! The sites, by host: immutable, behind one pointer, loaded once a request.

use std::collections::HashMap;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use hotclub_app::Lane;
use hotclub_config::{Cache, Compress};

use crate::access::Gate;
use crate::access_log::{AccessLog, SiteLog};
use crate::cache::{self, Seat};
use crate::counts::{Registry, SiteCounts};
use crate::dress::Dress;
use crate::files::FileMount;
use crate::hosts::HostMap;
use crate::mount::Mount;
use crate::proxy::Proxy;
use crate::redirect::Redirect;
use crate::secure::Https;

/// All sites of a front.
#[derive(Debug, Default)]
pub struct Table {
    by_host: HostMap<Door>,
    fallback: Option<Arc<Site>>,
    own: Option<Arc<Site>>,
    /// Of all sites: what has to be looked after without a request.
    proxies: Vec<Arc<Proxy>>,
}

/// What a host leads to.
#[derive(Clone, Debug)]
struct Door {
    site: Arc<Site>,
    /// Its visitors are sent to this host.
    moved_to: Option<Arc<str>>,
}

/// The site of a request.
#[derive(Clone, Copy, Debug)]
pub struct Found<'t> {
    pub site: &'t Arc<Site>,
    /// The host that visitors of this one are sent to.
    pub moved_to: Option<&'t str>,
}

/// One site.
#[derive(Debug)]
pub struct Site {
    pub name: String,
    /// Names, and `*.` with a name: see [`HostMap`].
    pub hosts: Vec<String>,
    /// Hosts whose visitors are sent to another.
    moved: Vec<(String, Arc<str>)>,
    mounts: Vec<Mount>,
    /// By the exact path.
    redirects: HashMap<Box<[u8]>, Redirect>,
    pub(crate) https: Https,
    pub app: Option<AppRoute>,
    /// Those that this site has in every table, by its name; set before the table is shown to a request.
    counts: OnceLock<Arc<SiteCounts>>,
    pub(crate) compress: Compress,
    /// What it wants kept of its answers; `None`: nothing.
    cache: Option<Cache>,
    /// Its place in the cache that it has in every table; set as `counts` is.
    seat: OnceLock<Seat>,
    /// Takes the lines of this site's requests, in the place of the front's.
    pub(crate) log: Option<Arc<SiteLog>>,
    pub(crate) gate: Option<Box<Gate>>,
    pub(crate) dress: Option<Box<Dress>>,
    /// It is there, but nothing of it can be shown now.
    pub(crate) is_closed: bool,
}

/// An app: one lane for each thread of the front, in the order of the threads.
#[derive(Clone, Debug)]
pub struct AppRoute {
    pub lanes: Vec<Lane>,
    /// GET, HEAD and OPTIONS may run once more when the worker that had them died.
    pub retry: bool,
    pub named_files: NamedFiles,
}

/// What becomes of X-Accel-Redirect and X-Sendfile in an app's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedFiles {
    /// The file is sent, if one of the site's internal mounts holds it.
    Serve,
    /// The fields are passed on: a proxy before us knows the folders.
    PassOn,
}

impl Table {
    /// `fallback` answers for every host that is no other site's.
    #[must_use]
    pub fn new(sites: impl IntoIterator<Item = Arc<Site>>, fallback: Option<Arc<Site>>) -> Self {
        let mut by_host = HostMap::default();
        let mut proxies = Vec::new();
        proxies.extend(fallback.iter().flat_map(|site| site.proxies()));
        for site in sites {
            proxies.extend(site.proxies());
            let served = site.hosts.iter().map(|host| (host, None));
            let moved = site.moved.iter().map(|(host, to)| (host, Some(to)));
            for (host, moved_to) in served.chain(moved) {
                let (site, moved_to) = (Arc::clone(&site), moved_to.cloned());
                by_host.insert(host, Door { site, moved_to });
            }
        }
        Self {
            by_host,
            fallback,
            own: None,
            proxies,
        }
    }

    /// `site` answers for requests that name this machine and no site: `localhost`, the address that the
    /// connection came to, or (HTTP/1.0) no host at all.
    #[must_use]
    pub fn with_own(mut self, site: Arc<Site>) -> Self {
        self.proxies.extend(site.proxies());
        self.own = Some(site);
        self
    }

    /// From here on the sites' requests are counted, and their answers kept where they want it.
    pub(crate) fn count_in(&self, registry: &Registry, caches: &cache::Registry) {
        let named = self.by_host.values().map(|door| &door.site);
        for site in named.chain(&self.fallback).chain(&self.own) {
            site.counts.get_or_init(|| registry.of(&site.name));
            if let Some(options) = &site.cache {
                site.seat.get_or_init(|| caches.enter(&site.name, options));
            }
        }
    }

    /// Returns when the lines of sites that have a log of their own are written.
    pub(crate) fn finish_logs(&self) {
        let sites = self.by_host.values().map(|door| &door.site);
        for site in sites.chain(&self.fallback).chain(&self.own) {
            if let Some(log) = &site.log {
                log.finish();
            }
        }
    }

    /// Every proxy of every site; one may come several times.
    pub(crate) fn proxies(&self) -> impl Iterator<Item = &Arc<Proxy>> {
        self.proxies.iter()
    }

    /// The site of a host without port, in any case (`None`: HTTP/1.0 without one), asked for on a connection to
    /// `local` (`None`: a Unix socket).
    #[must_use]
    pub fn find(&self, host: Option<&[u8]>, local: Option<IpAddr>) -> Option<Found<'_>> {
        // One site that answers everybody is the common case, and needs no hash.
        if !self.by_host.is_empty()
            && let Some(door) = host.and_then(|host| self.by_host.get(host))
        {
            let moved_to = door.moved_to.as_deref();
            let site = &door.site;
            return Some(Found { site, moved_to });
        }
        let own = self.own.as_ref().filter(|_| is_own(host, local));
        let site = own.or(self.fallback.as_ref())?;
        let moved_to = None;
        Some(Found { site, moved_to })
    }
}

/// Whether a host names this machine, for whoever reached it at `local`.
fn is_own(host: Option<&[u8]>, local: Option<IpAddr>) -> bool {
    let Some(host) = host else { return true };
    if host.eq_ignore_ascii_case(b"localhost") {
        return true;
    }
    let plain = host.strip_prefix(b"[").and_then(|h| h.strip_suffix(b"]"));
    let address = std::str::from_utf8(plain.unwrap_or(host)).ok();
    let address = address.and_then(|text| text.parse::<IpAddr>().ok());
    address.is_some_and(|address| Some(address.to_canonical()) == local)
}

impl Site {
    /// A site; of its mounts the longest that fits a path serves it.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        hosts: Vec<String>,
        mut mounts: Vec<Mount>,
        app: Option<AppRoute>,
    ) -> Self {
        mounts.sort_by_key(|mount| std::cmp::Reverse(mount.url.len()));
        Self {
            name: name.into(),
            hosts,
            moved: Vec::new(),
            mounts,
            redirects: HashMap::new(),
            https: Https::default(),
            app,
            counts: OnceLock::new(),
            compress: Compress::Off,
            cache: None,
            seat: OnceLock::new(),
            log: None,
            gate: None,
            dress: None,
            is_closed: false,
        }
    }

    /// Where its requests are counted.
    pub(crate) fn counts(&self) -> Option<&SiteCounts> {
        self.counts.get().map(Arc::as_ref)
    }

    /// Where its answers are kept, if they are.
    pub(crate) fn seat(&self) -> Option<&Seat> {
        self.seat.get()
    }

    /// Keeps answers of the app and of other servers, if it is enabled.
    #[must_use]
    pub fn keeping(mut self, options: &Cache) -> Self {
        self.cache = options.enabled.then(|| options.clone());
        self
    }

    /// Compresses what the app and other servers answer.
    #[must_use]
    pub fn compressing(mut self, mode: Compress) -> Self {
        self.compress = mode;
        self
    }

    /// How the site wants to be reached.
    #[must_use]
    pub fn over_https(mut self, https: Https) -> Self {
        self.https = https;
        self
    }

    /// A site that is being started or did not start: 503 for everything.
    #[must_use]
    pub fn closed(name: impl Into<String>, hosts: Vec<String>) -> Self {
        Self {
            is_closed: true,
            ..Self::new(name, hosts, Vec::new(), None)
        }
    }

    /// Visitors of the first host of each pair are sent to the second.
    #[must_use]
    pub fn moving(mut self, hosts: impl IntoIterator<Item = (String, String)>) -> Self {
        let hosts = hosts.into_iter();
        self.moved = hosts.map(|(host, to)| (host, to.into())).collect();
        self
    }

    /// The site's requests are written there and not in the front's log. It is finished with the front.
    #[must_use]
    pub fn logged(mut self, log: Option<AccessLog>) -> Self {
        self.log = log.map(|log| Arc::new(SiteLog::new(log)));
        self
    }

    /// Asks each request's way in of `gate`, and gives each answer what `dress` says.
    #[must_use]
    pub fn guarded(mut self, gate: Option<Gate>, dress: Option<Dress>) -> Self {
        self.gate = gate.map(Box::new);
        self.dress = dress.map(Box::new);
        self
    }

    /// Visitors of exactly these paths, decoded, are sent elsewhere; they go before all mounts.
    #[must_use]
    pub fn redirecting(mut self, paths: impl IntoIterator<Item = (String, Redirect)>) -> Self {
        let paths = paths.into_iter();
        self.redirects = paths
            .map(|(path, redirect)| (path.into_bytes().into(), redirect))
            .collect();
        self
    }

    /// Other servers that answer for it.
    pub fn proxies(&self) -> impl Iterator<Item = Arc<Proxy>> {
        self.mounts.iter().filter_map(Mount::proxied).cloned()
    }

    /// The internal mount in whose folder a file lies (by the text of its absolute path), and what follows
    /// that folder.
    #[must_use]
    pub(crate) fn internal_folder<'p>(&self, file: &'p Path) -> Option<(&FileMount, &'p [u8])> {
        let held = self.mounts.iter().filter_map(Mount::internal_files);
        let held = held.filter_map(|files| {
            let rest = file.strip_prefix(files.folder()).ok()?;
            Some((files, rest.as_os_str().as_bytes()))
        });
        held.min_by_key(|(_, rest)| rest.len())
    }

    /// The mount of a decoded path, and what follows its URL.
    #[must_use]
    pub fn mount<'s, 'p>(&'s self, path: &'p [u8]) -> Option<(&'s Mount, &'p [u8])> {
        self.mounts
            .iter()
            .find_map(|mount| Some((mount, mount.rest(path)?)))
    }

    /// The redirect of exactly this path.
    #[must_use]
    pub(crate) fn redirect(&self, path: &[u8]) -> Option<&Redirect> {
        if self.redirects.is_empty() {
            return None;
        }
        self.redirects.get(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{MountKind, MountOptions};

    fn site(name: &str, hosts: &[&str]) -> Arc<Site> {
        let hosts = hosts.iter().map(|&h| h.to_owned()).collect();
        Arc::new(Site::new(name, hosts, vec![], None))
    }

    fn name(table: &Table, host: Option<&str>) -> Option<String> {
        let found = table.find(host.map(str::as_bytes), None);
        found.map(|found| found.site.name.clone())
    }

    #[test]
    fn a_site_is_found_by_its_hosts_only() {
        let table = Table::new(
            [
                site("a", &["a.example", "www.A.example"]),
                site("b", &["b.example"]),
            ],
            None,
        );
        for (host, expected) in [
            ("a.example", Some("a")),
            ("A.EXAMPLE", Some("a")),
            ("www.a.example", Some("a")),
            ("a.example.", Some("a")),
            ("b.example", Some("b")),
            ("x.a.example", None),
            ("example", None),
            ("", None),
            (&"a".repeat(300), None),
        ] {
            assert_eq!(name(&table, Some(host)).as_deref(), expected, "{host}");
        }
        assert_eq!(name(&table, None), None);
    }

    #[test]
    fn the_fallback_answers_for_every_other_host() {
        let table = Table::new([site("a", &["a.example"])], Some(site("rest", &[])));
        assert_eq!(name(&table, Some("a.example")).as_deref(), Some("a"));
        assert_eq!(name(&table, Some("c.example")).as_deref(), Some("rest"));
        assert_eq!(name(&table, None).as_deref(), Some("rest"));
    }

    #[test]
    fn visitors_of_a_moved_host_are_sent_to_the_canonical_one() {
        let hosts = vec!["example.com".to_owned(), "*.example.com".to_owned()];
        let site = Site::new("a", hosts, vec![], None);
        let site = site.moving([("www.example.com".to_owned(), "example.com".to_owned())]);
        let table = Table::new([Arc::new(site)], None);
        for (host, expected) in [
            ("example.com", None),
            ("www.example.com", Some("example.com")),
            ("WWW.Example.com.", Some("example.com")),
            ("a.example.com", None),
        ] {
            let found = table.find(Some(host.as_bytes()), None).unwrap();
            assert_eq!(found.moved_to, expected, "{host}");
        }
    }

    #[test]
    fn a_machines_own_names_lead_to_its_own_site_only() {
        let one = site("one", &["one.example"]);
        let table = Table::new([Arc::clone(&one)], None).with_own(one);
        let local = "192.0.2.7".parse().ok();
        for (host, local, expected) in [
            (Some("localhost"), local, true),
            (Some("LocalHost"), None, true),
            (Some("192.0.2.7"), local, true),
            (Some("192.0.2.8"), local, false),
            (Some("192.0.2.7"), None, false),
            (Some("[::1]"), "::1".parse().ok(), true),
            (Some("[0:0::1]"), "::1".parse().ok(), true),
            (Some("[::2]"), "::1".parse().ok(), false),
            (Some("evil.example"), local, false),
            (None, local, true),
        ] {
            let found = table.find(host.map(str::as_bytes), local);
            assert_eq!(found.is_some(), expected, "{host:?} at {local:?}");
        }
    }

    #[test]
    fn the_longest_mount_wins_and_whole_segments_match() {
        let folder = tempfile::tempdir().unwrap();
        let options = || MountOptions::new(MountKind::Static);
        let mount = |url| Mount::new(url, FileMount::open(folder.path(), options()).unwrap());
        let site = Site::new(
            "s",
            vec![],
            vec![mount("static"), mount("/static/deep/"), mount("media/")],
            None,
        );
        for (path, url, rest) in [
            ("/static/a", "/static/", "a"),
            ("/static/deep/a/b", "/static/deep/", "a/b"),
            ("/static/deeper", "/static/", "deeper"),
            ("/media/", "/media/", ""),
        ] {
            let (mount, found) = site.mount(path.as_bytes()).unwrap();
            assert_eq!(
                (&*mount.url, found),
                (url.as_bytes(), rest.as_bytes()),
                "{path}"
            );
        }
        for path in [
            "/",
            "/static",
            "/staticx/a",
            "/static../a",
            "/x/static/a",
            "//static/a",
        ] {
            assert!(site.mount(path.as_bytes()).is_none(), "{path}");
        }
    }
}
