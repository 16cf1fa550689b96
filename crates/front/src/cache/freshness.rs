//! How old an answer is, how long it is fresh, and what may be done with it afterwards (RFC 9111, 4.2).

use std::time::{Duration, Instant, SystemTime};

use super::directives::{Allowed, Asked, FOREVER, digits};
use crate::message::Fields;

/// How long an answer can be used, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    /// Of freshness, from its birth.
    pub(super) lifetime: Duration,
    /// Each use has to be confirmed by the app.
    pub(super) always_ask: bool,
    /// Behind its freshness: may be shown while a newer one is being made.
    pub(super) while_revalidated: Duration,
    /// Behind its freshness: may be shown when the app fails.
    pub(super) if_error: Duration,
    /// Never shown stale, whatever a client puts up with.
    pub(super) never_stale: bool,
    /// The app said nothing: kept for visitors of whom nothing is known.
    pub(super) anonymous: bool,
}

/// What becomes of a stored answer for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// It answers.
    Fresh,
    /// It answers, and somebody should ask for a newer one.
    Revalidate,
    /// The app has to be asked.
    Ask,
}

/// When an answer came, and how old it was then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Birth {
    pub(super) came: Instant,
    pub(super) age: Duration,
    /// What a cache before us said of it.
    pub(super) told: Duration,
}

impl Birth {
    /// RFC 9111, 4.2.3; it was asked for at `asked` and came at `came`.
    pub(super) fn of(fields: &Fields, asked: Instant, came: Instant, now: SystemTime) -> Self {
        let date = date(fields, "date");
        let apparent = date.and_then(|date| now.duration_since(date).ok());
        let told = Duration::from_secs(age_value(fields));
        let delay = came.saturating_duration_since(asked);
        // A Date has whole seconds: what it seems to be older by may be our rounding.
        let apparent = apparent.unwrap_or_default();
        let apparent = apparent.saturating_sub(Duration::from_secs(1));
        let corrected = match told.is_zero() {
            true => Duration::ZERO,
            false => told + delay,
        };
        let age = apparent.max(corrected);
        Self { came, age, told }
    }

    pub(super) fn age(&self, now: Instant) -> Duration {
        self.age + now.saturating_duration_since(self.came)
    }
}

/// The Age of an answer; 0 where there is none. Of a list the first counts (RFC 9111, 5.1); what is none, or comes
/// in several lines, is as old as can be.
fn age_value(fields: &Fields) -> u64 {
    let mut lines = fields.all("age");
    let (value, more) = match (lines.next(), lines.next()) {
        (None, _) => return 0,
        (Some(value), more) => (value, more),
    };
    let first = value.split(|byte| *byte == b',').next();
    let read = digits(first.unwrap_or_default().trim_ascii());
    read.filter(|_| more.is_none()).unwrap_or(FOREVER)
}

/// A date of the answer (RFC 9110, 5.6.7).
pub(super) fn date(fields: &Fields, name: &str) -> Option<SystemTime> {
    let text = std::str::from_utf8(fields.get(name)?).ok()?;
    httpdate::parse_http_date(text.trim_ascii()).ok()
}

/// The lifetime that the app gave (4.2.1): `s-maxage`, `max-age`, Expires. An Expires that is no date is past.
pub(super) fn explicit(allowed: &Allowed, fields: &Fields, now: SystemTime) -> Option<Duration> {
    if let Some(seconds) = allowed.s_maxage.or(allowed.max_age) {
        return Some(Duration::from_secs(seconds));
    }
    let mut lines = fields.all("expires");
    lines.next()?;
    if lines.next().is_some() {
        return Some(Duration::ZERO);
    }
    let until = date(fields, "expires");
    let from = date(fields, "date").unwrap_or(now);
    Some(
        until
            .and_then(|until| until.duration_since(from).ok())
            .unwrap_or_default(),
    )
}

impl Terms {
    /// Whether an answer that is so old answers a request that asks so.
    pub(super) fn usable(&self, age: Duration, asked: &Asked) -> Use {
        if self.always_ask || asked.no_cache {
            return Use::Ask;
        }
        if asked
            .max_age
            .is_some_and(|most| age > Duration::from_secs(most))
        {
            return Use::Ask;
        }
        let margin = Duration::from_secs(asked.min_fresh.unwrap_or(0));
        if age + margin < self.lifetime {
            return Use::Fresh;
        }
        let stale = (age + margin).saturating_sub(self.lifetime);
        if asked.min_fresh.is_none() && stale < self.while_revalidated {
            return Use::Revalidate;
        }
        match asked.max_stale {
            Some(most) if !self.never_stale && stale <= Duration::from_secs(most) => {
                Use::Revalidate
            }
            _ => Use::Ask,
        }
    }

