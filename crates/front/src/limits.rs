//! Every limit on what a peer controls. Those that `[limits]` sets have their defaults, with the
//! reasons, in `hotclub_config::defaults`; the others have them here.

use std::time::Duration;

use hotclub_config::defaults;

/// Sizes, counts and times. One value for all connections of a front.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of request line and fields together. NGINX takes 4 × 8 KiB; the environ must fit into a
    /// message of the queue beside an inline body.
    pub head_bytes: usize,
    /// Bytes of the request target. Longer ones are attacks or mistakes.
    pub target_bytes: usize,
    /// Number of field lines, at most [`MAX_FIELDS`]. Browsers send about 20.
    pub fields: usize,
    /// Bytes of a request's body: pictures and scans pass, films do not.
    pub body_bytes: u64,
    /// Bytes of a body nobody wants that are read to keep the connection. More costs more than a
    /// new connection.
    pub discard_bytes: u64,
    /// From the first byte of a head (or from the connection's start) to its last.
    pub head_time: Duration,
    /// Without a byte from a peer whose turn it is: between two requests, and within a body in either
    /// direction.
    pub idle_time: Duration,
    /// Bytes a second that a body must move on average, in either direction, while it waits for the
    /// peer; 0 for no such rule.
    pub min_rate: u64,
    /// Before the rate counts.
    pub rate_grace: Duration,
    /// After an answer to a fault: the time the peer has to read it.
    pub linger_time: Duration,
    /// After an answer to a fault: what is read and thrown away, so that the kernel does not reset
    /// the connection under the answer.
    pub linger_bytes: usize,
    /// Open connections of the whole front; beyond it new ones wait in the kernel's backlog.
    pub connections: usize,
    /// Of these, from one address (IPv6: from one /64) that is no trusted proxy's; beyond it a connection
    /// is closed at once. 0: no limit.
    pub connections_per_address: usize,
    /// A request's body up to this many bytes stays in memory, beyond it it goes to a file.
    pub inline_body_bytes: usize,
    pub http2: Http2,
}

/// What one connection of HTTP/2 may have, beside the limits of each request.
#[derive(Clone, Copy, Debug)]
pub struct Http2 {
    /// Requests at once.
    pub streams: u32,
    /// Bytes of one request's body that may be under way: 5 MB/s at 50 ms of distance.
    pub stream_window: u32,
    /// Bytes of all requests' bodies that may be under way. What has come is taken at once, and then
    /// counted among the buffers.
    pub connection_window: u32,
    /// Bytes of a response that wait for the socket.
    pub send_buffer: usize,
    /// Requests that the client takes back before we have looked at them: more is the rapid reset attack
    /// in its purest form.
    pub unseen_resets: usize,
    /// Streams that we reset because of what the client did.
    pub own_resets: usize,
    /// Requests that the client takes back. Closing a page with a hundred pictures takes back a hundred,
    /// and an app may have begun each of them.
    pub resets: Allowance,
    /// Frames with nothing in them: pings, settings, priorities, windows, empty data. Each frame with
    /// something in it, in either direction, allows four more.
    pub idle_frames: Allowance,
}

/// So many at once, and so many more each second.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    pub at_once: u32,
    pub per_second: u32,
}

impl Http2 {
    pub(crate) const DEFAULT: Self = Self {
        streams: defaults::MAX_STREAMS,
        stream_window: 256 * 1024,
        connection_window: 1024 * 1024,
        send_buffer: 64 * 1024,
        unseen_resets: 20,
        own_resets: 100,
        resets: Allowance {
            at_once: 200,
            per_second: 20,
        },
        idle_frames: Allowance {
            at_once: 1000,
            per_second: 50,
        },
    };
}

/// The most field lines that a head may be allowed.
pub(crate) const MAX_FIELDS: usize = 128;

impl Default for Limits {
    fn default() -> Self {
        Self::from(&hotclub_config::Limits::default())
    }
}

impl From<&hotclub_config::Limits> for Limits {
    fn from(wanted: &hotclub_config::Limits) -> Self {
        Self {
            head_bytes: usize::try_from(wanted.max_header).unwrap_or(usize::MAX),
            target_bytes: 8 * 1024,
            fields: wanted.max_headers as usize,
            body_bytes: wanted.max_body,
            discard_bytes: 64 * 1024,
            head_time: wanted.header_timeout,
            idle_time: wanted.idle_timeout,
            min_rate: wanted.min_rate,
            rate_grace: defaults::RATE_GRACE,
            linger_time: Duration::from_secs(3),
            linger_bytes: 1024 * 1024,
            connections: wanted.max_connections as usize,
            connections_per_address: wanted.max_connections_per_address as usize,
            inline_body_bytes: hotclub_wire::INLINE_BODY_MAX,
            http2: Http2 {
                streams: wanted.max_streams,
                ..Http2::DEFAULT
            },
        }
    }
}
