//! A request between its head and its response, the same for every version of HTTP: find who answers,
//! take the body or throw it away, ask, say what went wrong, write the log's line.

use std::time::Instant;

use bytes::Bytes;
use hotclub_app::{CallError, Times};
use hotclub_config::Compress;

use crate::access::Gate;
use crate::access_log::Entry;
use crate::cache::{self, Look};
use crate::compress;
use crate::handle::{self, Handled};
use crate::message::{Body, Fields, Response};
use crate::proxy::{self, Proxy, ProxyError};
use crate::request::{Ends, Request, RequestBody};
use crate::respond::Trouble;
use crate::route::Route;
use crate::secure;
use crate::spool::BodyError;
use crate::table::{Found, Site};
use crate::thread::Thread;

/// The client left before its answer: NGINX's number for it, in the log only.
const CLIENT_LEFT: u16 = 499;

/// Whoever sent the request, as far as it is still to be heard.
pub(crate) trait Client {
    /// The body may have so many bytes, and not as many as may be everywhere else.
    fn limit(&mut self, bytes: u64);

    /// The whole body. `100 Continue` is sent only once it is known to be wanted and allowed.
    ///
    /// # Errors
    /// See [`BodyError`]; nothing more can be read then.
    async fn receive(&mut self) -> Result<RequestBody, BodyError>;

    /// The body that was announced: `None`: none; `Some(None)`: its length was not.
    fn announced(&self) -> Option<Option<u64>>;

    /// Some more of the body; `None` behind its end. For those who do not want it whole.
    ///
    /// # Errors
    /// As [`Client::receive`].
    async fn next_part(&mut self) -> Result<Option<Bytes>, BodyError>;

    /// Whether the parts have come to the body's end.
    fn has_ended(&self) -> bool;

    /// Reads and forgets a body that nobody wants, when that is cheap. `false`: some of it is left.
    async fn discard(&mut self) -> bool;

    /// Returns when the client no longer waits for its answer.
    async fn left(&mut self);
}

/// What came of a request.
pub(crate) enum Outcome {
    /// And whether the request's body was read to its end.
    Answer(Handled, bool),
    Left,
}

/// A request that is being dealt with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange<'a> {
    pub(crate) thread: &'a Thread,
    pub(crate) ends: &'a Ends,
    pub(crate) request: &'a Request,
    /// When its first byte came.
    pub(crate) started: Instant,
}

