//! A value for each host name: what a request's Host, or the server name of a TLS handshake, is looked up in.
//!
//! `example.com` is that name alone. `*.example.com` is every name with exactly one label more, as
//! certificates have it (RFC 6125, 6.4.3) and neither `example.com` nor `a.b.example.com`; an exact name goes
//! before it. Names are A-labels (`xn--…`), compared without case and without a final dot. A lookup allocates
//! nothing and takes at most two hashes, however many names there are.

use std::collections::HashMap;
use std::net::Ipv6Addr;

/// Longest name of DNS with its dots; longer ones are nobody's.
const LONGEST: usize = 255;

/// Values by host name.
#[derive(Clone, Debug)]
pub struct HostMap<T> {
    exact: HashMap<Box<[u8]>, T>,
    /// By what follows the `*.`.
    wildcards: HashMap<Box<[u8]>, T>,
}

impl<T> Default for HostMap<T> {
    fn default() -> Self {
        Self {
            exact: HashMap::new(),
            wildcards: HashMap::new(),
        }
    }
}

impl<T> HostMap<T> {
    /// Adds a name, an address, or `*.` and a name; what stood there before is handed back.
    pub fn insert(&mut self, pattern: &str, value: T) -> Option<T> {
        let (names, name) = match pattern.strip_prefix("*.") {
            Some(name) => (&mut self.wildcards, name),
            None => (&mut self.exact, pattern),
        };
        let mut buffer = [0; LONGEST];
        // A name that is too long is never asked for.
        let name = normal(name.as_bytes(), &mut buffer)?;
        names.insert(name.into(), value)
    }

    /// The values of all names; one that has several comes as often.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.exact.values().chain(self.wildcards.values())
    }

    /// Every name, as it was added but for its case, with its value.
    pub fn iter(&self) -> impl Iterator<Item = (String, &T)> {
        let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        let exact = self.exact.iter();
        let exact = exact.map(move |(name, value)| (text(name), value));
        let wildcards = self.wildcards.iter();
        exact.chain(wildcards.map(move |(name, value)| (format!("*.{}", text(name)), value)))
    }

    /// The value of a host without its port, in any case; IPv6 addresses in brackets, in any spelling.
    #[must_use]
    pub fn get(&self, host: &[u8]) -> Option<&T> {
        let mut buffer = [0; LONGEST];
        let host = normal(host, &mut buffer)?;
        if let Some(value) = self.exact.get(host) {
            return Some(value);
        }
        if self.wildcards.is_empty() {
            return None;
        }
        match memchr::memchr(b'.', host)? {
            0 => None,
            dot => self.wildcards.get(&host[dot + 1..]),
        }
    }

    /// Whether there is no name at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.wildcards.is_empty()
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.exact.len() + self.wildcards.len()
    }
}

impl<T, S: AsRef<str>> FromIterator<(S, T)> for HostMap<T> {
    fn from_iter<I: IntoIterator<Item = (S, T)>>(names: I) -> Self {
        let mut map = Self::default();
        for (name, value) in names {
            map.insert(name.as_ref(), value);
        }
        map
    }
}

/// The one spelling of a host, in `buffer`; `None` for what is no host.
fn normal<'b>(host: &[u8], buffer: &'b mut [u8; LONGEST]) -> Option<&'b [u8]> {
    if host.first() == Some(&b'[') {
        return address(host, buffer);
    }
    let host = host.strip_suffix(b".").unwrap_or(host);
    let lower = buffer.get_mut(..host.len()).filter(|it| !it.is_empty())?;
    lower.copy_from_slice(host);
    lower.make_ascii_lowercase();
    Some(lower)
}

/// An IPv6 address in brackets has many spellings and one meaning.
fn address<'b>(host: &[u8], buffer: &'b mut [u8; LONGEST]) -> Option<&'b [u8]> {
    use std::io::Write as _;
    let text = std::str::from_utf8(host.strip_prefix(b"[")?.strip_suffix(b"]")?).ok()?;
    let address: Ipv6Addr = text.parse().ok()?;
    let mut rest = &mut buffer[..];
    write!(rest, "[{address}]").ok()?;
    let len = LONGEST - rest.len();
    Some(&buffer[..len])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_names_go_before_wildcards_of_one_label() {
        let map: HostMap<&str> = [
            ("example.com", "apex"),
            ("*.example.com", "wild"),
            ("www.Example.com", "www"),
            ("xn--mnchen-3ya.de", "munich"),
            ("[2001:DB8::0:7]", "six"),
            ("127.0.0.1", "four"),
        ]
        .into_iter()
        .collect();
        for (host, expected) in [
            ("example.com", Some("apex")),
            ("EXAMPLE.com.", Some("apex")),
            ("www.example.com", Some("www")),
            ("a.example.com", Some("wild")),
            ("A.Example.COM", Some("wild")),
            ("a.b.example.com", None),
            (".example.com", None),
            ("xexample.com", None),
            ("com", None),
            ("", None),
            (".", None),
            ("XN--MNCHEN-3YA.de", Some("munich")),
            ("[2001:db8:0::7]", Some("six")),
            ("[2001:db8::8]", None),
            ("[", None),
            ("127.0.0.1", Some("four")),
            (&"a".repeat(300), None),
        ] {
            assert_eq!(map.get(host.as_bytes()).copied(), expected, "{host}");
        }
        assert_eq!(map.len(), 6);
    }

    #[test]
    fn a_name_that_comes_twice_hands_the_first_back() {
        let mut map = HostMap::default();
        assert_eq!(map.insert("a.example", 1), None);
        assert_eq!(map.insert("A.example.", 2), Some(1));
        assert_eq!(map.insert("*.example", 3), None);
        assert_eq!(map.get(b"a.example"), Some(&2));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(host in proptest::collection::vec(0_u8.., 0..300)) {
            let map: HostMap<()> = [("*.example", ()), ("[::1]", ())].into_iter().collect();
            let _ = map.get(&host);
        }
    }
}
