//! The Range field (RFC 9110, 14.1 and 14.2): from its text to the stretches to send.
//!
//! Everything here is bounded: the text's length, and with it the number of ranges; the number of
//! parts that are sent. Stretches never overlap, so that a request cannot ask for more bytes than
//! the file has.

use std::ops::Range;

/// A longer field is ignored: no client of good faith asks for so many ranges.
const LONGEST: usize = 2048;
/// More parts than this are answered by the whole file.
const MOST_PARTS: usize = 8;

/// What a Range field asks of a representation of known length.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stretches {
    /// Malformed, of another unit, or of too many parts: as if the field were not there.
    Ignored,
    /// Well-formed, and none of it lies inside.
    Unsatisfiable,
    /// One to eight stretches, none empty, none overlapping or touching another, each inside the
    /// representation, in the order asked for.
    Parts(Vec<Range<u64>>),
}

/// One range-spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spec {
    From(u64),
    FromTo(u64, u64),
    Last(u64),
}

/// Reads the field's value for a representation of `len` bytes.
///
/// An empty representation has no byte to point at, and clients that always send `bytes=0-` still
/// want it: the field is ignored.
pub(crate) fn stretches(value: &[u8], len: u64) -> Stretches {
    if len == 0 {
        return Stretches::Ignored;
    }
    let Some(specs) = specs(value) else {
        return Stretches::Ignored;
    };
    let wanted: Vec<_> = specs
        .iter()
        .filter_map(|spec| resolve(*spec, len))
        .collect();
    if wanted.is_empty() {
        return Stretches::Unsatisfiable;
    }
    let parts = coalesce(&wanted);
    if parts.len() > MOST_PARTS {
        return Stretches::Ignored;
    }
    Stretches::Parts(parts)
}

/// The range-specs, or `None` if there is none or one is malformed (which spoils them all).
fn specs(value: &[u8]) -> Option<Vec<Spec>> {
    if value.len() > LONGEST {
        return None;
    }
    let (unit, set) = value.split_at_checked(6)?;
    if !unit.eq_ignore_ascii_case(b"bytes=") {
        return None;
    }
    let specs: Option<Vec<_>> = set
        .split(|&byte| byte == b',')
        .map(trimmed)
        .filter(|item| !item.is_empty())
        .map(spec)
        .collect();
    specs.filter(|specs| !specs.is_empty())
}

fn spec(text: &[u8]) -> Option<Spec> {
    let dash = memchr::memchr(b'-', text)?;
    let (first, last) = (&text[..dash], &text[dash + 1..]);
    match (first.is_empty(), last.is_empty()) {
        (true, true) => None,
        (true, false) => number(last).map(Spec::Last),
        (false, true) => number(first).map(Spec::From),
        (false, false) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Spec::FromTo(first, last))
        }
    }
}

/// Digits only (no sign, which Rust's own parser would take); too large a number is the largest,
/// which lies beyond every file.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |number, digit| {
        digit.is_ascii_digit().then(|| {
            number
                .saturating_mul(10)
                .saturating_add(u64::from(digit - b'0'))
        })
    })
}

/// The part of `0..len` that `spec` means; `None` if it is empty.
fn resolve(spec: Spec, len: u64) -> Option<Range<u64>> {
    let stretch = match spec {
        Spec::From(first) => first..len,
        Spec::FromTo(first, last) => first..last.saturating_add(1).min(len),
        Spec::Last(count) => len.saturating_sub(count)..len,
    };
    (!stretch.is_empty()).then_some(stretch)
}

/// Joins what overlaps or touches; each result stands where its earliest member stood.
fn coalesce(wanted: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut sorted: Vec<(usize, Range<u64>)> = wanted.iter().cloned().enumerate().collect();
    sorted.sort_unstable_by_key(|(_, stretch)| stretch.start);
    let mut joined: Vec<(usize, Range<u64>)> = Vec::with_capacity(sorted.len().min(MOST_PARTS + 1));
    for (place, stretch) in sorted {
        match joined.last_mut() {
            Some((earliest, last)) if stretch.start <= last.end => {
                last.end = last.end.max(stretch.end);
                *earliest = place.min(*earliest);
            }
            _ => joined.push((place, stretch)),
        }
    }
    joined.sort_unstable_by_key(|(place, _)| *place);
    joined.into_iter().map(|(_, stretch)| stretch).collect()
}