impl Exchange<'_> {
    /// Finds who answers, reads the body if that one wants it, and asks.
    pub(crate) async fn answer(
        &self,
        found: Option<Found<'_>>,
        client: &mut impl Client,
    ) -> Outcome {
        let (mut handled, whole) = match self.asked(found, client).await {
            Outcome::Answer(handled, whole) => (handled, whole),
            Outcome::Left => return Outcome::Left,
        };
        let Some(found) = found else {
            return Outcome::Answer(handled, whole);
        };
        let response = &mut handled.response;
        if let Some(seat) = found.site.seat()
            && cache::changes(&self.request.method)
            && (200..400).contains(&response.status)
        {
            seat.invalidate(self.request, &response.fields);
        }
        secure::mark(&found.site.https, self.request, response);
        if let Some(dress) = &found.site.dress {
            dress.fields(&mut response.fields);
        }
        Outcome::Answer(self.compressed(found.site, handled).await, whole)
    }

    /// What an app or an upstream answered, compressed where the site has it so.
    async fn compressed(&self, site: &Site, handled: Handled) -> Handled {
        if site.compress == Compress::Off || !matches!(handled.response.body, Body::Flow(_)) {
            return handled;
        }
        let encoders = &self.thread.encoders;
        let response =
            compress::apply(site.compress, encoders, self.request, handled.response).await;
        Handled {
            response,
            ..handled
        }
    }

    async fn asked(&self, found: Option<Found<'_>>, client: &mut impl Client) -> Outcome {
        let mut route = secure::find(self, found);
        let gate = found.and_then(|found| self.gate(&route, found));
        let mut limit = self.thread.limits().body_bytes;
        let mut guarded = false;
        if let Some(gate) = gate {
            match gate.admit(self.request).await {
                Ok(permit) => {
                    guarded = permit.guarded;
                    if let Some(bytes) = permit.max_body {
                        limit = bytes;
                        client.limit(bytes);
                    }
                }
                Err(trouble) => route = Err(trouble),
            }
        }
        let own = |trouble: &Trouble| Handled {
            response: self.own_of(found, trouble),
            times: trouble.times(),
        };
        if let Ok(Route::Proxy(proxy)) = &route
            && !proxy.buffers_requests()
            && client.announced().is_some()
        {
            return self.pass_through(found, proxy, (client, limit)).await;
        }
        let look = match (
            &route,
            found.and_then(|found| Some((found.site, found.site.seat()?))),
        ) {
            (Ok(route), Some((site, seat))) => {
                seat.look(site, self, route, client.announced().is_some())
            }
            _ => Look::Off,
        };
        let fetch = match look {
            Look::Answer(response) => return Outcome::Answer(response.into(), true),
            Look::Ask(fetch) => Some(fetch),
            Look::Off => None,
        };
        let (body, whole) = match &route {
            Ok(Route::App(..) | Route::Proxy(_)) => match client.receive().await {
                Ok(body) => (body, true),
                Err(BodyError::Left) => return Outcome::Left,
                Err(error) => return Outcome::Answer(own(&error.into()), false),
            },
            _ => (RequestBody::None, client.discard().await),
        };
        let route = match route {
            Ok(route) => route,
            Err(trouble) => return Outcome::Answer(own(&trouble), whole),
        };
        guarded &= matches!(route, Route::Files(..) | Route::Pages(..));
        let work = async {
            match fetch {
                Some(fetch) => Box::pin(fetch.run(route)).await,
                None => handle::handle(self.thread, self.request, self.ends, route, body).await,
            }
        };
        let handled = tokio::select! {
            biased;
            handled = work => handled,
            () = client.left() => return Outcome::Left,
        };
        match handled {
            Ok(mut handled) => {
                if guarded {
                    keep_private(&mut handled.response.fields);
                }
                Outcome::Answer(handled, whole)
            }
            Err(trouble) => Outcome::Answer(own(&trouble), whole),
        }
    }

    /// Who has to let the request in. Nobody has to where all that is answered is another host, and nobody
    /// can where there is no site.
    fn gate<'t>(
        &self,
        route: &Result<Route<'_, '_>, Trouble>,
        found: Found<'t>,
    ) -> Option<&'t Gate> {
        let gate = found.site.gate.as_deref()?;
        let is_open = matches!(
            route,
            Ok(Route::Challenge(_) | Route::Secure(_) | Route::Moved(_) | Route::Server)
                | Err(Trouble::Trace | Trouble::Closed | Trouble::Misdirected)
        );
        (!is_open).then_some(gate)
    }

    /// Passes a body on as it arrives.
    async fn pass_through(
        &self,
        found: Option<Found<'_>>,
        proxy: &Proxy,
        (client, limit): (&mut impl Client, u64),
    ) -> Outcome {
        if matches!(client.announced(), Some(Some(length)) if length > limit) {
            let trouble = BodyError::TooLarge { limit }.into();
            return Outcome::Answer(self.own_of(found, &trouble).into(), false);
        }
        let mut asking = proxy::Asking {
            thread: self.thread,
            request: self.request,
            proxy,
            upload: proxy::Upload::Arriving(client),
        };
        let outcome = asking.ask().await;
        let whole = client.has_ended();
        match outcome {
            Ok(handled) => Outcome::Answer(handled, whole),
            Err(ProxyError::Client(BodyError::Left)) => Outcome::Left,
            Err(error) => Outcome::Answer(self.own_of(found, &error.into()).into(), whole),
        }
    }

    /// An answer of ours, on the site's own page if it has one.
    fn own_of(&self, found: Option<Found<'_>>, trouble: &Trouble) -> Response {
        let mut response = self.own(trouble);
        if let Some(dress) = found.and_then(|found| found.site.dress.as_deref()) {
            dress.page(
                &mut response,
                matches!(trouble, Trouble::Maintenance { .. }),
            );
        }
        response
    }

    /// An answer of ours.
    pub(crate) fn own(&self, trouble: &Trouble) -> Response {
        let id = self.request.id.as_str();
        match trouble {
            // Under overload a line each would be part of the load.
            Trouble::Call(CallError::QueueFull | CallError::QueueTimeout(_)) => {
                if let Some(count) = self.thread.shared.turned_away.add() {
                    tracing::warn!(
                        id,
                        "{count} requests answered 503: {trouble}\nhint: more workers, or a faster \
                         app; see max_queue and queue_timeout"
                    );
                }
            }
            // Said once, by whoever could not raise it; or done by somebody.
            Trouble::Closed
            | Trouble::Maintenance { .. }
            | Trouble::AccessBusy
            | Trouble::NotCached => {}
            _ if trouble.status() >= 500 => {
                tracing::error!(id, status = trouble.status(), "{trouble}");
            }
            _ => {}
        }
        trouble.response(&self.request.id)
    }

    /// Counts a request that was answered with `bytes` of body, and writes its line.
    pub(crate) fn log(&self, found: Option<Found<'_>>, status: u16, bytes: u64, times: &Times) {
        let site = found.map(|found| &**found.site);
        let counts = site.and_then(Site::counts);
        let counts = counts.unwrap_or(self.thread.shared.counts.siteless());
        counts.add(self.thread.index, status, times);
        let own = site.and_then(|site| site.log.as_ref());
        if own.is_none() && self.thread.log.is_none() {
            return;
        }
        let entry = Entry {
            request: self.request,
            site: site.map_or("", |site| &site.name),
            status,
            bytes,
            total: self.started.elapsed(),
            queued: times.queued,
            app: times.app,
        };
        match (own, &self.thread.log) {
            (Some(own), _) => own.add(&entry, &self.thread.clock),
            (None, Some(log)) => log.add(&entry, &self.thread.clock),
            (None, None) => {}
        }
    }

    /// Writes the line of a request whose client did not wait for the answer.
    pub(crate) fn log_left(&self, found: Option<Found<'_>>) {
        self.log(found, CLIENT_LEFT, 0, &Times::default());
    }
}

