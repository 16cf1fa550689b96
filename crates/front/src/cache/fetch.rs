//! A request whose answer is not there: one asks, the others wait for what it brings. When the app fails,
//! an answer that is too old is better than none, within bounds and not without a word in the log.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use hotclub_app::{Part, Times};

use super::fill::{self, IN_MEMORY};
use super::flights::{Boarding, Landing, Leader};
use super::freshness::{Birth, Terms, Use};
use super::status::{self, Forward, Story};
use super::stored::{self, Draft, Kept, Stored};
use super::storing::{self, Refusal};
use super::traits::Traits;
use super::{Found, Seat, conditions, key, reply};
use crate::answer;
use crate::exchange::Exchange;
use crate::flow::Flow;
use crate::handle::{self, Handled};
use crate::message::{Body, Response};
use crate::request::{Request, RequestBody};
use crate::respond::Trouble;
use crate::route::{self, Route};
use crate::table::Site;

/// How often a request waits for another one before it asks for itself.
const PATIENCE: usize = 3;
/// So long nobody waits for an answer of a kind that is not kept.
const NOT_KEPT: Duration = Duration::from_secs(10);

/// A request that the shelf had no answer to.
#[derive(Debug)]
pub(crate) struct Fetch<'a> {
    pub(super) seat: &'a Seat,
    pub(super) site: &'a Site,
    pub(super) exchange: &'a Exchange<'a>,
    pub(super) traits: Traits,
    pub(super) primary: Vec<u8>,
    pub(super) found: Found,
    pub(super) why: Forward,
}

