//! The header of a message in the queue: front → worker.

use crate::HEADER_LEN;

/// Largest message in the queue, in bytes: header, environ and inline body. Linux refuses a
/// SEQPACKET message larger than the socket's send buffer (212,992 bytes by default).
pub const MAX_MESSAGE: usize = 192 * 1024;

const FLAG_BODY_BY_DESCRIPTOR: u8 = 1;

/// What a queue message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// Run the app.
    Request,
    /// Answer at once; shows how far the queue has been read.
    Marker,
}

/// The first 32 bytes of a queue message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    pub kind: RequestKind,
    /// The body is a file whose descriptor comes with the message.
    pub body_by_descriptor: bool,
    /// Which thread of the front waits for the answer.
    pub lane: u16,
    /// Bytes of environ that follow the header.
    pub environ_len: u32,
    /// Never 0.
    pub id: u64,
    /// Bytes of body: inline after the environ, or in the descriptor's file.
    pub body_len: u64,
    /// `CLOCK_MONOTONIC` nanoseconds when it was queued.
    pub queued_at: u64,
}

/// Why bytes are not a request header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("a queue message of {0} bytes is shorter than its header")]
    Short(usize),
    #[error("unknown kind of queue message: {0}")]
    Kind(u8),
    #[error("unknown flags in a queue message: {0:#04x}")]
    Flags(u8),
    #[error("a queue message has the request id 0")]
    ZeroId,
}

impl RequestHeader {
    /// The header as it travels.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[0] = match self.kind {
            RequestKind::Request => 1,
            RequestKind::Marker => 2,
        };
        out[1] = if self.body_by_descriptor {
            FLAG_BODY_BY_DESCRIPTOR
        } else {
            0
        };
        out[2..4].copy_from_slice(&self.lane.to_le_bytes());
        out[4..8].copy_from_slice(&self.environ_len.to_le_bytes());
        out[8..16].copy_from_slice(&self.id.to_le_bytes());
        out[16..24].copy_from_slice(&self.body_len.to_le_bytes());
        out[24..32].copy_from_slice(&self.queued_at.to_le_bytes());
        out
    }

    /// Reads a header from the start of a message.
    ///
    /// # Errors
    /// When the message is too short or a field has a value the protocol does not know.
    pub fn decode(message: &[u8]) -> Result<Self, RequestError> {
        let header: &[u8; HEADER_LEN] = message
            .first_chunk()
            .ok_or(RequestError::Short(message.len()))?;
        let kind = match header[0] {
            1 => RequestKind::Request,
            2 => RequestKind::Marker,
            other => return Err(RequestError::Kind(other)),
        };
        if header[1] & !FLAG_BODY_BY_DESCRIPTOR != 0 {
            return Err(RequestError::Flags(header[1]));
        }
        let id = crate::reply::u64_at(header, 8);
        if id == 0 {
            return Err(RequestError::ZeroId);
        }
        Ok(Self {
            kind,
            body_by_descriptor: header[1] & FLAG_BODY_BY_DESCRIPTOR != 0,
            lane: u16::from_le_bytes([header[2], header[3]]),
            environ_len: u32::from_le_bytes([header[4], header[5], header[6], header[7]]),
            id,
            body_len: crate::reply::u64_at(header, 16),
            queued_at: crate::reply::u64_at(header, 24),
        })
    }
}
