//! HTTP/2 by the h2 crate: it reads and writes frames and keeps the streams' states and windows; `wire`
//! gives it our socket, `census` counts what it lets pass. Everything about a request is ours:
//! `request` reads it by the same rules as HTTP/1, `body` gathers it, `write` answers, `stream` is
//! the order of these, and `conn` is the life of the connection.
//!
//! The crate directly and not hyper on top of it: hyper would bring its own request, body and service,
//! and hide the limits on resets and the moment at which a client takes its request back.

mod body;
mod census;
pub(crate) mod conn;
mod request;
mod stream;
mod wire;
mod write;

/// What a client that speaks HTTP/2 sends first (RFC 9113, 3.4).
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What `crate::fuzz` drives.
pub(crate) mod fuzz {
    use crate::h2::census::Census;
    use crate::limits::Http2;

    /// Of a connection that has not begun. Its clock is of no matter: time only adds.
    pub(crate) fn census() -> Census {
        let later = std::time::Instant::now() + std::time::Duration::from_secs(3600);
        Census::new(&Http2::DEFAULT, later)
    }
}
