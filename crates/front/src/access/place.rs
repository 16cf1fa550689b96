//! Which paths a rule is for. Rather too many than too few: what an app, or a server behind us, may take
//! for the rule's path is the rule's, whatever the spelling.

/// A URL and all below it, as its segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place(Vec<Box<[u8]>>);

impl Place {
    /// `url` is decoded and checked by the configuration.
    pub(super) fn new(url: &str) -> Self {
        Self(segments(url.as_bytes()).map(Into::into).collect())
    }

    pub(super) fn depth(&self) -> usize {
        self.0.len()
    }

    /// Whether a decoded path is here: with or without the final slash, with any number of slashes, with
    /// parameters (`;x`) behind a segment.
    pub(super) fn covers(&self, path: &[u8]) -> bool {
        let mut theirs = segments(path);
        self.0.iter().all(|own| theirs.next() == Some(own))
    }
}

fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
        .map(|segment| {
            let end = memchr::memchr(b';', segment).unwrap_or(segment.len());
            &segment[..end]
        })
        .filter(|segment| !segment.is_empty())
}
