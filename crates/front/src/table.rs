//! The sites, by host: immutable, behind one pointer, loaded once a request.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use hotclub_app::Lane;

use crate::counts::{Registry, SiteCounts};
use crate::files::FileMount;
use crate::hosts::HostMap;

/// All sites of a front.
#[derive(Debug, Default)]
pub struct Table {
    by_host: HostMap<Arc<Site>>,
    fallback: Option<Arc<Site>>,
}

/// One site.
#[derive(Debug)]
pub struct Site {
    pub name: String,
    /// Names, and `*.` with a name: see [`HostMap`].
    pub hosts: Vec<String>,
    mounts: Vec<Mount>,
    pub app: Option<AppRoute>,
    /// Those that this site has in every table, by its name; set before the table is shown to a request.
    counts: OnceLock<Arc<SiteCounts>>,
}

/// A folder of files at a URL.
#[derive(Debug)]
pub struct Mount {
    url: Box<[u8]>,
    pub files: FileMount,
    /// Nobody's own request reaches it; only an app's answer that names one of its files.
    pub(crate) internal: bool,
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
        for site in sites {
            for host in &site.hosts {
                by_host.insert(host, Arc::clone(&site));
            }
        }
        Self { by_host, fallback }
    }

    /// The site of a host without port, in any case; `None` for a request without a host.
    #[must_use]
    pub fn find(&self, host: Option<&[u8]>) -> Option<&Arc<Site>> {
        self.by_name(host).or(self.fallback.as_ref())
    }

    /// From here on the sites' requests are counted.
    pub(crate) fn count_in(&self, registry: &Registry) {
        for site in self.by_host.values().chain(&self.fallback) {
            site.counts.get_or_init(|| registry.of(&site.name));
        }
    }

    fn by_name(&self, host: Option<&[u8]>) -> Option<&Arc<Site>> {
        // One site that answers everybody is the common case, and needs no hash.
        if self.by_host.is_empty() {
            return None;
        }
        self.by_host.get(host?)
    }
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
            mounts,
            app,
            counts: OnceLock::new(),
        }
    }

    /// Where its requests are counted.
    pub(crate) fn counts(&self) -> Option<&SiteCounts> {
        self.counts.get().map(Arc::as_ref)
    }

    /// The internal mount in whose folder a file lies (by the text of its absolute path), and what follows
    /// that folder.
    #[must_use]
    pub(crate) fn internal_folder<'p>(&self, file: &'p Path) -> Option<(&Mount, &'p [u8])> {
        let held = self.mounts.iter().filter(|mount| mount.internal);
        let held = held.filter_map(|mount| {
            let rest = file.strip_prefix(mount.files.folder()).ok()?;
            Some((mount, rest.as_os_str().as_bytes()))
        });
        held.min_by_key(|(_, rest)| rest.len())
    }

    /// The mount of a decoded path, and what follows its URL.
    #[must_use]
    pub fn mount<'s, 'p>(&'s self, path: &'p [u8]) -> Option<(&'s Mount, &'p [u8])> {
        self.mounts
            .iter()
            .find_map(|mount| Some((mount, path.strip_prefix(&*mount.url)?)))
    }
}

impl Mount {
    /// Serves `files` below `url`, decoded; slashes at both ends are added where they are missing, so
    /// that a mount matches whole segments.
    #[must_use]
    pub fn new(url: &str, files: FileMount) -> Self {
        Self::made(url, files, false)
    }

    /// The same for files that only an app's answer can name, by their URL or their path.
    #[must_use]
    pub fn internal(url: &str, files: FileMount) -> Self {
        Self::made(url, files, true)
    }

    fn made(url: &str, files: FileMount, internal: bool) -> Self {
        let inner = url.trim_matches('/');
        let url = if inner.is_empty() {
            "/".to_owned()
        } else {
            format!("/{inner}/")
        };
        Self {
            url: url.into_bytes().into(),
            files,
            internal,
        }
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
        table
            .find(host.map(str::as_bytes))
            .map(|site| site.name.clone())
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