    /// Whether it may stand in for an app that fails.
    pub(super) fn stands_in(&self, age: Duration) -> bool {
        !self.never_stale && !self.always_ask && age.saturating_sub(self.lifetime) < self.if_error
    }

    /// How long there is any use for it without a question to the app.
    pub(super) fn is_ever_used(&self) -> bool {
        !self.lifetime.is_zero() && !self.always_ask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms {
        lifetime: Duration::from_secs(10),
        always_ask: false,
        while_revalidated: Duration::from_secs(5),
        if_error: Duration::from_secs(60),
        never_stale: false,
        anonymous: false,
    };

    #[test]
    fn an_answer_is_fresh_then_tolerable_then_old() {
        use Use::{Ask, Fresh, Revalidate};
        let asked = Asked::default();
        let fussy = Asked {
            max_age: Some(3),
            ..asked
        };
        let careful = Asked {
            min_fresh: Some(4),
            ..asked
        };
        let patient = Asked {
            max_stale: Some(100),
            ..asked
        };
        let stubborn = Asked {
            no_cache: true,
            ..asked
        };
        for (age, asked, expected) in [
            (0, asked, Fresh),
            (9, asked, Fresh),
            (10, asked, Revalidate),
            (14, asked, Revalidate),
            (15, asked, Ask),
            (3, fussy, Fresh),
            (4, fussy, Ask),
            (5, careful, Fresh),
            (6, careful, Ask),
            (109, patient, Revalidate),
            (111, patient, Ask),
            (0, stubborn, Ask),
        ] {
            let age = Duration::from_secs(age);
            assert_eq!(TERMS.usable(age, &asked), expected, "{age:?} {asked:?}");
        }
        let strict = Terms {
            never_stale: true,
            ..TERMS
        };
        assert_eq!(strict.usable(Duration::from_secs(20), &patient), Ask);
    }

    #[test]
    fn it_stands_in_for_a_broken_app_until_it_is_too_old() {
        let old = |seconds| Duration::from_secs(seconds);
        assert!(TERMS.stands_in(old(69)) && !TERMS.stands_in(old(70)));
        assert!(
            !Terms {
                never_stale: true,
                ..TERMS
            }
            .stands_in(old(11))
        );
        assert!(
            !Terms {
                always_ask: true,
                ..TERMS
            }
            .stands_in(old(11))
        );
    }

    #[test]
    fn a_lifetime_is_said_in_three_ways_and_the_strongest_wins() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        const DATE: (&str, &str) = ("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
        const LATER: (&str, &str) = ("Expires", "Sun, 06 Nov 1994 08:50:37 GMT");
        for (lines, expected) in [
            (&[][..], None),
            (&[DATE, LATER], Some(60)),
            (&[LATER], Some(60)),
            (&[DATE, ("Expires", "0")], Some(0)),
            (&[DATE, LATER, LATER], Some(0)),
            (&[DATE, LATER, ("Cache-Control", "max-age=7")], Some(7)),
            (&[("Cache-Control", "max-age=7, s-maxage=3")], Some(3)),
        ] {
            let fields = Fields::of(lines);
            let lifetime = explicit(&Allowed::read(&fields), &fields, now);
            assert_eq!(lifetime.map(|time| time.as_secs()), expected, "{lines:?}");
        }
    }

    #[test]
    fn an_age_is_what_caches_before_us_say() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let came = Instant::now();
        let age =
            |lines: &[(&str, &str)]| Birth::of(&Fields::of(lines), came, came, now).age.as_secs();
        assert_eq!(age(&[]), 0);
        assert_eq!(age(&[("Age", "30")]), 30);
        assert_eq!(age(&[("Age", "30, 50")]), 30);
        for nonsense in ["-1", "abc", "7200.0", "7200;a=b", ""] {
            assert_eq!(age(&[("Age", nonsense)]), FOREVER, "{nonsense}");
        }
        assert_eq!(age(&[("Age", "0"), ("Age", "0")]), FOREVER);
        assert_eq!(age(&[("Date", "Sun, 06 Nov 1994 08:48:37 GMT")]), 59);
    }
}
