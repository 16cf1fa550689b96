//! A shared cache before apps and upstreams (RFC 9111), off unless a site asks for it.
//!
//! `traits` reads what matters of a request, `key` names what it asks for, `shelf` holds what is kept
//! (`stored`) and `reply` answers with it. Where nothing fits, `fetch` asks the app once for all who want
//! the same (`flights`); `storing` decides whether the answer is kept, on which terms (`freshness`,
//! `directives`), and `fill` takes its body over while it is passed on. A hit touches none of these.
//!
//! Whose page it is comes before everything else: `storing` and `Traits` say what is nobody's.

mod conditions;
mod counts;
mod directives;
mod fetch;
mod fill;
mod flights;
mod freshness;
mod key;
mod registry;
mod reply;
mod shelf;
mod status;
mod stored;
mod storing;
mod traits;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use hotclub_config::Cache as Options;

use crate::exchange::Exchange;
use crate::message::{Fields, Response};
use crate::request::{Request, Scheme};
use crate::route::Route;
use crate::table::Site;
use crate::tally::Tally;

pub(crate) use counts::Counts;
pub use counts::{CacheStats, Purge};
pub(crate) use fetch::Fetch;
pub use fill::Filling;
pub(crate) use registry::Registry;

use flights::Flights;
use freshness::Use;
use shelf::{Shelf, Slot};
use status::{Forward, Story};
use stored::Stored;
use storing::Wishes;
use traits::Traits;

/// What one site keeps; all threads of the front share it.
#[derive(Debug)]
pub(crate) struct Cache {
    options: Options,
    wishes: Wishes,
    shelf: Shelf,
    flights: Arc<Flights>,
    pub(crate) counts: Arc<Counts>,
    /// Of the site's code: what an older one answered is not kept any more.
    generation: AtomicU64,
    /// Requests that were answered for an app that failed, told once a second.
    stand_ins: Tally,
}

/// A site's part in its cache, for the code that it has now.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    pub(crate) cache: Arc<Cache>,
    generation: u64,
}

/// What the cache says to a request.
#[derive(Debug)]
pub(crate) enum Look<'a> {
    /// Nothing: it is none of its requests.
    Off,
    Answer(Response),
    /// The app has to be asked, by way of this.
    Ask(Box<Fetch<'a>>),
}

impl Cache {
    fn new(options: &Options, counts: Arc<Counts>) -> Self {
        Self {
            wishes: Wishes {
                anonymous: options.anonymous,
                stale_if_error: options.stale_if_error,
            },
            shelf: Shelf::new(options.max_memory, options.max_disk, options.max_object),
            flights: Arc::default(),
            counts,
            generation: AtomicU64::new(0),
            stand_ins: Tally::default(),
            options: options.clone(),
        }
    }

    /// Forgets what is meant, also what is being asked for now; returns how many answers there were.
    pub(crate) fn purge(&self, meant: &Purge) -> u64 {
        self.flights.spoil(None);
        let gone = match meant {
            Purge::All => {
                let (count, ..) = self.shelf.usage();
                self.shelf.clear();
                count
            }
            meant => self
                .shelf
                .purge(|stored| meant.fits(&stored.path, &stored.tags)),
        };
        self.counts.purged.fetch_add(gone, Relaxed);
        gone
    }

    pub(crate) fn stats(&self) -> CacheStats {
        let (answers, memory, disk) = self.shelf.usage();
        self.counts.stats(answers, memory, disk)
    }
}

/// What lies on the shelf for a request.
#[derive(Debug, Default)]
struct Found {
    /// The slot's own key, of the variant where there are several.
    key: Vec<u8>,
    stored: Option<Arc<Stored>>,
    /// The page has several forms, and none of them is the one asked for.
    is_other_variant: bool,
    /// Answers to this are not kept.
    is_not_kept: bool,
}

