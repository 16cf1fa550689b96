//! What tells one stored answer from another: generation, scheme, host, path and query as they were
//! written, what a trusted proxy told, and then what Vary names (RFC 9111, 2 and 4.1).

use super::traits::Traits;
use crate::message::Fields;
use crate::request::{Request, Scheme};

/// A longer secondary key is nobody's twice.
const LONGEST: usize = 8 * 1024;

/// Writes a request's primary key. `false`: it cannot have one.
pub(super) fn primary(
    key: &mut Vec<u8>,
    generation: u64,
    request: &Request,
    traits: &Traits,
) -> bool {
    write(
        key,
        generation,
        request.scheme,
        (request, traits),
        &request.target,
    )
}

/// The key of another address on the same host, for `scheme`.
pub(super) fn of_target(
    generation: u64,
    scheme: Scheme,
    (request, traits): (&Request, &Traits),
    target: &[u8],
) -> Option<Vec<u8>> {
    let mut key = Vec::new();
    write(&mut key, generation, scheme, (request, traits), target).then_some(key)
}

fn write(
    key: &mut Vec<u8>,
    generation: u64,
    scheme: Scheme,
    (request, traits): (&Request, &Traits),
    target: &[u8],
) -> bool {
    key.clear();
    if target.first() != Some(&b'/') || request.authority.is_empty() {
        return false;
    }
    key.extend_from_slice(&generation.to_ne_bytes());
    key.push(match scheme {
        Scheme::Http => b'h',
        Scheme::Https => b's',
    });
    key.extend(request.authority.iter().map(u8::to_ascii_lowercase));
    key.push(0);
    let host = request.fields.get("x-forwarded-host").unwrap_or_default();
    if host != request.authority {
        key.extend_from_slice(host);
    }
    key.push(0);
    if traits.is_told_more {
        told(key, &request.fields);
    }
    key.extend_from_slice(target);
    true
}

/// X-Forwarded-Prefix and the like, which pages may be made of.
fn told(key: &mut Vec<u8>, fields: &Fields) {
    const OTHERS: [&str; 3] = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"];
    for (name, value) in fields.iter() {
        let start = name.get(..12).unwrap_or_default();
        let is_other = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        if start.eq_ignore_ascii_case(b"x-forwarded-") && !OTHERS.into_iter().any(is_other) {
            key.extend(name.iter().map(u8::to_ascii_lowercase));
            key.push(0);
            key.extend_from_slice(value);
            key.push(0);
        }
    }
}

/// Writes the key of one of the variants that the record `id` knows: what the request says of `names`.
pub(super) fn variant(key: &mut Vec<u8>, id: u64, names: &[Box<[u8]>], fields: &Fields) -> bool {
    key.clear();
    key.extend_from_slice(b"vary");
    key.extend_from_slice(&id.to_ne_bytes());
    for name in names {
        key.push(0);
        let Ok(name) = std::str::from_utf8(name) else {
            return false;
        };
        for (at, value) in fields.all(name).enumerate() {
            key.push(if at == 0 { b'=' } else { b',' });
            normalised(key, name, value);
        }
    }
    key.len() <= LONGEST
}

/// A value without the spaces around its members (RFC 9111, 4.1); what clients accept, in small letters.
fn normalised(key: &mut Vec<u8>, name: &str, value: &[u8]) {
    let start = key.len();
    for (at, member) in value.split(|byte| *byte == b',').enumerate() {
        if at > 0 {
            key.push(b',');
        }
        key.extend_from_slice(member.trim_ascii());
    }
    if name.starts_with("accept") {
        key[start..].make_ascii_lowercase();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(host: &str, target: &str, lines: &[(&str, &str)]) -> Request {
        let mut request = Request {
            authority: host.as_bytes().to_vec(),
            target: target.as_bytes().to_vec(),
            ..Request::default()
        };
        for (name, value) in [("X-Forwarded-Host", host)].iter().chain(lines) {
            request.fields.push(name.as_bytes(), value.as_bytes());
        }
        request
    }

    fn key(generation: u64, request: &Request) -> Option<Vec<u8>> {
        let mut key = Vec::new();
        primary(&mut key, generation, request, &Traits::of(request)).then_some(key)
    }

    #[test]
    fn whatever_a_page_may_be_made_of_is_in_its_key() {
        let base = request("a.example", "/x?y=1", &[]);
        let mut secure = request("a.example", "/x?y=1", &[]);
        secure.scheme = Scheme::Https;
        let others = [
            key(1, &request("b.example", "/x?y=1", &[])),
            key(1, &request("a.example:8000", "/x?y=1", &[])),
            key(1, &request("a.example", "/x?y=2", &[])),
            key(1, &request("a.example", "/x", &[])),
            key(1, &request("a.example", "/X?y=1", &[])),
            key(
                1,
                &request("a.example", "/x?y=1", &[("X-Forwarded-Prefix", "/p")]),
            ),
            key(1, &secure),
            key(2, &base),
        ];
        let mut told = request("a.example", "/x?y=1", &[]);
        told.fields.remove("x-forwarded-host");
        told.fields.push(b"X-Forwarded-Host", b"c.example");
        assert_ne!(key(1, &told), key(1, &base));
        for other in others {
            assert!(other.is_some() && other != key(1, &base));
        }
        assert_eq!(key(1, &request("A.Example", "/x?y=1", &[])), key(1, &base));
        assert_eq!(
            key(1, &request("a.example", "http://a.example/x", &[])),
            None
        );
        assert_eq!(key(1, &request("", "/x", &[])), None);
    }

    #[test]
    fn variants_differ_by_what_vary_names_and_by_nothing_else() {
        let names = ["accept-language", "cookie"].map(|name| Box::from(name.as_bytes()));
        let of = |lines: &[(&str, &str)]| {
            let mut key = Vec::new();
            assert!(variant(
                &mut key,
                1,
                &names,
                &request("a", "/", lines).fields
            ));
            key
        };
        assert_eq!(of(&[]), of(&[("User-Agent", "x")]));
        assert_ne!(of(&[]), of(&[("Cookie", "")]));
        assert_ne!(of(&[("Cookie", "a")]), of(&[("Cookie", "b")]));
        assert_ne!(of(&[("Cookie", "a")]), of(&[("Accept-Language", "a")]));
        let spaced = of(&[("Accept-Language", "DE ,en;q=0.5")]);
        assert_eq!(spaced, of(&[("accept-language", "de, en;q=0.5")]));
        let long = "x".repeat(10_000);
        let mut key = Vec::new();
        assert!(!variant(
            &mut key,
            1,
            &names,
            &request("a", "/", &[("Cookie", &long)]).fields
        ));
    }
}