impl Fetch<'_> {
    /// The answer, of whoever has it first.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn run(mut self, route: Route<'_, '_>) -> Result<Handled, Trouble> {
        if self.traits.asked.only_if_cached {
            return Err(Trouble::NotCached);
        }
        if self.traits.is_head || self.traits.has_range || self.traits.is_special {
            return self.pass(route).await;
        }
        let until = tokio::time::Instant::now() + self.seat.cache.options.wait;
        for _ in 0..PATIENCE {
            let flights = &self.seat.cache.flights;
            let mut passenger = match flights.board(&self.flight(), &self.primary, self.may_wait())
            {
                Boarding::Lead(leader) => return self.lead(leader, route).await,
                Boarding::Pass => break,
                Boarding::Wait(passenger) => passenger,
            };
            match tokio::time::timeout_at(until, passenger.landed()).await {
                Ok(Landing::Kept) => {
                    if let Some(response) = self.brought() {
                        return Ok(response.into());
                    }
                }
                Ok(Landing::Lost | Landing::UnderWay) => {}
                Ok(Landing::Refused) => break,
                Ok(Landing::Failed) | Err(_) => {
                    if let Some(response) = self.stand_in(Instant::now()) {
                        return Ok(response.into());
                    }
                    break;
                }
            }
        }
        self.pass(route).await
    }

    /// Whose answer this one would be glad of: of the same kind of visitor, unless it is known to be everybody's.
    fn flight(&self) -> Vec<u8> {
        let key = match self.found.key.is_empty() {
            true => &self.primary,
            false => &self.found.key,
        };
        let is_everybodys = self
            .found
            .stored
            .as_ref()
            .is_some_and(|kept| !kept.terms.anonymous);
        let kind: u8 = match (is_everybodys, self.traits.takes_anonymous()) {
            (true, _) => b'e',
            (false, true) => b'a',
            (false, false) => b'p',
        };
        let mut flight = Vec::with_capacity(key.len() + 1);
        flight.push(kind);
        flight.extend_from_slice(key);
        flight
    }

    /// Of a visitor who is known somehow the answer is most likely nobody else's.
    fn may_wait(&self) -> bool {
        let is_likely = self.found.stored.is_some() || self.traits.takes_anonymous();
        is_likely && !self.found.is_not_kept && !self.traits.asked.no_store
    }

    /// What somebody else's request has brought meanwhile, if it is for this one, too.
    fn brought(&mut self) -> Option<Response> {
        let (request, now) = (self.exchange.request, Instant::now());
        self.found = self.seat.find(&self.primary, request, &self.traits);
        let stored = self.found.stored.as_ref()?;
        // It was made while this request waited: younger it cannot be.
        let is_new = stored.birth.came >= self.exchange.started;
        if !is_new && stored.terms.usable(stored.age(now), &self.traits.asked) == Use::Ask {
            return None;
        }
        self.seat.cache.counts.collapsed.fetch_add(1, Relaxed);
        let story = Story::Collapsed { why: self.why };
        Some(reply::reply(
            stored,
            request,
            self.site.compress,
            story,
            now,
        ))
    }

    /// Asks for this request alone.
    async fn pass(self, route: Route<'_, '_>) -> Result<Handled, Trouble> {
        let Exchange {
            thread,
            request,
            ends,
            ..
        } = *self.exchange;
        self.seat.cache.counts.misses.fetch_add(1, Relaxed);
        let asked = handle::handle(thread, request, ends, route, RequestBody::None).await;
        let mut handled = match asked {
            Ok(handled) => handled,
            Err(trouble) => return self.instead(trouble),
        };
        if is_failure(handled.response.status)
            && let Some(response) = self.stand_in(Instant::now())
        {
            return Ok(response.into());
        }
        handled.response.fields.remove("cache-tag");
        let why = if self.found.is_not_kept {
            Forward::Bypass
        } else {
            self.why
        };
        status::tell(
            &mut handled.response.fields,
            Story::Forwarded { why, stored: false },
        );
        Ok(handled)
    }

    /// Asks for all who want the same.
    async fn lead(self, leader: Leader, route: Route<'_, '_>) -> Result<Handled, Trouble> {
        let Exchange {
            thread,
            request,
            ends,
            ..
        } = *self.exchange;
        let counts = &self.seat.cache.counts;
        counts.misses.fetch_add(1, Relaxed);
        let kept = self.found.stored.as_ref().filter(|kept| may_confirm(kept));
        let question = (kept.is_some() || self.traits.is_conditional || request.is_head())
            .then(|| conditions::question(request, kept.map(|kept| &kept.fields)));
        let is_confirmable = kept.is_some();
        let began = Instant::now();
        let asked = question.as_ref().unwrap_or(request);
        let outcome = handle::handle(thread, asked, ends, route, RequestBody::None).await;
        match outcome {
            Ok(handled) if is_confirmable && handled.response.status == 304 => {
                Ok(self.confirmed(leader, &handled, began))
            }
            Ok(handled) if is_failure(handled.response.status) => {
                match self.stand_in(Instant::now()) {
                    Some(response) => {
                        // Who waits has the same to show.
                        leader.land(Landing::Failed);
                        Ok(response.into())
                    }
                    None => Ok(self.keep(leader, handled, began).await),
                }
            }
            Ok(handled) => Ok(self.keep(leader, handled, began).await),
            Err(trouble) => self.instead(trouble),
        }
    }

    /// An answer that is too old, where it is the app's fault that there is no newer one.
    fn instead(&self, trouble: Trouble) -> Result<Handled, Trouble> {
        let stand_in = (trouble.status() >= 500).then(|| self.stand_in(Instant::now()));
        match stand_in.flatten() {
            Some(response) => {
                let times = trouble.times();
                Ok(Handled { response, times })
            }
            None => Err(trouble),
        }
    }

    fn stand_in(&self, now: Instant) -> Option<Response> {
        let stored = self.found.stored.as_ref()?;
        let age = stored.age(now);
        if !stored.terms.stands_in(age) {
            return None;
        }
        stored.asked_in_vain(now);
        let cache = &self.seat.cache;
        cache.counts.stood_in.fetch_add(1, Relaxed);
        if let Some(count) = cache.stand_ins.add() {
            tracing::warn!(
                id = self.exchange.request.id.as_str(),
                site = self.site.name.as_str(),
                path = %String::from_utf8_lossy(&stored.path),
                age = age.as_secs(),
                "the app failed: {count} requests were answered from the cache, with pages that are too old"
            );
        }
        let story = Story::Stale {
            by: age.saturating_sub(stored.terms.lifetime),
            failed: true,
        };
        let request = self.exchange.request;
        Some(reply::reply(
            stored,
            request,
            self.site.compress,
            story,
            now,
        ))
    }

    /// What is kept still holds.
    fn confirmed(self, leader: Leader, handled: &Handled, began: Instant) -> Handled {
        let (request, now) = (self.exchange.request, Instant::now());
        let cache = &self.seat.cache;
        cache.counts.confirmed.fetch_add(1, Relaxed);
        let Some(stored) = &self.found.stored else {
            return Response::new(304, Body::Bodiless).into();
        };
        let fields = &handled.response.fields;
        let newer = self.draft(304, None, fields, stored.terms, (began, now));
        let mut merged = stored.confirmed(&newer);
        let answer = (merged.status, &merged.fields);
        let terms = storing::terms(&cache.wishes, &self.traits, answer, SystemTime::now());
        let story = Story::Confirmed;
        let stored = match terms {
            Ok(terms) => {
                merged.terms = terms;
                let merged = Arc::new(merged);
                let key = self.own_key();
                self.put(leader, key, Arc::clone(&merged));
                merged
            }
            Err(_) => {
                leader.land(Landing::Refused);
                cache.shelf.remove(self.own_key());
                Arc::new(merged)
            }
        };
        let response = reply::reply(&stored, request, self.site.compress, story, now);
        Handled {
            response,
            times: handled.times,
        }
    }

    fn own_key(&self) -> &[u8] {
        match self.found.key.is_empty() {
            true => &self.primary,
            false => &self.found.key,
        }
    }

    fn draft(
        &self,
        status: u16,
        reason: Option<Bytes>,
        fields: &crate::message::Fields,
        terms: Terms,
        (began, came): (Instant, Instant),
    ) -> Draft {
        let (date, _) = self.exchange.thread.clock.now();
        let birth = Birth::of(fields, began, came, SystemTime::now());
        let (fields, tags) = stored::kept_fields(fields, &date.http);
        let path = self.exchange.request.path.bytes().into();
        Draft {
            status,
            reason,
            fields,
            terms,
            birth,
            path,
            tags,
        }
    }

    /// Keeps an answer, if it is one to be kept, and passes it on.
    async fn keep(self, leader: Leader, handled: Handled, began: Instant) -> Handled {
        let Handled { response, times } = handled;
        let now = SystemTime::now();
        let answer = (response.status, &response.fields);
        let terms = match storing::terms(&self.seat.cache.wishes, &self.traits, answer, now) {
            Ok(terms) if is_short_enough(&response, self.seat.cache.options.max_object) => terms,
            Ok(_) => return self.refused(leader, response, times, Refusal::Kind),
            Err(refusal) => return self.refused(leader, response, times, refusal),
        };
        // Its names were read once already.
        let names = storing::varied(&response.fields).unwrap_or_default();
        let draft = self.draft(
            response.status,
            response.reason.clone(),
            &response.fields,
            terms,
            (began, Instant::now()),
        );
        let Some(key) = self.key_for(names) else {
            return self.refused(leader, response, times, Refusal::Once);
        };
        let response = self.take(leader, key, draft, response).await;
        Handled { response, times }
    }

    /// Where an answer that varies by `names` is kept.
    fn key_for(&self, names: Vec<Box<[u8]>>) -> Option<Vec<u8>> {
        if names.is_empty() {
            return Some(self.primary.clone());
        }
        let varied = self.seat.cache.shelf.vary(&self.primary, names);
        let mut key = Vec::new();
        let fields = &self.exchange.request.fields;
        key::variant(&mut key, varied.id, &varied.names, fields).then_some(key)
    }

    /// Takes the body over; at once when it is here.
    async fn take(
        self,
        leader: Leader,
        key: Vec<u8>,
        draft: Draft,
        response: Response,
    ) -> Response {
        let declared = response
            .fields
            .get("content-length")
            .and_then(answer::length);
        let body = match response.body {
            Body::Empty => Some(Bytes::new()),
            Body::Bytes(bytes) => Some(bytes),
            Body::Flow(mut flow) if flow.known_len().is_some_and(|len| len <= IN_MEMORY) => {
                fill::gather(&mut flow).await
            }
            Body::Flow(flow) => return self.pump(leader, key, draft, flow, declared),
            // `is_short_enough` has let none of these pass.
            Body::Bodiless | Body::File { .. } | Body::Parts(_) | Body::Tunnel(_) => None,
        };
        let is_whole = |body: &Bytes| declared.is_none_or(|len| len == body.len() as u64);
        let story = Story::Forwarded {
            why: self.why,
            stored: body.as_ref().is_some_and(is_whole),
        };
        let body = match body {
            Some(body) if is_whole(&body) => body,
            body => return broken(draft, body, declared, story),
        };
        let stored = Arc::new(draft.with(Kept::Memory(body)));
        self.put(leader, &key, Arc::clone(&stored));
        let request = self.exchange.request;
        reply::reply(&stored, request, self.site.compress, story, Instant::now())
    }

    /// Reads the body beside this request, which gets it as it comes.
    fn pump(
        &self,
        leader: Leader,
        key: Vec<u8>,
        draft: Draft,
        flow: Flow,
        declared: Option<u64>,
    ) -> Response {
        let Exchange {
            thread, request, ..
        } = *self.exchange;
        let most = self.seat.cache.options.max_object;
        let (pump, filling) = fill::begin(flow, declared, most);
        let story = Story::Forwarded {
            why: self.why,
            stored: true,
        };
        let response = if conditions::is_unchanged(request, draft.status, &draft.fields) {
            reply::unchanged(&draft.fields, |fields| status::tell(fields, story))
        } else {
            let mut fields = draft.fields.clone_with_room(2, 128);
            if let Some(length) = declared {
                fields.push(b"Content-Length", length.to_string().as_bytes());
            }
            reply::told(&mut fields, &draft.birth);
            status::tell(&mut fields, story);
            Response {
                status: draft.status,
                reason: draft.reason.clone(),
                fields,
                body: Body::Flow(Flow::Filling(filling)),
            }
        };
        let (seat, folder) = (self.seat.clone(), thread.buffers().folder().to_owned());
        tokio::task::spawn_local(async move {
            match pump.run(&folder).await {
                Some(body) => put(&seat, leader, &key, Arc::new(draft.with(body))),
                None => {
                    leader.land(Landing::Refused);
                    seat.cache.shelf.skip(&key, NOT_KEPT);
                }
            }
        });
        response
    }

    /// Passes on what is not kept.
    fn refused(
        self,
        leader: Leader,
        mut response: Response,
        times: Times,
        refusal: Refusal,
    ) -> Handled {
        let shelf = &self.seat.cache.shelf;
        leader.land(Landing::Refused);
        // Of a failure nothing follows for what is kept.
        let tells = !is_failure(response.status);
        if tells && refusal == Refusal::Kind && self.traits.takes_anonymous() {
            shelf.skip(&self.primary, NOT_KEPT);
        } else if tells && self.found.stored.is_some() {
            // It says that what is kept is out of date.
            shelf.remove(self.own_key());
        }
        response.fields.remove("cache-tag");
        let story = Story::Forwarded {
            why: self.why,
            stored: false,
        };
        let request = self.exchange.request;
        if conditions::is_unchanged(request, response.status, &response.fields) {
            response = reply::unchanged(&response.fields, |_| {});
        }
        status::tell(&mut response.fields, story);
        Handled { response, times }
    }

    fn put(&self, leader: Leader, key: &[u8], stored: Arc<Stored>) {
        put(self.seat, leader, key, stored);
    }
}

