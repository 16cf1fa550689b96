//! The four forms of a request target (RFC 9112, 3.2), and which method may use which.

/// Why a target is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("the request target is longer than {limit} bytes")]
    Long { limit: usize },
    #[error("the request target holds a byte that no URL has")]
    Byte,
    #[error("the request target is neither a path nor a http URL")]
    Form,
    #[error("`*` is a target for OPTIONS only")]
    Asterisk,
    #[error("CONNECT is not served here")]
    Connect,
}

/// A target, split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    /// Of the absolute form.
    pub(crate) authority: Option<&'a [u8]>,
    /// Not yet decoded; `*` for the asterisk form.
    pub(crate) path: &'a [u8],
    /// Where the query begins in the whole target, behind its `?`.
    pub(crate) query_at: Option<usize>,
}

/// Splits the target of a request.
///
/// # Errors
/// See [`TargetError`].
pub(crate) fn parse<'a>(method: &[u8], raw: &'a [u8]) -> Result<Target<'a>, TargetError> {
    if !raw.iter().all(|b| b.is_ascii_graphic() && *b != b'#') {
        return Err(TargetError::Byte);
    }
    if method == b"CONNECT" {
        return Err(TargetError::Connect);
    }
    match raw {
        b"*" if method == b"OPTIONS" => Ok(Target {
            authority: None,
            path: raw,
            query_at: None,
        }),
        b"*" => Err(TargetError::Asterisk),
        [b'/', ..] => Ok(split(raw, 0, None)),
        _ => absolute(raw),
    }
}

/// `http://authority/path?query`; the path may be missing.
fn absolute(raw: &[u8]) -> Result<Target<'_>, TargetError> {
    let authority_at = [&b"http://"[..], b"https://"]
        .iter()
        .find(|scheme| {
            raw.get(..scheme.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        })
        .ok_or(TargetError::Form)?
        .len();
    let rest = &raw[authority_at..];
    let len = memchr::memchr2(b'/', b'?', rest).unwrap_or(rest.len());
    Ok(split(raw, authority_at + len, Some(&rest[..len])))
}

fn split<'a>(raw: &'a [u8], path_at: usize, authority: Option<&'a [u8]>) -> Target<'a> {
    let rest = &raw[path_at..];
    let question = memchr::memchr(b'?', rest);
    let path = &rest[..question.unwrap_or(rest.len())];
    Target {
        authority,
        path: if path.is_empty() { b"/" } else { path },
        query_at: question.map(|at| path_at + at + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(raw: &str) -> Result<(Option<&str>, &str, &str), TargetError> {
        let text = |bytes| std::str::from_utf8(bytes).unwrap();
        parse(b"GET", raw.as_bytes()).map(|target| {
            let query = target.query_at.map_or("", |at| &raw[at..]);
            (target.authority.map(text), text(target.path), query)
        })
    }

    #[test]
    fn paths_and_urls_are_targets() {
        assert_eq!(get("/a?b=c?d"), Ok((None, "/a", "b=c?d")));
        assert_eq!(get("/"), Ok((None, "/", "")));
        assert_eq!(get("/?"), Ok((None, "/", "")));
        assert_eq!(get("/?q=100%"), Ok((None, "/", "q=100%")));
        assert_eq!(get("//x/y"), Ok((None, "//x/y", "")));
        assert_eq!(get("http://h:8/a?b"), Ok((Some("h:8"), "/a", "b")));
        assert_eq!(get("HTTPS://h"), Ok((Some("h"), "/", "")));
        assert_eq!(get("http://h?a/b"), Ok((Some("h"), "/", "a/b")));
    }

    #[test]
    fn other_targets_are_refused() {
        for raw in [
            "a",
            "example.com:80",
            "ftp://h/",
            "http:/h",
            "?a",
            "mailto:a",
            "",
        ] {
            assert_eq!(get(raw), Err(TargetError::Form), "{raw}");
        }
        for raw in ["/a#b", "/\u{e9}", "/a b", "/\u{7f}", "/a\tb", "/\0"] {
            assert_eq!(get(raw), Err(TargetError::Byte), "{raw}");
        }
        assert_eq!(get("*"), Err(TargetError::Asterisk));
        assert!(parse(b"OPTIONS", b"*").is_ok());
        assert_eq!(parse(b"CONNECT", b"h:443"), Err(TargetError::Connect));
    }
}