/// A file that not everybody may have is kept by its visitor's browser only, whatever its folder says of everybody.
fn keep_private(fields: &mut Fields) {
    const NAME: &str = "Cache-Control";
    let Some(value) = fields.get(NAME) else {
        return;
    };
    let directives = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let kept = |directive: &&[u8]| {
        let name = directive
            .split(|byte| *byte == b'=')
            .next()
            .unwrap_or_default();
        let other = [&b"public"[..], b"private", b"s-maxage"];
        !other.iter().any(|other| name.eq_ignore_ascii_case(other))
    };
    let mut private = b"private".to_vec();
    for directive in directives.filter(kept).filter(|it| !it.is_empty()) {
        private.extend_from_slice(b", ");
        private.extend_from_slice(directive);
    }
    fields.remove(NAME);
    fields.push(NAME.as_bytes(), &private);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_for_everybody_is_for_no_shared_cache() {
        for (before, after) in [
            (
                "public, max-age=60, must-revalidate",
                "private, max-age=60, must-revalidate",
            ),
            ("Public,S-Maxage=9,max-age=1", "private, max-age=1"),
            ("private, no-cache", "private, no-cache"),
            ("no-store", "private, no-store"),
        ] {
            let mut fields = Fields::default();
            fields.push(b"Cache-Control", before.as_bytes());
            keep_private(&mut fields);
            assert_eq!(fields.get("Cache-Control"), Some(after.as_bytes()));
        }
        let mut none = Fields::default();
        keep_private(&mut none);
        assert!(none.is_empty());
    }
}