/// A body that is not as long as was announced goes on as it came: whoever reads it sees to that.
fn broken(draft: Draft, body: Option<Bytes>, declared: Option<u64>, story: Story) -> Response {
    let mut fields = draft.fields;
    if let Some(length) = declared {
        fields.push(b"Content-Length", length.to_string().as_bytes());
    }
    status::tell(&mut fields, story);
    let flow = body.map_or(Flow::Broken, |body| Flow::Ready(Some(Part::Bytes(body))));
    Response {
        status: draft.status,
        reason: draft.reason,
        fields,
        body: Body::Flow(flow),
    }
}

/// Puts an answer on the shelf, unless the page or the site's code changed while it was made.
fn put(seat: &Seat, leader: Leader, key: &[u8], stored: Arc<Stored>) {
    let shelf = &seat.cache.shelf;
    shelf.put(key, stored);
    // Asked afterwards: who spoils it has marked the flight before he clears the shelf.
    if leader.is_spoiled() || !seat.is_current() {
        shelf.remove(key);
        return leader.land(Landing::Lost);
    }
    seat.cache.counts.stored.fetch_add(1, Relaxed);
    leader.land(Landing::Kept);
}

fn may_confirm(kept: &Stored) -> bool {
    kept.fields.get("etag").is_some() || kept.fields.get("last-modified").is_some()
}

