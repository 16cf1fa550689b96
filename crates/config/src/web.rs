//! What `[static]` and `[[redirect]]` say.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::mount::Mount;

/// `[static]`: a folder that is a site, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Static {
    /// `/` for the whole site.
    pub url: Mount,
    pub root: PathBuf,
    /// Folders without an index file show what they hold.
    pub index: bool,
    /// The file for every page that has none: `index.html` of an app that routes in the browser.
    pub fallback: Option<String>,
    /// The file that is shown for what is missing, when it is there.
    pub not_found: String,
    /// All of Cache-Control; `None`: the front's rule for a site's own files.
    pub cache: Option<String>,
}

/// `[[redirect]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirect {
    pub from: From,
    /// A path or an absolute URL; a `*` at its end takes what follows a prefix.
    pub to: String,
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
}

/// Which paths a redirect is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum From {
    /// This path alone.
    Exact(String),
    /// The mount and all below it (written `/old/*`).
    Below(Mount),
}
