//! Frames between the front and a Python worker, as `docs/worker-protocol.md` describes them.
//!
//! Pure: bytes in, values out. No I/O, no async, no descriptors; those belong to `hotclub-app`.

pub mod board;
mod environ;
mod reply;
mod request;

pub use environ::{EnvironError, EnvironWriter};
pub use reply::{Frame, FrameError, FrameHeader, FrameKind, HeadFields, MAX_BODY, MAX_HEAD};
pub use request::{MAX_MESSAGE, RequestError, RequestHeader, RequestKind};

/// Bytes in the header of every message and frame, in both directions.
pub const HEADER_LEN: usize = 32;

/// Largest request body, in bytes, that travels inside its message; larger ones go by descriptor.
pub const INLINE_BODY_MAX: usize = 64 * 1024;

/// Version of the protocol, sent in `hello`.
pub const PROTOCOL_VERSION: u32 = 1;
