//! `[[proxy]]`: a URL that other servers answer. The grammar of their addresses is here, too.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::defaults;
use crate::mount::Mount;

/// One `[[proxy]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxy {
    pub url: Mount,
    /// At least one.
    pub to: Vec<Upstream>,
    pub balance: Balance,
    /// The upstream sees paths without `url`.
    pub strip_prefix: bool,
    /// Sent as Host; `None`: what the client sent.
    pub host: Option<String>,
    /// Whether a request's body is complete before the upstream is asked.
    pub buffer_requests: bool,
    pub connect_timeout: Duration,
    /// While the upstream takes no byte of the request.
    pub send_timeout: Duration,
    /// From the request's last byte to the answer's head.
    pub response_timeout: Duration,
    /// Between two reads of the answer's body.
    pub idle_timeout: Duration,
    /// Without a byte in either direction of an upgraded connection.
    pub tunnel_timeout: Duration,
    /// Further tries, where a try is known to have had no effect.
    pub retries: u32,
    /// Failures in a row after which an upstream is left alone for `fail_pause`; 0: never.
    pub max_fails: u32,
    /// The first pause; it doubles from one to the next.
    pub fail_pause: Duration,
    pub health: Option<Health>,
    /// Whether `[cache]` keeps what these upstreams answer.
    pub cache: bool,
    /// PEM; `None`: the system's.
    pub ca: Option<PathBuf>,
    /// The name that an upstream's certificate must be for; `None`: the host of its address.
    pub tls_name: Option<String>,
}

impl Proxy {
    /// What is passed on to these upstreams, with all defaults.
    pub fn new(url: Mount, to: Vec<Upstream>) -> Proxy {
        Proxy {
            url,
            to,
            balance: Balance::LeastConnections,
            strip_prefix: false,
            host: None,
            buffer_requests: true,
            connect_timeout: defaults::PROXY_CONNECT_TIMEOUT,
            send_timeout: defaults::PROXY_SEND_TIMEOUT,
            response_timeout: defaults::PROXY_RESPONSE_TIMEOUT,
            idle_timeout: defaults::PROXY_IDLE_TIMEOUT,
            tunnel_timeout: defaults::PROXY_TUNNEL_TIMEOUT,
            retries: defaults::PROXY_RETRIES,
            max_fails: defaults::PROXY_MAX_FAILS,
            fail_pause: defaults::PROXY_FAIL_PAUSE,
            health: None,
            cache: true,
            ca: None,
            tls_name: None,
        }
    }
}

/// Which of several upstreams is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Balance {
    /// The one with the fewest requests under way; of equals, in turn.
    LeastConnections,
    RoundRobin,
}

/// `[proxy.health]`: a path that is asked again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Begins with `/`; 200 to 399 means well.
    pub path: String,
    pub interval: Duration,
    pub timeout: Duration,
    /// Sent as Host; `None`: the upstream's own.
    pub host: Option<String>,
}

/// Where a request is passed on to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Upstream {
    Http { host: String, port: u16 },
    Https { host: String, port: u16 },
    Unix(PathBuf),
}

/// Why a text names no upstream, and what may have been meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct UpstreamError {
    pub reason: &'static str,
    pub suggestion: Option<String>,
}

impl UpstreamError {
    fn new(reason: &'static str, suggestion: Option<String>) -> UpstreamError {
        UpstreamError { reason, suggestion }
    }
}

impl FromStr for Upstream {
    type Err = UpstreamError;

    fn from_str(text: &str) -> Result<Upstream, UpstreamError> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path.is_empty() {
                true => Err(UpstreamError::new("this names no socket", None)),
                false => Ok(Upstream::Unix(path.into())),
            };
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            let meant = format!("http://{text}");
            let meant = meant.parse::<Upstream>().is_ok().then_some(meant);
            return Err(UpstreamError::new("the scheme is missing", meant));
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if !path.is_empty() {
            let reason = "a path cannot stand here: the URL is passed on as it came";
            let meant = format!("{scheme}://{authority}");
            let meant = meant.parse::<Upstream>().is_ok().then_some(meant);
            return Err(UpstreamError::new(reason, meant));
        }
        let default_port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err(UpstreamError::new("this scheme is not known", None)),
        };
        let none = || UpstreamError::new("this names no server", None);
        let (host, port) = split(authority, default_port).ok_or_else(none)?;
        let host = host.to_ascii_lowercase();
        Ok(match scheme {
            "http" => Upstream::Http { host, port },
            _ => Upstream::Https { host, port },
        })
    }
}

/// Host (an IPv6 address without its brackets) and port.
fn split(authority: &str, default_port: u16) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, port)
        }
        None => {
            let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
            let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
            (!host.is_empty() && host.chars().all(inside)).then_some((host, port))?
        }
    };
    let port = match port {
        "" => default_port,
        written => {
            let digits = written.strip_prefix(':')?;
            let only_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
            digits
                .parse()
                .ok()
                .filter(|port| only_digits && *port > 0)?
        }
    };
    Some((host, port))
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = match self {
            Upstream::Http { host, port } => ("http", host, port),
            Upstream::Https { host, port } => ("https", host, port),
            Upstream::Unix(path) => return write!(f, "unix:{}", path.display()),
        };
        match host.contains(':') {
            true => write!(f, "{scheme}://[{host}]:{port}"),
            false => write!(f, "{scheme}://{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_a_scheme_a_host_and_a_port_or_a_socket() {
        for (text, shown) in [
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("http://Backend", "http://backend:80"),
            ("https://api.example", "https://api.example:443"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("unix:/run/x.sock", "unix:/run/x.sock"),
            ("unix:///run/x.sock", "unix:/run/x.sock"),
            ("unix:run/x.sock", "unix:run/x.sock"),
        ] {
            assert_eq!(text.parse::<Upstream>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_upstream_says_why() {
        for (text, reason, suggestion) in [
            (
                "127.0.0.1:3000",
                "the scheme is missing",
                Some("http://127.0.0.1:3000"),
            ),
            ("ftp://a", "this scheme is not known", None),
            ("http://", "this names no server", None),
            ("http://:80", "this names no server", None),
            ("http://a:0", "this names no server", None),
            ("http://a:+1", "this names no server", None),
            ("http://a:70000", "this names no server", None),
            ("http://user@a", "this names no server", None),
            ("http://[x]:1", "this names no server", None),
            ("unix:", "this names no socket", None),
        ] {
            let error = text.parse::<Upstream>().unwrap_err();
            assert_eq!(
                (error.reason, error.suggestion.as_deref()),
                (reason, suggestion),
                "{text}"
            );
        }
        let error = "http://a:1/base/".parse::<Upstream>().unwrap_err();
        assert_eq!(error.suggestion.as_deref(), Some("http://a:1"));
    }
}
