//! Host names as people write them, `münchen.de` included, and as the network does: `xn--mnchen-3ya.de`.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Longest label and longest name of DNS.
const LABEL: usize = 63;
const NAME: usize = 253;

/// Reads a host: a name, an address, or `*.` and a name. The outcome is in small letters, names in their
/// `xn--` form, IPv6 addresses in brackets.
///
/// # Errors
/// Why the text is none of these.
pub(crate) fn parse(text: &str) -> Result<String, &'static str> {
    if text.contains("://") || text.contains('/') {
        return Err("it is a URL, but a host name is wanted");
    }
    if let Ok(address) = text.trim_matches(['[', ']']).parse::<Ipv6Addr>() {
        return Ok(format!("[{address}]"));
    }
    if text.starts_with('[') {
        return Err("it is no address");
    }
    if text.contains(':') {
        return Err("it holds a port, but a host name is wanted");
    }
    let (star, name) = match text.strip_prefix("*.") {
        Some(name) => ("*.", name),
        None => ("", text),
    };
    if name.contains('*') {
        return Err("`*` stands only for the first label, as in `*.example.com`");
    }
    let name = match name.is_ascii() {
        true => Cow::Borrowed(name),
        false => Cow::Owned(idna::domain_to_ascii_strict(name).map_err(|_| "it is no host name")?),
    };
    let name = name.strip_suffix('.').unwrap_or(&name);
    if !is_name(name) || (!star.is_empty() && name.parse::<Ipv4Addr>().is_ok()) {
        return Err("it is no host name");
    }
    Ok(format!("{star}{}", name.to_ascii_lowercase()))
}

/// A host for people: `xn--mnchen-3ya.de` with `münchen.de` behind it, any other as it is.
#[must_use]
pub fn shown(host: &str) -> Cow<'_, str> {
    if !host.split('.').any(|label| label.starts_with("xn--")) {
        return Cow::Borrowed(host);
    }
    match idna::domain_to_unicode(host) {
        (unicode, Ok(())) => Cow::Owned(format!("{host} ({unicode})")),
        (_, Err(_)) => Cow::Borrowed(host),
    }
}

/// Whether a host is a name that could have a `www.` of its own.
pub(crate) fn is_public_name(host: &str) -> bool {
    let is_address = host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok();
    !is_address && !host.starts_with("*.") && host.contains('.')
}

fn is_name(name: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let is_label = |label: &str| {
        let ends = label.starts_with('-') || label.ends_with('-');
        !label.is_empty() && label.len() <= LABEL && !ends && label.chars().all(inside)
    };
    name.len() <= NAME && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_and_nothing_more() {
        for (text, host) in [
            ("example.com", "example.com"),
            ("Example.COM.", "example.com"),
            ("*.example.com", "*.example.com"),
            ("localhost", "localhost"),
            ("127.0.0.1", "127.0.0.1"),
            ("[::1]", "[::1]"),
            ("2001:DB8:0::7", "[2001:db8::7]"),
            ("a_b.example", "a_b.example"),
            ("münchen.de", "xn--mnchen-3ya.de"),
            ("*.MÜNCHEN.de", "*.xn--mnchen-3ya.de"),
            ("xn--mnchen-3ya.de", "xn--mnchen-3ya.de"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(host), "{text}");
        }
        for bad in [
            "",
            "https://a.b",
            "a.b:80",
            "*",
            "*.",
            "a.*.b",
            "*.127.0.0.1",
            "a..b",
            "-a.b",
            "a b",
            "a/b",
            "mün chen.de",
            "[::g]",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_host_is_shown_in_both_its_forms() {
        assert_eq!(shown("xn--mnchen-3ya.de"), "xn--mnchen-3ya.de (münchen.de)");
        assert_eq!(
            shown("*.xn--mnchen-3ya.de"),
            "*.xn--mnchen-3ya.de (*.münchen.de)"
        );
        assert_eq!(shown("example.com"), "example.com");
    }
}
