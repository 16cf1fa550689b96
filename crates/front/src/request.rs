//! A request as the front understands it, the same for every version of HTTP. Its memory is reused.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use hotclub_app::{MemoryShare, SpoolFile};

use crate::message::Fields;
use crate::path::Path;
use crate::request_id::RequestId;

/// The version that was spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    Http10,
    #[default]
    Http11,
    Http2,
}

impl Version {
    /// As in `SERVER_PROTOCOL`.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2.0",
        }
    }
}

/// How the client reached us or the trusted proxy before us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scheme {
    #[default]
    Http,
    Https,
}

impl Scheme {
    /// `http` or `https`.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that need not be written.
    #[must_use]
    pub(crate) fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// The two ends of a connection, told once a connection.
#[derive(Clone, Debug)]
pub(crate) struct Ends {
    /// `None` on a Unix socket.
    pub(crate) peer: Option<SocketAddr>,
    /// `None` on a Unix socket.
    pub(crate) local: Option<SocketAddr>,
    /// Https: the connection begins with a handshake.
    pub(crate) scheme: Scheme,
    /// The name that the client asked for in the handshake, in lower case.
    pub(crate) server_name: Option<Box<str>>,
}

impl Ends {
    /// The peer's address, IPv4 also where it came through an IPv6 socket.
    #[must_use]
    pub(crate) fn peer_ip(&self) -> Option<IpAddr> {
        self.peer.map(|peer| peer.ip().to_canonical())
    }

    /// The address of ours that the peer reached, in the same form.
    #[must_use]
    pub(crate) fn local_ip(&self) -> Option<IpAddr> {
        self.local.map(|local| local.ip().to_canonical())
    }
}

/// Everything about a request but its body.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) version: Version,
    pub(crate) scheme: Scheme,
    pub(crate) method: Vec<u8>,
    /// As it came, whatever its form (RFC 9112, 3.2).
    pub(crate) target: Vec<u8>,
    /// Where the query begins in `target`, behind its `?`.
    pub(crate) query_at: Option<usize>,
    pub(crate) path: Path,
    /// Host and port, checked; empty only in HTTP/1.0.
    pub(crate) authority: Vec<u8>,
    /// Bytes of `authority` without the port.
    pub(crate) host_len: usize,
    /// Who asks: the peer, or whom a trusted proxy named. `None`: somebody on a Unix socket.
    pub(crate) client: Option<IpAddr>,
    /// The client's port, when it is known.
    pub(crate) client_port: Option<u16>,
    pub(crate) fields: Fields,
    /// The protocol a GET over HTTP/1.1 asks to switch to; mostly empty.
    pub(crate) upgrade: Vec<u8>,
    pub(crate) id: RequestId,
}

impl Request {
    /// Forgets everything and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.version = Version::Http11;
        self.scheme = Scheme::Http;
        self.method.clear();
        self.target.clear();
        self.query_at = None;
        self.path.clear();
        self.authority.clear();
        self.host_len = 0;
        self.client = None;
        self.client_port = None;
        self.fields.clear();
        self.upgrade.clear();
        self.id = RequestId::default();
    }

    /// What follows the `?`, as it came.
    #[must_use]
    pub(crate) fn query(&self) -> &[u8] {
        self.query_at.map_or(b"", |at| &self.target[at..])
    }

    /// The same, told apart from none at all.
    #[must_use]
    pub(crate) fn written_query(&self) -> Option<&[u8]> {
        self.query_at.map(|at| &self.target[at..])
    }

    /// The host without its port, in the case it came in; `None` in HTTP/1.0 without one.
    #[must_use]
    pub(crate) fn host(&self) -> Option<&[u8]> {
        (!self.authority.is_empty()).then(|| &self.authority[..self.host_len])
    }

    /// The port that the client wrote.
    #[must_use]
    pub(crate) fn written_port(&self) -> Option<&[u8]> {
        self.authority
            .get(self.host_len + 1..)
            .filter(|port| !port.is_empty())
    }

    /// GET or HEAD.
    #[must_use]
    pub(crate) fn is_head(&self) -> bool {
        self.method == b"HEAD"
    }
}

/// The body of a request, complete.
#[derive(Debug, Default)]
pub(crate) enum RequestBody {
    #[default]
    None,
    Memory {
        bytes: Bytes,
        /// Its part of the account, when it is counted.
        _share: Option<MemoryShare>,
    },
    /// All of the file.
    File(SpoolFile),
}

impl RequestBody {
    /// Bytes of body; `None` when the request has none (which differs from an empty one).
    #[must_use]
    pub(crate) fn len(&self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Memory { bytes, .. } => Some(bytes.len() as u64),
            Self::File(file) => Some(file.len()),
        }
    }
}
