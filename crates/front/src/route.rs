//! Who answers a request: by its host and its decoded path.

use crate::request::Request;
use crate::respond::Trouble;
use crate::table::{AppRoute, Mount, Site, Table};

/// Who answers.
#[derive(Debug)]
pub(crate) enum Route<'t, 'r> {
    /// What follows the mount's URL in the path.
    Files(&'t Mount, &'r [u8]),
    App(&'t Site, &'t AppRoute),
    /// `OPTIONS *` asks the server and no site.
    Server,
}

/// Finds who answers.
///
/// # Errors
/// When nobody does.
pub(crate) fn find<'t, 'r>(
    table: &'t Table,
    request: &'r Request,
) -> Result<Route<'t, 'r>, Trouble> {
    if request.method == b"TRACE" {
        return Err(Trouble::Trace);
    }
    if request.target == b"*" {
        return Ok(Route::Server);
    }
    let site = table.find(request.host()).ok_or(Trouble::NoSite)?;
    match (site.mount(request.path.bytes()), &site.app) {
        (Some((mount, _)), _) if mount.internal || request.path.has_encoded_slash() => {
            Err(Trouble::NotFound)
        }
        (Some((mount, rest)), _) => Ok(Route::Files(mount, rest)),
        (None, Some(app)) => Ok(Route::App(site, app)),
        (None, None) => Err(Trouble::NotFound),
    }
}
