//! Redirects that a site writes down, and the text of every Location that is made here.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// What stands in a path as it is (RFC 3986, 3.3, without what HTML or a log could read otherwise).
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b'@')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=');

/// Where visitors of a path are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    pub(crate) status: u16,
    to: Box<str>,
    /// What follows the mount's URL is put behind `to`.
    keeps_rest: bool,
}

impl Redirect {
    /// To a path or an absolute URL, checked by the configuration. A `*` at its end stands for what follows
    /// the mount's URL. `status` is 301, 302, 303, 307 or 308.
    #[must_use]
    pub fn new(status: u16, to: &str) -> Self {
        let whole = to.strip_suffix('*');
        Self {
            status,
            to: whole.unwrap_or(to).into(),
            keeps_rest: whole.is_some(),
        }
    }

    /// The Location for a request with `rest` (decoded) behind the mount's URL. The query is kept, unless `to`
    /// has one of its own.
    pub(crate) fn location(&self, rest: &[u8], query: Option<&[u8]>) -> Vec<u8> {
        let mut location = self.to.as_bytes().to_vec();
        if self.keeps_rest {
            // A rest that begins with a slash could turn a path into another host's: `//elsewhere`.
            let start = rest.iter().position(|byte| *byte != b'/');
            let rest = start.map_or(&b""[..], |start| &rest[start..]);
            push_path(&mut location, rest);
        }
        if !self.to.contains(['?', '#']) {
            push_query(&mut location, query);
        }
        location
    }
}

/// The Location of another path of the same site.
pub(crate) fn to_path(parts: &[&[u8]], query: Option<&[u8]>) -> Vec<u8> {
    let mut location = Vec::with_capacity(64);
    for part in parts {
        push_path(&mut location, part);
    }
    // Two slashes at the start would be another host.
    let extra = location.iter().take_while(|byte| **byte == b'/').count();
    location.drain(..extra.saturating_sub(1));
    push_query(&mut location, query);
    location
}

/// The Location of the same path on another host.
pub(crate) fn to_host(
    scheme: &str,
    host: &str,
    port: Option<&[u8]>,
    path: &[u8],
    query: Option<&[u8]>,
) -> Vec<u8> {
    let mut location = format!("{scheme}://{host}").into_bytes();
    if let Some(port) = port {
        location.push(b':');
        location.extend_from_slice(port);
    }
    push_path(&mut location, path);
    push_query(&mut location, query);
    location
}

fn push_path(location: &mut Vec<u8>, path: &[u8]) {
    for piece in percent_encode(path, PATH) {
        location.extend_from_slice(piece.as_bytes());
    }
}

/// As it came: the target's grammar lets no control character through.
fn push_query(location: &mut Vec<u8>, query: Option<&[u8]>) {
    if let Some(query) = query {
        location.push(b'?');
        location.extend_from_slice(query);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(to: &str, rest: &str, query: Option<&str>) -> String {
        let made = Redirect::new(301, to).location(rest.as_bytes(), query.map(str::as_bytes));
        String::from_utf8(made).unwrap()
    }

    #[test]
    fn a_redirect_keeps_what_it_is_told_to_keep() {
        for (to, rest, query, expected) in [
            ("/new/", "", None, "/new/"),
            ("/new/", "", Some("a=1&b"), "/new/?a=1&b"),
            ("/new/", "deep/page", None, "/new/"),
            ("/new/*", "deep/page", Some(""), "/new/deep/page?"),
            ("/new/?from=old", "", Some("a=1"), "/new/?from=old"),
            (
                "https://other.example/*",
                "a b/\u{fc}",
                None,
                "https://other.example/a%20b/%C3%BC",
            ),
            (
                "https://other.example/x#top",
                "",
                Some("q"),
                "https://other.example/x#top",
            ),
        ] {
            assert_eq!(location(to, rest, query), expected, "{to} {rest}");
        }
    }

    #[test]
    fn no_path_leads_to_another_host_or_another_line() {
        assert_eq!(location("/*", "/evil.example", None), "/evil.example");
        assert_eq!(location("/*", "\\evil.example", None), "/%5Cevil.example");
        assert_eq!(
            location("/*", "a\r\nSet-Cookie: x", None),
            "/a%0D%0ASet-Cookie:%20x"
        );
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        assert_eq!(
            text(to_path(&[b"/", b"/evil.example", b"/"], None)),
            "/evil.example/"
        );
        let made = to_host("https", "example.com", Some(b"8443"), b"//x", Some(b"q=1"));
        assert_eq!(text(made), "https://example.com:8443//x?q=1");
    }
}
