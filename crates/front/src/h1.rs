//! HTTP/1.1 and 1.0, by our own loop: `head` and `chunked` decide what is a message, `body` gathers
//! it, `write` answers, `conn` is the order of these.
//!
//! Strict where RFC 9112 lets a recipient be lenient: two readings of one message are how requests are
//! smuggled. After a message that cannot be trusted nothing more is read from its connection.

mod body;
mod chunked;
pub(crate) mod conn;
mod head;
mod input;
mod write;

pub(crate) use chunked::{ChunkError, Decoder, Found};
pub(crate) use head::find_end;
pub(crate) use input::Input;

/// What `crate::fuzz` drives.
pub(crate) mod fuzz {
    pub(crate) use super::chunked::{Decoder, Found};
    pub(crate) use super::head::{Framing, find_end, parse};
}

/// What `crate::probe` measures.
pub(crate) mod probe {
    pub(crate) use super::head::parse;
}
