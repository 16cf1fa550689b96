//! What a request asks about a file besides its name: conditions (RFC 9110, 13), a coding, a range.

use std::borrow::Cow;
use std::time::UNIX_EPOCH;

use super::stamp::Validators;
use crate::message::Fields;

/// The fields that matter to files, picked out in one walk. Repeated lines are joined by commas
/// (5.3): right for lists, and for the others it makes the malformed value that repetition is.
#[derive(Debug, Default)]
pub(super) struct Asked<'a> {
    pub(super) accept_encoding: Option<Cow<'a, [u8]>>,
    pub(super) range: Option<Cow<'a, [u8]>>,
    if_range: Option<Cow<'a, [u8]>>,
    if_match: Option<Cow<'a, [u8]>>,
    if_none_match: Option<Cow<'a, [u8]>>,
    if_modified_since: Option<Cow<'a, [u8]>>,
    if_unmodified_since: Option<Cow<'a, [u8]>>,
}

/// What the conditions come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// 412
    Failed,
    /// 304
    Unchanged,
    Send,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// Weak tags never match (8.8.3.2).
    Strong,
    Weak,
}

impl<'a> Asked<'a> {
    pub(super) fn of(fields: &'a Fields) -> Self {
        let mut asked = Self::default();
        for (name, value) in fields.iter() {
            if let Some(place) = asked.place(name) {
                match place {
                    None => *place = Some(Cow::Borrowed(value)),
                    Some(before) => {
                        before.to_mut().extend_from_slice(b", ");
                        before.to_mut().extend_from_slice(value);
                    }
                }
            }
        }
        asked
    }

    /// Where the field of this name is kept. Asks for the length first: most names stop there.
    fn place(&mut self, name: &[u8]) -> Option<&mut Option<Cow<'a, [u8]>>> {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        match name.len() {
            5 if is(b"range") => Some(&mut self.range),
            8 if is(b"if-range") => Some(&mut self.if_range),
            8 if is(b"if-match") => Some(&mut self.if_match),
            13 if is(b"if-none-match") => Some(&mut self.if_none_match),
            15 if is(b"accept-encoding") => Some(&mut self.accept_encoding),
            17 if is(b"if-modified-since") => Some(&mut self.if_modified_since),
            19 if is(b"if-unmodified-since") => Some(&mut self.if_unmodified_since),
            _ => None,
        }
    }

    /// In the order of precedence of 13.2.2, for GET and HEAD. A date that cannot be read is as
    /// good as none; a list of tags that cannot be read names nothing.
    pub(super) fn verdict(&self, current: &Validators) -> Verdict {
        let failed = match (&self.if_match, &self.if_unmodified_since) {
            (Some(list), _) => !names(list, current, Comparison::Strong),
            (None, Some(date)) => is_older(date, current) == Some(false),
            (None, None) => false,
        };
        if failed {
            return Verdict::Failed;
        }
        let unchanged = match (&self.if_none_match, &self.if_modified_since) {
            (Some(list), _) => names(list, current, Comparison::Weak),
            (None, Some(date)) => is_older(date, current) == Some(true),
            (None, None) => false,
        };
        if unchanged {
            Verdict::Unchanged
        } else {
            Verdict::Send
        }
    }

    /// Whether the range still means what the client has the rest of (13.1.5): the same strong
    /// tag, or exactly our Last-Modified.
    pub(super) fn range_holds(&self, current: &Validators) -> bool {
        match self.if_range.as_deref() {
            None => true,
            Some(tag) if tag.starts_with(b"\"") => *tag == *current.etag,
            Some(date) => current
                .modified
                .as_ref()
                .is_some_and(|ours| *date == *ours.text),
        }
    }
}

/// Whether the representation is not younger than `date`; `None` if one of them is unknown.
fn is_older(date: &[u8], current: &Validators) -> Option<bool> {
    let modified = current.modified.as_ref()?;
    // A browser sends back what it was given: nearly always these bytes.
    if *date == *modified.text {
        return Some(true);
    }
    let date = httpdate::parse_http_date(std::str::from_utf8(date).ok()?.trim_ascii()).ok()?;
    let date = date.duration_since(UNIX_EPOCH).ok()?;
    Some(modified.second <= date.as_secs())
}

/// Whether `list` is `*` or names the current tag.
fn names(list: &[u8], current: &Validators, comparison: Comparison) -> bool {
    if list.trim_ascii() == b"*" {
        return true;
    }
    tags(list).any(|tag| match tag.strip_prefix(b"W/") {
        Some(tag) => comparison == Comparison::Weak && *tag == *current.etag,
        None => *tag == *current.etag,
    })
}

