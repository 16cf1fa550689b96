//! Who answers a request: by its site and its decoded path.

use bytes::Bytes;

use crate::files::{FileMount, Pages};
use crate::mount::{Mount, Serves};
use crate::proxy::Proxy;
use crate::redirect::{self, Redirect};
use crate::request::Request;
use crate::respond::Trouble;
use crate::table::{AppRoute, Found, Site};

/// Who answers; `&[u8]` is what follows the mount's URL in the path.
#[derive(Debug)]
pub(crate) enum Route<'t, 'r> {
    Files(&'t FileMount, &'r [u8]),
    Pages(&'t Mount, &'t Pages, &'r [u8]),
    Redirect(&'t Redirect, &'r [u8]),
    Proxy(&'t Proxy),
    /// To the site's canonical host.
    Moved(&'t str),
    /// To the same path over HTTPS.
    Secure(Vec<u8>),
    /// What a certificate authority asked for.
    Challenge(Bytes),
    App(&'t Site, &'t AppRoute),
    /// `OPTIONS *` asks the server and no site.
    Server,
}

/// Finds who answers.
///
/// # Errors
/// When nobody does.
pub(crate) fn find<'t, 'r>(
    found: Option<Found<'t>>,
    request: &'r Request,
) -> Result<Route<'t, 'r>, Trouble> {
    if request.method == b"TRACE" {
        return Err(Trouble::Trace);
    }
    if request.target == b"*" {
        return Ok(Route::Server);
    }
    let Found { site, moved_to } = match (found, request.host()) {
        (Some(found), _) => found,
        (None, Some(_)) => return Err(Trouble::NoSite),
        (None, None) => return Err(Trouble::NoHost),
    };
    if site.is_closed {
        return Err(Trouble::Closed);
    }
    if let Some(host) = moved_to {
        return Ok(Route::Moved(host));
    }
    let path = request.path.bytes();
    if let Some(redirect) = site.redirect(path) {
        return Ok(Route::Redirect(redirect, b""));
    }
    match (site.mount(path), &site.app) {
        (Some((mount, rest)), _) => at(mount, rest, request),
        (None, Some(app)) => Ok(Route::App(site, app)),
        (None, None) => Err(Trouble::NotFound),
    }
}

fn at<'t, 'r>(
    mount: &'t Mount,
    rest: &'r [u8],
    request: &Request,
) -> Result<Route<'t, 'r>, Trouble> {
    // What is one segment to the client must not be two to the disk.
    let ambiguous = request.path.has_encoded_slash();
    match &mount.serves {
        Serves::Internal(_) => Err(Trouble::NotFound),
        Serves::Files(_) | Serves::Pages(_) if ambiguous => Err(Trouble::NotFound),
        Serves::Files(files) => Ok(Route::Files(files, rest)),
        Serves::Pages(pages) => Ok(Route::Pages(mount, pages, rest)),
        Serves::Redirect(redirect) => Ok(Route::Redirect(redirect, rest)),
        // Behind the mount's own URL an encoded slash is the upstream's to read.
        Serves::Proxy(proxy) if proxy.is_named_plainly(request, rest) => Ok(Route::Proxy(proxy)),
        Serves::Proxy(_) => Err(Trouble::NotFound),
    }
}

/// The Location of a request's own path on another host.
pub(crate) fn on_host(request: &Request, host: &str) -> Vec<u8> {
    let scheme = request.scheme.name();
    let (path, query) = (request.path.bytes(), request.written_query());
    redirect::to_host(scheme, host, request.written_port(), path, query)
}
