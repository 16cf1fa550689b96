//! A request between its head and its response, the same for every version of HTTP: find who answers,
//! take the body or throw it away, ask, say what went wrong, write the log's line.

use std::time::Instant;

use bytes::Bytes;
use hotclub_app::{CallError, Times};
use hotclub_config::Compress;

use crate::access_log::Entry;
use crate::compress;
use crate::handle::{self, Handled};
use crate::message::{Body, Response};
use crate::proxy::{self, Proxy, ProxyError};
use crate::request::{Ends, Request, RequestBody};
use crate::respond::Trouble;
use crate::route::Route;
use crate::secure;
use crate::spool::BodyError;
use crate::table::Found;
use crate::thread::Thread;

/// The client left before its answer: NGINX's number for it, in the log only.
const CLIENT_LEFT: u16 = 499;

/// Whoever sent the request, as far as it is still to be heard.
pub(crate) trait Client {
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
        let mut outcome = self.ask(found, client).await;
        if let (Some(found), Outcome::Answer(handled, _)) = (found, &mut outcome) {
            secure::mark(&found.site.https, self.request, &mut handled.response);
        }
        outcome
    }

    async fn ask(&self, found: Option<Found<'_>>, client: &mut impl Client) -> Outcome {
        let route = secure::find(self, found);
        if let Ok(Route::Proxy(proxy)) = &route
            && !proxy.buffers_requests()
            && client.announced().is_some()
        {
            return match self.pass_through(proxy, client).await {
                Outcome::Answer(handled, whole) => {
                    Outcome::Answer(self.compressed(found, handled).await, whole)
                }
                Outcome::Left => Outcome::Left,
            };
        }
        let (body, whole) = match &route {
            Ok(Route::App(..) | Route::Proxy(_)) => match client.receive().await {
                Ok(body) => (body, true),
                Err(BodyError::Left) => return Outcome::Left,
                Err(error) => return Outcome::Answer(self.own(&error.into()).into(), false),
            },
            _ => (RequestBody::None, client.discard().await),
        };
        let route = match route {
            Ok(route) => route,
            Err(trouble) => return Outcome::Answer(self.own(&trouble).into(), whole),
        };
        let work = handle::handle(self.thread, self.request, self.ends, route, body);
        let handled = tokio::select! {
            biased;
            handled = work => handled,
            () = client.left() => return Outcome::Left,
        };
        match handled {
            Ok(handled) => Outcome::Answer(self.compressed(found, handled).await, whole),
            Err(trouble) => Outcome::Answer(self.own(&trouble).into(), whole),
        }
    }

    /// What an app or an upstream answered, compressed where the site has it so.
    async fn compressed(&self, found: Option<Found<'_>>, handled: Handled) -> Handled {
        let mode = found.map_or(Compress::Off, |found| found.site.compress);
        if mode == Compress::Off || !matches!(handled.response.body, Body::Flow(_)) {
            return handled;
        }
        let encoders = &self.thread.encoders;
        let response = compress::apply(mode, encoders, self.request, handled.response).await;
        Handled {
            response,
            ..handled
        }
    }

    /// Passes a body on as it arrives.
    async fn pass_through(&self, proxy: &Proxy, client: &mut impl Client) -> Outcome {
        let limit = self.thread.limits().body_bytes;
        if matches!(client.announced(), Some(Some(length)) if length > limit) {
            let trouble = BodyError::TooLarge { limit }.into();
            return Outcome::Answer(self.own(&trouble).into(), false);
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
            Err(error) => Outcome::Answer(self.own(&error.into()).into(), whole),
        }
    }

    /// An answer of ours.
    pub(crate) fn own(&self, trouble: &Trouble) -> Response {
        let id = self.request.id.as_str();
        match trouble {
            // Under overload a line each would be part of the load.
            Trouble::Call(CallError::QueueFull | CallError::QueueTimeout) => {
                if let Some(count) = self.thread.shared.turned_away.add() {
                    tracing::warn!(
                        id,
                        "{count} requests answered 503: {trouble}\nhint: more workers, or a faster \
                         app; see max_queue and queue_timeout"
                    );
                }
            }
            // Said once, by whoever could not raise it.
            Trouble::Closed => {}
            _ if trouble.status() >= 500 => {
                tracing::error!(id, status = trouble.status(), "{trouble}");
            }
            _ => {}
        }
        trouble.response(&self.request.id)
    }

    /// Writes the line of a request that was answered with `bytes` of body.
    pub(crate) fn log(&self, site: &str, status: u16, bytes: u64, times: &Times) {
        let Some(log) = &self.thread.log else {
            return;
        };
        let entry = Entry {
            request: self.request,
            site,
            status,
            bytes,
            total: self.started.elapsed(),
            queued: times.queued,
            app: times.app,
        };
        log.add(&entry, &self.thread.clock);
    }

    /// Writes the line of a request whose client did not wait for the answer.
    pub(crate) fn log_left(&self, site: &str) {
        self.log(site, CLIENT_LEFT, 0, &Times::default());
    }
}
