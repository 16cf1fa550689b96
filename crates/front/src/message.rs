//! Requests and responses, the same for every version of HTTP.
//!
//! A list of fields is one buffer and a list of ranges into it: two allocations a message, walked in
//! order. HTTP messages have a dozen fields; a scan of a dozen names beats a hash table.

use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;

use crate::flow::Flow;
use crate::proxy::Tunnel;

/// Field lines in the order they came, names in any case.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    buffer: Vec<u8>,
    lines: Vec<Line>,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    name: u32,
    value: u32,
    end: u32,
}

impl Fields {
    /// An empty list with room for `lines` lines of `bytes` bytes altogether.
    #[must_use]
    pub fn with_capacity(lines: usize, bytes: usize) -> Self {
        Self {
            buffer: Vec::with_capacity(bytes),
            lines: Vec::with_capacity(lines),
        }
    }

    /// The same lines, with room for a few more.
    #[must_use]
    pub fn clone_with_room(&self, lines: usize, bytes: usize) -> Self {
        let mut copy = Self::with_capacity(self.lines.len() + lines, self.buffer.len() + bytes);
        copy.buffer.extend_from_slice(&self.buffer);
        copy.lines.extend_from_slice(&self.lines);
        copy
    }

    /// Adds a line. The caller has checked name and value (RFC 9110, 5.1 and 5.5).
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        let at = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let start = at(self.buffer.len());
        self.buffer.extend_from_slice(name);
        let middle = at(self.buffer.len());
        self.buffer.extend_from_slice(value);
        self.lines.push(Line {
            name: start,
            value: middle,
            end: at(self.buffer.len()),
        });
    }

    /// What a test says.
    #[cfg(test)]
    pub(crate) fn of(lines: &[(&str, &str)]) -> Self {
        let mut fields = Self::default();
        for (name, value) in lines {
            fields.push(name.as_bytes(), value.as_bytes());
        }
        fields
    }

    /// All lines in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines.iter().map(|line| {
            let (name, value, end) = (line.name as usize, line.value as usize, line.end as usize);
            (&self.buffer[name..value], &self.buffer[value..end])
        })
    }

    /// The value of the first line with this name, any case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// The values of all lines with this name, any case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// Forgets all lines and keeps the memory.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.lines.clear();
    }

    /// Bytes of memory that are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.buffer.capacity() + self.lines.capacity() * size_of::<Line>()
    }

    /// Removes the lines with this name, any case.
    pub fn remove(&mut self, name: &str) {
        let buffer = &self.buffer;
        self.lines.retain(|line| {
            !buffer[line.name as usize..line.value as usize].eq_ignore_ascii_case(name.as_bytes())
        });
    }

    /// How many lines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

/// What is sent back, whoever made it.
#[derive(Debug)]
pub struct Response {
    /// 200 to 599 (an app may use 100 to 999).
    pub status: u16,
    /// An app's own reason phrase; the standard one when `None`.
    pub reason: Option<Bytes>,
    /// Without Date, Server, Connection, Transfer-Encoding and, where the body tells it,
    /// Content-Length: the writer adds those.
    pub fields: Fields,
    pub body: Body,
}

/// The body of a response.
#[derive(Debug)]
pub enum Body {
    /// No body, and `Content-Length: 0` unless the status forbids it.
    Empty,
    /// No body, though the fields tell of one (HEAD, 304): fields are sent as they are.
    Bodiless,
    Bytes(Bytes),
    /// `len` bytes of `file` from `offset`: sent by sendfile where the connection is plain.
    File {
        file: Arc<File>,
        offset: u64,
        len: u64,
    },
    /// A sequence of the above (multipart/byteranges).
    Parts(Vec<Piece>),
    /// What an app or an upstream makes, as it makes it.
    Flow(Flow),
    /// After the head of a 101 the connection speaks another protocol. Only for a request with
    /// `upgrade`, which only HTTP/1.1 has.
    Tunnel(Box<Tunnel>),
}

impl Response {
    /// A response with this status, no fields and this body.
    #[must_use]
    pub fn new(status: u16, body: Body) -> Self {
        Self {
            status,
            reason: None,
            fields: Fields::default(),
            body,
        }
    }
}

/// One stretch of [`Body::Parts`].
#[derive(Clone, Debug)]
pub enum Piece {
    Bytes(Bytes),
    File {
        file: Arc<File>,
        offset: u64,
        len: u64,
    },
}