/// The entity-tags of a list, with quotes and `W/`, up to the first that is malformed.
pub(crate) fn tags(mut list: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        while let [b' ' | b'\t' | b',', rest @ ..] = list {
            list = rest;
        }
        let open = if list.starts_with(b"W/") { 2 } else { 0 };
        if list.get(open) != Some(&b'"') {
            return None;
        }
        let close = open + 1 + memchr::memchr(b'"', &list[open + 1..])?;
        let (tag, rest) = list.split_at(close + 1);
        list = rest;
        Some(tag)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::stamp::Modified;
    use super::*;

    const DATE: &str = "Tue, 15 Nov 1994 12:45:26 GMT";
    const EARLIER: &str = "Tue, 15 Nov 1994 12:45:25 GMT";
    const LATER: &str = "Tuesday, 15-Nov-94 12:45:27 GMT";

    fn current() -> Validators {
        Validators {
            etag: (*b"\"x\"").into(),
            modified: Some(Modified {
                second: 784_903_526,
                text: DATE.as_bytes().into(),
            }),
        }
    }

    #[test]
    fn conditions_take_precedence_as_the_rfc_orders() {
        use Verdict::{Failed, Send, Unchanged};
        let rows: &[(&[(&str, &str)], Verdict)] = &[
            (&[], Send),
            (&[("If-None-Match", "\"x\"")], Unchanged),
            (&[("if-none-match", "W/\"x\"")], Unchanged),
            (&[("If-None-Match", "*")], Unchanged),
            (&[("If-None-Match", "\"y\"")], Send),
            (&[("If-None-Match", "\"y\", W/\"z\",, \"x\"")], Unchanged),
            (
                &[("If-None-Match", "\"y\""), ("If-None-Match", "\"x\"")],
                Unchanged,
            ),
            (&[("If-None-Match", "x")], Send),
            (&[("If-None-Match", "\"y")], Send),
            (&[("If-None-Match", "x, \"x\"")], Send),
            (&[("If-None-Match", "\"a,b\", \"x\"")], Unchanged),
            (&[("If-None-Match", "w/\"x\"")], Send),
            (&[("If-None-Match", "")], Send),
            (&[("If-Modified-Since", DATE)], Unchanged),
            (&[("If-Modified-Since", LATER)], Unchanged),
            (&[("If-Modified-Since", EARLIER)], Send),
            (
                &[("If-Modified-Since", "Tue Nov 15 12:45:26 1994")],
                Unchanged,
            ),
            (&[("If-Modified-Since", "yesterday")], Send),
            (
                &[("If-Modified-Since", DATE), ("If-Modified-Since", DATE)],
                Send,
            ),
            (
                &[("If-None-Match", "\"y\""), ("If-Modified-Since", DATE)],
                Send,
            ),
            (
                &[("If-None-Match", "\"x\""), ("If-Modified-Since", EARLIER)],
                Unchanged,
            ),
            (&[("If-Match", "\"x\"")], Send),
            (&[("If-Match", "*")], Send),
            (&[("If-Match", "W/\"x\"")], Failed),
            (&[("If-Match", "\"y\"")], Failed),
            (&[("If-Match", "")], Failed),
            (&[("If-Unmodified-Since", DATE)], Send),
            (&[("If-Unmodified-Since", LATER)], Send),
            (&[("If-Unmodified-Since", EARLIER)], Failed),
            (&[("If-Unmodified-Since", "never")], Send),
            (
                &[("If-Match", "\"x\""), ("If-Unmodified-Since", EARLIER)],
                Send,
            ),
            (&[("If-Match", "\"y\""), ("If-None-Match", "\"x\"")], Failed),
            (
                &[("If-Match", "\"x\""), ("If-None-Match", "\"x\"")],
                Unchanged,
            ),
            (
                &[("If-Unmodified-Since", DATE), ("If-Modified-Since", DATE)],
                Unchanged,
            ),
            (
                &[("If-Unmodified-Since", EARLIER), ("If-None-Match", "*")],
                Failed,
            ),
        ];
        for (lines, verdict) in rows {
            assert_eq!(
                Asked::of(&Fields::of(lines)).verdict(&current()),
                *verdict,
                "{lines:?}"
            );
        }
    }

    #[test]
    fn dates_say_nothing_about_a_file_without_one() {
        let current = Validators {
            modified: None,
            ..current()
        };
        for name in ["If-Modified-Since", "If-Unmodified-Since"] {
            let fields = Fields::of(&[(name, DATE)]);
            assert_eq!(Asked::of(&fields).verdict(&current), Verdict::Send);
        }
        assert!(!Asked::of(&Fields::of(&[("If-Range", DATE)])).range_holds(&current));
    }

    #[test]
    fn a_range_holds_only_for_exactly_the_same_representation() {
        for (value, holds) in [
            ("\"x\"", true),
            ("W/\"x\"", false),
            ("\"y\"", false),
            ("\"x\", \"x\"", false),
            ("*", false),
            ("x", false),
            (DATE, true),
            (EARLIER, false),
            (LATER, false),
            ("Tue Nov 15 12:45:26 1994", false),
            ("", false),
        ] {
            let fields = Fields::of(&[("If-Range", value)]);
            assert_eq!(Asked::of(&fields).range_holds(&current()), holds, "{value}");
        }
        assert!(Asked::of(&Fields::default()).range_holds(&current()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_without_a_panic(name in 0..5usize, value in prop::collection::vec(any::<u8>(), 0..60)) {
            let names = ["If-Match", "If-None-Match", "If-Range", "If-Modified-Since", "If-Unmodified-Since"];
            let mut fields = Fields::default();
            fields.push(names[name].as_bytes(), &value);
            let asked = Asked::of(&fields);
            let _ = (asked.verdict(&current()), asked.range_holds(&current()));
        }

        #[test]
        fn a_tag_is_found_wherever_it_stands(
            others in prop::collection::vec("[a-z,*/ ]{2,6}", 0..6), at in 0..7usize, present: bool, weak: bool,
        ) {
            let mut list: Vec<_> = others.iter().map(|tag| format!("\"{tag}\"")).collect();
            if present {
                list.insert(at.min(list.len()), if weak { "W/\"x\"".into() } else { "\"x\"".into() });
            }
            let value = list.join(" ,");
            let found = |comparison| super::names(value.as_bytes(), &current(), comparison);
            prop_assert_eq!(found(Comparison::Weak), present);
            prop_assert_eq!(found(Comparison::Strong), present && !weak);
        }
    }
}