/// Without the spaces and tabs around it (OWS).
fn trimmed(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_of_a_hundred_bytes() {
        let parts = |parts: &[(u64, u64)]| {
            Stretches::Parts(parts.iter().map(|&(start, end)| start..end).collect())
        };
        let rows = [
            ("bytes=0-0", parts(&[(0, 1)])),
            ("bytes=0-99", parts(&[(0, 100)])),
            ("bytes=0-", parts(&[(0, 100)])),
            ("BYTES=90-", parts(&[(90, 100)])),
            ("bytes=90-1000", parts(&[(90, 100)])),
            ("bytes=-1", parts(&[(99, 100)])),
            ("bytes=-1000", parts(&[(0, 100)])),
            ("bytes=-0", Stretches::Unsatisfiable),
            ("bytes=100-", Stretches::Unsatisfiable),
            ("bytes=100-200,-0", Stretches::Unsatisfiable),
            ("bytes=99999999999999999999999-", Stretches::Unsatisfiable),
            ("bytes=5-99999999999999999999999", parts(&[(5, 100)])),
            ("bytes=0-1,100-", parts(&[(0, 2)])),
            ("bytes=0-1, 10-11", parts(&[(0, 2), (10, 12)])),
            ("bytes=10-11,\t0-1 ,", parts(&[(10, 12), (0, 2)])),
            ("bytes=10-11,0-1,12-13", parts(&[(10, 14), (0, 2)])),
            ("bytes=0-50,40-60,-1", parts(&[(0, 61), (99, 100)])),
            ("bytes=0-,0-,0-,0-,0-,0-,0-,0-,0-", parts(&[(0, 100)])),
            (
                "bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16",
                Stretches::Ignored,
            ),
            ("", Stretches::Ignored),
            ("bytes", Stretches::Ignored),
            ("bytes=", Stretches::Ignored),
            ("bytes=,", Stretches::Ignored),
            ("bytes=-", Stretches::Ignored),
            ("bytes=a-b", Stretches::Ignored),
            ("bytes=+1-2", Stretches::Ignored),
            ("bytes=1-+2", Stretches::Ignored),
            ("bytes=--1", Stretches::Ignored),
            ("bytes=1-2-3", Stretches::Ignored),
            ("bytes=2-1", Stretches::Ignored),
            ("bytes=0-1,2-1", Stretches::Ignored),
            ("bytes=0 - 1", Stretches::Ignored),
            ("bytes 0-1", Stretches::Ignored),
            ("bytes = 0-1", Stretches::Ignored),
            ("items=0-1", Stretches::Ignored),
            ("bytes=0x1-2", Stretches::Ignored),
        ];
        for (value, expected) in rows {
            assert_eq!(stretches(value.as_bytes(), 100), expected, "{value}");
        }
        assert_eq!(stretches(b"bytes=0-", 0), Stretches::Ignored);
        let long = format!("bytes={}0-0", ",".repeat(LONGEST));
        assert_eq!(stretches(long.as_bytes(), 100), Stretches::Ignored);
    }

    /// What the specs mean, byte by byte.
    fn model(specs: &[(Option<u64>, Option<u64>)], len: u64) -> BTreeSet<u64> {
        (0..len)
            .filter(|at| {
                specs.iter().any(|spec| match *spec {
                    (Some(first), Some(last)) => (first..=last).contains(at),
                    (Some(first), None) => *at >= first,
                    (None, Some(count)) => at + count >= len,
                    (None, None) => false,
                })
            })
            .collect()
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(value in prop::collection::vec(any::<u8>(), 0..200), len: u64) {
            let _ = stretches(&value, len);
            let mut value = value;
            value.splice(0..0, *b"bytes=");
            let _ = stretches(&value, len);
        }

        #[test]
        fn stretches_cover_exactly_what_was_asked(
            specs in prop::collection::vec(
                prop_oneof![
                    (0..60u64, 0..60u64).prop_map(|(a, b)| (Some(a.min(b)), Some(a.max(b)))),
                    (0..60u64).prop_map(|a| (Some(a), None)),
                    (0..60u64).prop_map(|a| (None, Some(a))),
                ],
                1..12,
            ),
            len in 1..50u64,
        ) {
            let text = |number: Option<u64>| number.map_or(String::new(), |n| n.to_string());
            let items: Vec<_> = specs.iter().map(|(a, b)| format!("{}-{}", text(*a), text(*b))).collect();
            let value = format!("bytes={}", items.join(", "));
            let expected = model(&specs, len);
            match stretches(value.as_bytes(), len) {
                Stretches::Unsatisfiable => prop_assert!(expected.is_empty()),
                Stretches::Parts(parts) => {
                    prop_assert!(parts.len() <= MOST_PARTS);
                    let sum: u64 = parts.iter().map(|part| part.end - part.start).sum();
                    let covered: BTreeSet<u64> = parts.into_iter().flatten().collect();
                    prop_assert_eq!(covered.len() as u64, sum);
                    prop_assert_eq!(covered, expected);
                }
                Stretches::Ignored => {
                    let runs = expected.iter().filter(|at| !expected.contains(&(*at + 1))).count();
                    prop_assert!(runs > MOST_PARTS);
                }
            }
        }
    }
}
