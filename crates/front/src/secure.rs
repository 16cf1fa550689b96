//! What HTTPS has to say before a site is asked: what certificate authorities look for, the way from HTTP to
//! HTTPS, requests for a site on another site's connection. And afterwards: Strict-Transport-Security.

use std::time::Duration;

use crate::exchange::Exchange;
use crate::message::Response;
use crate::redirect;
use crate::request::{Ends, Request, Scheme};
use crate::respond::Trouble;
use crate::route::{self, Route};
use crate::table::Found;
use crate::tls;

/// How a site wants to be reached.
#[derive(Clone, Debug, Default)]
pub struct Https {
    redirect: bool,
    hsts: Option<Box<str>>,
}

impl Https {
    /// Visitors who come over HTTP are sent to HTTPS, once there are a listener and a certificate for the host.
    #[must_use]
    pub fn redirecting(mut self) -> Self {
        self.redirect = true;
        self
    }

    /// Browsers that came over HTTPS shall use nothing else for so long (RFC 6797).
    #[must_use]
    pub fn strict(mut self, max_age: Duration) -> Self {
        self.hsts = Some(format!("max-age={}", max_age.as_secs()).into());
        self
    }
}

/// Finds who answers, the site's own routes last.
///
/// # Errors
/// When nobody does, or not on this connection.
pub(crate) fn find<'t, 'r>(
    exchange: &Exchange<'r>,
    found: Option<Found<'t>>,
) -> Result<Route<'t, 'r>, Trouble> {
    let Exchange { ends, request, .. } = exchange;
    let shared = &exchange.thread.shared;
    if ends.scheme == Scheme::Http
        && let Some(text) = shared.tls.challenge(request.path.bytes())
    {
        return Ok(Route::Challenge(text));
    }
    if let Some(found) = found {
        if let Some(name) = other_name(ends, request) {
            let table = shared.table.load();
            let meant = table.find(Some(name), ends.local_ip());
            // By name: the table may have been replaced since the request was looked up.
            if meant.is_none_or(|meant| meant.site.name != found.site.name) {
                return Err(Trouble::Misdirected);
            }
        }
        if let Some(location) = secured(found, request, &shared.tls) {
            return Ok(Route::Secure(location));
        }
    }
    route::find(found, request)
}

/// The name in the handshake, when the request is for another one. A client that named none has seen the
/// certificate that everybody sees, and may ask for what everybody may.
fn other_name<'e>(ends: &'e Ends, request: &Request) -> Option<&'e [u8]> {
    let name = ends.server_name.as_deref()?.as_bytes();
    let host = request.host().unwrap_or_default();
    (!host.eq_ignore_ascii_case(name)).then_some(name)
}

/// The Location over HTTPS, for a request that shall not be answered without. The canonical host is
/// reached in the same step.
fn secured(found: Found<'_>, request: &Request, tls: &tls::Tls) -> Option<Vec<u8>> {
    let port = tls.port().filter(|_| found.site.https.redirect)?;
    if request.scheme != Scheme::Http || tls::is_challenge(request.path.bytes()) {
        return None;
    }
    let host = match found.moved_to {
        Some(host) => host,
        None => std::str::from_utf8(request.host()?).ok()?,
    };
    // Where no handshake would succeed yet, HTTP is all there is.
    if !tls.knows(host.as_bytes()) {
        return None;
    }
    let digits = (port != 443).then(|| port.to_string());
    let port = digits.as_ref().map(String::as_bytes);
    let (path, query) = (request.path.bytes(), request.written_query());
    Some(redirect::to_host("https", host, port, path, query))
}

/// Adds Strict-Transport-Security, unless the app has its own.
pub(crate) fn mark(https: &Https, request: &Request, response: &mut Response) {
    const NAME: &str = "Strict-Transport-Security";
    if let Some(value) = &https.hsts
        && request.scheme == Scheme::Https
        && response.fields.get(NAME).is_none()
    {
        response.fields.push(NAME.as_bytes(), value.as_bytes());
    }
}
