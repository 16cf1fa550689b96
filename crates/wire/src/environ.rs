//! Writes the environ of a request: `KEY NUL value NUL KEY NUL value`.
//!
//! The buffer starts with room for the header, so that one send of one slice carries both.

use crate::{HEADER_LEN, request::RequestHeader};

/// Why a name or value cannot be part of an environ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvironError {
    /// NUL separates the fields, and RFC 9110 section 5.5 forbids it in values.
    #[error("a NUL byte in a name or value of the environ")]
    Nul,
}

/// Builds the environ behind a header that is filled in last.
#[derive(Debug)]
pub struct EnvironWriter {
    message: Vec<u8>,
}

impl Default for EnvironWriter {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl EnvironWriter {
    /// An empty environ with room for `capacity` bytes beside the header.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        let mut message = Vec::with_capacity(HEADER_LEN + capacity);
        message.resize(HEADER_LEN, 0);
        Self { message }
    }

    /// Adds a variable.
    ///
    /// # Errors
    /// When the name or the value holds a NUL byte; nothing is added then.
    pub fn set(&mut self, name: &[u8], value: &[u8]) -> Result<(), EnvironError> {
        if memchr::memchr(0, name).is_some() || memchr::memchr(0, value).is_some() {
            return Err(EnvironError::Nul);
        }
        self.begin(name);
        self.message.extend_from_slice(value);
        Ok(())
    }

    /// Adds `HTTP_NAME` for the header field `name`: upper case, `-` as `_` (RFC 3875, 4.1.18).
    ///
    /// # Errors
    /// As [`EnvironWriter::set`].
    pub fn set_header(&mut self, name: &[u8], value: &[u8]) -> Result<(), EnvironError> {
        if memchr::memchr(0, name).is_some() || memchr::memchr(0, value).is_some() {
            return Err(EnvironError::Nul);
        }
        self.begin(b"HTTP_");
        self.message.pop();
        let cgi = name.iter().map(|&b| {
            if b == b'-' {
                b'_'
            } else {
                b.to_ascii_uppercase()
            }
        });
        self.message.extend(cgi);
        self.message.push(0);
        self.message.extend_from_slice(value);
        Ok(())
    }

    /// Bytes of environ so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.message.len() - HEADER_LEN
    }

    /// Whether nothing was added yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The message without its inline body: `header` (its `environ_len` set to what was written),
    /// then the environ.
    #[must_use]
    pub fn finish(mut self, mut header: RequestHeader) -> Vec<u8> {
        header.environ_len = u32::try_from(self.len()).unwrap_or(u32::MAX);
        self.message[..HEADER_LEN].copy_from_slice(&header.encode());
        self.message
    }

    fn begin(&mut self, name: &[u8]) {
        if self.message.len() > HEADER_LEN {
            self.message.push(0);
        }
        self.message.extend_from_slice(name);
        self.message.push(0);
    }
}
