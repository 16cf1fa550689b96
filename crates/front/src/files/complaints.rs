//! What the log says of files that cannot be served though they are there: once a minute each at
//! most, because one wrong permission meets every request.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::beneath::OpenError;

/// Seconds between two lines of the same kind.
const PAUSE: u64 = 60;

#[derive(Debug)]
pub(super) struct Complaints {
    started: Instant,
    /// One more than the second of the last line; 0: none yet.
    denied: AtomicU64,
    outside: AtomicU64,
    exhausted: AtomicU64,
    broken: AtomicU64,
}

impl Complaints {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            denied: AtomicU64::new(0),
            outside: AtomicU64::new(0),
            exhausted: AtomicU64::new(0),
            broken: AtomicU64::new(0),
        }
    }

    /// Logs `error`, unless it is an ordinary absence or was logged a moment ago.
    pub(super) fn note(&self, error: OpenError, root: &Path, path: &[u8]) {
        let (root, path) = (root.display(), path.escape_ascii());
        match error {
            OpenError::Missing => {}
            OpenError::Denied if self.is_due(&self.denied) => tracing::warn!(
                "{root}: the front may not read {path}; answered 404\n\
                 hint: let the front's user read the file and enter every folder above it"
            ),
            OpenError::Outside if self.is_due(&self.outside) => tracing::warn!(
                "{root}: {path} leads out of the folder by a symbolic link; answered 404\n\
                 hint: copy the file into the folder, or link to it relatively and inside"
            ),
            OpenError::Exhausted if self.is_due(&self.exhausted) => tracing::error!(
                "{root}: no descriptor or memory left to open {path}; answered 503\n\
                 hint: raise the limit of open files (LimitNOFILE=, ulimit -n)"
            ),
            OpenError::Broken(errno) if self.is_due(&self.broken) => tracing::error!(
                "{root}: {path} cannot be opened: {errno}; answered 503\n\
                 hint: look at the disk or the network file system that holds the folder"
            ),
            _ => {}
        }
    }

    fn is_due(&self, last: &AtomicU64) -> bool {
        let now = self.started.elapsed().as_secs() + 1;
        last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
            (last == 0 || now >= last + PAUSE).then_some(now)
        })
        .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_complaint_is_not_repeated_within_its_pause() {
        let complaints = Complaints::new();
        assert!(complaints.is_due(&complaints.denied));
        assert!(!complaints.is_due(&complaints.denied));
        assert!(complaints.is_due(&complaints.outside));
    }
}
