//! One site's certificate through the years: carries out what `schedule` decides.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime};

use crate::expiry::Leaf;
use crate::office::Office;
use crate::schedule::{Event, State, step};
use crate::trouble::Trouble;
use crate::{Issued, Show, Shower, Wish, store};

/// No wait is longer, so that a clock that was set, or a machine that slept, is noticed.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Keeps a certificate for `wish`, forever. The one that is stored is for the caller to show ([`crate::stored`]).
pub async fn keep(wish: Wish, show: Shower, office: Office) {
    let spread = chance();
    let held = store::stored(&wish.folder, &wish.site).and_then(|held| Leaf::read(&held.chain));
    let mut event = match held {
        Some(leaf) if leaf.covers(&wish.names) => Event::Holds(leaf.validity),
        _ => Event::Lacks,
    };
    let mut state = State::Ordering { failed: 0 };
    // What was revoked while we were away is replaced at once.
    let mut pause = Duration::ZERO;
    loop {
        let (next, wait) = step(state, event, SystemTime::now(), spread);
        state = next;
        if let (State::Pausing { until, .. }, false) = (state, event == Event::Due) {
            tell(&wish, until);
        }
        event = match wait {
            Some(until) => rest(&wish, state, until.min(SystemTime::now() + pause), &office).await,
            None => ordered(&wish, &show, &office).await,
        };
        // Not all at the same time.
        pause = LONGEST_WAIT.mul_f64(0.75 + spread / 4.0);
    }
}

fn tell(wish: &Wish, until: SystemTime) {
    let left = until.duration_since(SystemTime::now()).unwrap_or_default();
    let minutes = (left.as_secs() + 30) / 60;
    tracing::info!(
        site = wish.site,
        "the next order is made in {minutes} minutes"
    );
}

/// Waits, then asks the authority whether it wants the next order sooner.
async fn rest(wish: &Wish, state: State, until: SystemTime, office: &Office) -> Event {
    let left = until.duration_since(SystemTime::now()).unwrap_or_default();
    tokio::time::sleep(left).await;
    match state {
        State::Resting { renew_at } if renew_at > SystemTime::now() => {
            suggested(wish, office).await.unwrap_or(Event::Due)
        }
        _ => Event::Due,
    }
}

/// What the authority says about renewal, where it says anything (RFC 9773). Of several, the one that made the
/// certificate is the one that knows it.
async fn suggested(wish: &Wish, office: &Office) -> Option<Event> {
    let held = store::stored(&wish.folder, &wish.site)?;
    let id = Leaf::read(&held.chain)?.id?;
    for directory in &wish.directories {
        if let Some((start, end)) = office.window(wish, directory, &id).await {
            return Some(Event::Suggested { start, end });
        }
    }
    None
}

async fn ordered(wish: &Wish, show: &Shower, office: &Office) -> Event {
    let outcome = order_anywhere(wish, show, office).await;
    show(Show::NoChallenge);
    let issued = match outcome {
        Ok(issued) => issued,
        Err(trouble) => return failed(wish, &trouble),
    };
    let Some(leaf) = Leaf::read(&issued.chain) else {
        tracing::error!(
            site = wish.site,
            "the authority gave what is no certificate"
        );
        return Event::Failed {
            rate_limited: false,
            retry_after: None,
        };
    };
    if let Err(error) = store::keep_certificate(&wish.folder, &wish.site, &issued) {
        // It serves as long as we do.
        let trouble = Trouble::State(error.to_string());
        tracing::error!(site = wish.site, "{trouble}\nhint: {}", trouble.hint());
    }
    show(Show::Certificate(issued));
    tracing::info!(
        site = wish.site,
        "a new certificate for {}",
        wish.names.join(", ")
    );
    Event::Holds(leaf.validity)
}

/// One authority after another.
async fn order_anywhere(wish: &Wish, show: &Shower, office: &Office) -> Result<Issued, Trouble> {
    let mut last: Option<Trouble> = None;
    for directory in &wish.directories {
        if let Some(trouble) = &last {
            tracing::warn!(site = wish.site, "{trouble}; the next authority is asked");
        }
        match office.obtain(wish, directory, show).await {
            Ok(issued) => return Ok(issued),
            Err(trouble) => last = Some(trouble),
        }
    }
    Err(last.unwrap_or(Trouble::Slow {
        authority: "nobody".to_owned(),
    }))
}

fn failed(wish: &Wish, trouble: &Trouble) -> Event {
    let held = store::stored(&wish.folder, &wish.site).and_then(|held| Leaf::read(&held.chain));
    let site = &wish.site;
    let hint = trouble.hint();
    let left = held.and_then(|leaf| leaf.validity.until.duration_since(SystemTime::now()).ok());
    match left.map(|left| left.as_secs() / 86_400) {
        Some(days) => tracing::error!(
            site,
            "the certificate is not renewed, the old one goes on for {days} days: {trouble}\nhint: {hint}"
        ),
        None => tracing::error!(site, "there is no certificate: {trouble}\nhint: {hint}"),
    }
    Event::Failed {
        rate_limited: trouble.is_rate_limited(),
        retry_after: trouble.retry_after(),
    }
}

/// A number from 0 to 1, another one in each process.
fn chance() -> f64 {
    let random = RandomState::new().hash_one(0_u8) >> 11;
    random as f64 / (1_u64 << 53) as f64
}
