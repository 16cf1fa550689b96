//! Cache-Control, of requests and of responses (RFC 9111, 5.2). What cannot be read counts as what keeps
//! less: a time that is none is 0, and `private` or `no-cache` of some fields is that of all.

use crate::message::Fields;

/// Longer than any answer lives: 2^31 seconds (RFC 9111, 1.2.2).
pub(super) const FOREVER: u64 = 1 << 31;

/// What a request asks of caches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) no_store: bool,
    pub(super) no_cache: bool,
    pub(super) only_if_cached: bool,
    /// Seconds, as all below.
    pub(super) max_age: Option<u64>,
    /// How stale an answer may be.
    pub(super) max_stale: Option<u64>,
    pub(super) min_fresh: Option<u64>,
}

/// What an answer allows to caches that are shared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Allowed {
    pub(super) no_store: bool,
    pub(super) no_cache: bool,
    pub(super) private: bool,
    pub(super) public: bool,
    pub(super) must_understand: bool,
    /// Or `proxy-revalidate`: never stale.
    pub(super) must_revalidate: bool,
    /// Seconds, as all below.
    pub(super) max_age: Option<u64>,
    pub(super) s_maxage: Option<u64>,
    /// RFC 5861, 3.
    pub(super) stale_while_revalidate: Option<u64>,
    /// RFC 5861, 4.
    pub(super) stale_if_error: Option<u64>,
}

impl Asked {
    pub(super) fn read(fields: &Fields) -> Self {
        let mut asked = Self::default();
        for (name, value) in all(fields) {
            let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
            match name.len() {
                8 if is("no-store") => asked.no_store = true,
                8 if is("no-cache") => asked.no_cache = true,
                14 if is("only-if-cached") => asked.only_if_cached = true,
                7 if is("max-age") => first(&mut asked.max_age, value),
                // Without a number: however stale.
                9 if is("max-stale") => {
                    asked.max_stale = Some(value.map_or(FOREVER, |text| seconds(Some(text))));
                }
                9 if is("min-fresh") => first(&mut asked.min_fresh, value),
                _ => {}
            }
        }
        asked
    }
}

impl Allowed {
    pub(super) fn read(fields: &Fields) -> Self {
        let mut allowed = Self::default();
        for (name, value) in all(fields) {
            let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
            match name.len() {
                8 if is("no-store") => allowed.no_store = true,
                8 if is("no-cache") => allowed.no_cache = true,
                7 if is("private") => allowed.private = true,
                6 if is("public") => allowed.public = true,
                15 if is("must-understand") => allowed.must_understand = true,
                15 if is("must-revalidate") => allowed.must_revalidate = true,
                16 if is("proxy-revalidate") => allowed.must_revalidate = true,
                7 if is("max-age") => first(&mut allowed.max_age, value),
                8 if is("s-maxage") => first(&mut allowed.s_maxage, value),
                22 if is("stale-while-revalidate") => {
                    first(&mut allowed.stale_while_revalidate, value);
                }
                14 if is("stale-if-error") => first(&mut allowed.stale_if_error, value),
                _ => {}
            }
        }
        allowed
    }
}

/// Of two that contradict each other the smaller counts.
fn first(kept: &mut Option<u64>, value: Option<&[u8]>) {
    let read = seconds(value);
    *kept = Some(kept.map_or(read, |before| before.min(read)));
}

/// Digits, perhaps in quotes; everything else is 0, too large a number is [`FOREVER`].
fn seconds(value: Option<&[u8]>) -> u64 {
    let value = value.unwrap_or_default();
    let quoted = value
        .strip_prefix(b"\"")
        .and_then(|v| v.strip_suffix(b"\""));
    digits(quoted.unwrap_or(value)).unwrap_or(0)
}

/// A number of seconds that is nothing but digits.
pub(super) fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |sum: u64, digit: &u8| {
        sum.saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    };
    Some(text.iter().fold(0, add).min(FOREVER))
}

/// All directives of all lines: names, and what stands behind their `=`.
fn all(fields: &Fields) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    fields
        .all("cache-control")
        .flat_map(members)
        .map(|member| match memchr::memchr(b'=', member) {
            Some(at) => (&member[..at], Some(&member[at + 1..])),
            None => (member, None),
        })
}

/// The members of a list, by commas outside of quoted strings (RFC 9110, 5.6.1 and 5.6.4).
pub(super) fn members(mut list: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        while !list.is_empty() {
            let end = member_end(list);
            let member = list[..end].trim_ascii();
            list = list.get(end + 1..).unwrap_or_default();
            if !member.is_empty() {
                return Some(member);
            }
        }
        None
    })
}

fn member_end(list: &[u8]) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in list.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return at,
            _ => {}
        }
    }
    list.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(values: &[&str]) -> Allowed {
        let mut fields = Fields::default();
        for value in values {
            fields.push(b"Cache-Control", value.as_bytes());
        }
        Allowed::read(&fields)
    }

    #[test]
    fn times_are_digits_and_nothing_else() {
        for (text, expected) in [
            ("max-age=60", 60),
            ("MAX-AGE=060", 60),
            ("max-age=\"60\"", 60),
            ("max-age='60'", 0),
            ("max-age=-60", 0),
            ("max-age=+60", 0),
            ("max-age=60.5", 0),
            ("max-age= 60", 0),
            ("max-age", 0),
            ("max-age=", 0),
            ("max-age=99999999999999999999999", FOREVER),
            ("max-age=60, max-age=1", 1),
            ("max-age=1, max-age=60", 1),
        ] {
            assert_eq!(allowed(&[text]).max_age, Some(expected), "{text}");
        }
    }

    #[test]
    fn a_directive_in_a_quoted_string_is_none() {
        let read = allowed(&[r#"a="x, max-age=60, \", no-store", public"#]);
        assert!(read.public && !read.no_store && read.max_age.is_none());
        assert!(allowed(&["a=\"never closed, public"]) == Allowed::default());
    }

    #[test]
    fn several_lines_are_one_list() {
        let read = allowed(&[
            "public",
            ", ,s-maxage=5,",
            "private=\"set-cookie\", no-cache=\"a\"",
        ]);
        assert!(read.public && read.private && read.no_cache);
        assert_eq!(read.s_maxage, Some(5));
    }

    #[test]
    fn max_stale_may_stand_alone() {
        let mut fields = Fields::default();
        fields.push(b"cache-control", b"max-stale, min-fresh=3, Only-If-Cached");
        let asked = Asked::read(&fields);
        assert_eq!((asked.max_stale, asked.min_fresh), (Some(FOREVER), Some(3)));
        assert!(asked.only_if_cached);
    }
}
