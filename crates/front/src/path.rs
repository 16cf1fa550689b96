//! The path of a request: decoded once, and refused where people and programs could read it in
//! two ways. Routing, opening of files and `PATH_INFO` use the same bytes.
//!
//! - Percent-encoding is undone once; `%zz` and a NUL are refused.
//! - `.` and `..` segments, encoded or not, are refused and never resolved: browsers and HTTP
//!   libraries resolve them before they send, so what still has them wants to climb.
//! - Slashes are not merged and an encoded slash becomes a slash, as WSGI servers do for `PATH_INFO`.
//!   It is remembered, and file mounts do not serve such a path.

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathError {
    #[error("a percent sign in the path is not followed by two hexadecimal digits")]
    Encoding,
    #[error("the path holds a NUL byte")]
    Nul,
    #[error("the path holds a backslash")]
    Backslash,
    #[error("the path holds a segment of one or two dots")]
    Dots,
}

/// A decoded path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path {
    bytes: Vec<u8>,
    encoded_slash: bool,
}

impl Path {
    /// The decoded bytes, beginning with a slash.
    #[must_use]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether one of the slashes was written `%2F`.
    #[must_use]
    pub(crate) fn has_encoded_slash(&self) -> bool {
        self.encoded_slash
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.encoded_slash = false;
    }

    /// Becomes the decoded `raw`.
    ///
    /// # Errors
    /// See [`PathError`].
    pub(crate) fn decode(&mut self, raw: &[u8]) -> Result<(), PathError> {
        self.clear();
        let mut rest = raw;
        while let Some(at) = memchr::memchr(b'%', rest) {
            self.bytes.extend_from_slice(&rest[..at]);
            let byte = encoded_byte(&rest[at + 1..]).ok_or(PathError::Encoding)?;
            self.encoded_slash |= byte == b'/';
            self.bytes.push(byte);
            rest = &rest[at + 3..];
        }
        self.bytes.extend_from_slice(rest);
        if memchr::memchr(b'\\', raw).is_some() {
            return Err(PathError::Backslash);
        }
        check(&self.bytes)
    }
}

fn encoded_byte(after_percent: &[u8]) -> Option<u8> {
    let digit = |b: &u8| char::from(*b).to_digit(16);
    let (high, low) = (after_percent.first()?, after_percent.get(1)?);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

fn check(decoded: &[u8]) -> Result<(), PathError> {
    if memchr::memchr(0, decoded).is_some() {
        return Err(PathError::Nul);
    }
    // A dot segment has a dot behind a slash; most paths have none and are done with here.
    let has_dots = memchr::memmem::find(decoded, b"/.").is_some();
    if has_dots && decoded.split(|b| *b == b'/').any(is_dots) {
        return Err(PathError::Dots);
    }
    Ok(())
}

fn is_dots(segment: &[u8]) -> bool {
    matches!(segment, b"." | b"..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(raw: &str) -> Result<Path, PathError> {
        let mut path = Path::default();
        path.decode(raw.as_bytes()).map(|()| path)
    }

    #[test]
    fn a_path_is_decoded_once() {
        for (raw, decoded) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a%20b", "/a b"),
            ("/%C3%A9", "/\u{e9}"),
            ("/%2541", "/%41"),
            ("//a///b/", "//a///b/"),
            ("/.well-known/x", "/.well-known/x"),
            ("/a..b/..c/d..", "/a..b/..c/d.."),
            ("/...", "/..."),
            ("/a;b=c", "/a;b=c"),
        ] {
            assert_eq!(decode(raw).unwrap().bytes(), decoded.as_bytes(), "{raw}");
        }
    }

    #[test]
    fn an_encoded_slash_is_remembered() {
        assert!(decode("/a%2Fb").unwrap().has_encoded_slash());
        assert!(decode("/a%2fb").unwrap().has_encoded_slash());
        assert!(!decode("/a/b").unwrap().has_encoded_slash());
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for raw in ["/%", "/%4", "/%zz", "/%+1", "/a%", "/% 41", "/%u0041"] {
            assert_eq!(decode(raw), Err(PathError::Encoding), "{raw}");
        }
        assert_eq!(decode("/a%00b"), Err(PathError::Nul));
        assert_eq!(decode("/a\\b"), Err(PathError::Backslash));
        for raw in [
            "/.",
            "/..",
            "/a/..",
            "/a/../b",
            "/./a",
            "/%2e%2e/a",
            "/.%2E/a",
            "/a%2f..%2fb",
            "/a/%2e",
        ] {
            assert_eq!(decode(raw), Err(PathError::Dots), "{raw}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic_and_no_dots_pass(raw in proptest::collection::vec(0_u8.., 0..64)) {
            let mut path = Path::default();
            if path.decode(&raw).is_ok() {
                assert!(!path.bytes().split(|b| *b == b'/').skip(1).any(is_dots));
                assert!(!path.bytes().contains(&0));
            }
        }
    }
}
