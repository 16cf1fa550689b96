//! Whether an answer is kept, and on which terms (RFC 9111, 3; RFC 5861). Stricter than the RFC where a
//! page could be somebody's own: an answer with Set-Cookie is never kept, and one to a request with
//! Cookie or Authorization only when the app says `public` or `s-maxage`.

use std::time::{Duration, SystemTime};

use super::directives::{Allowed, members};
use super::freshness::{self, Terms};
use super::traits::Traits;
use crate::message::Fields;

/// More names in Vary than any app needs.
const MOST_NAMES: usize = 16;

/// Whom an answer that is not kept was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Whoever asks next may have better luck.
    Once,
    /// The page is of the kind that is not kept: for a while nobody should wait for it.
    Kind,
}

/// What the site wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wishes {
    pub(super) anonymous: Option<Duration>,
    pub(super) stale_if_error: Duration,
}

/// The terms on which an answer to a GET is kept.
///
/// # Errors
/// When it is not.
pub(super) fn terms(
    wishes: &Wishes,
    traits: &Traits,
    (status, fields): (u16, &Fields),
    now: SystemTime,
) -> Result<Terms, Refusal> {
    let allowed = Allowed::read(fields);
    if traits.asked.no_store || traits.is_special {
        return Err(Refusal::Once);
    }
    if is_out_of_question(status, fields, &allowed) {
        return Err(Refusal::Kind);
    }
    let for_all = allowed.public || allowed.s_maxage.is_some();
    if !traits.is_anonymous() && !for_all {
        return Err(Refusal::Once);
    }
    match freshness::explicit(&allowed, fields, now) {
        Some(lifetime) => said(wishes, &allowed, lifetime, has_validator(fields)),
        None if allowed.no_cache || allowed.public && has_validator(fields) => {
            said(wishes, &allowed, Duration::ZERO, has_validator(fields))
        }
        None => unsaid(wishes, &allowed, traits, status),
    }
}

fn is_out_of_question(status: u16, fields: &Fields, allowed: &Allowed) -> bool {
    let is_final = (200..=599).contains(&status) && !matches!(status, 206 | 304);
    let understood = matches!(
        status,
        200 | 203 | 204 | 300 | 301 | 302 | 303 | 307 | 308 | 404 | 405 | 410 | 414 | 501
    );
    let no_store = match allowed.must_understand {
        // RFC 9111, 5.2.2.3: for those who know the status it stands in the place of no-store.
        true => !understood,
        false => allowed.no_store,
    };
    let is_stream = || {
        let kind = fields.get("content-type").unwrap_or_default();
        kind.len() >= 17 && kind[..17].eq_ignore_ascii_case(b"text/event-stream")
    };
    !is_final
        || no_store
        || allowed.private
        || fields.get("set-cookie").is_some()
        || fields.get("content-range").is_some()
        || varied(fields).is_none()
        || is_stream()
}

fn has_validator(fields: &Fields) -> bool {
    fields.get("etag").is_some() || freshness::date(fields, "last-modified").is_some()
}

/// The app said how long.
fn said(
    wishes: &Wishes,
    allowed: &Allowed,
    lifetime: Duration,
    can_be_confirmed: bool,
) -> Result<Terms, Refusal> {
    let time = |seconds: Option<u64>| seconds.map(Duration::from_secs);
    let while_revalidated = time(allowed.stale_while_revalidate);
    let if_error = time(allowed.stale_if_error);
    // RFC 9111, 5.2.2.10: s-maxage means proxy-revalidate, unless the same field says otherwise.
    let strict = allowed.must_revalidate
        || allowed.s_maxage.is_some() && while_revalidated.is_none() && if_error.is_none();
    let stale = |time: Duration| if strict { Duration::ZERO } else { time };
    let terms = Terms {
        lifetime,
        always_ask: allowed.no_cache,
        while_revalidated: stale(while_revalidated.unwrap_or_default()),
        if_error: stale(if_error.unwrap_or(wishes.stale_if_error)),
        never_stale: strict,
        anonymous: false,
    };
    let has_use = terms.is_ever_used()
        || can_be_confirmed
        || !allowed.no_cache
            && !strict
            && (while_revalidated.is_some() || allowed.stale_if_error.is_some());
    has_use.then_some(terms).ok_or(Refusal::Kind)
}

/// The app said nothing: the site decides for visitors of whom nothing is known.
fn unsaid(
    wishes: &Wishes,
    allowed: &Allowed,
    traits: &Traits,
    status: u16,
) -> Result<Terms, Refusal> {
    let lifetime = wishes.anonymous.ok_or(Refusal::Kind)?;
    if !matches!(status, 200 | 203 | 301 | 308 | 404 | 410) {
        return Err(Refusal::Once);
    }
    if !traits.takes_anonymous() {
        return Err(Refusal::Once);
    }
    let strict = allowed.must_revalidate;
    let stale = |time: Duration| if strict { Duration::ZERO } else { time };
    Ok(Terms {
        lifetime,
        always_ask: false,
        // Nobody waits for a popular page: it is shown once more as long while the next one is made.
        while_revalidated: stale(lifetime),
        if_error: stale(wishes.stale_if_error),
        never_stale: strict,
        anonymous: true,
    })
}

/// The names in Vary, small letters, each once, in order; `None`: no other request is alike.
pub(super) fn varied(fields: &Fields) -> Option<Vec<Box<[u8]>>> {
    let mut names = Vec::new();
    for name in fields.all("vary").flat_map(members) {
        if name == b"*" {
            return None;
        }
        names.push(name.to_ascii_lowercase().into_boxed_slice());
    }
    names.sort_unstable();
    names.dedup();
    (names.len() <= MOST_NAMES).then_some(names)
}

#[cfg(test)]
#[path = "storing/tests.rs"]
mod tests;
