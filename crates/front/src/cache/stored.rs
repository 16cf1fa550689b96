//! An answer that is kept: its head as the app gave it, its body once plain and, made when first wanted,
//! once in each coding.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hotclub_app::Part;

use super::directives::members;
use super::freshness::{Birth, Terms};
use crate::files::Coding;
use crate::message::Fields;

/// What an entry takes beside its texts: the lists, the shelf's own part.
const ENTRY: usize = 512;
/// After a question that the app did not answer it is left alone for so long.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Stored {
    pub(super) status: u16,
    pub(super) reason: Option<Bytes>,
    /// With Date, and without Content-Length, Age and Cache-Tag.
    pub(super) fields: Fields,
    pub(super) body: Kept,
    pub(super) terms: Terms,
    pub(super) birth: Birth,
    /// The decoded path that it is at.
    pub(super) path: Box<[u8]>,
    pub(super) tags: Box<[Box<[u8]>]>,
    pub(super) encoded: Arc<Encoded>,
    /// Milliseconds from `birth.came` to when the app may be asked once more.
    pause: AtomicU64,
}

/// A body, whole.
#[derive(Clone, Debug)]
pub(super) enum Kept {
    Memory(Bytes),
    /// From the beginning of a file without a name.
    File {
        file: Arc<OwnedFd>,
        len: u64,
    },
}

/// A body's other forms, in the order of [`Coding::ENCODED`]; `None`: not worth it.
#[derive(Debug, Default)]
pub(super) struct Encoded([OnceLock<Option<Bytes>>; 3]);

impl Encoded {
    /// The body in this coding, made now if it was not before.
    pub(super) fn get(
        &self,
        coding: Coding,
        make: impl FnOnce() -> Option<Bytes>,
    ) -> Option<Bytes> {
        let at = Coding::ENCODED.iter().position(|other| *other == coding)?;
        self.0[at].get_or_init(make).clone()
    }
}

impl Kept {
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
        }
    }

    /// A stretch of it, which must lie inside.
    pub(super) fn part(&self, stretch: std::ops::Range<u64>) -> Part {
        match self {
            Self::Memory(bytes) => {
                let at = |place: u64| {
                    usize::try_from(place)
                        .unwrap_or(usize::MAX)
                        .min(bytes.len())
                };
                Part::Bytes(bytes.slice(at(stretch.start)..at(stretch.end)))
            }
            Self::File { file, .. } => Part::File {
                file: Arc::clone(file),
                offset: stretch.start,
                len: stretch.end - stretch.start,
            },
        }
    }
}

/// What is known of an answer before its body has come.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) status: u16,
    pub(super) reason: Option<Bytes>,
    pub(super) fields: Fields,
    pub(super) terms: Terms,
    pub(super) birth: Birth,
    pub(super) path: Box<[u8]>,
    pub(super) tags: Box<[Box<[u8]>]>,
}

impl Draft {
    pub(super) fn with(self, body: Kept) -> Stored {
        Stored {
            status: self.status,
            reason: self.reason,
            fields: self.fields,
            body,
            terms: self.terms,
            birth: self.birth,
            path: self.path,
            tags: self.tags,
            encoded: Arc::default(),
            pause: AtomicU64::new(0),
        }
    }
}

impl Stored {
    /// Bytes of memory. Encoded forms are counted before they are there: text shrinks to less than a third.
    pub(super) fn memory(&self) -> u64 {
        let body = match &self.body {
            Kept::Memory(bytes) => bytes.len() + bytes.len() / 2,
            Kept::File { .. } => 0,
        };
        let tags: usize = self.tags.iter().map(|tag| tag.len() + 16).sum();
        (ENTRY + self.fields.held() + self.path.len() + tags + body) as u64
    }

    pub(super) fn age(&self, now: Instant) -> Duration {
        self.birth.age(now)
    }

    /// The app did not answer: it is asked again in a second.
    pub(super) fn asked_in_vain(&self, now: Instant) {
        let until = now + PAUSE - self.birth.came;
        self.pause.store(
            u64::try_from(until.as_millis()).unwrap_or(u64::MAX),
            Relaxed,
        );
    }

    pub(super) fn may_be_asked(&self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.birth.came).as_millis();
        since >= u128::from(self.pause.load(Relaxed))
    }

    /// The same answer after the app has said that it still holds (RFC 9111, 3.2 and 4.3.4).
    pub(super) fn confirmed(&self, newer: &Draft) -> Stored {
        let mut fields = Fields::with_capacity(self.fields.len() + 4, self.fields.held());
        let is_replaced = |name: &[u8]| {
            let text = std::str::from_utf8(name).unwrap_or_default();
            !stays(name) && newer.fields.get(text).is_some()
        };
        for (name, value) in self.fields.iter().filter(|(name, _)| !is_replaced(name)) {
            fields.push(name, value);
        }
        for (name, value) in newer.fields.iter().filter(|(name, _)| !stays(name)) {
            fields.push(name, value);
        }
        let tags = match newer.tags.is_empty() {
            true => self.tags.clone(),
            false => newer.tags.clone(),
        };
        let draft = Draft {
            status: self.status,
            reason: self.reason.clone(),
            fields,
            tags,
            path: self.path.clone(),
            terms: newer.terms,
            birth: newer.birth,
        };
        Stored {
            encoded: Arc::clone(&self.encoded),
            ..draft.with(self.body.clone())
        }
    }
}

/// What belongs to the body that is kept, and not to the answer that confirms it.
fn stays(name: &[u8]) -> bool {
    [
        "content-length",
        "content-encoding",
        "content-md5",
        "content-range",
        "etag",
    ]
    .into_iter()
    .any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
}

/// The fields of an answer as they are kept, and its tags.
pub(super) fn kept_fields(fields: &Fields, date: &str) -> (Fields, Box<[Box<[u8]>]>) {
    const DROPPED: [&str; 3] = ["content-length", "age", "cache-tag"];
    let mut kept = Fields::with_capacity(fields.len() + 1, fields.held());
    for (name, value) in fields.iter() {
        if !DROPPED
            .into_iter()
            .any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
        {
            kept.push(name, value);
        }
    }
    if kept.get("date").is_none() {
        kept.push(b"Date", date.as_bytes());
    }
    let tags = fields.all("cache-tag").flat_map(members).map(Box::from);
    (kept, tags.collect())
}
