//! The words between `hotclub host` and the commands that talk to it: docs/control-protocol.md.
//!
//! One connection is one request. Its first line asks; then come events, one JSON object a line, as `--json` prints
//! them; the last line is `answer` or `refused`. Whoever can open the socket can run code as the host's user: the
//! socket's mode decides, nothing here.

mod client;
mod server;
mod socket;

pub(crate) use client::{Answered, Client, print};
pub(crate) use server::{Desk, Outcome, Visitor, serve};
pub(crate) use socket::Socket;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Goes up when an older program would misread a request.
pub(crate) const VERSION: u32 = 1;

/// Where the host of a server listens.
pub(crate) const SOCKET: &str = "/run/hotclub/control.sock";
/// Where it keeps what must last.
pub(crate) const STATE: &str = "/var/lib/hotclub";

/// Where a host with this state folder listens unless it is told.
pub(crate) fn socket_of(state: &Path) -> PathBuf {
    match state == Path::new(STATE) {
        true => PathBuf::from(SOCKET),
        false => state.join("control.sock"),
    }
}

/// The first line of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// The version that the asker speaks.
    pub(crate) hotclub: u32,
    #[serde(flatten)]
    pub(crate) request: Request,
}

/// What the host can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Request {
    /// All sites, or one.
    Status {
        site: Option<String>,
        /// Without what has to be added up on the disk.
        #[serde(default)]
        brief: bool,
    },
    /// New code, or new words of its files, by a new generation; all sites, or one.
    Reload {
        site: Option<String>,
    },
    /// Ends app and database, and starts them.
    Restart {
        site: String,
    },
    /// Ends app and database, says so by `held`, and starts them when the asker says anything more or leaves.
    Hold {
        site: String,
    },
    /// A deployed site is no longer served; `data`: and all that it kept is gone.
    Remove {
        site: String,
        data: bool,
    },
    /// Followed by an archive, once `send` has come.
    Deploy {
        site: String,
        /// What it is made from, in words.
        from: String,
        /// Of all its files, about.
        bytes: u64,
    },
    Releases {
        site: String,
    },
    Rollback {
        site: String,
        /// The one before the live one unless named.
        release: Option<u64>,
        /// Although migrations lie between.
        anyway: bool,
    },
    /// Variables laid over what a site's files say; the site is reloaded with them.
    Env {
        site: String,
        set: BTreeMap<String, String>,
        unset: Vec<String>,
    },
    /// With their values, where `show` says so.
    EnvList {
        site: String,
        show: bool,
    },
    EnvExplain {
        site: String,
        name: String,
        show: bool,
    },
    /// Events called `log`, each a line; with `follow` until the asker leaves.
    Logs {
        site: String,
        lines: usize,
        follow: bool,
    },
    /// What a site's cache holds and did.
    CacheStats {
        site: String,
    },
    /// All that is kept of a site is forgotten, or what this path or tag means.
    CachePurge {
        site: String,
        what: Option<String>,
    },
}

impl Request {
    pub(crate) fn asked(self) -> Asked {
        Asked {
            hotclub: VERSION,
            request: self,
        }
    }
}

/// Lines of the host that are no events.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Reply {
    /// Now the archive: a line `{"bytes": N}`, then so many bytes of tar.
    Send,
    /// The site is let down, and stays so until the next line or the connection's end.
    Held,
    /// It is done.
    Answer { result: serde_json::Value },
    /// It is not.
    Refused(crate::console::Failure),
}

/// The line before an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Parcel {
    pub(crate) bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_flat_object() {
        let asked = Request::Reload {
            site: Some("shop".to_owned()),
        }
        .asked();
        let text = serde_json::to_string(&asked).unwrap();
        assert_eq!(text, r#"{"hotclub":1,"do":"reload","site":"shop"}"#);
        assert_eq!(serde_json::from_str::<Asked>(&text).unwrap(), asked);
    }

    #[test]
    fn what_is_left_out_is_not_wanted() {
        let asked: Asked = serde_json::from_str(r#"{"hotclub":1,"do":"status"}"#).unwrap();
        assert_eq!(
            asked.request,
            Request::Status {
                site: None,
                brief: false
            }
        );
    }
}
