//! A folder as a site of its own: index files, addresses without `.html`, a page for what is missing, one
//! page for everything.

use super::answer;
use super::listing;
use super::{FileMethod, FileMount, FileOutcome, FileRequest};
use crate::message::Response;

/// What is sent for a folder.
const INDEX: &[u8] = b"index.html";
const HTML: &[u8] = b".html";

/// How a folder of pages is served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageRules {
    /// `/about` is `about.html`, and `/docs/` is `docs/index.html`.
    pub pages: bool,
    /// Folders without an index file show what they hold.
    pub listing: bool,
    /// The file that answers for every address without a file, as apps that route in the browser want it.
    pub fallback: Option<String>,
    /// The file that is shown, with status 404, for what is missing.
    pub not_found: Option<String>,
}

/// A folder of pages. Shared by all threads.
#[derive(Debug)]
pub struct Pages {
    files: FileMount,
    rules: PageRules,
}

/// What a folder of pages says to a request.
#[derive(Debug)]
pub(crate) enum PageOutcome {
    Response(Response),
    /// It is at another path beneath the mount.
    Moved(Vec<u8>),
    NotFound,
}

impl Pages {
    #[must_use]
    pub fn new(files: FileMount, rules: PageRules) -> Self {
        Self { files, rules }
    }

    /// Answers a request. `url` is that of the mount, for a listing's title.
    pub(crate) fn respond(&self, url: &[u8], request: &FileRequest<'_>) -> PageOutcome {
        if request.method == FileMethod::Other {
            return PageOutcome::Response(answer::method_not_allowed());
        }
        let found = match request.path {
            [] | [.., b'/'] => self.folder(url, request),
            _ => self.page(request),
        };
        found.unwrap_or_else(|| self.missing(request))
    }

    fn page(&self, request: &FileRequest<'_>) -> Option<PageOutcome> {
        let path = request.path;
        let found = self.file(path, request);
        if found.is_some() {
            return found;
        }
        if self.rules.pages {
            let found = self.file(&[path, HTML].concat(), request);
            if found.is_some() {
                return found;
            }
        }
        let folder = [path, b"/"].concat();
        let is_folder = (self.rules.pages && self.files.holds(&[&folder, INDEX].concat()))
            || (self.rules.listing && listing::is_folder(&self.files, path));
        is_folder.then_some(PageOutcome::Moved(folder))
    }

    fn folder(&self, url: &[u8], request: &FileRequest<'_>) -> Option<PageOutcome> {
        let path = request.path;
        if self.rules.pages {
            let found = self.file(&[path, INDEX].concat(), request);
            if found.is_some() {
                return found;
            }
        }
        if self.rules.listing
            && let Some(listing) = listing::of(&self.files, url, path, request.method)
        {
            return Some(PageOutcome::Response(listing));
        }
        let page = path.strip_suffix(b"/").filter(|_| self.rules.pages)?;
        let is_page = self.files.holds(&[page, HTML].concat());
        is_page.then(|| PageOutcome::Moved(page.to_vec()))
    }

    /// An address with an extension is a file that is missing, and not a page of an app.
    fn missing(&self, request: &FileRequest<'_>) -> PageOutcome {
        if let Some(fallback) = &self.rules.fallback
            && super::path::extension(request.path).is_none()
            && let Some(found) = self.file(fallback.as_bytes(), request)
        {
            return found;
        }
        let page = self.rules.not_found.as_ref();
        match page.map(|page| self.files.find(page.as_bytes())) {
            Some(Ok(entry)) => PageOutcome::Response(answer::not_found(&entry.resource, request)),
            _ => PageOutcome::NotFound,
        }
    }

    fn file(&self, path: &[u8], request: &FileRequest<'_>) -> Option<PageOutcome> {
        match self.files.respond(&FileRequest { path, ..*request }) {
            FileOutcome::Response(response) => Some(PageOutcome::Response(response)),
            FileOutcome::NotFound => None,
        }
    }
}
