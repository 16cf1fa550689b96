//! The grammar of an authority: what may stand in `Host`.
//!
//! Stricter than RFC 3986, 3.2.2: no percent-encoding and no sub-delimiters (`'`, `(`, `,` …), which
//! no host name has and which have poisoned URLs that apps built from this field.

use std::net::Ipv6Addr;

/// Why an authority is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HostError {
    #[error("the host is empty")]
    Empty,
    #[error("the host is longer than 255 bytes")]
    Long,
    #[error("the host has a byte that no host name has")]
    Name,
    #[error("the host is not an IPv6 address")]
    Ipv6,
    #[error("the port is not a number up to 65535")]
    Port,
}

/// A checked authority, split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Authority<'a> {
    /// A name or address; IPv6 addresses with their brackets.
    pub(crate) host: &'a [u8],
    pub(crate) port: Option<u16>,
}

/// Checks and splits `host`, `host:` or `host:port`.
///
/// # Errors
/// When it is none of these.
pub(crate) fn parse(authority: &[u8]) -> Result<Authority<'_>, HostError> {
    let (host, rest) = if authority.first() == Some(&b'[') {
        let end = memchr::memchr(b']', authority).ok_or(HostError::Ipv6)?;
        let (host, rest) = authority.split_at(end + 1);
        check_ipv6(&host[1..end])?;
        (host, rest)
    } else {
        let end = memchr::memchr(b':', authority).unwrap_or(authority.len());
        let (host, rest) = authority.split_at(end);
        check_name(host)?;
        (host, rest)
    };
    let port = match rest {
        [] => None,
        [b':', digits @ ..] => parse_port(digits)?,
        _ => return Err(HostError::Port),
    };
    Ok(Authority { host, port })
}

fn check_name(name: &[u8]) -> Result<(), HostError> {
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    match name {
        [] => Err(HostError::Empty),
        [b'.', ..] => Err(HostError::Name),
        _ if name.len() > 255 => Err(HostError::Long),
        _ if name.iter().all(allowed) => Ok(()),
        _ => Err(HostError::Name),
    }
}

fn check_ipv6(address: &[u8]) -> Result<(), HostError> {
    std::str::from_utf8(address)
        .ok()
        .and_then(|text| text.parse::<Ipv6Addr>().ok())
        .map(drop)
        .ok_or(HostError::Ipv6)
}

/// The port may be empty (RFC 3986, 3.2.3).
fn parse_port(digits: &[u8]) -> Result<Option<u16>, HostError> {
    if digits.is_empty() {
        return Ok(None);
    }
    if digits.len() > 5 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(HostError::Port);
    }
    let number = digits
        .iter()
        .fold(0_u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    u16::try_from(number).map(Some).map_err(|_| HostError::Port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_addresses_and_ports_are_hosts() {
        for (text, host, port) in [
            ("example.com", "example.com", None),
            ("example.com:8000", "example.com", Some(8000)),
            ("example.com:", "example.com", None),
            ("127.0.0.1:80", "127.0.0.1", Some(80)),
            ("[::1]", "[::1]", None),
            ("[2001:db8::7]:65535", "[2001:db8::7]", Some(65535)),
            ("web_1", "web_1", None),
            ("example.com.", "example.com.", None),
        ] {
            let host = host.as_bytes();
            assert_eq!(
                parse(text.as_bytes()),
                Ok(Authority { host, port }),
                "{text}"
            );
        }
    }

    #[test]
    fn anything_else_is_not() {
        for text in [
            "",
            ":80",
            ".",
            "a b",
            "a/b",
            "a@b",
            "user:pw@h",
            "a:+5",
            "a:99999",
            "a:65536",
            "a:8x",
            "a:80:80",
            "[::1",
            "[]",
            "[::g]",
            "[::1]x",
            "[fe80::1%25eth0]",
            "[v1.x]",
            "a,b",
            "a%20b",
            "a'b",
            "a\\b",
            "a?b",
            "a#b",
            "h\u{e9}",
            "a\tb",
            "a\"b",
            "a<b",
            "a;b",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert_eq!(parse(&[b'a'; 256]), Err(HostError::Long));
    }
}
