//! What came of a site's cache, for people and for Prometheus; and what a purge means.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::{Deserialize, Serialize};

/// Since the start, whatever became of the site meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) hits: AtomicU64,
    pub(crate) stale: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) collapsed: AtomicU64,
    pub(crate) confirmed: AtomicU64,
    pub(crate) stood_in: AtomicU64,
    pub(crate) stored: AtomicU64,
    pub(crate) invalidated: AtomicU64,
    pub(crate) purged: AtomicU64,
}

/// What a site's cache holds and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CacheStats {
    /// Answers that are kept now.
    pub answers: u64,
    /// Bytes.
    pub memory: u64,
    /// Bytes in files.
    pub disk: u64,
    /// Requests answered while their answer was fresh.
    pub hits: u64,
    /// Requests answered with an older one while a newer was made.
    pub stale: u64,
    /// Requests that the app was asked for.
    pub misses: u64,
    /// Requests that waited for another one's answer and got it.
    pub collapsed: u64,
    /// Answers that the app confirmed with a 304.
    pub confirmed: u64,
    /// Requests answered with an older one because the app failed.
    pub stood_in: u64,
    /// Answers that were kept.
    pub stored: u64,
    /// Answers that a POST or the like made out of date.
    pub invalidated: u64,
    /// Answers that were purged.
    pub purged: u64,
}

impl Counts {
    pub(super) fn stats(&self, answers: u64, memory: u64, disk: u64) -> CacheStats {
        let read = |count: &AtomicU64| count.load(Relaxed);
        CacheStats {
            answers,
            memory,
            disk,
            hits: read(&self.hits),
            stale: read(&self.stale),
            misses: read(&self.misses),
            collapsed: read(&self.collapsed),
            confirmed: read(&self.confirmed),
            stood_in: read(&self.stood_in),
            stored: read(&self.stored),
            invalidated: read(&self.invalidated),
            purged: read(&self.purged),
        }
    }
}

/// Which answers are to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purge {
    All,
    /// All forms of the page at this decoded path, whatever its host and query; with `*` at its end all that begin so.
    Path(String),
    /// Those whose Cache-Tag names it.
    Tag(String),
}

impl Purge {
    /// What a person writes: nothing, a path, or a tag.
    #[must_use]
    pub fn read(text: Option<&str>) -> Self {
        match text {
            None => Self::All,
            Some(path) if path.starts_with('/') => Self::Path(path.to_owned()),
            Some(tag) => Self::Tag(tag.to_owned()),
        }
    }

    pub(super) fn fits(&self, path: &[u8], tags: &[Box<[u8]>]) -> bool {
        match self {
            Self::All => true,
            Self::Path(wanted) => match wanted.strip_suffix('*') {
                Some(start) => path.starts_with(start.as_bytes()),
                None => path == wanted.as_bytes(),
            },
            Self::Tag(wanted) => tags.iter().any(|tag| **tag == *wanted.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purge_means_a_path_what_begins_so_or_a_tag() {
        let tags = ["posts"].map(|tag| Box::from(tag.as_bytes()));
        for (text, path, expected) in [
            (None, "/a", true),
            (Some("/a"), "/a", true),
            (Some("/a"), "/a/", false),
            (Some("/a*"), "/ab/c", true),
            (Some("/*"), "/a", true),
            (Some("posts"), "/a", true),
            (Some("post"), "/a", false),
        ] {
            assert_eq!(
                Purge::read(text).fits(path.as_bytes(), &tags),
                expected,
                "{text:?} {path}"
            );
        }
    }
}
