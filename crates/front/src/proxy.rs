//! The reverse proxy: what one `[[proxy]]` passes on, and to whom. HTTP/1.1 to the upstreams, whatever
//! the client spoke.
//!
//! The way of a request: `ask` (choose, try, try again where that is safe) → `choice` → `pool` or
//! `connect` → `request_head` → `exchange` (both directions at once) → `response_head` → `body`, or
//! `tunnel` after a 101. `health` decides who is in service, `check` asks; `tls` knows whom to believe.
//!
//! The client of HTTP/1 is our own, as the server is: an upstream's framing is held to the same
//! rules as a visitor's, a target goes on byte for byte, and a reply that breaks a rule costs its
//! connection and nothing else.

mod ask;
mod body;
mod check;
mod choice;
mod connect;
mod error;
mod exchange;
mod health;
mod pool;
mod request_head;
mod response_head;
mod tls;
mod tunnel;
mod upload;
mod upstream;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

pub(crate) use ask::Asking;
pub use body::UpstreamBody;
pub(crate) use check::keep_checking;
pub(crate) use error::ProxyError;
use health::Policy;
pub(crate) use pool::Pools;
pub use tls::ProxyTlsError;
pub use tunnel::Tunnel;
pub(crate) use upload::Upload;
use upstream::Upstream;

use crate::request::Request;

/// For `fuzz/` only.
pub(crate) mod fuzz {
    pub(crate) use super::response_head::{Framing, end, parse};
}

/// One `[[proxy]]`: the same for as long as the configuration is, so that health and connections
/// outlive a reload of the app.
#[derive(Debug)]
pub struct Proxy {
    config: hotclub_config::Proxy,
    upstreams: Vec<Arc<Upstream>>,
    /// Counts choices, for those that go by turns.
    turn: AtomicUsize,
    /// Somebody asks for the upstreams' health already.
    checked: AtomicBool,
}

impl Proxy {
    /// Reads the certificates of whom upstreams over https are to be believed by.
    ///
    /// # Errors
    /// When none of those can be; see [`ProxyTlsError`].
    pub fn new(config: hotclub_config::Proxy) -> Result<Self, ProxyTlsError> {
        let over_https = |to| matches!(to, &hotclub_config::Upstream::Https { .. });
        let connector = match config.to.iter().any(over_https) {
            true => Some(tls::connector(config.ca.as_deref())?),
            false => None,
        };
        let upstream = |to| Upstream::new(to, &config, connector.as_ref()).map(Arc::new);
        let upstreams = config.to.iter().map(upstream).collect::<Result<_, _>>()?;
        Ok(Self {
            upstreams,
            config,
            turn: AtomicUsize::new(0),
            checked: AtomicBool::new(false),
        })
    }

    /// Whether it is made of this, and can go on in its place.
    #[must_use]
    pub fn is_of(&self, config: &hotclub_config::Proxy) -> bool {
        self.config == *config
    }

    /// The path under which it is mounted.
    #[must_use]
    pub fn url(&self) -> &str {
        self.config.url.as_str()
    }

    /// Whether the part of the path that found this proxy was written without encoded slashes; `rest`
    /// of the decoded path follows it.
    pub(crate) fn is_named_plainly(&self, request: &Request, rest: &[u8]) -> bool {
        !request.path.has_encoded_slash() || {
            let path = request_head::raw_path(request);
            let mounted = request.path.bytes().len() - rest.len();
            let own = &path[..request_head::raw_len(path, mounted)];
            !own.windows(3).any(|code| code.eq_ignore_ascii_case(b"%2f"))
        }
    }

    /// When an upstream is left alone.
    fn policy(&self) -> Policy {
        Policy {
            max_fails: self.config.max_fails,
            pause: self.config.fail_pause,
        }
    }

    /// Whether what the upstreams answer may be kept.
    pub(crate) fn is_cached(&self) -> bool {
        self.config.cache
    }

    /// Whether a request's body must be complete before an upstream is asked.
    pub(crate) fn buffers_requests(&self) -> bool {
        self.config.buffer_requests
    }
}