impl Seat {
    /// Answers a request that is routed to an app or an upstream, if it can be without asking. `has_body`: only
    /// whoever is asked can tell what such a request is.
    pub(crate) fn look<'a>(
        &'a self,
        site: &'a Site,
        exchange: &'a Exchange<'a>,
        route: &Route<'_, '_>,
        has_body: bool,
    ) -> Look<'a> {
        let request = exchange.request;
        let is_kept = match route {
            Route::App(..) => true,
            Route::Proxy(proxy) => proxy.is_cached(),
            _ => false,
        };
        let is_get = matches!(&request.method[..], b"GET" | b"HEAD");
        if !is_kept || !is_get || has_body || !request.upgrade.is_empty() {
            return Look::Off;
        }
        let traits = Traits::of(request);
        let mut primary = exchange.thread.take_buffer();
        if !key::primary(&mut primary, self.generation, request, &traits) {
            exchange.thread.give_buffer(primary);
            return Look::Off;
        }
        let found = self.find(&primary, request, &traits);
        let now = Instant::now();
        let ask = |buffer: Vec<u8>, found, why| {
            let (seat, primary) = (self, buffer.clone());
            exchange.thread.give_buffer(buffer);
            Look::Ask(Box::new(Fetch {
                seat,
                site,
                exchange,
                traits,
                primary,
                found,
                why,
            }))
        };
        let Some(stored) = &found.stored else {
            let why = match found.is_other_variant {
                true => Forward::VaryMiss,
                false => Forward::UriMiss,
            };
            return ask(primary, found, why);
        };
        let age = stored.age(now);
        let story = match stored.terms.usable(age, &traits.asked) {
            Use::Fresh => {
                self.cache.counts.hits.fetch_add(1, Relaxed);
                let fresh_for = stored.terms.lifetime.saturating_sub(age);
                Story::Hit { fresh_for }
            }
            Use::Revalidate => {
                self.cache.counts.stale.fetch_add(1, Relaxed);
                let by = age.saturating_sub(stored.terms.lifetime);
                Story::Stale { by, failed: false }
            }
            Use::Ask => {
                let is_stale = age >= stored.terms.lifetime || stored.terms.always_ask;
                let why = if is_stale {
                    Forward::Stale
                } else {
                    Forward::Request
                };
                return ask(primary, found, why);
            }
        };
        let response = reply::reply(stored, request, site.compress, story, now);
        if matches!(story, Story::Stale { .. }) && stored.may_be_asked(now) {
            fetch::renew(self, exchange, &traits, &primary, &found);
        }
        exchange.thread.give_buffer(primary);
        Look::Answer(response)
    }

    /// What is kept for a request whose primary key this is.
    fn find(&self, primary: &[u8], request: &Request, traits: &Traits) -> Found {
        let mut found = Found::default();
        let shelf = &self.cache.shelf;
        let mut slot = shelf.get(primary);
        if let Some(Slot::Varied(varied)) = &slot {
            let varied = Arc::clone(varied);
            found.is_other_variant = true;
            let has_key = key::variant(&mut found.key, varied.id, &varied.names, &request.fields);
            slot = has_key.then(|| shelf.get(&found.key)).flatten();
        }
        match slot {
            // What was kept for visitors of whom nothing is known is for nobody else.
            Some(Slot::Stored(stored)) if !stored.terms.anonymous || traits.takes_anonymous() => {
                found.stored = Some(stored);
            }
            Some(Slot::NotKept { until }) => found.is_not_kept = Instant::now() < until,
            _ => {}
        }
        found
    }

    /// Whether answers to the site's present code are what is kept.
    fn is_current(&self) -> bool {
        self.cache.generation.load(Relaxed) == self.generation
    }

    /// A request changed something: what is kept of its address and of those that its answer names is out of
    /// date (RFC 9111, 4.4).
    pub(crate) fn invalidate(&self, request: &Request, answer: &Fields) {
        let traits = Traits::of(request);
        let named = ["location", "content-location"].into_iter();
        let named = named.filter_map(|name| own_target(request, answer.get(name)?));
        for target in named.chain([&request.target[..]]) {
            for scheme in [Scheme::Http, Scheme::Https] {
                let key = key::of_target(self.generation, scheme, (request, &traits), target);
                if let Some(key) = key {
                    self.cache.flights.spoil(Some(&key));
                    let gone = self.cache.shelf.remove(&key);
                    self.cache
                        .counts
                        .invalidated
                        .fetch_add(u64::from(gone), Relaxed);
                }
            }
        }
    }
}

/// Path and query of a URL on the request's own host.
fn own_target<'u>(request: &Request, url: &'u [u8]) -> Option<&'u [u8]> {
    let url = url.split(|byte| *byte == b'#').next().unwrap_or_default();
    if url.starts_with(b"/") && !url.starts_with(b"//") {
        return Some(url);
    }
    let rest = ["http://", "https://", "//"].into_iter();
    let rest = rest
        .filter_map(|scheme| url.strip_prefix(scheme.as_bytes()))
        .next()?;
    let end = memchr::memchr(b'/', rest)?;
    rest[..end]
        .eq_ignore_ascii_case(&request.authority)
        .then_some(&rest[end..])
}

/// Whether a request of this method may change what others see (RFC 9110, 9.2.1).
pub(crate) fn changes(method: &[u8]) -> bool {
    !matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE")
}
