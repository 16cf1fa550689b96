//! What a site has at a URL: a folder of files, a site of pages, a redirect, another server.

use std::sync::Arc;

use crate::files::{FileMount, Pages};
use crate::proxy::Proxy;
use crate::redirect::Redirect;

/// Something at a URL and below it.
#[derive(Debug)]
pub struct Mount {
    /// Decoded, with a slash at both ends.
    pub(crate) url: Box<[u8]>,
    pub(crate) serves: Serves,
}

/// What answers there.
#[derive(Debug)]
pub(crate) enum Serves {
    Files(FileMount),
    /// Nobody's own request reaches it; only an app's answer that names one of its files.
    Internal(FileMount),
    Pages(Pages),
    Redirect(Redirect),
    Proxy(Arc<Proxy>),
}

impl Mount {
    /// Serves `files` below `url`, decoded; slashes at both ends are added where they are missing, so
    /// that a mount matches whole segments.
    #[must_use]
    pub fn new(url: &str, files: FileMount) -> Self {
        Self::made(url, Serves::Files(files))
    }

    /// The same for files that only an app's answer can name, by their URL or their path.
    #[must_use]
    pub fn internal(url: &str, files: FileMount) -> Self {
        Self::made(url, Serves::Internal(files))
    }

    /// The same for a folder that is a site of its own: index files, clean addresses.
    #[must_use]
    pub fn pages(url: &str, pages: Pages) -> Self {
        Self::made(url, Serves::Pages(pages))
    }

    /// Sends all that is below a URL elsewhere, and the URL itself without its last slash.
    #[must_use]
    pub fn redirect(url: &str, redirect: Redirect) -> Self {
        Self::made(url, Serves::Redirect(redirect))
    }

    /// Passes on what is below the proxy's URL, and the URL itself without its last slash.
    #[must_use]
    pub fn proxy(proxy: Arc<Proxy>) -> Self {
        let url = proxy.url().to_owned();
        Self::made(&url, Serves::Proxy(proxy))
    }

    /// What follows this mount's URL in a path below it, or in one that lacks but its last slash.
    pub(crate) fn rest<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        let rest = path.strip_prefix(&*self.url);
        match &self.serves {
            Serves::Proxy(_) | Serves::Redirect(_) if rest.is_none() => {
                (self.url.strip_suffix(b"/") == Some(path)).then_some(&b""[..])
            }
            _ => rest,
        }
    }

    /// The server that requests are passed on to, if it is one.
    pub(crate) fn proxied(&self) -> Option<&Arc<Proxy>> {
        match &self.serves {
            Serves::Proxy(proxy) => Some(proxy),
            _ => None,
        }
    }

    fn made(url: &str, serves: Serves) -> Self {
        let inner = url.trim_matches('/');
        let url = if inner.is_empty() {
            "/".to_owned()
        } else {
            format!("/{inner}/")
        };
        Self {
            url: url.into_bytes().into(),
            serves,
        }
    }

    /// The files that only an app names, when it holds such.
    pub(crate) fn internal_files(&self) -> Option<&FileMount> {
        match &self.serves {
            Serves::Internal(files) => Some(files),
            _ => None,
        }
    }
}
