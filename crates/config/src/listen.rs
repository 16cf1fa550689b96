//! Addresses to listen on, as `[server] listen` and `--listen` write them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::Listen;

/// A text that is no address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no address to listen on (write 127.0.0.1:8000, [::]:8000, https://0.0.0.0:443 or unix:/path)"
)]
pub struct ListenError {
    pub text: String,
}

impl FromStr for Listen {
    type Err = ListenError;

    /// `ADDRESS:PORT`, `[V6]:PORT`, `localhost:PORT`, `:PORT` (every IPv4 address), any of them behind `http://`
    /// or `https://`; or `unix:PATH`.
    /// Names other than `localhost` are refused: what they mean would depend on the network.
    fn from_str(text: &str) -> Result<Listen, ListenError> {
        let wrong = || ListenError {
            text: text.to_owned(),
        };
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path.is_empty() || path.contains('\0') {
                true => Err(wrong()),
                false => Ok(Listen::Unix(PathBuf::from(path))),
            };
        }
        if let Some(rest) = text.strip_prefix("https://") {
            return address(rest).map(Listen::Https).ok_or_else(wrong);
        }
        let plain = text.strip_prefix("http://").unwrap_or(text);
        address(plain).map(Listen::Tcp).ok_or_else(wrong)
    }
}

fn address(text: &str) -> Option<SocketAddr> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address);
    }
    let (host, port) = text.rsplit_once(':')?;
    let ip = match host {
        "localhost" => Ipv4Addr::LOCALHOST,
        "" => Ipv4Addr::UNSPECIFIED,
        _ => return None,
    };
    Some(SocketAddr::new(IpAddr::V4(ip), port.parse().ok()?))
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Listen::Tcp(address) => write!(f, "{address}"),
            Listen::Https(address) => write!(f, "https://{address}"),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// An address that nothing outside this machine reaches: a loopback address or a Unix socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Local(Listen);

/// A text that is no such address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocalError {
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("`{0}` can be reached from other machines (write 127.0.0.1, [::1] or unix:/path)")]
    Public(Listen),
    #[error("`{0}` would be TLS, which nobody needs on one machine")]
    Tls(Listen),
}

impl Local {
    #[must_use]
    pub fn listen(&self) -> &Listen {
        &self.0
    }

    /// The same with its path below `folder`, unless that is absolute.
    pub(crate) fn below(self, folder: &std::path::Path) -> Local {
        match self.0 {
            Listen::Unix(path) => Local(Listen::Unix(folder.join(path))),
            tcp => Local(tcp),
        }
    }
}

impl FromStr for Local {
    type Err = LocalError;

    fn from_str(text: &str) -> Result<Local, LocalError> {
        match text.parse()? {
            Listen::Tcp(address) if !address.ip().to_canonical().is_loopback() => {
                Err(LocalError::Public(Listen::Tcp(address)))
            }
            listen @ Listen::Https(_) => Err(LocalError::Tls(listen)),
            listen => Ok(Local(listen)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_written_the_same() {
        for text in [
            "127.0.0.1:8000",
            "[::]:80",
            "unix:/run/a.sock",
            "https://[::]:443",
        ] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        assert_eq!(
            ":8000".parse::<Listen>().unwrap().to_string(),
            "0.0.0.0:8000"
        );
        assert_eq!(
            "localhost:0".parse::<Listen>().unwrap().to_string(),
            "127.0.0.1:0"
        );
        for (text, same) in [
            ("http://:80", "0.0.0.0:80"),
            ("https://:443", "https://0.0.0.0:443"),
            ("https://localhost:8443", "https://127.0.0.1:8443"),
        ] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), same);
        }
        for text in [
            "127.0.0.1:1",
            "127.9.9.9:1",
            "[::1]:1",
            "localhost:1",
            "unix:s",
        ] {
            assert!(text.parse::<Local>().is_ok(), "{text}");
        }
        for text in [
            "0.0.0.0:1",
            ":1",
            "[::]:1",
            "192.0.2.1:1",
            "[::ffff:192.0.2.1]:1",
        ] {
            let refused = text.parse::<Local>();
            assert!(matches!(refused, Err(LocalError::Public(_))), "{text}");
        }
        for text in [
            "https://",
            "https://unix:/a",
            "ftp://127.0.0.1:21",
            "https://127.0.0.1:443/",
            "",
            "8000",
            "example.com:80",
            "1.2.3.4",
            "unix:",
            "127.0.0.1:99999",
            "::1:80:",
        ] {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
    }
}
