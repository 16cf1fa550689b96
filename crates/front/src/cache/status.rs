//! Cache-Status (RFC 9211): what came of the cache for one answer.

use std::io::Write as _;
use std::time::Duration;

use crate::message::Fields;

/// Why the app was asked (RFC 9211, 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forward {
    /// The request is none that is looked up.
    Bypass,
    UriMiss,
    VaryMiss,
    Stale,
    /// The request wants a newer one.
    Request,
}

/// What the field says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Story {
    /// From the shelf, and how long it is still fresh.
    Hit {
        fresh_for: Duration,
    },
    /// From the shelf, though it is older than it should be by so much.
    Stale {
        by: Duration,
        failed: bool,
    },
    /// Asked for, confirmed by the app with a 304, from the shelf.
    Confirmed,
    /// Asked for by another request at the same time.
    Collapsed {
        why: Forward,
    },
    Forwarded {
        why: Forward,
        stored: bool,
    },
}

impl Forward {
    fn name(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Stale => "stale",
            Self::Request => "request",
        }
    }
}

/// Adds the field; caches before us have said theirs in lines above.
pub(super) fn tell(fields: &mut Fields, story: Story) {
    let mut text = [0_u8; 80];
    let mut rest = &mut text[..];
    // 80 bytes hold every story.
    let _ = match story {
        Story::Hit { fresh_for } => write!(rest, "Hotclub; hit; ttl={}", fresh_for.as_secs()),
        Story::Stale { by, failed } => {
            let detail = if failed {
                "app-failed"
            } else {
                "being-renewed"
            };
            write!(rest, "Hotclub; hit; ttl=-{}; detail={detail}", by.as_secs())
        }
        Story::Confirmed => write!(rest, "Hotclub; fwd=stale; fwd-status=304; stored"),
        Story::Collapsed { why } => write!(rest, "Hotclub; fwd={}; collapsed", why.name()),
        Story::Forwarded { why, stored: true } => {
            write!(rest, "Hotclub; fwd={}; stored", why.name())
        }
        Story::Forwarded { why, stored: false } => write!(rest, "Hotclub; fwd={}", why.name()),
    };
    let len = 80 - rest.len();
    fields.push(b"Cache-Status", &text[..len]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_story_fits_and_is_a_structured_field() {
        let long = Duration::from_secs(u64::MAX);
        for (story, expected) in [
            (
                Story::Hit {
                    fresh_for: Duration::from_millis(1900),
                },
                "Hotclub; hit; ttl=1",
            ),
            (
                Story::Stale {
                    by: long,
                    failed: true,
                },
                "Hotclub; hit; ttl=-18446744073709551615; detail=app-failed",
            ),
            (
                Story::Confirmed,
                "Hotclub; fwd=stale; fwd-status=304; stored",
            ),
            (
                Story::Collapsed {
                    why: Forward::VaryMiss,
                },
                "Hotclub; fwd=vary-miss; collapsed",
            ),
            (
                Story::Forwarded {
                    why: Forward::UriMiss,
                    stored: true,
                },
                "Hotclub; fwd=uri-miss; stored",
            ),
        ] {
            let mut fields = Fields::default();
            tell(&mut fields, story);
            assert_eq!(fields.get("cache-status"), Some(expected.as_bytes()));
        }
    }
}
