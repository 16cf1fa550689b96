//! SIGUSR2: the running program is replaced by the one that now lies in its place.
//!
//! The old program starts the new one with a socket as its standard input and hands the listening sockets over
//! it. The new one starts its workers, accepts beside the old one and says `ready`; the old one tells systemd
//! who is the service now, closes the socket, accepts no more and drains. Until that `ready` nothing has
//! changed for the old one: whatever goes wrong before, it goes on. No listening socket is ever closed or bound
//! anew, so no connection is refused.

mod ask;
mod asker;
mod predecessor;
mod successor;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use ask::run as ask;
pub(crate) use asker::Asker;
pub(crate) use predecessor::Predecessor;
pub(crate) use successor::Upgrade;

/// Tells a program that its standard input leads to its predecessor. The value is the version of [`Letter`].
const VARIABLE: &str = "HOTCLUB_SUCCEEDS";
const VERSION: &str = "1";
/// What a new program says when it serves.
const READY: &[u8] = b"ready\n";
/// Whoever does not serve by then is killed. Longer than the deadline of an import, whose message says more.
const DEADLINE: Duration = Duration::from_secs(150);
/// What the other program does at once takes this long when that is stuck.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a letter, at most.
const LETTER_MAX: usize = 4096;

/// What goes with the sockets.
#[derive(Debug, Serialize, Deserialize)]
struct Letter {
    /// The first so many descriptors are for visitors; one more, if there is one, is for metrics.
    listeners: usize,
    #[serde(default)]
    metrics: bool,
    /// As many as there are now, whatever the command line said once.
    workers: usize,
    /// Somebody else removes the files of Unix sockets.
    keep_paths: bool,
}

/// Where `hotclub upgrade` waits to hear from process `pid`: a name without a file, which goes with its socket.
fn socket_name(pid: u32) -> Vec<u8> {
    format!("hotclub-upgrade-{pid}").into_bytes()
}

/// The program by the name it was started by: after an installation another file stands there, or the link leads
/// elsewhere. (`/proc/self/exe` would name the old file, deleted.)
pub(crate) fn program() -> std::io::Result<PathBuf> {
    let name = PathBuf::from(std::env::args_os().next().unwrap_or_default());
    if name.components().count() > 1 {
        return std::path::absolute(name);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(&name))
        .find(|file| !name.as_os_str().is_empty() && file.is_file());
    match found {
        Some(file) => std::path::absolute(file),
        None => std::env::current_exe(),
    }
}
