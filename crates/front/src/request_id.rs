//! The id of a request: given by a trusted proxy, or made here: 32 hexadecimal digits, ordered by time.

use std::cell::Cell;

/// At most this many bytes of a foreign id are kept.
const MAX: usize = 64;

/// An id that is safe in a header, a log line and a page.
#[derive(Clone, Copy)]
pub(crate) struct RequestId {
    bytes: [u8; MAX],
    len: u8,
}

impl RequestId {
    /// Takes a foreign id when it is short and harmless.
    #[must_use]
    pub(crate) fn accept(id: &[u8]) -> Option<Self> {
        let harmless = |b: &u8| {
            b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'=' | b'+' | b'/' | b':')
        };
        if id.is_empty() || id.len() > MAX || !id.iter().all(harmless) {
            return None;
        }
        let mut bytes = [0; MAX];
        bytes[..id.len()].copy_from_slice(id);
        Some(Self {
            bytes,
            len: id.len() as u8,
        })
    }

    /// The id's bytes, all of them ASCII.
    #[must_use]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The id as text.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl Default for RequestId {
    fn default() -> Self {
        Self {
            bytes: [0; MAX],
            len: 0,
        }
    }
}

impl std::fmt::Debug for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Makes ids on one thread: milliseconds, then bits that no other thread or process has, then a count.
#[derive(Debug)]
pub(crate) struct IdSource {
    nonce: u32,
    count: Cell<u64>,
}

impl IdSource {
    pub(crate) fn new() -> Self {
        let mut random = [0_u8; 12];
        // Without randomness ids are merely less unique; they are no secrets.
        let _ = rustix::rand::getrandom(&mut random[..], rustix::rand::GetRandomFlags::empty());
        let (nonce, count) = random.split_at(4);
        let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |sum, b| sum << 8 | u64::from(*b));
        Self {
            nonce: number(nonce) as u32,
            count: Cell::new(number(count)),
        }
    }

    pub(crate) fn next(&self, millis: u64) -> RequestId {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let count = self.count.get();
        self.count.set(count.wrapping_add(1));
        let number = u128::from(millis) << 80
            | u128::from(self.nonce) << 48
            | u128::from(count & 0xffff_ffff_ffff);
        let mut id = RequestId {
            bytes: [0; MAX],
            len: 32,
        };
        for (at, byte) in number.to_be_bytes().into_iter().enumerate() {
            id.bytes[at * 2] = DIGITS[usize::from(byte >> 4)];
            id.bytes[at * 2 + 1] = DIGITS[usize::from(byte & 15)];
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_grow_with_time() {
        let source = IdSource::new();
        let (first, second, later) = (source.next(7), source.next(7), source.next(8));
        assert_eq!(first.as_str().len(), 32);
        assert_ne!(first.as_str(), second.as_str());
        assert!(first.as_str() < later.as_str());
    }

    #[test]
    fn a_foreign_id_is_kept_only_when_it_is_harmless() {
        assert_eq!(RequestId::accept(b"a-1_b").unwrap().as_str(), "a-1_b");
        for bad in [&b""[..], b"a b", b"<b>", b"a\nb", &[b'a'; 65], b"\xe9"] {
            assert!(RequestId::accept(bad).is_none());
        }
    }
}
