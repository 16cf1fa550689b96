//! The old program's words to `hotclub upgrade`: whoever asked for the upgrade hears what came of it.
//!
//! The asker listens on a socket named after our process id before it sends SIGUSR2 (`ask.rs`). The kernel tells
//! us whose socket it is, so that nobody but ourselves and root hears of the app's tracebacks.

use std::io::Write;
use std::os::unix::net::UnixStream;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::{Uid, geteuid};
use serde::{Deserialize, Serialize};

use crate::console::Failure;

/// What came of an upgrade, as one JSON object.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    /// The process that serves from here on.
    Serves(u32),
    Failed(Failure),
}

/// Waits for our verdict. Dropped without one, it learns that there is none.
#[derive(Debug)]
pub(crate) struct Asker(UnixStream);

impl Asker {
    /// `None` when the signal was sent by other means.
    pub(crate) fn find() -> Option<Self> {
        let address = SocketAddrUnix::new_abstract_name(&super::socket_name(std::process::id()));
        let socket = rustix::net::socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        );
        let socket = socket.ok()?;
        rustix::net::connect(&socket, &address.ok()?).ok()?;
        let owner = rustix::net::sockopt::socket_peercred(&socket).ok()?.uid;
        if owner != Uid::ROOT && owner != geteuid() {
            tracing::warn!(
                uid = owner.as_raw(),
                "somebody else waits to hear of the upgrade and is told nothing"
            );
            return None;
        }
        Some(Self(UnixStream::from(socket)))
    }

    pub(crate) fn serves(self, pid: u32) {
        self.tell(&Verdict::Serves(pid));
    }

    pub(crate) fn failed(self, failure: Failure) {
        self.tell(&Verdict::Failed(failure));
    }

    fn tell(mut self, verdict: &Verdict) {
        // Whoever asked may have left, and the log has it all.
        if let Ok(text) = serde_json::to_vec(verdict) {
            let _ = self.0.write_all(&text);
        }
    }
}
