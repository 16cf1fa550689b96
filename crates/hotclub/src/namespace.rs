//! Whether the numbers of processes in `/proc` are those that we signal by.

use std::path::Path;

use crate::console::Failure;

/// In a PID namespace of its own with the `/proc` of another one, every number that is read there means somebody
/// else: what a dead worker left behind could not be found, and others would be taken for it. Without any
/// `/proc` nothing is found, and nothing wrong is done.
pub(crate) fn check() -> Result<(), Failure> {
    let Ok(own) = std::fs::read_link("/proc/self") else {
        return Ok(());
    };
    let number = std::process::id().to_string();
    if own == Path::new(&number) {
        return Ok(());
    }
    let message = "/proc shows the processes of another PID namespace";
    Err(Failure::new(message)
        .hint("mount a /proc of this namespace, as `unshare --mount-proc` does"))
}
