//! Which paths may name a file at all, decided before the disk is asked.
//!
//! `openat2` alone keeps an open beneath the root; this file keeps secrets that lie inside it
//! (`.env`, `.git/config`) and spellings that no link of a site uses.

/// The longest path that Linux opens, its closing NUL not counted.
const LONGEST: usize = 4095;

/// Whether `path` (decoded, relative, bytes of any encoding) may name a served file: segments that
/// are neither empty nor begin with a dot, so neither `.`, `..` nor any dotfile; no NUL, and no
/// backslash, which other systems and careless tools read as a separator.
pub(super) fn is_servable(path: &[u8]) -> bool {
    path.len() <= LONGEST
        && path
            .split(|&byte| byte == b'/')
            .all(|segment| segment.first().is_some_and(|&first| first != b'.'))
        && memchr::memchr2(0, b'\\', path).is_none()
}

/// The last segment.
pub(super) fn name(path: &[u8]) -> &[u8] {
    let start = memchr::memrchr(b'/', path).map_or(0, |slash| slash + 1);
    &path[start..]
}

/// What follows the last dot of the last segment, if it has one that is not its first byte.
pub(super) fn extension(path: &[u8]) -> Option<&[u8]> {
    let name = name(path);
    let dot = memchr::memrchr(b'.', name).filter(|&dot| dot > 0)?;
    Some(&name[dot + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_relative_names_are_servable() {
        for path in [
            "a",
            "css/site.css",
            "a/b/c.txt",
            "a b/ü.png",
            "a..b",
            "a/b..",
            "x.",
            "...",
        ] {
            assert_eq!(is_servable(path.as_bytes()), path != "...", "{path}");
        }
        for path in [
            "",
            "/",
            "/etc/passwd",
            "a//b",
            "a/",
            "a/b/",
            ".",
            "..",
            "../x",
            "a/../../x",
            "a/..",
            "a/./b",
            ".env",
            "a/.git/config",
            ".well-known/x",
            "..\\x",
            "a\\..\\..\\x",
            "a\0b",
            "a/\0",
        ] {
            assert!(!is_servable(path.as_bytes()), "{path}");
        }
        assert!(is_servable(b"caf\xe9.jpg"));
        assert!(is_servable(&[b'a'; LONGEST]));
        assert!(!is_servable(&[b'a'; LONGEST + 1]));
    }

    #[test]
    fn the_extension_is_that_of_the_last_segment() {
        assert_eq!(extension(b"a.b/c"), None);
        assert_eq!(extension(b"a/b.tar.gz"), Some(&b"gz"[..]));
        assert_eq!(extension(b"a/.gz"), None);
        assert_eq!(extension(b"a."), Some(&b""[..]));
        assert_eq!(name(b"a/b/c.txt"), b"c.txt");
        assert_eq!(name(b"c.txt"), b"c.txt");
    }
}