/// What RFC 5861, 4 calls an error.
fn is_failure(status: u16) -> bool {
    matches!(status, 500 | 502 | 503 | 504)
}

/// Whether a body is one that can be kept, as far as its head tells.
fn is_short_enough(response: &Response, most: u64) -> bool {
    let declared = response
        .fields
        .get("content-length")
        .and_then(answer::length);
    match &response.body {
        Body::Empty | Body::Bytes(_) => true,
        Body::Flow(flow) => declared
            .or_else(|| flow.known_len())
            .is_none_or(|len| len <= most),
        // Files have a shelf of their own.
        Body::Bodiless | Body::File { .. } | Body::Parts(_) | Body::Tunnel(_) => false,
    }
}

/// Asks for a newer answer beside the request that was just answered.
pub(super) fn renew(
    seat: &Seat,
    exchange: &Exchange<'_>,
    traits: &Traits,
    primary: &[u8],
    found: &Found,
) {
    let Some(thread) = exchange.thread.this() else {
        return;
    };
    let (seat, traits, ends) = (seat.clone(), *traits, exchange.ends.clone());
    let request = conditions::question(exchange.request, None);
    let (primary, key) = (primary.to_vec(), found.key.clone());
    let stored = found.stored.clone();
    let started = Instant::now();
    let flights = Arc::clone(&seat.cache.flights);
    let traits = Traits {
        is_head: false,
        has_range: false,
        is_conditional: false,
        ..traits
    };
    let work = async move {
        let table = thread.shared.table.load_full();
        let site = table.find(request.host(), ends.local_ip());
        let (Some(site), Ok(route)) = (site, route::find(site, &request)) else {
            return;
        };
        if !matches!(route, Route::App(..) | Route::Proxy(_)) {
            return;
        }
        let exchange = Exchange {
            thread: &thread,
            ends: &ends,
            request: &request,
            started,
        };
        let found = Found {
            key,
            stored,
            ..Found::default()
        };
        let fetch = Fetch {
            seat: &seat,
            site: site.site,
            exchange: &exchange,
            traits,
            primary,
            found,
            why: Forward::Stale,
        };
        if let Boarding::Lead(leader) = flights.board(&fetch.flight(), &fetch.primary, false) {
            // Who fails has said so.
            drop(fetch.lead(leader, route).await);
        }
    };
    tokio::task::spawn_local(work);
}

impl Request {
    /// The same request with these fields.
    pub(super) fn with_fields(&self, fields: crate::message::Fields) -> Self {
        Self {
            version: self.version,
            scheme: self.scheme,
            method: self.method.clone(),
            target: self.target.clone(),
            query_at: self.query_at,
            path: self.path.clone(),
            authority: self.authority.clone(),
            host_len: self.host_len,
            client: self.client,
            client_port: self.client_port,
            fields,
            upgrade: Vec::new(),
            id: self.id,
        }
    }
}
