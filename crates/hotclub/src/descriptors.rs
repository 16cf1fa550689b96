//! How many descriptors we may have open: each connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Beyond this more descriptors only cost: nobody has a million connections here.
const ENOUGH: u64 = 1 << 20;

/// Raises our soft limit to the hard one and returns what it was, for those we start: what an
/// administrator gave them is theirs.
pub(crate) fn raise() -> Option<u64> {
    let before = getrlimit(Resource::Nofile);
    let most = before.maximum.map_or(ENOUGH, |most| most.min(ENOUGH));
    let soft = before.current?;
    if soft >= most {
        return Some(soft);
    }
    let raised = Rlimit {
        current: Some(most),
        maximum: before.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => tracing::debug!(from = soft, to = most, "the limit of open files is raised"),
        Err(error) => tracing::warn!(%error, "the limit of open files stays at {soft}"),
    }
    Some(soft)
}
