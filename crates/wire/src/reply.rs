//! Frames on a worker's reply stream: worker → front.
//!
//! `Frame::parse` is given whatever has arrived so far and finds one frame in it, or says how much
//! is missing. A worker is not trusted: every bound is checked before a byte is waited for.

use crate::HEADER_LEN;

/// Largest head of an answer (reason, names and values), in bytes.
pub const MAX_HEAD: u32 = 256 * 1024;
/// Largest body part in one HEAD or BODY frame, in bytes.
pub const MAX_BODY: u64 = 1 << 30;

const FLAG_END: u8 = 1;
const FILE_HEAD_LEN: u32 = 8;

/// The kinds of frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// Status, headers and the first part of the body.
    Head,
    /// More of the body.
    Body,
    /// A stretch of a file whose descriptor comes with the frame.
    File,
    /// The app failed after its head was sent.
    Abort,
}

/// The first 32 bytes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    pub kind: FrameKind,
    /// The answer is complete with this frame.
    pub end: bool,
    /// HTTP status of a HEAD frame, 0 for a marker's answer; 0 in other kinds.
    pub status: u16,
    pub head_len: u32,
    pub id: u64,
    pub body_len: u64,
    /// HEAD: `CLOCK_MONOTONIC` nanoseconds when the worker took the request.
    pub started_at: u64,
}

/// Why bytes are not a frame. Each of them means a broken worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("unknown kind of frame: {0}")]
    Kind(u8),
    #[error("unknown flags in a frame: {0:#04x}")]
    Flags(u8),
    #[error("a status of {0} in a frame")]
    Status(u16),
    #[error("a frame's head of {0} bytes")]
    HeadLength(u32),
    #[error("a frame's body of {0} bytes")]
    BodyLength(u64),
}

/// One frame, borrowed from the bytes it was found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub header: FrameHeader,
    pub head: &'a [u8],
    pub body: &'a [u8],
}

impl FrameHeader {
    /// The header as it travels.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[0] = match self.kind {
            FrameKind::Head => 1,
            FrameKind::Body => 2,
            FrameKind::File => 3,
            FrameKind::Abort => 4,
        };
        out[1] = if self.end { FLAG_END } else { 0 };
        out[2..4].copy_from_slice(&self.status.to_le_bytes());
        out[4..8].copy_from_slice(&self.head_len.to_le_bytes());
        out[8..16].copy_from_slice(&self.id.to_le_bytes());
        out[16..24].copy_from_slice(&self.body_len.to_le_bytes());
        out[24..32].copy_from_slice(&self.started_at.to_le_bytes());
        out
    }

    /// Reads a header; `Ok(None)` when fewer than 32 bytes are there.
    ///
    /// # Errors
    /// When a field has a value the protocol does not allow.
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, FrameError> {
        let Some(header) = bytes.first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let kind = match header[0] {
            1 => FrameKind::Head,
            2 => FrameKind::Body,
            3 => FrameKind::File,
            4 => FrameKind::Abort,
            other => return Err(FrameError::Kind(other)),
        };
        if header[1] & !FLAG_END != 0 {
            return Err(FrameError::Flags(header[1]));
        }
        let frame = Self {
            kind,
            end: header[1] & FLAG_END != 0,
            status: u16::from_le_bytes([header[2], header[3]]),
            head_len: u32::from_le_bytes([header[4], header[5], header[6], header[7]]),
            id: u64_at(header, 8),
            body_len: u64_at(header, 16),
            started_at: u64_at(header, 24),
        };
        frame.check()?;
        Ok(Some(frame))
    }

    /// Bytes of the whole frame on the stream, header included. A FILE frame's body is not on the
    /// stream.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        let body = if self.kind == FrameKind::File {
            0
        } else {
            self.body_len
        };
        // Both lengths were checked: at most 1 GiB + 256 KiB.
        HEADER_LEN + self.head_len as usize + body as usize
    }

    fn check(&self) -> Result<(), FrameError> {
        let status_fits = match self.kind {
            FrameKind::Head => self.status == 0 || (100..=999).contains(&self.status),
            _ => self.status == 0,
        };
        if !status_fits {
            return Err(FrameError::Status(self.status));
        }
        let head_fits = match self.kind {
            FrameKind::Head => self.head_len <= MAX_HEAD,
            FrameKind::File => self.head_len == FILE_HEAD_LEN,
            FrameKind::Body | FrameKind::Abort => self.head_len == 0,
        };
        if !head_fits {
            return Err(FrameError::HeadLength(self.head_len));
        }
        let body_fits = match self.kind {
            FrameKind::Head | FrameKind::Body => self.body_len <= MAX_BODY,
            FrameKind::File => self.body_len <= i64::MAX as u64,
            FrameKind::Abort => self.body_len == 0,
        };
        if body_fits {
            Ok(())
        } else {
            Err(FrameError::BodyLength(self.body_len))
        }
    }
}

impl<'a> Frame<'a> {
    /// Finds one whole frame at the start of `bytes`; `Ok(None)` when more bytes are needed.
    ///
    /// # Errors
    /// When the header breaks the protocol.
    pub fn parse(bytes: &'a [u8]) -> Result<Option<Self>, FrameError> {
        let Some(header) = FrameHeader::decode(bytes)? else {
            return Ok(None);
        };
        let Some(frame) = bytes.get(..header.wire_len()) else {
            return Ok(None);
        };
        let (head, body) = frame[HEADER_LEN..].split_at(header.head_len as usize);
        Ok(Some(Self { header, head, body }))
    }

    /// The offset into the file of a FILE frame.
    #[must_use]
    pub fn file_offset(&self) -> u64 {
        self.head
            .first_chunk::<8>()
            .map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}

/// Walks the head of an answer: the reason first, then the fields.
#[derive(Clone, Copy, Debug)]
pub struct HeadFields<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> HeadFields<'a> {
    /// Splits a head into its reason phrase and an iterator over `(name, value)`.
    #[must_use]
    pub fn split(head: &'a [u8]) -> (&'a [u8], Self) {
        match memchr::memchr(0, head) {
            Some(at) => (
                &head[..at],
                Self {
                    rest: Some(&head[at + 1..]),
                },
            ),
            None => (head, Self { rest: None }),
        }
    }

    fn token(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        if let Some(at) = memchr::memchr(0, rest) {
            self.rest = Some(&rest[at + 1..]);
            Some(&rest[..at])
        } else {
            self.rest = None;
            Some(rest)
        }
    }
}

impl<'a> Iterator for HeadFields<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let name = self.token()?;
        Some((name, self.token().unwrap_or_default()))
    }
}

pub(crate) fn u64_at(header: &[u8; HEADER_LEN], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&header[at..at + 8]);
    u64::from_le_bytes(bytes)
}
